"""Ten things a reception does all day, done in a real Chromium: what each takes is printed."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from chalicelib.domain.staff import Role
from tests.browser.desk import Workplace, desk_served
from tests.browser.hands import Effort, Hands
from tests.conftest import TASKS
from tests.web.client import Program
from tests.web.running import RunningPortal, _at_home, counts_at_once, settled

__all__ = ["_at_home", "settled"]

pytestmark = pytest.mark.browser

FIND = "E-mail, phone, patient number, or a receipt’s reference"
ANNA, PHONE = "anna.ozola@example.org", "26 123 456"


@pytest.fixture
def clinic(settled: RunningPortal) -> Program:
    """Give a clinic where Anna said Yes to the newsletter."""
    program = settled.open_clinic(change=counts_at_once)
    decided = {"newsletter.email": "yes", "newsletter.sms": "yes"}
    body = {
        "subject": {"email": ANNA, "phone": PHONE},
        "name": "Anna Ozola",
        "decisions": decided,
        "channel": "in-person",
        "effective_at": "2026-11-20T10:00:00Z",
    }
    assert program.call("receipts", body).status == 201
    return program


@pytest.fixture
def hands(settled: RunningPortal, chrome: Browser, clinic: Program) -> Iterator[Hands]:
    """Give the hands of somebody at the reception."""
    with desk_served() as url:
        work = Workplace(chrome)
        work.context.set_default_timeout(15_000)
        yield Hands(work, url, settled.in_process, clinic.clinic, Role.RECEPTION)
        work.close()
    assert not work.complaints, work.complaints


def note(request: pytest.FixtureRequest, task: str, effort: Effort) -> None:
    """Report what a task took."""
    told = (task, effort.clicks, effort.typed, round(effort.seconds, 1))
    request.node.user_properties.append((TASKS, told))


def open_anna(hands: Hands) -> None:
    """Find Anna and open her card."""
    hands.page.goto(f"{hands.url}/staff/find")
    hands.type(FIND, ANNA, enter=True)
    expect(hands.page.get_by_role("heading", level=1)).to_have_text("Anna Ozola")


@pytest.mark.parametrize(
    ("task", "typed"),
    [("find by e-mail", ANNA), ("find by phone, as people write it", "26 12 34 56")],
)
def test_somebody_is_found_by_what_they_say(
    hands: Hands, request: pytest.FixtureRequest, task: str, typed: str
) -> None:
    """The card says at once how each purpose stands."""
    with hands.task("/find") as effort:
        hands.type(FIND, typed, enter=True)
        hands.sees("Anna Ozola")
    note(request, task, effort)
    assert (effort.clicks, effort.typed) == (0, len(typed) + 1)
    expect(hands.page.locator(".chip.yes").first).to_be_visible()


def test_somebody_is_found_by_the_reference_they_read_out(
    hands: Hands, clinic: Program, request: pytest.FixtureRequest
) -> None:
    """Eight characters from the receipt."""
    from chalicelib.domain.receipts import reference  # noqa: PLC0415 - beside its only use

    number = clinic.history(email=ANNA)[0]["id"]
    with hands.task("/find") as effort:
        hands.type(FIND, reference(number).lower(), enter=True)
        hands.sees("Anna Ozola")
    note(request, "find by a receipt's reference", effort)


def test_a_form_of_somebody_new_is_recorded(
    hands: Hands, clinic: Program, request: pytest.FixtureRequest
) -> None:
    """What was typed to find her is taken along; the receipt's reference goes on the paper."""
    with hands.task("/find") as effort:
        hands.type(FIND, "bella@example.org", enter=True)
        hands.press("Record a form of somebody new")
        hands.choose("On paper", within="How did you learn it?")
        hands.type("Number of the form or letter", "2026-117")
        hands.choose("Yes", within="By e-mail")
        hands.choose("No", within="By text message")
        hands.press("Save")
        hands.sees("The decision is recorded")
    note(request, "record a paper form of somebody new", effort)
    assert clinic.states(email="bella@example.org")["newsletter.email"] == "granted"


def test_what_somebody_says_at_the_desk_is_recorded(
    hands: Hands, clinic: Program, request: pytest.FixtureRequest
) -> None:
    """For somebody who is known no contact is typed again."""
    with hands.task("/find") as effort:
        hands.type(FIND, ANNA, enter=True)
        hands.follow("Record a decision")
        hands.choose("In person", within="How did you learn it?")
        hands.choose("Just now", within="When was it decided?")
        hands.choose("Yes", within="The text of my review")
        hands.press("Save")
        hands.sees("The decision is recorded")
    note(request, "record what somebody known says", effort)
    assert clinic.states(email=ANNA)["testimonials.text"] == "granted"


@pytest.mark.parametrize(
    ("task", "everything"), [("withdraw one thing by phone", False), ("withdraw everything", True)]
)
def test_a_withdrawal_by_phone_is_recorded(
    hands: Hands, clinic: Program, request: pytest.FixtureRequest, task: str, *, everything: bool
) -> None:
    """It counts from then on."""
    with hands.task("/find") as effort:
        hands.type(FIND, PHONE, enter=True)
        hands.follow("Withdraw")
        hands.choose("By phone", within="How did you learn it?")
        hands.choose("Just now", within="When was it decided?")
        if everything:
            hands.press("Stop everything")
        else:
            hands.choose("News and discounts: By e-mail")
            hands.press("Stop what is ticked")
        hands.sees("The withdrawal is recorded")
    note(request, task, effort)
    states = clinic.states(email=ANNA)
    assert states["newsletter.email"] == "withdrawn"
    assert states["newsletter.sms"] == ("withdrawn" if everything else "granted")


def test_somebody_is_sent_their_link(hands: Hands, request: pytest.FixtureRequest) -> None:
    """To the contact that is proven theirs."""
    with hands.task("/find") as effort:
        hands.type(FIND, ANNA, enter=True)
        hands.follow("Send their link")
        hands.press("Send the link")
        expect(hands.page.get_by_role("status")).to_contain_text("The link is on its way to")
    note(request, "send somebody their link", effort)


def test_somebody_asks_who_looked(hands: Hands, request: pytest.FixtureRequest) -> None:
    """And is told by name."""
    with hands.task("/find") as effort:
        hands.type(FIND, ANNA, enter=True)
        hands.unfold("History and messages")
    note(request, "see somebody's history", effort)
    assert effort.clicks == 1


def test_three_forms_of_a_pile_are_entered(
    hands: Hands, clinic: Program, request: pytest.FixtureRequest
) -> None:
    """Each with its number; tests/browser/test_desk_batch.py does it by keyboard."""
    with hands.task("/batches") as effort:
        hands.type("Number of the first form", "2026-200")
        hands.press("Begin")
        for number in range(3):
            _enter_form(hands, f"pile{number}@example.org")
    note(request, "enter three forms of a pile", effort)
    assert clinic.states(email="pile2@example.org")["newsletter.email"] == "granted"


def _enter_form(hands: Hands, email: str) -> None:
    # The questions stand in the language of the forms.
    hands.choose("Yes", within="E\u2011pastā")
    hands.type("E-mail", email)
    hands.type("E-mail, a second time", email)
    hands.press("Save, next form")
