"""Confirming and undoing: what the owner of a contact does about what was decided under it.

Who only typed a contact leaves claims; its owner confirms them, from a message or by a code, or says that it was
somebody else. And a withdrawal that anybody may ask for is taken back by the owner alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import (
    Answer,
    Assurance,
    Channel,
    NoticeInForce,
    QuestionId,
    State,
    resolve,
)
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind, masked
from chalicelib.domain.decisions import NoticeRef, new_decision, receipt_id
from chalicelib.domain.guardians import ACTOR, last_relation
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import short_code
from chalicelib.domain.rate_limits import RateLimitCheck
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.store import confirmation_codes
from chalicelib.store import people as roll
from chalicelib.store.keys import confirmed_key
from chalicelib.store.links import OldLinkError, OpenedLink
from chalicelib.store.lookup import Identification, Lookup, fresh_subject
from chalicelib.store.personal_data import reveal
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.store.table import Replace


@dataclass(frozen=True, slots=True)
class OpenConfirmation:
    """What is still open after a receipt, for the owner of one contact: decisions that wait, or that were stopped.

    `clinic` is the version of the notice whose text is shown with them; `look` and `person` say whose word it would
    be: one of those known under the contact, or nobody known yet.
    """

    clinic: Clinic
    receipt: Receipt
    contact: Contact
    addresses: tuple[QuestionId, ...]
    lookup: Lookup
    person: Subject | None
    beside: tuple[str, ...] = ()
    """The other contacts that were typed on the same form, masked."""

    child: str = ""
    """As much of the child's name as its guardian needs, where it was said for a child."""


def waiting(
    portal: Portal, clinic: str, number: str, contact: Contact, asked: Collection[QuestionId], *, now: Instant
) -> OpenConfirmation:
    """Give what still waits of a receipt's claims, as far as this contact confirms it (`asked`)."""
    receipt = portal.receipts.find(clinic, number)
    lookup = portal.directory.look_up(clinic, [contact])
    person = _owner(lookup, contact, receipt.document)
    shown = portal.clinics.decided_under(clinic, receipt.document["notice"])
    open_now = _waits(receipt, lookup.published.in_force, now, person)
    addresses = tuple(address for address in shown.questions if address in asked and address in open_now)
    return OpenConfirmation(shown, receipt, contact, addresses, lookup, person)


def _owner(lookup: Lookup, contact: Contact, claim: Mapping[str, Any]) -> Subject | None:
    """Tell whose word it is: the claim's own person's if the contact is theirs; else that of whoever has the contact.

    Somebody may have typed another's e-mail beside a phone of their own: that phone confirms nothing for the other,
    unless the other confirmed this very form, which named the phone. What was said for a child is never its guardian's
    own word, nor another child's.
    """
    people = lookup.people[contact]
    own = [
        person
        for person in lookup.stored_under[contact]
        if person.id == claim["subject"] and (person in people or person.proven_by == claim["id"])
    ]
    grown = [] if claim["actor"] == ACTOR else [person for person in people if not person.of_age]
    return own[0] if own else grown[0] if len(grown) == 1 else None


def _waits(receipt: Receipt, notice: NoticeInForce, now: Instant, person: Subject | None) -> frozenset[QuestionId]:
    """Tell which claims of a receipt still wait, as its person stands, or the other who has the contact."""
    claims = {address for address, entry in receipt.document["decisions"].items() if (entry["confirm_by"] or "") > now}
    if person is None:
        return frozenset(claims)
    stands = {address: resolve(person.summaries.get(address), notice, now) for address in claims}
    if person.id == receipt.document["subject"]:
        return frozenset(address for address, status in stands.items() if status.state is State.PENDING)
    since = receipt.document["effective_at"]
    return frozenset(
        address for address, status in stands.items() if not status.permitted and (status.since or "") <= since
    )


