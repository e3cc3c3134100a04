"""Seals of a clinic's audit in the table: one a day, and the hashes of the lines it is over.

The hashes say which line is missing or another where the seal does not hold, and which lines came
late. A seal and its hashes are written once.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.receipts.audit_seals import HASH_BYTES
from chalicelib.store.items import Item
from chalicelib.store.keys.audit import audit_seal_key, sealed_lines_key, sealing_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Put

HASHES_IN_PART = 4000
"""How many hashes stand in one item: 128 kB, far from DynamoDB's 400."""

MOST = 100
"""How many seals a page of the list holds."""


@dataclass(frozen=True, slots=True)
class StoredSeal:
    """A seal as it is stored: the day it is of, the JWS, and the hash under which its lines are."""

    day: str
    signed: str
    chain: str


@dataclass(frozen=True, slots=True)
class SealingBookmark:
    """Until which day audits are sealed, and the last clinic where the others still wait."""

    day: str
    after: str | None


def keep(table: Table, clinic: str, seal: StoredSeal, hashes: Sequence[bytes]) -> bool:
    """Write a seal and the hashes of its lines; tell False where the day was sealed already."""
    parts = itertools.count()
    for start in range(0, len(hashes), HASHES_IN_PART):
        key = sealed_lines_key(clinic, seal.day, seal.chain, next(parts))
        table.put_new(Put(key, {"blob": b"".join(hashes[start : start + HASHES_IN_PART])}))
    stored = json.dumps({"signed": seal.signed, "chain": seal.chain})
    return table.put_new(Put(audit_seal_key(clinic, seal.day), {"body": stored}))


def read(table: Table, clinic: str, day: str) -> StoredSeal | None:
    """Read the seal of a day; None where it has none."""
    key = audit_seal_key(clinic, day)
    found = table.get([key]).get(key)
    return _load(found) if found else None


def last(table: Table, clinic: str) -> StoredSeal | None:
    """Read a clinic's latest seal; None where it has none."""
    pk, first = audit_seal_key(clinic, "")
    seals = table.between(pk, first, f"{first}~", newest_first=True, page=1)
    found = next(seals, None)
    return _load(found) if found else None


def page(table: Table, clinic: str, after: str) -> tuple[list[StoredSeal], str | None]:
    """Give a page of a clinic's seals, the oldest first, and its last day if more follow.

    `after` is the day that the page before ended with, "" for the first.
    """
    found = list(itertools.islice(since(table, clinic, f"{after}~" if after else ""), MOST + 1))
    seals = found[:MOST]
    return seals, seals[-1].day if len(found) > MOST else None


def since(table: Table, clinic: str, day: str) -> Iterator[StoredSeal]:
    """Give a clinic's seals from a day on, the oldest first; of all days for ""."""
    pk, first = audit_seal_key(clinic, "")
    for item in table.between(pk, f"{first}{day}", f"{first}~"):
        yield _load(item)


def hashes_of(table: Table, clinic: str, seal: StoredSeal) -> list[bytes]:
    """Read the hashes of the lines that a seal is over, in its order."""
    key = sealed_lines_key(clinic, seal.day, seal.chain, 0)
    prefix = key.sk.rpartition("#")[0]
    hashes = []
    for item in table.partition(key.pk, f"{prefix}#"):
        blob = bytes(item.blob or b"")
        hashes += [blob[at : at + HASH_BYTES] for at in range(0, len(blob), HASH_BYTES)]
    return hashes


def read_bookmark(table: Table) -> SealingBookmark:
    """Read how far sealing has come."""
    key = sealing_key()
    found = table.get([key]).get(key)
    stored = json.loads(found.body or "{}") if found else {}
    return SealingBookmark(stored.get("day", ""), stored.get("after"))


def write_bookmark(table: Table, bookmark: SealingBookmark) -> None:
    """Note how far sealing has come."""
    stored = json.dumps({"day": bookmark.day, "after": bookmark.after})
    table.put(Put(sealing_key(), {"body": stored}))


def _load(item: Item) -> StoredSeal:
    stored = json.loads(item.body or "")
    return StoredSeal(item.sk.partition("#")[2], stored["signed"], stored["chain"])
