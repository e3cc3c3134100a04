"""A person's words in pages: what was true at another time, from one page, however long the history.

Receipts are numbered in the order they were recorded; a page holds the words of `RECEIPTS` of them, after how
everything stood when it began (`carried`). Each page begins behind a fence: the latest moment any earlier word was
given at, and when its own first receipt was recorded. Asked what was true at one time as known at another, the last
page whose fence lies before both holds all of the answer: what came before it is carried, what comes after it was given
later or not known yet. A paper form entered late is the exception, and so is written to every page whose time it
reaches into.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.consent import Address, Standing
from chalicelib.instants import Instant
from chalicelib.receipts import words_of

RECEIPTS = 32
"""How many receipts a page holds, late ones of other pages aside: small enough to read a hundred pages at once."""

NEEDED = ("id", "version", "effective_at", "recorded_at", "channel", "assurance", "notice", "decisions")
"""What a page keeps of a receipt's document: enough to tell its words again."""

Fence = tuple[Instant, Instant]


def fenced(fences: Sequence[Fence], version: int, latest: Instant, recorded_at: Instant) -> tuple[Fence, ...]:
    """Give the fences with that of the page receipt `version` begins, if it begins one."""
    begins = (version - 1) % RECEIPTS == 0
    return (*fences, (latest, recorded_at)) if begins else tuple(fences)


def page_for(fences: Sequence[Fence], at: Instant, known_at: Instant) -> int:
    """Tell which page answers what was true at a time, as known at another."""
    reached = [number for number, (latest, since) in enumerate(fences) if latest <= at and since <= known_at]
    return reached[-1] if reached else 0


def pages_of(fences: Sequence[Fence], effective_at: Instant) -> Sequence[int]:
    """Tell which pages need a word given at a time: the last, and before it each whose time reaches that far."""
    following = [latest for latest, _ in fences[1:]]
    return [*(number for number, latest in enumerate(following) if effective_at < latest), len(fences) - 1]


def standings_at(
    carried: Mapping[Address, Standing], receipts: Iterable[Mapping[str, Any]], at: Instant, known_at: Instant
) -> dict[Address, Standing]:
    """Give how everything stood at a time as known at another, from a page: what it carried and its receipts."""
    standings = dict(carried)
    for document in receipts:
        if document["effective_at"] <= at and document["recorded_at"] <= known_at:
            for address, word in words_of(document).items():
                standings[address] = standings.get(address, Standing()).heard(word)
    return standings
