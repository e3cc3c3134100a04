"""Staff record what patients say on paper, by phone and in person: with its true date, once, and
with its evidence.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.decisions import Decision
from chalicelib.domain.instants import instant
from chalicelib.domain.local_time import local_day
from chalicelib.domain.receipts import Receipt
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.decisions import BusyError
from chalicelib.store.lookup import Identification
from tests.cast import TBILISI
from tests.web.client import MOUNTS, Answer, Client, Program
from tests.web.disclosed import evidence_of
from tests.web.page_reader import Page, decide
from tests.web.running import RunningPortal

ANNA, GIORGI = {"email": "anna.ozola@example.org"}, {"phone": "+995 555 12 34 56"}
MORNING = "2026-11-10T10:00:00+02:00"
IN_PERSON = {
    "subject": ANNA,
    "decisions": {"newsletter.email": "yes"},
    "channel": "in-person",
    "effective_at": MORNING,
}
SHA = "ab" * 32
STOP = {"subject": ANNA, "all": True, "channel": "phone", "effective_at": MORNING}


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give the program of a clinic where nobody has decided yet."""
    return portal.open_clinic()


@pytest.fixture(scope="module")
def quiet(settled: RunningPortal) -> Program:
    """Give the program of a clinic where nobody ever decides."""
    return settled.open_clinic()


def _status(program: Program) -> dict[str, Any]:
    """Tell how Anna's newsletter stands."""
    answer = program.call("status", {"subjects": [ANNA], "purposes": ["newsletter.email"]})
    told: dict[str, Any] = answer.json()["results"][0]["decisions"]["newsletter.email"]
    return told


def _pointers(answer: Answer) -> list[str]:
    assert answer.status == 422
    return [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize("channel", ["paper", "phone", "in-person"])
def test_a_decision_taken_by_staff_is_a_receipt_like_any_other(
    portal: RunningPortal, program: Program, channel: str, mount: str
) -> None:
    """With its own date, its evidence, and the key of whoever recorded it."""
    program.client = Client(MOUNTS[mount])
    evidence = {"form": "A-2026/117", "sha256": "ab" * 32}
    answer = program.call(
        "receipts", {**IN_PERSON, "channel": channel, "evidence": evidence, "lang": "ru"}
    )
    assert answer.status == 201
    receipt = answer.json()
    assert (
        answer.location == f"{MOUNTS[mount]}/v1/clinics/{program.clinic}/receipts/{receipt['id']}"
    )
    assert program.receipt(receipt["id"]).body == answer.body
    assert (receipt["channel"], receipt["assurance"]) == (channel, "staff-witnessed")
    assert evidence_of(portal, program, receipt["id"]) == evidence
    assert receipt["effective_at"] == "2026-11-10T08:00:00.000Z"
    assert receipt["recorded_at"] > receipt["effective_at"]
    assert receipt["actor"].startswith("staff:key_")
    assert receipt["notice"]["lang"] == "ru"
    assert receipt["source"] is None


def test_paper_names_its_form_and_the_others_may(program: Program) -> None:
    """A consent on paper can be found again in the clinic's files."""
    paper = {**IN_PERSON, "channel": "paper"}
    assert _pointers(program.call("receipts", paper)) == ["/evidence/form"]
    assert _pointers(program.call("withdrawals", {**STOP, "channel": "paper"})) == [
        "/evidence/form"
    ]
    assert program.call("receipts", {**IN_PERSON, "channel": "phone"}).json()["evidence"] is None


FAULTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"channel": "web"}, ["/channel"]),
    ({"channel": ["paper"]}, ["/channel"]),
    ({"decisions": {}}, ["/decisions"]),
    ({"decisions": ["newsletter.email"]}, ["/decisions"]),
    ({"decisions": {"newsletter": "yes"}}, ["/decisions/newsletter"]),
    ({"decisions": {"newsletter.email": "withdraw"}}, ["/decisions/newsletter.email"]),
    ({"decisions": {"newsletter.email": True}}, ["/decisions/newsletter.email"]),
    ({"subject": {}}, ["/subject"]),
    ({"subject": {"email": "anna@", "phone": "12"}}, ["/subject/email", "/subject/phone"]),
    ({"effective_at": "2026-11-10T10:00"}, ["/effective_at"]),
    ({"effective_at": "2026-11-10T10:00:00"}, ["/effective_at"]),
    ({"effective_at": 1795000000}, ["/effective_at"]),
    ({"effective_at": "2026-11-10 10:00:00+02:00"}, ["/effective_at"]),
    ({"effective_at": "20261110T100000+0200"}, ["/effective_at"]),
    ({"effective_at": "2026-W46-2T10:00:00Z"}, ["/effective_at"]),
    ({"effective_at": "2026-02-30T10:00:00Z"}, ["/effective_at"]),
    ({"evidence": None}, ["/evidence"]),
    ({"name": None}, ["/name"]),
    ({"lang": None}, ["/lang"]),
    ({"effective_at": "1999-12-31T23:59:59Z"}, ["/effective_at"]),
    ({"effective_at": "0001-01-01T00:00:00+14:00"}, ["/effective_at"]),
    ({"evidence": "A-1"}, ["/evidence"]),
    ({"evidence": {"form": " "}}, ["/evidence/form"]),
    ({"evidence": {"form": "x" * 201}}, ["/evidence/form"]),
    ({"evidence": {"sha256": "AB" * 32}}, ["/evidence/form", "/evidence/sha256"]),
    ({"evidence": {"form": "A-1", "sha256": None}}, ["/evidence/sha256"]),
    ({"evidence": {"form": "A-1", "scan": "x"}}, ["/evidence"]),
    ({"name": "x" * 121}, ["/name"]),
    ({"lang": "ka"}, ["/lang"]),
    ({"guardian": {"name": "Ilze"}}, ["/guardian"]),
]


