"""The counters of the clinic's desk: what the numbers of a period say, ready to be drawn.

They are the statistics that programs get (`services.statistics`), added up by week or month, and
the reasons that people gave for a withdrawal. An answer is counted where it changed how a decision
stands.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from chalicelib.domain.consent import QuestionId, State
from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.time_to_confirm import Waited
from chalicelib.domain.withdrawal_reasons import WithdrawalReason
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.statistics import Group, Standing, StatisticsQuestion, read_statistics
from chalicelib.store import withdrawal_reasons

FEWEST = 5
"""From which number on a count is told to whoever is not to learn of single people."""

DRAWN = (State.GRANTED, State.REFUSED, State.WITHDRAWN)
"""The states that are drawn over time, in this order."""

_GROUPS = ("day", "question", "before", "state", "source", "lang", "channel", "waited")
_WEEK = timedelta(days=7)
_MONTHS_OF_A_YEAR = 12


class Period(StrEnum):
    """How far back the counters look."""

    FOUR_WEEKS = "weeks"
    QUARTER = "quarter"
    YEAR = "year"


class Step(NamedTuple):
    """A week or a month of a period, the last day included."""

    first: date
    last: date


class Share(NamedTuple):
    """One row of a table, such as a language; `number` is None for fewer than `FEWEST`."""

    name: tuple[str, ...]
    number: int | None


@dataclass(frozen=True, slots=True)
class Counters:
    """What happened in a period. Days are those of UTC, as statistics count them."""

    period: Period
    steps: Sequence[Step]
    over_time: Mapping[QuestionId, Mapping[State, Sequence[int]]]
    """By question and state how many answers each step brought; without what nobody answered."""
    sources: Sequence[Share]
    """By the name in the QR code or link ("" for none) and the channel, the largest first."""
    languages: Sequence[Share]
    confirmed: Sequence[Share]
    """Within what Yes was confirmed (`Waited` by name), then "unknown" and "not_yet"."""
    reasons: Sequence[Share]
    standing: Standing | None
    complete_until: Instant | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was counted."""
        return not self.over_time and not self.sources


def steps_of(period: Period, today: date) -> list[Step]:
    """Give the weeks of a period that ends today, or the twelve months with this one."""
    if period is Period.YEAR:
        return list(_months(today))
    number = 4 if period is Period.FOUR_WEEKS else 13
    first = today - number * _WEEK + timedelta(days=1)
    begins = [first + week * _WEEK for week in range(number)]
    return [Step(each, each + _WEEK - timedelta(days=1)) for each in begins]


def _months(today: date) -> Iterator[Step]:
    for back in range(_MONTHS_OF_A_YEAR - 1, -1, -1):
        months = today.year * _MONTHS_OF_A_YEAR + today.month - 1 - back
        first = _first_of(months)
        yield Step(first, min(_first_of(months + 1) - timedelta(days=1), today))


def _first_of(months: int) -> date:
    year, month = divmod(months, _MONTHS_OF_A_YEAR)
    return date(year, month + 1, 1)


def read_counters(
    portal: Portal, call: AuthorizedCall[EmptyBody], period: Period, *, hide_small: bool
) -> Counters:
    """Give the counters of a period; the look is audited.

    With `hide_small` a language or a reason that fewer than `FEWEST` answers have is not told by
    its number. Some ten round trips, whatever the period. Raises ContendedError, UnavailableError.
    """
    steps = steps_of(period, moment(call.now).date())
    first, last = steps[0].first, steps[-1].last
    found = read_statistics(portal, call, StatisticsQuestion(first, last, _GROUPS))
    reasons = withdrawal_reasons.totals(
        portal.table, call.clinic, first.isoformat(), last.isoformat()
    )
    counts = [(_Answer.of(group), number) for group, number in found.counts]
    moved = [(answer, number) for answer, number in counts if answer.before != answer.state]
    told = reasons if call.key.member is None else Counter[WithdrawalReason]()
    fewest = FEWEST if hide_small else 0
    return Counters(
        period,
        steps,
        _over_time(moved, steps),
        _shares(_added((each.source or "", each.channel or ""), n) for each, n in counts),
        _shares((_added((each.lang or "",), n) for each, n in counts), fewest),
        _confirmed(moved),
        _shares((_added((reason.value,), n) for reason, n in told.items()), fewest),
        found.standing,
        found.complete_until,
    )


class _Answer(NamedTuple):
    """What the answers of one count have in common, in the order of `_GROUPS`."""

    day: str
    question: str
    before: str | None
    state: str
    source: str | None
    lang: str | None
    channel: str | None
    waited: str | None

    @classmethod
    def of(cls, group: Group) -> "_Answer":
        """Name the parts of a count's group."""
        day, question, before, state, *how = group
        return cls(day or "", question or "", before, state or "", *how)


_Counted = Sequence[tuple[_Answer, int]]


def _over_time(counts: _Counted, steps: Sequence[Step]) -> dict[QuestionId, dict[State, list[int]]]:
    begins = [step.first.isoformat() for step in steps]
    found: dict[QuestionId, dict[State, list[int]]] = {}
    for answer, number in counts:
        if answer.state not in DRAWN:
            continue
        step = sum(begin <= answer.day for begin in begins) - 1
        by_state = found.setdefault(answer.question, {state: [0] * len(steps) for state in DRAWN})
        by_state[State(answer.state)][step] += number
    return dict(sorted(found.items()))


def _confirmed(counts: _Counted) -> list[Share]:
    """Tell within what each Yes was confirmed that waited, and how many were not."""
    total: Counter[str] = Counter()
    asked = confirmed = 0
    for answer, number in counts:
        if answer.state == State.PENDING:
            asked += number
        elif answer.before == State.PENDING and answer.state == State.GRANTED:
            confirmed += number
            total[answer.waited or "unknown"] += number
    names = [step.name.lower() for step in Waited]
    if total["unknown"]:
        names.append("unknown")
    total["not_yet"] = max(0, asked - confirmed)
    return (
        [Share((name,), total[name]) for name in (*names, "not_yet")] if asked + confirmed else []
    )


def _added(name: tuple[str, ...], number: int) -> tuple[tuple[str, ...], int]:
    return name, number


def _shares(counts: Iterator[tuple[tuple[str, ...], int]], fewest: int = 0) -> list[Share]:
    """Add up what is alike, the largest first; what is fewer than `fewest` loses its number."""
    total: Counter[tuple[str, ...]] = Counter()
    for name, number in counts:
        total[name] += number
    ordered = sorted(total.items(), key=lambda each: (-each[1], each[0]))
    return [Share(name, n if n >= fewest else None) for name, n in ordered if n > 0]
