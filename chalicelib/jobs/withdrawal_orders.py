"""Withdrawal orders are carried out by the clock's round: they hold already, and here everybody gets a receipt of it.

Everybody who shares a contact gets a receipt of their own, page by page. How far an order came is kept with it, so that
it goes on wherever it was interrupted. Receipt numbers are computed per person: to serve somebody twice is safe.
"""

import contextlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from chalicelib import log
from chalicelib.domain.consent import QuestionId
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.decisions import receipt_id
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.messages.rules import ended_consent
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.decisions import BusyError, NoOpenQuestionError, has_open_answer
from chalicelib.store import contacts, outbox, people, withdrawal_orders
from chalicelib.store.clinics import Published
from chalicelib.store.encryption import ClinicKey, KeysUnavailableError
from chalicelib.store.keys import Key, clinic_key, person_key
from chalicelib.store.lookup import Identification, Lookup
from chalicelib.store.outbox import OutboxEntry
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.store.table import ContendedError, UnavailableError, Write
from chalicelib.store.withdrawal_orders import MANY, Order, Progress

_AWAY = (BusyError, ContendedError, KeysUnavailableError, UnavailableError)


def carry_on(portal: Portal, keys: Iterable[Key], out_of_time: OutOfTime) -> None:
    """Go on with these orders, as far as the time goes."""
    for place in keys:
        if out_of_time():
            return
        try:
            _carry_one(portal, place, out_of_time)
        except _AWAY as error:
            log.log().warning("an order is left to the next round", error=type(error).__name__)


def _carry_one(portal: Portal, place: Key, out_of_time: OutOfTime) -> None:
    key = portal.clinics.key(withdrawal_orders.clinic_of(place))
    order = withdrawal_orders.read_order(portal.table, key, place)
    if order is None:
        return
    carrier = _OrderRun(portal, key, _first(portal, order))
    while order is not None and order.progress.contact < len(order.contacts):
        if out_of_time():
            return
        order = carrier.serve_page(order)
    if order is not None:
        carrier.finish(order)


def _first(portal: Portal, order: Order) -> Receipt | None:
    """Give the receipt that was recorded with the order; None where there was nothing to stop for the first."""
    with contextlib.suppress(UnknownReceiptError):
        return portal.receipts.find(order.decision.clinic, order.number)
    return None


