"""What a person sees of their own data: the status of each question, and who could receive what.

Subjects, receipts and notices in, values out. The own page shows them, `services.data_export`
writes them into files.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.clinic import Clinic, Question, Text
from chalicelib.domain.consent import (
    Answer,
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
from chalicelib.domain.corrections import corrections_among
from chalicelib.domain.decisions import recorded_answers
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject


@dataclass(frozen=True, slots=True)
class QuestionStatus:
    """One question with its status, and the document of the receipt it follows from, if any."""

    question: Question
    status: Status
    receipt: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class RecipientPeriod:
    """A time in which a recipient could be given data, because a Yes permitted it."""

    question: Question
    recipient: Text
    since: Instant
    until: Instant | None
    """None while it lasts."""


@dataclass(frozen=True, slots=True)
class PermittedPeriod:
    """A time in which one question was granted, and the answer with which it began."""

    answer: RecordedAnswer
    since: Instant
    until: Instant | None
    """None while it lasts."""


def question_statuses(
    people: Sequence[Subject],
    clinic: Clinic,
    notice: NoticeInForce,
    at: Instant,
    receipts: Sequence[Receipt] = (),
) -> tuple[QuestionStatus, ...]:
    """Give the status of every question, purpose by purpose in the order of the notice.

    `clinic` has all questions that any version asked. Of several people who share a contact the
    strictest status counts, as for a program that asks by that contact.
    """
    documents = {receipt.id: receipt.document for receipt in receipts}
    statuses = []
    for question in _questions_by_purpose(clinic):
        resolved = [resolve(each.summaries.get(question.id), notice, at) for each in people]
        status = strictest(resolved)
        answer = status.recorded_answer
        document = documents.get(answer.receipt_id) if answer else None
        statuses.append(QuestionStatus(question, status, document))
    return tuple(statuses)


def _questions_by_purpose(clinic: Clinic) -> Iterator[Question]:
    by_purpose: dict[str, list[Question]] = {}
    for question in clinic.questions.values():
        by_purpose.setdefault(question.purpose.id, []).append(question)
    for questions in by_purpose.values():
        yield from questions


def recipient_periods(
    receipts: Sequence[Receipt],
    versions: Mapping[str | None, Clinic],
    notice_at: Callable[[Instant], NoticeInForce],
    changes: Iterable[Instant],
    now: Instant,
    *,
    restricted_since: Instant | None = None,
) -> tuple[RecipientPeriod, ...]:
    """Give who could receive what, and when (GDPR Art. 15(1)(c)); newest first.

    `versions` are the notices that the receipts name, `changes` the moments at which a notice came
    into force. Since processing was restricted nobody could (Art. 18(2)). A Yes that staff entered
    wrongly permitted it from when it was recorded until it was corrected (`corrections`). What was
    really handed over only the clinic knows.
    """
    corrected = corrections_among(receipts)
    answers: dict[QuestionId, list[RecordedAnswer]] = {}
    wrong: list[tuple[QuestionId, PermittedPeriod]] = []
    for receipt in receipts:
        corrected_at = corrected.get(receipt.id)
        for question_id, answer in recorded_answers(receipt.document).items():
            if corrected_at is None:
                answers.setdefault(question_id, []).append(answer)
            elif answer.answer is Answer.YES and answer.notice_version:
                over = min(corrected_at, answer.expires_at or corrected_at)
                wrong.append((question_id, PermittedPeriod(answer, answer.recorded_at, over)))
    moments = tuple(changes)
    found, periods = wrong, []
    for question_id, given in answers.items():
        right = permitted_periods(given, notice_at, moments, now)
        found += [(question_id, period) for period in right]
    for question_id, period in found:
        question = versions[period.answer.notice_version].questions[question_id]
        ends = [end for end in (period.until, restricted_since) if end]
        until = min(ends, default=None)
        if question.recipient is not None and (until is None or period.since < until):
            periods.append(RecipientPeriod(question, question.recipient, period.since, until))
    return tuple(sorted(periods, key=lambda period: period.since, reverse=True))


def permitted_periods(
    answers: Sequence[RecordedAnswer],
    notice_at: Callable[[Instant], NoticeInForce],
    changes: Sequence[Instant],
    now: Instant,
) -> list[PermittedPeriod]:
    """Give the periods in which one question was granted, by all that is known now."""
    later_answers = deque(sorted(answers, key=lambda answer: answer.effective_at))
    summary = AnswerSummary()
    periods: list[PermittedPeriod] = []
    for at in _turning_points(answers, changes, now):
        while later_answers and later_answers[0].effective_at <= at:
            summary = summary.with_answer(later_answers.popleft())
        status = resolve(summary, notice_at(at), at)
        lasts = bool(periods) and periods[-1].until is None
        if status.permitted and status.recorded_answer is not None and not lasts:
            periods.append(PermittedPeriod(status.recorded_answer, at, None))
        elif lasts and not status.permitted:
            periods[-1] = replace(periods[-1], until=at)
    return periods


def _turning_points(
    answers: Sequence[RecordedAnswer], changes: Sequence[Instant], now: Instant
) -> list[Instant]:
    """Give the moments at which a status can change: answers, their ends, and new notices."""
    moments = set(changes)
    for answer in answers:
        moments.add(answer.effective_at)
        moments.add(answer.expires_at or answer.effective_at)
        moments.add(answer.confirm_by or answer.effective_at)
    return sorted(at for at in moments if at and at <= now)


def current_states(
    receipt: Receipt, person: Subject, notice: NoticeInForce, at: Instant
) -> dict[QuestionId, State]:
    """Give the state of each question whose status still follows from this receipt."""
    states = {}
    for question in receipt.document["decisions"]:
        summary = person.summaries.get(question)
        # A claim leaves the answer before it as it is: that one's receipt still tells its state.
        for status in (resolve_confirmed(summary, notice, at), resolve(summary, notice, at)):
            answer = status.recorded_answer
            if answer is None or answer.receipt_id != receipt.id:
                continue
            # No program may take the receipt of a restricted consent for a permission.
            if status.permitted or status.state is not State.GRANTED:
                states[question] = status.state
    return states
