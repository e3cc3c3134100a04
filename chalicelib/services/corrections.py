"""Correcting an entry that staff got wrong, by a new receipt in the same chain."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib import log
from chalicelib.domain.corrections import (
    CORRECTS,
    NotCorrectableError,
    Reason,
    check_correctable,
    evidence_of,
    plan_correction,
)
from chalicelib.domain.decisions import Decision, recorded_answers
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.guardians import ACTOR
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.receipts.sd_jwt import with_disclosures
from chalicelib.services import decisions, staff_decisions
from chalicelib.services.authorized_call import AuthorizedCall, UsedForAnotherBodyError
from chalicelib.services.decisions import ATTEMPTS, BusyError
from chalicelib.services.staff_decisions import StaffCall
from chalicelib.store.personal_data import kept_disclosures
from chalicelib.store.table import ConflictError, ContendedError

_OF_THE_FORM = ("form", "witness")


@dataclass(frozen=True, slots=True)
class WrongEntry:
    """A receipt that can be corrected, and what staff wrote down with it."""

    receipt: Receipt
    evidence: Mapping[str, str] = field(repr=False)
    """The number of its form and the witness, where they are known: a correction bears them too."""


def correctable(
    portal: Portal, call: AuthorizedCall[Any], person: Subject, number: str
) -> WrongEntry:
    """Give an entry of a person that can be corrected.

    Raises NotFoundError for a receipt that is not theirs, or that the call may not see, and
    NotCorrectableError.
    """
    receipt = portal.receipts.find(call.clinic, number)
    if receipt.document["subject"] != person.id or not call.may_see(receipt):
        raise NotFoundError
    check_correctable(receipt.document, person.voids)
    key = portal.clinics.key(call.clinic)
    disclosures = kept_disclosures(portal.table, key, receipt)
    evidence = with_disclosures(receipt.document["evidence"], disclosures) or {}
    return WrongEntry(receipt, {name: evidence[name] for name in _OF_THE_FORM if name in evidence})


def list_correctable(portal: Portal, call: AuthorizedCall[Any], person: Subject) -> list[Receipt]:
    """Give the entries of a person that can be corrected, the newest first."""
    found = []
    for receipt in reversed(portal.receipts.newest(call.clinic, person)):
        try:
            check_correctable(receipt.document, person.voids)
        except NotCorrectableError:
            continue
        if call.may_see(receipt):
            found.append(receipt)
    return found


def correct(portal: Portal, call: StaffCall, number: str, reason: Reason) -> Receipt:
    """Correct an entry of the person whose record is open, and give the receipt that says so.

    The call's answers are the right ones; the entry's other questions are as before it. The same
    Idempotency-Key gives the same receipt. Raises NotFoundError, NotCorrectableError,
    InvalidBodyError, UsedForAnotherBodyError, and BusyError where others kept getting in first.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            portal.sleep(decisions.pause_before(attempt))
        seen = staff_decisions.with_person(portal, call)
        person = seen.lookup.person
        if person is None:
            raise NotFoundError
        receipt = _attempt(portal, seen, person, number, reason)
        if receipt is not None:
            return receipt
    raise BusyError


def _attempt(
    portal: Portal, call: StaffCall, person: Subject, number: str, reason: Reason
) -> Receipt | None:
    """Correct an entry of a person as they were read; None where somebody got in first."""
    decision = staff_decisions.decision_of(portal, call)
    receipts = portal.receipts.history(call.clinic, [person])
    by_id = {receipt.id: receipt for receipt in receipts}
    if decision.receipt_id in by_id:
        return _recorded_before(by_id[decision.receipt_id], decision, number)
    if number not in by_id or not call.may_see(by_id[number]):
        raise NotFoundError
    wrong = by_id[number].document
    check_correctable(wrong, person.voids)
    identification = replace(staff_decisions.identification_of(call), joins=False)
    staff_decisions.check_needs(portal, call, decision, identification)
    documents = [receipt.document for receipt in receipts]
    plan = plan_correction(documents, person.voids, wrong, decision.answers)
    evidence = {**(decision.evidence or {}), **evidence_of(number, reason, plan.as_before)}
    decision = _by_whom(call, wrong, replace(decision, correction=plan, evidence=evidence))
    prepared = decisions.prepare(portal, decision, identification, call.lookup, person)
    audited = call.audit("receipts/correct", [person], prepared.receipt.id, about=number)
    try:
        portal.table.write([*prepared.writes, audited])
    except ConflictError as conflict:
        decisions.split_if_shared(portal, call.clinic, person, conflict.keys)
        return None
    except ContendedError:
        return None
    log.count("EntryCorrected")
    return prepared.receipt


def _by_whom(call: StaffCall, wrong: Mapping[str, Any], decision: Decision) -> Decision:
    """Give the correction of a guardian's entry as the guardian's, too."""
    if wrong["actor"] != ACTOR:
        return decision
    relation = wrong["evidence"]["guardian"]
    evidence = {**(decision.evidence or {}), "guardian": relation, "staff": call.key.id}
    return replace(decision, actor=ACTOR, evidence=evidence)


def _recorded_before(kept: Receipt, decision: Decision, number: str) -> Receipt:
    """Give the receipt of a correction that was sent before; raise UsedForAnotherBodyError."""
    answers = {
        question: answer.answer for question, answer in recorded_answers(kept.document).items()
    }
    evidence = kept.document["evidence"] or {}
    if evidence.get(CORRECTS) != number or answers != dict(decision.answers):
        raise UsedForAnotherBodyError
    return kept
