"""When anything is due next for a person: a reminder, the erasure of contacts, the end of proof.

What is due changes only at a few moments, which are worked out first (`_reminder_moments`,
`_retention_moments`); of those the first is taken at which the rules of `reminders` and `retention`
find something. The store keeps it beside each person, in an index (docs/decisions/0024), so that
the hourly round reads nobody else.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from chalicelib.domain import ages
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import AnswerSummary, State, resolve_confirmed
from chalicelib.domain.guardians import is_of_consent_age
from chalicelib.domain.instants import END_OF_TIME, Instant, ending, instant, moment
from chalicelib.domain.local_time import local_midnight
from chalicelib.domain.notice_versions import PublishedVersion, notice_at
from chalicelib.domain.reminders import (
    Reminder,
    ReminderKind,
    expiry_reminder_at,
    halfway,
    reminders_for,
)
from chalicelib.domain.retention import ONLY_STOPPED_KEPT, RetentionAction, retention_action
from chalicelib.domain.subjects import Subject

ReminderId = tuple[ReminderKind, str]
"""What tells one reminder of a person from another: its kind, and what it is about."""


def reminders_at(
    person: Subject, clinic: Clinic, history: Sequence[PublishedVersion], at: Instant
) -> tuple[Reminder, ...]:
    """Give what a person is to be told by a moment, told before or not.

    `clinic` is as the notice in force describes it.
    """
    grown = is_of_consent_age(clinic, person.of_age, at)
    return reminders_for(person, history, at, grown=grown)


def first_due(
    person: Subject, clinic: Clinic, history: Sequence[PublishedVersion], at: Instant
) -> Instant | None:
    """Give the first moment from `at` on at which anything is due; None for never.

    For a person as a decision leaves them: what was due before may be not done yet, and so counts
    as due at once.
    """
    if retention_action(person, history, clinic.proof_kept, at) is not RetentionAction.KEEP:
        return at
    if reminders_at(person, clinic, history, at):
        return at
    return _first_after(person, clinic, history, at, told=())


def next_due(
    person: Subject, clinic: Clinic, history: Sequence[PublishedVersion], at: Instant
) -> Instant | None:
    """Give the first moment after `at` at which anything new is due; None for never.

    For a person who was told what was due at `at`, and whose data is kept then.
    """
    told = _ids(reminders_at(person, clinic, history, at))
    return _first_after(person, clinic, history, at, told)


def _first_after(
    person: Subject,
    clinic: Clinic,
    history: Sequence[PublishedVersion],
    at: Instant,
    told: Collection[ReminderId],
) -> Instant | None:
    """Give the first moment at which something is due, beside the reminders that were told."""
    if person.proof_until is not None:
        return person.proof_until
    if person.restricted_since is not None or not person.summaries:
        return None
    reminder = _first_reminder(person, clinic, history, at, told)
    action = _first_action(person, clinic, history, at, before=reminder or END_OF_TIME)
    return action or reminder


def _first_reminder(
    person: Subject,
    clinic: Clinic,
    history: Sequence[PublishedVersion],
    at: Instant,
    told: Collection[ReminderId],
) -> Instant | None:
    """Give the first moment after `at` at which a person is to be told what was not told."""
    for each in _later(at, _reminder_moments(person, clinic, history)):
        if not _ids(reminders_at(person, clinic, history, each)).issubset(told):
            return each
    return None


def _first_action(
    person: Subject,
    clinic: Clinic,
    history: Sequence[PublishedVersion],
    at: Instant,
    before: Instant,
) -> Instant | None:
    """Give the first moment between two at which a person's data is kept no longer."""
    if _is_in_use_for_good(person, history, at):
        return None
    for each in _later(at, _retention_moments(person, clinic, history)):
        if each >= before:
            return None
        if retention_action(person, history, clinic.proof_kept, each) is not RetentionAction.KEEP:
            return each
    return None


def _ids(reminders: Sequence[Reminder]) -> set[ReminderId]:
    return {(each.kind, each.reference) for each in reminders}


def _later(at: Instant, moments: Iterable[Instant]) -> list[Instant]:
    return sorted({each for each in moments if each > at})


def _is_in_use_for_good(person: Subject, history: Sequence[PublishedVersion], at: Instant) -> bool:
    """Tell whether a consent is granted that ends neither by itself nor by a version to come."""
    if any(entry.since > at for entry in history):
        return False
    notice = notice_at(history, at)
    for summary in person.summaries.values():
        if summary.last is None or summary.last.expires_at is not None:
            continue
        if resolve_confirmed(summary, notice, at).state is State.GRANTED:
            return True
    return False


def _retention_moments(
    person: Subject, clinic: Clinic, history: Sequence[PublishedVersion]
) -> Iterator[Instant]:
    """Give every moment at which a person's data may be kept no longer, and perhaps others."""
    ends = {entry.since for entry in history}
    for summary in person.summaries.values():
        ends.update(_ends(summary))
    yield from ends
    for end in ends:
        yield ending(clinic.proof_kept, end)
    if person.recorded_at:
        yield instant(moment(person.recorded_at) + ONLY_STOPPED_KEPT)


def _ends(summary: AnswerSummary) -> Iterator[Instant]:
    """Give the moments at which one of a question's answers begins or ends to count."""
    for answer in (summary.last, summary.claim):
        if answer is None:
            continue
        yield answer.effective_at
        if answer.expires_at is not None:
            yield answer.expires_at
        if answer.confirm_by is not None:
            yield answer.confirm_by


def _reminder_moments(
    person: Subject, clinic: Clinic, history: Sequence[PublishedVersion]
) -> Iterator[Instant]:
    """Give every moment at which a person may have to be told something, and perhaps others.

    When half of a Yes's time to be confirmed is over, before a consent ends, when a version begins,
    and when a child begins to decide alone.
    """
    waits, lasts = set(), set()
    for summary in person.summaries.values():
        claim, last = summary.claim, summary.last
        if claim is not None and claim.confirm_by is not None:
            waits.add((claim.recorded_at, claim.confirm_by))
        if last is not None and last.expires_at is not None:
            lasts.add((last.effective_at, last.expires_at))
    for recorded_at, confirm_by in waits:
        yield halfway(recorded_at, confirm_by)
    for effective_at, expires_at in lasts:
        yield expiry_reminder_at(effective_at, expires_at)
    for entry in history:
        yield entry.since
    if person.of_age:
        yield from _grown_at(clinic, person.of_age)


def _grown_at(clinic: Clinic, of_age: Instant) -> Iterator[Instant]:
    """Give the moments at which a child may begin to decide alone (`guardians.is_of_consent_age`).

    One for each age that the law or the clinic may set, and each day on which the law changes.
    """
    rules = ages.rules()[clinic.country]
    dated = [*rules["own_consent"], *rules["majority"]]
    for rule in dated:
        if rule["from"]:
            yield local_midnight(rule["from"], clinic.country)
    alone = {clinic.age_minimum} if clinic.age_minimum else {r["age"] for r in rules["own_consent"]}
    for years in alone:
        for majority in {rule["age"] for rule in rules["majority"]}:
            yield ages.reached_at(of_age, years - majority, clinic.country)
