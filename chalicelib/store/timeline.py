"""A person's answers in pages, so that what held at another time is read from one page.

A page holds the answers of `RECEIPTS` receipts and the summaries as they were before them. Its
start is a pair: the latest time any earlier answer was given, and when its first receipt was
recorded. The last page whose start is before both times asked about has the answer. A form entered
late is written to every page its time reaches.

A person keeps the starts of the last `KEPT` pages, so that a flood of receipts cannot make their
item too long; older pages are searched, and late answers for them stand in one item.
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
"""How many page starts a person keeps: a thousand receipts' worth, in two kilobytes."""

_KEPT_PARTS = (
    "id",
    "version",
    "effective_at",
    "recorded_at",
    "channel",
    "assurance",
    "notice",
    "decisions",
    "effective_until",
)
"""What a page keeps of a receipt's document: enough to read its answers again."""


def answers_part(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the part of a receipt's document that a page keeps."""
    return {part: document[part] for part in _KEPT_PARTS if part in document}


PageStart = tuple[Instant, Instant]
"""The latest time any earlier answer was given, and when the page's first receipt was recorded."""


def with_page_start(
    starts: Sequence[PageStart], version: int, latest: Instant, recorded_at: Instant
) -> tuple[PageStart, ...]:
    """Give the starts with that of the page receipt `version` begins, if it begins one."""
    return (*starts, (latest, recorded_at))[-KEPT:] if begins_page(version) else tuple(starts)


def begins_page(version: int) -> bool:
    """Tell whether a page begins with this receipt."""
    return (version - 1) % RECEIPTS == 0


def first_kept(starts: Sequence[PageStart], version: int) -> int:
    """Give the number of the first page whose start is kept, for the last receipt's `version`."""
    return (version - 1) // RECEIPTS + 1 - len(starts)


def page_for(
    starts: Sequence[PageStart], version: int, at: Instant, known_at: Instant
) -> int | None:
    """Tell which page answers what held at a time, as known at another.

    None for one before those kept.
    """
    first = first_kept(starts, version)
    reached = [number for number, start in enumerate(starts, first) if _before(start, at, known_at)]
    return reached[-1] if reached else (None if first else 0)


def search(pages: int, start_of: Callable[[int], PageStart], at: Instant, known_at: Instant) -> int:
    """Tell which of the first `pages` pages answers that, reading one page's start at each step.

    Ten steps for a thousand pages.
    """
    low, high = 0, pages - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _before(start_of(middle), at, known_at) else (low, middle - 1)
    return low


def pages_of(starts: Sequence[PageStart], version: int, effective_at: Instant) -> Sequence[int]:
    """Tell which pages need the answers of receipt `version`.

    The last, and before it each whose time reaches that far.
    """
    first = first_kept(starts, version)
    behind = [
        number for number, (latest, _) in enumerate(starts[1:], first) if effective_at < latest
    ]
    return [*behind, (version - 1) // RECEIPTS]


def is_late(starts: Sequence[PageStart], version: int, effective_at: Instant) -> bool:
    """Tell whether an answer came in late for a page whose start is kept no longer."""
    return first_kept(starts, version) > 0 and effective_at < starts[0][0]


def _before(start: PageStart, at: Instant, known_at: Instant) -> bool:
    return start[0] <= at and start[1] <= known_at


def answers_as_of(
    before: Mapping[QuestionId, AnswerSummary],
    receipts: Iterable[Mapping[str, Any]],
    at: Instant,
    known_at: Instant,
) -> dict[QuestionId, AnswerSummary]:
    """Give the summaries at a time as known at another, from those before a page and its receipts."""
    summaries = dict(before)
    for document in receipts:
        if document["effective_at"] <= at and document["recorded_at"] <= known_at:
            for question, answer in recorded_answers(document).items():
                earlier = summaries.get(question, AnswerSummary())
                summaries[question] = earlier.with_answer(answer)
    return summaries
