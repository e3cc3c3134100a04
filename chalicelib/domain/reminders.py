"""What is due for one person at a moment: what to tell them unasked, and whether anything of them may still be kept.

Pure: the clock's hourly round asks this of everybody on the roll (see `housekeeping`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from chalicelib.domain.consent import (
    BY_CLINIC,
    Answer,
    AnswerSummary,
    Channel,
    NoticeInForce,
    QuestionId,
    RecordedAnswer,
    State,
    Status,
    resolve,
    resolve_confirmed,
)
from chalicelib.domain.instants import Instant, ending, instant, moment
from chalicelib.domain.notice_versions import PublishedVersion, Stage, notice_at, numbers, stage
from chalicelib.domain.receipts import Subject

EXPIRING_WITHIN = timedelta(days=30)
ONLY_STOPPED_KEPT = timedelta(days=30)
"""For how long a contact is kept under which things were only ever stopped.

So long a form on paper may lie before it is entered: it must not outlive this later word. No longer, for anybody may
have typed it, and it may be anybody's (GDPR Art. 5(1)(c), (e)).
"""

_TICK = timedelta(milliseconds=1)
_HOLDS = {State.GRANTED, State.PENDING}


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
    addresses: tuple[QuestionId, ...]
    word: RecordedAnswer
    at: Instant | None = None
    until: Instant | None = None


class RetentionAction(StrEnum):
    """What becomes of what is kept of a person."""

    KEEP = "keep"
    ERASE = "erase"
    """The contact goes now; the receipts, which then name nobody, when their date has come."""

    DELETE = "forget"
    """Everything goes."""


def reminders_for(
    person: Subject, history: Sequence[PublishedVersion], at: Instant, *, grown: bool = False
) -> tuple[Reminder, ...]:
    """Tell what this person is to be told by now; whoever has had processing restricted is told nothing.

    `grown` says that this is a child who decides alone by now (`guardians.is_of_consent_age`).
    """
    if person.erased or person.restricted_since is not None:
        return ()
    notice = notice_at(history, at)
    now = {address: resolve(standing, notice, at) for address, standing in sorted(person.standings.items())}
    return (*_reminders(now, at), *_expiring(person, now, at, grown=grown), *_changed(person, history, at))


def retention_action(person: Subject, history: Sequence[PublishedVersion], rule: str, at: Instant) -> RetentionAction:
    """Tell what becomes of a person's data, where proof is kept by this rule after everything has ended.

    Whoever left nothing but a Yes that was never confirmed is not kept at all: the contact may be anybody's (GDPR Art.
    5(1)(c), (e)). Whoever only ever stopped things, by a page or a link, is kept for `ONLY_STOPPED_KEPT`. Restricted
    data is only stored (Art. 18(2)).
    """
    if person.proof_until is not None:
        return RetentionAction.DELETE if person.proof_until <= at else RetentionAction.KEEP
    statuses = _statuses(person, notice_at(history, at), at)
    if person.restricted_since is not None or not statuses or any(each.state in _HOLDS for each in statuses):
        return RetentionAction.KEEP
    never_confirmed = all(standing.last is None for standing in person.standings.values())
    over = proof_until(person, history, rule, at)
    if all(map(_only_stopped, person.standings.values())):
        over = min(over, instant(moment(person.recorded_at) + ONLY_STOPPED_KEPT))
    return RetentionAction.ERASE if never_confirmed or over <= at else RetentionAction.KEEP


def _only_stopped(standing: AnswerSummary) -> bool:
    """Tell whether nothing was ever said on a decision but that it should stop, and not by the clinic itself."""
    if standing.last is None or standing.last.assurance in BY_CLINIC:
        return False
    return standing.first_yes is None and standing.first_stop is not None and standing.first_stop[1] is Answer.WITHDRAW


def proof_until(person: Subject, history: Sequence[PublishedVersion], rule: str, at: Instant) -> Instant:
    """Tell until when receipts are kept that prove what an erased person decided.

    A period counts from when the last of the consents ended; the erasure ends those that held until then.
    """
    statuses = _statuses(person, notice_at(history, at), at)
    claims = [standing.claim.confirm_by or at for standing in person.standings.values() if standing.claim]
    ended = [at if each.state in _HOLDS else each.since for each in statuses]
    return ending(rule, max((min(each, at) for each in [*ended, *claims] if each), default=at))


def _statuses(person: Subject, notice: NoticeInForce, at: Instant) -> list[Status]:
    return [resolve(standing, notice, at) for standing in person.standings.values()]


def _reminders(now: dict[QuestionId, Status], at: Instant) -> Iterator[Reminder]:
    waiting: dict[str, list[QuestionId]] = {}
    words: dict[str, RecordedAnswer] = {}
    for address, status in now.items():
        word = status.word
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
        word = status.word
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
        for address, standing in sorted(person.standings.items()):
            status = resolve_confirmed(standing, before, at)
            word = status.word
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
    return known_since < entry.since and numbers(word.notice_version) < numbers(entry.version)


def _middle(start: Instant, end: Instant) -> Instant:
    return instant(moment(start) + (moment(end) - moment(start)) / 2)
