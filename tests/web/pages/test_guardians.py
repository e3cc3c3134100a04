"""A guardian decides for a child: the child is the patient, the guardian's e-mail or phone is the
contact.
"""

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain import consent
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import NoticeRef
from chalicelib.domain.links import LinkScope
from chalicelib.domain.submission import FormAnswers
from chalicelib.services import confirmation
from chalicelib.services.own_decisions import record_changes
from chalicelib.services.own_page import open_own_page
from chalicelib.services.patient_decisions import CannotAgreeError, SubmittedForm
from chalicelib.services.visitor import Visitor
from chalicelib.store.links import open_link
from tests.cast import RIGA
from tests.web.client import Answer, Client, Program
from tests.web.letterbox import a_token, carried, token_in
from tests.web.page_reader import Page, decide, legible, open_page, receipt_number
from tests.web.running import RunningPortal, counts_at_once

VILNIUS = "vilnius-dental"
INGA = {"email": "inga.kalniete@example.org"}
PHOTOS = "treatment_photos.education"
NEWS = "newsletter.email"
ELZA = {
    "child": "yes",
    "relation": "parent",
    "child_name": "Elza Kalniete",
    "child_born_day": "29",
    "child_born_month": "2",
    "child_born_year": "2016",
}
OF_AGE = "2034-02-28T22:00:00.000Z"
"""Midnight in Vilnius."""

YES = {f"decision.{PHOTOS}": "yes", **INGA}


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give the program of a clinic where a guardian may decide, for years already, and nobody has
    yet.
    """
    since = "2020-01-01"
    return portal.open_clinic(
        VILNIUS, lambda document: document.update(effective=since), at=f"{since}T08:00:00.000Z"
    )


_ABOUT = (
    lambda text: "El•••" in text,
    lambda text: "Ma•••" in text,
    lambda text: "•••" not in text,
)
"""Which of two sisters a mail is about, or the mother herself."""


def _receipt(program: Program, answer: Answer) -> dict[str, Any]:
    receipt: dict[str, Any] = program.receipt(receipt_number(answer)).json()
    return receipt


def test_a_guardians_yes_names_the_guardian_and_nothing_of_the_child(
    program: Program, client: Client
) -> None:
    """The receipt proves who decided; whoever finds it learns no name and no contact."""
    answer = decide(client, program.clinic, {**YES, **ELZA})
    receipt = _receipt(program, answer)
    assert (receipt["actor"], receipt["evidence"]) == ("guardian", {"guardian": "parent"})
    assert receipt["expires_at"] == receipt["decisions"][PHOTOS]["expires_at"] == OF_AGE
    written = legible(json.dumps(receipt, ensure_ascii=False).casefold())
    assert not any(told in written for told in ("elza", "kalniete", "2016", "example.org"))
    assert "Parent" in Page(client.get(f"/{program.clinic}/receipts/{receipt['id']}?lang=en")).words
    assert program.states(**INGA)[PHOTOS] == "pending"


def test_the_same_child_is_found_again_and_another_is_another(
    program: Program, client: Client
) -> None:
    """Each child has a chain of its own, however its name is typed."""
    first = _receipt(program, decide(client, program.clinic, {**YES, **ELZA}))
    again = _receipt(
        program, decide(client, program.clinic, {**YES, **ELZA, "child_name": " elza  KALNIETE"})
    )
    sister = _receipt(
        program, decide(client, program.clinic, {**YES, **ELZA, "child_name": "Marta Kalniete"})
    )
    assert (again["subject"], again["version"], again["previous"] is None) == (
        first["subject"],
        2,
        False,
    )
    assert (sister["subject"] == first["subject"], sister["version"]) == (False, 1)
    assert sister["decisions"][PHOTOS]["after"] == "pending", (
        "the contact had decided before: its owner confirms"
    )


def test_mails_and_pages_tell_a_guardian_which_child_they_are_about(
    client: Client, portal: RunningPortal
) -> None:
    """By the first letters alone: the address may have been typed wrong, and a stranger reads
    it.
    """
    program = portal.open_clinic(VILNIUS, counts_at_once)
    carried(portal)
    for name in ("Elza Kalniete", "Marta Kalniete"):
        decide(client, program.clinic, {**YES, **ELZA, "child_name": name}, "?lang=en")
    decide(client, program.clinic, YES, "?lang=en")
    came = carried(portal, Contact(ContactKind.EMAIL, INGA["email"]))
    [elza], [marta], [own] = ([text for text in came if said(text)] for said in _ABOUT)
    pages = [
        client.get(f"/manage/{token_in(elza, 'manage')}").text,
        client.get(f"/confirm/{token_in(marta, 'confirm')}").text,
    ]
    assert ["El•••" in pages[0], "Ma•••" in pages[1]] == [True, True]
    assert "a child" not in client.get(f"/confirm/{token_in(own, 'confirm')}").text
    for text in (elza, marta, own, *pages):
        assert not re.search(r"Elza|Marta|Kalniete", legible(text))


def test_a_child_stays_one_by_whichever_contact_its_guardian_comes(
    program: Program, client: Client
) -> None:
    """Named with both contacts first, then with each alone: what is said last holds by both."""
    phone = {"phone": "+37061234567"}
    for answer, contact in (("no", {**INGA, **phone}), ("yes", INGA), ("no", phone)):
        assert (
            decide(client, program.clinic, {**ELZA, **contact, f"decision.{PHOTOS}": answer}).status
            == 303
        )
    assert [receipt["version"] for receipt in program.history(**INGA)] == [1, 2, 3]


def test_the_mail_of_a_child_that_was_erased_leads_nowhere(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Neither its page nor its form brings anybody back."""
    decide(client, program.clinic, YES)
    number = _receipt(program, decide(client, program.clinic, {**YES, **ELZA}))["id"]
    token = a_token(
        portal,
        program.clinic,
        Contact(ContactKind.EMAIL, INGA["email"]),
        LinkScope.CONFIRM,
        number,
        (PHOTOS,),
    )
    assert program.call("erasures", {"subject": INGA, "everyone": True}).status == 200
    for answer in (
        client.get(f"/confirm/{token}?lang=en"),
        client.post(f"/confirm/{token}?lang=en", {"sure": "yes"}),
    ):
        assert (answer.status, "nothing left" in answer.text) == (200, True)
    assert program.history(**INGA) == []


