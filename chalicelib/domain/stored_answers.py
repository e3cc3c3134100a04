"""How the summaries of a person's answers are stored: short, and each receipt named once.

The form is ``[receipts, questions]``, ready for JSON.

- A receipt is ``[id, version, given, recorded, notice, language, channel, assurance]``. `recorded`
  is 0 where it is the same moment as `given`. Where only the day is known, the end of the day
  follows.
- A question has up to four parts: the last answer, the claim, the first Yes, the first stop. A part
  that is lacking is 0, and left out at the end.
- An answer is ``[receipt, letter, confirm_by, expires_at]``: the place of its receipt in the list,
  and ``y``, ``n`` or ``w``. Times that are lacking are 0, and left out at the end.
- The first Yes is ``[receipt]`` where that receipt is in the list and was given then, else
  ``[given, version]``. The first stop has its letter behind that.

Instants are written by `instants.short`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.consent import (
    Answer,
    AnswerSummary,
    Assurance,
    Channel,
    GivenAt,
    QuestionId,
    RecordedAnswer,
)
from chalicelib.domain.instants import full, short

StoredAnswers = list[Any]
"""``[receipts, questions]``, as the module says."""

_LETTERS = {Answer.YES: "y", Answer.NO: "n", Answer.WITHDRAW: "w"}
_ANSWERS = {letter: answer for answer, letter in _LETTERS.items()}


def stored_answers(summaries: Mapping[QuestionId, AnswerSummary]) -> StoredAnswers:
    """Write summaries, ready for JSON; whether processing is restricted is not part of them."""
    places: dict[tuple[Any, ...], int] = {}
    for summary in summaries.values():
        for answer in (summary.last, summary.claim):
            if answer is not None:
                places.setdefault(_stored_receipt(answer), len(places))
    given = {(at, version): place for (_, version, at, *_), place in places.items()}
    questions = {
        question: _without_zeros(_parts(summary, places, given))
        for question, summary in summaries.items()
    }
    return [list(places), questions]


def read_answers(stored: Sequence[Any]) -> dict[QuestionId, AnswerSummary]:
    """Rebuild summaries from their stored form.

    Raise ValueError, TypeError or LookupError where it is none.
    """
    receipts, questions = stored
    common = [_read_receipt(receipt) for receipt in receipts]
    return {question: _read_parts(common, *parts) for question, parts in questions.items()}


def _stored_receipt(answer: RecordedAnswer) -> tuple[Any, ...]:
    given = answer.effective_at
    recorded = 0 if answer.recorded_at == given else short(answer.recorded_at)
    until = [short(answer.effective_until)] if answer.effective_until else []
    told = [answer.notice_version, answer.lang, answer.channel, answer.assurance]
    return (answer.receipt_id, answer.version, short(given), recorded, *told, *until)


def _parts(
    summary: AnswerSummary,
    places: Mapping[tuple[Any, ...], int],
    given_at: Mapping[tuple[Any, int], int],
) -> list[Any]:
    """Write the four parts of a summary."""

    def given(first: GivenAt) -> list[Any]:
        at, version = short(first[0]), first[1]
        place = given_at.get((at, version))
        return [at, version] if place is None else [place]

    def answer(recorded: RecordedAnswer | None) -> list[Any] | int:
        if recorded is None:
            return 0
        ends = [_short_or_zero(recorded.confirm_by), _short_or_zero(recorded.expires_at)]
        return _without_zeros([places[_stored_receipt(recorded)], _LETTERS[recorded.answer], *ends])

    first_yes = given(summary.first_yes) if summary.first_yes else 0
    stop = summary.first_stop
    first_stop = [*given(stop[0]), _LETTERS[stop[1]]] if stop else 0
    return [answer(summary.last), answer(summary.claim), first_yes, first_stop]


def _short_or_zero(at: str | None) -> int | str:
    return short(at) if at else 0


def _without_zeros(parts: list[Any]) -> list[Any]:
    while parts and parts[-1] == 0:
        parts.pop()
    return parts


_Common = tuple[Any, ...]
"""What all answers of a receipt share, in the order of `RecordedAnswer`; the day's end is last."""


def _read_receipt(stored: Sequence[Any]) -> _Common:
    receipt_id, version, given, recorded, notice, lang, channel, assurance, *until = stored
    effective_at = full(given)
    return (
        effective_at,
        full(recorded) if recorded else effective_at,
        receipt_id,
        version,
        notice,
        lang,
        Channel(channel),
        Assurance(assurance),
        full(until[0]) if until else None,
    )


def _read_parts(
    common: Sequence[_Common],
    last: Sequence[Any] | int = 0,
    claim: Sequence[Any] | int = 0,
    first_yes: Sequence[Any] | int = 0,
    first_stop: Sequence[Any] | int = 0,
) -> AnswerSummary:
    stop = None
    if first_stop:
        *given, letter = first_stop  # type: ignore[misc]
        stop = (_read_given(common, *given), _ANSWERS[letter])
    return AnswerSummary(
        last=_read_answer(common, *last) if last else None,  # type: ignore[misc]
        claim=_read_answer(common, *claim) if claim else None,  # type: ignore[misc]
        first_yes=_read_given(common, *first_yes) if first_yes else None,  # type: ignore[misc]
        first_stop=stop,
    )


def _read_answer(
    common: Sequence[_Common],
    place: int,
    letter: str,
    confirm_by: int | str = 0,
    expires_at: int | str = 0,
) -> RecordedAnswer:
    *of_receipt, until = common[place]
    ends = [full(expires_at) if expires_at else None, full(confirm_by) if confirm_by else None]
    values: list[Any] = [_ANSWERS[letter], *of_receipt, *ends, until]
    return RecordedAnswer(*values)


def _read_given(common: Sequence[_Common], at: int | str, version: int = 0) -> GivenAt:
    if version:
        return full(at), version
    effective_at, _, _, number, *_ = common[int(at)]
    return effective_at, number
