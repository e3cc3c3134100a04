"""Confirming and undoing: what the owner of a contact does about what was decided under it.

Somebody who only typed a contact leaves claims. The contact's owner confirms them, from a message
or by a code, or says that it was somebody else. And a withdrawal, which anybody may ask for, is
taken back by the owner alone.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.confirmation import (
    confirmed_by,
    earlier_endings,
    open_claims,
    undoable_stops,
)
from chalicelib.domain.consent import Answer, Assurance, Channel, QuestionId
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind, masked
from chalicelib.domain.decisions import NoticeRef, new_decision, receipt_id
from chalicelib.domain.guardians import ACTOR, is_of_consent_age, last_relation
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import short_code
from chalicelib.domain.rate_limits import RateLimitCheck
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.messages.rules import Message
from chalicelib.portal import Portal
from chalicelib.receipts.sd_jwt import with_disclosures
from chalicelib.services import decisions
from chalicelib.services.patient_decisions import CannotAgreeError
from chalicelib.services.visitor import Visitor
from chalicelib.store import confirmation_codes, outbox, people
from chalicelib.store.keys.people import confirmed_key
from chalicelib.store.links import OldLinkError, OpenedLink
from chalicelib.store.lookup import Identification, Lookup, fresh_subject
from chalicelib.store.personal_data import reveal
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.store.writes import Replace


@dataclass(frozen=True, slots=True)
class OpenConfirmation:
    """What is still open after a receipt, for the owner of one contact.

    Claims that wait, or what was stopped. `clinic` is the version of the notice whose text is shown
    with them. `person` is whose answers they would become: one of those known under the contact, or
    None for somebody nobody knows yet.
    """

    clinic: Clinic
    receipt: Receipt
    contact: Contact
    questions: tuple[QuestionId, ...]
    lookup: Lookup
    person: Subject | None
    beside: tuple[str, ...] = ()
    """The other contacts that were typed on the same form, masked."""

    child: str = ""
    """As much of the child's name as its guardian needs, where the answers are for a child."""

    def without_questions(self) -> "OpenConfirmation":
        """Give it with nothing left open."""
        return replace(self, questions=())


def confirmation_by_link(portal: Portal, opened: OpenedLink, now: Instant) -> OpenConfirmation:
    """Give what waits for whoever follows a confirming link."""
    link, contact = opened.link, opened.recipient.contact
    number = link.receipt or ""
    receipt = portal.receipts.find(link.clinic, number)
    found = _find_open(portal, receipt, contact, link.addresses, now=now)
    if not found.questions:
        return found
    document = found.receipt.document
    typed = confirmation_codes.claimants(
        portal.table, portal.clinics, link.clinic, number, document["subject"]
    )
    if typed is None:  # the person was erased
        return found.without_questions()
    beside = tuple(masked(other) for other in typed if other != contact)
    return replace(found, beside=beside, child=_childs_name(portal, document))


def confirmation_by_code(
    portal: Portal, clinic: str, number: str, code: str, check: RateLimitCheck
) -> OpenConfirmation | None:
    """Give what waits for whoever typed the code from the text message.

    None for a wrong code or too many tries, or before the text message went out, when no try is
    counted. A try is counted before the code is compared: however many come at once, five are
    answered. Raises TooManyError where too much came from the visitor's network, or too many codes
    of this phone, for whatever receipt, were tried.
    """
    receipt, key = portal.receipts.find(clinic, number), portal.clinics.key(clinic)
    document = receipt.document
    subject = document["subject"]
    typed = (
        confirmation_codes.claimants(portal.table, portal.clinics, clinic, number, subject) or ()
    )
    phones = [contact for contact in typed if contact.kind is ContactKind.PHONE]
    phone = phones[0] if phones else None
    may_try = confirmation_codes.try_code(portal.limits, key, number, phone, check)
    if not may_try or phone is None:
        return None
    if code != short_code(key.link_secret(), number, phone):
        return None
    shown = portal.clinics.decided_under(clinic, document["notice"])
    questions = confirmed_by(document, shown, typed, phone)
    return _find_open(portal, receipt, phone, questions, now=check.at)


