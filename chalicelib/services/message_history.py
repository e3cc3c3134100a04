"""Explains to an operator what became of the messages about one receipt, and why.

No contact is read. What the decision itself left out is told again by the function that decided
(`message_outcomes.why_nothing_is_left`); everything else stands in the records beside the receipt.
"""

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
from chalicelib.store.keys import reminder_key
from chalicelib.store.outbox import OutboxItem


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
    nothing = None
    if not records and not waiting:
        reachable = (
            person is None
            or person.erased
            or _was_reachable(person, receipt.document["recorded_at"])
        )
        nothing = why_nothing_is_left(receipt.document, follows=True, reachable=reachable)
    return MessageHistory(subject, version, records, waiting, nothing)


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
