"""Staff record that somebody withdraws: chalicelib/web/staff/withdrawing.py."""

from typing import Any

import pytest

from tests.web.client import Answer, Program
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient, form_token

ANNA, BELLA, PHONE = "anna.ozola@example.org", "bella.ozola@example.org", "+37126123456"
NEWS, TEXTS = "newsletter.email", "newsletter.sms"
CALL = {"channel": "phone", "when": "now"}


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give the program of a clinic where Anna and Bella agreed to the newsletter."""
    program = portal.open_clinic()
    for email in (ANNA, BELLA):
        body = {
            "subject": {"email": email, "phone": PHONE},
            "decisions": {NEWS: "yes", TEXTS: "yes"},
            "channel": "in-person",
            "effective_at": "2026-11-10",
        }
        assert program.call("receipts", body).status == 201
    return program


@pytest.fixture
def ilze(program: Program, desk_client: SignIn) -> DeskClient:
    """Sign Ilze of the reception in."""
    return desk_client(program, name="Ilze")


def _subject(program: Program, email: str = ANNA) -> str:
    return str(program.history(email=email)[0]["subject"])


def _receipt(portal: RunningPortal, program: Program, answer: Answer) -> dict[str, Any]:
    assert answer.status == 303, answer.text
    number = answer.location.rpartition("/")[2]
    return dict(portal.in_process.receipts.find(program.clinic, number).document)


def test_one_thing_stops_for_the_person_alone(
    portal: RunningPortal, program: Program, ilze: DeskClient
) -> None:
    """Bella shares Anna's phone, and keeps her own newsletter."""
    place = f"people/{_subject(program)}/withdraw"
    answer = ilze.submit(place, {**CALL, "purpose": NEWS})
    receipt = _receipt(portal, program, answer)
    assert receipt["decisions"].keys() == {NEWS}
    assert program.states(email=ANNA)[NEWS] == "withdrawn"
    assert program.states(email=ANNA)[TEXTS] == "granted"
    assert program.states(email=BELLA)[NEWS] == "granted"
    page = Page(ilze.follow(answer))
    assert "undo it; nobody else can" in page.words


def test_everything_stops(portal: RunningPortal, program: Program, ilze: DeskClient) -> None:
    """With one button; on the page is only what is left to stop."""
    place = f"people/{_subject(program)}/withdraw"
    assert ilze.get(f"/staff/{place}").text.count('name="purpose"') == 2
    answer = ilze.submit(place, {**CALL, "all": "yes", "form": "N-3", "witness": "Māris"})
    receipt = _receipt(portal, program, answer)
    assert set(receipt["decisions"]) >= {NEWS, TEXTS, "testimonials.text"}
    assert set(program.states(email=ANNA).values()) == {"withdrawn"}
    assert "Nothing is left to stop" in ilze.get(f"/staff/{place}").text


def test_a_contact_stops_for_everybody_who_shares_it(
    portal: RunningPortal, program: Program, ilze: DeskClient
) -> None:
    """Who calls and says only a number is heard at once, for whoever it is."""
    answer = ilze.submit("withdraw", {**CALL, "phone": "26 123 456", "purpose": TEXTS})
    assert _receipt(portal, program, answer)["channel"] == "phone"
    for email in (ANNA, BELLA):
        assert program.states(email=email)[TEXTS] == "withdrawn"
        assert program.states(email=email)[NEWS] == "granted"


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({**CALL, "email": ANNA}, {"purpose"}),
        ({**CALL, "all": "yes"}, {"email"}),
        ({"email": ANNA, "all": "yes"}, {"channel", "when"}),
        ({**CALL, "channel": "paper", "email": ANNA, "all": "yes"}, {"form"}),
        ({**CALL, "email": "anna@", "all": "yes"}, {"email"}),
        ({**CALL, "day": "31.2.2026", "email": ANNA, "all": "yes"}, {"day"}),
        ({**CALL, "patient_ref": "x" * 65, "all": "yes"}, {"patient_ref"}),
    ],
)
def test_what_is_missing_is_named_and_nothing_stops(
    program: Program, ilze: DeskClient, sent: dict[str, str], fields: set[str]
) -> None:
    """Each fault leads to its field."""
    answer = ilze.submit("withdraw", sent)
    assert answer.status == 422
    assert {fault.removeprefix("#") for fault in Page(answer).faults} == fields
    assert program.states(email=ANNA)[NEWS] == "granted"


def test_a_withdrawal_sent_twice_is_one(program: Program, ilze: DeskClient) -> None:
    """A double click writes one receipt."""
    place = f"/staff/people/{_subject(program)}/withdraw"
    state = form_token(ilze.get(place), place)
    form = {**CALL, "state": state, "purpose": [NEWS, TEXTS]}
    first, second = (ilze.post(place, form) for _ in range(2))
    assert first.location == second.location
    assert len(program.history(email=ANNA)) == 2


def test_an_unknown_contact_is_kept_as_withdrawn(program: Program, ilze: DeskClient) -> None:
    """A form from before, entered later, does not outlive it; the page does not tell who is known."""
    answer = ilze.submit("withdraw", {**CALL, "email": "nobody@example.org", "all": "yes"})
    assert answer.status == 303
    assert set(program.states(email="nobody@example.org").values()) == {"withdrawn"}