@pytest.mark.parametrize(("changed", "pointers"), FAULTS)
def test_every_fault_is_named_by_its_place_and_nothing_is_stored(
    quiet: Program, changed: dict[str, Any], pointers: list[str]
) -> None:
    """Staff see at once which field to mend."""
    assert _pointers(quiet.call("receipts", {**IN_PERSON, **changed})) == pointers
    assert quiet.history(**ANNA) == []


def test_a_decision_of_tomorrow_is_refused_and_a_clock_that_is_a_little_fast_forgiven(
    program: Program,
) -> None:
    """Nobody has decided in the future; a receipt is never effective after it was recorded."""
    for ahead, status in (
        (timedelta(days=1), 422),
        (timedelta(minutes=6), 422),
        (timedelta(minutes=2), 201),
    ):
        then = (datetime.now(UTC) + ahead).isoformat()
        answer = program.call("receipts", {**IN_PERSON, "effective_at": then})
        assert answer.status == status
    assert answer.json()["effective_at"] <= answer.json()["recorded_at"]


@pytest.mark.parametrize("order", [("yes", "no"), ("no", "yes")])
def test_of_two_forms_with_the_same_date_the_stop_counts(
    program: Program, order: tuple[str, str]
) -> None:
    """Paper has only dates: whichever form is typed first, nothing is sent to who may have said No
    last.
    """
    form = {**IN_PERSON, "channel": "paper", "effective_at": "2026-11-10"}
    for number, answer in enumerate(order):
        said = {"decisions": {"newsletter.email": answer}, "evidence": {"form": f"F-{number}"}}
        assert program.call("receipts", {**form, **said}).status == 201
    told = _status(program)
    assert (told["state"], told["permitted"], told["since_date"]) == (
        "withdrawn",
        False,
        "2026-11-10",
    )


