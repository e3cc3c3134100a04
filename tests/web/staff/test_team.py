"""The team: who is invited, as what, and how access ends; for administrators alone."""

import re

import pytest

from chalicelib.domain.staff import Role, digest
from chalicelib.store import staff
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient, form_token
from tests.web.staff.passkey_browser import PasskeyBrowser


def link(text: str) -> str:
    """Give the invitation that a page shows, below the portal."""
    found = re.search(r"https://portal\.example\.org/api(/staff/invitations/[\w-]+)", text)
    assert found, text
    return found[1]


def change(desk: DeskClient, member: str, **fields: str) -> int:
    """Send one of the forms of somebody's page; give the status."""
    return desk.submit(f"team/{member}", fields).status


def test_whoever_is_invited_comes_in_as_what_they_are(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """The link is shown once, handed over, and leads to the role that was chosen."""
    program = portal.open_clinic()
    desk = desk_client(program, "administrator")
    answer = desk.submit(
        "team/invite", {"name": "Guntis Bērziņš", "role": "marketing", "lang": "lv"}
    )
    assert answer.status == 200
    browser = PasskeyBrowser()
    assert "Guntis Bērziņš" in Page(browser.get(link(answer.text))).words
    browser.press(link(answer.text))
    assert Page(browser.get("/staff")).lang == "lv"
    assert browser.get("/staff/team").status == 403
    listed = Page(desk.get("/staff/team")).words
    assert "Guntis Bērziņš" in listed
    assert "Marketing" in listed


def test_a_form_that_is_sent_twice_invites_once(portal: RunningPortal, desk_client: SignIn) -> None:
    """An impatient finger makes no second person, and the link is not shown again."""
    desk = desk_client(portal.open_clinic(), "administrator")
    state = _state(desk, "team/invite")
    fields = {"state": state, "name": "Guntis", "role": "reader", "lang": "en"}
    assert desk.post("/staff/team/invite", fields).status == 200
    assert desk.post("/staff/team/invite", fields).location == "/api/staff/team"
    assert Page(desk.get("/staff/team")).words.count("Guntis") == 1


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"role": "queen"}, {"role": ""}, {"lang": "tlh"}], ids=str
)
def test_what_is_wrong_is_said_and_nobody_is_invited(
    portal: RunningPortal, desk_client: SignIn, wrong: dict[str, str]
) -> None:
    """The page again, with what was typed."""
    program = portal.open_clinic()
    desk = desk_client(program, "administrator")
    good = {"name": "Guntis", "role": "reader", "lang": "en"}
    answer = desk.submit("team/invite", {**good, **wrong})
    page = Page(answer)
    assert answer.status == 422
    assert page.faults == [f"#{next(iter(wrong))}"]
    if "name" not in wrong:
        assert page.fields["name"] == "Guntis"
    assert len(staff.members(portal.table, program.clinic)) == 1


def test_a_role_changes_with_the_next_page(portal: RunningPortal, desk_client: SignIn) -> None:
    """Whoever moves to another desk sees at once what that one sees, and no more."""
    program = portal.open_clinic()
    desk, other = desk_client(program, "administrator"), desk_client(program, name="Maija")
    assert other.get("/staff/team").status == 403
    assert change(desk, other.member.id, do="role", role="administrator") == 303
    assert other.get("/staff/team").status == 200
    assert change(desk, other.member.id, do="role", role="queen") == 422
    deeds = {(line["key"], line["call"]) for line in portal.audit(program.clinic)}
    assert (desk.member.id, "staff/role") in deeds


def test_access_ends_at_once_and_only_when_it_is_meant(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """A tick, and the next page of that person is the one to sign in on."""
    program = portal.open_clinic()
    desk, other = desk_client(program, "administrator"), desk_client(program, name="Maija")
    assert change(desk, other.member.id, do="end") == 422
    assert other.get("/staff").status == 200
    assert change(desk, other.member.id, do="end", sure="yes") == 303
    assert other.get("/staff").status == 303
    page = Page(desk.get(f"/staff/team/{other.member.id}"))
    assert "Access ended on" in page.words
    assert "End the access" not in page.words


def test_the_only_administrator_stays_one(portal: RunningPortal, desk_client: SignIn) -> None:
    """Or nobody could invite anybody any more."""
    desk = desk_client(portal.open_clinic(), "administrator")
    for fields in ({"do": "end", "sure": "yes"}, {"do": "role", "role": "reader"}):
        answer = desk.submit(f"team/{desk.member.id}", fields)
        assert answer.status == 422
        assert "only administrator" in Page(answer).words
    assert desk.get("/staff/team").status == 200


def test_somebody_who_lost_their_passkeys_is_invited_anew(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """They are the same person as before, with what they did."""
    program = portal.open_clinic()
    desk, other = desk_client(program, "administrator"), desk_client(program, name="Maija")
    answer = desk.submit(f"team/{other.member.id}", {"do": "invite"})
    browser = PasskeyBrowser()
    browser.press(link(answer.text))
    assert browser.device.credentials[0].user.decode() == other.member.id
    assert other.get("/staff").status == 303


def test_a_session_of_a_colleague_is_ended(portal: RunningPortal, desk_client: SignIn) -> None:
    """For somebody who calls from the tram that the laptop is gone."""
    program = portal.open_clinic()
    desk, other = desk_client(program, "administrator"), desk_client(program, name="Maija")
    assert change(desk, other.member.id, do="session", session=digest(other.secret)) == 303
    assert other.get("/staff").status == 303
    assert change(desk, desk.member.id, do="session", session="nothing") == 404


def test_another_clinics_people_are_not_there(portal: RunningPortal, desk_client: SignIn) -> None:
    """Neither seen nor changed, whatever is sent."""
    mine, theirs = portal.open_clinic(), portal.open_clinic()
    desk, other = desk_client(mine, "administrator"), desk_client(theirs, "administrator", "Maija")
    assert "Maija" not in desk.get("/staff/team").text
    target = f"/staff/team/{other.member.id}"
    assert desk.get(target).status == 404
    for fields in (
        {"do": "end", "sure": "yes"},
        {"do": "role", "role": "reader"},
        {"do": "invite"},
        {"do": "session", "session": "x"},
    ):
        state = _state(desk, f"team/{desk.member.id}")
        assert desk.post(target, {"state": state, **fields}).status == 404
    assert other.get("/staff/team").status == 200


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_the_team_is_for_administrators_alone(
    portal: RunningPortal, desk_client: SignIn, role: Role
) -> None:
    """Nobody else invites, looks or changes."""
    desk = desk_client(portal.open_clinic(), role)
    for path in ("team", "team/invite", f"team/{desk.member.id}"):
        assert desk.get(f"/staff/{path}").status == 403
    assert desk.post("/staff/team/invite", {}).status == 403
    assert desk.post(f"/staff/team/{desk.member.id}", {}).status == 403


def _state(desk: DeskClient, path: str) -> str:
    return form_token(desk.get(f"/staff/{path}"), path)
