"""When each of a person's receipts was given and recorded: what tells which of them answer what was
true at some time, as known at some other.

Each receipt holds the summaries as they were before it (`receipts`). So the answer is in the first
receipt that was not yet given, or not yet known, and in those after it that were: papers that came
in late. Only times are searched for them, and they stand in pages of `RECEIPTS` receipts.

A page has a start, a pair: the latest time any earlier answer was given, and when its first receipt
was recorded. The last page whose start is before both times asked about tells the receipts. A
person holds the times of their last receipts, and the starts of the last `KEPT` pages, so that a
flood of receipts cannot make their item too long. The times go to the page `HELD` at a time. Those
of a receipt that came in late are written to every page they reach. Pages with older starts are
searched, and what came in late for them stands in one item.

An earlier version kept no summaries beside receipts, but the answers in the pages, and the
summaries as they were before each page: such a page answers by itself.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.consent import AnswerSummary, QuestionId
from chalicelib.domain.decisions import recorded_answers
from chalicelib.domain.instants import Instant, full, short

RECEIPTS = 32
"""How many receipts a page is about, late ones of other pages aside: their times are less than a
kilobyte."""

HELD = 12
"""How many receipts' times a person holds at most: seven bytes each once packed. Most people never
have more, and no page."""

KEPT = 32
"""How many page starts a person keeps: a thousand receipts' worth."""

Times = tuple[Instant, Instant]
"""When a receipt was given, and when it was recorded."""

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


def page_of(version: int) -> int:
    """Give the number of the page that a receipt belongs to."""
    return (version - 1) // RECEIPTS


def first_kept(starts: Sequence[PageStart], version: int) -> int:
    """Give the number of the first page whose start is kept, for the last receipt's `version`."""
    return page_of(version) + 1 - len(starts)


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


def late_pages(starts: Sequence[PageStart], version: int, effective_at: Instant) -> Sequence[int]:
    """Tell which pages before its own need the times of receipt `version`: each it reaches back
    to.
    """
    first = first_kept(starts, version)
    return [number for number, (latest, _) in enumerate(starts[1:], first) if effective_at < latest]


def is_late(starts: Sequence[PageStart], version: int, effective_at: Instant) -> bool:
    """Tell whether an answer came in late for a page whose start is kept no longer."""
    return first_kept(starts, version) > 0 and effective_at < starts[0][0]


def _before(start: PageStart, at: Instant, known_at: Instant) -> bool:
    return start[0] <= at and start[1] <= known_at


def write_times(times: Iterable[Times]) -> str:
    """Write the times of receipts that follow each other, such as "261122081500000"."""
    return " ".join(map(_write_one, times))


def _write_one(times: Times) -> str:
    given, recorded = map(short, times)
    return str(recorded) if given == recorded else f"{given}/{recorded}"


def read_times(text: str) -> list[Times]:
    """Read what `write_times` wrote."""
    return [_read_one(one) for one in text.split()]


def _read_one(text: str) -> Times:
    given, _, recorded = text.partition("/")
    return _instant(given), _instant(recorded or given)


def _instant(text: str) -> Instant:
    return full(int(text)) if text.isdecimal() else text


@dataclass(frozen=True, slots=True)
class Written:
    """What a receipt's times change: the text that the person holds, and what goes to a page.

    `chunk` are the times of receipts that follow each other, from receipt `first` on; "" where none
    go to a page.
    """

    held: str
    first: int = 0
    chunk: str = ""


def hold_times(held: str, version: int, times: Times) -> Written:
    """Give what a person holds with the times of receipt `version`, and what goes to a page.

    Those before it go there once they are `HELD`, or the page is full.
    """
    one, number = _write_one(times), len(held.split())
    if not held or (number < HELD and not begins_page(version)):
        return Written(f"{held} {one}".lstrip())
    return Written(one, version - number, held)


def times_held(held: str, version: int) -> dict[int, Times]:
    """Give the times that a person holds, by version; `version` is the last receipt's."""
    times = read_times(held)
    return dict(enumerate(times, version + 1 - len(times)))


@dataclass(frozen=True, slots=True)
class Page:
    """What tells how somebody stood: the times of a page's receipts and of late ones, by version.

    `answers` and `carried` are what an earlier version kept: the parts of receipts' documents, and
    the summaries as they were before the page; None where it kept none.
    """

    number: int
    times: Mapping[int, Times]
    answers: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    carried: Mapping[QuestionId, AnswerSummary] | None = None

    def plan(self, at: Instant, known_at: Instant) -> "Plan":
        """Tell which receipts answer what was true at a time, as known at another."""
        times = {version: _times_of(part) for version, part in self.answers.items()}
        times |= self.times
        true = {
            version
            for version, (given, recorded) in times.items()
            if given <= at and recorded <= known_at
        }
        first = self.number * RECEIPTS + 1
        own = [version for version in sorted(times) if page_of(version) == self.number]
        not_yet = next((version for version in own if version not in true), first + RECEIPTS)
        by_page = self.carried is not None and not_yet not in self.times
        by_page |= not_yet == 1  # before the first receipt there was nothing
        after = 0 if by_page else not_yet
        later = sorted(version for version in true if version > after)
        return Plan(
            base=None if by_page else not_yet,
            read=tuple(version for version in later if version not in self.answers),
            known=tuple(self.answers[version] for version in later if version in self.answers),
            carried=self.carried or {},
        )


def _times_of(part: Mapping[str, Any]) -> Times:
    return part["effective_at"], part["recorded_at"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Which receipts to read: the summaries before `base`, and the answers of those in `read`.

    Without `base` the summaries are `carried`. `known` are the answers that the page holds.
    """

    base: int | None
    read: Sequence[int]
    known: Sequence[Mapping[str, Any]]
    carried: Mapping[QuestionId, AnswerSummary]

    @property
    def versions(self) -> Sequence[int]:
        """The receipts that are read."""
        return self.read if self.base is None else [self.base, *self.read]


def with_answers(
    before: Mapping[QuestionId, AnswerSummary], documents: Iterable[Mapping[str, Any]]
) -> dict[QuestionId, AnswerSummary]:
    """Give summaries with the answers of some receipts, in whatever order."""
    summaries = dict(before)
    for document in documents:
        for question, answer in recorded_answers(document).items():
            summaries[question] = summaries.get(question, AnswerSummary()).with_answer(answer)
    return summaries