@pytest.mark.parametrize("child_first", [True, False])
def test_a_guardian_and_a_child_decide_apart(
    program: Program, client: Client, *, child_first: bool
) -> None:
    """A Yes or a No for the child is none of the parent's, and the other way round."""
    forms = [{**YES, **ELZA}, {f"decision.{PHOTOS}": "no", **INGA}]
    one, other = (
        _receipt(program, decide(client, program.clinic, fields))
        for fields in (forms if child_first else forms[::-1])
    )
    assert one["subject"] != other["subject"]
    assert (one["version"], other["version"]) == (1, 1)
    assert len(program.history(**INGA)) == 2, "nothing follows for the other"
    assert program.states(**INGA)[PHOTOS] == "refused", (
        "for a list by e-mail the stricter answer holds"
    )


def test_a_withdrawal_by_the_guardians_contact_reaches_every_child(
    program: Program, client: Client
) -> None:
    """One form stops everything that hangs on the e-mail."""
    decide(client, program.clinic, {**YES, **ELZA})
    decide(client, program.clinic, {**YES, **ELZA, "child_name": "Marta Kalniete"})
    decide(client, program.clinic, YES)
    client.post(f"/{program.clinic}/withdraw", {**INGA, "all": "yes"})
    last = {
        each["subject"]: each["decisions"][PHOTOS]["answer"] for each in program.history(**INGA)
    }
    assert len(last) == 3
    assert set(last.values()) == {"withdraw"}


def test_what_is_wrong_about_the_child_is_shown_and_what_was_typed_kept(
    program: Program, client: Client
) -> None:
    """A parent mends one field; nothing is stored."""
    answer = decide(client, program.clinic, {**YES, **ELZA, "child_born_month": "13"})
    page = Page(answer)
    assert (answer.status, page.faults) == (422, ["#child_born"])
    assert (page.fields["child_name"], page.fields["child_born_month"]) == ("Elza Kalniete", "13")
    assert page.fields["child"] == "yes"
    assert ("relation", "parent") in page.chosen
    assert program.history(**INGA) == []


def test_who_is_old_enough_is_sent_to_decide_alone(program: Program, client: Client) -> None:
    """Kindly, with the age and what to do; Lithuania's is 14."""
    page = Page(
        decide(client, program.clinic, {**YES, **ELZA, "child_born_year": "2012"}, "?lang=en")
    )
    assert page.faults == ["#child_born"]
    assert "From the age of 14" in page.words
    assert "younger than 14" in open_page(client, f"/{program.clinic}?view=all&lang=en").words


