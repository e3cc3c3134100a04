"""Who gets which message for one item of the outbox, and why somebody gets none.

An item may be days old when it is sent: the person may have been erased, may have answered, or the
contact may have turned out to be another's. So everything is read anew, and each message that is
left out has its reason.
"""

import contextlib
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.domain.consent import AnswerSummary, QuestionId, State, resolve
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact
from chalicelib.domain.instants import Instant
from chalicelib.domain.message_outcomes import Reason
from chalicelib.domain.subjects import Subject
from chalicelib.messages.context import MessageContext
from chalicelib.messages.rules import UNSOLICITED, Message, PlannedMessage
from chalicelib.store import confirmation_codes, outbox, people
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.gathered import Gathered
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import person_key
from chalicelib.store.keys.receipts import receipt_key
from chalicelib.store.outbox import OutboxEntry, OutboxItem
from chalicelib.store.personal_data import reveal
from chalicelib.store.receipts import read_receipt
from chalicelib.store.reminders import current_reminder
from chalicelib.store.table import Table
from chalicelib.store.writes import Put

_TO_ANY_CONTACT = {Message.CONFIRM, Message.REMINDER, Message.REMOVED, Message.NEW_CONTACT}
"""What goes to a contact whether or not it is the person's own: it asks its reader, or is about the
contact itself."""


@dataclass(frozen=True, slots=True)
class AddressedMessage:
    """One message to one contact.

    `name` is that of its record, the same whenever its item is planned again.
    """

    context: MessageContext
    planned: PlannedMessage
    contact: Contact
    name: str
    asked: Put | None = None
    """What has to be written before it goes out: who is asked to confirm
    (`confirmation_codes.asked_write`)."""


@dataclass(frozen=True, slots=True)
class MessagePlan:
    """The messages of one item of the outbox, and why others are left out, by their records' names.

    Where the item leads to no message at all, `nothing` says why.
    """

    messages: list[AddressedMessage] = field(default_factory=list)
    left_out: dict[str, Reason] = field(default_factory=dict)
    nothing: Reason | None = None


@dataclass(frozen=True, slots=True)
class _Audience:
    """The contacts that an item may reach.

    `given` came with it. `reached` are those, else all that are known. `own` are the person's own
    of all that were read.
    """

    person: Subject
    given: Sequence[Contact]
    reached: Sequence[Contact]
    own: Sequence[Contact]


