"""The places of people under their contacts: given, written anew with each decision, and given up.

Up to `COPIES` of a person's contacts hold the person; a further one holds a pointer, because a
transaction takes a hundred writes. A place that was given up is not given again, except the head's:
what is empty is removed by who may delete (`erasures`).
"""

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject
from chalicelib.store import people
from chalicelib.store.contacts import ContactPeople, pointer
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import contact_key, person_key
from chalicelib.store.table import ConflictError, ContendedError, Table
from chalicelib.store.writes import NOT_DUE, Kept, MoveEntry, NextNumber, Put, SetKept, Write

COPIES = 30
"""How many of a person's contacts hold the person."""

ATTEMPTS = 8
_FIRST_PAUSE = 0.02

Plan = Callable[[Subject], tuple[Subject, Instant | None, Sequence[Write]] | None]
"""Gives a person as they are to be, when something is due for them next (None for never), and what
is written with that; None where nothing is to be done."""


def place_key(clinic: str, person: Subject, lookup: str) -> Key:
    """Give the place of one of a person's contacts that holds, or points to, them."""
    return contact_key(clinic, lookup, person.places.get(lookup, 0))


def copy_writes(clinic: str, before: Subject, after: Kept | None, was: Kept) -> list[Write]:
    """Write a person anew under each contact that holds them, or, by None, remove them there.

    What points to them stays: whoever follows it finds them, or nobody, in the list of people.
    """
    copies = [lookup for lookup in before.contacts if lookup not in before.pointers]
    return [SetKept(place_key(clinic, before, lookup), after, was=was) for lookup in copies]


def with_places(before: Subject, after: Subject, known: Mapping[str, ContactPeople]) -> Subject:
    """Give a person with a place in each contact that is new to them.

    `known` is what was read of those contacts.
    """
    new = [lookup for lookup in after.contacts if lookup not in before.contacts]
    copies = len(before.contacts) - len(before.pointers)
    further_copies = max(0, COPIES - copies)
    places = dict(before.places)
    for lookup in new:
        place = known[lookup].next_place
        if place:
            places[lookup] = place
    return replace(after, places=places, pointers=(*before.pointers, *new[further_copies:]))


def new_place_writes(clinic: str, before: Subject, after: Subject, kept: Kept) -> list[Write]:
    """Write a person into the places that `with_places` gave.

    Somebody who took one of them first is a conflict.
    """
    writes: list[Write] = []
    for lookup in after.contacts:
        if lookup in before.contacts:
            continue
        held = pointer(after.id) if lookup in after.pointers else kept
        number = after.places.get(lookup, 0)
        if number:
            writes.append(NextNumber(contact_key(clinic, lookup), number))
        writes.append(SetKept(contact_key(clinic, lookup, number), held, was=None))
    return writes


def vacate_write(clinic: str, before: Subject, lookup: str, was: Kept) -> Write:
    """Take a person out of the place of one contact."""
    held = pointer(before.id) if lookup in before.pointers else was
    return SetKept(place_key(clinic, before, lookup), None, was=held)


def update_person(
    table: Table,
    clinic: str,
    subject: str,
    plan: Plan,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Subject | None:
    """Change how a person is stored; planned anew where somebody decided for them meanwhile.

    Who is erased by it is removed under their contacts. Gives the changed person, or None where
    nothing was to be done. Raises LookupError for nobody, ContendedError when others kept getting
    in first.
    """
    key = person_key(clinic, subject)
    for attempt in range(ATTEMPTS):
        if attempt:
            spread = 0.5 + random.random() / 2  # noqa: S311 - spreads retries
            pause(_FIRST_PAUSE * 2**attempt * spread)
        was, before = _read(table, key)
        planned = plan(before)
        if planned is None:
            return None
        after, due, writes = planned
        kept = people.dump_person(after)
        copies = copy_writes(clinic, before, None if after.erased else kept, was)
        try:
            table.write([SetKept(key, kept, was, due=due or NOT_DUE), *copies, *writes])
        except ConflictError as conflict:
            if concerns_contacts(conflict.keys):
                split(table, clinic, subject)
        except ContendedError:
            continue
        else:
            return after
    raise ContendedError


def _read(table: Table, key: Key) -> tuple[Kept, Subject]:
    """Give a person of the list as they are kept, and as they are read; raise LookupError."""
    kept = people.kept_in(table.get([key])[key]) or ""
    return kept, people.read_person(kept)


def concerns_contacts(keys: Collection[Key]) -> bool:
    """Tell whether any of these is a place of a contact."""
    return any(key.sk.startswith("CONTACT") for key in keys)


def split(table: Table, clinic: str, subject: str) -> bool:
    """Give a person stored in items that hold everybody places of their own.

    All copies at once, so that they stay equal. Tells False where nothing was to be done. Raises
    LookupError for nobody, ConflictError where somebody wrote meanwhile, ContendedError.
    """
    key = person_key(clinic, subject)
    was, person = _read(table, key)
    old = _shared_items(table, clinic, person)
    if not old:
        return False
    known = {
        lookup: ContactPeople(number=int(head.number or 0), free=people.kept_in(head) is None)
        for lookup, head in old.items()
    }
    others = {lookup: since for lookup, since in person.contacts.items() if lookup not in old}
    before = replace(person, contacts=others)
    after = with_places(before, person, known)
    kept = people.dump_person(after)
    writes = copy_writes(clinic, before, kept, was)
    for lookup, head in old.items():
        writes += _move_writes(clinic, after, lookup, head, kept)
    table.write([SetKept(key, kept, was=was), *writes])
    return True


def pack(table: Table, clinic: str, subject: str) -> bool:
    """Write a person packed whom an earlier version kept as JSON; all copies at once.

    Tells False where they are packed. Raises LookupError for nobody, ConflictError where somebody
    wrote meanwhile, ContendedError.
    """
    key = person_key(clinic, subject)
    was, person = _read(table, key)
    if isinstance(was, bytes):
        return False
    kept = people.dump_person(person)
    table.write([SetKept(key, kept, was=was), *copy_writes(clinic, person, kept, was)])
    return True


def _shared_items(table: Table, clinic: str, person: Subject) -> dict[str, Item]:
    """Give the items of a person's contacts that hold them among everybody, by lookup."""
    heads = {lookup: contact_key(clinic, lookup) for lookup in person.contacts}
    found = table.get(list(heads.values()))
    shared: dict[str, Item] = {}
    for lookup, head in heads.items():
        item = found.get(head)
        if item is not None and person.id in item.texts:
            shared[lookup] = item
    return shared


def _move_writes(clinic: str, after: Subject, lookup: str, head: Item, kept: Kept) -> list[Write]:
    """Move a person from a contact's item that holds everybody into a place of their own."""
    held = pointer(after.id) if lookup in after.pointers else kept
    was = head.texts[after.id]
    number = after.places.get(lookup)
    if not number:
        return [MoveEntry(head.key, after.id, was, kept=held)]
    return [
        MoveEntry(head.key, after.id, was, number=number),
        Put(contact_key(clinic, lookup, number), people.kept_values(held)),
    ]
