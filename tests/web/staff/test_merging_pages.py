"""Matching two records at the desk: found, compared side by side, merged or left as two."""

import json
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.links import LinkScope
from chalicelib.domain.staff import Role
from tests.web.client import Client, Program
from tests.web.letterbox import a_token
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.test_find import record

NEWS = "newsletter.email"
MAIL, PHONE, OTHER = "anna.ozola@example.org", "+37126123456", "a.ozola@example.com"
NO = {"decisions": {NEWS: "no"}, "effective_at": "2026-11-21T09:00:00Z"}
SURE = {"reason": "said", "sure": "yes"}


def two(program: Program) -> tuple[str, str]:
    """Let staff enter a Yes by e-mail, and a day later a No by phone: of one woman."""
    yes = record(program, {"email": MAIL}, name="Anna Ozola")
    no = record(program, {"phone": PHONE}, **NO)
    return yes["subject"], no["subject"]


def test_two_records_are_found_compared_and_merged(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """By a phone typed once; afterwards the latest word counts for every contact."""
    program = portal.open_clinic()
    one, other = two(program)
    desk = desk_client(program)
    path = f"people/{one}/merge"
    answer = desk.submit(path, {"who": "26 123 456"})
    assert answer.location == f"/api/staff/{path}?with={other}"
    shown = desk.follow(answer)
    compared = Page(shown)
    for told in (
        "Anna Ozola",
        "The record that stays",
        "The record that goes into it",
        "Receipts: 1",
    ):
        assert told in compared.words
    assert PHONE not in shown.text
    answer = desk.submit(path, {"with": other, **SURE}, page=f"{path}?with={other}")
    card = Page(desk.follow(answer))
    assert "The record that was merged into this one" in card.words
    assert program.states(email=MAIL)[NEWS] == program.states(phone=PHONE)[NEWS] == "withdrawn"
    gone = desk.open(f"people/{other}")
    assert "This record was merged into another record of the same person." in gone.words


def test_a_program_finds_both_chains_by_any_contact_and_by_either_id(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Whoever kept the other record's id is told of the one person."""
    program = portal.open_clinic()
    one, other = two(program)
    desk = desk_client(program)
    path = f"people/{one}/merge"
    desk.submit(path, {"with": other, **SURE}, page=f"{path}?with={other}")
    by_contact = program.history(phone=PHONE)
    assert {receipt["subject"] for receipt in by_contact} == {one, other}
    for subject in (one, other):
        body: dict[str, Any] = {"subjects": [{"subject_id": subject}], "purposes": [NEWS]}
        [result] = program.call("status", body).json()["results"]
        assert result["decisions"][NEWS]["state"] == "withdrawn"
        answer = program.call("history", {"subject": {"subject_id": subject}})
        assert {each["subject"] for each in answer.json()["receipts"]} == {one, other}


@pytest.mark.parametrize("went", [0, 1])
def test_the_person_sees_and_takes_along_both_chains(
    portal: RunningPortal, desk_client: SignIn, went: int
) -> None:
    """By a link to either record: the page, each receipt, the file with the name of either."""
    program = portal.open_clinic()
    subjects = two(program)
    going, staying = subjects[went], subjects[1 - went]
    contact = (Contact(ContactKind.EMAIL, MAIL), Contact(ContactKind.PHONE, PHONE))[went]
    [receipt] = program.history(**{contact.kind.value: contact.value})
    token = a_token(portal, program.clinic, contact, LinkScope.MANAGE, receipt["id"])
    desk = desk_client(program)
    path = f"people/{staying}/merge"
    desk.submit(path, {"with": going, **SURE}, page=f"{path}?with={going}")
    client = Client()
    page = Page(client.get(f"/manage/{token}?lang=en"))
    assert "Another record of the same person was merged into this one." in page.words
    assert "This record was merged into another record of the same person." in page.words
    copy = client.get(f"/manage/{token}/receipts/{receipt['id']}?format=json")
    assert copy.status == 200
    file = client.get(f"/manage/{token}/export/json").json()
    told = [*file["receipts"], *file["merged_record"]["receipts"]]
    assert {each["subject"] for each in told} == set(subjects)
    assert "Anna Ozola" in file["person"]["names"]
    assert "F-17" in json.dumps(file["merged_record"]["evidence"])
    assert receipt["id"] in client.get(f"/manage/{token}/export/csv").text


def test_an_entry_that_was_corrected_is_not_taken_over(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """A Yes was entered for the wrong person, and that was corrected: nothing of it comes back."""
    program = portal.open_clinic()
    refused = record(program, {"phone": PHONE}, **{**NO, "effective_at": "2026-11-19T09:00:00Z"})
    wrong = record(program, {"email": MAIL})
    desk = desk_client(program)
    place = f"people/{wrong['subject']}/receipts/{wrong['id']}/correct"
    sent = {"reason": "wrong_person", "day": "", f"decision.{NEWS}": "before"}
    assert desk.submit(place, sent).status == 303
    staying, going = refused["subject"], wrong["subject"]
    path = f"people/{staying}/merge"
    desk.submit(path, {"with": going, **SURE}, page=f"{path}?with={going}")
    assert program.states(email=MAIL)[NEWS] == program.states(phone=PHONE)[NEWS] == "refused"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"sure": "yes"}, "Say how you know that it is one person."),
        ({"reason": "said"}, "Tick that you have checked the contacts."),
        ({"reason": "a guess", "sure": "yes"}, "Say how you know that it is one person."),
    ],
)
def test_without_a_reason_and_a_tick_nothing_is_merged(
    portal: RunningPortal, desk_client: SignIn, fields: dict[str, str], wrong: str
) -> None:
    """Both are shown again."""
    program = portal.open_clinic()
    one, other = two(program)
    path = f"people/{one}/merge"
    answer = desk_client(program).submit(
        path, {"with": other, **fields}, page=f"{path}?with={other}"
    )
    assert answer.status == 422
    assert wrong in Page(answer).words
    assert program.states(email=MAIL)[NEWS] == "granted"


