"""Tablets at the desk: paired, listed, revoked, and handed over to one person."""

import re

import pytest

from chalicelib.domain.rate_limits import STAFF_LOOK_UPS
from tests.cast import RIGA, TBILISI
from tests.web.client import Client, Program
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient

ANNA, ANNA_PHONE = "anna.ozola@example.org", "+371 26 123 456"
NEWS = "newsletter.email"
TABLETS = "settings/tablets"


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give a clinic of the test's own."""
    return portal.open_clinic()


def code_on(words: str) -> str:
    """Give the code that a page of the desk shows."""
    found = re.search(r"\b(\d{3}) (\d{3})\b", words)
    assert found, words
    return found[1] + found[2]


def paired(desk: DeskClient, name: str = "reception-1") -> dict[str, str]:
    """Pair a tablet by what the desk shows, and give the headers that it sends."""
    answer = desk.submit(TABLETS, {"name": name})
    assert answer.status == 200
    code = code_on(Page(answer).words)
    there = Client().post(f"/{desk.member.clinic}/kiosk/pair", {"code": code})
    return {"Cookie": there.headers["set-cookie"].partition(";")[0]}


def person(program: Program) -> str:
    """Record a form that Anna signed at the desk; give her opaque id."""
    body = {
        "subject": {"email": ANNA},
        "decisions": {NEWS: "no"},
        "channel": "paper",
        "effective_at": "2026-11-20T10:00:00Z",
        "evidence": {"form": "F-17"},
    }
    return str(program.call("receipts", body).json()["subject"])


def test_a_tablet_is_paired_listed_and_revoked(desk_client: SignIn, program: Program) -> None:
    """By what the desk shows: where to go on the tablet, and what to type there."""
    desk = desk_client(program, "administrator")
    assert "No tablet is paired yet." in desk.open(TABLETS).words
    shown = Page(desk.submit(TABLETS, {"name": "Reception-1"})).words
    assert f"https://portal.example.org/api/{program.clinic}/kiosk/pair" in shown
    code = code_on(shown)
    assert Client().post(f"/{program.clinic}/kiosk/pair", {"code": code}).status == 303
    page = desk.get(f"/staff/{TABLETS}").text
    assert "reception-1" in page
    tablet = re.search(r'name="revoke" value="([0-9a-f]+)"', page)
    assert tablet
    other = desk_client(RIGA, "administrator")
    assert other.submit(TABLETS, {"revoke": tablet[1]}).status == 404
    answer = desk.submit(TABLETS, {"revoke": tablet[1]})
    assert answer.status == 303
    assert 'name="revoke"' not in desk.follow(answer).text
    assert desk.submit(TABLETS, {"revoke": "0" * 16}).status == 404


@pytest.mark.parametrize("name", ["", "Two words", "планшет", "x" * 33, "<b>"])
def test_a_name_that_no_receipt_could_repeat_is_told_at_its_field(
    desk_client: SignIn, program: Program, name: str
) -> None:
    """What was typed is still there."""
    answer = desk_client(program, "administrator").submit(TABLETS, {"name": name})
    page = Page(answer)
    assert (answer.status, page.faults) == (422, ["#name"])
    assert page.fields["name"] == name.lower()


def test_a_name_that_is_taken_is_told(desk_client: SignIn, program: Program) -> None:
    """Two tablets of one name could not be told apart."""
    desk = desk_client(program, "administrator")
    paired(desk)
    answer = desk.submit(TABLETS, {"name": "reception-1"})
    assert (answer.status, Page(answer).faults) == (422, ["#name"])


def test_the_reception_hands_a_tablet_over_and_the_answers_are_the_persons(
    desk_client: SignIn, program: Program
) -> None:
    """Three clicks at the desk; at the tablet six digits and no contact."""
    tablet = paired(desk_client(program, "administrator"))
    desk, subject = desk_client(program, name="Ilze Kalniņa"), person(program)
    path = f"people/{subject}/kiosk"
    assert ANNA in desk.open(path).words
    code = code_on(Page(desk.submit(path, {})).words)
    browser = Client()
    page = f"/{program.clinic}/kiosk/code?lang=en"
    first = browser.post(page, {"code": code}, tablet)
    assert first.status == 200
    assert ANNA not in first.text
    sent = {**Page(first).fields, f"decision.{NEWS}": "yes"}
    assert browser.post(page, sent, tablet).status == 200
    receipt = program.history(email=ANNA)[-1]
    assert (receipt["subject"], receipt["evidence"]["staff"]) == (subject, desk.member.id)
    deeds = {line["deed"] for line in program.get("audit").json()["lines"]}
    assert {"contacts/kiosk", "kiosks/hand-over", "kiosks/opened", "kiosks/pair"} <= deeds


def test_what_stands_in_the_way_is_said_in_words(desk_client: SignIn, program: Program) -> None:
    """No tablet, and nobody to hand it to."""
    desk, subject = desk_client(program), person(program)
    assert "No tablet of the clinic is paired" in desk.open(f"people/{subject}/kiosk").words
    paired(desk_client(program, "administrator"))
    by_number = {"subject": {"patient_ref": "A-1"}, "decisions": {NEWS: "no"}}
    more = {
        "channel": "phone",
        "effective_at": "2026-11-20T10:00:00Z",
        "evidence": {"form": "F-18"},
    }
    numbered = program.call("receipts", {**by_number, **more}).json()["subject"]
    page = desk.open(f"people/{numbered}/kiosk")
    assert "No e-mail or phone of this person is known" in page.words
    for unknown in ("0" * 32, "nobody"):
        assert desk.get(f"/staff/people/{unknown}/kiosk").status == 404
    for clinic in (RIGA, TBILISI):
        assert desk_client(clinic).get(f"/staff/people/{subject}/kiosk").status == 404


def test_a_contact_that_was_only_typed_has_to_be_ticked(
    desk_client: SignIn, program: Program
) -> None:
    """The desk asks the person which contacts are theirs."""
    paired(desk_client(program, "administrator"))
    page = f"/{program.clinic}/kiosk?view=all&lang=en"
    browser = Client()
    state = Page(browser.get(page)).fields["state"]
    browser.post(page, {"state": state, "email": ANNA, f"decision.{NEWS}": "yes"})
    subject = program.history(email=ANNA)[-1]["subject"]
    desk, path = desk_client(program), f"people/{subject}/kiosk"
    answer = desk.submit(path, {})
    assert answer.status == 422
    ticked = re.search(r'name="asked" value="([^"]+)"', answer.text)
    assert ticked
    assert code_on(Page(desk.submit(path, {"asked": ticked[1]})).words)


def test_whoever_goes_through_many_people_is_stopped(desk_client: SignIn, program: Program) -> None:
    """A stolen session cannot read contacts in bulk here either."""
    desk, subject = desk_client(program), person(program)
    path = f"/staff/people/{subject}/kiosk"
    tries = [desk.get(path).status for _ in range(STAFF_LOOK_UPS.burst + 1)]
    assert tries[-2:] == [200, 429]


@pytest.mark.parametrize("role", ["marketing", "administrator", "protection", "reader"])
def test_only_the_reception_hands_over(desk_client: SignIn, program: Program, role: str) -> None:
    """Who records decisions does; the others are told whose work it is."""
    desk = desk_client(program, role)
    assert desk.get(f"/staff/people/{person(program)}/kiosk").status == 403
