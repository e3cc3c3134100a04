"""Recording decisions: one receipt for each person whom a decision reaches.

A withdrawal for everybody under a contact is in `services.withdrawals`.

One decision of one person takes two round trips: a read of who is known under the contacts given,
and a transaction that writes the receipt with everything that follows from it, or nothing. The next
receipt of a person can be written once only. Where somebody else decided for the same person in
between, the attempt is repeated on what is stored by then.
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.consent import (
    BY_CLINIC,
    Answer,
    Assurance,
    QuestionId,
)
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Decision, decide, receipt_id
from chalicelib.domain.due_times import first_due
from chalicelib.domain.errors import ConcurrentWriteError, RejectedError
from chalicelib.domain.identity import People, subjects_to_stop
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.receipts.sd_jwt import redact_evidence, with_disclosures, without_free_text
from chalicelib.services.given_contacts import (
    become_theirs,
    contacts_to_store,
    independent_if_grown,
    with_contacts,
    with_proof,
)
from chalicelib.store import contact_places, withdrawal_orders
from chalicelib.store.clinics import Published
from chalicelib.store.decisions import (
    PersonalData,
    decision_writes,
    detach_contacts,
    outbox_writes_for,
)
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.receipts import receipt_id_key
from chalicelib.store.lookup import Identification, Lookup
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.store.table import ConflictError, ContendedError
from chalicelib.store.withdrawal_orders import MANY, Order
from chalicelib.store.writes import Write

ATTEMPTS = 8
_FIRST_PAUSE = 0.02

_BY_THE_PATIENT = (Assurance.SELF_ASSERTED, Assurance.LINK)
"""How sure the portal is where a patient answers on an open page: its text may have changed
since."""

Recheck = Callable[[Subject], Collection[QuestionId]]
"""Gives the questions that a decision may still answer for a person, as they are stored now."""

Also = Sequence[Write] | Callable[[Lookup], Sequence[Write]]
"""What is written in the transaction of a receipt; as a function, made from the lookup of each
attempt."""


class NoticeChangedError(RejectedError):
    """A Yes was given to a text that is no longer in force; carries what is. Nothing was stored."""

    def __init__(self, published: Published) -> None:
        super().__init__(published.in_force.version)
        self.published = published


class NoOpenQuestionError(RejectedError):
    """No question is still open that somebody wanted to confirm or bring back.

    Nothing was stored.
    """


class BusyError(ConcurrentWriteError):
    """Others kept deciding for the same person; nothing was stored, trying again is right."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A decision of one person, ready to be written.

    Their receipt, the person as it leaves them, and the writes.
    """

    receipt: Receipt
    after: Subject
    writes: Sequence[Write]


def record(
    portal: Portal,
    decision: Decision,
    identification: Identification,
    *,
    seen: Lookup | None = None,
    also: Also = (),
    recheck: Recheck | None = None,
    look_again: Callable[[], Lookup] | None = None,
) -> Receipt:
    """Record one decision of one person and give its receipt.

    The same decision sent again gives the same receipt.
    `seen` is a lookup of the contacts made just now; `look_again` makes the further ones. `also` is
    written together with the receipt, or neither is. `recheck` gives the questions that are still
    open to the decision. Raises NoOpenQuestionError where none is, NoticeChangedError for a Yes to
    a text that is not in force, TooManyError where a rate limit refuses, BusyError when others kept
    getting in first, UnavailableError when the table cannot be reached. After the last three the
    same decision may be sent again.
    """
    look_up = look_again or _reader(portal, decision.clinic, identification)
    lookup = seen or look_up()
    for attempt in range(ATTEMPTS):
        if attempt:
            portal.sleep(pause_before(attempt))
            lookup = look_up()
        if _agrees_to_another_text(decision, lookup.published):
            return _recorded_before(portal, decision, lookup.published)
        person = lookup.resolve_subject(decision, identification)
        if recheck:
            decision = _limited_to(decision, recheck(person))
        prepared = prepare(portal, decision, identification, lookup, person)
        if not _was_recorded(decision, person):
            in_the_way = _write(portal, [*prepared.writes, *lookup.taking.writes], also, lookup)
            if in_the_way is None:
                lookup.taking.done()
                return prepared.receipt
            if receipt_id_key(decision.clinic, decision.receipt_id) not in in_the_way:
                split_if_shared(portal, decision.clinic, person, in_the_way)
                continue
        kept = portal.receipts.find(decision.clinic, decision.receipt_id)
        if not _stops_anew(decision, person, prepared.receipt, kept):
            return kept
        decision = replace(
            decision, receipt_id=follow_up_id(portal, decision, {"after": person.version})
        )
    raise BusyError


def _write(
    portal: Portal, writes: Sequence[Write], also: Also, lookup: Lookup
) -> Collection[Key] | None:
    """Carry out all writes or none; give the keys of what others changed since it was read.

    None where all was written; no key where another transaction was in the way, or where what is
    written `also` has no room yet (`withdrawal_orders.TooManyOpenError`).
    """
    try:
        beside = also(lookup) if callable(also) else also
        portal.table.write([*writes, *beside])
    except ConflictError as conflict:
        return conflict.keys
    except ContendedError:
        return ()
    return None


def _was_recorded(decision: Decision, person: Subject) -> bool:
    """Tell whether a person's answers show that this decision was recorded before.

    Its receipt's place by its id shows it too, and keeps it from being written twice; but not where
    that receipt's place is still kept as it was before there were references. Such a decision, sent
    again after the person answered all its questions anew, is recorded a second time, and a Yes of
    it counts again. `consent operator migrate` ends that: it adds the other place. To ask for the
    earlier place in each transaction would cost write units for ever.
    """
    return any(
        answer is not None and answer.receipt_id == decision.receipt_id
        for summary in person.summaries.values()
        for answer in (summary.last, summary.claim)
    )


def _reader(portal: Portal, clinic: str, identification: Identification) -> Callable[[], Lookup]:
    """Give what looks the contacts up.

    What only follows from another decision counts in no rate limit.
    """
    guard = None if identification.follows else identification.guard
    person = identification.person if identification.by_id else None
    return lambda: portal.directory.look_up(
        clinic, identification.contacts, guard=guard, person=person
    )


def pause_before(attempt: int) -> float:
    """Give the seconds to wait before another attempt: doubled each time, and spread at random."""
    return float(_FIRST_PAUSE * 2**attempt * (0.5 + random.random() / 2))  # noqa: S311 - spreads retries


def _agrees_to_another_text(decision: Decision, published: Published) -> bool:
    """Tell whether a patient said Yes on a page that shows another text than the one in force."""
    if decision.repeats:
        return False
    own_yes = decision.assurance in _BY_THE_PATIENT and Answer.YES in decision.answers.values()
    return own_yes and decision.notice.version != published.in_force.version


def _recorded_before(portal: Portal, decision: Decision, published: Published) -> Receipt:
    """Give the receipt of a form that was sent before the notice changed, and now again.

    Raises NoticeChangedError for a form that was not.
    """
    try:
        return portal.receipts.find(decision.clinic, decision.receipt_id)
    except UnknownReceiptError:
        raise NoticeChangedError(published) from None


def _limited_to(decision: Decision, still_open: Collection[QuestionId]) -> Decision:
    """Give a decision with those of its answers that are still open to it.

    Raises NoOpenQuestionError where none is.
    """
    answers = {
        question: answer for question, answer in decision.answers.items() if question in still_open
    }
    if not answers:
        raise NoOpenQuestionError
    return replace(decision, answers=answers)


def prepare(
    portal: Portal,
    decision: Decision,
    identification: Identification,
    lookup: Lookup,
    person: Subject,
) -> Prepared:
    """Carry out a decision of one of those looked up, and give what is to be written.

    Nothing is written here. `person` is who it is of, as the lookup found them.
    """
    key = portal.clinics.key(decision.clinic)
    joins = become_theirs(decision, identification, person)
    before = independent_if_grown(portal, decision, lookup, person) if joins else person
    if identification.merges_into:
        before = before.without_contacts(person.contacts)
    before = before.without_contacts(
        [lookup.lookups[contact] for contact in identification.detaches]
    )
    if identification.follows:
        # What staff wrote down is about the person they saw. Who else is reached may be a stranger.
        evidence = without_free_text(decision.evidence)
        disclosures: tuple[str, ...] = ()
    else:
        evidence, disclosures = redact_evidence(decision.evidence)
    in_force, known = lookup.published.in_force, bool(lookup.known())
    receipt, after = decide(before, replace(decision, evidence=evidence), in_force, known=known)
    own = identification if joins else replace(identification, contacts=(), name=None, address=None)
    stored = contacts_to_store(own, lookup, receipt)
    given = PersonalData(
        {key.lookup(contact): contact for contact in stored}, own.name, own.address, disclosures
    )
    after = with_contacts(before, after, given.contacts, own.base)
    after = with_proof(key, after, own, stored, receipt)
    if identification.merges:
        after = after.with_merged(identification.merges)
    if identification.merges_into:
        after = replace(after, merged_into=identification.merges_into, summaries={})
    due = first_due(after, lookup.published.clinic, lookup.published.published, after.recorded_at)
    recorded = decision_writes(
        key, lookup, before, after=after, receipt=receipt, given=given, due=due
    )
    detached = detach_contacts(lookup, person, before)
    messages = outbox_writes_for(key, identification, lookup, before, receipt)
    return Prepared(receipt, after, [*recorded, *detached, *messages])


def split_if_shared(
    portal: Portal, clinic: str, person: Subject, conflicting: Collection[Key]
) -> None:
    """After a conflict in a contact give the person places of their own under their contacts.

    An item from before there were places may still hold everybody.
    """
    if not contact_places.concerns_contacts(conflicting):
        return
    try:
        contact_places.split(portal.table, clinic, person.id)
    except (LookupError, ConflictError, ContendedError):  # a new person, or others got in first
        return


def _stops_anew(decision: Decision, person: Subject, receipt: Receipt, kept: Receipt) -> bool:
    """Tell whether a patient's form that was sent before stops what was allowed since.

    Then it must stop it again; `kept` is the receipt it got the first time.
    """
    if decision.assurance not in _BY_THE_PATIENT or decision.repeats:
        return False
    if all(answer is Answer.YES for answer in decision.answers.values()):
        return False
    if kept.document["subject"] != person.id or kept.document["version"] >= person.version:
        return False
    return any(
        entry["before"] != entry["after"] for entry in receipt.document["decisions"].values()
    )


def follow_up_id(portal: Portal, decision: Decision, reason: Mapping[str, Any]) -> str:
    """Give the id of a receipt that follows from a decision, another one for each `reason`."""
    secret = portal.clinics.key(decision.clinic).receipt_secret()
    return receipt_id(secret, decision.receipt_id, reason)


def answer(
    portal: Portal,
    decision: Decision,
    identification: Identification,
    *,
    seen: Lookup | None = None,
    also: Sequence[Write] = (),
) -> Receipt:
    """Record somebody's answers, and let each No reach everyone known under the contacts given.

    A person may be known twice, once by e-mail and once by phone: what should stop, stops for both.
    An answer for a child is not one for its guardian, nor the other way round. Very many people are
    reached by an order (`withdrawal_orders`). Errors as for `record`.
    """
    seen = seen or portal.directory.look_up(
        decision.clinic, identification.contacts, guard=identification.guard
    )
    stops = {
        question: answer
        for question, answer in decision.answers.items()
        if answer is not Answer.YES
    }
    reaching = {
        contact: people
        for contact, people in seen.stored_under.items()
        if contact not in identification.also_typed
    }
    reached = [
        person
        for person in subjects_to_stop(reaching)
        if not stops.keys().isdisjoint(person.summaries)
    ]
    if len(reached) > MANY:
        by_contacts = replace(identification, contacts=_contacts_that_reach(reaching))
        stop = replace(decision, answers=stops)
        order = order_for(stop, by_contacts, seen, asked_only=True)
        return record(
            portal, decision, identification, seen=seen, also=with_order(portal, also, order)
        )
    receipt = record(portal, decision, identification, seen=seen, also=also)
    if is_of_another_decision(decision, receipt):
        return receipt
    for person in reached:
        if person.id != receipt.document["subject"]:
            _stop_for(portal, replace(decision, answers=stops), identification, person)
    return receipt


def _contacts_that_reach(people: People) -> tuple[Contact, ...]:
    """Give the contacts through which a No reaches others (`identity.subjects_to_stop`)."""
    wards = tuple(contact for contact in people if contact.kind is ContactKind.WARD)
    return wards or tuple(people)


def _stop_for(
    portal: Portal, stop: Decision, identification: Identification, person: Subject
) -> None:
    """Record a No for one of the others who are known under its contacts."""
    number = follow_up_id(portal, stop, {"subject": person.id})
    own = replace(
        identification,
        name=None,
        address=None,
        person=person.id,
        by_id=False,
        proves=(),
        joins=False,
        follows=True,
    )
    record(portal, replace(stop, receipt_id=number), own)


def order_for(
    decision: Decision,
    identification: Identification,
    seen: Lookup,
    *,
    asked_only: bool = False,
    left_only: bool = False,
) -> Order:
    """Make the order by which a decision reaches everybody under its contacts, fewest first."""

    def size(contact: Contact) -> tuple[bool, int]:
        people = seen.stored_under[contact]
        return contact in seen.partly_read, len(people)

    few_first = sorted(identification.contacts, key=size)
    return withdrawal_orders.new_order(
        decision,
        few_first,
        identification.base,
        identification.fresh,
        asked_only=asked_only,
        left_only=left_only,
    )


def with_order(
    portal: Portal, also: Sequence[Write], order: Order
) -> Callable[[Lookup], Sequence[Write]]:
    """Give what is written with the first receipt of an order: the order, and its marks."""
    key = portal.clinics.key(order.decision.clinic)

    def writes(lookup: Lookup) -> Sequence[Write]:
        placing = withdrawal_orders.order_writes(key, order, lookup.known_by)
        return [*also, *placing]

    return writes


def is_of_another_decision(decision: Decision, receipt: Receipt) -> bool:
    """Tell whether an Idempotency-Key was used before for another decision, whose receipt this is.

    Nothing may be written after that.
    """
    if (
        decision.assurance is Assurance.SELF_ASSERTED
        or receipt.document["recorded_at"] == decision.recorded_at
    ):
        return False
    kept = receipt.document["decisions"]
    for question, answer in decision.answers.items():
        if kept.get(question, {}).get("answer") != answer:
            return True
    return decision.assurance in BY_CLINIC and not repeats(decision, receipt)


def repeats(decision: Decision, receipt: Receipt) -> bool:
    """Tell whether a receipt of staff is for the same time, channel, evidence and language.

    Free text of the evidence does not count.
    """
    kept = receipt.document
    if kept["channel"] != decision.channel or kept["notice"]["lang"] != decision.notice.lang:
        return False
    if with_disclosures(kept["evidence"], ()) != without_free_text(decision.evidence):
        return False
    if kept.get("effective_date") != (decision.day and decision.day.date):
        return False
    return kept["effective_at"] == decision.effective_at or _both_given_at_once(decision, receipt)


def _both_given_at_once(decision: Decision, receipt: Receipt) -> bool:
    """Tell whether a receipt and a decision both say "just now".

    A clock that ran ahead was set back to the moment of recording; by the second call it may be
    that time. And a decision of this very moment is recorded after the receipt before it.
    """
    kept, given = receipt.document, decision.effective_at
    if kept["effective_at"] != kept["recorded_at"]:
        return False
    return given == decision.recorded_at or bool(kept["recorded_at"] < given)
