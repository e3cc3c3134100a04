"""The walk through all people of a clinic, once for each version of its notice that comes into force.

A new version makes messages due to people whose due times were worked out before it was published,
and may keep proof for another time. So everybody is looked at once, a hundred at a time, in as many
hourly rounds as it takes: what is due is done, and the due time worked out anew. Until then nothing
is permitted wrongly: states follow from the notice in force, not from the walk.

A clinic that was never walked through is walked through too: so people stored before there were due
times get theirs. Each walk counts the consents that are granted; whoever prepares a MAJOR version
asks for a new count, and so for one more walk (`store.consent_counts`).
"""

import itertools
import json
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Self

from chalicelib import log
from chalicelib.domain.consent import NoticeInForce, QuestionId
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.notice_versions import entry_at
from chalicelib.domain.subjects import Subject
from chalicelib.domain.worklists import lists_of
from chalicelib.jobs.due_people import DueWork
from chalicelib.notices.impact import ConsentCount, granted_questions, states_of
from chalicelib.store import consent_counts, people
from chalicelib.store.clinics import histories
from chalicelib.store.items import Item
from chalicelib.store.keys.jobs import walk_key
from chalicelib.store.table import BATCH, Table
from chalicelib.store.writes import Put

RULES = 1
"""Raise it with a change of the code that makes something due at another time (such as an age of
the law): then everybody is walked through once more."""

SETTLED = timedelta(minutes=1)
"""How long a version is in force before its walk begins: a decision that was read before, under the
version before, is written by then."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How far the walk for one version came, and what it has counted."""

    version: str
    rules: int
    asked: Instant = ""
    """When the count was asked for; "" where nobody asked."""
    after: str = ""
    """The last person looked at."""
    done: bool = False
    people: int = 0
    """How many people have granted anything, of those looked at."""
    granted: Mapping[QuestionId, int] = field(default_factory=dict)
    """How many consents they have granted, by question."""
    states: Mapping[QuestionId, Mapping[str, int]] = field(default_factory=dict)
    """How many of them stand in each state, by question."""
    listed: Mapping[str, int] | None = None
    """How many people stand on each list of the day's work; None where an earlier version of the
    portal began the walk."""
    first: Mapping[str, Instant] = field(default_factory=dict)
    """The first moment that each list goes by."""

    @classmethod
    def read(cls, item: Item) -> Self:
        """Read it from its item."""
        return cls(**json.loads(item.body or "{}"))

    def answers(self, wanted: "Walk") -> bool:
        """Tell whether this walk is, or will be once it is done, what another was to be.

        One that is under way is finished first, also where somebody asked for a count since.
        """
        if (self.version, self.rules) != (wanted.version, wanted.rules):
            return False
        return not self.done or self.asked >= wanted.asked

    def with_people(
        self, everybody: Sequence[Subject], notice: NoticeInForce, at: Instant, last: str
    ) -> Self:
        """Give the walk after some more people, the last of whom has this id."""
        granted = [granted_questions(person, notice, at) for person in everybody]
        counted = Counter(self.granted)
        for questions in granted:
            counted.update(questions)
        people = self.people + sum(map(bool, granted))
        states = {question: Counter(counts) for question, counts in self.states.items()}
        for person in everybody:
            for question, state in states_of(person, notice, at).items():
                states.setdefault(question, Counter())[state.value] += 1
        kept = {question: dict(counts) for question, counts in states.items()}
        walk = replace(self, after=last, people=people, granted=dict(counted), states=kept)
        return walk if walk.listed is None else walk.with_listed(everybody, notice, at)

    def with_listed(self, everybody: Sequence[Subject], notice: NoticeInForce, at: Instant) -> Self:
        """Give the walk with some more people counted on the lists on which they stand."""
        listed, first = Counter(self.listed or {}), dict(self.first)
        for person in everybody:
            for name, why in lists_of(person, notice, at).items():
                listed[name.value] += 1
                first[name.value] = min(first.get(name.value, why.at), why.at)
        return replace(self, listed=dict(listed), first=first)


def walk_where_a_version_began(work: DueWork, out_of_time: OutOfTime) -> bool:
    """Walk on through each clinic whose version in force was not walked through yet.

    And where a count was asked for. The clinics take turns, a hundred people each: one with very
    many keeps no other waiting. A clinic for which nothing can be done now is left to the next
    round. Tells False where time ran out. Raises UnavailableError.
    """
    table = work.portal.table
    clinics = work.portal.clinics.all()
    kept, asked = walks(table), consent_counts.asked(table, clinics)
    under_way: deque[Iterator[Walk]] = deque()
    for clinic, history in sorted(histories(table, clinics).items()):
        version = entry_at(history, _settled(work.now)).version
        walk = Walk(version, RULES, asked.get(clinic, ""), listed={})
        before = kept.get(clinic)
        if before is not None and before.answers(walk):
            walk = before
        if not walk.done:
            under_way.append(walk_on(work, clinic, walk))
    while under_way:
        if out_of_time():
            return False
        steps = under_way.popleft()
        if next(steps, None) is not None:
            under_way.append(steps)
    return True


def walks(table: Table) -> Mapping[str, Walk]:
    """Give how far the last walk through each clinic came."""
    prefix = walk_key("")
    found = table.partition(prefix.pk, prefix.sk)
    return {item.sk.removeprefix(prefix.sk): Walk.read(item) for item in found}


def walk_on(work: DueWork, clinic: str, walk: Walk) -> Iterator[Walk]:
    """Go on with a walk through a clinic, to its end; give how far it came while there are more."""
    table = work.portal.table
    everybody = people.iter_items(table, clinic, after=walk.after)
    batch = list(itertools.islice(everybody, BATCH))
    while batch:
        read = work.attend_to(clinic, batch)
        if read is None:
            return
        notice = work.look_up(clinic).in_force_at(_settled(work.now))
        walk = walk.with_people(read, notice, work.now, batch[-1].sk)
        _keep(table, clinic, walk)
        batch = list(itertools.islice(everybody, BATCH))
        if batch:
            yield walk
    count = ConsentCount(
        walk.version,
        work.now,
        walk.people,
        walk.granted,
        walk.states,
        listed=walk.listed,
        first=walk.first,
    )
    consent_counts.keep(table, clinic, count)
    _keep(table, clinic, replace(walk, after="", done=True))
    log.log().info("walked", clinic=clinic, version=walk.version)


def _settled(now: Instant) -> Instant:
    return instant(moment(now) - SETTLED)


def _keep(table: Table, clinic: str, walk: Walk) -> None:
    table.put(Put(walk_key(clinic), {"body": json.dumps(asdict(walk))}))
