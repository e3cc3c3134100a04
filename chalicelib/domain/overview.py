"""What is known of one person at one clinic, told to that person: what holds, why, and who could receive what.

Pure: subjects, receipts and notices in, values out. `services.data_export` writes the same down to take along.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.clinic import Clinic, Question, Text
from chalicelib.domain.consent import (
    AnswerSummary,
    NoticeInForce,
    QuestionId,
    RecordedAnswer,
    State,
    Status,
    resolve,
    resolve_confirmed,
    strictest,
)
from chalicelib.domain.decisions import recorded_answers
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject

STOPPED_STATES = (State.REFUSED, State.WITHDRAWN)
"""The states in which the last word was a No or a withdrawal: nothing is left to stop."""


@dataclass(frozen=True, slots=True)
class QuestionStatus:
    """How one decision stands; `receipt` is the document of the receipt that says so, None where there is none."""

    question: Question
    status: Status
    receipt: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class RecipientPeriod:
    """A time in which a recipient could be given data, because a Yes permitted it. `until` is None while it lasts."""

    question: Question
    recipient: Text
    since: Instant
    until: Instant | None


def question_statuses(
    people: Sequence[Subject], ever: Clinic, notice: NoticeInForce, at: Instant, receipts: Sequence[Receipt] = ()
) -> tuple[QuestionStatus, ...]:
    """Tell how every decision ever asked for stands, purpose by purpose in the order of the notice.

    Of several people who share a contact, the strictest counts, as for whoever asks by that contact.
    """
    order = list(dict.fromkeys(question.purpose.id for question in ever.questions.values()))
    documents = {receipt.id: receipt.document for receipt in receipts}
    told = []
    for address, question in sorted(ever.questions.items(), key=lambda each: order.index(each[1].purpose.id)):
        status = strictest([resolve(person.summaries.get(address), notice, at) for person in people])
        told.append(
            QuestionStatus(
                question, status, documents.get(status.recorded_answer.receipt_id) if status.recorded_answer else None
            )
        )
    return tuple(told)


def recipient_periods(
    receipts: Sequence[Receipt],
    versions: Mapping[str | None, Clinic],
    notice_at: Callable[[Instant], NoticeInForce],
    changes: Iterable[Instant],
    now: Instant,
    *,
    restricted_since: Instant | None = None,
) -> tuple[RecipientPeriod, ...]:
    """Tell who could receive what from when until when (GDPR Art. 15(1)(c)), as a Yes permitted it.

    `versions` are the notices the receipts name, `changes` the moments at which a notice came into force. Where
    processing is restricted, since then nobody could (Art. 18(2)). What was really handed over the clinic knows.
    """
    words: dict[QuestionId, list[RecordedAnswer]] = {}
    for receipt in receipts:
        for address, word in recorded_answers(receipt.document).items():
            words.setdefault(address, []).append(word)
    moments = tuple(changes)
    told = []
    for address, said in words.items():
        for word, since, until in permitted_periods(said, notice_at, moments, now):
            question = versions[word.notice_version].questions[address]
            end = min(filter(None, (until, restricted_since)), default=None)
            if question.recipient is not None and (end is None or since < end):
                told.append(RecipientPeriod(question, question.recipient, since, end))
    return tuple(sorted(told, key=lambda each: each.since, reverse=True))


def permitted_periods(
    words: Sequence[RecordedAnswer],
    notice_at: Callable[[Instant], NoticeInForce],
    changes: Sequence[Instant],
    now: Instant,
) -> list[tuple[RecordedAnswer, Instant, Instant | None]]:
    """Give the periods in which one decision was granted, each with the word that began it, by what is known now."""
    turns = [(word.effective_at, word.expires_at, word.confirm_by) for word in words]
    moments = sorted({each for turn in (*turns, changes) for each in turn if each and each <= now})
    periods: list[tuple[RecordedAnswer, Instant, Instant | None]] = []
    standing, unheard = AnswerSummary(), deque(sorted(words, key=lambda word: word.effective_at))
    for moment in moments:
        while unheard and unheard[0].effective_at <= moment:
            standing = standing.with_answer(unheard.popleft())
        status = resolve(standing, notice_at(moment), moment)
        lasting = bool(periods) and periods[-1][2] is None
        if status.permitted and status.recorded_answer is not None and not lasting:
            periods.append((status.recorded_answer, moment, None))
        elif lasting and not status.permitted:
            periods[-1] = (*periods[-1][:2], moment)
    return periods


def current_states(receipt: Receipt, person: Subject, notice: NoticeInForce, at: Instant) -> dict[QuestionId, State]:
    """Tell how the decisions stand whose last word is still this receipt's."""
    now = {}
    for address in receipt.document["decisions"]:
        standing = person.summaries.get(address)
        # A claim takes nothing from the word it stands over: that one's receipt still tells it.
        for status in (resolve_confirmed(standing, notice, at), resolve(standing, notice, at)):
            # Nor does the receipt of a restricted consent say to a program that it may be used.
            usable = status.permitted or status.state is not State.GRANTED
            if status.recorded_answer is not None and status.recorded_answer.receipt_id == receipt.id and usable:
                now[address] = status.state
    return now