def test_a_date_alone_is_that_day_at_the_clinic_and_is_shown_as_a_day(
    portal: RunningPortal, program: Program, client: Client
) -> None:
    """No receipt, page or format makes up a midnight that nobody wrote."""
    form = {
        **IN_PERSON,
        "channel": "paper",
        "effective_at": "2026-11-10",
        "evidence": {"form": "F-1"},
    }
    receipt = program.call("receipts", form, {"Idempotency-Key": "a"}).json()
    assert (receipt["effective_at"], receipt["effective_date"]) == (
        "2026-11-09T22:00:00.000Z",
        "2026-11-10",
    )
    assert receipt["effective_until"] == "2026-11-10T21:59:59.999Z"
    assert program.call("receipts", form, {"Idempotency-Key": "a"}).json() == receipt, "sent again"
    changed = {**form, "effective_at": receipt["effective_at"]}
    assert program.call("receipts", changed, {"Idempotency-Key": "a"}).status == 422, (
        "a moment is no day"
    )
    portal.seal()
    page = client.get(f"/{program.clinic}/receipts/{receipt['id']}?lang=en")
    check = next(link for link in Page(page).links if "/verify?code=" in link)
    for shown in (page.text, client.get(check[check.index("/verify") :]).text):
        assert (
            '<time datetime="2026-11-10">10 November 2026</time> (only the day is known)' in shown
        )
        assert "12:00" not in shown
    r4 = program.get(f"receipts/{receipt['id']}?format=fhir-r4").json()
    assert (r4["dateTime"], r4["provision"]["period"]) == ("2026-11-10", {"start": "2026-11-10"})
    dpv = program.get(f"receipts/{receipt['id']}?format=dpv").text
    assert '"2026-11-10"' in dpv
    assert receipt["effective_at"] not in dpv
    told = _status(program)
    assert (told["since"], told["since_date"]) == (receipt["effective_at"], "2026-11-10")


def test_a_day_that_has_not_come_is_refused_and_today_is_taken(program: Program) -> None:
    """Today has begun at the clinic; tomorrow nobody has decided anything yet."""
    today = local_day(instant(datetime.now(UTC)), "LV")
    tomorrow = (date.fromisoformat(today) + timedelta(days=1)).isoformat()
    assert program.call("receipts", {**IN_PERSON, "effective_at": today}).status == 201
    for wrong in (tomorrow, "1999-12-31", "2026-02-30", "2026-11", "10.11.2026"):
        assert _pointers(program.call("receipts", {**IN_PERSON, "effective_at": wrong})) == [
            "/effective_at"
        ]


def test_on_a_day_on_which_the_notice_changed_a_form_names_its_version(
    portal: RunningPortal, program: Program
) -> None:
    """Which text was signed on that day nobody can tell by the date."""
    portal.republish(program.clinic, "1.1")
    said = {**IN_PERSON, "effective_at": local_day(instant(datetime.now(UTC)), "LV")}
    assert _pointers(program.call("receipts", said)) == ["/notice_version"]
    for version in ("1.0", "1.1"):
        receipt = program.call("receipts", {**said, "notice_version": version}).json()
        assert receipt["notice"]["version"] == version


def test_a_form_entered_late_does_not_overrule_a_later_word(
    program: Program, client: Client
) -> None:
    """It is recorded and provable, and what the patient said since then stands."""
    client.post(f"/{program.clinic}/withdraw", {**ANNA, "all": "yes"})
    receipt = program.call("receipts", IN_PERSON).json()
    assert receipt["decisions"]["newsletter.email"]["after"] == "withdrawn"
    assert program.states(**ANNA)["newsletter.email"] == "withdrawn"
    late = {**STOP, "effective_at": "2026-11-01T10:00:00+02:00"}
    now = {"effective_at": datetime.now(UTC).isoformat()}
    assert program.call("receipts", {**IN_PERSON, **now}).status == 201
    assert program.call("withdrawals", late).status == 201
    assert program.states(**ANNA)["newsletter.email"] == "granted"