def by_link(portal: Portal, opened: OpenedLink, now: Instant) -> OpenConfirmation:
    """Give what waits for whoever follows a confirming link."""
    link = opened.link
    contact, number = opened.holder.contact, link.receipt or ""
    found = waiting(portal, link.clinic, number, contact, link.addresses, now=now)
    if not found.addresses:
        return found
    document = found.receipt.document
    typed = confirmation_codes.claimants(portal.table, portal.clinics, link.clinic, number, document["subject"])
    if not typed:  # whoever it was said for was erased
        return replace(found, addresses=())
    beside = tuple(masked(each) for each in typed if each != contact)
    return replace(found, beside=beside, child=_child(portal, document))


def _child(portal: Portal, claim: Mapping[str, Any]) -> str:
    """Give as much of a child's name as its guardian needs; "" for a claim of somebody's own."""
    if claim["actor"] != ACTOR:
        return ""
    person = roll.person(portal.table, claim["clinic"], claim["subject"])
    try:
        return reveal(portal.table, portal.clinics.key(claim["clinic"]), person).child
    except ValueError:  # erased in this very moment
        return ""


def by_code(portal: Portal, clinic: str, number: str, code: str, guard: RateLimitCheck) -> OpenConfirmation | None:
    """Give what waits for whoever typed the code from the text message; None for a wrong code or too many tries.

    A try is counted before the code is looked at: however many come at once, five are answered. Raises TooManyError
    where too much came from the visitor's network, or too many codes of this phone, for whatever receipt, were tried.
    """
    receipt, key = portal.receipts.find(clinic, number), portal.clinics.key(clinic)
    typed = confirmation_codes.claimants(portal.table, portal.clinics, clinic, number, receipt.document["subject"])
    phone = next((each for each in typed if each.kind is ContactKind.PHONE), None)
    if not confirmation_codes.try_code(portal.table, key, number, phone, guard) or phone is None:
        return None
    if code != short_code(key.link_secret(), number, phone):
        return None
    shown = portal.clinics.decided_under(clinic, receipt.document["notice"])
    return waiting(portal, clinic, number, phone, confirmed_by(receipt.document, shown, typed, phone), now=guard.at)


def confirmed_by(
    document: Mapping[str, Any], clinic: Clinic, typed: Sequence[Contact], contact: Contact
) -> tuple[QuestionId, ...]:
    """Tell which of a receipt's claims this contact confirms, of those that were typed with it."""
    kinds = [each.kind for each in typed]
    return tuple(
        address
        for address, entry in document["decisions"].items()
        if entry["confirm_by"] and clinic.confirming_kind(address, kinds) == contact.kind
    )


def confirm(
    portal: Portal, found: OpenConfirmation, ticked: Collection[QuestionId], now: Instant, *, base: str, linked: bool
) -> Receipt:
    """Record what the owner of the contact confirmed; what was left out is refused, for the owner saw it.

    The receipt binds the text that was agreed to when the claim was made, and ends when the claim said.
    """
    claim = found.receipt.document
    entries = {address: claim["decisions"][address] for address in found.addresses}
    answers = {address: Answer.YES if address in ticked else Answer.NO for address in found.addresses}
    secret = portal.clinics.key(claim["clinic"]).receipt_secret()
    decision = new_decision(
        found.clinic,
        answers,
        id=receipt_id(secret, found.receipt.id, {"confirmed": sorted(ticked), "by": found.contact.kind}),
        notice=NoticeRef(**claim["notice"]),
        at=now,
        channel=Channel.EMAIL_LINK if linked else Channel(claim["channel"]),
        source=claim["source"],
        assurance=Assurance.CONTACT_CONFIRMED,
        actor=claim["actor"],
        evidence={**(claim["evidence"] or {}), "confirms": found.receipt.id},
        endings={address: entry["expires_at"] for address, entry in entries.items() if entry["expires_at"]},
    )
    if decision.actor == ACTOR:  # the child stays one, whoever turns out to have the contact
        decision = replace(decision, of_age=roll.person(portal.table, decision.clinic, claim["subject"]).of_age)

    def still(subject: Subject) -> Collection[QuestionId]:
        if found.person is not None and subject.id != found.person.id:
            return ()  # erased since
        known = found.person and subject
        return _waits(found.receipt, found.lookup.published.in_force, now, known) & set(found.addresses)

    identification = _signature(found, base)
    by, claimant = identification.person or "", claim["subject"]
    also = (
        [Replace(confirmed_key(decision.clinic, claimant, found.receipt.id, by), {"body": ""})]
        if by != claimant
        else []
    )
    return decisions.record(portal, decision, identification, seen=found.lookup, also=also, recheck=still)


