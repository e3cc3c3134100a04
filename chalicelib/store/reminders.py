"""What people are told unasked: left in the outbox, once per person, kind and what it is about."""

import hashlib
import json
from collections.abc import Sequence

from chalicelib.domain.due_times import reminders_at
from chalicelib.domain.instants import Instant
from chalicelib.domain.reminders import Reminder
from chalicelib.domain.subjects import Subject
from chalicelib.store.clinics import Published
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.items import Item
from chalicelib.store.keys.people import reminder_key
from chalicelib.store.outbox import OutboxEntry, new_item
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import Put


def due_reminders(person: Subject, published: Published, at: Instant) -> tuple[Reminder, ...]:
    """Give what one of a clinic's people is to be told by now."""
    return reminders_at(person, published.clinic, published.published, at)


def unsent_reminders(
    table: Table, clinic: str, due: Sequence[tuple[Subject, Sequence[Reminder]]]
) -> list[tuple[Subject, list[Reminder]]]:
    """Leave out what people were reminded of before: one read for a hundred reminders."""
    keys = {
        reminder_key(clinic, person.id, each.kind, each.reference)
        for person, all_due in due
        for each in all_due
    }
    before = table.get(list(keys)) if keys else {}
    return [
        (
            person,
            [
                each
                for each in all_due
                if reminder_key(clinic, person.id, each.kind, each.reference) not in before
            ],
        )
        for person, all_due in due
    ]


def enqueue_reminder(
    table: Table, key: ClinicKey, person: Subject, reminder: Reminder, base: str
) -> bool:
    """Leave a reminder in the outbox, with a record that it was left; tell False where that was
    done before.

    No contact is named: it goes to those the person is known by when it is sent. That too is
    sealed, so that an erased person's item is as unreadable as any other of theirs.
    """
    clinic = key.clinic
    item_number = key.outbox_number(person.id, reminder.kind, reminder.reference)
    entry = OutboxEntry(
        kind=reminder.kind,
        clinic=clinic,
        subject=person.id,
        lang=reminder.answer.lang,
        base=base,
        receipt=reminder.answer.receipt_id,
        version=reminder.answer.version,
        addresses=reminder.question_ids,
        at=reminder.at,
        until=reminder.until,
    )
    record = Put(
        reminder_key(clinic, person.id, reminder.kind, reminder.reference),
        {"body": json.dumps({"number": item_number})},
    )
    try:
        table.write([record, new_item(key, person.salt, item_number, entry, ())])
    except ConflictError:
        return False
    return True


def current_reminder(
    key: ClinicKey, number: str, person: Subject, published: Published, at: Instant
) -> Reminder | None:
    """Give the reminder of an item of the outbox as it stands now; None where it is due no more.

    Whoever it is for may have answered since it was left, or had processing restricted.
    """
    for each in due_reminders(person, published, at):
        about = (person.id, each.kind, each.reference)
        if number in {key.outbox_number(*about), _plain_number(*about)}:
            return each
    return None


def number(record: Item) -> str:
    """Give the number in the outbox of what a person's record says was written to them."""
    return str(json.loads(record.body or "")["number"])


def _plain_number(subject: str, kind: str, reference: str) -> str:
    """Give the number by which items were left before numbers needed the clinic's key.

    Some may still wait.
    """
    return hashlib.sha256(f"{subject}|{kind}|{reference}".encode()).hexdigest()[:32]
