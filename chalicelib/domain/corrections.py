"""Correcting an entry that staff got wrong: by a new receipt that says so, never by a change.

The wrong entry stays in the chain. From the correction on its answers count no more: what holds is
what would hold had it never been made, with the right answers the correction gives. Who asks what
the portal knew before that moment is told what it knew then (docs/decisions/0040).

A correction's receipt has every question of the wrong entry, with the states before and after. What
was given with it counts from when it was given, as any answer. For the questions that are "as before
the entry" (`AS_BEFORE`) it repeats what holds now, and that is no answer of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from chalicelib.domain.consent import AnswerSummary, Assurance, QuestionId
from chalicelib.domain.decisions import AS_BEFORE, Correction, recorded_answers
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt

CORRECTS, REASON = "corrects", "reason"
"""What the evidence of a correction holds beside `AS_BEFORE`: the wrong receipt's id, and why it is
wrong."""

Void = tuple[int, Instant]
"""The number of a wrong entry in its chain, and when its correction was recorded."""


class Reason(StrEnum):
    """What is wrong with an entry."""

    ANSWER = "wrong_answer"
    DAY = "wrong_day"
    PERSON = "wrong_person"
    UNSIGNED = "not_signed"


class NotCorrectableError(RejectedError):
    """The entry was not made by staff, or was corrected before. Nothing was stored."""


def check_correctable(document: Mapping[str, Any], voids: Iterable[Void]) -> None:
    """Raise NotCorrectableError for what patients decided themselves, and what is void already."""
    by_staff = document["assurance"] == Assurance.STAFF_WITNESSED and document["decisions"]
    if not by_staff or document["version"] in {version for version, _ in voids}:
        raise NotCorrectableError


def plan_correction(
    documents: Sequence[Mapping[str, Any]],
    voids: Sequence[Void],
    wrong: Mapping[str, Any],
    given: Iterable[QuestionId],
) -> Correction:
    """Plan the correction of a receipt by a person's whole chain; `given` has right answers."""
    version = wrong["version"]
    without = fold(documents, {version, *(each for each, _ in voids)})
    as_before = wrong["decisions"].keys() - set(given)
    return Correction(version, frozenset(as_before), without)


def evidence_of(wrong: str, reason: Reason, as_before: Iterable[QuestionId]) -> dict[str, str]:
    """Give the evidence of a correction of a receipt."""
    evidence = {CORRECTS: wrong, REASON: reason.value, AS_BEFORE: " ".join(sorted(as_before))}
    return {name: text for name, text in evidence.items() if text}


def corrections_among(receipts: Iterable[Receipt]) -> dict[str, Instant]:
    """Give when each wrong entry was corrected by one of these receipts, by the entry's id."""
    corrected = {}
    for receipt in receipts:
        wrong = (receipt.document["evidence"] or {}).get(CORRECTS)
        if wrong:
            corrected[wrong] = receipt.document["recorded_at"]
    return corrected


def fold(
    documents: Iterable[Mapping[str, Any]], void: Iterable[int] = ()
) -> dict[QuestionId, AnswerSummary]:
    """Give the summaries of the answers in some receipts, but those with a void number."""
    left_out = set(void)
    summaries: dict[QuestionId, AnswerSummary] = {}
    for document in documents:
        if document["version"] not in left_out:
            for question, answer in recorded_answers(document).items():
                summaries[question] = summaries.get(question, AnswerSummary()).with_answer(answer)
    return summaries


def answers_as_of(
    documents: Iterable[Mapping[str, Any]], voids: Iterable[Void], at: Instant, known_at: Instant
) -> dict[QuestionId, AnswerSummary]:
    """Give how a person with corrected entries stood at a time, as known at another.

    What was not corrected by then counts as it was known.
    """
    seen = (
        document
        for document in documents
        if document["effective_at"] <= at and document["recorded_at"] <= known_at
    )
    void = (version for version, corrected_at in voids if corrected_at <= known_at)
    return fold(seen, void)
