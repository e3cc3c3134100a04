"""Staff record what somebody decided: chalicelib/web/staff/recording.py."""

import re
from html import unescape
from typing import Any

import pytest

from chalicelib.domain.consent import State, resolve
from chalicelib.domain.receipts import reference
from chalicelib.store.people import find_people
from tests.web.client import Answer, Program
from tests.web.disclosed import evidence_of
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient, form_token

NEWS = "newsletter.email"
FORM = {
    "channel": "paper",
    "day": "10.11.2026",
    "form": "F-17",
    "witness": "Māris Liepa",
    "email": "anna.ozola@example.org",
    "shown": "1.0",
    f"decision.{NEWS}": "yes",
}
"""A paper form of Anna's, as staff type it."""


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give the program of a clinic where nobody has decided yet."""
    return portal.open_clinic()


@pytest.fixture
def ilze(program: Program, desk_client: SignIn) -> DeskClient:
    """Sign Ilze of the reception in."""
    return desk_client(program, name="Ilze")


def _faults(answer: Answer) -> list[str]:
    """Give what the summary of a form says that was sent back."""
    assert answer.status == 422
    summary = answer.text.partition('id="errors"')[2].partition("</ul>")[0]
    return [
        unescape(text).strip()
        for text in re.findall(r"<li><[ab][^>]*>([^<]*)</[ab]></li>", summary)
    ]


def _subject(portal: RunningPortal, program: Program, desk: DeskClient) -> str:
    """Record Anna's form and give her opaque id."""
    return _receipt(portal, program, desk.submit("record", FORM))["subject"]


def _receipt(portal: RunningPortal, program: Program, answer: Answer) -> dict[str, Any]:
    """Give the receipt that a form led to."""
    assert answer.status == 303, answer.text
    number = answer.location.rpartition("/")[2]
    return dict(portal.in_process.receipts.find(program.clinic, number).document)


def test_a_paper_form_becomes_a_receipt(
    portal: RunningPortal, program: Program, ilze: DeskClient
) -> None:
    """With its true day, its number and who saw it; the page tells the reference to write on it."""
    answer = ilze.submit("record", FORM)
    receipt = _receipt(portal, program, answer)
    assert (receipt["channel"], receipt["effective_date"]) == ("paper", "2026-11-10")
    assert (receipt["actor"], receipt["assurance"]) == (
        f"staff:{ilze.member.id}",
        "staff-witnessed",
    )
    assert program.states(email=FORM["email"])[NEWS] == "granted"
    assert evidence_of(portal, program, receipt["id"]) == {
        "form": "F-17",
        "witness": "Māris Liepa",
    }
    page = Page(ilze.follow(answer))
    assert reference(receipt["id"]) in page.words
    assert "F-17" in page.words
    assert "Māris Liepa" in page.words


def test_no_answer_is_preset(ilze: DeskClient) -> None:
    """Whoever saves an untouched form records nothing for anybody."""
    page = ilze.get("/staff/record").text
    assert page.count('value="yes"') > 3
    assert " checked" not in page
    faults = _faults(ilze.submit("record", {"shown": "1.0"}))
    assert len(faults) == 4


def test_what_was_typed_is_kept_and_nothing_is_stored(
    portal: RunningPortal, program: Program, ilze: DeskClient
) -> None:
    """A fault costs one field, not the form."""
    before = portal.items()
    answer = ilze.submit("record", {**FORM, "form": "", "day": "10.11.2062"})
    assert "F-17" not in answer.text
    assert len(_faults(answer)) == 2
    for typed in ("anna.ozola@example.org", "Māris Liepa", "10.11.2062"):
        assert f'value="{typed}"' in answer.text
    assert 'value="yes" checked' in answer.text
    grown = {key for key in portal.items() - before if not key[0].startswith(("STAFF", "CLINIC"))}
    assert not {key for key in grown if "RECEIPT" in key[1]}
    assert program.states(email=FORM["email"])[NEWS] == "never_asked"


def test_a_double_click_is_one_receipt(program: Program, ilze: DeskClient) -> None:
    """The second leads to the first receipt; other answers on the same page are asked about."""
    state = form_token(ilze.get("/staff/record"), "record")
    now = {name: value for name, value in FORM.items() if name != "day"}
    form = {**now, "state": state, "when": "now", "channel": "phone"}
    first, second = (ilze.post("/staff/record", form) for _ in range(2))
    assert first.location == second.location
    assert len(program.history(email=FORM["email"])) == 1
    other = ilze.post("/staff/record", {**form, f"decision.{NEWS}": "no"})
    assert "saved before" in _faults(other)[0]
    assert program.states(email=FORM["email"])[NEWS] == "granted"


def test_somebody_whose_record_is_open_is_not_typed_again(
    portal: RunningPortal, program: Program, ilze: DeskClient
) -> None:
    """The person is meant by the address; what is known is shown masked."""
    subject = _subject(portal, program, ilze)
    page = ilze.get(f"/staff/people/{subject}/record")
    assert "a•••@e•••.org" in page.text
    assert FORM["email"] not in page.text
    form = {
        "channel": "in-person",
        "when": "now",
        "shown": "1.0",
        f"decision.{NEWS}": "no",
    }
    receipt = _receipt(portal, program, ilze.submit(f"people/{subject}/record", form))
    assert (receipt["subject"], receipt["version"]) == (subject, 2)
    assert program.states(email=FORM["email"])[NEWS] == "withdrawn"


