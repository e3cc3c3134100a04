"""Nobody learns whether a contact is known: not from the answer, not from the store's work, not
from the time it takes.

Time is the processor's, compared by rank within one run, known and unknown in turn: what else the
machine does is no part of it. How long the store is waited for follows from the calls, which are
the same, one by one.
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.portal import get_portal
from tests.cast import RIGA, TBILISI
from tests.web.client import Answer, Client
from tests.web.letterbox import carried
from tests.web.page_reader import decide, open_page, receipt_number
from tests.web.running import RunningPortal

LEAKS = 6.5
"""Standard deviations by which the planted leak must stand out before anything is judged."""
CHANCE = 4.5
"""Standard deviations that equal things stay within: by chance they do not once in a hundred
thousand tries.
"""
DROWNED = 0.25
"""The part of what one read keeps the processor busy for that no network lets anybody feel."""
FEWEST, MOST = 60, 300
"""Rounds: as few as will do where the machine is quiet, as many as it takes where it is not."""


@dataclass(frozen=True)
class Door:
    """A public form at which somebody could try contacts: its page, what it is sent with, and what
    that costs.

    `status` is the answer's, `reads` how many items each read holds.
    """

    page: str
    fields: dict[str, str]
    status: int = 303
    reads: tuple[int, ...] = (9,)


TEXT = "testimonials.text"
_DAY = r"\b20\d\d\. gada \d+\. \w+|\b\d+ \w+,? 20\d\d"
"""A day as Latvian, Georgian and English write it: midnight may pass between two that are
compared.
"""
_SHORT_NUMBER = r"[A-Z0-9]{4}(-[A-Z0-9]{4})+"
_OF_EACH = re.compile(rf"[A-Za-z0-9_-]{{32}}|\b{_SHORT_NUMBER}\b|\b\d{{6}}\b|\b\d\d:\d\d\b|{_DAY}")
"""What is new in each message: receipt's number, also the short one, link, code, the time of day,
the day.
"""

DOORS = {
    "a No": Door("", {"decision.newsletter.email": "no"}),
    "a Yes": Door("", {"decision.newsletter.email": "yes"}),
    "a Yes that waits only where the contact is known": Door(
        "", {"decision.testimonials.text": "yes"}
    ),
    "a withdrawal": Door("/withdraw", {"all": "yes"}),
    "a Yes at the kiosk": Door("/kiosk", {"decision.newsletter.email": "yes"}, status=200),
    "a withdrawal at the kiosk": Door("/kiosk/withdraw", {"all": "yes"}, status=200),
    "a wish for a link": Door("/link", {}, reads=(1, 2)),
}
"""Every form that takes a contact from anybody; a new one is entered here and nowhere else.