def test_a_withdrawal_by_phone_stops_what_it_names(program: Program) -> None:
    """One thing, a purpose with all its options, or everything."""
    both = {"newsletter.email": "yes", "newsletter.sms": "yes", "testimonials.text": "yes"}
    program.call(
        "receipts", {**IN_PERSON, "decisions": both, "subject": {**ANNA, "phone": "26 123 456"}}
    )
    some = {key: value for key, value in STOP.items() if key != "all"}
    later = "2026-11-11T10:00:00+02:00"
    program.call("withdrawals", {**some, "purposes": ["newsletter.sms"], "effective_at": later})
    assert [program.states(**ANNA)[address] for address in both] == [
        "granted",
        "withdrawn",
        "granted",
    ]
    program.call("withdrawals", {**some, "purposes": ["newsletter"], "effective_at": later})
    assert [program.states(**ANNA)[address] for address in both] == [
        "withdrawn",
        "withdrawn",
        "granted",
    ]
    assert program.call("withdrawals", {**STOP, "effective_at": later}).status == 201
    assert set(program.states(**ANNA).values()) <= {"withdrawn", "refused"}


@pytest.mark.parametrize(
    ("changed", "pointers"),
    [
        ({"purposes": ["newsletter"]}, ["/purposes"]),
        ({"all": False}, ["/purposes"]),
        ({"all": "true"}, ["/purposes"]),
        ({"all": None, "purposes": ["horoscopes"]}, ["/purposes/0"]),
        ({"name": "Anna"}, ["/name"]),
        ({"decisions": {"newsletter.email": "no"}}, ["/decisions"]),
    ],
)
def test_a_withdrawal_names_purposes_or_everything(
    quiet: Program, changed: dict[str, Any], pointers: list[str]
) -> None:
    """Half a withdrawal is none: the program is told."""
    assert set(pointers) <= set(_pointers(quiet.call("withdrawals", {**STOP, **changed})))
    assert quiet.history(**ANNA) == []


@pytest.mark.parametrize(("name", "body"), [("receipts", IN_PERSON), ("withdrawals", STOP)])
@pytest.mark.parametrize("evidence", [{}, {"evidence": {"form": "A-2026/117", "witness": "Ilze"}}])
def test_a_call_repeated_with_its_key_is_one_receipt(
    program: Program, name: str, body: dict[str, Any], evidence: dict[str, Any]
) -> None:
    """A program that got no answer may simply ask again."""
    key, body = {"Idempotency-Key": "form-117"}, {**body, **evidence}
    first, again = program.call(name, body, key), program.call(name, body, key)
    assert (again.status, again.body, again.location) == (201, first.body, first.location)
    assert len(program.history(**ANNA)) == 1
    assert program.call(name, body).json()["version"] == 2
    assert program.call(name, body, {"Idempotency-Key": "x" * 201}).status == 400


