"""Counts receipts, each once: behind the stream, by the clock's round, by an operator's recount.

A receipt is counted in the transaction that writes its COUNTED mark, so that whoever comes second
counts nothing. No counter depends on the stream: a receipt is signed only once it is counted, and
the mark that it waits to be signed (`UNSIGNED#`) leads the clock's round to it; `recount` finds
what was lost in any other way.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from chalicelib import log
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.receipts import Receipt
from chalicelib.store import people, statistics
from chalicelib.store.keys import counted_key, subject_pk
from chalicelib.store.receipts import read_receipt
from chalicelib.store.table import ConflictError, ContendedError, Table

ATTEMPTS = 5
"""How often a receipt is counted again while others count in the same counters."""

_FIRST_PAUSE = 0.02

SETTLED = timedelta(hours=1)
"""How long after its end a day can still get a receipt, from a function whose clock is late."""

Pause = Callable[[float], None]
"""Waits for so many seconds."""


def count(table: Table, receipt: Receipt, pause: Pause = time.sleep) -> bool:
    """Count a receipt; tell False where it was counted before.

    Raises ContendedError, UnavailableError.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            spread = 0.5 + random.random() / 2  # noqa: S311 - so that retries do not meet again
            pause(_FIRST_PAUSE * 2**attempt * spread)
        try:
            new = statistics.count_receipt(table, receipt)
        except ContendedError:
            continue
        if new:
            log.count("ReceiptCounted")
        return new
    raise ContendedError


@dataclass(slots=True)
class Recount:
    """How far a recount came: up to which person, what it saw, what each day's receipts say."""

    clinic: str
    first: str
    last: str
    began: Instant
    after: str = ""
    people: int = 0
    receipts: int = 0
    found: int = 0
    """How many receipts had not been counted, and are now."""
    unreadable: int = 0
    days: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def settled(self) -> list[str]:
        """The days of the recount that were over when it began: no more receipts come to them."""
        over = instant(moment(self.began) - SETTLED)[:10]
        return sorted(day for day in self.days if day < over)


@dataclass(frozen=True, slots=True)
class CountDifference:
    """A counter that does not say what the receipts say.

    `was` is what it says, None where there is none.
    """

    day: str
    what: str
    was: int | None
    receipts: int


def recount(table: Table, state: Recount, pause: Pause = time.sleep) -> Iterator[Recount]:
    """Go through everybody's receipts, from where the recount stands; count what never was.

    Gives after each person how far it came. It may run while the portal counts, and again: what has
    its mark is not counted twice. Raises ContendedError, UnavailableError; then it goes on from
    where it stands.
    """
    for item in people.iter_items(table, state.clinic, after=state.after):
        subject = item.sk
        _recount_person(table, state, subject, pause)
        state.people += 1
        state.after = subject
        yield state


def _recount_person(table: Table, state: Recount, subject: str, pause: Pause) -> None:
    receipts: list[Receipt] = []
    unreadable = 0
    for item in table.partition(subject_pk(state.clinic, subject), "RECEIPT#"):
        try:
            receipt = read_receipt(item)
            day = _day_of(receipt)
        except (ValueError, KeyError, TypeError):
            unreadable += 1
            continue
        if state.first <= day <= state.last:
            receipts.append(receipt)
    found = _count_uncounted(table, state.clinic, receipts, pause)
    # All at once, when nothing can fail any more: a recount that goes on sees this person again or
    # not at all.
    for receipt in receipts:
        counts = state.days.setdefault(_day_of(receipt), Counter())
        counts.update(statistics.count_of_day(receipt))
    state.receipts += len(receipts)
    state.found += found
    state.unreadable += unreadable


def _day_of(receipt: Receipt) -> str:
    return str(receipt.document["recorded_at"])[:10]


def _count_uncounted(table: Table, clinic: str, receipts: Sequence[Receipt], pause: Pause) -> int:
    """Count those of these receipts that have no mark of being counted; give how many are new."""
    marks = {receipt.id: counted_key(clinic, receipt.id) for receipt in receipts}
    marked = table.get(list(marks.values()))
    found = 0
    for receipt in receipts:
        if marks[receipt.id] not in marked:
            found += count(table, receipt, pause)
    return found


def differences(table: Table, state: Recount) -> list[CountDifference]:
    """Compare the counters of days that are over with the receipts, after a whole recount.

    A counter may say more than the receipts: of people whose proof is over the receipts are gone,
    and were counted.
    """
    found: list[CountDifference] = []
    for day in state.settled:
        stored = statistics.counts(table, state.clinic, day)
        counted = state.days[day]
        names = sorted({*stored, *counted})
        differing = [what for what in names if stored.get(what, 0) != counted[what]]
        found += [CountDifference(day, what, stored.get(what), counted[what]) for what in differing]
    return found


def mend(table: Table, clinic: str, difference: CountDifference) -> bool:
    """Let a counter say what the receipts say.

    Tell False where somebody counted in it meanwhile.
    """
    try:
        statistics.correct(
            table, clinic, difference.day, difference.what, difference.receipts, was=difference.was
        )
    except ConflictError:
        return False
    return True