The form for a code takes none, but tells of one that was typed before: it has a test of its own.
"""
UNKNOWN = "karlis@example.org"
"""Masked it looks as the known one does: what an answer shows of it was typed just now."""
KNOWN_PHONE, NEW_PHONE = "26 123 456", "26 123 457"


@dataclass(frozen=True)
class Knocking:
    """Somebody who tries contacts, one after the other, with one page open."""

    clinic: str
    door: Door
    consent_state: str
    state: str

    def known(self, name: str) -> str:
        """Let somebody decide here, and give their contact."""
        sent = {
            "state": self.consent_state,
            "decision.newsletter.email": "yes",
            "email": f"{name}@example.org",
        }
        assert Client().post(f"/{self.clinic}", sent).status == 303
        return sent["email"]

    def try_one(self, email: str) -> Answer:
        """Send the form with a contact."""
        sent = {**self.door.fields, "state": self.state, "email": email}
        return Client().post(f"/{self.clinic}{self.door.page}?lang=en", sent)


@pytest.fixture(params=DOORS)
def knocking(request: pytest.FixtureRequest, portal: RunningPortal, client: Client) -> Knocking:
    """Give somebody who knocks at one door of a clinic."""
    clinic, door = portal.open_clinic().clinic, DOORS[request.param]
    states = [
        open_page(client, f"/{clinic}{page}?lang=en").fields["state"] for page in ("", door.page)
    ]
    return Knocking(clinic, door, *states)


@pytest.fixture
def work(portal: RunningPortal) -> Iterator[list[tuple[str, int]]]:
    """List what leaves for DynamoDB: the kind of each call, and how many reads or writes it
    holds.
    """
    assert portal
    sent: list[tuple[str, int]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        held = params["body"].count(b'"pk"' if model.name == "BatchGetItem" else b'"TableName"')
        sent.append((model.name, held))

    events = get_portal().table.client.meta.events
    events.register("before-call.dynamodb", note)
    yield sent
    events.unregister("before-call.dynamodb", note)


def told(answer: Answer) -> tuple[int, str, dict[str, str]]:
    """Give an answer without what is new in each: a form's state, a receipt's number, codes and
    time.
    """

    def plain(text: str) -> str:
        new = rf"[0-9a-f]{{16,}}|{_SHORT_NUMBER}|\d\d:\d\d(:\d\d\.\d+Z)?|\d{{4}}-\d\d-\d\dT|{_DAY}"
        text = re.sub(r'(name="(?:state|saved)" value="|<path d="|saved=)[^"&]+', r"\1#", text)
        return re.sub(new, "#", text)

    return (
        answer.status,
        plain(answer.text),
        {name: plain(value) for name, value in answer.headers.items()},
    )


def apart(first: Sequence[float], second: Sequence[float]) -> float:
    """Tell by how many standard deviations the first are slower than the second: Mann and Whitney's
    U, normalized.
    """
    size = len(first)
    wins = sum((one > other) + (one == other) / 2 for one in first for other in second)
    return float((wins - size * size / 2) / sqrt(size * size * (2 * size + 1) / 12))


def seconds(deed: Callable[[], object]) -> float:
    """Tell how long something keeps the processor busy."""
    begun = time.thread_time()
    deed()
    return time.thread_time() - begun


@pytest.fixture
def by_http(portal: RunningPortal, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a portal made anew reach its table by HTTP: a read costs it what it costs in AWS.

    A clinic takes as many forms as it can: a quick machine sends more than the usual 64 a second.
    """
    monkeypatch.setenv("CLINIC_POSTS_PER_SECOND", "999")
    with portal.tables.by_http():
        get_portal.cache_clear()
        yield
    get_portal.cache_clear()


def test_known_and_unknown_contacts_get_the_same_answer_by_the_same_work(
    knocking: Knocking, work: list[tuple[str, int]]
) -> None:
    """Status, words and headers alike; reads of as many items, and one transaction.

    For somebody new it holds one item more, the sealed contact: whether that can be felt is
    measured below.
    """
    answers, calls = [], []
    for email in (knocking.known("known"), UNKNOWN):
        # Each post comes to a process that holds no token of the clinic: it reads all buckets.
        get_portal().limits._blocks.clear()  # noqa: SLF001 - a process of its own would take seconds
        work.clear()
        answers.append(told(knocking.try_one(email)))
        calls.append(list(work))
    assert answers[0] == answers[1]
    assert answers[0][0] == knocking.door.status
    (*reads, wrote), (*reads_too, wrote_too) = calls
    assert reads == reads_too == [("BatchGetItem", number) for number in knocking.door.reads]
    assert wrote[0] == wrote_too[0] == "TransactWriteItems"
    assert abs(wrote[1] - wrote_too[1]) <= 1


@pytest.mark.parametrize(
    "answers", [{TEXT: "no"}, {TEXT: "yes"}, {"newsletter.email": "yes", "newsletter.sms": "no"}]
)
@pytest.mark.parametrize("like", [RIGA, TBILISI])
@pytest.mark.parametrize("tried", ["phone", "email"])
def test_what_comes_to_ones_own_contact_says_nothing_of_the_other(
    portal: RunningPortal, client: Client, tried: str, like: str, answers: dict[str, str]
) -> None:
    """Somebody types a contact of theirs beside one that they try: the same messages, whether or
    not it is known.
    """
    program = portal.open_clinic(like)
    own = "email" if tried == "phone" else "phone"
    mobile = "+9955551234" if like == TBILISI else "+371261234"
    contacts = {
        "email": ("eve1@example.org", "eve2@example.org"),
        "phone": (f"{mobile}61", f"{mobile}62"),
    }
    targets = {
        "email": ("anna@example.org", "never@example.org"),
        "phone": (f"{mobile}51", f"{mobile}52"),
    }
    known = {tried: targets[tried][0]}
    body = {"subject": known, "decisions": {TEXT: "yes"}, "channel": "in-person"}
    assert program.call("receipts", {**body, "effective_at": "2026-11-20T10:00:00Z"}).status == 201
    carried(portal)
    came = []
    for eve, target in zip(contacts[own], targets[tried], strict=True):
        fields = {f"decision.{address}": answer for address, answer in answers.items()}
        assert decide(client, program.clinic, {**fields, own: eve, tried: target}).status == 303
        came.append(
            [_OF_EACH.sub("#", text) for text in carried(portal, Contact(ContactKind(own), eve))]
        )
    assert came[0] == came[1]
    assert came[0] or (like, tried) != (RIGA, "phone"), "something comes, or nothing is compared"


