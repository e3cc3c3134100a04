"""A day's paper forms, entered at the desk: chalicelib/web/staff/batches.py."""

import re

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from tests.web.client import Answer
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient, form_token

BEGUN = {
    "day": "2026-11-20",
    "version": "",
    "form_lang": "lv",
    "first_number": "P-098",
    "witness": "Ilze",
}
FORM = {
    "decision.newsletter.email": "yes",
    "decision.newsletter.sms": "no",
    "name": "Anna Ozola",
    "email": "anna.ozola@example.org",
    "email_again": "Anna.Ozola@example.org ",
}


def begin(desk: DeskClient, **changed: str) -> str:
    """Begin a pile, and give the address of its page below ``/staff/``."""
    answer = desk.submit("batches", {**BEGUN, **changed})
    assert answer.status == 303, answer.text
    return str(answer.location).partition("/staff/")[2]


def enter(desk: DeskClient, pile: str, **changed: str) -> Answer:
    """Enter a form as it stands ready, with the next number in it."""
    page = desk.open(pile)
    ready = {"form": page.fields["form"], "witness": page.fields["witness"]}
    return desk.submit(pile, {**ready, **FORM, **changed})


def stored(portal: RunningPortal) -> set[tuple[str, str]]:
    """Give what the table holds, but for texts that were shown."""
    return {key for key in portal.items() if "#SHOWN#" not in key[0]}


def test_form_after_form_is_entered_and_the_next_number_is_ready(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """After Enter the next form is there, what was saved stands below, and its reference above."""
    program = portal.open_clinic()
    desk = desk_client(program)
    pile = begin(desk)
    answer = enter(desk, pile)
    assert answer.status == 303, answer.text
    shown = desk.follow(answer)
    page = Page(shown)
    reference = re.search(r"saved=([0-9A-Z-]+)", str(answer.location))
    assert reference
    assert f"Saved. Reference: {reference[1]}" in page.words
    assert page.fields["form"] == "P-099"
    assert "1 form entered so far." in page.words
    for told in ("P-098", "a•••@e•••.org", reference[1]):
        assert told in page.words
    assert "anna.ozola@example.org" not in shown.text
    other = {"email": "bella@example.org", "email_again": "bella@example.org"}
    assert enter(desk, pile, **other).status == 303
    assert "2 forms entered so far." in desk.open(pile).words
    [first] = portal.in_process.directory.look_up(
        program.clinic, [Contact(ContactKind.EMAIL, "anna.ozola@example.org")]
    ).known()
    [kept] = portal.in_process.receipts.history(program.clinic, [first])
    assert kept.document["actor"] == f"staff:{desk.member.id}"
    assert (kept.document["channel"], kept.document["effective_date"]) == ("paper", "2026-11-20")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"email_again": "anna.ozole@example.org"}, "email_again"),
        ({"email_again": ""}, "email_again"),
        ({"phone": "26123456", "phone_again": "26123457"}, "phone_again"),
        ({"email": "anna", "email_again": "anna"}, "email"),
        ({"email": "", "email_again": ""}, "email"),
        ({"email": "", "email_again": "", "patient_ref": "17"}, "email"),
        ({"email": "", "email_again": "", "decision.newsletter.email": "no"}, "email"),
        (
            {"decision.newsletter.email": "", "decision.newsletter.sms": ""},
            "decision.newsletter.email",
        ),
        ({"decision.newsletter.sms": "yes"}, "phone"),
        ({"form": ""}, "form"),
        ({"form": "9" * 201}, "form"),
        ({"witness": "x" * 201}, "witness"),
        ({"patient_ref": "x" * 65}, "patient_ref"),
    ],
)
def test_what_is_wrong_is_said_and_all_that_was_typed_stays(
    portal: RunningPortal, desk_client: SignIn, changed: dict[str, str], field: str
) -> None:
    """Nothing is stored; the summary leads to the field."""
    desk = desk_client(portal.open_clinic())
    pile = begin(desk)
    before = stored(portal)
    answer = enter(desk, pile, **changed)
    page = Page(answer)
    assert answer.status == 422
    assert f"#{field}" in page.faults
    assert page.fields["name"] == "Anna Ozola"
    for name, typed in changed.items():
        if not name.startswith("decision"):
            assert page.fields[name] == typed.strip()
    assert stored(portal) == before
    assert "0 forms entered so far." in page.words


def test_two_spellings_of_a_phone_are_the_same(portal: RunningPortal, desk_client: SignIn) -> None:
    """Who reads it from the form the second time may write it otherwise."""
    desk = desk_client(portal.open_clinic())
    pile = begin(desk)
    typed = {"phone": "26 123 456", "phone_again": "+371 26123456"}
    assert enter(desk, pile, **typed).status == 303


