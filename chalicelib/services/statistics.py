"""Statistics: how many answers led where, by day and by how they were given; and how people stand.

Answers are counted from the feed of changes, each once (`store.statistics`); every receipt recorded
until `complete_until` is counted. They are events: who says Yes, and No a week later, is counted on
both days. How people stand is counted by a walk through them, at most a day ago when somebody asks
each day, with what has expired or was superseded by then (`jobs.publication_walk`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.notices.impact import ConsentCount
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.notices import COUNT_LASTS
from chalicelib.store import changes, consent_counts, statistics
from chalicelib.store.statistics import Tally

GROUPS = (
    "day",
    "purpose",
    "question",
    "before",
    "state",
    "source",
    "lang",
    "channel",
    "assurance",
    "waited",
)
"""By what the counts can be told apart."""

DEFAULT_GROUPS = ("day", "question", "state", "source")
MOST_DAYS = 366
DEFAULT_DAYS = 30

Group = tuple[str | None, ...]
"""What the answers of one count have in common; None for what an earlier release did not tell."""


@dataclass(frozen=True, slots=True)
class StatisticsQuestion:
    """Which days (UTC, the last included), and by what the counts are told apart."""

    first: date
    last: date
    groups: tuple[str, ...] = DEFAULT_GROUPS

    @property
    def days(self) -> list[str]:
        """Give each of the days, such as ``2026-11-22``."""
        number = (self.last - self.first).days + 1
        return [(self.first + timedelta(days=day)).isoformat() for day in range(number)]


@dataclass(frozen=True, slots=True)
class Standing:
    """How many people stand in each state, by question, and when that was counted."""

    counted_at: Instant
    states: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Statistics:
    """The counts in the order of their groups; `standing` is None where nobody counted yet."""

    groups: tuple[str, ...]
    counts: Sequence[tuple[Group, int]]
    complete_until: Instant | None
    standing: Standing | None


def read_statistics(
    portal: Portal, call: AuthorizedCall[EmptyBody], question: StatisticsQuestion
) -> Statistics:
    """Give the counts of some days, and how people stand; a count a day old is asked for anew.

    The key of one joint controller is told the questions that one shares. Raises ContendedError,
    UnavailableError.
    """
    clinic, shared = call.clinic, call.shared.questions.keys()
    until = changes.complete_until(portal.table, clinic)
    total: Counter[Group] = Counter()
    began = call.lookup.published.published[0].published_at[:10]
    for tally in statistics.tallies(portal.table, clinic, question.days, began):
        if tally.question in shared:
            total[_group_of(tally, question.groups)] += tally.number
    counts = [(group, number) for group, number in total.items() if number]
    counts.sort(key=lambda counted: tuple(name or "" for name in counted[0]))
    standing = _standing(portal, call)
    portal.table.put_new(call.audit("stats"))
    return Statistics(question.groups, counts, until, standing)


def _group_of(tally: Tally, groups: Sequence[str]) -> Group:
    """Give what an answer's count is told apart by."""
    about: dict[str, str | None] = {
        "day": tally.day,
        "purpose": tally.question.partition(".")[0],
        "question": tally.question,
        "before": tally.before,
        "state": tally.after,
        "source": None if tally.source == changes.UNKNOWN_SOURCE else tally.source,
        "lang": tally.lang,
        "channel": tally.channel,
        "assurance": tally.assurance,
        "waited": tally.waited.name.lower() if tally.waited else None,
    }
    return tuple(about[name] for name in groups)


def _standing(portal: Portal, call: AuthorizedCall[EmptyBody]) -> Standing | None:
    """Give how people stood when they were last counted; ask for a new count where that is old."""
    count, asked_at = consent_counts.find_with_request(portal.table, call.clinic)
    fresh_since = instant(moment(call.now) - COUNT_LASTS)
    if _is_old(count, fresh_since) and asked_at < fresh_since:
        portal.table.write_one(consent_counts.ask_anew(call.clinic, call.now))
    if count is None or not count.states:
        return None
    states = {
        question: counts
        for question, counts in sorted(count.states.items())
        if question in call.shared.questions
    }
    return Standing(count.counted_at, states)


def _is_old(count: ConsentCount | None, fresh_since: Instant) -> bool:
    return count is None or not count.states or count.counted_at < fresh_since