def test_nobody_is_found_and_nobody_of_the_other_clinic_is_merged(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Not by a contact, and not by an id that is made up or theirs."""
    program, elsewhere = portal.open_clinic(), portal.open_clinic()
    one, _ = two(program)
    theirs, _ = two(elsewhere)
    desk = desk_client(program)
    path = f"people/{one}/merge"
    for who in ("nobody@example.org", MAIL):
        answer = desk.submit(path, {"who": who})
        assert answer.status == 422
        assert "No other record is found by it." in Page(answer).words
    assert desk.submit(path, {"who": " "}).status == 422
    for other in (theirs, "0" * 32, "x" * 3000):
        assert desk.get(f"/staff/{path}?with={other}").status == 404
        assert desk.submit(path, {"with": other, **SURE}).status == 404


def test_what_cannot_be_merged_is_said_before_and_refused_after(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """A restricted record; a record with itself."""
    program = portal.open_clinic()
    one, other = two(program)
    desk = desk_client(program)
    path = f"people/{one}/merge"
    page = f"{path}?with={other}"
    state_kept = desk.get(f"/staff/{page}")
    assert "Merge the records" in Page(state_kept).words
    program.call("restrictions", {"subject": {"phone": PHONE}, "restricted": True})
    assert "One of them is restricted." in desk.open(page).words
    answer = desk.submit(path, {"with": other, **SURE}, page=path)
    assert answer.status == 422
    assert "One of them is restricted." in Page(answer).words
    assert "It is one record." in desk.open(f"{path}?with={one}").words


def test_people_who_share_a_phone_are_listed_and_left_as_two(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Side by side, masked; once left, listed no more. Another clinic lists nobody."""
    program, elsewhere = portal.open_clinic(), portal.open_clinic()
    one = record(program, {"email": MAIL, "phone": PHONE}, name="Anna Ozola")["subject"]
    other = record(program, {"email": OTHER, "phone": PHONE})["subject"]
    desk = desk_client(program)
    shown = desk.get("/staff/doubtful")
    page = Page(shown)
    assert "They are two people" in page.words
    assert desk.get(f"/staff/doubtful?after={'x' * 3000}").status == 200
    assert "An•••" in page.words
    assert MAIL not in shown.text
    first, second = sorted((one, other))
    assert f"people/{first}/merge?with={second}" in shown.text
    assert "Nobody. All is clear." in desk_client(elsewhere).open("doubtful").words
    stranger = desk_client(elsewhere)
    assert stranger.post("/staff/doubtful", {"one": one, "other": other}).status == 409
    answer = desk.submit("doubtful", {"one": one, "other": other})
    left = Page(desk.follow(answer))
    assert "They stay two people" in left.words
    assert "Nobody. All is clear." in left.words
    for role in (Role.MARKETING, Role.READER):
        assert desk_client(program, role).get("/staff/doubtful").status == 403