@dataclass(frozen=True, slots=True)
class _OrderRun:
    """Who serves the people of one order; whoever got the `first` receipt has it, whatever they said since."""

    portal: Portal
    key: ClinicKey
    first: Receipt | None

    def serve_page(self, order: Order) -> Order | None:
        """Serve one page of a contact's people and keep how far that is; None where somebody else carries it out."""
        clinic, progress = order.decision.clinic, order.progress
        contact = order.contacts[progress.contact]
        lookup = self.key.lookup(contact)
        page, place = contacts.page_of_people(self.portal.table, clinic, lookup, progress.place, MANY)
        if place is None:
            unsure = progress.unsure if progress.sure else (*progress.unsure, progress.contact)
            progress = replace(progress, contact=progress.contact + 1, place=-1, sure=False, unsure=unsure)
            return withdrawal_orders.save_progress(self.portal.table, order, progress)
        published = self.portal.directory.look_up(clinic).published
        for person, text in page:
            if not order.stop.reaches(person, contact):
                continue
            sure = progress.sure or self._is_sure(order, person, lookup)
            progress = replace(progress, sure=sure)
            try:
                receipt = self._serve(order, contact, person, text, published)
            except _AWAY:
                raise
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one person, the others are stopped
                log.fault(error)
                log.count("WithdrawalOrderFailed")
                progress = replace(progress, failed=progress.failed + 1)
                continue
            if receipt and str(progress.contact) not in progress.receipts and _tells(receipt, person, lookup):
                receipts = {**progress.receipts, str(progress.contact): receipt.id}
                progress = replace(progress, receipts=receipts)
        return withdrawal_orders.save_progress(self.portal.table, order, replace(progress, place=place))

    def _is_sure(self, order: Order, person: Subject, lookup: str) -> bool:
        """Tell whether the contact means this person without a doubt (`identity.unambiguous`)."""
        given = sum(self.key.lookup(each) in person.contacts for each in order.contacts if each.kind in REACHABLE_KINDS)
        return person.owns(lookup) and (person.certain or bool(person.of_age) or given >= len(person.typed))

    def _serve(
        self, order: Order, contact: Contact, person: Subject, text: str, published: Published
    ) -> Receipt | None:
        """Record for one person what an order says; None for who has it already, is gone, or has nothing left."""
        decision = order.decision
        number = self._number(order, person.id)
        said = {standing.last.receipt_id for standing in person.summaries.values() if standing.last}
        if self.first and self.first.document["subject"] == person.id:
            return self.first
        if number in said or (
            order.left_only and not has_open_answer(person, decision.answers, published.in_force, decision.recorded_at)
        ):
            return None
        lookup = self.key.lookup(contact)

        def alone(now: Subject, stored: str) -> Lookup:
            found = (now,) if lookup in now.contacts else ()
            known = {contact: found}
            return Lookup(published, known, {contact: lookup}, {now.id: stored}, known)

        def again() -> Lookup:
            found = self.portal.table.get([clinic_key(decision.clinic), person_key(decision.clinic, person.id)])
            kept = found[person_key(decision.clinic, person.id)]
            return alone(people.load_person(kept), kept.body or "")

        def still(now: Subject) -> Collection[QuestionId]:
            return decision.answers if now.id == person.id else ()

        signer = Identification(
            (contact,), None, order.fresh, person=person.id, base=order.base, follows=True, informed_by_order=True
        )
        try:
            own = replace(decision, receipt_id=number)
            return decisions.record(self.portal, own, signer, seen=alone(person, text), recheck=still, look_again=again)
        except (NoOpenQuestionError, LookupError):
            return None

    def _number(self, order: Order, subject: str) -> str:
        return receipt_id(self.key.receipt_secret(), order.number, {"subject": subject})

    def finish(self, order: Order) -> None:
        """Take an order away that reached everybody, and leave word for the contact; begin again where it failed."""
        progress = order.progress
        if progress.failed:
            withdrawal_orders.save_progress(self.portal.table, order, Progress())
            return
        unused = tuple(order.contacts[each] for each in progress.unsure)
        if unused and not order.asked_only:
            self._keep_for_nobody(order, unused)
        withdrawal_orders.finish(self.portal.table, self.key, order, self._word(order))
        log.log().info("withdrawal order done", extra={"clinic": order.decision.clinic})
        log.count("WithdrawalOrderDone")

    def _keep_for_nobody(self, order: Order, unused: tuple[Contact, ...]) -> None:
        """Keep contacts that are nobody's without a doubt as withdrawn: a form from before must not outlive that."""
        decision = replace(order.decision, receipt_id=self._number(order, order.fresh.id))
        fresh = order.fresh
        signer = Identification(
            unused, None, fresh, person=fresh.id, base=order.base, follows=True, informed_by_order=True
        )
        decisions.record(self.portal, decision, signer)

    def _word(self, order: Order) -> list[Write]:
        """Leave word for the contacts themselves, each of the receipt that tells it what was stopped."""
        told = {each: order.progress.receipts.get(str(at), "") for at, each in enumerate(order.contacts)}
        reached = {contact: receipt for contact, receipt in told.items() if contact.kind in REACHABLE_KINDS}
        if not any(reached.values()):
            reached = dict.fromkeys(reached, order.number)
        return [
            word
            for number in dict.fromkeys(filter(None, reached.values()))
            for word in self._of(order, number, [each for each, told in reached.items() if told == number])
        ]

    def _of(self, order: Order, number: str, typed: list[Contact]) -> list[Write]:
        clinic = order.decision.clinic
        try:
            document = self.portal.receipts.find(clinic, number).document
            person = people.person(self.portal.table, clinic, document["subject"])
        except (UnknownReceiptError, LookupError):  # there was nothing to stop for the first; or they are gone
            return []
        if person.erased:
            return []
        word = OutboxEntry(
            kind="decided",
            clinic=clinic,
            subject=person.id,
            lang=document["notice"]["lang"],
            base=order.base,
            receipt=number,
            version=document["version"],
            to=outbox.TYPED,
        )
        chosen = self.key.outbox_number(person.id, "order", f"{order.number}|{number}")
        return [outbox.new_item(self.key, person.salt, chosen, word, typed)]


def _tells(receipt: Receipt, person: Subject, lookup: str) -> bool:
    """Tell whether a contact is to hear of a receipt: it stopped something for somebody whose own it is."""
    return person.owns(lookup) and any(map(ended_consent, receipt.document["decisions"].values()))
