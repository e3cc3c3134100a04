"""Confirming and undoing: what the owner of a contact does about what was decided under it.

Who only typed a contact leaves claims; its owner confirms them, from a message or by a code, or says that it was
somebody else. And a withdrawal that anybody may ask for is taken back by the owner alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import (
    Address,
    Answer,
    Assurance,
    Channel,
    NoticeInForce,
    State,
    resolve,
)
from chalicelib.domain.contacts import REACH, Contact, Kind, masked
from chalicelib.domain.guardians import ACTOR, relation
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import short_code
from chalicelib.domain.rate_limits import Guard
from chalicelib.domain.receipts import Act, NoticeRef, Receipt, Subject, receipt_id
from chalicelib.portal import Portal
from chalicelib.store import outbox
from chalicelib.store import people as roll
from chalicelib.store.keys import confirmed_key
from chalicelib.store.links import OldLinkError, Opened
from chalicelib.store.lookup import Look, Signature, fresh_subject
from chalicelib.store.personal_data import reveal
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.store.table import Replace


@dataclass(frozen=True, slots=True)
class Open:
    """What is still open after a receipt, for the owner of one contact: decisions that wait, or that were stopped.

    `clinic` is the version of the notice whose text is shown with them; `look` and `person` say whose word it would
    be: one of those known under the contact, or nobody known yet.
    """

    clinic: Clinic
    receipt: Receipt
    contact: Contact
    addresses: tuple[Address, ...]
    look: Look
    person: Subject | None
    beside: tuple[str, ...] = ()
    """The other contacts that were typed on the same form, masked."""

    child: str = ""
    """As much of the child's name as its guardian needs, where it was said for a child."""


def waiting(
    house: Portal, clinic: str, number: str, contact: Contact, asked: Collection[Address], *, now: Instant
) -> Open:
    """Give what still waits of a receipt's claims, as far as this contact confirms it (`asked`)."""
    receipt = house.register.receipt(clinic, number)
    look = house.register.look(clinic, [contact])
    person = _owner(look, contact, receipt.document)
    shown = house.clinics.decided_under(clinic, receipt.document["notice"])
    open_now = _waits(receipt, look.published.in_force, now, person)
    addresses = tuple(address for address in shown.questions if address in asked and address in open_now)
    return Open(shown, receipt, contact, addresses, look, person)


def _owner(look: Look, contact: Contact, claim: Mapping[str, Any]) -> Subject | None:
    """Tell whose word it is: the claim's own person's if the contact is theirs; else that of whoever has the contact.

    Somebody may have typed another's e-mail beside a phone of their own: that phone confirms nothing for the other,
    unless the other confirmed this very form, which named the phone. What was said for a child is never its guardian's
    own word, nor another child's.
    """
    people = look.people[contact]
    own = [
        person
        for person in look.reach[contact]
        if person.id == claim["subject"] and (person in people or person.proven_by == claim["id"])
    ]
    grown = [] if claim["actor"] == ACTOR else [person for person in people if not person.of_age]
    return own[0] if own else grown[0] if len(grown) == 1 else None


def _waits(receipt: Receipt, notice: NoticeInForce, now: Instant, person: Subject | None) -> frozenset[Address]:
    """Tell which claims of a receipt still wait, as its person stands, or the other who has the contact."""
    claims = {address for address, entry in receipt.document["decisions"].items() if (entry["confirm_by"] or "") > now}
    if person is None:
        return frozenset(claims)
    stands = {address: resolve(person.standings.get(address), notice, now) for address in claims}
    if person.id == receipt.document["subject"]:
        return frozenset(address for address, status in stands.items() if status.state is State.PENDING)
    since = receipt.document["effective_at"]
    return frozenset(
        address for address, status in stands.items() if not status.permitted and (status.since or "") <= since
    )