def _find_open(
    portal: Portal,
    receipt: Receipt,
    contact: Contact,
    questions: Collection[QuestionId],
    *,
    now: Instant,
) -> OpenConfirmation:
    """Give which of these claims of a receipt still wait for this contact's owner."""
    clinic = str(receipt.document["clinic"])
    lookup = portal.directory.look_up(clinic, [contact])
    person = _find_owner(lookup, contact, receipt.document)
    shown = portal.clinics.decided_under(clinic, receipt.document["notice"])
    waiting = open_claims(receipt, person, lookup.published.in_force, now) & set(questions)
    in_order = tuple(question for question in shown.questions if question in waiting)
    return OpenConfirmation(shown, receipt, contact, in_order, lookup, person)


def _find_owner(lookup: Lookup, contact: Contact, claim: Mapping[str, Any]) -> Subject | None:
    """Give whose answers a claim becomes.

    The claim's own person's if the contact is theirs, else its owner's. Somebody may have typed
    another's e-mail beside a phone of their own: that phone confirms nothing for the other, unless
    the other confirmed this very form, which named the phone. What was claimed for a child never
    becomes its guardian's own answer, nor another child's.
    """
    known = lookup.people[contact]
    for person in lookup.stored_under[contact]:
        proven_by_claim = person.proven_by == claim["id"]
        if person.id == claim["subject"] and (person in known or proven_by_claim):
            return person
    if claim["actor"] == ACTOR:
        return None
    adults = [person for person in known if not person.of_age]
    return adults[0] if len(adults) == 1 else None


def _childs_name(portal: Portal, claim: Mapping[str, Any]) -> str:
    """Give as much of a child's name as its guardian needs; "" for a claim of somebody's own."""
    if claim["actor"] != ACTOR:
        return ""
    person = people.person(portal.table, claim["clinic"], claim["subject"])
    try:
        return reveal(portal.table, portal.clinics.key(claim["clinic"]), person).child
    except ValueError:  # being erased
        return ""


def confirm(
    portal: Portal,
    found: OpenConfirmation,
    ticked: Collection[QuestionId],
    now: Instant,
    *,
    base: str,
    linked: bool,
) -> Receipt:
    """Record what the owner of the contact confirmed; what they saw and left out is refused.

    The receipt refers to the text that was agreed to when the claim was made, and ends when the
    claim said. `linked` tells a link from a code. Raises NoOpenQuestionError, and errors as
    `decisions.record`.
    """
    claim, claim_id = found.receipt.document, found.receipt.id
    secret = portal.clinics.key(claim["clinic"]).receipt_secret()
    decision = new_decision(
        found.clinic,
        {question: Answer.YES if question in ticked else Answer.NO for question in found.questions},
        id=receipt_id(secret, claim_id, {"confirmed": sorted(ticked), "by": found.contact.kind}),
        notice=NoticeRef(**claim["notice"]),
        channel=Channel.EMAIL_LINK if linked else Channel(claim["channel"]),
        assurance=Assurance.CONTACT_CONFIRMED,
        at=now,
        actor=claim["actor"],
        source=claim["source"],
        evidence={**with_disclosures(claim["evidence"], ()), "confirms": claim_id},
        endings=_claimed_endings(found),
    )
    if decision.actor == ACTOR:  # the child stays one, whoever turns out to have the contact
        child = people.person(portal.table, decision.clinic, claim["subject"])
        decision = replace(decision, of_age=child.of_age)

    def recheck(subject: Subject) -> Collection[QuestionId]:
        """Give the claims that still wait, as the owner is stored now."""
        known = None
        if found.person is not None:
            if subject.id != found.person.id:
                return ()  # erased since
            known = subject
        in_force = found.lookup.published.in_force
        return open_claims(found.receipt, known, in_force, now) & set(found.questions)

    identification = _identify_owner(found, base)
    by = identification.person or ""
    also = []
    if by != claim["subject"]:
        confirmed = confirmed_key(decision.clinic, claim["subject"], claim_id, by)
        also.append(Replace(confirmed, {"body": ""}))
    return decisions.record(
        portal, decision, identification, seen=found.lookup, also=also, recheck=recheck
    )


def _claimed_endings(found: OpenConfirmation) -> dict[QuestionId, Instant]:
    """Give when each claim said that it ends."""
    entries = found.receipt.document["decisions"]
    endings = {}
    for question in found.questions:
        ends = entries[question]["expires_at"]
        if ends:
            endings[question] = ends
    return endings


