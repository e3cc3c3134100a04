"""One receipt by each way in which something can be decided, held against what it has been all
along.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.consent import CONFIRM_WITHIN
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import ending, moment
from chalicelib.domain.links import LinkScope
from tests.web.client import Answer, Client
from tests.web.letterbox import a_token, letters
from tests.web.page_reader import decide, open_page, receipt_number
from tests.web.pages.test_guardians import ELZA, VILNIUS
from tests.web.pages.test_guardians import YES as FOR_A_CHILD
from tests.web.pages.test_kiosk import number_on
from tests.web.running import RunningPortal

KEPT = Path(__file__).with_name("receipt_of_each_way.json")
EMAIL, SMS, REVIEW = "newsletter.email", "newsletter.sms", "testimonials.text"
YES = {f"decision.{EMAIL}": "yes", f"decision.{REVIEW}": "no"}
BY_CHANCE = ("id", "clinic", "subject", "previous")
"""Members that are other ones in every run: ids, and hashes of what holds them."""

Receipts = dict[str, dict[str, Any]]


def contact(name: str) -> Contact:
    """Give somebody's e-mail address."""
    return Contact(ContactKind.EMAIL, f"{name}@example.org")


class Day:
    """A clinic on the day of the test, and what a patient and its staff do there."""

    def __init__(self, portal: RunningPortal, client: Client) -> None:
        self.portal = portal
        self.client = client
        self.program = portal.open_clinic()
        self.clinic = self.program.clinic

    def form(self, who: str, query: str = "", **fields: str) -> str:
        """Decide on the consent page; give the receipt's number."""
        answer = decide(
            self.client, self.clinic, {**YES, "email": contact(who).value, **fields}, query
        )
        return receipt_number(answer)

    def staff(self, name: str, **changed: Any) -> str:
        """Record a Yes at the desk; give the receipt's number."""
        subject = {"email": contact(name).value}
        body = {
            "subject": subject,
            "channel": "in-person",
            "decisions": {EMAIL: "yes", REVIEW: "no"},
        }
        body |= {"effective_at": "2026-11-10T12:00:00+02:00", **changed}
        return self.created("receipts", body)

    def created(self, command: str, body: dict[str, Any]) -> str:
        """Send a call that gives a receipt; give its number."""
        answer = self.program.call(command, body)
        assert answer.status == 201, answer.text
        return str(answer.json()["id"])

    def send(self, page: str, fields: dict[str, Any]) -> Answer:
        """Open a page and send its form."""
        state = open_page(self.client, page).fields["state"]
        return self.client.post(page, {"state": state, **fields})

    def link(self, name: str, scope: LinkScope, receipt: str, *addresses: str) -> str:
        """Give the token of somebody's link."""
        return a_token(self.portal, self.clinic, contact(name), scope, receipt, addresses)

    def own_page(self, name: str, fields: dict[str, Any]) -> Answer:
        """Send a form of somebody's own page."""
        token = self.link(name, LinkScope.MANAGE, self.staff(name))
        return self.send(f"/manage/{token}", fields)


def by_forms(day: Day) -> Iterator[tuple[str, str]]:
    """Decide by every form that anybody can open."""
    yield "web", day.form("web", "?src=poster")
    yield "qr", day.form("qr", "?via=qr&lang=ru")
    yield "two contacts", day.form("two", phone="26123456", **{f"decision.{SMS}": "yes"})
    kiosk = {**YES, "email": contact("kiosk").value}
    yield "kiosk", number_on(day.send(f"/{day.clinic}/kiosk?lang=lv", kiosk))
    stop = {"purpose": EMAIL, "email": contact("web").value}
    yield "withdrawal", receipt_number(day.send(f"/{day.clinic}/withdraw", stop))


def by_a_guardian(day: Day) -> Iterator[tuple[str, str]]:
    """Decide for a child, at a clinic that lets its guardian."""
    since = "2020-01-01"
    day.clinic = day.portal.open_clinic(
        VILNIUS, lambda document: document.update(effective=since), at=f"{since}T08:00:00.000Z"
    ).clinic
    answer = decide(day.client, day.clinic, {**FOR_A_CHILD, **ELZA})
    yield "guardian", receipt_number(answer)


