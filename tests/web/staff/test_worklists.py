"""The lists of the day's work at the desk: chalicelib/web/staff/worklists.py and home.py."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.instants import instant
from chalicelib.domain.receipts import reference
from chalicelib.domain.staff import Role
from chalicelib.services.worklists import WORKLISTS
from tests.web.api.test_webhook_deliveries import a_clinic, anna_says
from tests.web.client import Client, Program
from tests.web.page_reader import Page, decide, receipt_number
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient, form_token

ANNA = "anna.ozola@example.org"
PHOTO = "testimonials.photo"
WEB = {"where": "https://clinic.example.org/anna", "since": "2026-03-01", "remover": "Editor"}
FOR = {
    Role.RECEPTION: {"waiting", "bounced", "take-downs", "ending", "superseded", "dead"},
    Role.MARKETING: {"drafts"},
    Role.PROTECTION: {"unacknowledged", "drafts"},
    Role.ADMINISTRATOR: {"unacknowledged", "drafts", "dead"},
    Role.READER: set(),
}
"""Who works on which lists."""


def a_yes(client: Client, program: Program, email: str = ANNA) -> str:
    """Let somebody say Yes on the clinic's page, which waits to be confirmed; give the receipt."""
    fields = {"decision.newsletter.email": "yes", "email": email}
    return receipt_number(decide(client, program.clinic, fields, "?lang=en"))


def recorded(program: Program, answers: dict[str, str], **more: Any) -> None:
    """Let the clinic's program record what Anna says."""
    at = instant(datetime.now(UTC) - timedelta(seconds=1))
    body = {"subject": {"email": ANNA}, "channel": "in-person", "effective_at": at, "lang": "en"}
    answer = program.call("receipts", {**body, "decisions": answers, **more})
    assert answer.status == 201, answer.text


def opened(desk: DeskClient, name: str) -> Page:
    """Open a list."""
    return desk.open(f"worklists/{name}")


def pressed(desk: DeskClient, name: str, button: str, **fields: str) -> str:
    """Press a row's button; give where the answer leads, below the desk."""
    answer = desk.submit(f"worklists/{name}", {"do": button, **fields})
    assert answer.status == 303, answer.text
    return answer.location.removeprefix("/api/staff/")


def test_reception_reminds_of_a_yes_that_waits(
    client: Client, portal: RunningPortal, desk_client: SignIn
) -> None:
    """A masked address, the receipt's reference, one button; pressed again too soon it says when."""
    program = portal.open_clinic()
    receipt = a_yes(client, program)
    desk = desk_client(program)
    page = opened(desk, "waiting")
    assert "a•••@e•••.org" in page.words
    assert reference(receipt) in page.words
    assert ANNA not in page.words
    where = pressed(desk, "waiting", f"remind:{receipt}")
    assert where == "worklists/waiting?did=remind"
    assert "goes out again" in desk.open(where).words
    where = pressed(desk, "waiting", f"remind:{receipt}")
    assert where == "worklists/waiting?did=wait&minutes=1"
    assert "in 1 minute." in desk.open(where).words


def test_a_receipt_of_another_clinic_is_not_there(
    client: Client, portal: RunningPortal, desk_client: SignIn
) -> None:
    """Whatever a button is made to say."""
    program, other = portal.open_clinic(), portal.open_clinic()
    receipt = a_yes(client, program)
    desk, stranger = desk_client(program), desk_client(other)
    assert "Nothing to do here." in opened(stranger, "waiting").words
    state = form_token(desk.get("/staff/worklists/waiting"), "waiting")
    answer = stranger.post("/staff/worklists/waiting", {"state": state, "do": f"remind:{receipt}"})
    assert answer.status == 409, "a token of another clinic's page"
    a_yes(client, other, "b@example.org")
    for button in (f"remind:{receipt}", f"erase:{receipt}", "remind:", "", f"link:{receipt}"):
        answer = stranger.submit("worklists/waiting", {"do": button})
        assert answer.status == 404, button


