"""Carries out withdrawals for very many people, by the clock's round.

Such an order holds from the moment it was given (`domain.stops`). Here everybody who shares one of
its contacts gets a receipt of their own, page by page. How far an order came is kept with it, so
that it goes on wherever it was interrupted. Receipt numbers are computed per person: to reach
somebody twice is safe.
"""

import contextlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator
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
from chalicelib.services.decisions import BusyError, NoOpenQuestionError
from chalicelib.services.withdrawals import has_open_answer
from chalicelib.store import contacts, outbox, people, withdrawal_orders
from chalicelib.store.clinics import Published
from chalicelib.store.encryption import ClinicKey, KeysUnavailableError
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import person_key
from chalicelib.store.lookup import Identification, Lookup
from chalicelib.store.outbox import DECIDED, OutboxEntry
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.store.table import ContendedError, UnavailableError
from chalicelib.store.withdrawal_orders import MANY, Order, Progress
from chalicelib.store.writes import Kept, Write

_AWAY = (BusyError, ContendedError, KeysUnavailableError, UnavailableError)
"""After these an order is left as it stands, to the next round."""


def carry_on(portal: Portal, keys: Iterable[Key], out_of_time: OutOfTime) -> None:
    """Go on with these orders as far as the time goes: clinics in turn, a page of people of each.

    A clinic's orders are carried out one after the other, so that each is done as early as can be.
    No clinic waits for another one's large order, and no order for one that fails.
    """
    by_clinic: dict[str, list[Key]] = {}
    for key in keys:
        by_clinic.setdefault(withdrawal_orders.clinic_of(key), []).append(key)
    turns = deque(_carry_all(portal, orders) for orders in by_clinic.values())
    while turns and not out_of_time():
        turn = turns.popleft()
        if next(turn, None) is not None:
            turns.append(turn)


