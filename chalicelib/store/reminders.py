"""What people are told unasked: left in the outbox, once per person, kind and what it is about."""

import hashlib
import json
from collections.abc import Sequence

from chalicelib.domain.guardians import is_of_consent_age
from chalicelib.domain.instants import Instant
from chalicelib.domain.reminders import Reminder, reminders_for
from chalicelib.domain.subjects import Subject
from chalicelib.store.clinics import Published
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import reminder_key
from chalicelib.store.outbox import OutboxEntry, new_item
from chalicelib.store.table import ConflictError, Item, Table
from chalicelib.store.writes import Put


def due_reminders(person: Subject, published: Published, at: Instant) -> tuple[Reminder, ...]:
    """Give what one of a clinic's people is to be told by now."""
    grown = is_of_consent_age(published.clinic, person.of_age, at)
    return reminders_for(person, published.published, at, grown=grown)


def unsent_reminders(
    table: Table, clinic: str, due: Sequence[tuple[Subject, Sequence[Reminder]]]
) -> list[tuple[Subject, list[Reminder]]]:
    """Leave out what people have been told before: one read for a hundred letters."""
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
    table: Table, key: ClinicKey, person: Subject, letter: Reminder, base: str
) -> bool:
    """Leave word of one thing to tell, and that it has been; tell False where that was done before.

    No contact is named: it goes to those the person is known by when it is sent. That too is
    sealed, so that an erased person's item is as unreadable as any other of theirs.
    """
    clinic = key.clinic
    chosen = key.outbox_number(person.id, letter.kind, letter.reference)
    word = OutboxEntry(
        kind=letter.kind,
        clinic=clinic,
        subject=person.id,
        lang=letter.answer.lang,
        base=base,
        receipt=letter.answer.receipt_id,
        version=letter.answer.version,
        addresses=letter.question_ids,
        at=letter.at,
        until=letter.until,
    )
    once = Put(
        reminder_key(clinic, person.id, letter.kind, letter.reference),
        {"body": json.dumps({"number": chosen})},
    )
    try:
        table.write([once, new_item(key, person.salt, chosen, word, ())])
    except ConflictError:
        return False
    return True


def current_reminder(
    key: ClinicKey, number: str, person: Subject, published: Published, at: Instant
) -> Reminder | None:
    """Give the reminder of an item of the outbox as it stands now; None where it is due no more.

    Between the round that left it and the post whoever it is for may have answered, or had
    processing restricted.
    """
    for each in due_reminders(person, published, at):
        told = (person.id, each.kind, each.reference)
        if number in {key.outbox_number(*told), _plain_number(*told)}:
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
