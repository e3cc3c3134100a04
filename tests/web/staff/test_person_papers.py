"""The link and the form for somebody whose record is open: chalicelib/web/staff/person_papers.py."""

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.store import bounces
from tests.pdf_file import PdfFile
from tests.web.client import Program
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient, form_token

ANNA = {"email": "anna.ozola@example.org", "phone": "+37126123456"}


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give the program of a clinic that knows Anna."""
    program = portal.open_clinic()
    body = {
        "subject": ANNA,
        "name": "Anna Ozoliņa",
        "decisions": {"newsletter.email": "yes"},
        "channel": "in-person",
        "effective_at": "2026-11-10",
        "lang": "lv",
    }
    assert program.call("receipts", body).status == 201
    return program


@pytest.fixture
def ilze(program: Program, desk_client: SignIn) -> DeskClient:
    """Sign Ilze of the reception in."""
    return desk_client(program, name="Ilze")


@pytest.fixture
def anna(program: Program) -> str:
    """Give Anna's opaque id."""
    return str(program.history(email=ANNA["email"])[0]["subject"])


def _link_items(portal: RunningPortal) -> set[tuple[str, str]]:
    return {key for key in portal.items() if key[0].startswith("UNSENT#")}


def test_the_link_goes_to_the_proven_contact_once(
    portal: RunningPortal, program: Program, ilze: DeskClient, anna: str
) -> None:
    """The page says where, masked; a double click sends one message."""
    place = f"/staff/people/{anna}/link"
    page = ilze.get(place)
    assert "It goes to a•••@e•••.org, by e-mail." in Page(page).words
    assert ANNA["email"] not in page.text
    before = _link_items(portal)
    state = form_token(page, place)
    first, second = (ilze.post(place, {"state": state}) for _ in range(2))
    assert first.location == second.location
    assert len(_link_items(portal) - before) == 1
    assert ANNA["email"] not in first.location
    assert "on its way to a•••@e•••.org" in Page(ilze.follow(first)).words
    lines = [line for line in portal.audit(program.clinic) if line["call"] == "links"]
    assert [line["subjects"] for line in lines] == [[anna]]


def test_a_contact_from_which_messages_came_back_is_left_out(
    portal: RunningPortal, program: Program, ilze: DeskClient, anna: str
) -> None:
    """The phone is next; with both gone the page says that nothing reaches the person."""
    key = portal.in_process.clinics.key(program.clinic)
    known = portal.in_process.directory.look_up(program.clinic).published.clinic
    place = f"people/{anna}/link"
    for contact in _contacts():
        lookup = key.lookup(contact)
        now = portal.in_process.clock()
        bounces.mark_undeliverable(portal.table, known.id, lookup, "bounce", now)
        page = Page(ilze.get(f"/staff/{place}"))
        if contact.kind == "email":
            assert "+371 ••• 456, as a text message" in page.words
    assert "No message can reach this person" in page.words
    state = form_token(ilze.get("/staff/record"), "record")
    assert ilze.post(f"/staff/{place}", {"state": state}).status == 409


def _contacts() -> list[Contact]:
    return [Contact(ContactKind(kind), value) for kind, value in ANNA.items()]


def test_the_form_has_the_name_and_the_contacts_and_no_answer(
    program: Program, ilze: DeskClient, anna: str
) -> None:
    """Anna only ticks and signs; the form for nobody is empty."""
    answer = ilze.get(f"/staff/people/{anna}/form?form_lang=lv")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
    words = " ".join(PdfFile(answer.body).words)
    for text in ("Anna Ozoliņa", *ANNA.values()):
        assert text in words
    assert "Vārds" in words
    blank = ilze.get("/staff/form?form_lang=lv")
    empty = " ".join(PdfFile(blank.body).words)
    assert "Anna" not in empty
    assert words.count("☐") == empty.count("☐") > 4
    assert program.clinic in answer.headers["content-disposition"]


def test_another_clinics_person_gets_nothing(
    portal: RunningPortal, anna: str, desk_client: SignIn, program: Program
) -> None:
    """Neither link nor form; and reading alone sends nothing."""
    other = desk_client(portal.open_clinic())
    for what in ("link", "form"):
        assert other.get(f"/staff/people/{anna}/{what}").status == 404
        assert desk_client(program, "reader").get(f"/staff/people/{anna}/{what}").status == 403
