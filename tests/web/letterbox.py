"""What a patient finds in the letterbox: links made as the post makes them, followed as a patient
follows them.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

from chalicelib.domain import reminders
from chalicelib.domain.confirmation import confirmed_by
from chalicelib.domain.contacts import Contact
from chalicelib.domain.instants import Instant, instant
from chalicelib.domain.links import (
    SHORT_WORDS,
    Link,
    LinkRecipient,
    LinkScope,
    LinkSecret,
    short_code,
)
from chalicelib.messages.delivery import Delivery
from chalicelib.messages.transports import Email, TextMessage
from chalicelib.portal import Portal
from chalicelib.store import confirmation_codes, links, people
from chalicelib.store import reminders as told
from chalicelib.store.keys.limits import shared_bucket_key
from chalicelib.store.writes import Delete
from tests.cast import ANNA, ANNA_PHONE
from tests.web.client import Answer, Client, Fields
from tests.web.page_reader import decide, receipt_number

Addresses = tuple[str, ...]
BASE = "https://portal.example.org/api"


class Home(Protocol):
    """Where a portal runs, with one beside it that sees its table: a `RunningPortal`, a
    `LocalStack`.
    """

    @property
    def in_process(self) -> Portal:
        """The portal in a process beside the application's."""


def a_token(  # noqa: PLR0917 - a link has these parts
    portal: Home,
    clinic: str,
    contact: Contact,
    power: LinkScope,
    receipt: str | None = None,
    addresses: Addresses = (),
    *,
    lang: str = "lv",
) -> str:
    """Give the token of a link of this moment, good for an hour."""
    now = datetime.now(UTC)
    subject = (
        portal.in_process.receipts.find(clinic, receipt).document["subject"] if receipt else None
    )
    ends = instant(now + timedelta(hours=1))
    link = Link(clinic, subject, lang, addresses, receipt, instant(now), ends, "portal")
    key, handle = portal.in_process.clinics.key(clinic), LinkSecret.fresh()
    portal.in_process.table.write(links.link_writes(key, [(handle, link, LinkRecipient(contact))]))
    return handle.token(key.link_secret(), power)


def letters(portal: Home, clinic: str, number: str) -> Iterator[tuple[str, Addresses]]:
    """Give what the post brings about a receipt: for each contact that confirms some of it, a token
    and what it asks.

    None comes where nothing waits, or where somebody confirmed already.
    """
    beside = portal.in_process
    document = beside.receipts.find(clinic, number).document
    person = people.person(beside.table, clinic, document["subject"])
    typed = confirmation_codes.asked_contacts(beside.table, beside.clinics, clinic, number, person)
    version, lang = document["notice"]["version"], document["notice"]["lang"]
    for contact in typed:
        if asked := confirmed_by(document, beside.clinics.version(clinic, version), typed, contact):
            yield (
                a_token(portal, clinic, contact, LinkScope.CONFIRM, number, asked, lang=lang),
                asked,
            )


def confirmed(client: Client, portal: Home, clinic: str, fields: Fields, query: str = "") -> Answer:
    """Decide on the consent page, and confirm; errors and answer as for `confirm`."""
    return confirm(client, portal, clinic, decide(client, clinic, fields, query))


def confirm(client: Client, portal: Home, clinic: str, answer: Answer) -> Answer:
    """Confirm what waits of a decision, from the letterbox of each contact that was typed; give the
    last answer.

    `answer` is the one to the consent form. The last answer leads to the receipt of the last
    confirmation, or is `answer` itself where nothing has to be confirmed.
    """
    for token, asked in letters(portal, clinic, receipt_number(answer)):
        answer = client.post(f"/confirm/{token}", {"sure": "yes", "purpose": asked})
        assert answer.status == 303, answer.text
    return answer


class Bag:
    """A post that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Email | TextMessage] = []

    def send(self, message: Email | TextMessage) -> str:
        """Take a message."""
        self.sent.append(message)
        return str(len(self.sent))


def unasked(portal: Home, clinic: str, contact: Contact, at: Instant) -> list[Email]:
    """Give the mails somebody gets unasked by a time, as the hourly round leaves them and the post
    brings them.
    """
    brought = brought_unasked(portal, clinic, contact, at)
    mails = [each for each in brought if isinstance(each, Email) and each.to == contact.value]
    return [
        mail for mail in mails if mail.tags["clinic"] == clinic
    ]  # another test's clinic may write to them too


def brought_unasked(
    portal: Home, clinic: str, contact: Contact, at: Instant
) -> list[Email | TextMessage]:
    """Give everything that is brought unasked by a time to whoever is known under a contact."""
    beside, bag = portal.in_process, Bag()
    _make_room(portal, [contact])
    lookup = beside.directory.look_up(clinic, [contact])
    for person in lookup.known():
        for letter in reminders.reminders_for(person, lookup.published.published, at):
            told.enqueue_reminder(beside.table, beside.clinics.key(clinic), person, letter, BASE)
    delivery = Delivery(beside.table, beside.clinics, bag, BASE, now=lambda: at)  # type: ignore[arg-type]
    delivery.carry_waiting(lambda: False)
    delivery.carry_letters(lambda: False, 1000)
    return bag.sent


def carried(portal: Home, *to: Contact) -> list[str]:
    """Carry the outbox out, and give the text of what came to these contacts, newest last."""
    bag = Bag()
    _make_room(portal, to)
    delivery = Delivery(portal.in_process.table, portal.in_process.clinics, bag, BASE)  # type: ignore[arg-type]
    for _ in range(2):  # a wish for a link is shared out first
        delivery.carry_waiting(lambda: False)
    return [each.text for each in bag.sent if each.to in {contact.value for contact in to}]


def texted_code(portal: Home, clinic: str, receipt: str, phone: Contact = ANNA_PHONE) -> str:
    """Let the text messages go out, and give the code that comes with a receipt's."""
    carried(portal, phone)
    return short_code(portal.in_process.clinics.key(clinic).link_secret(), receipt, phone)


def _make_room(portal: Home, contacts: Iterable[Contact]) -> None:
    """Empty the buckets that count a contact's messages from all clinics: other tests' clinics
    wrote to it too.
    """
    key = portal.in_process.clinics.portal_key()
    if key is not None:
        whom = {ANNA, ANNA_PHONE, *contacts}
        names = [key.shared_bucket(contact, what) for contact in whom for what in ("", "stop")]
        portal.in_process.table.write([Delete(shared_bucket_key(name)) for name in names])


def token_in(text: str, page: str) -> str:
    """Give the token of the link to a page that a message holds, long or short."""
    found = re.search(rf"/(?:{page}|{SHORT_WORDS[LinkScope(page)]})/([A-Za-z0-9_-]{{32}})", text)
    assert found, text
    return found[1]
