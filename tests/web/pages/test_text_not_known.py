"""A form from before any text of the clinic was in force proves its answers, and no text:
everywhere it is told so.
"""

from typing import Any

import pytest

from chalicelib.domain.consent import Answer, Assurance, Channel
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Decision, NoticeRef
from chalicelib.services import decisions
from chalicelib.store.lookup import Identification, fresh_subject
from tests.cast import TBILISI
from tests.web.client import Client, Program
from tests.web.letterbox import carried
from tests.web.page_reader import Page
from tests.web.running import RunningPortal

ANNA = {"email": "anna.ozola@example.org"}
NEWS = "newsletter.email"
OLD_FORM = {
    "subject": ANNA,
    "decisions": {NEWS: "yes"},
    "channel": "paper",
    "effective_at": "2024-05-02T10:00:00+03:00",
    "evidence": {"form": "A-2024/7", "sha256": "ab" * 32},
}
NOTHING = {
    "lv": "Teksts nav zināms: šis portāls nevar parādīt, kurš teksts tika lasīts.",
    "lt": "Tekstas nežinomas: šis portalas negali parodyti, kuris tekstas buvo perskaitytas.",
    "ka": "ტექსტი უცნობია: ეს პორტალი ვერ აჩვენებს, რომელი ტექსტი წაიკითხეს.",
    "ru": "Текст неизвестен: этот портал не может показать, какой текст был прочитан.",
    "en": "Text not known: this portal cannot show which text was read.",
}


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give the program of a clinic where nobody has decided yet."""
    return portal.open_clinic()


def record(program: Program, **changed: Any) -> dict[str, Any]:
    """Record the form of 2024 and give its receipt."""
    answer = program.call("receipts", {**OLD_FORM, **changed})
    assert answer.status == 201
    receipt: dict[str, Any] = answer.json()
    return receipt


@pytest.mark.parametrize("named", [{}, {"notice_version": "1.0"}])
def test_a_form_of_2024_is_not_bound_to_a_text_of_2026(
    program: Program, named: dict[str, str]
) -> None:
    """Whatever staff name: nobody agreed to what did not exist. The scan is still vouched for."""
    receipt = record(program, **named, lang="ru")
    assert receipt["notice"] == {"version": None, "lang": "ru", "sha256": None}
    assert receipt["evidence"]["sha256"] == "ab" * 32
    assert receipt["decisions"][NEWS]["after"] == "superseded"
    told = program.call("status", {"subjects": [ANNA], "purposes": [NEWS]}).json()["results"][0][
        "decisions"
    ][NEWS]
    assert (told["state"], told["permitted"], told["notice_version"]) == ("superseded", False, None)
    assert told["receipt_id"] == receipt["id"]
    assert program.history(**ANNA) == [receipt]


def test_a_form_naming_a_version_that_began_later_is_not_bound_to_it(
    portal: RunningPortal, program: Program
) -> None:
    """1.1 was published today; the form is of 10 November. A form of today is bound to it."""
    portal.republish(
        program.clinic,
        "1.1",
        lambda document: document["texts"]["intro"].update(en="Clearer words."),
    )
    november = {"effective_at": "2026-11-10T10:00:00+02:00"}
    assert record(program, **november, notice_version="1.1")["notice"]["version"] is None
    assert record(program, **november)["notice"]["version"] == "1.0"


@pytest.mark.parametrize("answer", ["no", "withdraw"])
def test_a_stop_from_before_counts_all_the_same(program: Program, answer: str) -> None:
    """A No of 2024 is a No, and what was withdrawn then is withdrawn."""
    if answer == "no":
        record(program, decisions={NEWS: "no"})
        assert program.states(**ANNA)[NEWS] == "refused"
        return
    record(program)
    stop = {name: value for name, value in OLD_FORM.items() if name != "decisions"} | {"all": True}
    receipt = program.call(
        "withdrawals", stop | {"effective_at": "2024-05-03T10:00:00+03:00"}
    ).json()
    assert receipt["notice"]["version"] is None
    assert program.states(**ANNA)[NEWS] == "withdrawn"


@pytest.mark.parametrize("lang", NOTHING)
def test_every_page_says_in_each_language_that_the_text_is_not_known(
    client: Client, portal: RunningPortal, lang: str
) -> None:
    """Receipt, check and paper claim no text, and nothing stands there that looks like one."""
    program = portal.open_clinic(
        {"lt": "vilnius-dental", "ka": TBILISI}.get(lang, "riga-aesthetics")
    )
    number = record(program, subject={"patient_ref": "P-1"}, decisions={"newsletter.email": "no"})[
        "id"
    ]
    portal.seal()
    code = Page(client.get(f"/{program.clinic}/receipts/{number}?lang={lang}"))
    checked = next(link for link in code.links if "/verify?code=" in link).removeprefix(
        client.mount
    )
    pages = [
        code,
        Page(client.get(checked)),
        Page(program.receipt(number, f"?format=html&lang={lang}")),
    ]
    for page in pages:
        assert NOTHING[lang] in page.words
        assert "None" not in page.words
        assert not [link for link in page.links if "/notices/None" in link or "/shown/" in link]
    assert program.receipt(number, "?format=pdf").body.startswith(b"%PDF-")


@pytest.mark.parametrize("lang", ["lv", "ru", "en"])
def test_who_signed_it_is_told_by_mail_that_a_yes_to_it_does_not_count(
    portal: RunningPortal, lang: str
) -> None:
    """Nobody waits for news that will not come; who said No or stopped needs no such word."""
    program = portal.open_clinic()
    email = f"anna.{lang}@example.org"
    record(program, subject={"email": email}, lang=lang)
    [told] = carried(portal, Contact(ContactKind.EMAIL, email))
    assert NOTHING[lang] in " ".join(told.split())
    known = f"bella.{lang}@example.org"
    record(program, subject={"email": known}, lang=lang, effective_at="2026-11-10T10:00:00+02:00")
    [told] = carried(portal, Contact(ContactKind.EMAIL, known))
    assert NOTHING[lang] not in " ".join(told.split())


def test_the_check_does_not_say_that_staff_named_a_text(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """An inspector reads what is proven and that the text is not."""
    number = record(program)["id"]
    portal.seal()
    page = Page(client.get(f"/{program.clinic}/receipts/{number}?lang=en"))
    checked = next(link for link in page.links if "/verify?code=" in link).removeprefix(
        client.mount
    )
    words = Page(client.get(checked)).words
    assert "This receipt is genuine." in words
    assert "named this version" not in words
    assert "Which text they were given to." in words


def test_each_format_tells_it_and_kantara_has_no_consent_to_tell(
    portal: RunningPortal, program: Program
) -> None:
    """A program finds no address of a text that nobody read."""
    number = record(program)["id"]
    portal.seal()
    dpv = program.receipt(number, "?format=dpv&lang=en").json()["dpv:hasRecordOfActivity"][0][
        "dpv:hasNotice"
    ]
    assert dpv["dct:description"] == {"@value": NOTHING["en"], "@language": "en"}
    four, five = (
        program.receipt(number, f"?format={each}&lang=en").json() for each in ("fhir-r4", "fhir-r5")
    )
    assert [policy.get("uri") for policy in four["policy"]] == [None]
    assert "policyBasis" not in five
    assert five["policyText"] == [{"type": "DocumentReference", "display": NOTHING["en"]}]
    assert NOTHING["en"] in four["text"]["div"]
    assert "it does not count" in four["text"]["div"]
    assert program.receipt(number, "?format=kantara").status == 406
    for wanted in ("json", "jws", "sd-jwt"):
        assert program.receipt(number, f"?format={wanted}").status == 200


def test_a_receipt_of_before_that_names_a_later_text_stays_and_is_told_as_what_it_is(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """It verifies as ever; and the check says that its text began after the answers were given."""
    beside, at = portal.in_process, "2026-11-29T08:00:00.000Z"
    clinic = beside.directory.look_up(program.clinic).published.clinic
    decision = Decision(
        receipt_id="0" * 31 + "7",
        clinic=clinic.id,
        answers={NEWS: Answer.YES},
        notice=NoticeRef("1.0", "lv", "ab" * 32),
        controllers=tuple(each.for_receipt() for each in clinic.controllers),
        channel=Channel.PAPER,
        source=None,
        assurance=Assurance.STAFF_WITNESSED,
        actor="staff:key_0123456789ab",
        evidence=None,
        effective_at="2024-05-02T07:00:00.000Z",
        recorded_at=at,
        endings={},
    )
    receipt = decisions.answer(
        beside,
        decision,
        Identification((Contact(ContactKind.EMAIL, ANNA["email"]),), None, fresh_subject()),
    )
    portal.seal()
    assert program.receipt(receipt.id).json()["notice"]["version"] == "1.0"
    page = Page(client.get(f"/{program.clinic}/receipts/{receipt.id}?lang=en"))
    checked = next(link for link in page.links if "/verify?code=" in link).removeprefix(
        client.mount
    )
    words = Page(client.get(checked)).words
    assert "This receipt is genuine." in words
    assert (
        "This version was in force only from 1 January 2026, after the answers were given." in words
    )
    assert "named this version" not in words
