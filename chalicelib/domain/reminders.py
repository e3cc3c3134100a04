"""Reminders: messages that are due to a person at a moment without any act of theirs.

The hourly round asks this of each person whose time has come (`due_times`, `jobs.housekeeping`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache

from chalicelib.domain.consent import (
    Channel,
    NoticeInForce,
    QuestionId,
    RecordedAnswer,
    State,
    Status,
    resolve,
    resolve_confirmed,
)
from chalicelib.domain.instants import Instant, instant, just_before, moment
from chalicelib.domain.notice_versions import (
    PublishedVersion,
    entry_at,
    notice_at,
    version_numbers,
)
from chalicelib.domain.subjects import Subject

EXPIRING_WITHIN = timedelta(days=30)
"""How long before its end people are reminded of a consent."""


class ReminderKind(StrEnum):
    """What people are reminded of."""

    REMINDER = "reminder"
    """A Yes waits to be confirmed, and half of its time is over."""

    EXPIRING = "expiring"
    """A consent ends soon."""

    OF_AGE = "of_age"
    """A consent given for a child ends soon, and nobody can renew it for the child any more."""

    CHANGED = "changed"
    """A new version has replaced the notice that was agreed to."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder for one person; it is sent once for each `kind` and `reference`."""

    kind: ReminderKind
    reference: str
    """What it is about: the id of a receipt, the time of an end, or the version of a notice."""
    question_ids: tuple[QuestionId, ...]
    """The questions it is about; for a changed notice all that were agreed to before."""
    answer: RecordedAnswer
    """The person's answer that it follows from."""
    at: Instant | None = None
    """Since when something holds."""
    until: Instant | None = None
    """When something ends."""


def reminders_for(
    person: Subject, history: Sequence[PublishedVersion], at: Instant, *, grown: bool = False
) -> tuple[Reminder, ...]:
    """Give the reminders due at a moment; none for whoever was erased or has processing restricted.

    `grown` says that this is a child who decides alone by now (`guardians.is_of_consent_age`).
    """
    if person.erased or person.restricted_since is not None:
        return ()
    notice = notice_at(history, at)
    statuses = {
        question: resolve(summary, notice, at)
        for question, summary in sorted(person.summaries.items())
    }
    return (
        *_to_confirm(statuses, at),
        *_expiring(person, statuses, at, grown=grown),
        *_changed(person, history, at),
    )


def _to_confirm(statuses: Mapping[QuestionId, Status], at: Instant) -> Iterator[Reminder]:
    """Find the claims half of whose time is over, one reminder for each receipt.

    Of an imported one nobody is reminded: nobody was told of it, or the import asked once.
    """
    questions: dict[str, list[QuestionId]] = {}
    claims: dict[str, RecordedAnswer] = {}
    for question, status in statuses.items():
        claim = status.recorded_answer
        if status.state is not State.PENDING or claim is None or claim.confirm_by is None:
            continue
        if claim.channel is Channel.IMPORT:
            continue
        if halfway(claim.recorded_at, claim.confirm_by) <= at:
            questions.setdefault(claim.receipt_id, []).append(question)
            claims[claim.receipt_id] = claim
    for receipt_id, claim in claims.items():
        about = tuple(questions[receipt_id])
        yield Reminder(ReminderKind.REMINDER, receipt_id, about, claim, until=claim.confirm_by)


def _expiring(
    person: Subject, statuses: Mapping[QuestionId, Status], at: Instant, *, grown: bool
) -> Iterator[Reminder]:
    """Find the consents that end soon (`expiry_reminder_at`), one reminder for each end.

    Where a guardian cannot renew it, the reminder tells who can.
    """
    questions: dict[Instant, list[QuestionId]] = {}
    answers: dict[Instant, RecordedAnswer] = {}
    for question, status in statuses.items():
        answer = status.recorded_answer
        if status.state is not State.GRANTED or answer is None or answer.expires_at is None:
            continue
        end = answer.expires_at
        if expiry_reminder_at(answer.effective_at, end) <= at:
            questions.setdefault(end, []).append(question)
            answers[end] = answer
    for end, answer in answers.items():
        kind = ReminderKind.EXPIRING
        if grown or end == person.of_age:
            kind = ReminderKind.OF_AGE
        yield Reminder(kind, end, tuple(questions[end]), answer, until=end)


def _changed(
    person: Subject, history: Sequence[PublishedVersion], at: Instant
) -> Iterator[Reminder]:
    """Find the version in force, where the person had agreed to the one before.

    A version is not announced before it is in force: nobody can answer its questions until then.
    """
    entry = entry_at(history, at)
    before = notice_at(history, just_before(entry.since))
    if entry.since > at or before.version == entry.version:
        return
    agreed = _agreed_before(person, before, entry, at)
    if agreed:
        last = max(agreed.values(), key=lambda answer: answer.order_key)
        yield Reminder(ReminderKind.CHANGED, entry.version, tuple(agreed), last, at=entry.since)


def _agreed_before(
    person: Subject, before: NoticeInForce, entry: PublishedVersion, at: Instant
) -> dict[QuestionId, RecordedAnswer]:
    """Give the answers by which somebody had agreed to the version before, question by question."""
    agreed = {}
    for question, summary in sorted(person.summaries.items()):
        answer = summary.last
        if answer is None or not _is_older(answer, entry):
            continue
        if resolve_confirmed(summary, before, at).state is State.GRANTED:
            agreed[question] = answer
    return agreed


def _is_older(answer: RecordedAnswer, entry: PublishedVersion) -> bool:
    """Tell whether an answer was given to an older version, before this one was in force.

    An imported answer counts from its import: if the version was in force then, it is no news.
    """
    if answer.notice_version is None:
        return False
    imported = answer.channel is Channel.IMPORT
    known_since = answer.recorded_at if imported else answer.effective_at
    if known_since >= entry.since:
        return False
    return version_numbers(answer.notice_version) < version_numbers(entry.version)


def expiry_reminder_at(effective_at: Instant, end: Instant) -> Instant:
    """Tell from when on people are reminded of a consent's end: `EXPIRING_WITHIN` before it.

    A consent shorter than twice that time is reminded of in its second half.
    """
    soon = instant(moment(end) - EXPIRING_WITHIN)
    return max(soon, halfway(effective_at, end))


@lru_cache(maxsize=64)
def halfway(start: Instant, end: Instant) -> Instant:
    """Give the moment between two others; kept, as the questions of one form share it."""
    begun = moment(start)
    half = (moment(end) - begun) / 2
    return instant(begun + half)
