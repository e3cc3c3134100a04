"""The way to every page of the desk: chalicelib/web/staff/entrance.py."""

from typing import Any

import pytest

from chalicelib.domain.staff import Role, scopes_of
from chalicelib.services import staff_members, staff_sessions
from chalicelib.web.staff.entrance import local_path
from tests.web.client import Client
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import form_token


def test_who_is_not_signed_in_is_asked_to_and_led_back(client: Client) -> None:
    """A bookmark still works after a night."""
    answer = client.get("/staff")
    assert (answer.status, answer.location) == (303, "/api/staff/sign-in")
    assert client.follow(answer).status == 200


@pytest.mark.parametrize("role", Role)
def test_somebody_signed_in_reads_what_they_may(
    portal: RunningPortal, desk_client: SignIn, role: Role
) -> None:
    """In words, in their own language, with nothing kept by the browser."""
    desk = desk_client(portal.open_clinic(), role)
    answer = desk.get("/staff")
    page = Page(answer)
    assert (answer.status, page.lang) == (200, "en")
    assert answer.headers["cache-control"] == "no-store"
    assert desk.member.name in page.words
    assert ("find people" in page.words) == ("status:read" in scopes_of(role))


def test_access_ends_with_the_job_at_once(portal: RunningPortal, desk_client: SignIn) -> None:
    """No session outlives it; the one beside goes on."""
    program = portal.open_clinic()
    desk, other = desk_client(program), desk_client(program, name="Maija")
    table, now = portal.table, portal.in_process.clock()
    staff_members.end_access(table, program.clinic, desk.member.id, by=other.member.id, now=now)
    assert desk.get("/staff").status == 303
    assert other.get("/staff").status == 200
    deeds = {(line["key"], line["call"]) for line in portal.audit(program.clinic)}
    assert (other.member.id, "staff/end") in deeds


def test_signing_out_ends_the_session_wherever_its_cookie_is(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """A copied cookie opens nothing afterwards; a form without its token changes nothing."""
    desk = desk_client(portal.open_clinic())
    assert desk.post("/staff/sign-out", {}).status == 409
    state = desk.get("/staff").text.partition('name="state" value="')[2].partition('"')[0]
    answer = desk.post("/staff/sign-out", {"state": state})
    assert answer.status == 303
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert desk.get("/staff").status == 303


def test_a_form_token_is_of_one_session(portal: RunningPortal, desk_client: SignIn) -> None:
    """One that somebody else at the same clinic was given is refused."""
    program = portal.open_clinic()
    desk, other = desk_client(program), desk_client(program, name="Maija")
    state = other.get("/staff").text.partition('name="state" value="')[2].partition('"')[0]
    assert desk.post("/staff/sign-out", {"state": state}).status == 409
    assert desk.get("/staff").status == 200


def test_the_language_is_kept(portal: RunningPortal, desk_client: SignIn) -> None:
    """It is theirs, whatever languages the clinic's notice has."""
    desk = desk_client(portal.open_clinic())
    state = desk.get("/staff").text.partition('name="state" value="')[2].partition('"')[0]
    answer = desk.post("/staff/language", {"state": state, "language": "ka", "next": "/staff"})
    assert answer.location == "/api/staff"
    assert Page(desk.get("/staff")).lang == "ka"


def test_the_last_administrator_stays(portal: RunningPortal, desk_client: SignIn) -> None:
    """Or nobody could invite anybody any more."""
    program = portal.open_clinic()
    desk = desk_client(program, "administrator")
    with pytest.raises(staff_members.LastAdministratorError):
        staff_members.end_access(
            portal.table,
            program.clinic,
            desk.member.id,
            by=desk.member.id,
            now=portal.in_process.clock(),
        )
    assert staff_sessions.find(portal.in_process, desk.secret, portal.in_process.clock())


def test_who_never_took_up_their_invitation_is_no_other_administrator(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Their link may be lost; once they came, the one who invited them may go."""
    program = portal.open_clinic()
    desk = desk_client(program, "administrator")
    now, by, clinic = portal.in_process.clock(), desk.member.id, program.clinic
    staff_members.invite(portal.table, clinic, "Maija", Role.ADMINISTRATOR, "lv", by=by, now=now)
    with pytest.raises(staff_members.LastAdministratorError):
        staff_members.end_access(portal.table, clinic, by, by=by, now=now)
    assert desk.get("/staff/team").status == 200
    desk_client(program, "administrator", name="Inese")
    staff_members.end_access(portal.table, clinic, by, by=by, now=now)
    assert desk.get("/staff/team").status == 303


def test_two_administrators_who_end_each_other_at_once_do_not_both(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Each saw the other as the one who stays; whoever is second is refused."""
    program = portal.open_clinic()
    one, other = (desk_client(program, "administrator", name) for name in ("Inese", "Maija"))
    now, clinic = portal.in_process.clock(), program.clinic

    class Meanwhile:
        """A table before whose first write the other one is quicker."""

        table: Any = None

        def __getattr__(self, name: str) -> Any:
            return getattr(portal.table, name)

        def write(self, writes: Any) -> None:
            if self.table is None:
                self.table = portal.table
                by, whom = other.member.id, one.member.id
                staff_members.end_access(self.table, clinic, whom, by=by, now=now)
            self.table.write(writes)

    table: Any = Meanwhile()
    with pytest.raises(staff_members.LastAdministratorError):
        staff_members.end_access(table, clinic, other.member.id, by=one.member.id, now=now)
    assert other.get("/staff/team").status == 200
    assert one.get("/staff/team").status == 303


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/staff/people/0a1b", "people/0a1b"),
        ("/staff", ""),
        ("https://evil.example", ""),
        ("//evil.example", ""),
        ("/staff//evil.example", ""),
        ("/staff/a:b", ""),
        (None, ""),
    ],
)
def test_the_sign_in_leads_to_no_other_website(wanted: str | None, path: str) -> None:
    """Whatever an address asks for (CWE-601)."""
    assert local_path(wanted) == path


def test_a_page_has_one_token_for_its_own_form(portal: RunningPortal, desk_client: SignIn) -> None:
    """What the test client sends is what a browser would."""
    desk = desk_client(portal.open_clinic(), Role.MARKETING)
    with pytest.raises(AssertionError):
        form_token(desk.get("/staff"), "")
