"""How tests of the store let the cast decide, and what they ask of a chain of receipts."""

import hashlib
import json
from collections.abc import Iterable, Sequence

from chalicelib.domain.consent import RecordedAnswer, State, resolve, strictest
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Decision
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.store import changes
from chalicelib.store.keys.key import Key
from chalicelib.store.lookup import Identification, fresh_subject
from chalicelib.store.statistics import counted_write
from chalicelib.store.table import ConflictError, Table
from tests.factories import EMAIL_NEWS, EVENING

BELLA = Contact(ContactKind.EMAIL, "bella.ozola@example.org")
STRANGER = Contact(ContactKind.EMAIL, "mallory@example.net")


def signed(*contacts: Contact, name: str | None = None) -> Identification:
    """Sign as whoever has these contacts, strongest first."""
    return Identification(contacts, name, fresh_subject())


def count_unsigned(table: Table, receipt: Receipt) -> bool:
    """Count a receipt as where nothing signs; tell False where it was counted before."""
    try:
        table.write([counted_write(receipt), *changes.receipt_writes(table, [receipt], EVENING)])
    except ConflictError:
        return False
    return True


def state(portal: Portal, clinic: str, contact: Contact, address: str, at: str = EVENING) -> State:
    """Tell how a decision stands for a contact, as the status API does: for all who share it."""
    lookup = portal.directory.look_up(clinic, [contact])
    standings = [person.summaries.get(address) for person in lookup.known()] or [None]
    return strictest(
        [resolve(standing, lookup.published.in_force, at) for standing in standings]
    ).state


def only_person(portal: Portal, clinic: str, *contacts: Contact) -> Subject:
    """Give the one person known under every one of these contacts."""
    [person] = portal.directory.look_up(clinic, contacts).known()
    return person


def last_word(person: Subject, address: str = EMAIL_NEWS) -> RecordedAnswer:
    """Give the last word that counts of a person on a decision."""
    last = person.summaries[address].last
    assert last is not None
    return last


def assert_unbroken(receipts: Sequence[Receipt]) -> None:
    """Check the chain of one person: numbered from 1 without a gap, each naming the hash of the one
    before.
    """
    previous = None
    for number, receipt in enumerate(receipts, start=1):
        assert receipt.document["version"] == number
        assert receipt.document["previous"] == previous
        assert json.loads(receipt.canonical) == receipt.document
        previous = hashlib.sha256(receipt.canonical).hexdigest()


def chain(portal: Portal, decision: Decision, people: Iterable[Subject]) -> list[Receipt]:
    """Give one person's receipts, checked."""
    [person] = people
    receipts = portal.receipts.history(decision.clinic, [person])
    assert_unbroken(receipts)
    assert (person.version, person.head) == (len(receipts), receipts[-1].sha256)
    return receipts


def meddle(portal: Portal, key: Key, body: str | None) -> None:
    """Write an item, or with None remove it, as somebody with rights over the table does: past the
    portal.
    """
    name, client = portal.settings.table, portal.table.client
    place = {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
    if body is None:
        client.delete_item(TableName=name, Key=place)
    else:
        client.put_item(TableName=name, Item={**place, "body": {"S": body}})