def by_link(house: Portal, opened: Opened, now: Instant) -> Open:
    """Give what waits for whoever follows a confirming link."""
    link = opened.link
    contact, number = opened.holder.contact, link.receipt or ""
    found = waiting(house, link.clinic, number, contact, link.addresses, now=now)
    if not found.addresses:
        return found
    document = found.receipt.document
    typed = outbox.claimants(house.table, house.clinics, link.clinic, number, document["subject"])
    if not typed:  # whoever it was said for was erased
        return replace(found, addresses=())
    beside = tuple(masked(each) for each in typed if each != contact)
    return replace(found, beside=beside, child=_child(house, document))


def _child(house: Portal, claim: Mapping[str, Any]) -> str:
    """Give as much of a child's name as its guardian needs; "" for a claim of somebody's own."""
    if claim["actor"] != ACTOR:
        return ""
    person = roll.person(house.table, claim["clinic"], claim["subject"])
    try:
        return reveal(house.table, house.clinics.key(claim["clinic"]), person).child
    except ValueError:  # erased in this very moment
        return ""


def by_code(house: Portal, clinic: str, number: str, code: str, guard: Guard) -> Open | None:
    """Give what waits for whoever typed the code from the text message; None for a wrong code or too many tries.

    A try is counted before the code is looked at: however many come at once, five are answered. Raises TooManyError
    where too much came from the visitor's network, or too many codes of this phone, for whatever receipt, were tried.
    """
    receipt, key = house.register.receipt(clinic, number), house.clinics.key(clinic)
    typed = outbox.claimants(house.table, house.clinics, clinic, number, receipt.document["subject"])
    phone = next((each for each in typed if each.kind is Kind.PHONE), None)
    if not outbox.try_code(house.table, key, number, phone, guard) or phone is None:
        return None
    if code != short_code(key.link_secret(), number, phone):
        return None
    shown = house.clinics.decided_under(clinic, receipt.document["notice"])
    return waiting(house, clinic, number, phone, confirmed_by(receipt.document, shown, typed, phone), now=guard.at)


def confirmed_by(
    document: Mapping[str, Any], clinic: Clinic, typed: Sequence[Contact], contact: Contact
) -> tuple[Address, ...]:
    """Tell which of a receipt's claims this contact confirms, of those that were typed with it."""
    kinds = [each.kind for each in typed]
    return tuple(
        address
        for address, entry in document["decisions"].items()
        if entry["confirm_by"] and clinic.confirmed_by(address, kinds) == contact.kind
    )


def confirm(
    house: Portal, found: Open, ticked: Collection[Address], now: Instant, *, base: str, linked: bool
) -> Receipt:
    """Record what the owner of the contact confirmed; what was left out is refused, for the owner saw it.

    The receipt binds the text that was agreed to when the claim was made, and ends when the claim said.
    """
    claim = found.receipt.document
    entries = {address: claim["decisions"][address] for address in found.addresses}
    answers = {address: Answer.YES if address in ticked else Answer.NO for address in found.addresses}
    secret = house.clinics.key(claim["clinic"]).receipt_secret()
    act = Act(
        receipt_id=receipt_id(secret, found.receipt.id, {"confirmed": sorted(ticked), "by": found.contact.kind}),
        clinic=claim["clinic"],
        answers=answers,
        notice=NoticeRef(**claim["notice"]),
        controllers=tuple(claim["controllers"]),
        channel=Channel.EMAIL_LINK if linked else Channel(claim["channel"]),
        source=claim["source"],
        assurance=Assurance.CONTACT_CONFIRMED,
        actor=claim["actor"],
        evidence={**(claim["evidence"] or {}), "confirms": found.receipt.id},
        effective_at=now,
        recorded_at=now,
        endings={address: entry["expires_at"] for address, entry in entries.items() if entry["expires_at"]},
    )
    if act.actor == ACTOR:  # the child stays one, whoever turns out to have the contact
        act = replace(act, of_age=roll.person(house.table, act.clinic, claim["subject"]).of_age)

    def still(subject: Subject) -> Collection[Address]:
        if found.person is not None and subject.id != found.person.id:
            return ()  # erased since
        known = found.person and subject
        return _waits(found.receipt, found.look.published.in_force, now, known) & set(found.addresses)

    signature = _signature(found, base)
    by, claimant = signature.person or "", claim["subject"]
    also = [Replace(confirmed_key(act.clinic, claimant, found.receipt.id, by), {"body": ""})] if by != claimant else []
    return house.register.record(act, signature, seen=found.look, also=also, still=still)


