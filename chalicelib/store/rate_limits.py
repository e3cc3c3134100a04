"""Token buckets: read with what a post reads anyway, spent in the transaction it writes.

A post that is refused writes nothing, so that no bucket takes more writes than its own limit
allows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from chalicelib.domain.instants import Instant
from chalicelib.domain.rate_limits import (
    BLOCK,
    CLINIC,
    RateLimit,
    RateLimitCheck,
    milliseconds,
    refuse_while_waiting,
)
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.limits import bucket_key
from chalicelib.store.table import ConflictError, ContendedError, Table
from chalicelib.store.writes import Put, Spend, Try

ATTEMPTS = 8
"""How often others may take from the same buckets before a post is told to try again."""


@dataclass(slots=True)
class _Block:
    """Tokens of a clinic's bucket that this process took together: how many, and those left."""

    size: int
    left: int
    until: int
    """Until when they are good, in milliseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Taking:
    """What a public post takes from its buckets."""

    writes: tuple[Spend, ...] = ()
    """The writes for the transaction that carries the post out."""

    done: Callable[[], None] = lambda: None
    """To be called when that transaction is written."""


class RateLimits:
    """The buckets of public posts; of a clinic's own this process takes several tokens at once.

    A process that is busy takes them in blocks, twice as many as before up to BLOCK, and uses them
    for its next posts without a write. What is left of a block is void when the bucket would have
    refilled. So in any time a clinic gets what its limit says, and its burst once more at most
    (docs/decisions/0008-limits.md). A process of Lambda serves one request at a time: nothing here
    is locked.
    """

    def __init__(self, table: Table, clinic: RateLimit = CLINIC) -> None:
        self._table = table
        self._clinic = clinic
        self._blocks: dict[tuple[str, str], _Block] = {}

    def keys_of(self, guard: RateLimitCheck, key: ClinicKey) -> list[Key]:
        """Give the keys of a post's buckets, to be read strongly consistently."""
        keys = list(_limits(guard, key))
        if self._block(guard, key) is None:
            keys.append(_clinic_place(guard, key))
        return keys

    def taking(self, guard: RateLimitCheck, key: ClinicKey, found: Mapping[Key, Item]) -> Taking:
        """Give what takes one from each bucket, as they were found.

        Raises TooManyError where one is empty. A ConflictError on one of their keys means that
        others got in first: read again, and call this again.
        """
        limits, place = _limits(guard, key), _clinic_place(guard, key)
        block = self._block(guard, key)
        if block is not None:
            writes = take_from(limits, guard.at, found)
            block.left -= 1
            return Taking(tuple(writes))
        limits[place] = self._clinic
        writes = take_from(limits, guard.at, found, {place: self._next_size(guard, key)})
        taken = next(write.amount for write in writes if write.key == place)
        fresh = _Block(taken, taken - 1, guard.now + self._clinic.refills_in)

        def keep() -> None:
            self._blocks[key.clinic, guard.action] = fresh

        return Taking(tuple(writes), keep)

    def spend(self, key: ClinicKey, guard: RateLimitCheck, also: Sequence[Put | Try] = ()) -> bool:
        """Take one from each of a post's buckets, and write `also` with that.

        One round trip more. Tells False where it was not the buckets that refused. Raises
        TooManyError, and ContendedError where others kept taking from the same buckets; then
        nothing was written.
        """
        for _ in range(ATTEMPTS):
            found = self._table.get(self.keys_of(guard, key))
            taking = self.taking(guard, key, found)
            try:
                self._table.write([*also, *taking.writes])
            except ConflictError as conflict:
                if conflict.keys & {write.key for write in also}:
                    return False
            except ContendedError:
                continue
            else:
                taking.done()
                return True
        raise ContendedError

    def _block(self, guard: RateLimitCheck, key: ClinicKey) -> _Block | None:
        """Give the block of which this post can take a token."""
        block = self._blocks.get((key.clinic, guard.action))
        return block if block is not None and block.left > 0 and guard.now < block.until else None

    def _next_size(self, guard: RateLimitCheck, key: ClinicKey) -> int:
        """Tell how many to take: twice the last block, if all of that was used; else one."""
        last = self._blocks.get((key.clinic, guard.action))
        if last is None or last.left or guard.now >= last.until:
            return 1
        return min(BLOCK, 2 * last.size)


def _limits(guard: RateLimitCheck, key: ClinicKey) -> dict[Key, RateLimit]:
    """Give the limit of each of a post's buckets, but the clinic's."""
    return {
        bucket_key(key.clinic, key.bucket(name)): limit for name, limit in guard.buckets().items()
    }


def _clinic_place(guard: RateLimitCheck, key: ClinicKey) -> Key:
    return bucket_key(key.clinic, key.bucket(guard.clinic_bucket))


def take_from(
    limits: Mapping[Key, RateLimit],
    at: Instant,
    found: Mapping[Key, Item],
    wanted: Mapping[Key, int] = MappingProxyType({}),
) -> list[Spend]:
    """Give the writes that take one from each of these buckets, as they were found.

    Of those in `wanted` as many, or as many as there are. Raises TooManyError, with the longest
    wait, where any is empty.
    """
    now = milliseconds(at)
    waits: list[int] = []
    writes: list[Spend] = []
    for key, limit in limits.items():
        arrival = _arrival(found.get(key))
        waits.append(limit.wait(arrival, now))
        amount = min(wanted.get(key, 1), limit.tokens(arrival, now))
        fresh = limit.is_full(arrival, now)
        writes.append(Spend(key, limit, now, fresh=fresh, amount=amount))
    refuse_while_waiting(waits)
    return writes


def _arrival(item: Item | None) -> int | None:
    """Give until when a bucket is not full, in milliseconds (`RateLimit`).

    None for an untouched one.
    """
    if item is None or item.number is None:
        return None
    return int(item.number)
