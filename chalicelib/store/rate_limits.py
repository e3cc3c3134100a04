"""Token buckets: read with what a post reads anyway, spent in the transaction it writes.

A post that is refused writes nothing, so that no bucket takes more writes than its own limit
allows.
"""

from collections.abc import Mapping, Sequence

from chalicelib.domain.instants import Instant
from chalicelib.domain.rate_limits import (
    RateLimit,
    RateLimitCheck,
    milliseconds,
    refuse_while_waiting,
)
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import Key, bucket_key
from chalicelib.store.table import ConflictError, ContendedError, Item, Table
from chalicelib.store.writes import Put, Spend, Try

ATTEMPTS = 8
"""How often others may take from the same buckets before a post is told to try again."""


def keys_of(guard: RateLimitCheck, key: ClinicKey) -> list[Key]:
    """Give the keys of a post's buckets, to be read strongly consistently."""
    return list(_limits(guard, key))


def _limits(guard: RateLimitCheck, key: ClinicKey) -> dict[Key, RateLimit]:
    """Give the limit of each of a post's buckets."""
    return {
        bucket_key(key.clinic, key.bucket(name)): limit for name, limit in guard.buckets().items()
    }


def spends(guard: RateLimitCheck, key: ClinicKey, found: Mapping[Key, Item]) -> tuple[Spend, ...]:
    """Give the writes that take one from each bucket, as they were found.

    Raises TooManyError where one is empty. A ConflictError on one of their keys means that others
    got in first: read again, and call this again.
    """
    return tuple(take_from(_limits(guard, key), guard.at, found))


def spend(
    table: Table, key: ClinicKey, guard: RateLimitCheck, also: Sequence[Put | Try] = ()
) -> bool:
    """Take one from each of a post's buckets, and write `also` with that: one round trip more.

    Tells False where it was not the buckets that refused. Raises TooManyError, and ContendedError
    where others kept taking from the same buckets; then nothing was written.
    """
    for _ in range(ATTEMPTS):
        found = table.get(keys_of(guard, key))
        try:
            table.write([*also, *spends(guard, key, found)])
        except ConflictError as conflict:
            if conflict.keys & {write.key for write in also}:
                return False
        except ContendedError:
            continue
        else:
            return True
    raise ContendedError


def take_from(
    limits: Mapping[Key, RateLimit], at: Instant, found: Mapping[Key, Item]
) -> list[Spend]:
    """Give the writes that take one from each of these buckets, as they were found.

    Raises TooManyError, with the longest wait, where any is empty.
    """
    now = milliseconds(at)
    waits: list[int] = []
    writes: list[Spend] = []
    for key, limit in limits.items():
        arrival = _arrival(found.get(key))
        waits.append(limit.wait(arrival, now))
        writes.append(Spend(key, limit, now, fresh=limit.is_full(arrival, now)))
    refuse_while_waiting(waits)
    return writes


def _arrival(item: Item | None) -> int | None:
    """Give until when a bucket is not full, in milliseconds (`RateLimit`).

    None for an untouched one.
    """
    if item is None or item.number is None:
        return None
    return int(item.number)
