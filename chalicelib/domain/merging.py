"""Merging two records of one person: what has to be true, and which answers are taken over.

Both chains of receipts are kept, and neither is rewritten. The record that stays takes over the
answers of the other one, as it would learn late of a paper form: each in a receipt of its own,
under the time at which it was given (`docs/decisions/0041-merging.md`). So the
rule of the two clocks combines them: the latest word counts, a tie goes to the stop.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import AnswerSummary, Assurance, Channel, QuestionId, RecordedAnswer
from chalicelib.domain.decisions import Day, Decision, NoticeRef, new_decision, recorded_answers
from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject

MOST_RECEIPTS = 60
"""How many receipts the record that goes may have: each is taken over in a transaction."""

MOST_CONTACTS = 20
"""How many contacts two records may have together: a transaction takes a hundred writes."""


class MergeReason(StrEnum):
    """How staff know that two records are of one person. A word of a list: receipts are kept."""

    SAID = "said"
    """The person says so, and staff know who it is."""

    NUMBER = "number"
    """Both are the same patient in the clinic's own records."""

    MISTYPED = "mistyped"
    """A contact was mistyped once."""


class CannotMerge(StrEnum):
    """Why two records cannot be merged now."""

    SAME = "same"
    """They are one record."""

    MERGED = "merged"
    """One of them was merged into another already."""

    CHILD = "child"
    """One is a child's: it is never merged into its guardian's, nor into a sibling's."""

    RESTRICTED = "restricted"
    """The processing of one is restricted (GDPR Art. 18)."""

    WAITS = "waits"
    """A Yes of the record that goes still waits to be confirmed."""

    ORDERS = "orders"
    """A withdrawal for everybody under one of the contacts is still being carried out."""

    CONTACTS = "contacts"
    """They have too many contacts."""

    LONG = "long"
    """The record that goes has too many receipts; the other one may have fewer."""


def why_not(staying: Subject, going: Subject, now: Instant) -> CannotMerge | None:
    """Tell why two records cannot be merged; None where they can.

    Open withdrawal orders are looked for by who reads them (`services.merging`).
    """
    both = (staying, going)
    refusals = {
        CannotMerge.SAME: staying.id == going.id,
        CannotMerge.MERGED: any(person.merged_into for person in both),
        CannotMerge.CHILD: any(person.of_age for person in both),
        CannotMerge.RESTRICTED: any(person.restricted_since for person in both),
        CannotMerge.WAITS: any(_waits(summary, now) for summary in going.summaries.values()),
        CannotMerge.LONG: going.version > MOST_RECEIPTS,
        CannotMerge.CONTACTS: len({*staying.contacts, *going.contacts}) > MOST_CONTACTS,
    }
    return next((why for why, holds in refusals.items() if holds), None)


def _waits(summary: AnswerSummary, now: Instant) -> bool:
    """Tell whether a claim may still be confirmed."""
    return summary.claim is not None and (summary.claim.confirm_by or "") > now


def decides(document: Mapping[str, Any]) -> bool:
    """Tell whether a receipt has an answer to take over.

    A claim that was never confirmed is as if it had never been made; what confirmed one is a
    receipt of its own.
    """
    return bool(_taken_over(document))


def void_receipts(documents: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Give the ids of the entries that a later receipt of the chain corrected: they count no more,
    and are not taken over.
    """
    found = ((document["evidence"] or {}).get("corrects") for document in documents)
    return frozenset(wrong for wrong in found if wrong)


def _taken_over(document: Mapping[str, Any]) -> dict[QuestionId, RecordedAnswer]:
    """Give the answers of a receipt that are taken over."""
    return {
        question: answer
        for question, answer in recorded_answers(document).items()
        if not answer.awaits_confirmation
    }


def repetition(clinic: Clinic, document: Mapping[str, Any], number: str, now: Instant) -> Decision:
    """Give the decision that takes over the answers of another record's receipt, by its document.

    Everything is as it was: the answers, when they were given, under which notice, by whom, how
    sure it is. `number` is the id of the new receipt, which names the old one. Claims are left out
    (`decides`).
    """
    answers = _taken_over(document)
    evidence = {"repeats": document["id"], "merged_with": document["subject"]}
    same_as = (document["evidence"] or {}).get("same_as")
    if same_as:
        evidence["same_as"] = same_as
    day = document.get("effective_date")
    decision = new_decision(
        clinic,
        {question: each.answer for question, each in answers.items()},
        id=number,
        notice=NoticeRef(**document["notice"]),
        channel=Channel(document["channel"]),
        assurance=Assurance(document["assurance"]),
        at=now,
        actor=document["actor"],
        source=document["source"],
        evidence=evidence,
        effective_at=document["effective_at"],
        day=Day(day, document["effective_until"]) if day else None,
    )
    return replace(
        decision,
        controllers=tuple(document["controllers"]),
        repeats=document["id"],
        ends={question: each.expires_at for question, each in answers.items()},
    )
