"""The day's work at a clinic: on which lists of people somebody stands, and why. Pure.

Nothing is put on these lists or taken off them: who stands on one follows from the person's answers
and from the notice in force, as every state does (`consent.resolve`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from chalicelib.domain.consent import (
    Channel,
    NoticeInForce,
    QuestionId,
    RecordedAnswer,
    State,
    Status,
    resolve,
)
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.subjects import Subject

ENDS_WITHIN = timedelta(days=60)
"""How long before its end a consent is listed: a month before the patient is reminded of it."""


class PeopleList(StrEnum):
    """The lists whose rows are people."""

    WAITING = "waiting"
    """A Yes waits to be confirmed by the owner of its contact."""

    ENDING = "ending"
    """A consent ends within `ENDS_WITHIN`."""

    SUPERSEDED = "superseded"
    """A new MAJOR version of the notice ended a consent, and the person has not answered since."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Why a person stands on a list.

    `at` is what the list goes by: since when a Yes waits or is superseded, when a consent ends.
    `receipt` is the receipt it follows from, `until` when a Yes that waits lapses.
    """

    questions: tuple[QuestionId, ...]
    at: Instant
    receipt: str
    until: Instant | None = None


def listed(on: PeopleList, person: Subject, notice: NoticeInForce, at: Instant) -> Listed | None:
    """Tell why a person stands on a list at a moment; None where they do not.

    Whoever was erased or has had processing restricted (GDPR Art. 18) stands on none.
    """
    if person.erased or person.restricted_since is not None:
        return None
    if on is PeopleList.WAITING:
        return _waiting(dict(_answers(person, notice, at, State.PENDING)))
    if on is PeopleList.ENDING:
        return _ending(dict(_answers(person, notice, at, State.GRANTED)), at)
    return _superseded(dict(_answers(person, notice, at, State.SUPERSEDED)))


def lists_of(person: Subject, notice: NoticeInForce, at: Instant) -> dict[PeopleList, Listed]:
    """Give every list on which a person stands, and why."""
    found = {on: listed(on, person, notice, at) for on in PeopleList}
    return {on: why for on, why in found.items() if why is not None}


Answers = Mapping[QuestionId, tuple[Status, RecordedAnswer]]


def _answers(
    person: Subject, notice: NoticeInForce, at: Instant, state: State
) -> Iterator[tuple[QuestionId, tuple[Status, RecordedAnswer]]]:
    """Give the questions that stand in a state, each with its status and answer."""
    for question, summary in sorted(person.summaries.items()):
        status = resolve(summary, notice, at)
        answer = status.recorded_answer
        if status.state is state and answer is not None:
            yield question, (status, answer)


def _waiting(pending: Answers) -> Listed | None:
    """Give the claims of the receipt that waits longest.

    An imported one is left out: nobody was told of it, or the import asked once.
    """
    claims = {
        question: answer
        for question, (_, answer) in pending.items()
        if answer.channel is not Channel.IMPORT
    }
    if not claims:
        return None
    first = min(claims.values(), key=lambda claim: (claim.recorded_at, claim.receipt_id))
    questions = tuple(
        question for question, claim in claims.items() if claim.receipt_id == first.receipt_id
    )
    return Listed(questions, first.recorded_at, first.receipt_id, first.confirm_by)


def _ending(granted: Answers, at: Instant) -> Listed | None:
    """Give the consents that end soon, by the end that comes first."""
    until = instant(moment(at) + ENDS_WITHIN)
    ends = {}
    for question, (_, answer) in granted.items():
        if answer.expires_at is not None and answer.expires_at <= until:
            ends[question] = answer
    if not ends:
        return None
    first = min(ends.values(), key=lambda answer: answer.expires_at or "")
    return Listed(tuple(ends), first.expires_at or "", first.receipt_id)


def _superseded(superseded: Answers) -> Listed | None:
    """Give the consents that a new notice ended; what was never confirmed had not begun."""
    ended = {
        question: (status.since or answer.recorded_at, answer)
        for question, (status, answer) in superseded.items()
        if not answer.awaits_confirmation
    }
    if not ended:
        return None
    last = max((answer for _, answer in ended.values()), key=lambda each: each.order_key)
    return Listed(tuple(ended), min(since for since, _ in ended.values()), last.receipt_id)