class _NothingError(Exception):
    """An item leads to no message; carries why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class AudiencePlanner:
    """Plans the messages of items of the outbox, as things stand at one moment.

    `gathered` holds what was read of them already (`keys_to_plan`).
    """

    table: Table
    clinics: Clinics
    now: Instant
    gathered: Gathered | None = None

    def plan(self, item: OutboxItem) -> MessagePlan:
        """Give the messages of an item, each with its contact, and why others are left out."""
        try:
            context, audience = self._read(item)
        except _NothingError as error:
            return MessagePlan(nothing=error.reason)
        planned = context.plan(audience.reached, audience.own)
        if not planned:
            return MessagePlan(
                nothing=context.why_nothing_is_planned(audience.reached, audience.own)
            )
        plan = MessagePlan()
        for message in planned:
            self._address(plan, context, message, audience)
        return plan

    def _address(
        self,
        plan: MessagePlan,
        context: MessageContext,
        planned: PlannedMessage,
        audience: _Audience,
    ) -> None:
        """Add one message to the plan, for each contact it goes to, or the reason why it does
        not.
        """
        recipients = _recipients(planned, audience)
        if not recipients:
            plan.left_out[planned.name] = Reason.NOT_THEIR_OWN_CONTACT
        for contact in recipients:
            name = _record_name(planned, contact, audience)
            reason = self._reason_against(context, planned, contact, audience)
            if reason is not None:
                plan.left_out[name] = reason
                continue
            reader = context.for_reader(planned, own=contact in audience.own)
            asked = _asked_write(context, planned, audience)
            plan.messages.append(AddressedMessage(reader, planned, contact, name, asked))

    def _read(self, item: OutboxItem) -> tuple[MessageContext, _Audience]:
        """Read what an item is about and whom it may reach.

        Raise _NothingError where it leads to no message.
        """
        entry = item.entry
        place, receipt_place = person_key(entry.clinic, entry.subject), _receipt_key(entry)
        found = (self.gathered or self.table).get(keys_to_plan(entry))
        if place not in found:
            raise _NothingError(Reason.PERSON_GONE)
        person = people.load_person(found[place])
        if person.erased:
            raise _NothingError(Reason.PERSON_ERASED)
        if receipt_place is not None and receipt_place not in found:
            raise _NothingError(Reason.RECEIPT_GONE)
        published = self.clinics.published(entry.clinic, found.get(clinic_key(entry.clinic)))
        key = self.clinics.key(entry.clinic)
        if entry.kind in UNSOLICITED:
            due = current_reminder(key, item.number, person, published, self.now)
            if due is None:
                raise _NothingError(Reason.NOT_DUE_ANY_MORE)
            entry = replace(entry, addresses=due.question_ids, until=due.until)
        document = read_receipt(found[receipt_place]).document if receipt_place else {}
        clinic = self.clinics.with_all_past_questions(published)
        context = MessageContext(entry, clinic, key, document, published.in_force, person.lang)
        return self._with_audience(item, context, person)

    def _with_audience(
        self, item: OutboxItem, context: MessageContext, person: Subject
    ) -> tuple[MessageContext, _Audience]:
        """Read the contacts an item may reach.

        The context then has the child's name, where it is about a child.
        """
        key = context.key
        try:
            given = self._given(item, key, person)
            known = given
            if person.of_age or context.consent_ended or not given:
                details = reveal(self.table, key, person)
                if person.of_age:
                    context = replace(context, child=details.child)
                if context.consent_ended or not given:
                    known = [
                        contact
                        for contact, _ in details.contacts
                        if contact.kind in REACHABLE_KINDS
                    ]
        except ValueError:
            raise _NothingError(Reason.CONTACTS_UNREADABLE) from None
        own = [contact for contact in known if person.owns(key.lookup(contact))]
        reached = sorted(given or known, key=lambda contact: contact not in own)
        return context, _Audience(person, given, reached, own)

    def _given(self, item: OutboxItem, key: ClinicKey, person: Subject) -> Sequence[Contact]:
        """Give the contacts an item came with.

        A reminder goes to those that were asked to confirm, and so does what asks them again.
        """
        entry = item.entry
        if entry.kind in {Message.REMINDER, Message.CONFIRM} and entry.receipt:
            contacts = self._asked_to_confirm(entry.clinic, entry.receipt, person)
            if contacts:
                return contacts
        return item.contacts(key, person.salt)

    def _asked_to_confirm(self, clinic: str, receipt: str, person: Subject) -> Sequence[Contact]:
        """Give the contacts that a receipt's answers can be confirmed from."""
        return confirmation_codes.asked_contacts(self.table, self.clinics, clinic, receipt, person)

    def _reason_against(
        self,
        context: MessageContext,
        planned: PlannedMessage,
        contact: Contact,
        audience: _Audience,
    ) -> Reason | None:
        """Tell why a message does not go to a contact; None where it does."""
        if not _is_meant(context.entry.to, given=contact in audience.given):
            return Reason.ANOTHER_ITEM
        if planned.message is Message.CONFIRM:
            return self._reason_not_to_ask(context, planned, contact, audience)
        if planned.message is Message.REMINDER and self._confirmed_elsewhere(
            context, contact, audience.person
        ):
            return Reason.CONFIRMED_ELSEWHERE
        return None

    def _reason_not_to_ask(
        self,
        context: MessageContext,
        planned: PlannedMessage,
        contact: Contact,
        audience: _Audience,
    ) -> Reason | None:
        """Tell why a contact is not asked to confirm, or not any more; None where it is asked.

        A contact that is not the person's own is asked whatever they have answered since: that no
        message comes would tell its reader of it.
        """
        person = audience.person
        if (context.ends_at(planned) or "") <= self.now:
            return Reason.TIME_OVER
        if contact in audience.own and not self._waits(context, planned, person):
            return Reason.ANSWERED_SINCE
        if self._later_form_asks(context, planned, contact, audience):
            return Reason.LATER_FORM_ASKS
        return None

    def _waits(self, context: MessageContext, planned: PlannedMessage, person: Subject) -> bool:
        """Tell whether any of the answers a message is about still waits to be confirmed."""
        for address in planned.addresses:
            summary = person.summaries.get(address)
            if resolve(summary, context.in_force, self.now).state is State.PENDING:
                return True
        return False

    def _later_form_asks(
        self,
        context: MessageContext,
        planned: PlannedMessage,
        contact: Contact,
        audience: _Audience,
    ) -> bool:
        """Tell whether later forms with the same contacts ask for all of it: theirs stands for
        both.

        So forms that are sent again and again are one message. A form with other contacts may be a
        stranger's: its message must not stand for this person's.
        """
        person = audience.person
        later = _waiting_receipts(planned.addresses, person.summaries)
        if len(later) < len(planned.addresses) or context.entry.receipt in later.values():
            return False
        clinic = context.clinic.id
        contacts_asked = {
            receipt: self._asked_to_confirm(clinic, receipt, person)
            for receipt in set(later.values())
        }
        for address, receipt in later.items():
            if set(contacts_asked[receipt]) != set(audience.given):
                return False
            kinds = [other.kind for other in contacts_asked[receipt]]
            if context.clinic.confirming_kind(address, kinds) != contact.kind:
                return False
        return True

    def _confirmed_elsewhere(
        self, context: MessageContext, contact: Contact, person: Subject
    ) -> bool:
        """Tell whether the contact has confirmed it already, as another person who has it too."""
        clinic, lookup = context.clinic.id, context.key.lookup(contact)
        for confirmer in people.confirmers(
            self.table, clinic, person.id, context.entry.receipt or ""
        ):
            with contextlib.suppress(LookupError):  # their data were deleted since
                if lookup in people.person(self.table, clinic, confirmer).contacts:
                    return True
        return False


