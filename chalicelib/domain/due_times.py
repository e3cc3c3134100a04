"""When anything is due next for a person: a reminder, the erasure of contacts, the end of proof.

What is due depends on the time only through a few moments: when half of a Yes's time to be
confirmed is over, when a consent ends, when a version of the notice begins, when proof is kept no
longer. `_moments` gives all of them; between two of them nothing changes. The store keeps the next
one at which something is due beside each person (`Table.due`), so that the hourly round reads those
people alone.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chalicelib.domain import ages
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import AnswerSummary
from chalicelib.domain.guardians import is_of_consent_age
from chalicelib.domain.instants import Instant, ending, instant, moment
from chalicelib.domain.local_time import local_day, local_midnight
from chalicelib.domain.notice_versions import PublishedVersion
from chalicelib.domain.reminders import Reminder, expiry_reminder_at, halfway, reminders_for
from chalicelib.domain.retention import ONLY_STOPPED_KEPT, RetentionAction, retention_action
from chalicelib.domain.subjects import Subject


class Due(NamedTuple):
    """What is due for one person at a moment, whether it was done before or not."""

    reminders: tuple[Reminder, ...]
    action: RetentionAction

    def is_new_after(self, before: "Due") -> bool:
        """Tell whether anything is due that was not due before.

        A reminder is known by its kind and what it is about.
        """
        if self.action not in {RetentionAction.KEEP, before.action}:
            return True
        known = {(each.kind, each.reference) for each in before.reminders}
        return any((each.kind, each.reference) not in known for each in self.reminders)


_NOTHING = Due((), RetentionAction.KEEP)


def due_at(
    person: Subject, clinic: Clinic, history: Sequence[PublishedVersion], at: Instant
) -> Due:
    """Give what is due for a person at a moment, by the clinic as its notice in force describes
    it.
    """
    grown = is_of_consent_age(clinic, person.of_age, at)
    reminders = reminders_for(person, history, at, grown=grown)
    return Due(reminders, retention_action(person, history, clinic.proof_kept, at))


def first_due(
    person: Subject, clinic: Clinic, history: Sequence[PublishedVersion], at: Instant
) -> Instant | None:
    """Give the first moment from `at` on at which anything is due; None for never.

    For a person as a decision leaves them: what was due before may be not done yet, and so counts
    as due at once.
    """
    if due_at(person, clinic, history, at) != _NOTHING:
        return at
    return _next_after(person, clinic, history, at, _NOTHING)


def next_due(
    person: Subject, clinic: Clinic, history: Sequence[PublishedVersion], at: Instant
) -> Instant | None:
    """Give the first moment after `at` at which anything new is due; None for never.

    For a person for whom everything that was due at `at` is done.
    """
    return _next_after(person, clinic, history, at, due_at(person, clinic, history, at))


def _next_after(
    person: Subject,
    clinic: Clinic,
    history: Sequence[PublishedVersion],
    at: Instant,
    done: Due,
) -> Instant | None:
    later = {each for each in _moments(person, clinic, history) if each > at}
    for each in sorted(later):
        if due_at(person, clinic, history, each).is_new_after(done):
            return each
    return None


def _moments(
    person: Subject, clinic: Clinic, history: Sequence[PublishedVersion]
) -> Iterator[Instant]:
    """Give every moment at which what is due for a person may change, and perhaps others."""
    if person.proof_until is not None:
        yield person.proof_until
        return
    if person.restricted_since is not None or not person.summaries:
        return
    begins = {entry.since for entry in history}
    ends = {end for summary in person.summaries.values() for end in _ends(summary)}
    yield from begins
    yield from ends
    yield from _reminder_times(person)
    for end in begins | ends:
        yield ending(clinic.proof_kept, end)
    if person.recorded_at:
        yield instant(moment(person.recorded_at) + ONLY_STOPPED_KEPT)
    if person.of_age:
        yield from _grown_at(clinic, person.of_age)


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


def _reminder_times(person: Subject) -> Iterator[Instant]:
    """Give the moments from which people are reminded: of a Yes that waits, of one that ends."""
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
