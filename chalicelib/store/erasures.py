"""Erasure in the store: the person at once, what remains of them soon after, the proof on its day.

With the person's entries goes the salt of the key that sealed each contact, name and message of
theirs: whatever still holds those bytes, a backup of the clinic's key included, cannot read them
(crypto-shredding). What then is only litter is cleared by who may delete; the functions that answer
requests may not.
"""

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject
from chalicelib.store import contacts, link_requests, outbox, reminders
from chalicelib.store.bounces import UNDELIVERABLE
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key, shards_from
from chalicelib.store.keys.messages import (
    dead_letter_key,
    letter_key,
    listed_undeliverable_key,
    outbox_key,
    undeliverable_key,
)
from chalicelib.store.keys.people import (
    contact_key,
    erased_key,
    open_claims_key,
    person_key,
    subject_pk,
)
from chalicelib.store.keys.receipts import (
    counted_key,
    earlier_receipt_id_key,
    receipt_id_key,
    unsigned_key,
)
from chalicelib.store.outbox import OutboxItem
from chalicelib.store.people import kept_in
from chalicelib.store.receipts import read_receipt
from chalicelib.store.table import BATCH, ConflictError, Table
from chalicelib.store.writes import Delete, Replace, SetKept, Write

HEAD = contact_key("", "").sk

_TELLING = (outbox_key, dead_letter_key, open_claims_key)
"""Where it stands that something of a receipt is to be told or confirmed: in the outbox, given up,
or waiting for a code."""

_REMINDING = (outbox_key, letter_key, dead_letter_key)
"""Where something else stands that a person is to be told (`TOLD#`)."""


@dataclass(frozen=True, slots=True)
class PendingErasure:
    """An erased person of whom something is still to be removed: each contact's lookup, with its
    place.
    """

    clinic: str
    subject: str
    contacts: Mapping[str, int]


def erasure_writes(
    clinic: str, person: Subject, proof_until: Instant
) -> tuple[Subject, Sequence[Write]]:
    """Give what is kept of a person who is erased, and what is written with that."""
    places = {lookup: person.places.get(lookup, 0) for lookup in person.contacts}
    mark = json.dumps({"contacts": places, "proof_until": proof_until})
    key = erased_key(clinic, person.id)
    return person.erase(proof_until), [Replace(key, {"body": mark})]


def waiting(table: Table, first: int = 0) -> Iterator[PendingErasure]:
    """Give every erased person who left something to clear away, of all clinics, page by page.

    From the shard of the number `first` on.
    """
    for shard in shards_from(first):
        for item in table.partition(erased_key("", shard).pk, ""):
            clinic, _, subject = item.sk.partition("#")
            kept = json.loads(item.body or "")["contacts"]
            # Before there were places, a mark listed the contacts.
            yield PendingErasure(
                clinic, subject, kept if isinstance(kept, dict) else dict.fromkeys(kept, 0)
            )


def drop_link_requests(
    table: Table, clinics: Clinics, clinic: str, marks: Sequence[PendingErasure]
) -> None:
    """Remove requests for a link at a clinic that hold a contact of somebody erased.

    The clinic's key alone can read them.
    """
    lookups = {lookup for mark in marks for lookup in mark.contacts}
    key = clinics.key(clinic)
    for request in link_requests.link_requests(table, clinic):
        if not lookups.isdisjoint(_lookups_of(key, request)):
            outbox.remove(table, request)


def _lookups_of(key: ClinicKey, request: OutboxItem) -> list[str]:
    """Give the lookups of a request's contacts; none of a damaged one, which is gone within a
    day.
    """
    try:
        given = request.contacts(key, request.entry.subject)
    except ValueError:
        return []
    return [key.lookup(contact) for contact in given]


def clear_remains(table: Table, mark: PendingErasure) -> None:
    """Remove what an erased person left: encrypted data, outbox items, contacts of nobody.

    A receipt that is not signed yet keeps its item, without contacts. Safe to repeat; the mark goes
    last, and with it the last trace of the contacts. Raises ContendedError.
    """
    clinic, subject = mark.clinic, mark.subject
    _delete(table, (item.key for item in table.partition(subject_pk(clinic, subject), "SEALED#")))
    outbox.forget_contacts(table, clinic, _numbers(table, clinic, subject))
    _delete(table, (open_claims_key(clinic, number) for number in _numbers(table, clinic, subject)))
    for lookup, place in mark.contacts.items():
        _clear_contact(table, mark, contact_key(clinic, lookup, place))
        _clear_head(table, clinic, lookup)
    _delete(table, [erased_key(clinic, subject)])


def delete_person(table: Table, clinic: str, subject: str) -> None:
    """Remove everything of a person whose proof is over, and what leads to it.

    Safe to repeat; the place in the list of people goes last.
    """
    pk = subject_pk(clinic, subject)
    left = (key for item in table.partition(pk, "") for key in (item.key, *_outside(clinic, item)))
    _delete(table, left, over=True)
    _delete(table, [person_key(clinic, subject)])


def _clear_contact(table: Table, mark: PendingErasure, place: Key) -> None:
    """Take away the place of an erased person; the head stays for now, for it counts the others."""
    found = table.get([place]).get(place)
    pointer = contacts.pointer(mark.subject)
    held = kept_in(found) if found else None
    if found is None or held not in {None, pointer}:
        return
    with contextlib.suppress(ConflictError):  # another round was quicker
        if held:
            table.write([SetKept(place, None, was=pointer)])
        if place.sk != HEAD:
            table.write([Delete(place, empty=True)])


def _clear_head(table: Table, clinic: str, lookup: str) -> None:
    """Take away a contact that nobody is kept under any more, with all that stands beside it."""
    head = contact_key(clinic, lookup)
    found = table.get([head]).get(head)
    if found and (
        kept_in(found) or found.texts or any(contacts.further_places(table, clinic, lookup))
    ):
        return
    with contextlib.suppress(ConflictError):  # somebody came just now
        table.write([Delete(head, empty=True, number=int(found.number or 0) if found else None)])
        makers = (undeliverable_key, listed_undeliverable_key)
        marks = [make(clinic, lookup, reason) for make in makers for reason in UNDELIVERABLE]
        earlier = (item.key for item in table.partition(head.pk, "") if item.key != head)
        _delete(table, itertools.chain(marks, earlier))


def _numbers(table: Table, clinic: str, subject: str) -> Iterator[str]:
    """Give the numbers under which a person may be told something, or confirm by a code."""
    pk = subject_pk(clinic, subject)
    for item in table.partition(pk, "RECEIPT#"):
        yield read_receipt(item).id
    for item in table.partition(pk, "TOLD#"):
        yield reminders.number(item)


def _outside(clinic: str, item: Item) -> Sequence[Key]:
    """Give what leads to an item of a person, and stands elsewhere."""
    if item.sk.startswith("TOLD#"):
        return [make(clinic, reminders.number(item)) for make in _REMINDING]
    if not item.sk.startswith("RECEIPT#"):
        return []
    number = read_receipt(item).id
    pointers = (receipt_id_key, earlier_receipt_id_key)
    makers = (*pointers, counted_key, unsigned_key, *_TELLING)
    return [make(clinic, number) for make in makers]


def _delete(table: Table, keys: Iterator[Key] | Sequence[Key], *, over: bool = False) -> None:
    rest = iter(keys)
    while batch := list(itertools.islice(rest, BATCH)):
        table.write([Delete(key, over=over) for key in batch])