def by_links(day: Day) -> Iterator[tuple[str, str]]:
    """Decide by every link that somebody's own contact gets."""
    claimed = day.form("claims", **{f"decision.{REVIEW}": "yes", "name": "Anna"})
    [(token, asked)] = letters(day.portal, day.clinic, claimed)
    yield "claim", claimed
    confirmed = day.client.post(f"/confirm/{token}", {"sure": "yes", "purpose": asked})
    yield "confirmation", receipt_number(confirmed)
    known = day.staff("invited")
    ask = day.link("invited", LinkScope.ASK, known)
    yield "invitation", receipt_number(decide(day.client, day.clinic, YES, f"?t={ask}"))
    stop = f"/{day.clinic}/withdraw"
    yield "withdrawal by link", receipt_number(day.send(f"{stop}?t={ask}", {"purpose": EMAIL}))
    first = day.staff("stops")
    stopped = receipt_number(day.send(f"{stop}?receipt={first}", {"purpose": EMAIL}))
    yield "withdrawal by receipt", stopped
    undo = day.link("stops", LinkScope.UNDO, stopped)
    yield "undo", receipt_number(day.client.post(f"/undo/{undo}", {"purpose": EMAIL}))
    mail = day.link("mail", LinkScope.UNSUBSCRIBE, day.staff("mail"), EMAIL)
    assert day.client.post(f"/unsubscribe/{mail}", {"List-Unsubscribe": "One-Click"}).status == 200
    yield "unsubscribed", newest(day, "mail")


def newest(day: Day, name: str) -> str:
    """Give the number of somebody's last receipt."""
    return str(day.program.history(email=contact(name).value)[-1]["id"])


def on_own_pages(day: Day) -> Iterator[tuple[str, str]]:
    """Change, stop and remove on one's own page."""
    assert day.own_page("changes", {"act": "change", f"decision.{REVIEW}": "yes"}).status == 303
    yield "own change", newest(day, "changes")
    assert day.own_page("ends", {"act": "stop", "all": "yes"}).status == 303
    yield "own stop", newest(day, "ends")
    phone = "+37126123457"
    number = day.staff("moves", subject={"email": contact("moves").value, "phone": phone})
    name = day.portal.in_process.clinics.key(day.clinic).lookup(Contact(ContactKind.PHONE, phone))[
        :12
    ]
    page = f"/manage/{day.link('moves', LinkScope.MANAGE, number)}"
    assert day.send(page, {"act": "contact", "contact": name, "remove": "yes"}).status == 303
    yield "own contact", newest(day, "moves")


def by_staff(day: Day) -> Iterator[tuple[str, str]]:
    """Record, withdraw and rectify at the desk."""
    yield "staff", day.staff("desk", evidence={"form": "F-1"}, channel="paper")
    stop = {"subject": {"email": contact("desk").value}, "all": True, "channel": "phone"}
    yield (
        "staff withdrawal",
        day.created("withdrawals", {**stop, "effective_at": "2026-11-11T12:00:00+02:00"}),
    )
    day.staff("moved")
    change = {
        "subject": {"email": contact("moved").value},
        "replace": {"email": contact("moved").value},
    }
    change |= {"with": {"email": contact("moved.again").value}}
    yield "staff contact", day.created("contacts", change)


def lasting(value: str | list[str]) -> str | int:
    """Give a member of the evidence; of an id and of salted hashes, how long they are."""
    return value if isinstance(value, str) and len(value) < 20 else len(value)


def steady(document: dict[str, Any]) -> dict[str, Any]:
    """Give a receipt without what is another one in every run; times as distances from the moment
    of recording.
    """
    recorded = moment(document["recorded_at"])

    def distance(at: str | None) -> str | None:
        """Give a time of this day as how long after the recording it comes; one that was named, as
        it is.
        """
        if at is None or not timedelta(hours=-1) < moment(at) - recorded < timedelta(days=9):
            return at
        if at == ending(CONFIRM_WITHIN, document["recorded_at"]):
            return "when the time to confirm is over"
        minutes = round((moment(at) - recorded).total_seconds() / 60)
        return f"recorded{minutes * 60:+d}"

    kept = {name: value for name, value in document.items() if name not in BY_CHANCE}
    for name in ("effective_at", "expires_at"):
        kept[name] = distance(kept[name])
    del kept["recorded_at"]
    kept["controllers"] = [each["id"] for each in kept["controllers"]]
    kept["notice"] = {**kept["notice"], "sha256": len(kept["notice"]["sha256"])}
    kept["actor"] = kept["actor"].partition(":")[0]
    if kept["evidence"]:
        kept["evidence"] = {name: lasting(value) for name, value in kept["evidence"].items()}
    for entry in kept["decisions"].values():
        entry |= {
            "confirm_by": distance(entry["confirm_by"]),
            "expires_at": distance(entry["expires_at"]),
        }
    return kept


@pytest.mark.parametrize(
    "ways",
    [by_forms, by_a_guardian, by_links, on_own_pages, by_staff],
    ids=lambda ways: ways.__name__,
)
def test_every_way_of_deciding_gives_the_receipt_it_always_gave(
    client: Client, portal: RunningPortal, ways: Any
) -> None:
    """Who checks a receipt in ten years reads the same members, whichever release of the portal
    made it.
    """
    day = Day(portal, client)
    kept: Receipts = json.loads(KEPT.read_text())
    given: Receipts = {}
    for way, number in ways(day):
        receipt = portal.in_process.receipts.find(day.clinic, number)
        given[way] = steady(json.loads(receipt.canonical))
    assert given == {way: kept[way] for way in given}
    assert given