def test_a_number_that_is_taken_leads_to_the_form_that_has_it(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Two colleagues at one pile: the second is told the free number, and keeps what they typed."""
    program = portal.open_clinic()
    desk, other = desk_client(program), desk_client(program, name="Maija")
    pile = begin(desk)
    saved = enter(desk, pile)
    answer = enter(
        other,
        pile,
        form="P-098",
        name="Bella",
        email="b@example.org",
        email_again="b@example.org",
    )
    page = Page(answer)
    assert answer.status == 422
    assert "Another form of this pile has this number." in page.words
    assert "The next free number is P-099." in page.words
    assert str(saved.location).partition("saved=")[2] in page.words
    assert page.fields["name"] == "Bella"


def test_a_form_sent_twice_is_recorded_once(portal: RunningPortal, desk_client: SignIn) -> None:
    """Enter was pressed twice, or the answer got lost."""
    desk = desk_client(portal.open_clinic())
    pile = begin(desk)
    sent = {"state": form_token(desk.get(f"/staff/{pile}"), pile), "form": "P-098", **FORM}
    answers = [desk.post(f"/staff/{pile}", sent) for _ in range(2)]
    assert [answer.status for answer in answers] == [303, 303]
    assert answers[0].location == answers[1].location
    assert "1 form entered so far." in desk.open(pile).words


def test_a_colleague_goes_on_and_closes_the_pile(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """It is the clinic's; a closed one says so, and can be opened again."""
    program = portal.open_clinic()
    pile = begin(desk_client(program))
    other = desk_client(program, name="Maija")
    assert pile in other.get("/staff/batches").text
    assert enter(other, pile).status == 303
    late = {"state": form_token(other.get(f"/staff/{pile}"), pile), **FORM}
    assert other.submit(f"{pile}/close", {"closed": "yes"}, page=pile).status == 303
    assert "name" not in other.open(pile).fields
    answer = other.post(f"/staff/{pile}", {**late, "form": "P-099"})
    assert answer.status == 422
    assert "Somebody has closed this pile." in Page(answer).words
    assert other.submit(f"{pile}/close", {"closed": "no"}, page=pile).status == 303
    assert enter(other, pile, form="P-100").status == 303


def test_another_clinic_finds_no_pile(portal: RunningPortal, desk_client: SignIn) -> None:
    """Nor does a made-up one exist."""
    desk, stranger = desk_client(portal.open_clinic()), desk_client(portal.open_clinic())
    pile = begin(desk)
    own = begin(stranger)
    for path in (pile, "batches/" + "0" * 31, "batches/x"):
        assert stranger.get(f"/staff/{path}").status == 404
        assert stranger.submit(path, FORM, page=own).status == 404
        assert stranger.submit(f"{path}/close", {"closed": "yes"}, page=own).status == 404
    assert pile not in stranger.get("/staff/batches").text


@pytest.mark.parametrize("role", ["marketing", "protection", "administrator", "reader"])
def test_only_the_reception_enters_forms(
    portal: RunningPortal, desk_client: SignIn, role: str
) -> None:
    """Each other role is told whose work it is."""
    program = portal.open_clinic()
    pile = begin(desk_client(program))
    desk = desk_client(program, role)
    for path in ("/staff/batches", f"/staff/{pile}"):
        assert desk.get(path).status == 403


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"day": "2999-01-01"}, "day"),
        ({"day": "31.11.2025"}, "day"),
        ({"first_number": "first"}, "first_number"),
        ({"first_number": ""}, "first_number"),
        ({"first_number": "1" * 201}, "first_number"),
        ({"version": "9.9"}, "version"),
        ({"witness": "x" * 201}, "witness"),
    ],
)
def test_a_pile_that_cannot_be_is_not_begun(
    portal: RunningPortal, desk_client: SignIn, changed: dict[str, str], field: str
) -> None:
    """The fault is said, and what was typed stays."""
    desk = desk_client(portal.open_clinic())
    answer = desk.submit("batches", {**BEGUN, **changed})
    assert answer.status == 422
    assert f"#{field}" in Page(answer).faults
    assert "No pile was entered" in Page(answer).words


def test_forms_of_before_the_portal_are_entered_with_a_word_of_warning(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Nobody knows what was on them: a No counts."""
    desk = desk_client(portal.open_clinic())
    pile = begin(desk, day="2019-05-06")
    assert "Nobody knows any more which text was on these forms." in desk.open(pile).words
    assert enter(desk, pile, **{"decision.newsletter.email": "no"}).status == 303


def test_the_form_of_each_demo_clinic_has_its_questions_in_the_language_of_the_paper(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Whoever enters it compares line with line; a page stays small."""
    for clinic in portal.api_keys:
        desk = desk_client(clinic)
        published = portal.in_process.clinics.in_force(clinic).clinic
        pile = begin(desk, day="2026-11-25", form_lang=published.default_language)
        answer = desk.get(f"/staff/{pile}")
        assert answer.status == 200
        assert answer.text.count('value="yes"') >= len(published.questions)
        assert len(answer.text.encode()) < 60_000
        for purpose in published.purposes:
            assert purpose.title[published.default_language] in Page(answer).words