def _carry_all(portal: Portal, orders: Iterable[Key]) -> Iterator[Key]:
    """Carry these orders on to their ends; pause after each page, and give the order it was of."""
    for place in orders:
        try:
            for _ in _carry_one(portal, place):
                yield place
        except _AWAY as error:
            log.log().warning("an order is left to the next round", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one order, the others are carried on
            log.fault(error)
            log.count("WithdrawalOrderFailed")


def _carry_one(portal: Portal, place: Key) -> Iterator[None]:
    """Carry one order on to its end; pause after each page."""
    key = portal.clinics.key(withdrawal_orders.clinic_of(place))
    order = withdrawal_orders.read_order(portal.table, key, place)
    if order is None:
        return
    run = _OrderRun(portal, key, _first_receipt(portal, order))
    while order is not None and order.progress.contact < len(order.contacts):
        order = run.serve_page(order)
        yield
    if order is not None:
        run.finish(order)


def _first_receipt(portal: Portal, order: Order) -> Receipt | None:
    """Give the receipt that was recorded with the order.

    None where there was nothing to stop for its person.
    """
    with contextlib.suppress(UnknownReceiptError):
        return portal.receipts.find(order.decision.clinic, order.number)
    return None


@dataclass(frozen=True, slots=True)
class _OrderRun:
    """Serves the people of one order.

    Who got the `first` receipt has it, whatever they answered since.
    """

    portal: Portal
    key: ClinicKey
    first: Receipt | None

    def serve_page(self, order: Order) -> Order | None:
        """Serve one page of a contact's people and keep how far that is.

        None where somebody else carries it out.
        """
        clinic, progress = order.decision.clinic, order.progress
        contact = order.contacts[progress.contact]
        lookup = self.key.lookup(contact)
        page, place = contacts.page_of_people(
            self.portal.table, clinic, lookup, progress.place, MANY
        )
        if place is None:
            return withdrawal_orders.save_progress(
                self.portal.table, order, _at_next_contact(progress)
            )
        published = self.portal.directory.look_up(clinic).published
        for person, kept in page:
            if order.stop.reaches(person, contact):
                sure = progress.sure or self._is_sure(order, person, lookup)
                progress = replace(progress, sure=sure)
                progress = self._serve_one(order, progress, person, kept, published)
        return withdrawal_orders.save_progress(
            self.portal.table, order, replace(progress, place=place)
        )

    def _serve_one(
        self, order: Order, progress: Progress, person: Subject, kept: Kept, published: Published
    ) -> Progress:
        """Serve one person, and give how far the order is then; a failure holds up nobody else."""
        contact = order.contacts[progress.contact]
        try:
            receipt = self._record(order, contact, person, kept, published)
        except _AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one person, the others are stopped
            log.fault(error)
            log.count("WithdrawalOrderFailed")
            return replace(progress, failed=progress.failed + 1)
        name = str(progress.contact)
        if receipt is None or name in progress.receipts:
            return progress
        if not _stopped_something(receipt, person, self.key.lookup(contact)):
            return progress
        return replace(progress, receipts={**progress.receipts, name: receipt.id})

    def _is_sure(self, order: Order, person: Subject, lookup: str) -> bool:
        """Tell whether the contact means this person without a doubt (`identity.unambiguous`)."""
        if not person.owns(lookup):
            return False
        if person.certain or person.of_age:
            return True
        reachable = [contact for contact in order.contacts if contact.kind in REACHABLE_KINDS]
        given = [contact for contact in reachable if self.key.lookup(contact) in person.contacts]
        return len(given) >= len(person.typed)

    def _record(
        self, order: Order, contact: Contact, person: Subject, kept: Kept, published: Published
    ) -> Receipt | None:
        """Record the withdrawal for one person.

        None for who has it already, is gone, or has nothing left to stop.
        """
        decision = order.decision
        number = self._number(order, person.id)
        if self.first and self.first.document["subject"] == person.id:
            return self.first
        if _has_receipt(person, number):
            return None
        at = decision.recorded_at
        if order.left_only and not has_open_answer(
            person, decision.answers, published.in_force, at
        ):
            return None
        view = _PersonAlone(self.portal, published, contact, self.key.lookup(contact), person.id)

        def recheck(now: Subject) -> Collection[QuestionId]:
            return decision.answers if now.id == person.id else ()

        identification = Identification(
            (contact,),
            None,
            order.fresh,
            person=person.id,
            base=order.base,
            follows=True,
            informed_by_order=True,
        )
        own = replace(decision, receipt_id=number)
        try:
            return decisions.record(
                self.portal,
                own,
                identification,
                seen=view.of(person, kept),
                recheck=recheck,
                look_again=view.read,
            )
        except (NoOpenQuestionError, LookupError):
            return None

    def _number(self, order: Order, subject: str) -> str:
        """Give the number of one person's receipt: the same however often the order is carried
        out.
        """
        secret = self.key.receipt_secret()
        return receipt_id(secret, order.number, {"subject": subject})

    def finish(self, order: Order) -> None:
        """Remove an order that reached everybody, and leave messages to its contacts.

        Begin again where it failed.
        """
        progress = order.progress
        if progress.failed:
            withdrawal_orders.save_progress(self.portal.table, order, Progress())
            return
        unused = tuple(order.contacts[number] for number in progress.unsure)
        if unused and not order.asked_only:
            self._keep_for_nobody(order, unused)
        withdrawal_orders.finish(self.portal.table, self.key, order, self._outbox_writes(order))
        log.log().info("withdrawal order done", extra={"clinic": order.decision.clinic})
        log.count("WithdrawalOrderDone")

    def _keep_for_nobody(self, order: Order, unused: tuple[Contact, ...]) -> None:
        """Record the withdrawal for contacts that are surely nobody's, as for somebody new.

        A form from before the withdrawal, entered later, must not outlive it.
        """
        fresh = order.fresh
        decision = replace(order.decision, receipt_id=self._number(order, fresh.id))
        identification = Identification(
            unused,
            None,
            fresh,
            person=fresh.id,
            base=order.base,
            follows=True,
            informed_by_order=True,
        )
        decisions.record(self.portal, decision, identification)

    def _outbox_writes(self, order: Order) -> list[Write]:
        """Give an item of the outbox for each receipt that the order's contacts are to hear of."""
        writes = []
        for number, given in _contacts_by_receipt(order).items():
            writes += self._outbox_writes_about(order, number, given)
        return writes

    def _outbox_writes_about(self, order: Order, number: str, given: list[Contact]) -> list[Write]:
        """Give the items by which these contacts hear of a receipt.

        Empty where the person is gone or there is no receipt.
        """
        clinic = order.decision.clinic
        try:
            document = self.portal.receipts.find(clinic, number).document
            person = people.person(self.portal.table, clinic, document["subject"])
        except LookupError:
            return []
        if person.erased:
            return []
        entry = OutboxEntry(
            kind=DECIDED,
            clinic=clinic,
            subject=person.id,
            lang=document["notice"]["lang"],
            base=order.base,
            receipt=number,
            version=document["version"],
            to=outbox.TYPED,
        )
        item_number = self.key.outbox_number(person.id, "order", f"{order.number}|{number}")
        return [outbox.new_item(self.key, person.salt, item_number, entry, given)]


@dataclass(frozen=True, slots=True)
class _PersonAlone:
    """Gives lookups that hold one person alone, and nobody else who shares the contact."""

    portal: Portal
    published: Published
    contact: Contact
    lookup: str
    subject: str

    def of(self, person: Subject, kept: Kept) -> Lookup:
        """Give the lookup of the person as they were read."""
        found = (person,) if self.lookup in person.contacts else ()
        known = {self.contact: found}
        return Lookup(self.published, known, {self.contact: self.lookup}, {person.id: kept}, known)

    def read(self) -> Lookup:
        """Read the person anew; one round trip."""
        clinic = self.published.clinic.id
        place = person_key(clinic, self.subject)
        item = self.portal.table.get([place])[place]
        return self.of(people.load_person(item), people.kept_in(item) or "")


def _at_next_contact(progress: Progress) -> Progress:
    """Give the progress at the start of the next contact.

    One that was nobody's without a doubt is noted.
    """
    unsure = progress.unsure if progress.sure else (*progress.unsure, progress.contact)
    return replace(progress, contact=progress.contact + 1, place=-1, sure=False, unsure=unsure)


def _has_receipt(person: Subject, number: str) -> bool:
    """Tell whether the last answer to any question of a person is from this receipt."""
    last = [summary.last for summary in person.summaries.values()]
    return any(answer is not None and answer.receipt_id == number for answer in last)


def _contacts_by_receipt(order: Order) -> dict[str, list[Contact]]:
    """Give the contacts that hear of each receipt: of the first that stopped something for an
    owner.

    Where there is none for any contact, all hear of the order's own receipt.
    """
    receipts: dict[Contact, str] = {}
    for number, contact in enumerate(order.contacts):
        if contact.kind in REACHABLE_KINDS:
            receipts[contact] = order.progress.receipts.get(str(number), "")
    if not any(receipts.values()):
        receipts = dict.fromkeys(receipts, order.number)
    given: dict[str, list[Contact]] = {}
    for contact, receipt in receipts.items():
        if receipt:
            given.setdefault(receipt, []).append(contact)
    return given


def _stopped_something(receipt: Receipt, person: Subject, lookup: str) -> bool:
    """Tell whether a receipt ended a consent of somebody whose own the contact is."""
    if not person.owns(lookup):
        return False
    return any(ended_consent(entry) for entry in receipt.document["decisions"].values())