def test_a_place_is_ticked_with_the_day_and_the_name(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """What is missing is asked for again, and what was typed stays."""
    program = portal.open_clinic()
    recorded(program, {PHOTO: "no"})
    body = {"subject": {"email": ANNA}, "purpose": PHOTO, "places": [WEB]}
    made = program.call("publications", body)
    assert made.status == 201, made.text
    row = f"removed:{made.json()['id']}.1"
    desk = desk_client(program)
    page = opened(desk, "take-downs")
    assert WEB["where"] in page.words
    assert page.fields["removed_by"] == desk.member.name
    fields = {"do": row, "removed_on": "2999-01-01", "removed_by": "Žanis"}
    answer = desk.submit("worklists/take-downs", fields)
    assert answer.status == 422
    again = Page(answer)
    assert (again.alerts, again.faults) == (1, ["#removed_on"])
    assert again.fields["removed_by"] == "Žanis"
    where = pressed(desk, "take-downs", row, removed_on="2026-11-20", removed_by="Žanis")
    assert "Nothing to do here." in desk.open(where).words
    assert program.get("publications?state=removed").json()["publications"]


def test_an_administrator_notes_what_a_recipient_has_done(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """The data protection officer sees what is open, and the administrator the buttons."""
    program = a_clinic(portal)
    anna_says(portal, program, "yes")
    [delivery] = program.get("deliveries?acknowledged=false").json()["deliveries"]
    officer = desk_client(program, Role.PROTECTION, "Dr. Datu")
    desk = desk_client(program, Role.ADMINISTRATOR)
    assert "tool" in opened(officer, "unacknowledged").words
    assert "They say it is done" not in opened(officer, "unacknowledged").words
    assert "They say it is done" in opened(desk, "unacknowledged").words
    state = desk.get("/staff").text.partition('name="state" value="')[2].partition('"')[0]
    button = f"acknowledge:{delivery['id']}"
    refused = officer.post("/staff/worklists/unacknowledged", {"state": state, "do": button})
    assert refused.status == 403
    assert "did=redeliver" in pressed(desk, "unacknowledged", f"redeliver:{delivery['id']}")
    assert "did=acknowledge" in pressed(desk, "unacknowledged", button)
    assert "Nothing to do here." in opened(desk, "unacknowledged").words


@pytest.mark.parametrize("role", Role)
def test_each_role_opens_the_lists_it_works_on(
    settled: RunningPortal, desk_client: SignIn, role: Role
) -> None:
    """The others say whose they are; what is no list is not there."""
    desk = desk_client(settled.open_clinic(), role)
    statuses = {name: desk.get(f"/staff/worklists/{name}").status for name in WORKLISTS}
    assert statuses == {name: 200 if name in FOR[role] else 403 for name in WORKLISTS}
    assert desk.get("/staff/worklists/campaigns").status == 404
    assert desk.get("/staff/worklists/waiting?after=%2F%2F").status in {403, 404}


def test_the_first_page_counts_what_there_is_to_do(
    client: Client, portal: RunningPortal, desk_client: SignIn
) -> None:
    """Empty lists are one line; what only the daily count knows says when that was."""
    program = portal.open_clinic()
    a_yes(client, program)
    recorded(program, {PHOTO: "no"})
    body = {"subject": {"email": ANNA}, "purpose": PHOTO, "places": [WEB]}
    assert program.call("publications", body).status == 201
    desk = desk_client(program)
    page = desk.open("")
    assert "Not counted yet" in page.words
    assert {"/api/staff/worklists/take-downs", "/api/staff/worklists/dead"} <= set(page.links)
    assert "/api/staff/worklists/unacknowledged" not in page.links
    portal.count_consents(program.clinic)
    page = desk.open("")
    assert "Not counted yet" not in page.words
    assert "Counted:" in page.words
    assert len(desk.get("/staff").body) < 64_000


@pytest.mark.parametrize("lang", ["lv", "lt", "ka", "ru"])
def test_every_list_is_written_in_every_language(
    client: Client, settled: RunningPortal, desk_client: SignIn, lang: str
) -> None:
    """Rows, buttons and what came of them."""
    program = settled.open_clinic()
    a_yes(client, program)
    for role in (Role.RECEPTION, Role.ADMINISTRATOR):
        desk = desk_client(program, role, f"A {role}")
        for name in FOR[role]:
            assert Page(desk.get(f"/staff/worklists/{name}?lang={lang}&did=settled")).lang == lang
        assert Page(desk.get(f"/staff?lang={lang}")).lang == lang