@pytest.mark.parametrize("clinic", [RIGA, "kaunas-polyclinics"])
def test_a_clinic_that_takes_no_guardian_neither_asks_for_one_nor_accepts_one(
    client: Client, clinic: str
) -> None:
    """An adults-only programme stays one, whatever a form carries."""
    assert "child" not in open_page(client, f"/{clinic}?view=all").fields
    answer = decide(
        client,
        clinic,
        {"decision.newsletter.email": "yes", **INGA, **ELZA, "adult": "yes"},
        "?lang=en",
    )
    assert answer.status == 422
    assert "nobody can answer for a child" in Page(answer).words


def test_another_clinic_knows_no_child_of_this_one(
    program: Program, portal: RunningPortal, client: Client
) -> None:
    """The lookup is of one clinic alone."""
    decide(client, program.clinic, {**YES, **ELZA})
    other = portal.open_clinic(VILNIUS)
    assert other.history(**INGA) == []
    assert _receipt(other, decide(client, other.clinic, {**YES, **ELZA}))["version"] == 1


@pytest.mark.parametrize(
    "subject", [{"ward": "email:inga.kalniete@example.org|2016-02-29|elza kalniete"}, {"child": 1}]
)
def test_nobody_can_ask_for_a_child_by_its_lookup(
    program: Program, subject: dict[str, Any]
) -> None:
    """Programs ask by e-mail, phone or the clinic's number, and see what the contact sees."""
    assert program.call("history", {"subject": subject}).status == 422


def test_the_childs_name_and_birth_stand_nowhere_in_clear(
    program: Program, portal: RunningPortal, client: Client
) -> None:
    """Not in a key, not in a body: the name is sealed, the day of birth not even kept.

    The table holds millions of sealed and packed bytes, and among those any four letters.
    """
    child = {**ELZA, "child_name": "Elizabete Kalniete"}
    decide(client, program.clinic, {**YES, **child})
    decide(client, program.clinic, {**YES, **child, f"decision.{PHOTOS}": "no"})
    everything = portal.everything()
    assert program.clinic.encode() in everything
    for told in ("elizabete", "kalniete", "2016-02-29", "inga.kal"):
        assert told.encode() not in everything.lower()


PAPER: dict[str, Any] = {
    "subject": INGA,
    "decisions": {PHOTOS: "yes"},
    "channel": "paper",
    "effective_at": "2026-11-10T10:00:00+02:00",
    "evidence": {"form": "V-1"},
    "name": "Elza Kalniete",
    "guardian": {"relation": "parent", "child_born": "2016-02-29"},
}


def test_staff_record_a_guardians_decision_as_the_guardians(program: Program) -> None:
    """The receipt says both: who decided, and whose key wrote it down."""
    receipt = program.call("receipts", PAPER).json()
    assert (receipt["actor"], receipt["assurance"]) == ("guardian", "staff-witnessed")
    assert receipt["evidence"].keys() == {"_sd", "guardian", "staff"}
    assert (receipt["evidence"]["guardian"], receipt["evidence"]["staff"][:4]) == ("parent", "key_")
    assert receipt["expires_at"] == OF_AGE


def test_web_and_paper_find_the_same_child_and_the_clinics_number_too(
    program: Program, client: Client
) -> None:
    """Staff confirm what a guardian began on the page; the child's number joins the child, not the
    parent.
    """
    decide(client, program.clinic, YES)
    first = _receipt(program, decide(client, program.clinic, {**YES, **ELZA}))
    assert first["decisions"][PHOTOS]["after"] == "pending"
    paper = program.call("receipts", {**PAPER, "subject": {**INGA, "patient_ref": "V-77"}}).json()
    assert (paper["subject"], paper["version"]) == (first["subject"], 2)
    assert [each["subject"] for each in program.history(patient_ref="V-77")] == [
        first["subject"]
    ] * 2


def test_a_call_repeated_with_its_key_is_one_receipt_of_the_child(program: Program) -> None:
    """A program that got no answer may simply ask again; for the sister it is another body."""
    key = {"Idempotency-Key": "v-1"}
    first, again = program.call("receipts", PAPER, key), program.call("receipts", PAPER, key)
    assert first.body == again.body
    assert program.call("receipts", {**PAPER, "name": "Marta Kalniete"}, key).status == 422


