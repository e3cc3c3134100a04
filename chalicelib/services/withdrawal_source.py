"""Withdrawing by a personal link or a receipt, without typing a contact."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.consent import Assurance, Channel, QuestionId
from chalicelib.domain.contacts import Contact, masked
from chalicelib.domain.decisions import Decision, receipt_id
from chalicelib.domain.guardians import ACTOR, last_relation
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.invitee import Invitee, find_invitee
from chalicelib.store import people
from chalicelib.store.links import OldLinkError, UnknownLinkError
from chalicelib.store.lookup import Identification
from chalicelib.store.personal_data import reveal
from chalicelib.store.receipts import UnknownReceiptError

People = tuple[tuple[Subject, tuple[Contact, ...]], ...]
"""People, each with the contacts they are found by."""


@dataclass(frozen=True, slots=True)
class WithdrawalSource:
    """The link or the receipt by which somebody withdraws, and for whom.

    `evidence` is the link's id or the receipt's number. `find_people` is called when the form is
    sent, not when the page is shown: the page shows nothing of them, nor may the time it takes. A
    link proves its contact. A receipt's number proves nothing, and need not: whoever knows a
    contact may stop what is done by it, and its owner gets a message by which they can undo it.
    """

    evidence: Mapping[str, str]
    find_people: Callable[[], People]
    holder: Contact | None = None
    """The contact that the link came to."""

    by_program: bool = False
    """Whether a clinic's program made the link: it shows no contact, and proves none."""

    def recipient_view(self) -> Mapping[str, Any]:
        """Give what the page shows of them: whoever has a receipt does not learn whose it is."""
        if self.holder is None or self.by_program:
            return {"masked": "", "receipt": self.evidence.get("receipt")}
        return {"masked": masked(self.holder), "receipt": self.evidence.get("receipt")}

    def rate_limit_subjects(self, questions: Iterable[QuestionId]) -> tuple[str, ...]:
        """Name what the rate limit counts: this source with these questions
        (`rate_limits.withdrawal_subjects`).
        """
        kind, value = next(iter(self.evidence.items()))
        counted = [f"{kind}:{value}", *sorted(set(questions))]
        return ("|".join(counted),)


def find_withdrawal_source(
    portal: Portal, clinic: str, *, token: str | None, receipt: str | None, now: Instant
) -> WithdrawalSource | None:
    """Give the source that a receipt's number or a link's token names.

    None where the patient has to type a contact. So it is for a link too old to answer by, and for
    a receipt nobody knows: withdrawing ends in no dead end.
    """
    if receipt:
        return _by_receipt(portal, clinic, receipt)
    if token is None:
        return None
    try:
        return _by_link(find_invitee(portal, clinic, token, now))
    except (UnknownLinkError, OldLinkError):
        return None


def _by_link(invitee: Invitee) -> WithdrawalSource:
    found = tuple((person, (invitee.holder,)) for person in invitee.people)
    return WithdrawalSource(
        evidence=invitee.evidence,
        find_people=lambda: found,
        holder=invitee.holder,
        by_program=invitee.by_program,
    )


def _by_receipt(portal: Portal, clinic: str, number: str) -> WithdrawalSource | None:
    try:
        document = portal.receipts.find(clinic, number).document
    except UnknownReceiptError:
        return None
    return WithdrawalSource({"receipt": number}, lambda: _people_of_receipt(portal, document))


def _people_of_receipt(portal: Portal, document: Mapping[str, Any]) -> People:
    """Give the people a receipt is about: its own person, and whoever confirmed its answers as
    somebody else.

    Left out is who was erased, and who was a child then and has grown up.
    """
    clinic, subject = document["clinic"], document["subject"]
    confirmers = people.confirmers(portal.table, clinic, subject, document["id"])
    found = []
    for person_id in (subject, *confirmers):
        with contextlib.suppress(LookupError, ValueError):  # erased, or being erased
            person = people.person(portal.table, clinic, person_id)
            details = reveal(portal.table, portal.clinics.key(clinic), person)
            contacts = tuple(contact for contact, _ in details.contacts)
            grown_up = document["actor"] == ACTOR and not person.of_age
            if contacts and not grown_up:
                found.append((person, contacts))
    return tuple(found)


def withdraw_by_source(
    portal: Portal, source: WithdrawalSource, decision: Decision, identification: Identification
) -> Receipt:
    """Withdraw for the people of a source, or for all who share the link's contact.

    Errors as `decisions.record`. Where a receipt's person is gone, a receipt about nobody is
    recorded: whether somebody is there stays unknown.
    """
    found = source.find_people()
    children = [person for person, _ in found if person.of_age]
    evidence = decision.evidence or {}
    if children:
        evidence = last_relation(portal.receipts.history(decision.clinic, children))
        decision = replace(decision, actor=ACTOR)
    decision = replace(decision, evidence={**evidence, **source.evidence})
    if source.holder:
        decision = replace(decision, assurance=Assurance.LINK, channel=Channel.EMAIL_LINK)
        proves = () if source.by_program else (source.holder,)
        identification = replace(identification, contacts=(source.holder,), proves=proves)
        if len(found) != 1:
            return withdrawals.withdraw(portal, decision, identification)[0]
    if not found:
        return decisions.record(portal, decision, identification)
    return _withdraw_for_each(portal, decision, identification, found)


def _withdraw_for_each(
    portal: Portal, decision: Decision, identification: Identification, found: People
) -> Receipt:
    """Record one receipt for each person; give the first, which alone counts in rate limits."""
    (person, contacts), *others = found
    own = replace(identification, contacts=contacts, person=person.id)
    receipt = decisions.record(portal, decision, own)
    secret = portal.clinics.key(decision.clinic).receipt_secret()
    for other, their_contacts in others:
        number = receipt_id(secret, decision.receipt_id, {"subject": other.id})
        theirs = replace(identification, contacts=their_contacts, person=other.id, follows=True)
        decisions.record(portal, replace(decision, receipt_id=number), theirs)
    return receipt
