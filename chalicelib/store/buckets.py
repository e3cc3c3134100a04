"""Token buckets in the table: read with what a post reads anyway, spent in the transaction it writes anyway.

A post that is refused writes nothing, so that no bucket takes more writes than its own rule allows.
"""

from collections.abc import Mapping

from chalicelib.instants import Instant
from chalicelib.limits import Guard, Rule, longest, milliseconds
from chalicelib.store.keys import Key, bucket_key
from chalicelib.store.table import Item, Spend, Table
from chalicelib.vault import ClinicKey


def keys_of(guard: Guard, key: ClinicKey) -> list[Key]:
    """Give the keys of a post's buckets, to be read strongly consistently."""
    return [bucket_key(key.clinic, key.bucket(name)) for name in guard.buckets()]


def spends(guard: Guard, key: ClinicKey, found: Mapping[Key, Item]) -> tuple[Spend, ...]:
    """Give the writes that take one from each bucket, as they were found; raise TooManyError where one is empty.

    A ConflictError on one of their keys means that others got in first: read again, and call this again.
    """
    now, taken, waits = guard.now, [], []
    for place, rule in zip(keys_of(guard, key), guard.buckets().values(), strict=True):
        item = found.get(place)
        arrival = None if item is None or item.number is None else int(item.number)
        waits.append(rule.wait(arrival, now))
        taken.append(Spend(place, rule, now, fresh=rule.full(arrival, now)))
    longest(waits)
    return tuple(taken)


def one(table: Table, key: ClinicKey, name: str, rule: Rule, at: Instant) -> Spend:
    """Give the write that takes one from a single bucket; raise TooManyError where it is empty. One round trip."""
    place, now = bucket_key(key.clinic, key.bucket(name)), milliseconds(at)
    item = table.get([place]).get(place)
    arrival = None if item is None or item.number is None else int(item.number)
    longest([rule.wait(arrival, now)])
    return Spend(place, rule, now, fresh=rule.full(arrival, now))
