"""Explains to an operator what became of the messages about one receipt, and why.

No contact is read. What the decision itself left out is told again by the function that decided
(`message_outcomes.why_nothing_is_left`); everything else stands in the records beside the receipt.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.contacts import REACHABLE_KINDS, ContactKind
from chalicelib.domain.instants import Instant
from chalicelib.domain.message_outcomes import Outcome, Reason, why_nothing_is_left
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.store import deliveries, outbox, people, reminders
from chalicelib.store.items import Item
from chalicelib.store.keys.messages import dead_letter_key, letter_key, outbox_key
from chalicelib.store.keys.people import reminder_key
from chalicelib.store.outbox import OutboxItem

MOST = 1000
"""How many records of messages, and of reminders, are read to tell those of some receipts."""


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """What became of one message.

    Where an item of the outbox led to none, `channel` is "" and `message` its kind, "" for that of
    a decision.
    """

    message: str
    channel: str
    """"email" or "phone"."""

    outcome: str
    reason: str = ""
    """A `Reason`; of a refused message the service's own word for it."""

    at: Instant = ""
    service_id: str = ""
    """The number that the mail service gave the message."""


@dataclass(frozen=True, slots=True)
class WaitingItem:
    """Something of the outbox that is still to be carried out, or was given up."""

    kind: str
    due: Instant
    tries: int
    given_up: bool


@dataclass(frozen=True, slots=True)
class MessageHistory:
    """Everything about the messages of one receipt.

    `nothing` says why there is neither a record nor an item.
    """

    subject: str
    version: int
    records: Sequence[MessageRecord]
    waiting: Sequence[WaitingItem]
    nothing: Reason | None = None


@dataclass(frozen=True, slots=True)
class PersonMessages:
    """The messages about some receipts of a person, by receipt id, and those about none.

    `whole` is False where the person has so many records that not all were read.
    """

    by_receipt: Mapping[str, MessageHistory]
    others: Sequence[MessageRecord]
    whole: bool


def explain(portal: Portal, clinic: str, number: str) -> MessageHistory:
    """Explain the messages about a receipt; raise UnknownReceiptError."""
    receipt = portal.receipts.find(clinic, number)
    subject, version = receipt.document["subject"], receipt.document["version"]
    person = _person(portal, clinic, subject)
    numbers = {number, *_reminder_numbers(portal, clinic, receipt)}
    records = list(_records(portal, clinic, receipt, numbers))
    if person is not None:
        records += _without_address(portal, clinic, person, number)
    waiting = list(_waiting(portal, clinic, receipt, numbers))
    nothing = _why_nothing(person, receipt) if not records and not waiting else None
    return MessageHistory(subject, version, records, waiting, nothing)


def explain_several(
    portal: Portal, clinic: str, person: Subject, receipts: Sequence[Receipt]
) -> PersonMessages:
    """Explain the messages about several receipts of one person, such as a page of them.

    Three round trips for anybody but who has hundreds of messages, however many receipts are asked
    about; `MOST` records are read at most.
    """
    told, left = _first_items(portal, clinic, person)
    records, more = _first_records(portal, clinic, person)
    numbers: dict[str, str] = {receipt.id: receipt.id for receipt in receipts}
    for item in told:
        about = item.sk.rpartition("#")[2]
        if about in numbers:
            numbers[reminders.number(item)] = about
    by_version = {receipt.document["version"]: receipt.id for receipt in receipts}
    found: dict[str, list[MessageRecord]] = {receipt.id: [] for receipt in receipts}
    others = []
    for number, name, record in records:
        about = numbers.get(number) or by_version.get(record.get("version", 0), "")
        if about:
            found[about].append(_read_record(name, record))
        elif name.partition("#")[0] in ABOUT_NO_RECEIPT:
            others.append(_read_record(name, record))
    waiting = _waiting_of(portal, clinic, numbers)
    histories = {}
    for receipt in receipts:
        own, items = found[receipt.id], waiting.get(receipt.id, [])
        nothing = _why_nothing(person, receipt) if not own and not items else None
        version = receipt.document["version"]
        histories[receipt.id] = MessageHistory(person.id, version, own, items, nothing)
    others.sort(key=lambda record: record.at, reverse=True)
    return PersonMessages(histories, others, whole=not (left or more))


ABOUT_NO_RECEIPT = frozenset({"link", "erase", "new_contact", "taken_down"})
"""Messages that no receipt led to (`messages.rules.Message`)."""


def _first_items(portal: Portal, clinic: str, person: Subject) -> tuple[list[Item], bool]:
    """Give the first records of what a person was told unasked, and whether there are more."""
    start = reminder_key(clinic, person.id, "", "")
    items = portal.table.between(start.pk, "TOLD#", "TOLD#~", page=MOST)
    found = list(itertools.islice(items, MOST + 1))
    return found[:MOST], len(found) > MOST