def _identify_owner(found: OpenConfirmation, base: str) -> Identification:
    """Identify the owner of the contact, which they have proven."""
    fresh = fresh_subject()
    person = found.person.id if found.person else fresh.id
    return Identification(
        (found.contact,), None, fresh, person=person, base=base, proves=(found.contact,)
    )


def ask_again(
    portal: Portal, clinic: str, number: str, *, lang: str, visitor: Visitor, now: Instant
) -> None:
    """Have the messages sent again that ask to confirm what waits of a receipt.

    Whoever carries it out finds out whether anything waits, and whom that asks: here the work is
    the same whether or not a contact is known. Raises UnknownReceiptError, and TooManyError, where
    nothing was left to be sent.
    """
    document = portal.receipts.find(clinic, number).document
    key = portal.clinics.key(clinic)
    person = people.person(portal.table, clinic, document["subject"])
    check = visitor.rate_limit_check("again", (), now)._replace(again=number)
    if person.erased:
        portal.limits.spend(key, check)
        return
    entry = outbox.OutboxEntry(
        Message.CONFIRM,
        clinic,
        person.id,
        lang,
        visitor.base_url,
        receipt=number,
        version=document["version"],
        at=document["effective_at"],
    )
    item = outbox.new_item(key, person.salt, secrets.token_hex(16), entry, ())
    portal.limits.spend(key, check, [item])


def find_undoable(portal: Portal, opened: OpenedLink, now: Instant) -> OpenConfirmation:
    """Give what a withdrawal stopped and nobody has decided about since.

    Its owner may want it back. Only what needs no other contact than the one the link came to.
    Raises OldLinkError where the person is gone.
    """
    link, contact = opened.link, opened.recipient.contact
    lookup = portal.directory.look_up(link.clinic, [contact])
    receipt = portal.receipts.find(link.clinic, link.receipt or "")
    person = next(
        (one for one in lookup.people[contact] if one.id == receipt.document["subject"]), None
    )
    if person is None:
        raise OldLinkError(link)
    stopped = undoable_stops(receipt, person)
    other_contacts = set(REACHABLE_KINDS) - {contact.kind}
    asked = lookup.published.clinic.open_at(now).questions
    questions = tuple(
        question_id
        for question_id, question in asked.items()
        if question_id in stopped and question.needs.isdisjoint(other_contacts)
    )
    return OpenConfirmation(lookup.published.clinic, receipt, contact, questions, lookup, person)


def undo(
    portal: Portal,
    found: OpenConfirmation,
    ticked: Collection[QuestionId],
    lang: str,
    now: Instant,
    *,
    base: str,
) -> Receipt:
    """Record that the owner of the contact wants back what was stopped.

    The Yes is to the text in force, which was shown with it. Raises CannotAgreeError where it is a
    child's that is old enough by now to decide alone, NoOpenQuestionError, and errors as
    `decisions.record`.
    """
    clinic, stopped = found.clinic, found.receipt
    person = people.person(portal.table, clinic.id, stopped.document["subject"])
    if is_of_consent_age(clinic, person.of_age, now):
        raise CannotAgreeError("child_decides_alone")
    chain = portal.receipts.history(clinic.id, [person])
    earlier = earlier_endings(chain, stopped.document["version"])
    evidence = dict(last_relation(chain)) if person.of_age else {}
    secret = portal.clinics.key(clinic.id).receipt_secret()
    decision = new_decision(
        clinic,
        dict.fromkeys(ticked, Answer.YES),
        id=receipt_id(secret, stopped.id, {"undone": sorted(ticked)}),
        notice=portal.shown_pages.notice_ref(CONSENT_PAGE, clinic, lang),
        channel=Channel.EMAIL_LINK,
        assurance=Assurance.CONTACT_CONFIRMED,
        at=now,
        actor=ACTOR if person.of_age else "patient",
        evidence={**evidence, "undoes": stopped.id},
        endings={question: earlier[question] for question in ticked if earlier.get(question)},
    )

    def recheck(subject: Subject) -> Collection[QuestionId]:
        """Give what can still be undone, as the person is stored now."""
        return undoable_stops(stopped, subject) & set(found.questions)

    return decisions.record(
        portal, decision, _identify_owner(found, base), seen=found.lookup, recheck=recheck
    )