def _signature(found: OpenConfirmation, base: str) -> Identification:
    """Sign as the owner of the contact, which is proven by it."""
    fresh = fresh_subject()
    person = found.person.id if found.person else fresh.id
    return Identification((found.contact,), None, fresh, person=person, base=base, proves=(found.contact,))


def undoable(portal: Portal, opened: OpenedLink, now: Instant) -> OpenConfirmation:
    """Give what a withdrawal stopped and nobody has decided about since: its owner may want it back.

    Only what needs no other contact than the one the link came to; raises OldLinkError where the person is gone.
    """
    link, contact = opened.link, opened.holder.contact
    lookup = portal.directory.look_up(link.clinic, [contact])
    receipt = portal.receipts.find(link.clinic, link.receipt or "")
    person = next((each for each in lookup.people[contact] if each.id == receipt.document["subject"]), None)
    if person is None:
        raise OldLinkError(link)
    clinic = lookup.published.clinic.open_at(now)
    reach = set(REACHABLE_KINDS)
    own = {address for address, question in clinic.questions.items() if question.needs & reach <= {contact.kind.value}}
    addresses = tuple(address for address in clinic.questions if address in _stopped(receipt, person) & own)
    return OpenConfirmation(lookup.published.clinic, receipt, contact, addresses, lookup, person)


def _stopped(receipt: Receipt, person: Subject) -> frozenset[QuestionId]:
    """Tell what a receipt stopped that was granted, and that the person has decided nothing about since.

    What anybody may have said by typing the contact is not the person's word: a stranger who stops something twice
    takes its undoing from nobody.
    """
    stopped = {a for a, entry in receipt.document["decisions"].items() if entry["before"] == State.GRANTED}
    last = {address: person.summaries[address].last for address in stopped & person.summaries.keys()}
    return frozenset(
        address
        for address, word in last.items()
        if word and word.answer is not Answer.YES
        if word.receipt_id == receipt.id or word.assurance is Assurance.SELF_ASSERTED
    )


def undo(
    portal: Portal, found: OpenConfirmation, ticked: Collection[QuestionId], lang: str, now: Instant, *, base: str
) -> Receipt:
    """Record that the owner of the contact wants back what was stopped, under the text in force, shown with it."""
    clinic = found.clinic
    person = roll.person(portal.table, clinic.id, found.receipt.document["subject"])
    chain = portal.receipts.history(clinic.id, [person])
    earlier = _endings(chain, found.receipt.document["version"])
    secret = portal.clinics.key(clinic.id).receipt_secret()
    decision = new_decision(
        clinic,
        dict.fromkeys(ticked, Answer.YES),
        id=receipt_id(secret, found.receipt.id, {"undone": sorted(ticked)}),
        notice=portal.evidence.notice_ref(CONSENT_PAGE, clinic, lang),
        at=now,
        channel=Channel.EMAIL_LINK,
        assurance=Assurance.CONTACT_CONFIRMED,
        actor=ACTOR if person.of_age else "patient",
        evidence={**(last_relation(chain) if person.of_age else {}), "undoes": found.receipt.id},
        endings={address: earlier[address] for address in ticked if earlier.get(address)},
    )

    def still(now_known: Subject) -> Collection[QuestionId]:
        return _stopped(found.receipt, now_known) & set(found.addresses)

    return decisions.record(portal, decision, _signature(found, base), seen=found.lookup, recheck=still)


def _endings(chain: Sequence[Receipt], version: int) -> dict[QuestionId, Instant]:
    """Tell when each consent would have ended that stood before a receipt of somebody's chain: it ends no later."""
    ends: dict[QuestionId, Instant] = {}
    for receipt in chain:
        if receipt.document["version"] < version:
            for address, entry in receipt.document["decisions"].items():
                if entry["answer"] == Answer.YES and entry["after"] == State.GRANTED:
                    ends[address] = entry["expires_at"]
    return ends
