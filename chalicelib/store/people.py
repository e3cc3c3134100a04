"""The list of a clinic's people: who ever decided there, as they stand since their last
decision.
"""

import json
from collections.abc import Iterator

from chalicelib.domain.subjects import Subject
from chalicelib.store.keys import SHARDS, confirmed_key, person_key
from chalicelib.store.table import Item, Table


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


def load_person(place: Item) -> Subject:
    """Read a person from their place in the list."""
    return Subject.read(json.loads(place.body or ""))


def person(table: Table, clinic: str, subject: str) -> Subject:
    """Give one person by the opaque id; raise LookupError."""
    key = person_key(clinic, subject)
    return load_person(table.get([key])[key])


def confirmers(table: Table, clinic: str, subject: str, receipt: str) -> list[str]:
    """Give the ids of those who confirmed claims of somebody's receipt as somebody else."""
    place = confirmed_key(clinic, subject, receipt, "")
    return [item.sk.removeprefix(place.sk) for item in table.partition(place.pk, place.sk)]


def dump_person(person: Subject) -> str:
    """Write a person as the list and each of their contacts hold them."""
    return json.dumps(person.stored(), ensure_ascii=False)