def _signature(found: Open, base: str) -> Signature:
    """Sign as the owner of the contact, which is proven by it."""
    fresh = fresh_subject()
    person = found.person.id if found.person else fresh.id
    return Signature((found.contact,), None, fresh, person=person, base=base, proves=(found.contact,))


def undoable(house: Portal, opened: Opened, now: Instant) -> Open:
    """Give what a withdrawal stopped and nobody has decided about since: its owner may want it back.

    Only what needs no other contact than the one the link came to; raises OldLinkError where the person is gone.
    """
    link, contact = opened.link, opened.holder.contact
    look = house.register.look(link.clinic, [contact])
    receipt = house.register.receipt(link.clinic, link.receipt or "")
    person = next((each for each in look.people[contact] if each.id == receipt.document["subject"]), None)
    if person is None:
        raise OldLinkError(link)
    clinic = look.published.clinic.asking(now)
    reach = set(REACH)
    own = {address for address, question in clinic.questions.items() if question.needs & reach <= {contact.kind.value}}
    addresses = tuple(address for address in clinic.questions if address in _stopped(receipt, person) & own)
    return Open(look.published.clinic, receipt, contact, addresses, look, person)


def _stopped(receipt: Receipt, person: Subject) -> frozenset[Address]:
    """Tell what a receipt stopped that was granted, and that the person has decided nothing about since.

    What anybody may have said by typing the contact is not the person's word: a stranger who stops something twice
    takes its undoing from nobody.
    """
    stopped = {a for a, entry in receipt.document["decisions"].items() if entry["before"] == State.GRANTED}
    last = {address: person.standings[address].last for address in stopped & person.standings.keys()}
    return frozenset(
        address
        for address, word in last.items()
        if word and word.answer is not Answer.YES
        if word.receipt_id == receipt.id or word.assurance is Assurance.SELF_ASSERTED
    )


def undo(house: Portal, found: Open, ticked: Collection[Address], lang: str, now: Instant, *, base: str) -> Receipt:
    """Record that the owner of the contact wants back what was stopped, under the text in force, shown with it."""
    clinic = found.clinic
    person = roll.person(house.table, clinic.id, found.receipt.document["subject"])
    chain = house.register.history(clinic.id, [person])
    earlier = _endings(chain, found.receipt.document["version"])
    secret = house.clinics.key(clinic.id).receipt_secret()
    act = Act(
        receipt_id=receipt_id(secret, found.receipt.id, {"undone": sorted(ticked)}),
        clinic=clinic.id,
        answers=dict.fromkeys(ticked, Answer.YES),
        notice=NoticeRef(clinic.version, lang, house.evidence.shown(CONSENT_PAGE, clinic, lang)),
        controllers=tuple(controller.named() for controller in clinic.controllers),
        channel=Channel.EMAIL_LINK,
        source=None,
        assurance=Assurance.CONTACT_CONFIRMED,
        actor=ACTOR if person.of_age else "patient",
        evidence={**(relation(chain) if person.of_age else {}), "undoes": found.receipt.id},
        effective_at=now,
        recorded_at=now,
        endings={address: earlier[address] for address in ticked if earlier.get(address)},
    )

    def still(now_known: Subject) -> Collection[Address]:
        return _stopped(found.receipt, now_known) & set(found.addresses)

    return house.register.record(act, _signature(found, base), seen=found.look, still=still)


def _endings(chain: Sequence[Receipt], version: int) -> dict[Address, Instant]:
    """Tell when each consent would have ended that stood before a receipt of somebody's chain: it ends no later."""
    ends: dict[Address, Instant] = {}
    for receipt in chain:
        if receipt.document["version"] < version:
            for address, entry in receipt.document["decisions"].items():
                if entry["answer"] == Answer.YES and entry["after"] == State.GRANTED:
                    ends[address] = entry["expires_at"]
    return ends
