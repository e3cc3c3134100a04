"""Confirming and undoing: what the owner of a contact does about what was decided under it.

Who only typed a contact leaves claims; its owner confirms them, from a message or by a code, or says that it was
somebody else. And a withdrawal that anybody may ask for is taken back by the owner alone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.consent import Address, Answer, Assurance, Channel, State, resolve
from chalicelib.contact import Contact, Kind
from chalicelib.evidence import CONSENT_PAGE
from chalicelib.guardians import ACTOR
from chalicelib.instants import Instant
from chalicelib.links import short_code
from chalicelib.notice import Clinic
from chalicelib.receipts import Act, NoticeRef, Receipt, Subject, receipt_id
from chalicelib.store import outbox, roll
from chalicelib.store.links import Opened
from chalicelib.store.look import Signature, fresh_subject
from chalicelib.wiring import Portal


@dataclass(frozen=True, slots=True)
class Open:
    """What is still open after a receipt, for the owner of one contact: decisions that wait, or that were stopped.

    `clinic` is the version of the notice whose text is shown with them.
    """

    clinic: Clinic
    receipt: Receipt
    contact: Contact
    addresses: tuple[Address, ...]


def waiting(
    house: Portal, clinic: str, number: str, contact: Contact, asked: Collection[Address], *, now: Instant
) -> Open:
    """Give what still waits of a receipt's claims, as far as this contact confirms it (`asked`)."""
    receipt = house.register.receipt(clinic, number)
    person = roll.person(house.table, clinic, receipt.document["subject"])
    notice = house.register.look(clinic).published.in_force
    shown = house.clinics.version(clinic, receipt.document["notice"]["version"])
    addresses = tuple(
        address
        for address in shown.questions
        if address in asked and resolve(person.standings.get(address), notice, now).state is State.PENDING
    )
    return Open(shown, receipt, contact, addresses)


def by_link(house: Portal, opened: Opened, now: Instant) -> Open:
    """Give what waits for whoever follows a confirming link."""
    link = opened.link
    return waiting(house, link.clinic, link.receipt or "", opened.holder.contact, link.addresses, now=now)


def by_code(house: Portal, clinic: str, number: str, code: str, now: Instant) -> Open | None:
    """Give what waits for whoever typed the code from the text message; None for a wrong code or too many tries.

    A try is counted before the code is looked at: however many come at once, five are answered. Raises TooManyError
    where the phone's codes, of this and other receipts, were tried too often.
    """
    receipt, key = house.register.receipt(clinic, number), house.clinics.key(clinic)
    typed = outbox.claimants(house.table, house.clinics, clinic, number)
    phone = next((each for each in typed if each.kind is Kind.PHONE), None)
    if phone is None or not outbox.try_code(house.table, key, number, phone, now):
        return None
    if code != short_code(key.link_secret(), number, phone):
        return None
    shown = house.clinics.version(clinic, receipt.document["notice"]["version"])
    return waiting(house, clinic, number, phone, confirmed_by(receipt.document, shown, typed, phone), now=now)


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
    act = Act(
        receipt_id=receipt_id(found.receipt.id, {"confirmed": sorted(ticked), "by": found.contact.kind}),
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
    look = house.register.look(act.clinic, [found.contact])
    signature = _owner(look.people[found.contact], claim["subject"], found.contact, base, child=bool(act.of_age))
    return house.register.record(act, signature, seen=look)


def _owner(people: Sequence[Subject], claimed: str, contact: Contact, base: str, *, child: bool) -> Signature:
    """Tell whose word it is: the claim's own person's if the contact is theirs; else that of whoever has the contact.

    Somebody may have typed another's e-mail beside a phone of their own: that phone confirms nothing for the other.
    What was said for a child is never its guardian's own word, nor another child's.
    """
    fresh = fresh_subject()
    known = {person.id for person in people}
    grown = [] if child else [person.id for person in people if not person.of_age]
    sole = grown[0] if len(grown) == 1 else fresh.id
    return Signature((contact,), None, fresh, person=claimed if claimed in known else sole, base=base)


def undoable(house: Portal, opened: Opened, now: Instant) -> Open:
    """Give what a withdrawal stopped and nobody has decided about since: its owner may want it back."""
    link = opened.link
    published = house.register.look(link.clinic).published
    receipt = house.register.receipt(link.clinic, link.receipt or "")
    person = roll.person(house.table, link.clinic, receipt.document["subject"])
    entries = receipt.document["decisions"]
    addresses = []
    for address in published.clinic.asking(now).questions:
        standing = person.standings.get(address)
        word = standing.last if standing else None
        if address in entries and word is not None and word.receipt_id == receipt.id:
            addresses += [address] if entries[address]["before"] == State.GRANTED else []
    return Open(published.clinic, receipt, opened.holder.contact, tuple(addresses))


def undo(house: Portal, found: Open, ticked: Collection[Address], lang: str, now: Instant, *, base: str) -> Receipt:
    """Record that the owner of the contact wants back what was stopped, under the text in force, shown with it."""
    clinic = found.clinic
    subject = found.receipt.document["subject"]
    of_age = roll.person(house.table, clinic.id, subject).of_age
    earlier = _endings(house, clinic.id, subject, found.receipt.document["version"])
    act = Act(
        receipt_id=receipt_id(found.receipt.id, {"undone": sorted(ticked)}),
        clinic=clinic.id,
        answers=dict.fromkeys(ticked, Answer.YES),
        notice=NoticeRef(clinic.version, lang, house.evidence.shown(CONSENT_PAGE, clinic, lang)),
        controllers=tuple(controller.named() for controller in clinic.controllers),
        channel=Channel.EMAIL_LINK,
        source=None,
        assurance=Assurance.CONTACT_CONFIRMED,
        actor=ACTOR if of_age else "patient",
        evidence={"undoes": found.receipt.id},
        effective_at=now,
        recorded_at=now,
        endings={address: earlier[address] for address in ticked if earlier.get(address)},
    )
    look = house.register.look(clinic.id, [found.contact])
    signature = Signature((found.contact,), None, fresh_subject(), person=subject, base=base)
    return house.register.record(act, signature, seen=look)


def _endings(house: Portal, clinic: str, subject: str, version: int) -> dict[Address, Instant]:
    """Tell when each consent would have ended that stood before a receipt of somebody's chain: it ends no later."""
    person = roll.person(house.table, clinic, subject)
    ends: dict[Address, Instant] = {}
    for receipt in house.register.history(clinic, [person]):
        if receipt.document["version"] < version:
            for address, entry in receipt.document["decisions"].items():
                if entry["answer"] == Answer.YES and entry["after"] == State.GRANTED:
                    ends[address] = entry["expires_at"]
    return ends
