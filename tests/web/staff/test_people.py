"""A person's card at the desk: whole for whose work it is, nothing for anybody else."""

import json

import pytest

from chalicelib.domain.receipts import reference
from chalicelib.domain.staff import Role
from chalicelib.receipts.formats.registry import FORMATS
from chalicelib.web.staff.people_view import ACTIONS
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.test_find import ANNA, BELLA, record

READING = (Role.RECEPTION, Role.PROTECTION, Role.READER)


@pytest.mark.parametrize("role", Role)
def test_the_card_is_for_whose_work_it_is(
    portal: RunningPortal, desk_client: SignIn, role: Role
) -> None:
    """Who needs no contact for their work sees it masked; marketing sees nobody."""
    program = portal.open_clinic()
    receipt = record(program, ANNA, name="Anna Ozola")
    answer = desk_client(program, role).get(f"/staff/people/{receipt['subject']}")
    assert answer.status == (200 if role in READING else 403)
    assert answer.headers["cache-control"] == "no-store"
    may_see = role in {Role.RECEPTION, Role.PROTECTION}
    assert (ANNA["email"] in answer.text) == may_see
    assert (reference(receipt["id"]) in answer.text) == (role in READING)
    if role in READING:
        assert "Anna Ozola" in Page(answer).words


def test_the_card_says_how_somebody_stands_and_by_whose_hand(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """A chip each, since when, by which receipt, on paper, entered later by a program's key."""
    program = portal.open_clinic()
    receipt = record(program, ANNA)
    words = desk_client(program).open(f"people/{receipt['subject']}").words
    for told in ("Yes", "Never asked", "On paper", "20 November 2026", "F-17", "a test"):
        assert told in words, told
    assert "No message, because" not in words
    assert "Waits for confirmation" not in words


def test_the_page_of_each_language_is_whole(portal: RunningPortal, desk_client: SignIn) -> None:
    """In the language of who reads it, whatever languages the clinic's notice has."""
    program = portal.open_clinic()
    receipt = record(program, ANNA)
    desk = desk_client(program)
    for lang in ("lv", "lt", "ka", "ru", "en"):
        card = Page(desk.get(f"/staff/people/{receipt['subject']}?lang={lang}"))
        assert card.lang == lang
        assert len(card.tags) > 50


@pytest.mark.parametrize(
    "name",
    ["O", "შ", "محمد بن سلمان", "👩 Anna 🦷", "<script>alert(1)</script>", "{{ 7*7 }}", "é" * 120],
)
def test_every_name_is_shown_as_it_is_and_runs_nothing(
    portal: RunningPortal, desk_client: SignIn, name: str
) -> None:
    """One letter, right to left, pictures, and what looks like a program."""
    program = portal.open_clinic()
    receipt = record(program, ANNA, name=name)
    answer = desk_client(program).get(f"/staff/people/{receipt['subject']}")
    page = Page(answer)
    assert name in page.words
    assert page.tags.count("script") == 0
    assert "49" not in page.words.partition("Decisions")[0]


def test_nobody_and_the_other_clinics_person_are_not_found(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """As if there were no such address; so are their receipts and who looked."""
    program, other = portal.open_clinic(), portal.open_clinic()
    receipt, bella = record(program, ANNA), record(program, BELLA)
    subject = receipt["subject"]
    here, there = desk_client(program, "protection"), desk_client(other, "protection")
    for desk, person, number in (
        (there, subject, receipt["id"]),
        (here, "0" * 32, receipt["id"]),
        (here, "x", receipt["id"]),
        (here, "..%2f..", receipt["id"]),
        (here, subject, bella["id"]),
    ):
        assert desk.get(f"/staff/people/{person}/receipts/{number}").status == 404
        if desk is there or person != subject:
            assert desk.get(f"/staff/people/{person}").status == 404
            assert desk.get(f"/staff/people/{person}/looked").status == 404


def test_the_history_is_paged_and_any_number_in_the_address_gives_a_page(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Twenty receipts at a time; the link of each page leads to the next."""
    program = portal.open_clinic()
    for number in range(25):
        said = {"newsletter.email": "yes" if number % 2 else "no"}
        receipt = record(program, ANNA, decisions=said)
    desk, card = desk_client(program), f"/staff/people/{receipt['subject']}"
    first = desk.get(card)
    assert first.text.count("<article>") == 20
    assert f"/api{card}?before=6#history" in Page(first).links
    second = desk.get(f"{card}?before=6")
    assert second.text.count("<article>") == 5
    assert f"/api{card}#history" in Page(second).links
    for given in ("", "x", "-1", "0", "9" * 40, "٣", "%00"):
        assert desk.get(f"{card}?before={given}").text.count("<article>") == 20, given


def test_a_receipt_is_handed_out_in_every_format(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """As the API gives it, with a line in the audit; what is no format is not there."""
    program = portal.open_clinic()
    receipt = record(program, ANNA)
    desk = desk_client(program, "reader")
    copies = f"/staff/people/{receipt['subject']}/receipts/{receipt['id']}"
    assert json.loads(desk.get(f"{copies}?format=json").body)["id"] == receipt["id"]
    unsigned = desk.get(f"{copies}?format=jws")
    assert (unsigned.status, "try again" in Page(unsigned).words) == (409, True)
    portal.seal()
    for name in FORMATS.keys() - {"pdf"}:
        assert desk.get(f"{copies}?format={name}").status in {200, 406}, name
    assert desk.get(f"{copies}?format=exe").status == 404
    assert receipt["id"] in {line["receipt"] for line in portal.audit(program.clinic)}


def test_an_erased_person_and_a_restricted_one_are_told_so(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """What it means, since when, until when."""
    program = portal.open_clinic()
    receipt = record(program, ANNA)
    desk, card = desk_client(program), f"people/{receipt['subject']}"
    body = {"subject": {"email": ANNA["email"]}, "restricted": True}
    assert program.call("restrictions", body).status == 200
    assert "Restricted since" in desk.open(card).words
    for lang in ("lt", "ru"):  # a date ends with a full stop of its own
        assert ".." not in Page(desk.get(f"/staff/{card}?lang={lang}")).words
    assert program.call("erasures", {"subject": {"email": ANNA["email"]}}).status == 200
    words = desk.open(card).words
    assert "This person was erased" in words
    assert "kept as proof until" in words
    assert ANNA["email"] not in words
    assert desk.submit("find", {"who": ANNA["email"]}).status == 200
    assert desk.submit("find", {"who": reference(receipt["id"])}).location.endswith(card)


def test_who_looked_is_for_who_watches_over_it(portal: RunningPortal, desk_client: SignIn) -> None:
    """Names of staff, what they did and when; an administrator has no business with one person."""
    program = portal.open_clinic()
    receipt = record(program, ANNA)
    reception = desk_client(program, name="Maija Bērziņa")
    card = f"/staff/people/{receipt['subject']}"
    assert reception.get(card).status == 200
    assert reception.get(f"{card}/looked").status == 403
    assert desk_client(program, "administrator").get(f"{card}/looked").status == 404
    words = desk_client(program, "protection").open(f"people/{receipt['subject']}/looked").words
    for told in ("Maija Bērziņa", "Opened the card", "Recorded a decision", "a test"):
        assert told in words, told


def test_a_button_is_shown_where_it_leads_somewhere(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Every link of the card is an address that lets this person in."""
    program = portal.open_clinic()
    receipt = record(program, ANNA)
    card = f"/staff/people/{receipt['subject']}"
    for role in READING:
        desk = desk_client(program, role)
        links = Page(desk.get(card)).links
        for _, line in ACTIONS:
            path = line.rpartition("/")[2]
            if f"/api{card}/{path}" in links:
                assert desk.get(f"{card}/{path}").status in {200, 303}, (role, path)
