"""Telling: which messages an item of the outbox asks for, to whom, and what each of them is written from."""

import contextlib
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import BY_CLINIC, NoticeInForce, State, major, resolve
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.links import PORTAL, Link, LinkScope, LinkSecret, short_code
from chalicelib.domain.subjects import Subject
from chalicelib.messages.compose import MessageContent, email, text_message
from chalicelib.messages.rules import (
    SCOPES_BY_MESSAGE,
    UNSOLICITED,
    Message,
    PlannedMessage,
    confirmation_requests,
    ended_consent,
    messages_after,
)
from chalicelib.messages.transports import Email, TextMessage
from chalicelib.store import outbox, people
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import clinic_key, person_key, receipt_key
from chalicelib.store.messages import OutboxEntry, OutboxItem
from chalicelib.store.personal_data import reveal
from chalicelib.store.receipts import read_receipt
from chalicelib.store.reminders import current_reminder
from chalicelib.store.table import Table

LINK_DAYS = 30
"""How long the links in a message open something; they stop things for longer (`links.STOPS`)."""

RECEIPT_MAIL_EXPIRES = timedelta(days=1)
"""For how long it is worth telling that answers were saved, where the contact gets too many messages to tell it now."""

_OF_EVERYTHING = {Message.RECEIPT, Message.LINK, Message.ERASE}
"""What leads to the person's own page, or is about all of it."""

_OF_OTHERS = {Message.WITHDRAWN, Message.EXPIRING, Message.CHANGED, Message.OF_AGE}
"""What may tell of an act of others: anybody may stop something in anybody's name, and staff may have asked."""


@dataclass(frozen=True, slots=True)
class AudiencePlanner:
    """Whoever reads what an item of the outbox is about, at one moment."""

    table: Table
    clinics: Clinics
    now: Instant

    def planned(self, each: OutboxItem) -> list[tuple["MessageContext", PlannedMessage, Contact, str]]:
        """Tell which messages an item asks for, each with its contact and name; none where nobody can be reached."""
        unsent, table = each.entry, self.table
        at = {"clinic": clinic_key(unsent.clinic), "person": person_key(unsent.clinic, unsent.subject)}
        if unsent.receipt and unsent.version:
            at["receipt"] = receipt_key(unsent.clinic, unsent.subject, unsent.version)
        found = table.get(list(at.values()))
        stored = found.get(at["person"])
        if stored is None or ("receipt" in at and at["receipt"] not in found):
            return []
        published = self.clinics.published(unsent.clinic, found.get(at["clinic"]))
        clinic, key = self.clinics.with_all_past_questions(published), self.clinics.key(unsent.clinic)
        person = Subject.read(json.loads(stored.body or ""))
        if unsent.kind in UNSOLICITED:
            due = current_reminder(key, each.number, person, published, self.now)
            if due is None:
                return []
            unsent = replace(unsent, addresses=due.addresses, until=due.until)
        try:
            typed = self._typed(each, key, person)
            document = read_receipt(found[at["receipt"]]).document if "receipt" in at else {}
            told = MessageContext(unsent, clinic, key, document, published.in_force, person.lang)
            known = typed
            if person.of_age or told.stops or not typed:
                revealed = reveal(table, key, person)
                told = replace(told, child=revealed.child if person.of_age else "")
                if told.stops or not typed:
                    known = [contact for contact, _ in revealed.contacts if contact.kind in REACHABLE_KINDS]
        except ValueError:  # the person's key is gone, and with it every way to reach them
            return []
        own = [contact for contact in known if person.owns(key.lookup(contact))]
        reached = sorted(typed or known, key=lambda contact: contact not in own)
        return [
            (told.read_by(planned, own=contact in own), planned, contact, _named(planned, contact, typed, person.salt))
            for planned in told.plan(reached, own)
            for contact in _recipients(planned, reached, own)
            if _hears(unsent.to, typed=contact in typed)
            if planned.message is not Message.CONFIRM
            or self._still_to_confirm(told, planned, contact, person, asked=typed, own=contact in own)
            if planned.message is not Message.REMINDER or not self._given_elsewhere(told, person, contact)
        ]

    def _typed(self, each: OutboxItem, key: ClinicKey, person: Subject) -> Sequence[Contact]:
        """Give the contacts an item came with; a reminder goes to those that were asked to confirm."""
        asked = each.entry.receipt if each.entry.kind == Message.REMINDER else None
        claimed = outbox.claimants(self.table, self.clinics, each.entry.clinic, asked, person.id) if asked else ()
        return claimed or each.contacts(key, person.salt)

    def _still_to_confirm(
        self,
        told: "MessageContext",
        planned: PlannedMessage,
        contact: Contact,
        person: Subject,
        *,
        asked: Collection[Contact],
        own: bool,
    ) -> bool:
        """Tell whether a confirmation is still to be asked for: not when its time is over, nor of who gave it since.

        Nor where a later form with the same contacts (`asked`) asks for all of it: forms that are sent again and again
        are one message. A contact that is not the person's own is asked whatever they have said since: silence would
        tell of it.
        """
        now, standings = self.now, person.standings
        if (told.until(planned) or "") <= now:
            return False
        states = {resolve(standings.get(address), told.in_force, now).state for address in planned.addresses}
        if own and State.PENDING not in states:
            return False
        claims = {address: standings[address].claim for address in planned.addresses if address in standings}
        later = {address: claim.receipt_id for address, claim in claims.items() if claim is not None}
        if len(later) < len(planned.addresses) or told.unsent.receipt in later.values():
            return True
        forms = {
            receipt: outbox.claimants(self.table, self.clinics, told.clinic.id, receipt, person.id)
            for receipt in set(later.values())
        }
        # A form with other contacts may be a stranger's: its message must not stand for Anna's.
        return any(
            set(forms[receipt]) != set(asked)
            or told.clinic.confirmed_by(address, [each.kind for each in forms[receipt]]) != contact.kind
            for address, receipt in later.items()
        )

    def _given_elsewhere(self, told: "MessageContext", person: Subject, contact: Contact) -> bool:
        """Tell whether the contact has confirmed the claim already, as somebody else than it was made for."""
        clinic = told.clinic.id
        for confirmer in people.confirmers(self.table, clinic, person.id, told.unsent.receipt or ""):
            with contextlib.suppress(LookupError):  # erased and forgotten since
                if told.key.lookup(contact) in people.person(self.table, clinic, confirmer).contacts:
                    return True
        return False