GROWN = (datetime.now(UTC) - timedelta(days=15.5 * 365.25)).date()


def _long_ago(program: Program, born: date, answer: str, **more: str) -> tuple[str, str]:
    """Let staff enter what a guardian said four years ago; give the guardian's e-mail and the
    receipt's number.
    """
    email = f"guardian{born.year}@example.org"
    paper = {
        "subject": {"email": email, **more},
        "channel": "paper",
        "evidence": {"form": "F-1"},
        "effective_at": (datetime.now(UTC) - timedelta(days=4 * 365)).isoformat(
            timespec="milliseconds"
        ),
        "decisions": {PHOTOS: answer},
        "guardian": {"relation": "parent", "child_born": born.isoformat()},
        "name": "Elza Kalniete",
    }
    return email, program.call("receipts", paper).json()["id"]


@pytest.mark.parametrize(("born", "after"), [(date(2016, 2, 29), "granted"), (GROWN, "refused")])
def test_a_guardian_starts_nothing_on_the_own_page_for_whoever_decides_alone_by_now(
    program: Program, client: Client, portal: RunningPortal, born: date, after: str
) -> None:
    """The link still tells and stops; a Yes is the young person's, and the page says so."""
    email, number = _long_ago(program, born, "no")
    token = a_token(
        portal, program.clinic, Contact(ContactKind.EMAIL, email), LinkScope.MANAGE, number
    )
    place = f"/manage/{token}?lang=en"
    state = open_page(client, place).fields["state"]
    answer = client.post(place, {"state": state, "act": "change", f"decision.{PHOTOS}": "yes"})
    assert ("From the age of 14 years everybody decides alone here" in answer.text) == (
        after == "refused"
    )
    assert program.states(email=email)[PHOTOS] == after
    assert client.post(place, {"state": state, "act": "stop", "all": "yes"}).status == 303
    assert program.states(email=email)[PHOTOS] != "granted"


@pytest.mark.parametrize(("born", "after"), [(date(2016, 2, 29), "granted"), (GROWN, "refused")])
def test_a_guardian_starts_nothing_by_a_link_to_the_questions_for_whoever_decides_alone_by_now(
    program: Program, client: Client, portal: RunningPortal, born: date, after: str
) -> None:
    """Whatever message the link came in: a Yes is the young person's, a No still counts."""
    email, number = _long_ago(program, born, "no")
    token = a_token(
        portal, program.clinic, Contact(ContactKind.EMAIL, email), LinkScope.ASK, number
    )
    answer = decide(client, program.clinic, {f"decision.{PHOTOS}": "yes"}, f"?t={token}&lang=en")
    assert ("From the age of 14 years everybody decides alone here" in answer.text) == (
        after == "refused"
    )
    assert program.states(email=email)[PHOTOS] == after
    assert decide(client, program.clinic, {f"decision.{PHOTOS}": "no"}, f"?t={token}").status == 303


