"""The list of a clinic's people: who ever decided there, as they stand since their last
decision.

A person is stored packed (`compact`), in the list and under each of their contacts. An earlier
version stored JSON in the body; both forms are read, here and nowhere else.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.domain.subjects import Subject
from chalicelib.store import compact
from chalicelib.store.items import Item
from chalicelib.store.keys.key import SHARDS, is_possible
from chalicelib.store.keys.people import confirmed_key, person_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Kept


def iter_people(table: Table, clinic: str) -> Iterator[Subject]:
    """Give everybody in the list, strongly consistently, page by page.

    Erased people are among them, without contacts and summaries: their chains are still there.
    """
    return map(load_person, iter_items(table, clinic))


def iter_items(table: Table, clinic: str, *, after: str = "") -> Iterator[Item]:
    """Give everybody's place in the list, by subject id, as it is stored.

    `after` goes on behind one.
    """
    for shard in SHARDS:
        if shard >= after[:1]:
            yield from table.after_key(
                person_key(clinic, shard).pk, after if after[:1] == shard else ""
            )


def page_of_people(table: Table, clinic: str, after: str, most: int) -> list[Subject]:
    """Give so many people of the list behind one, by subject id; fewer only at its end.

    Erased people are among them. What is not given is not read.
    """
    found: list[Subject] = []
    for shard in SHARDS:
        if shard < after[:1]:
            continue
        first = after if after[:1] == shard else ""
        left = most - len(found)
        if left:
            items = table.after_key(person_key(clinic, shard).pk, first, left)
            found += map(load_person, items)
    return found


def kept_in(item: Item) -> Kept | None:
    """Give what an item holds of a person, as it is stored; None where it holds nobody."""
    return bytes(item.blob) if item.blob else item.body


def kept_values(kept: Kept) -> dict[str, Any]:
    """Give the attributes of a new item that holds a person."""
    return {"blob": kept} if isinstance(kept, bytes) else {"body": kept}


def read_person(kept: Kept) -> Subject:
    """Read a person from either form; raise ValueError, LookupError or TypeError."""
    text = compact.unpack(kept) if isinstance(kept, bytes) else kept
    stored = json.loads(text)
    if not isinstance(stored, Mapping):
        raise TypeError("no person is stored like that")
    return Subject.read(stored)


def load_person(place: Item) -> Subject:
    """Read a person from their place in the list; raise as `read_person` does."""
    return read_person(kept_in(place) or "")


def person(table: Table, clinic: str, subject: str) -> Subject:
    """Give one person by the opaque id; raise LookupError."""
    key = person_key(clinic, subject)
    return load_person(table.get([key])[key])


def find_people(table: Table, clinic: str, subjects: Sequence[str]) -> dict[str, Subject]:
    """Give those of some people whom the clinic knows, by opaque id; a hundred in a round trip.

    Erased people are left out. For a record that was merged into another, that one is given: a
    round trip more, where there is any.
    """
    known = find_all(table, clinic, subjects)
    merged = {subject: each.merged_into for subject, each in known.items() if each.merged_into}
    if merged:
        survivors = find_people(table, clinic, sorted(set(merged.values())))
        known |= {subject: survivors[into] for subject, into in merged.items() if into in survivors}
    return {
        subject: person
        for subject, person in known.items()
        if not person.erased and not person.merged_into
    }


def find_all(table: Table, clinic: str, subjects: Sequence[str]) -> dict[str, Subject]:
    """Give the same with those who were erased."""
    keys = [person_key(clinic, subject) for subject in subjects if subject]
    found = table.get(list(filter(is_possible, keys)))  # an address can hold anything
    return {place.sk: load_person(item) for place, item in found.items()}


def confirmers(table: Table, clinic: str, subject: str, receipt: str) -> list[str]:
    """Give the ids of those who confirmed claims of somebody's receipt as somebody else."""
    place = confirmed_key(clinic, subject, receipt, "")
    return [item.sk.removeprefix(place.sk) for item in table.partition(place.pk, place.sk)]


def dump_person(person: Subject) -> bytes:
    """Write a person as the list and each of their contacts hold them."""
    return compact.pack(compact.dump(person.stored()))