def _first_records(
    portal: Portal, clinic: str, person: Subject
) -> tuple[list[tuple[str, str, dict[str, Any]]], bool]:
    records = deliveries.records_of(portal.table, clinic, person.id, MOST + 1)
    found = list(itertools.islice(records, MOST + 1))
    return found[:MOST], len(found) > MOST


def _waiting_of(
    portal: Portal, clinic: str, numbers: Mapping[str, str]
) -> dict[str, list[WaitingItem]]:
    """Give what is still to be told under these numbers, by the receipt it is about."""
    places = (outbox_key, letter_key, dead_letter_key)
    keys = [place(clinic, number) for place in places for number in numbers]
    found: dict[str, list[WaitingItem]] = {}
    for item in outbox.still_there(portal.table, keys):
        entry = item.entry
        if entry.kind in outbox.SILENT:
            continue
        given_up = item.key == dead_letter_key(clinic, item.number)
        due = "" if given_up else entry.due
        told = WaitingItem(entry.kind, due, entry.tries, given_up=given_up)
        found.setdefault(numbers[item.number], []).append(told)
    return found


def _why_nothing(person: Subject | None, receipt: Receipt) -> Reason | None:
    """Tell why a receipt that led to no message and no item did not."""
    reachable = (
        person is None or person.erased or _was_reachable(person, receipt.document["recorded_at"])
    )
    return why_nothing_is_left(receipt.document, follows=True, reachable=reachable)


def _person(portal: Portal, clinic: str, subject: str) -> Subject | None:
    try:
        return people.person(portal.table, clinic, subject)
    except LookupError:
        return None


def _was_reachable(person: Subject, at: Instant) -> bool:
    """Tell whether an e-mail or a phone of a person was known at a time.

    Of old contacts no kind was kept.
    """
    for lookup, since in person.contacts.items():
        if since <= at and person.kinds.get(lookup, ContactKind.EMAIL) in REACHABLE_KINDS:
            return True
    return False


def _reminder_numbers(portal: Portal, clinic: str, receipt: Receipt) -> Iterator[str]:
    """Give the numbers of other items about a receipt: a reminder, word of a removed contact."""
    start = reminder_key(clinic, receipt.document["subject"], "", "")
    for item in portal.table.partition(start.pk, "TOLD#"):
        if item.sk.rpartition("#")[2] == receipt.id:
            yield reminders.number(item)


def _records(
    portal: Portal, clinic: str, receipt: Receipt, numbers: set[str]
) -> Iterator[MessageRecord]:
    subject, version = receipt.document["subject"], receipt.document["version"]
    for number, name, record in deliveries.records_of(portal.table, clinic, subject):
        if number in numbers or record.get("version") == version:
            yield _read_record(name, record)


def _read_record(name: str, record: Mapping[str, Any]) -> MessageRecord:
    message, _, rest = name.partition("#")
    channel = rest.partition("#")[0]
    return MessageRecord(
        message=record.get("kind", "") if message == deliveries.NOTHING else message,
        channel=channel,
        outcome=record["state"],
        reason=record.get("reason", ""),
        at=record.get("at", ""),
        service_id=record.get("id", ""),
    )


def _without_address(
    portal: Portal, clinic: str, person: Subject, number: str
) -> list[MessageRecord]:
    """Give the reminders about a receipt that are due, and whose links would lead nowhere."""
    if portal.settings.public_url or person.base:
        return []
    published = portal.directory.look_up(clinic).published
    due = reminders.due_reminders(person, published, portal.clock())
    own = [reminder for reminder in due if reminder.answer.receipt_id == number]
    [(_, unsent)] = reminders.unsent_reminders(portal.table, clinic, [(person, own)])
    return [
        MessageRecord(reminder.kind, "", Outcome.NO_MESSAGE, Reason.NO_ADDRESS)
        for reminder in unsent
    ]


def _waiting(
    portal: Portal, clinic: str, receipt: Receipt, numbers: set[str]
) -> Iterator[WaitingItem]:
    for item in outbox.items_of(portal.table, clinic):
        if _is_about(item, receipt, numbers):
            yield WaitingItem(item.entry.kind, item.entry.due, item.entry.tries, given_up=False)
    for item in outbox.dead_letters(portal.table, clinic):
        if _is_about(item, receipt, numbers):
            yield WaitingItem(item.entry.kind, "", item.entry.tries, given_up=True)


def _is_about(item: OutboxItem, receipt: Receipt, numbers: set[str]) -> bool:
    return item.number in numbers or item.entry.receipt == receipt.id