def test_no_service_takes_a_guardians_yes_for_whoever_decides_alone_by_now(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Whichever page asks for it: nothing is stored, and the error says why."""
    email, number = _long_ago(program, GROWN, "yes")
    client.post(f"/{program.clinic}/withdraw", {"email": email, "all": "yes"})
    stopped = program.history(email=email)[-1]["id"]
    contact, inside = Contact(ContactKind.EMAIL, email), portal.in_process
    now, visitor = inside.clock(), Visitor("10.0.0.0/24", "https://portal.example.org")
    manage = a_token(portal, program.clinic, contact, LinkScope.MANAGE, number)
    undo = a_token(portal, program.clinic, contact, LinkScope.UNDO, stopped)
    page = open_own_page(inside, manage, "en", now)
    answers = FormAnswers({PHOTOS: consent.Answer.YES}, (), None, ())
    notice = NoticeRef(page.clinic.version, "en", None)
    form = SubmittedForm(page.clinic, notice, "nonce", consent.Channel.EMAIL_LINK, None, answers)
    with pytest.raises(CannotAgreeError, match="child_decides_alone"):
        record_changes(page, form, visitor)
    opened = open_link(inside.table, inside.clinics, undo, LinkScope.UNDO, now)
    found = confirmation.find_undoable(inside, opened, now)
    assert found.questions == (PHOTOS,)
    with pytest.raises(CannotAgreeError, match="child_decides_alone"):
        confirmation.undo(inside, found, [PHOTOS], "en", now, base=visitor.base_url)
    assert program.states(email=email)[PHOTOS] == "withdrawn"


def test_what_a_guardian_decides_by_a_link_says_what_they_are_to_the_child(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """As it was told last; the page, the own page and the way back after a stop do not ask
    again.
    """
    first = _receipt(
        program, decide(client, program.clinic, {**YES, **ELZA, "relation": "representative"})
    )
    inga = Contact(ContactKind.EMAIL, INGA["email"])
    ask, manage = (
        a_token(portal, program.clinic, inga, power, first["id"])
        for power in (LinkScope.ASK, LinkScope.MANAGE)
    )
    decide(client, program.clinic, {f"decision.{PHOTOS}": "yes"}, f"?t={ask}")
    state = open_page(client, f"/manage/{manage}").fields["state"]
    client.post(f"/manage/{manage}", {"state": state, "act": "stop", "all": "yes"})
    stopped = program.history(**INGA)[-1]["id"]
    client.post(
        f"/undo/{a_token(portal, program.clinic, inga, LinkScope.UNDO, stopped)}",
        {"purpose": PHOTOS},
    )
    told = [(each["actor"], each["evidence"]["guardian"]) for each in program.history(**INGA)]
    assert told == [("guardian", "representative")] * 4


@pytest.mark.parametrize(("born", "after"), [(date(2016, 2, 29), "granted"), (GROWN, "withdrawn")])
def test_a_guardian_takes_no_stop_back_for_whoever_decides_alone_by_now(
    program: Program, client: Client, portal: RunningPortal, born: date, after: str
) -> None:
    """What was agreed to for the child lasts; once it was stopped, to begin anew is the young
    person's.
    """
    email, _ = _long_ago(program, born, "yes")
    assert program.states(email=email)[PHOTOS] == "granted"
    stopped = receipt_number(
        client.post(f"/{program.clinic}/withdraw", {"email": email, "all": "yes"})
    )
    token = a_token(
        portal, program.clinic, Contact(ContactKind.EMAIL, email), LinkScope.UNDO, stopped
    )
    answer = client.post(f"/undo/{token}?lang=en", {"purpose": PHOTOS})
    assert ("From the age of 14 years everybody decides alone here" in answer.text) == (
        after == "withdrawn"
    )
    assert program.states(email=email)[PHOTOS] == after


def test_staff_record_by_its_number_what_the_child_says_itself(program: Program) -> None:
    """At fourteen the same patient decides: one chain, and the receipt no longer names a
    guardian.
    """
    numbered = {**PAPER, "subject": {**INGA, "patient_ref": "V-78"}}
    child = program.call("receipts", numbered).json()
    alone = {key: value for key, value in PAPER.items() if key != "guardian"} | {
        "subject": {"patient_ref": "V-78"}
    }
    own = program.call("receipts", alone).json()
    assert (own["subject"], own["version"]) == (child["subject"], 2)
    assert own["actor"].startswith("staff:")
    assert own["expires_at"] == OF_AGE, "a Yes of a minor does not outlive its minority"


OWN = {"email": "elza@example.org"}


def _ten_minutes_ago() -> str:
    return (datetime.now(UTC) - timedelta(minutes=10)).isoformat(timespec="milliseconds")


def test_who_decides_alone_by_now_is_no_longer_the_guardians_child(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """From the day staff record their own word the guardian's links, lists and letters are without
    them.
    """
    email, first = _long_ago(program, GROWN, "yes", patient_ref="V-80")
    inga, elza = Contact(ContactKind.EMAIL, email), Contact(ContactKind.EMAIL, OWN["email"])
    theirs = [
        a_token(portal, program.clinic, inga, power, first)
        for power in (LinkScope.MANAGE, LinkScope.ASK)
    ]
    carried(portal, inga)
    own = {
        "subject": {**OWN, "patient_ref": "V-80"},
        "channel": "in-person",
        "decisions": {PHOTOS: "yes"},
    }
    answer = program.call("receipts", {**own, "effective_at": _ten_minutes_ago()})
    assert (answer.json()["version"], answer.json()["expires_at"]) == (2, None)
    assert [
        client.get(f"/manage/{theirs[0]}").status,
        client.get(f"/{program.clinic}?t={theirs[1]}").status,
    ] == [410] * 2
    assert (len(carried(portal, elza, inga)), carried(portal, inga)) == (1, [])
    assert program.states(email=email)[PHOTOS] == "never_asked"
    assert program.states(**OWN)[PHOTOS] == program.states(patient_ref="V-80")[PHOTOS] == "granted"
    page = a_token(portal, program.clinic, elza, LinkScope.MANAGE, first)
    taken = client.get(f"/manage/{page}/export/json").json()
    assert sorted(each["value"] for each in taken["person"]["contacts"]) == sorted(
        ["V-80", OWN["email"]]
    )
    assert len(taken["receipts"]) == 2
    client.post(f"/{program.clinic}/withdraw", {"email": email, "all": "yes"})
    assert program.states(**OWN)[PHOTOS] == "granted", "what the guardian stops is the guardian's"


def test_a_guardians_contact_is_none_that_is_known_of_whoever_decides_alone(
    program: Program,
) -> None:
    """What is sent by e-mail needs the young person's own; the guardian's may become theirs where
    they name it.
    """
    email, _ = _long_ago(program, GROWN, "no", patient_ref="V-81")
    own: dict[str, Any] = {
        "subject": {"patient_ref": "V-81"},
        "channel": "in-person",
        "effective_at": _ten_minutes_ago(),
    }
    lacking = program.call("receipts", {**own, "decisions": {NEWS: "yes"}})
    assert [each["pointer"] for each in lacking.json()["errors"]] == ["/subject/email"]
    assert program.call("receipts", {**own, "decisions": {PHOTOS: "no"}}).status == 201
    assert program.states(email=email)[PHOTOS] == "never_asked"
    named = {**own, "subject": {"patient_ref": "V-81", "email": email}, "decisions": {NEWS: "yes"}}
    assert program.call("receipts", named).json()["version"] == 3
    assert program.states(email=email)[NEWS] == "granted"


@pytest.mark.parametrize(
    ("changed", "pointers"),
    [
        ({"guardian": None}, ["/guardian"]),
        ({"guardian": {"relation": "parent"}}, ["/guardian"]),
        ({"guardian": {"relation": "aunt", "child_born": "2016-02-29"}}, ["/guardian/relation"]),
        (
            {"guardian": {"relation": ["parent"], "child_born": "2016-02-29"}},
            ["/guardian/relation"],
        ),
        (
            {"guardian": {"relation": "parent", "child_born": "2015-02-29"}},
            ["/guardian/child_born"],
        ),
        ({"guardian": {"relation": "parent", "child_born": "20160229"}}, ["/guardian/child_born"]),
        (
            {"guardian": {"relation": "parent", "child_born": "2016-02-29T00:00:00Z"}},
            ["/guardian/child_born"],
        ),
        (
            {"guardian": {"relation": "parent", "child_born": "2026-11-11"}},
            ["/guardian/child_born"],
        ),
        (
            {"guardian": {"relation": "parent", "child_born": "2012-11-10"}},
            ["/guardian/child_born"],
        ),
        (
            {"guardian": {"relation": "parent", "child_born": "1850-11-10"}},
            ["/guardian/child_born"],
        ),
        ({"name": " "}, ["/name"]),
    ],
)
def test_every_fault_of_a_guardians_paper_is_named(
    program: Program, changed: dict[str, Any], pointers: list[str]
) -> None:
    """Staff see at once which field to mend, and nothing is stored."""
    answer = program.call("receipts", {**PAPER, **changed})
    assert answer.status == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    assert program.history(**INGA) == []


def test_a_guardians_paper_needs_the_childs_name(program: Program) -> None:
    """Two children born on one day are two people."""
    body = {key: value for key, value in PAPER.items() if key != "name"}
    assert [each["pointer"] for each in program.call("receipts", body).json()["errors"]] == [
        "/name"
    ]


def test_staff_of_an_adults_only_clinic_cannot_record_a_guardian(portal: RunningPortal) -> None:
    """The programme takes adults, on paper too."""
    kaunas = portal.open_clinic("kaunas-polyclinics")
    answer = kaunas.call("receipts", {**PAPER, "decisions": {"programme": "yes"}})
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/guardian"]
    withdrawal = {**PAPER, "all": True}
    assert kaunas.call("withdrawals", withdrawal).status == 422
