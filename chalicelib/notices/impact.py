"""What a version of a notice does to the consents already given: before it is published, and after.

A MINOR version keeps every consent. A MAJOR one ends those that were given under another MAJOR.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import (
    NoticeInForce,
    QuestionId,
    State,
    major,
    resolve,
    resolve_confirmed,
)
from chalicelib.domain.instants import Instant
from chalicelib.domain.notice_versions import PublishedVersion, entry_at
from chalicelib.domain.subjects import Subject
from chalicelib.notices.differences import Difference, differences
from chalicelib.notices.workflow import Change, classify_change


class InForce(Protocol):
    """A clinic now: what it asks, which notice is in force, and every version published."""

    @property
    def clinic(self) -> Clinic:
        """The clinic as the notice in force describes it."""

    @property
    def in_force(self) -> NoticeInForce:
        """The notice in force."""

    @property
    def published(self) -> tuple[PublishedVersion, ...]:
        """Every version published."""


@dataclass(frozen=True, slots=True)
class ConsentCount:
    """How many consents a clinic's people had granted when they were last counted."""

    version: str
    """The version in force then: consents to another MAJOR were not counted."""
    counted_at: Instant
    """When the count ended."""
    people: int
    """Of how many people."""
    granted: Mapping[QuestionId, int]
    states: Mapping[QuestionId, Mapping[str, int]] = field(default_factory=dict)
    """How many people stood in each state, by question; none where an earlier version counted."""
    listed: Mapping[str, int] | None = None
    """How many people stood on each list of the day's work (`worklists.PeopleList`); None where an
    earlier version counted."""
    first: Mapping[str, Instant] = field(default_factory=dict)
    """The first moment that each of these lists went by: since when, or until when."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What publishing a version would do."""

    version: str
    change: Change
    since: Instant
    supersedes: Mapping[QuestionId, int] | None
    """How many consents it would end, by question, as of `counted_at`; None where nobody counted
    yet under the MAJOR in force."""
    people: int | None
    """Of how many people."""
    appear: tuple[QuestionId, ...]
    """The questions that are asked anew."""
    disappear: tuple[QuestionId, ...]
    """The questions that are asked no more."""
    changed: tuple[str, ...]
    """The places of the document that differ from what is in force, the full legal notice aside."""
    overtakes: tuple[str, ...]
    """The scheduled versions that would never begin."""
    beyond_words: tuple[Difference, ...] = ()
    """What a MINOR version changes beyond words."""
    minor_reason: str | None = None
    """Why it may be a MINOR version all the same."""
    counted_at: Instant | None = None
    """When the consents were counted; None for a MINOR version, which ends none."""


def preview(
    count: ConsentCount | None, current: InForce, after: Clinic, starts: Instant, at: Instant
) -> Preview:
    """Work out what publishing a version at a moment would do to the consents counted last.

    Where the MAJOR stays the one in force every consent stays as it is. Another MAJOR ends every
    consent that is granted.
    """
    since = max(at, starts)
    kind = classify_change(after.version, current.published, since)
    supersedes: Mapping[QuestionId, int] | None = {}
    people: int | None = 0
    counted_at: Instant | None = None
    if major(after.version) != current.in_force.major:
        if count is not None and major(count.version) == current.in_force.major:
            supersedes, people, counted_at = count.granted, count.people, count.counted_at
        else:
            supersedes = people = None
    before = current.clinic
    places = [each.place for each in differences(before, after, since)]
    return Preview(
        version=after.version,
        change=kind,
        since=since,
        supersedes=supersedes,
        people=people,
        appear=tuple(each for each in after.questions if each not in before.questions),
        disappear=tuple(each for each in before.questions if each not in after.questions),
        changed=tuple(dict.fromkeys(places)),
        overtakes=tuple(_overtaken(current.published, since)),
        counted_at=counted_at,
    )


def granted_questions(person: Subject, notice: NoticeInForce, at: Instant) -> list[QuestionId]:
    """Give the questions whose consent is granted: another MAJOR would end each of them."""
    return [
        question
        for question, summary in person.summaries.items()
        if resolve(summary, notice, at).state is State.GRANTED
    ]


def states_of(person: Subject, notice: NoticeInForce, at: Instant) -> dict[QuestionId, State]:
    """Give in which state each question stands that a person was ever asked."""
    states: dict[QuestionId, State] = {}
    for question, summary in person.summaries.items():
        state = resolve(summary, notice, at).state
        if state is not State.NEVER_ASKED:
            states[question] = state
    return states


def _overtaken(published: tuple[PublishedVersion, ...], since: Instant) -> Iterator[str]:
    """Yield the versions scheduled for later that a version in force from `since` overtakes."""
    for entry in published:
        would_begin = entry_at(published, entry.since).version == entry.version
        if entry.since >= since and would_begin:
            yield entry.version


def superseded(
    people: Iterable[Subject], notice: NoticeInForce, at: Instant
) -> Iterator[tuple[Subject, QuestionId, Instant]]:
    """Find whom to ask again: a MAJOR version ended their consent, and they gave none since."""
    for person in people:
        for question_id, summary in sorted(person.summaries.items()):
            # An answer that was never confirmed ends nothing, and renews nothing.
            status = resolve_confirmed(summary, notice, at)
            if status.state is State.SUPERSEDED and status.since is not None:
                yield person, question_id, status.since
