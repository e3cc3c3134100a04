"""The roll of a clinic: everybody who ever decided there, and how they stand, written with each decision."""

import json
from collections.abc import Iterator

from chalicelib.receipts import Subject
from chalicelib.store.table import SHARDS, Table, roll_key


def people(table: Table, clinic: str) -> Iterator[Subject]:
    """Give everybody on the roll, strongly consistently; work and memory go with their number, page by page."""
    for shard in SHARDS:
        for item in table.partition(roll_key(clinic, shard).pk, ""):
            yield Subject.read(json.loads(item.body or ""))


def person(table: Table, clinic: str, subject: str) -> Subject:
    """Give one person by the opaque id; raise LookupError."""
    key = roll_key(clinic, subject)
    return Subject.read(json.loads(table.get([key])[key].body or ""))
