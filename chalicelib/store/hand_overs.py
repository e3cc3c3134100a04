"""Codes by which the desk hands a tablet over to one person, in the table.

An item names the person by opaque id and their contacts by lookup: nothing of it is personal. It is
cleared away a day after its time.
"""

from dataclasses import dataclass, field

from chalicelib.domain.kiosks import HandOver
from chalicelib.store.keys.desk import tablet_code_key
from chalicelib.store.keys.key import Key
from chalicelib.store.kiosks import code_values
from chalicelib.store.table import Table
from chalicelib.store.writes import Put, SetBody

HAND_OVER = "hand-over"


@dataclass(frozen=True, slots=True)
class StoredHandOver:
    """A hand-over as the table holds it; `digest` is the HMAC of its code."""

    hand_over: HandOver
    digest: str
    key: Key
    body: str = field(repr=False)


def new(clinic: str, digest: str, hand_over: HandOver) -> Put:
    """Give the write of a new hand-over, by the HMAC of its code."""
    return Put(tablet_code_key(clinic, digest), code_values(hand_over.stored(), hand_over.until))


def read(table: Table, clinic: str, digest: str) -> StoredHandOver | None:
    """Give the hand-over of a code, by its HMAC; None where there is no such code."""
    place = tablet_code_key(clinic, digest)
    found = table.get([place])
    if place not in found:
        return None
    body = found[place].body or ""
    return StoredHandOver(HandOver.read(body), digest, place, body)


def changed(stored: StoredHandOver, hand_over: HandOver) -> SetBody:
    """Give the write by which a hand-over is another, if it is as it was read."""
    return SetBody(stored.key, hand_over.stored(), stored.body)