def _recipients(planned: PlannedMessage, reached: Sequence[Contact], own: Sequence[Contact]) -> Sequence[Contact]:
    """Give the contacts one message goes to: what was stopped to all that are the person's own, the rest to one."""
    if planned.message is Message.WITHDRAWN:
        return [contact for contact in own if contact.kind is planned.kind]
    anyhow = planned.message in {Message.CONFIRM, Message.REMINDER, Message.REMOVED, Message.NEW_CONTACT}
    return [contact for contact in reached if contact.kind is planned.kind and (anyhow or contact in own)][:1]


def _hears(to: str, *, typed: bool) -> bool:
    """Tell whether a contact hears of something: all do, or those it was said under, or the others."""
    return not to or (to == outbox.TYPED) == typed


def _named(planned: PlannedMessage, contact: Contact, typed: Sequence[Contact], salt: str) -> str:
    """Name a message of an item; the names of those to further contacts tell nothing once the salt is gone."""
    name = f"{planned.message}#{planned.kind}"
    if planned.message is not Message.WITHDRAWN or contact in typed:
        return name
    return f"{name}#{hashlib.sha256(f'{salt}|{contact.value}'.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What an item of the outbox tells of."""

    unsent: OutboxEntry
    clinic: Clinic
    key: ClinicKey
    document: Mapping[str, Any]
    in_force: NoticeInForce
    chosen: str
    """The language the person last chose themself."""

    child: str = ""
    """As much of a child's name as its guardian needs; "" for whoever decides for themself."""

    own: bool = False
    """Whether whoever reads it does so by a contact of the person's own: nobody else is led to the receipt."""

    def read_by(self, planned: PlannedMessage, *, own: bool) -> "MessageContext":
        """Give it as its reader is spoken to: what others did, or may have done, in the language they chose themself.

        What answers the reader's own act, as far as anybody can tell, keeps the language of that.
        """
        others = self.document.get("assurance") in BY_CLINIC or planned.message in _OF_OTHERS
        if own and others and self.chosen in self.clinic.languages:
            return replace(self, own=own, unsent=replace(self.unsent, lang=self.chosen))
        return replace(self, own=own)

    @property
    def lang(self) -> str:
        """The language it is told in, which the clinic may have given up since."""
        return self.unsent.lang if self.unsent.lang in self.clinic.languages else self.clinic.default_language

    @property
    def stops(self) -> bool:
        """Tell whether a consent ended with what it tells of: every contact of the person's own hears of that."""
        return self.unsent.kind == "decided" and any(map(ended_consent, self.document["decisions"].values()))

    def plan(self, reached: Sequence[Contact], own: Collection[Contact]) -> tuple[PlannedMessage, ...]:
        """Tell what is sent to which kinds of contact: `reached` are those it came with, own ones first."""
        kinds: dict[ContactKind, bool] = {}
        for contact in reached:
            kinds.setdefault(contact.kind, contact in own)
        addresses = self.unsent.addresses
        if self.unsent.kind == "decided":
            return messages_after(self.document, kinds, {contact.kind for contact in own}, self.clinic)
        if self.unsent.kind in {Message.REMOVED, Message.NEW_CONTACT}:
            return tuple(PlannedMessage(Message(self.unsent.kind), kind, addresses) for kind in kinds)
        if self.unsent.kind == Message.REMINDER:
            return confirmation_requests(Message.REMINDER, addresses, kinds, self.clinic)
        first = [kind for kind in map(ContactKind, self.clinic.contact_order) if kinds.get(kind)][:1]
        return tuple(PlannedMessage(Message(self.unsent.kind), kind, addresses) for kind in first)

    def until(self, planned: PlannedMessage) -> Instant | None:
        """Tell when what a message tells of ends: for a confirmation, the first of what waits."""
        if planned.message is Message.CONFIRM:
            decisions: Mapping[str, Mapping[str, Instant]] = self.document["decisions"]
            return min(decisions[address]["confirm_by"] for address in planned.addresses)
        return self.unsent.until

    def about_a_stop(self, planned: PlannedMessage) -> bool:
        """Tell whether a message tells of a stop, of one that was undone, or that a contact was taken away."""
        evidence = self.document.get("evidence") or {}
        return planned.message in {Message.WITHDRAWN, Message.REMOVED} or "undoes" in evidence

    def waits_for_room(self, planned: PlannedMessage, now: Instant) -> bool:
        """Tell whether a message waits where its contact has got as many of its kind as one may get at once.

        Whoever has got so many links has what one more would bring; what only tells that answers were saved is no news
        after a day. Word of a stop waits as long as it must.
        """
        if planned.message is Message.RECEIPT:
            return instant(moment(now) - RECEIPT_MAIL_EXPIRES) < str(self.document["recorded_at"])
        return planned.message not in {Message.LINK, Message.ERASE}

    def link(self, planned: PlannedMessage, now: Instant) -> Link:
        """Give what the message's links open: what it is about; everything, where it is about the person's own page."""
        unsent = self.unsent
        about = () if planned.message in _OF_EVERYTHING else planned.addresses
        lasting = instant(moment(now) + timedelta(days=LINK_DAYS))
        confirming = bool({LinkScope.CONFIRM, LinkScope.ERASE} & {*SCOPES_BY_MESSAGE[planned.message]})
        expires_at = (self.until(planned) if confirming else None) or lasting
        return Link(unsent.clinic, unsent.subject, self.lang, about, unsent.receipt, now, expires_at, PORTAL)

    def addresses(self, handle: LinkSecret, planned: PlannedMessage, base: str) -> dict[str, str]:
        """Give where a message leads, by power, and `questions`, `notice` and the own `receipt`."""
        home, secret = f"{base}/{self.clinic.id}", self.key.link_secret()
        lang = f"lang={self.lang}"
        found = {"questions": f"{home}?{lang}", "notice": f"{home}/notices/{self.in_force.version}?{lang}"}
        if self.unsent.receipt and self.own:
            found["receipt"] = f"{home}/receipts/{self.unsent.receipt}?{lang}"
        for power in SCOPES_BY_MESSAGE[planned.message]:
            token = handle.token(secret, power)
            found[power] = f"{base}/{power}/{token}"
            if power is LinkScope.ASK:
                found[power] = f"{home}?t={token}"
            elif power is LinkScope.ERASE:
                found[power] = f"{base}/manage/{token}/erase"
        return found

    def message(
        self, planned: PlannedMessage, contact: Contact, links: Mapping[str, str], tags: Mapping[str, str]
    ) -> Email | TextMessage:
        """Write a message, as an e-mail or as a text message."""
        answers = self.document.get("decisions", {})
        about = {address: answers.get(address, {"answer": "yes"}) for address in planned.addresses}
        secret, receipt = self.key.link_secret(), self.unsent.receipt
        coded = LinkScope.CONFIRM in SCOPES_BY_MESSAGE[planned.message] and contact.kind is ContactKind.PHONE
        matter = MessageContent(
            message=planned.message,
            clinic=self.clinic,
            lang=self.lang,
            said=self.clinic.describe_answers(about),
            links=links,
            number=self.unsent.receipt or "",
            at=self.document.get("effective_at") if self.unsent.kind == "decided" else self.unsent.at,
            date=self.document.get("effective_date", ""),
            until=self.until(planned),
            lost=planned.message is Message.CHANGED
            and major(self.document["notice"]["version"]) != self.in_force.major,
            text_known="notice" not in self.document or self.document["notice"]["version"] is not None,
            code=short_code(secret, receipt, contact) if coded and receipt else "",
            child=self.child,
        )
        if contact.kind is ContactKind.PHONE:
            return text_message(matter, contact.value)
        return email(matter, contact.value, {"clinic": self.clinic.id, **tags})
