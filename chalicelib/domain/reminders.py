"""Which reminders are due for one person at a moment: messages that nothing the person just did has caused.

The hourly job asks this of everybody (`jobs.housekeeping`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from chalicelib.domain.consent import (
    Channel,
    QuestionId,
    RecordedAnswer,
    State,
    Status,
    resolve,
    resolve_confirmed,
)
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.notice_versions import PublishedVersion, Stage, notice_at, stage, version_numbers
from chalicelib.domain.subjects import Subject

EXPIRING_WITHIN = timedelta(days=30)

_TICK = timedelta(milliseconds=1)


class ReminderKind(StrEnum):
    """What people are told without having done anything."""

    REMINDER = "reminder"
    """A Yes waits to be confirmed, and half of its time is over."""

    EXPIRING = "expiring"
    """A consent ends soon."""

    OF_AGE = "of_age"
    """A consent given for a child ends soon, and nobody can renew it for whoever decides alone by then."""

    CHANGED = "changed"
    """A new version has followed the notice that was agreed to."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """One thing to tell: of which kind, about what (told once per kind and `reference`), by which word of theirs.

    `addresses` are the decisions it is about: for a changed notice all that was agreed to under the one before. `at` is
    since when something holds, `until` when something ends.
    """

    kind: ReminderKind
    reference: str
    question_ids: tuple[QuestionId, ...]
    answer: RecordedAnswer
    at: Instant | None = None
    until: Instant | None = None


def reminders_for(
    person: Subject, history: Sequence[PublishedVersion], at: Instant, *, grown: bool = False
) -> tuple[Reminder, ...]:
    """Tell what this person is to be told by now; whoever has had processing restricted is told nothing.

    `grown` says that this is a child who decides alone by now (`guardians.is_of_consent_age`).
    """
    if person.erased or person.restricted_since is not None:
        return ()
    notice = notice_at(history, at)
    now = {address: resolve(standing, notice, at) for address, standing in sorted(person.summaries.items())}
    return (*_reminders(now, at), *_expiring(person, now, at, grown=grown), *_changed(person, history, at))


def _reminders(now: dict[QuestionId, Status], at: Instant) -> Iterator[Reminder]:
    waiting: dict[str, list[QuestionId]] = {}
    words: dict[str, RecordedAnswer] = {}
    for address, status in now.items():
        word = status.recorded_answer
        until = word.confirm_by if word is not None and status.state is State.PENDING else None
        if word is not None and until is not None and _middle(word.recorded_at, until) <= at:
            waiting.setdefault(word.receipt_id, []).append(address)
            words[word.receipt_id] = word
    for receipt, addresses in waiting.items():
        word = words[receipt]
        yield Reminder(ReminderKind.REMINDER, receipt, tuple(addresses), word, until=word.confirm_by)


def _expiring(person: Subject, now: dict[QuestionId, Status], at: Instant, *, grown: bool) -> Iterator[Reminder]:
    """Find what ends within the month; of a consent that is shorter than two months, in the second half of it.

    A guardian who could not renew it is told who can.
    """
    ends: dict[Instant, list[QuestionId]] = {}
    words: dict[Instant, RecordedAnswer] = {}
    for address, status in now.items():
        word = status.recorded_answer
        if status.state is State.GRANTED and word is not None and word.expires_at is not None:
            month = instant(moment(word.expires_at) - EXPIRING_WITHIN)
            if max(month, _middle(word.effective_at, word.expires_at)) <= at:
                ends.setdefault(word.expires_at, []).append(address)
                words[word.expires_at] = word
    for end, addresses in ends.items():
        kind = ReminderKind.OF_AGE if grown or end == person.of_age else ReminderKind.EXPIRING
        yield Reminder(kind, end, tuple(addresses), words[end], until=end)


def _changed(person: Subject, history: Sequence[PublishedVersion], at: Instant) -> Iterator[Reminder]:
    """Find the version in force, where it followed a text this person had agreed to until then.

    One that is only announced is told of when it begins: nobody can answer its questions before.
    """
    for entry in history:
        before = notice_at(history, instant(moment(entry.since) - _TICK))
        holds = stage(entry.since, entry.version, history, at) is Stage.IN_FORCE
        if not holds or before.version == entry.version:
            continue
        agreed: dict[QuestionId, RecordedAnswer] = {}
        for address, standing in sorted(person.summaries.items()):
            status = resolve_confirmed(standing, before, at)
            word = status.recorded_answer
            if status.state is State.GRANTED and word is not None and _older(word, entry):
                agreed[address] = word
        if agreed:
            word = max(agreed.values(), key=lambda each: each.order_key)
            yield Reminder(ReminderKind.CHANGED, entry.version, tuple(agreed), word, at=entry.since)


def _older(word: RecordedAnswer, entry: PublishedVersion) -> bool:
    """Tell whether a word was given to an older version; one taken over since was no news then, and is none now."""
    if word.notice_version is None:
        return False
    known_since = word.recorded_at if word.channel is Channel.IMPORT else word.effective_at
    return known_since < entry.since and version_numbers(word.notice_version) < version_numbers(entry.version)


def _middle(start: Instant, end: Instant) -> Instant:
    return instant(moment(start) + (moment(end) - moment(start)) / 2)
