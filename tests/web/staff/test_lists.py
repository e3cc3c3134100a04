"""Lists of those who agreed: chalicelib/web/staff/lists.py."""

import csv
import io

import pytest

from chalicelib.services import clinic_export
from tests.web.client import Program
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn

DAY = "2026-11-20T10:00:00Z"


def told(program: Program, answer: str, name: str = "Anna", **subject: str) -> None:
    """Let staff record an answer to the newsletter by e-mail."""
    body = {
        "subject": subject,
        "name": name,
        "decisions": {"newsletter.email": answer},
        "channel": "in-person",
        "effective_at": DAY,
    }
    assert program.call("receipts", body).status == 201


@pytest.fixture
def clinic(portal: RunningPortal) -> Program:
    """Give a clinic where two said Yes, one of them with a name like a formula, and one No."""
    program = portal.open_clinic()
    told(program, "yes", email="anna@example.org")
    told(program, "yes", name="=1+1", email="bella@example.org")
    told(program, "no", email="carl@example.org")
    return program


def test_marketing_downloads_who_agreed_and_nobody_else(
    portal: RunningPortal, desk_client: SignIn, clinic: Program
) -> None:
    """By names a mailing program knows; nothing runs in a spreadsheet; the audit names each."""
    desk = desk_client(clinic, "marketing")
    told(portal.open_clinic(), "yes", email="other@example.org")
    answer = desk.submit("lists", {"purpose": "newsletter.email"})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="newsletter-email-20' in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "no-store"
    rows = {row["email"]: row for row in csv.DictReader(io.StringIO(answer.text))}
    assert rows.keys() == {"anna@example.org", "bella@example.org"}
    assert rows["bella@example.org"]["name"] == "'=1+1"
    assert rows["anna@example.org"]["since"] == "2026-11-20"
    [line] = [each for each in portal.audit(clinic.clinic) if each["call"] == "export"]
    assert (line["key"], line["about"], len(line["subjects"])) == (
        desk.member.id,
        "newsletter.email",
        2,
    )


def test_whoever_withdraws_is_not_in_the_next_file(desk_client: SignIn, clinic: Program) -> None:
    """A list is true at its own moment only."""
    desk = desk_client(clinic, "protection")
    gone = {"subject": {"email": "anna@example.org"}, "all": True, "channel": "phone"}
    assert clinic.call("withdrawals", {**gone, "effective_at": DAY}).status == 201
    answer = desk.submit("lists", {"purpose": "newsletter.email"})
    assert "anna@example.org" not in answer.text
    assert "bella@example.org" in answer.text


@pytest.mark.parametrize("purpose", ["", "newsletter", "newsletter.owl"])
def test_a_list_is_for_one_thing(desk_client: SignIn, clinic: Program, purpose: str) -> None:
    """Nothing chosen gives no file."""
    answer = desk_client(clinic, "marketing").submit("lists", {"purpose": purpose})
    page = Page(answer)
    assert (answer.status, page.faults) == (422, ["#purpose"])


def test_a_clinic_too_large_for_one_file_is_told_so(
    desk_client: SignIn, clinic: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets no half of a list."""
    monkeypatch.setattr(clinic_export, "MOST_LIMIT", 1)
    monkeypatch.setattr(clinic_export, "MOST_IN_A_FILE", 2)
    answer = desk_client(clinic, "marketing").submit("lists", {"purpose": "newsletter.email"})
    assert answer.status == 422
    assert "Too many people are on record" in Page(answer).words
    assert "bella@example.org" not in answer.text


def test_a_reception_exports_nothing(desk_client: SignIn, clinic: Program) -> None:
    """Who opens people's records has no list of them."""
    assert desk_client(clinic, "reception").get("/staff/lists").status == 403
