"""Token buckets in the table: read with what a post reads anyway, spent in the transaction it writes anyway.

A post that is refused writes nothing, so that no bucket takes more writes than its own rule allows.
"""

from collections.abc import Mapping, Sequence

from chalicelib.domain.instants import Instant
from chalicelib.domain.rate_limits import RateLimit, RateLimitCheck, milliseconds, refuse_while_waiting
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import Key, bucket_key
from chalicelib.store.table import ConflictError, ContendedError, Item, Put, Spend, Table, Try

ATTEMPTS = 8
"""How often others may take from the same buckets before a post is told to try again."""


def keys_of(guard: RateLimitCheck, key: ClinicKey) -> list[Key]:
    """Give the keys of a post's buckets, to be read strongly consistently."""
    return [bucket_key(key.clinic, key.bucket(name)) for name in guard.buckets()]


def spends(guard: RateLimitCheck, key: ClinicKey, found: Mapping[Key, Item]) -> tuple[Spend, ...]:
    """Give the writes that take one from each bucket, as they were found; raise TooManyError where one is empty.

    A ConflictError on one of their keys means that others got in first: read again, and call this
    again.
    """
    return tuple(take_from(dict(zip(keys_of(guard, key), guard.buckets().values(), strict=True)), guard.at, found))


def spend(table: Table, key: ClinicKey, guard: RateLimitCheck, also: Sequence[Put | Try] = ()) -> bool:
    """Take one from each of a post's buckets, with what else the post writes: one round trip more than that.

    False where it was not the buckets that refused. Raises TooManyError, and ContendedError where
    others kept taking from the same buckets; then nothing was written.
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


def take_from(rules: Mapping[Key, RateLimit], at: Instant, found: Mapping[Key, Item]) -> list[Spend]:
    """Give the writes that take one from each of these buckets, as they were found; raise TooManyError for an empty."""
    now = milliseconds(at)
    arrivals = {place: _arrival(found.get(place)) for place in rules}
    refuse_while_waiting(rule.wait(arrivals[place], now) for place, rule in rules.items())
    return [Spend(place, rule, now, fresh=rule.is_full(arrivals[place], now)) for place, rule in rules.items()]


def _arrival(item: Item | None) -> int | None:
    return None if item is None or item.number is None else int(item.number)
