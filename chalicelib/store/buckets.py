"""Token buckets in the table: read with what a post reads anyway, spent in the transaction it writes anyway.

A post that is refused writes nothing, so that no bucket takes more writes than its own rule allows.
"""

from collections.abc import Mapping, Sequence

from chalicelib.instants import Instant
from chalicelib.limits import Guard, Rule, longest, milliseconds
from chalicelib.store.keys import Key, bucket_key
from chalicelib.store.table import ConflictError, ContendedError, Item, Put, Spend, Table, Try
from chalicelib.vault import ClinicKey

ATTEMPTS = 8
"""How often others may take from the same buckets before a post is told to try again."""


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


def spend(table: Table, key: ClinicKey, guard: Guard, also: Sequence[Put | Try] = ()) -> bool:
    """Take one from each of a post's buckets, with what else the post writes: one round trip more than that.

    False where it was not the buckets that refused. Raises TooManyError, and ContendedError where others kept taking
    from the same buckets; then nothing was written.
    """
    for _ in range(ATTEMPTS):
        found = table.get(keys_of(guard, key))
        try:
            table.write([*also, *spends(guard, key, found)])
        except ConflictError as conflict:
            if conflict.keys & {each.key for each in also}:
                return False
        except ContendedError:
            continue
        else:
            return True
    raise ContendedError


def one(table: Table, key: ClinicKey, name: str, rule: Rule, at: Instant) -> Spend:
    """Give the write that takes one from a single bucket; raise TooManyError where it is empty. One round trip."""
    place, now = bucket_key(key.clinic, key.bucket(name)), milliseconds(at)
    item = table.get([place]).get(place)
    arrival = None if item is None or item.number is None else int(item.number)
    longest([rule.wait(arrival, now)])
    return Spend(place, rule, now, fresh=rule.full(arrival, now))
