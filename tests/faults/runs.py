"""Runs walks from their seeds: one, many at once, and the shortest part that still fails."""

import os
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from chalicelib.settings import BY_KMS
from tests.faults.invariants import broken
from tests.faults.walk import BEGIN, Walk
from tests.faults.world import simulated

LENGTH = 1000
"""How many operations one walk has; a longer run has more walks, each on a table of its own."""

KINDS = {
    "lost": "acknowledged decisions without their receipt",
    "doubled": "receipts too many for an act, or counted too often",
    "gap": "gaps in versions or breaks in the chain of hashes",
    "state": "people who do not stand as their receipts say",
    "contact": "contacts that lead to others than have them",
    "withdrawal": "people whom a withdrawal did not reach",
    "status": "answers that permit what no receipt permits",
    "unsigned": "receipts unsigned after the clock caught up",
    "due": "people for whom something is due before the hourly round would look",
    "counted": "days counted wrongly, with what the stream lost or after it came late",
    "unsent": "things left in the outbox",
    "message twice": "messages sent twice though the first was known",
    "personal in the log": "lines of the log with something personal",
    "error": "walks that an error ended",
    "answered 500": "requests that met an error nobody expected",
}
"""What may be broken, by the first words of what is told of it."""


@dataclass
class Result:
    """What came of one walk."""

    seed: str
    first: int
    last: int
    broken: list[str]
    tally: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)


def run(seed: str, first: int = 0, last: int = LENGTH, signing: str = BY_KMS) -> Result:
    """Walk the operations from `first` up to `last` of a seed, and look for what is broken."""
    with simulated(seed, BEGIN, signing) as world:
        walk = Walk(seed, world)
        try:
            walk.begin()
            for number in range(first, last):
                walk.step(number)
            found = broken(walk)
        except Exception as error:  # noqa: BLE001 - whatever it is, this walk shows it
            place = traceback.extract_tb(error.__traceback__)[-1]
            found = [
                f"error: {type(error).__name__} at {place.filename.rpartition('/')[2]}:{place.lineno}"
            ]
        tally = Counter(
            {
                "operations": last - first,
                "answers to requests": sum(
                    n for name, n in walk.done.items() if name.startswith("answer")
                ),
                "acknowledged": len(walk.acknowledged),
                "withdrawals acknowledged": len(walk.stopped),
                "people they had to reach": sum(len(each.people) for each in walk.stopped),
                "receipts": sum(
                    1 for (_, sk), _ in world.table.items() if sk.startswith("RECEIPT#")
                ),
                "messages": len(world.messages.deliveries),
                "messages sent twice": len(world.messages.deliveries)
                - len({d.entry for d in world.messages.deliveries}),
                "lines of the log": world.log.lines,
            }
        )
        return Result(seed, first, last, found, tally, Counter(world.weather.met), walk.log)


def run_all(seed: str, operations: int) -> Iterator[Result]:
    """Walk so many operations, on every core.

    Each walk has a seed of its own, such as ``7.0`` and ``7.1``.
    """
    parts = [
        (f"{seed}.{number}", min(LENGTH, operations - start))
        for number, start in _starts(operations)
    ]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(_run_part, parts)


def _starts(operations: int) -> Iterable[tuple[int, int]]:
    return enumerate(range(0, operations, LENGTH))


def _run_part(part: tuple[str, int]) -> Result:
    return run(part[0], 0, part[1])


def shortest(found: Result) -> Result:
    """Give the shortest part of a broken walk that is broken too.

    First its end is cut off, then its beginning.
    """
    best = found
    low, high = best.first, best.last
    while high - low > 1:  # how much of its end can be left out
        middle = (low + high) // 2
        tried = run(best.seed, best.first, middle)
        low, high, best = (low, middle, tried) if tried.broken else (middle, high, best)
    length = 1
    while length < best.last - best.first:  # how much of its beginning
        tried = run(best.seed, best.last - length, best.last)
        if tried.broken:
            return tried
        length *= 2
    return best