def keys_to_plan(entry: OutboxEntry) -> list[Key]:
    """Give what is read to plan an item's messages: the clinic, the person, the receipt."""
    keys = [clinic_key(entry.clinic), person_key(entry.clinic, entry.subject)]
    if receipt := _receipt_key(entry):
        keys.append(receipt)
    return keys


def _receipt_key(entry: OutboxEntry) -> Key | None:
    if not entry.receipt or not entry.version:
        return None
    return receipt_key(entry.clinic, entry.subject, entry.version)


def _recipients(planned: PlannedMessage, audience: _Audience) -> Sequence[Contact]:
    """Give the contacts one message goes to: of a stop all that are the person's own, else one."""
    if planned.message is Message.WITHDRAWN:
        return [contact for contact in audience.own if contact.kind is planned.kind]
    for contact in audience.reached:
        if contact.kind is not planned.kind:
            continue
        if planned.message in _TO_ANY_CONTACT or contact in audience.own:
            return [contact]
    return []


def _asked_write(
    context: MessageContext, planned: PlannedMessage, audience: _Audience
) -> Put | None:
    """Give what keeps who is asked to confirm; None where a message asks nobody to."""
    if planned.message not in {Message.CONFIRM, Message.REMINDER}:
        return None
    return confirmation_codes.asked_write(
        context.key, audience.person, context.document, audience.reached
    )


def _is_meant(to: str, *, given: bool) -> bool:
    """Tell whether an item is for a contact: for all, for those given with it, or for the
    others.
    """
    if not to:
        return True
    return given if to == outbox.TYPED else not given


def _waiting_receipts(
    addresses: Collection[QuestionId], summaries: Mapping[QuestionId, AnswerSummary]
) -> dict[QuestionId, str]:
    """Give the receipt of each answer that waits to be confirmed."""
    receipts = {}
    for address in addresses:
        claim = summaries[address].claim if address in summaries else None
        if claim is not None:
            receipts[address] = claim.receipt_id
    return receipts


def _record_name(planned: PlannedMessage, contact: Contact, audience: _Audience) -> str:
    """Name the record of one message to one contact.

    What was stopped goes to contacts that were not given, too: these are named by a hash with the
    person's salt, which names nobody once that is gone.
    """
    if planned.message is not Message.WITHDRAWN or contact in audience.given:
        return planned.name
    digest = hashlib.sha256(f"{audience.person.salt}|{contact.value}".encode()).hexdigest()
    return f"{planned.name}#{digest[:16]}"
