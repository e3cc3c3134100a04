"""A person's answers in pages: what was true at another time is read from one page.

Receipts are numbered in the order they were recorded; a page holds the words of `RECEIPTS` of them,
after how everything stood when it began (`carried`). Each page begins behind a fence: the latest
moment any earlier word was given at, and when its own first receipt was recorded. Asked what was
true at one time as known at another, the last page whose fence lies before both holds all of the
answer: what came before it is carried, what comes after it was given later or not known yet. A
paper form entered late is the exception, and so is written to every page whose time it reaches
into.

A person carries the fences of the last `KEPT` pages and no more, or whoever floods them with
receipts would make them too long to be written at all. Pages before those are searched by the
fences they bear themselves, and what came in late for any of them stands on a page of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from chalicelib.domain.consent import AnswerSummary, QuestionId
from chalicelib.domain.decisions import recorded_answers
from chalicelib.domain.instants import Instant

RECEIPTS = 32
"""How many receipts a page holds, late ones of other pages aside: small enough to read a hundred
pages at once."""

KEPT = 32
"""How many fences a person carries: a thousand receipts' worth, in two kilobytes."""

NEEDED = (
    "id",
    "version",
    "effective_at",
    "recorded_at",
    "channel",
    "assurance",
    "notice",
    "decisions",
)
"""What a page keeps of a receipt's document: enough to tell its words again."""


def answers_part(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the part of a receipt's document that a page keeps."""
    kept = (*NEEDED, "effective_until")
    return {part: document[part] for part in kept if part in document}


PageStart = tuple[Instant, Instant]


def with_page_start(
    fences: Sequence[PageStart], version: int, latest: Instant, recorded_at: Instant
) -> tuple[PageStart, ...]:
    """Give the fences with that of the page receipt `version` begins, if it begins one."""
    return (*fences, (latest, recorded_at))[-KEPT:] if begins_page(version) else tuple(fences)


def begins_page(version: int) -> bool:
    """Tell whether a page begins with this receipt."""
    return (version - 1) % RECEIPTS == 0


def first_kept(fences: Sequence[PageStart], version: int) -> int:
    """Give the number of the first page whose start is kept, for the last receipt's `version`."""
    return (version - 1) // RECEIPTS + 1 - len(fences)


def page_for(
    fences: Sequence[PageStart], version: int, at: Instant, known_at: Instant
) -> int | None:
    """Tell which page answers what was true at a time, as known at another.

    None for one before those kept.
    """
    first = first_kept(fences, version)
    reached = [number for number, fence in enumerate(fences, first) if _before(fence, at, known_at)]
    return reached[-1] if reached else (None if first else 0)


def search(pages: int, fence_of: Callable[[int], PageStart], at: Instant, known_at: Instant) -> int:
    """Tell which of the first `pages` pages answers that, reading one page's start at each step.

    Ten steps for a thousand pages.
    """
    low, high = 0, pages - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _before(fence_of(middle), at, known_at) else (low, middle - 1)
    return low


def pages_of(fences: Sequence[PageStart], version: int, effective_at: Instant) -> Sequence[int]:
    """Tell which pages need the answers of receipt `version`.

    The last, and before it each whose time reaches that far.
    """
    first = first_kept(fences, version)
    behind = [
        number for number, (latest, _) in enumerate(fences[1:], first) if effective_at < latest
    ]
    return [*behind, (version - 1) // RECEIPTS]


def is_late(fences: Sequence[PageStart], version: int, effective_at: Instant) -> bool:
    """Tell whether a word came in late for a page before those kept."""
    return first_kept(fences, version) > 0 and effective_at < fences[0][0]


def _before(fence: PageStart, at: Instant, known_at: Instant) -> bool:
    return fence[0] <= at and fence[1] <= known_at


def answers_as_of(
    carried: Mapping[QuestionId, AnswerSummary],
    receipts: Iterable[Mapping[str, Any]],
    at: Instant,
    known_at: Instant,
) -> dict[QuestionId, AnswerSummary]:
    """Give how everything stood at a time as known at another, from a page's start and receipts."""
    standings = dict(carried)
    for document in receipts:
        if document["effective_at"] <= at and document["recorded_at"] <= known_at:
            for address, word in recorded_answers(document).items():
                standings[address] = standings.get(address, AnswerSummary()).with_answer(word)
    return standings
