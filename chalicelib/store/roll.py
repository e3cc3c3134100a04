"""The roll of a clinic: everybody who ever decided there, and how they stand, written with each decision."""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence

from chalicelib.receipts import Subject
from chalicelib.store.keys import SHARDS, confirmed_key, roll_key
from chalicelib.store.table import ConflictError, ContendedError, Item, SetBody, Table, Write

ATTEMPTS = 8
_FIRST_PAUSE = 0.02


def people(table: Table, clinic: str) -> Iterator[Subject]:
    """Give everybody on the roll, strongly consistently, page by page.

    Erased people are among them, without contacts and standings: their chains are still there.
    """
    return map(read, places(table, clinic))


def places(table: Table, clinic: str, *, after: str = "") -> Iterator[Item]:
    """Give everybody's place on the roll, by subject id, as it is kept; `after` goes on behind one."""
    for shard in SHARDS:
        if shard >= after[:1]:
            yield from table.behind(roll_key(clinic, shard).pk, after if after[:1] == shard else "")


def read(place: Item) -> Subject:
    """Read a place on the roll."""
    return Subject.read(json.loads(place.body or ""))


def person(table: Table, clinic: str, subject: str) -> Subject:
    """Give one person by the opaque id; raise LookupError."""
    key = roll_key(clinic, subject)
    return read(table.get([key])[key])


def confirmers(table: Table, clinic: str, subject: str, receipt: str) -> list[str]:
    """Give the ids of those who confirmed claims of somebody's receipt as somebody else."""
    place = confirmed_key(clinic, subject, receipt, "")
    return [item.sk.removeprefix(place.sk) for item in table.partition(place.pk, place.sk)]


def stored(person: Subject) -> str:
    """Write a person as the roll and each of their contacts hold them."""
    return json.dumps(person.stored(), ensure_ascii=False)


def change(
    table: Table,
    clinic: str,
    subject: str,
    plan: Callable[[Subject], tuple[Subject, Sequence[Write]] | None],
    *,
    pause: Callable[[float], None] = time.sleep,
) -> Subject | None:
    """Change how a person is kept, provided that nobody decided for them meanwhile: else it is planned anew.

    `plan` gives the person as they are to be and what is written with that, or None where nothing is to be done.
    Gives the changed person, or None. Raises LookupError for nobody, ContendedError when others kept getting in first.
    """
    key = roll_key(clinic, subject)
    for attempt in range(ATTEMPTS):
        if attempt:
            pause(_FIRST_PAUSE * 2**attempt * (0.5 + random.random() / 2))  # noqa: S311 - spreads retries
        place = table.get([key])[key]
        planned = plan(read(place))
        if planned is None:
            return None
        after, writes = planned
        try:
            table.write([SetBody(key, stored(after), was=place.body or ""), *writes])
        except (ConflictError, ContendedError):
            continue
        return after
    raise ContendedError
