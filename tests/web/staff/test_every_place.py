"""Every address of the desk: whom it lets in, what its answers carry, how much work it can be made
to do. A new address is tried here by standing in `web.routes.STAFF`.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import pytest

from chalicelib.domain.instants import instant, moment
from chalicelib.domain.staff import FRESH_FORM, Role, scopes_of
from chalicelib.store import staff
from chalicelib.web.routes import STAFF, StaffPlace
from chalicelib.web.staff.entrance import SESSION_COOKIE
from tests.web.client import FORM, Answer, Client
from tests.web.page_reader import decide, receipt_number
from tests.web.running import RunningPortal
from tests.web.staff.desk_client import DeskClient, sign_in, tokens
from tests.web.test_work_is_linear import WORST, Counting, check

LINES = sorted(STAFF)


@dataclass(frozen=True)
class Clinic:
    """A clinic with a person, and somebody of each role signed in at its desk."""

    people: Mapping[Role, DeskClient]
    parts: Mapping[str, str]
    """What stands in the variable parts of addresses, by name."""

    def of(self, role: Role, line: str, strange: str | None = None) -> Answer:
        """Ask for an address as somebody of a role: what is there, or something strange."""
        method, target = written(line, self.parts, strange)
        return self.people[role].send(method, target, b"", {"Content-Type": FORM})


def written(line: str, parts: Mapping[str, str], strange: str | None = None) -> tuple[str, str]:
    """Write an address of the table with its variable parts filled in."""
    method, address = line.split()
    filled = re.sub(r"\{(\w+)\}", lambda found: strange or parts.get(found[1], "nothing"), address)
    return method, filled


@pytest.fixture(scope="module")
def clinics(settled: RunningPortal) -> tuple[Clinic, Clinic]:
    """Give two clinics with the same person."""
    made = []
    for _ in range(2):
        program = settled.open_clinic()
        yes = {"decision.newsletter.email": "yes", "email": "anna.ozola@example.org"}
        number = receipt_number(decide(Client(), program.clinic, yes))
        subject = settled.in_process.receipts.find(program.clinic, number).document["subject"]
        people = {role: sign_in(settled.in_process, program.clinic, role) for role in Role}
        made.append(Clinic(people, {"subject": subject, "receipt": number, "version": "1.0"}))
    return made[0], made[1]


def may(role: Role, place: StaffPlace) -> bool:
    """Tell whether a role is let in, by the table."""
    return not place.scopes or bool(set(place.scopes) & set(scopes_of(role)))


@pytest.mark.parametrize("line", LINES)
def test_each_role_is_let_in_where_the_table_says_and_nowhere_else(
    clinics: tuple[Clinic, Clinic], line: str
) -> None:
    """403 with the roles that may; never 403 for a role that may."""
    for role in Role:
        answer = clinics[0].of(role, line)
        assert (answer.status == 403) == (not may(role, STAFF[line])), (role, answer.status)
        assert answer.status < 500, (role, answer.text)


@pytest.mark.parametrize("line", LINES)
def test_nobody_is_let_in_without_a_session(nobody: Client, line: str) -> None:
    """Whatever is asked, the way leads to signing in, and the address is not told to others."""
    method, target = written(line, {})
    answer = nobody.send(method, target, b"", {"Content-Type": FORM})
    assert answer.status == 303
    assert "/staff/sign-in" in answer.location


@pytest.fixture
def nobody(settled: RunningPortal) -> Client:
    """Give a browser in which nobody is signed in."""
    assert settled
    return Client()


@pytest.mark.parametrize("line", [line for line in LINES if "{subject}" in line])
def test_another_clinics_person_is_not_there(clinics: tuple[Clinic, Clinic], line: str) -> None:
    """By no address, for no role: the same 404 as for somebody who never was."""
    here, other = clinics
    for role in filter(lambda role: may(role, STAFF[line]), Role):
        method, target = written(line, {**other.parts})
        answers = [
            here.people[role].send(method, each, b"", {"Content-Type": FORM})
            for each in (target, written(line, {}, "0" * 32)[1])
        ]
        statuses = {answer.status for answer in answers}
        assert len(statuses) == 1, (role, statuses)
        assert statuses <= {303, 404, 409}, (role, statuses)
        leads = {answer.location for answer in answers if answer.status == 303}
        assert all("/staff/again" in each for each in leads), leads


@pytest.mark.parametrize("line", [line for line in LINES if STAFF[line].fresh])
def test_what_weighs_most_asks_again_who_it_is(
    settled: RunningPortal, clinics: tuple[Clinic, Clinic], line: str
) -> None:
    """A tablet or a browser left open at the reception erases nobody."""
    role = next(role for role in Role if may(role, STAFF[line]))
    desk = clinics[0].people[role]
    session = staff.sessions(settled.table, desk.member.clinic, desk.member.id)[0]
    earlier = instant(moment(session.proven_at) - FRESH_FORM - timedelta(seconds=1))
    aged = replace(session, proven_at=earlier)
    settled.table.write([staff.changed_session(session, aged)])
    try:
        answer = clinics[0].of(role, line)
        assert (answer.status, "/staff/again" in answer.location) == (303, True)
    finally:
        settled.table.write([staff.changed_session(aged, session)])


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("POST")])
def test_a_form_without_its_token_does_nothing(
    settled: RunningPortal, clinics: tuple[Clinic, Clinic], line: str
) -> None:
    """Another page's form, an old one, or none at all."""
    for role in filter(lambda role: may(role, STAFF[line]), Role):
        before = settled.items()
        answer = clinics[0].of(role, line)
        assert answer.status in {404, 409, 415}, (role, answer.status, answer.text[:200])
        assert settled.items() == before


@pytest.mark.parametrize("line", LINES)
def test_no_answer_is_kept_framed_or_runs_what_is_not_ours(
    clinics: tuple[Clinic, Clinic], line: str
) -> None:
    """Styles and the few scripts go by their hash."""
    for role in Role:
        answer = clinics[0].of(role, line)
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"].startswith("no-store"), role
        assert "unsafe" not in policy.partition("script-src")[2]
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        for script in re.findall(r"<script[^>]*>(.*?)</script>", answer.text, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy, line
        assert not re.search(r"<script[^>]*\ssrc=|\son\w+=|javascript:|style=", answer.text), line


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("POST")])
def test_no_form_makes_more_work_than_its_length(clinics: tuple[Clinic, Clinic], line: str) -> None:
    """Nor a stolen session that sends forms by a program."""
    role = next(role for role in Role if may(role, STAFF[line]))
    desk, client = clinics[0].people[role], Counting()
    _, target = written(line, clinics[0].parts)
    page = desk.get(target)
    states = tokens(page.text) if page.status == 200 and "<main" in page.text else []
    names = set(re.findall(r'name="([a-z][\w.-]*)"', page.text)) - {"state"} or {"reason"}
    cookie = {"Cookie": f"{SESSION_COOKIE}={desk.secret}"}

    def with_text(make: Callable[[int], str], size: int) -> object:
        fields = {**dict.fromkeys(names, make(size)), "state": states[:1]}
        return client.post(target, fields, cookie)

    for what in ("combining marks", "full-width digits"):
        check(f"{line} with {what}", client, partial(with_text, WORST[what]))