def test_a_phone_is_asked_for_where_a_yes_needs_one(
    portal: RunningPortal, program: Program, ilze: DeskClient
) -> None:
    """The service's own refusal stands at the field, in the reader's language."""
    subject = _subject(portal, program, ilze)
    form = {
        "channel": "in-person",
        "when": "now",
        "shown": "1.0",
        "decision.newsletter.sms": "yes",
    }
    answer = ilze.submit(f"people/{subject}/record", form)
    assert _faults(answer) == [
        "Write the person’s phone number: an answer needs it, and none is known."
    ]
    receipt = ilze.submit(f"people/{subject}/record", {**form, "phone": "26 123 456"})
    assert _receipt(portal, program, receipt)["subject"] == subject
    assert program.states(phone="+37126123456")["newsletter.sms"] == "granted"


def test_whose_yes_it_is_must_be_clear(
    portal: RunningPortal, program: Program, ilze: DeskClient
) -> None:
    """Two share a phone: a Yes under the phone alone is nobody's."""
    phone = {"phone": "26123456", "decision.newsletter.sms": "yes"}
    for email in ("anna.ozola@example.org", "bella.ozola@example.org"):
        assert ilze.submit("record", {**FORM, **phone, "email": email}).status == 303
    answer = ilze.submit("record", {**FORM, **phone, "email": "", f"decision.{NEWS}": ""})
    assert "Several people share this contact" in _faults(answer)[0]
    assert portal.audit(program.clinic)


def test_the_questions_are_those_of_the_day(
    portal: RunningPortal, program: Program, ilze: DeskClient
) -> None:
    """Nobody answers a question for somebody else that was not on their form."""
    early = {**FORM, "day": "1.1.2020"}
    answer = ilze.submit("record", early)
    assert "other questions" in _faults(answer)[0]
    assert 'name="shown" value="unknown"' in answer.text
    shown = ilze.submit("record", {**early, "show": "yes"})
    assert (shown.status, Page(shown).faults) == (200, [])
    assert 'value="yes" checked' in shown.text
    receipt = _receipt(portal, program, ilze.submit("record", {**early, "shown": "unknown"}))
    assert receipt["notice"]["version"] is None
    assert program.states(email=FORM["email"])[NEWS] == "superseded"
    wrong = ilze.submit("record", {**FORM, "version": "9.9"})
    assert len(_faults(wrong)) == 1


def test_another_clinics_person_and_receipt_are_not_found(
    portal: RunningPortal, program: Program, ilze: DeskClient, desk_client: SignIn
) -> None:
    """So are made-up ones; marketing sees no person at all."""
    answer = ilze.submit("record", FORM)
    receipt = _receipt(portal, program, answer)
    other = desk_client(portal.open_clinic())
    places = (
        f"/staff/people/{receipt['subject']}/record",
        f"/staff/people/{receipt['subject']}/withdraw",
        f"/staff/recorded/{receipt['id']}",
        f"/staff/recorded/{receipt['id']}/print",
    )
    assert {other.get(place).status for place in places} == {404}
    state = form_token(other.get("/staff/record"), "record")
    sent = other.post(places[0], {**FORM, "state": state})
    assert sent.status == 404
    assert ilze.get(f"/staff/people/{'0' * 32}/record").status == 404
    marketing = desk_client(program, "marketing")
    assert {marketing.get(place).status for place in places} == {403}


def test_the_receipt_is_printed(portal: RunningPortal, program: Program, ilze: DeskClient) -> None:
    """As the patient gets it, and the audit says who opened it."""
    answer = ilze.submit("record", FORM)
    printed = ilze.get(f"{answer.location.removeprefix('/api')}/print")
    assert (printed.status, printed.headers["content-type"]) == (200, "application/pdf")
    deeds = [line["call"] for line in portal.audit(program.clinic)]
    assert {"receipts", "receipt"} <= set(deeds)


def test_a_child_is_recorded_with_its_guardian(portal: RunningPortal, desk_client: SignIn) -> None:
    """Where the notice asks for one: by the child's name and birth, which no receipt holds."""
    program = portal.open_clinic("valmiera-hearing")
    ilze = desk_client(program)
    child = {
        "child": "yes",
        "relation": "parent",
        "child_name": "Emīls",
        "child_born_day": "27",
        "child_born_month": "3",
        "child_born_year": "2019",
    }
    form = {**FORM, "shown": _shown(ilze)}
    begun = {name: value for name, value in child.items() if name != "child"}
    assert "guardian decided" in _faults(ilze.submit("record", {**form, **begun}))[0]
    grown = {**child, "child_born_year": "1990"}
    assert "decides alone" in _faults(ilze.submit("record", {**form, **grown}))[0]
    receipt = _receipt(portal, program, ilze.submit("record", {**form, **child}))
    assert (receipt["actor"], receipt["evidence"]["guardian"]) == ("guardian", "parent")
    in_process = portal.in_process
    found = find_people(in_process.table, program.clinic, [receipt["subject"]])
    in_force = in_process.directory.look_up(program.clinic).published.in_force
    summary = found[receipt["subject"]].summaries[NEWS]
    assert resolve(summary, in_force, in_process.clock()).state is State.GRANTED


def test_a_guardian_cannot_decide_where_everybody_decides_alone(ilze: DeskClient) -> None:
    """A notice for adults has no part for it, and takes none."""
    assert 'name="child"' not in ilze.get("/staff/record").text
    assert "decides for themselves" in _faults(ilze.submit("record", {**FORM, "child": "yes"}))[0]


def _shown(desk: DeskClient) -> str:
    """Tell which questions the page shows."""
    return desk.get("/staff/record").text.partition('name="shown" value="')[2].partition('"')[0]
