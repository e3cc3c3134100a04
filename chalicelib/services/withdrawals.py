"""Withdrawing for everyone who is known under the contacts given.

A few people get a receipt each, one after the other. For more than one request serves, the first
receipt comes with an order, which a job carries out (`jobs.withdrawal_orders`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from chalicelib.domain.consent import (
    BY_CLINIC,
    STOPPED_STATES,
    Answer,
    NoticeInForce,
    QuestionId,
    resolve,
)
from chalicelib.domain.decisions import Decision
from chalicelib.domain.identity import all_subjects
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services.decisions import (
    BusyError,
    NoOpenQuestionError,
    Recheck,
    follow_up_id,
    is_of_another_decision,
    order_for,
    record,
    with_order,
)
from chalicelib.store.lookup import Identification, Lookup
from chalicelib.store.table import ConflictError, ContendedError
from chalicelib.store.withdrawal_orders import MANY, Order
from chalicelib.store.writes import Put


def withdraw(
    portal: Portal,
    decision: Decision,
    identification: Identification,
    *,
    seen: Lookup | None = None,
    also: Sequence[Put] = (),
    left_only: bool = False,
) -> list[Receipt]:
    """Withdraw for everyone known under the contacts, and give a receipt for each.

    Where nobody is known, it is recorded for a new person.
    For more people than one request serves there is one receipt and an order (`withdrawal_orders`),
    by which the others follow; with `left_only` no receipt for those for whom nothing is left to
    stop. Errors as for `record`.
    """
    seen = seen or portal.directory.look_up(
        decision.clinic, identification.contacts, guard=identification.guard, most=MANY
    )
    decision = _with_all_past_questions(portal, decision, seen)
    reached = all_subjects(seen.stored_under)
    own = _one_for_each(decision, identification, seen, reached)
    if not seen.partly_read and len(reached) <= MANY:
        return _withdraw_for_each(portal, decision, own, seen, also)
    order = order_for(decision, identification, seen, left_only=left_only)
    if left_only:
        at, notice = decision.recorded_at, seen.published.in_force
        left = {
            person.id for person in reached if has_open_answer(person, decision.answers, notice, at)
        }
        own = [each for each in own if each.person in left]
    if not own:
        _place_order_alone(portal, order, seen, also)
        return []
    first = replace(own[0], informed_by_order=True)
    return [record(portal, decision, first, seen=seen, also=with_order(portal, also, order))]


def _with_all_past_questions(portal: Portal, decision: Decision, seen: Lookup) -> Decision:
    """Give a withdrawal of everything with every question the clinic ever asked.

    Any other as it is.
    """
    if not decision.everything:
        return decision
    past = portal.clinics.with_all_past_questions(seen.published).questions
    return replace(decision, answers={**dict.fromkeys(past, Answer.WITHDRAW), **decision.answers})


def _one_for_each(
    decision: Decision, identification: Identification, seen: Lookup, reached: Sequence[Subject]
) -> list[Identification]:
    """Give an identification for each person whom a withdrawal reaches, in the order of recording.

    A contact that is nobody's without a doubt is kept as withdrawn too, of somebody new: a paper
    form from before, but entered later, must not outlive this withdrawal.
    """
    unambiguous = seen.unambiguous()
    # What is stopped for everybody who ever typed a contact proves it for none of them.
    own = [replace(identification, person=person.id, proves=()) for person in reached]
    unused = tuple(contact for contact, people in unambiguous.items() if not people)
    if decision.assurance not in BY_CLINIC:
        return [*own, replace(identification, contacts=unused, person=None)] if unused else own
    # Staff would take whoever typed the contact for the person they see.
    fresh = identification.fresh.id
    if unused:
        own.append(replace(identification, contacts=unused, person=fresh))
    # The person they see comes first, with what they wrote down.
    seen_by_staff = {fresh, *(person.id for person in all_subjects(unambiguous))}
    return sorted(own, key=lambda each: each.person not in seen_by_staff)


def _withdraw_for_each(
    portal: Portal,
    decision: Decision,
    identifications: Sequence[Identification],
    seen: Lookup,
    also: Sequence[Put],
) -> list[Receipt]:
    """Record a withdrawal for a few people, one after the other.

    The first receipt has the decision's own id.
    """
    reached = {person.id for person in all_subjects(seen.stored_under)}
    receipts: dict[str, Receipt] = {}
    for position, identification in enumerate(identifications):
        fresh = identification.fresh.id
        subject = identification.person or fresh
        if subject in receipts:
            continue
        following = replace(
            decision, receipt_id=follow_up_id(portal, decision, {"subject": subject})
        )
        own = following if position else decision
        try:
            receipt = record(
                portal,
                own,
                replace(identification, follows=bool(position)),
                seen=None if position else seen,
                also=() if position else also,
                recheck=_without_receipt(own, receipts),
            )
        except NoOpenQuestionError:
            # The contact was nobody's and has just become theirs, who have their receipt.
            continue
        receipts[receipt.document["subject"]] = receipt
        expected = {subject, fresh, *reached}
        if is_of_another_decision(decision, receipt) or receipt.document["subject"] not in expected:
            return [receipt]
        if subject != fresh and subject not in receipts and fresh not in receipts:
            # Sent again, and somebody joined since: the decision's own id is that of another's
            # receipt.
            receipts[subject] = record(portal, following, replace(identification, follows=True))
    return list(receipts.values())


def _without_receipt(decision: Decision, receipts: Mapping[str, Receipt]) -> Recheck:
    """Leave a decision open to everybody but those who have one of these receipts of it."""
    return lambda person: () if person.id in receipts else decision.answers


def _place_order_alone(portal: Portal, order: Order, seen: Lookup, also: Sequence[Put]) -> None:
    """Place an order without a first receipt: nobody read so far has anything left to stop."""
    try:
        portal.table.write(with_order(portal, also, order)(seen))
    except (ConflictError, ContendedError):
        raise BusyError from None


def has_open_answer(
    person: Subject, questions: Collection[QuestionId], notice: NoticeInForce, at: Instant
) -> bool:
    """Tell whether an answer of a person to one of these questions can still be stopped."""
    statuses = [resolve(person.summaries.get(question), notice, at) for question in questions]
    return any(status.state not in STOPPED_STATES for status in statuses)
