"""Contacts that no message reaches: those that bounced, and those whose reader complained."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta

from chalicelib.domain.instants import Instant, moment
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.messages import (
    earlier_undeliverable_key,
    listed_undeliverable_key,
    undeliverable_key,
)
from chalicelib.store.table import Table
from chalicelib.store.writes import Put

MARKED = timedelta(days=365)
"""For how long it is stored that a contact bounced or complained: it may be of somebody erased
since."""

UNDELIVERABLE = ("bounce", "complaint")
"""For what a contact is marked."""


def mark_undeliverable(table: Table, clinic: str, lookup: str, reason: str, at: Instant) -> bool:
    """Mark a contact that no message reaches, or that wants none.

    Tells False where it was marked before. A new report takes the place of the old one; a year
    after the last of them nothing is left.
    """
    over = int((moment(at) + MARKED).timestamp())
    values = {"body": json.dumps({"reason": reason, "at": at}), "ttl": over}
    mark = Put(undeliverable_key(clinic, lookup, reason), values)
    table.put(Put(listed_undeliverable_key(clinic, lookup, reason), values))
    if table.put_new(mark):
        return True
    table.put(mark)
    return False


def keys_of(clinic: str, lookup: str) -> list[Key]:
    """Give the keys of a contact's marks."""
    keys = []
    for reason in UNDELIVERABLE:
        keys.append(earlier_undeliverable_key(clinic, lookup, reason))
        keys.append(undeliverable_key(clinic, lookup, reason))
    return keys


def undeliverable(found: Mapping[Key, Item], keys: Sequence[Key]) -> Mapping[str, Instant]:
    """Give for what reasons a contact is marked, each with when that was last reported.

    `found` is what was read, `keys` those of its marks.
    """
    marks = [json.loads(found[key].body or "") for key in keys if key in found]
    marks.sort(key=lambda mark: str(mark["at"]))
    return {mark["reason"]: mark["at"] for mark in marks}