def test_the_receipts_page_is_the_same_too(knocking: Knocking, client: Client) -> None:
    """Where the form leads says no more than the form."""
    answers = [knocking.try_one(email) for email in (knocking.known("known"), UNKNOWN)]
    known, unknown = (
        told(client.follow(each) if "location" in each.headers else each) for each in answers
    )
    assert known == unknown


@pytest.mark.parametrize("address", ["newsletter.sms", "testimonials.text"])
def test_a_guessed_code_tells_nothing_of_the_phone(
    portal: RunningPortal, client: Client, work: list[tuple[str, int]], address: str
) -> None:
    """Whether something waits for the code depends on who is known, for a review's Yes; words and
    calls do not.
    """
    clinic = portal.open_clinic().clinic
    decide(client, clinic, {"decision.newsletter.sms": "yes", "phone": KNOWN_PHONE})
    answers = []
    for phone in (KNOWN_PHONE, NEW_PHONE):
        number = receipt_number(
            decide(client, clinic, {f"decision.{address}": "yes", "phone": phone})
        )
        place = f"/{clinic}/receipts/{number}/code?lang=en"
        asked = told(client.get(place))
        work.clear()
        refused = told(client.post(place, {"code": "000000"}))
        answers.append([asked, refused, [name for name, _ in work]])
    assert answers[0] == answers[1]
    assert [answer[0] for answer in answers[0][:2]] == [200, 422]


@pytest.mark.usefixtures("by_http")
@pytest.mark.parametrize(
    "knocking", [name for name, door in DOORS.items() if door.status == 303], indirect=True
)
def test_the_time_an_answer_takes_tells_nothing_and_one_more_read_would(knocking: Knocking) -> None:
    """A known contact, an unknown one, and a known one with a leak planted take turns until the
    leak is seen.

    Then the same measure, on as many tries, sees no difference without it, or one that is a small
    part of the leak: a Yes that waits is written with one item more. At the kiosk the same is done,
    but drawing the receipt's code takes longer than a read and varies more: there the work that is
    done has to tell enough.
    """
    chance = random.Random(knocking.clinic)  # noqa: S311 - an order, no secret
    directory = get_portal().directory
    honest, unknown, leaking = times = [], [], []
    for number in range(MOST):
        known, leaky = knocking.known(f"known{number:03d}"), knocking.known(f"leaky{number:03d}")
        turns: list[tuple[list[float], Callable[[], object]]] = [
            (honest, lambda known=known: knocking.try_one(known)),  # type: ignore[misc]
            (unknown, lambda number=number: knocking.try_one(f"never{number:03d}@example.org")),  # type: ignore[misc]
            (
                leaking,
                lambda leaky=leaky: (directory.look_up(knocking.clinic), knocking.try_one(leaky)),
            ),  # type: ignore[misc]
        ]
        chance.shuffle(turns)
        for taken, deed in turns:
            taken.append(seconds(deed))
        if number >= FEWEST and apart(leaking, unknown) > LEAKS:
            break
    if apart(leaking, unknown) <= LEAKS:
        pytest.skip("this machine is too busy to see even the leak that was planted")
    known_takes, unknown_takes, leak_takes = map(median, times)
    drowned = abs(known_takes - unknown_takes) < (leak_takes - unknown_takes) * DROWNED
    assert drowned or abs(apart(honest, unknown)) < CHANCE, (known_takes, unknown_takes, leak_takes)


def test_the_measure_knows_noise_from_a_difference() -> None:
    """Equal things stay within what chance may do; a shift of half the noise does not."""
    chance = random.Random(20261122)  # noqa: S311 - a fixed example

    def draw(shift: float) -> list[float]:
        return [chance.lognormvariate(0, 0.4) + shift for _ in range(150)]

    assert all(abs(apart(draw(0), draw(0))) < CHANCE for _ in range(300))
    assert all(apart(draw(0.5), draw(0)) > LEAKS for _ in range(100))
