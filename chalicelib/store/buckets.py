"""Token buckets in the table: read with what a post reads anyway, spent in the transaction it writes anyway.

A post that is refused writes nothing, so that no bucket takes more writes than its own rule allows.
"""

from collections.abc import Mapping

from chalicelib.limits import Guard, longest
from chalicelib.store.table import Item, Key, Spend, bucket_key
from chalicelib.vault import ClinicKey


def keys_of(guard: Guard | None, key: ClinicKey) -> list[Key]:
    """Give the keys of a post's buckets, to be read strongly consistently; none without a guard."""
    return [bucket_key(key.clinic, key.bucket(name)) for name in guard.buckets()] if guard else []


def spent(guard: Guard | None, key: ClinicKey, found: Mapping[Key, Item]) -> tuple[Spend, ...]:
    """Give the writes that take one from each bucket, as they were found; raise TooManyError where one is empty.

    A ConflictError on one of their keys means that others got in first: read again, and call this again.
    """
    if guard is None:
        return ()
    now, spends, waits = guard.now, [], []
    for name, rule in guard.buckets().items():
        place = bucket_key(key.clinic, key.bucket(name))
        item = found.get(place)
        arrival = None if item is None or item.number is None else int(item.number)
        waits.append(rule.wait(arrival, now))
        spends.append(Spend(place, rule, now, fresh=rule.full(arrival, now)))
    longest(waits)
    return tuple(spends)
