"""Finding a person at the desk: one field, by POST alone, for whoever's work it is."""

import base64
import hashlib

import pytest

from chalicelib.domain.phones import dialled
from chalicelib.domain.rate_limits import STAFF_LOOK_UPS
from chalicelib.domain.receipts import reference
from chalicelib.presentation.templates import page_script
from chalicelib.web.staff.find import REASONS
from tests.web.client import Program
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn

ANNA = {"email": "anna.ozola@example.org", "phone": "+37126123456", "patient_ref": "K-1402"}
BELLA = {"email": "bella@example.org", "phone": "+37126123456"}
YES = {"newsletter.email": "yes"}


def record(program: Program, subject: dict[str, str], **more: object) -> dict[str, str]:
    """Let staff enter what somebody said on paper."""
    body = {
        "subject": subject,
        "decisions": YES,
        "channel": "paper",
        "effective_at": "2026-11-20T09:00:00Z",
        "evidence": {"form": "F-17"},
        **more,
    }
    answer = program.call("receipts", body)
    assert answer.status == 201, answer.text
    receipt: dict[str, str] = answer.json()
    return receipt


def test_what_somebody_has_at_hand_leads_to_the_card(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """And never stands in the address."""
    program = portal.open_clinic()
    receipt = record(program, ANNA)
    desk = desk_client(program)
    for who in ("anna.ozola@example.org", "26 123 456", "K-1402", reference(receipt["id"])):
        answer = desk.submit("find", {"who": who})
        assert answer.status == 303, answer.text
        assert answer.location == f"/api/staff/people/{receipt['subject']}"
    assert desk.follow(answer).status == 200


def test_several_who_share_a_contact_are_listed_masked(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Nobody's contact or name can be read from the list."""
    program = portal.open_clinic()
    people = [record(program, subject) for subject in (ANNA, BELLA)]
    desk = desk_client(program)
    answer = desk.submit("find", {"who": "26123456"})
    page = Page(answer)
    assert answer.status == 200
    for receipt in people:
        assert f"/api/staff/people/{receipt['subject']}" in page.links
    assert "a•••@e•••.org" in page.words
    assert "ozola" not in answer.text


def test_nobody_is_said_so_and_what_was_typed_is_kept(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Escaped, whatever it is; the other clinic's person is nobody here."""
    record(portal.open_clinic(), ANNA)
    desk = desk_client(portal.open_clinic())
    for who in (ANNA["email"], "ა", "😀 <b>&\"'", "שלום", "x" * 300):
        page = Page(desk.submit("find", {"who": who}))
        assert "Nobody is known by this" in page.words
        assert page.fields["who"] == who


@pytest.mark.parametrize(
    ("who", "field"),
    [("new@example.org", "email"), ("26 765 432", "phone"), ("K-99", "patient_ref")],
)
def test_what_was_typed_goes_along_to_the_form_of_somebody_new(
    portal: RunningPortal, desk_client: SignIn, who: str, field: str
) -> None:
    """By POST: the form is shown with it filled in, and nothing is recorded."""
    program = portal.open_clinic()
    desk = desk_client(program)
    nobody = Page(desk.submit("find", {"who": who}))
    assert nobody.fields[field] == who
    sent = {name: nobody.fields[name] for name in ("show", "when", field)}
    form = desk.submit("record", sent)
    assert form.status == 200
    assert Page(form).fields[field] == who
    assert desk_client(program, "reader").submit("find", {"who": who}).status == 200


def test_an_empty_field_is_a_fault_and_no_look_up(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """The page again, with the fault first."""
    program = portal.open_clinic()
    answer = desk_client(program).submit("find", {"who": "  "})
    assert (answer.status, Page(answer).alerts) == (422, 2)
    assert "people/find" not in {line["call"] for line in portal.audit(program.clinic)}


def test_where_the_clinic_wants_a_reason_it_is_asked_and_written_down(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Chosen from a list: nobody writes of a patient into the audit."""
    program = portal.open_clinic(change=lambda document: document.update(look_up_reasons=True))
    receipt = record(program, ANNA)
    desk = desk_client(program)
    for missing in ({}, {"reason": "curious"}):
        answer = desk.submit("find", {"who": ANNA["email"], **missing})
        assert answer.status == 422
        assert Page(answer).fields["who"] == ANNA["email"]
    found = desk.submit("find", {"who": ANNA["email"], "reason": REASONS[0]})
    assert found.location.endswith(receipt["subject"])
    [line] = [each for each in portal.audit(program.clinic) if each["call"] == "people/find"]
    assert line["about"] == REASONS[0]


@pytest.mark.parametrize("role", ["marketing", "administrator"])
def test_whose_work_it_is_not_finds_nobody(
    portal: RunningPortal, desk_client: SignIn, role: str
) -> None:
    """And is told which role may; a form needs its token."""
    program = portal.open_clinic()
    receipt = record(program, ANNA)
    desk = desk_client(program, role)
    assert desk.get("/staff/find").status == 403
    assert desk.post("/staff/find", {"who": ANNA["email"]}).status == 403
    assert desk.get(f"/staff/people/{receipt['subject']}").status == 403
    reception = desk_client(program)
    assert reception.post("/staff/find", {"who": ANNA["email"]}).status == 409


def test_the_page_alone_may_use_the_camera_and_runs_its_own_script(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Allowed by its hash; without it, or without a detector, the field is all there is."""
    program = portal.open_clinic()
    desk = desk_client(program)
    answer = desk.get("/staff/find")
    script = page_script("scan.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert answer.headers["permissions-policy"].startswith("camera=(self)")
    assert f"<script>{script}</script>" in answer.text
    assert 'id="scan" class="second" hidden' in answer.text
    assert desk.get("/staff").headers["permissions-policy"].startswith("camera=()")


def test_very_many_look_ups_are_refused_with_the_minutes_to_wait(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """A stolen session reads no clinic: not by finding, not by opening cards."""
    program = portal.open_clinic()
    receipt = record(program, ANNA)
    desk = desk_client(program)
    card = f"/staff/people/{receipt['subject']}"
    for _ in range(STAFF_LOOK_UPS.burst):
        last = desk.get(card)
        if last.status != 200:
            break
    answers = [desk.submit("find", {"who": ANNA["email"]}) for _ in range(3)]
    answers.append(desk.get(card))
    assert answers[-1].status == 429
    assert "retry-after" in answers[-1].headers
    assert desk_client(program, name="Maija").get(card).status == 200
    assert dialled(ANNA["phone"]) not in answers[-1].text
    told = desk_client(program, "administrator", name="Rūta").open("").words
    assert "looked up more people than one person does" in told
    assert "It was: Ilze Kalniņa" in told
    elsewhere = desk_client(portal.open_clinic(), "administrator", name="Rūta").open("").words
    assert "looked up more people" not in elsewhere