@pytest.mark.parametrize(
    "changed",
    [
        {"decisions": {"newsletter.email": "no"}},
        {"decisions": {"newsletter.email": "yes", "newsletter.sms": "no"}},
        {"effective_at": "2026-11-10T10:00:01+02:00"},
        {"subject": {"email": "somebody.else@example.org"}},
        {"channel": "phone"},
        {"evidence": {"form": "A-2"}},
        {"lang": "en"},
    ],
)
def test_a_key_used_for_another_body_is_refused(program: Program, changed: dict[str, Any]) -> None:
    """Nobody's decision is taken for recorded because another's was."""
    key = {"Idempotency-Key": "the same for all"}
    program.call("receipts", IN_PERSON, key)
    answer = program.call("receipts", {**IN_PERSON, **changed}, key)
    assert (answer.status, answer.json()["title"]) == (422, "Idempotency-Key used before")
    assert len(program.history(**ANNA)) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"channel": "in-person"},
        {"effective_at": "2026-11-11T10:00:00+02:00"},
        {"evidence": {"form": "A-1", "sha256": SHA}},
    ],
)
def test_a_call_that_is_refused_writes_nothing_for_whom_the_first_one_did_not_reach(
    program: Program, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    """It broke off in the middle of a family; another body under its key does not go on in its
    place.
    """
    for name in ("bella", "anna"):
        said = {"email": f"{name}.ozola@example.org", "phone": "26123456"}
        program.call("receipts", {**IN_PERSON, "subject": said})
    stop = {**STOP, "subject": {"phone": "26123456"}, "evidence": {"form": "A-1"}}
    key, record, broken = {"Idempotency-Key": "form-119"}, decisions.record, [False]

    def breaks(
        portal: Portal, decision: Decision, identification: Identification, **more: Any
    ) -> Receipt:
        if identification.follows and not broken[0]:
            raise BusyError
        return record(portal, decision, identification, **more)

    monkeypatch.setattr(withdrawals, "record", breaks)
    assert program.call("withdrawals", stop, key).status == 503
    broken[0] = True
    assert program.call("withdrawals", {**stop, **changed}, key).status == 422
    assert len(program.history(phone="26123456")) == 3
    assert program.call("withdrawals", stop, key).status == 201
    assert len(program.history(phone="26123456")) == 4


def test_a_key_used_with_fewer_decisions_is_another_body(program: Program) -> None:
    """A shorter body is not the body that was recorded."""
    key = {"Idempotency-Key": "form-118"}
    program.call(
        "receipts",
        {**IN_PERSON, "decisions": {"newsletter.email": "yes", "newsletter.sms": "no"}},
        key,
    )
    assert program.call("receipts", IN_PERSON, key).status == 422


def test_two_programs_may_use_the_same_idempotency_key(
    program: Program, portal: RunningPortal
) -> None:
    """It belongs to the bearer key that sent it."""
    key = {"Idempotency-Key": "1"}
    other = Program(program.clinic, portal.new_key(program.clinic))
    first, second = program.call("receipts", IN_PERSON, key), other.call("receipts", IN_PERSON, key)
    assert (first.json()["version"], second.json()["version"]) == (1, 2)


def test_a_new_contact_told_by_staff_joins_the_person_they_see(
    program: Program, client: Client
) -> None:
    """The e-mail, the phone and the clinic's number of one patient lead to one chain."""
    decide(client, program.clinic, {"decision.newsletter.email": "yes", **ANNA})
    program.call(
        "receipts", {**IN_PERSON, "subject": {**ANNA, "patient_ref": "P-1", "phone": "26123456"}}
    )
    assert (
        program.states(patient_ref="P-1")
        == program.states(**ANNA)
        == program.states(phone="26 123 456")
    )
    assert [receipt["version"] for receipt in program.history(patient_ref="P-1")] == [1, 2]


def test_staff_of_tbilisi_record_for_a_patient_with_a_phone_alone(portal: RunningPortal) -> None:
    """And nobody else's program sees it."""
    program, other = portal.open_clinic(TBILISI), portal.open_clinic()
    body = {
        **IN_PERSON,
        "subject": GIORGI,
        "decisions": {"newsletter.sms": "yes"},
        "name": "გიორგი",
    }
    assert program.call("receipts", body).json()["notice"]["lang"] == "ka"
    assert program.states(phone="555123456")["newsletter.sms"] == "granted"
    assert Program(program.clinic, other.key).call("receipts", body).status == 404
    assert len(program.history(**GIORGI)) == 1


def test_a_paper_form_says_which_version_was_signed_and_who_saw_it(
    portal: RunningPortal, program: Program
) -> None:
    """A form of last month's stock binds to last month's text, whatever is in force today."""
    portal.republish(
        program.clinic,
        "1.1",
        lambda document: document["texts"]["intro"].update(en="Clearer words."),
    )
    evidence = {"form": "A-2026/118", "sha256": "cd" * 32, "witness": "Ilze, reception"}
    now = datetime.now(UTC).isoformat()
    paper = {**IN_PERSON, "channel": "paper", "evidence": evidence, "effective_at": now}
    assert program.call("receipts", paper).json()["notice"]["version"] == "1.1"
    signed = program.call("receipts", {**paper, "notice_version": "1.0"}).json()
    assert signed["notice"]["version"] == "1.0"
    assert evidence_of(portal, program, signed["id"]) == evidence


@pytest.mark.parametrize("version", ["7.0", "", 1, None])
def test_a_version_that_was_never_published_is_refused(program: Program, version: object) -> None:
    """A slip of the pen is told at once."""
    paper = {
        **IN_PERSON,
        "channel": "paper",
        "evidence": {"form": "A-1"},
        "notice_version": version,
    }
    assert _pointers(program.call("receipts", paper)) == ["/notice_version"]


def test_the_age_a_patient_declared_to_staff_stands_in_the_receipt(
    portal: RunningPortal, program: Program
) -> None:
    """As on the page, where a Yes is not taken without it; a No and a withdrawal never need it."""
    kaunas = portal.open_clinic("kaunas-polyclinics")
    said = {**IN_PERSON, "decisions": {"programme": "yes"}, "name": "Anna Ozola"}
    assert _pointers(kaunas.call("receipts", said)) == ["/declared_adult"]
    assert kaunas.call("withdrawals", STOP).status == 201
    declared = kaunas.call("receipts", {**said, "declared_adult": True}).json()
    assert declared["evidence"] == {"declared_age": "18"}
    for changed, places in (
        ({"declared_adult": False}, ["/declared_adult"]),
        ({"declared_adult": "yes"}, ["/declared_adult"]),
        (
            {
                "declared_adult": True,
                "guardian": {"relation": "parent", "child_born": "2016-03-27"},
            },
            ["/declared_adult"],
        ),
    ):
        assert _pointers(kaunas.call("receipts", {**said, **changed})) == places
    refused = {**said, "decisions": {"programme": "no"}, "declared_adult": True}
    assert kaunas.call("receipts", refused).json()["evidence"] is None
    assert _pointers(program.call("receipts", {**IN_PERSON, "declared_adult": True})) == [
        "/declared_adult"
    ]


@pytest.mark.parametrize("witness", ["", "  ", 7, None, "x" * 201, "Ilze\nreception"])
def test_a_witness_is_a_line_of_text(quiet: Program, witness: object) -> None:
    """What proves for years can be read."""
    body = {**IN_PERSON, "evidence": {"form": "A-1", "witness": witness}}
    assert _pointers(quiet.call("receipts", body)) == ["/evidence/witness"]


SMS = {**IN_PERSON, "decisions": {"newsletter.sms": "yes", "newsletter.email": "yes"}}


def test_a_yes_to_messages_needs_somewhere_to_send_them(program: Program) -> None:
    """Nobody is permitted to be written to at an address nobody has."""
    assert _pointers(program.call("receipts", {**SMS, "subject": {"patient_ref": "P-9"}})) == [
        "/subject/email",
        "/subject/phone",
    ]
    assert _pointers(program.call("receipts", SMS)) == ["/subject/phone"]
    assert program.history(**ANNA) == []
    no = dict.fromkeys(SMS["decisions"], "no")
    assert (
        program.call("receipts", {**SMS, "decisions": no, "subject": {"patient_ref": "P-9"}}).status
        == 201
    )


def test_what_the_clinic_knows_already_is_not_asked_again(
    program: Program, portal: RunningPortal
) -> None:
    """Known by number, e-mail and phone, Anna may be named by her number alone; another's number
    does not help.
    """
    everything = {**ANNA, "phone": "26 123 456", "patient_ref": "P-9"}
    assert program.call("receipts", {**SMS, "subject": everything}).status == 201
    assert program.call("receipts", {**SMS, "subject": {"patient_ref": "P-9"}}).status == 201
    assert _pointers(program.call("receipts", {**SMS, "subject": {"patient_ref": "P-10"}}))
    other = portal.open_clinic()
    assert _pointers(other.call("receipts", {**SMS, "subject": {"patient_ref": "P-9"}}))


def test_what_is_not_there_and_who_is_not_let_in_are_told_what_to_do(
    program: Program, portal: RunningPortal
) -> None:
    """A program's author reads one sentence and knows; another clinic's thing is like nothing."""
    absent = program.receipt("0" * 32)
    elsewhere = Program(program.clinic, portal.open_clinic().key).receipt("0" * 32)
    assert absent.json()["detail"]
    assert (absent.status, elsewhere.status, absent.body) == (404, 404, elsewhere.body)
    for key in (None, "cpk_wrong"):
        answer = Program(program.clinic, key).call("status", {"subjects": [ANNA]})
        assert answer.status == 401
        assert answer.json()["detail"]
