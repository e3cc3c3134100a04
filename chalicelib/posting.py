"""Posting: the outbox is carried out, by the stream at once and by the clock's round through what waits.

No patient waits for a message, and none is lost: a decision leaves word in the outbox in its own transaction, and that
goes only when everything has been told. What fails is put off and at last set aside; it holds up nothing else.
"""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib import journal
from chalicelib.consent import Assurance, NoticeInForce, State, major, resolve
from chalicelib.contact import Contact, Kind, initials
from chalicelib.instants import Instant, instant, moment
from chalicelib.letters import (
    POWERS,
    UNASKED,
    Matter,
    Message,
    Planned,
    asked_to_confirm,
    following,
    letter,
    stops,
    text_message,
)
from chalicelib.limits import MESSAGE, TooManyError
from chalicelib.links import Handle, Holder, Link, Power, short_code
from chalicelib.notice import Clinic
from chalicelib.post import Letter, Post, PostRefusedError, PostUnavailableError, TextMessage
from chalicelib.receipts import Subject
from chalicelib.sealing import Hurried
from chalicelib.store import buckets, messages, outbox, roll
from chalicelib.store.clinics import Clinics
from chalicelib.store.keys import Key, clinic_key, confirmed_key, receipt_key, roll_key
from chalicelib.store.links import puts
from chalicelib.store.messages import BusyLetterError, Unsent, Waiting
from chalicelib.store.register import Register, read_receipt
from chalicelib.store.sealed import reveal
from chalicelib.store.table import ContendedError, Table, UnavailableError
from chalicelib.store.told import still_due
from chalicelib.vault import ClinicKey, KeysUnavailableError

PATIENCE = 3
LINK_DAYS = 30
"""How long the links in a message open something; stopping never grows old."""

NEWS = timedelta(days=1)
"""For how long it is worth telling that answers were saved, where the contact gets too many messages to tell it now."""

_OF_OTHERS = {Message.WITHDRAWN, Message.EXPIRING, Message.CHANGED}
"""What may tell of an act of others: anybody may stop something in anybody's name, and staff may have asked."""

BOUNCED = timedelta(days=30)
"""For how long a contact that bounced is left alone: what was mistyped bounces again, a mailbox may be mended."""


@dataclass(slots=True)
class Tally:
    """How far a round came; `away` counts the failures in a row, by what failed; `whole` unless something was left."""

    sent: int = 0
    failed: int = 0
    whole: bool = True
    away: Counter[str] = field(default_factory=Counter)


def _clock() -> Instant:
    return instant(datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Courier:
    """Who carries the outbox out. Without a `post` nothing is sent, and what is to be sent waits."""

    table: Table
    clinics: Clinics
    post: Post | None
    public_url: str = ""
    now: Callable[[], Instant] = _clock

    def carry(self, items: Iterable[Waiting], hurried: Hurried) -> Tally:
        """Tell what these items of the outbox are to tell, as far as the time goes."""
        tally = Tally()
        for each in items:
            if hurried() or tally.away["store"] == PATIENCE:
                tally.whole = False
                break
            try:
                self._tell(each, tally)
            except BusyLetterError:
                tally.whole = False
            except (ContendedError, KeysUnavailableError, UnavailableError) as error:
                tally.away["store"] += 1
                tally.whole = False
                self._note(each, "left", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one item, the others are told
                journal.fault(error)
                tally.failed += 1
                self._put_off(each)
            else:
                tally.away["store"] = 0
        return tally

    def carry_new(self, keys: Iterable[Key], hurried: Hurried) -> Tally:
        """Tell what was just left; a key that comes again, from a stream that repeats itself, has nothing to tell."""
        return self.carry(self._possible(messages.still_waiting(self.table, list(keys))), hurried)

    def carry_waiting(self, hurried: Hurried) -> Tally:
        """Tell everything that is due."""
        return self.carry(self._possible(messages.waiting(self.table, self.now())), hurried)

    def _possible(self, items: Iterable[Waiting]) -> Iterable[Waiting]:
        """Leave out, where there is no post, all but wishes: what those hold is readable until they are shared out."""
        return (each for each in items if self.post or each.unsent.kind == messages.WANTED)

    def _tell(self, each: Waiting, tally: Tally) -> None:
        if each.unsent.kind == messages.WANTED:
            self._share_out(each)
            return
        if each.unsent.kind == messages.UNREADABLE:
            self._bury(each)
            return
        outcomes, full = self._send_all(each, tally)
        if outcomes["left"]:
            tally.whole = False
        if outcomes["failed"]:
            self._put_off(each)
        elif full:
            room = instant(moment(self.now()) + timedelta(seconds=min(full)))
            messages.put_off(self.table, each, room, each.unsent.tries)
            self._note(each, "waits for room")
        elif outcomes["refused"]:
            self._bury(each)
        elif not outcomes["left"]:
            messages.done(self.table, each)

    def _send_all(self, each: Waiting, tally: Tally) -> tuple[Counter[str], list[int]]:
        """Send what an item asks for; tell what came of it, and after how many seconds there is room for the rest."""
        outcomes, full = Counter[str](), list[int]()
        for told, planned, contact, name in self._planned(each):
            try:
                outcomes[self._send(each, told, planned, contact, name, tally=tally)] += 1
            except TooManyError as error:
                if told.waits_for_room(planned, self.now()):
                    full.append(error.seconds)
                else:
                    self._skipped(each, planned, "too many")
        return outcomes, full

    def _bury(self, each: Waiting) -> None:
        messages.bury(self.table, each)
        journal.count("MessageDead")

    def _share_out(self, each: Waiting) -> None:
        """Find who is meant by a wish for a link; each of them is told by the next round, or by the stream."""
        key = self.clinics.key(each.unsent.clinic)
        contacts = each.contacts(key, each.unsent.subject)
        look = Register(self.table, self.clinics).look(each.unsent.clinic, contacts)
        messages.share_out(self.table, key, each, look.people)

    def _put_off(self, each: Waiting) -> None:
        try:
            dead = messages.later(self.table, each, self.now())
        except (ContendedError, UnavailableError) as error:
            self._note(each, "left", error=type(error).__name__)
            return
        self._note(each, "dead" if dead else "put off", tries=each.unsent.tries + 1)
        if dead:
            journal.count("MessageDead")

    def _planned(self, each: Waiting) -> list[tuple["_Told", Planned, Contact, str]]:
        """Tell which messages an item asks for, each with its contact and name; none where nobody can be reached."""
        unsent, table = each.unsent, self.table
        at = {"clinic": clinic_key(unsent.clinic), "person": roll_key(unsent.clinic, unsent.subject)}
        if unsent.receipt and unsent.version:
            at["receipt"] = receipt_key(unsent.clinic, unsent.subject, unsent.version)
        found = table.get(list(at.values()))
        stored = found.get(at["person"])
        if stored is None or ("receipt" in at and at["receipt"] not in found):
            return []
        published = self.clinics.published(unsent.clinic, found.get(at["clinic"]))
        clinic, key = self.clinics.ever_asked(published), self.clinics.key(unsent.clinic)
        person = Subject.read(json.loads(stored.body or ""))
        if unsent.kind in UNASKED:
            due = still_due(each.number, person, published, self.now())
            if due is None:
                return []
            unsent = replace(unsent, addresses=due.addresses, until=due.until)
        try:
            typed = self._typed(each, key, person)
            document = read_receipt(found[at["receipt"]]).document if "receipt" in at else {}
            child = _child(table, key, person)
            told = _Told(unsent, clinic, key, document, published.in_force, person.lang, child)
            known = self._known(key, person) if told.stops or not typed else typed
        except ValueError:  # the person's key is gone, and with it every way to reach them
            return []
        own = [contact for contact in known if person.owns(key.lookup(contact))]
        reached = sorted(typed or known, key=lambda contact: contact not in own)
        return [
            (told.read_by(planned, own=contact in own), planned, contact, _named(planned, contact, typed, person.salt))
            for planned in told.plan(reached, own)
            for contact in _meant(planned, reached, own)
            if planned.message is not Message.CONFIRM
            or self._still_to_confirm(told, planned, contact, person, asked=typed, own=contact in own)
            if planned.message is not Message.REMINDER or not self._given_elsewhere(told, person, contact)
        ]

    def _typed(self, each: Waiting, key: ClinicKey, person: Subject) -> Sequence[Contact]:
        """Give the contacts an item came with; a reminder goes to those that were asked to confirm."""
        asked = each.unsent.receipt if each.unsent.kind == Message.REMINDER else None
        claimed = outbox.claimants(self.table, self.clinics, each.unsent.clinic, asked, person.id) if asked else ()
        return claimed or each.contacts(key, person.salt)

    def _known(self, key: ClinicKey, person: Subject) -> list[Contact]:
        """Give the e-mail addresses and numbers a person is known by."""
        known = [contact for contact, _ in reveal(self.table, key, person).contacts]
        return [contact for contact in known if contact.kind in {Kind.EMAIL, Kind.PHONE}]

    def _still_to_confirm(
        self,
        told: "_Told",
        planned: Planned,
        contact: Contact,
        person: Subject,
        *,
        asked: Collection[Contact],
        own: bool,
    ) -> bool:
        """Tell whether a confirmation is still to be asked for: not when its time is over, nor of who gave it since.

        Nor where a later form with the same contacts (`asked`) asks for all of it: forms that are sent again and again
        are one message. A
        contact that is not the person's own is asked whatever they have said since: silence would tell of it.
        """
        now, standings = self.now(), person.standings
        if (told.until(planned) or "") <= now:
            return False
        states = {resolve(standings.get(address), told.in_force, now).state for address in planned.addresses}
        if own and State.PENDING not in states:
            return False
        claims = {address: standings[address].claim for address in planned.addresses if address in standings}
        later = {address: claim.receipt_id for address, claim in claims.items() if claim is not None}
        if len(later) < len(planned.addresses) or told.unsent.receipt in later.values():
            return True
        for address, receipt in later.items():
            typed = outbox.claimants(self.table, self.clinics, told.clinic.id, receipt, person.id)
            kinds = [each.kind for each in typed]
            # A form with other contacts may be a stranger's: its message must not stand for Anna's.
            if set(typed) != set(asked) or told.clinic.confirmed_by(address, kinds) != contact.kind:
                return True
        return False

    def _given_elsewhere(self, told: "_Told", person: Subject, contact: Contact) -> bool:
        """Tell whether the contact has confirmed the claim already, as somebody else than it was made for."""
        clinic, place = told.clinic.id, confirmed_key(told.clinic.id, person.id, told.unsent.receipt or "", "")
        for item in self.table.partition(place.pk, place.sk):
            with contextlib.suppress(LookupError):  # erased and forgotten since
                if told.key.lookup(contact) in roll.person(self.table, clinic, item.sk.removeprefix(place.sk)).contacts:
                    return True
        return False

    def _send(
        self, each: Waiting, told: "_Told", planned: Planned, contact: Contact, name: str, *, tally: Tally
    ) -> str:
        """Send one message, unless it was sent; tell whether it is done, failed, refused, or left for another round.

        Raises TooManyError where its contact has got as many of its kind as one may get at once.
        """
        now, lookup = self.now(), told.key.lookup(contact)
        if self.post is None or tally.away[planned.kind] == PATIENCE:
            return "left"
        handle = Handle.fresh()
        link = told.link(planned, now)
        base = self.public_url or each.unsent.base
        ready = told.message(planned, contact, told.addresses(handle, planned, base), {"lookup": lookup})
        passing = Power.UNSUBSCRIBE not in POWERS[planned.message]
        opened = puts(told.key, [(handle, link, Holder(contact))], passing=passing)
        try:
            room = [buckets.one(self.table, told.key, f"{planned.message}|{lookup}", MESSAGE, now)]
        except TooManyError:
            if not messages.tried(self.table, each, name):
                raise
            room = []  # it was taken when this message was first tried
        lease = messages.take(self.table, each, name, now, opened, room)
        if lease is None:
            return "done"
        reason = self._unwanted(each, planned, lookup, now)
        if reason:
            messages.settle(self.table, lease, messages.SKIPPED, reason=reason)
            self._skipped(each, planned, reason)
            return "done"
        try:
            number = self.post.send(ready)
        except PostRefusedError as error:
            messages.settle(self.table, lease, messages.REFUSED, reason=str(error))
            self._note(each, "refused", planned, error=str(error))
            tally.failed += 1
            return "refused"
        except PostUnavailableError as error:
            messages.settle(self.table, lease, messages.WAITING)
            self._note(each, "failed", planned, error=str(error))
            journal.count("MessageFailed")
            tally.failed += 1
            tally.away[planned.kind] += 1
            return "failed"
        tally.away[planned.kind] = 0
        tally.sent += 1
        messages.settle(self.table, lease, messages.SENT, id=number, at=now)
        self._note(each, "sent", planned, message_id=number)
        journal.count("MessageSent")
        return "done"

    def _skipped(self, each: Waiting, planned: Planned, reason: str) -> None:
        self._note(each, "skipped", planned, error=reason)
        journal.count("MessageSkipped")

    def _unwanted(self, each: Waiting, planned: Planned, lookup: str, now: Instant) -> str:
        """Tell why a contact is not written to; who complained gets what they ask for and what they have to know."""
        marks = messages.undeliverable(self.table, each.unsent.clinic, lookup)
        if marks.get("bounce", "") > instant(moment(now) - BOUNCED):
            return "bounce"
        return "complaint" if "complaint" in marks and planned.message in UNASKED else ""

    def _note(self, each: Waiting, outcome: str, planned: Planned | None = None, **told: Any) -> None:
        """Log ids and the outcome; a receipt's number opens its page, and so stays out of the log."""
        if planned is not None:
            told |= {"letter": planned.message.value, "channel": planned.kind.value}
        unsent = each.unsent
        journal.log().info("message", clinic=unsent.clinic, subject=unsent.subject, outcome=outcome, **told)


def _meant(planned: Planned, typed: Sequence[Contact], own: Sequence[Contact]) -> Sequence[Contact]:
    """Give the contacts one message goes to: what was stopped to all that are the person's own, the rest to one."""
    if planned.message is Message.WITHDRAWN:
        return [contact for contact in own if contact.kind is planned.kind]
    asks = planned.message in {Message.CONFIRM, Message.REMINDER}
    return [contact for contact in typed if contact.kind is planned.kind and (asks or contact in own)][:1]


def _named(planned: Planned, contact: Contact, typed: Sequence[Contact], salt: str) -> str:
    """Name a message of an item; the names of those to further contacts tell nothing once the salt is gone."""
    name = f"{planned.message}#{planned.kind}"
    if planned.message is not Message.WITHDRAWN or contact in typed:
        return name
    return f"{name}#{hashlib.sha256(f'{salt}|{contact.value}'.encode()).hexdigest()[:16]}"


def _child(table: Table, key: ClinicKey, person: Subject) -> str:
    """Give as much of a child's name as its guardian needs; errors as for `reveal`, which only a child costs."""
    names = reveal(table, key, person).names if person.of_age else ()
    return initials(names[-1]) if names else ""


@dataclass(frozen=True, slots=True)
class _Told:
    """What an item of the outbox tells of."""

    unsent: Unsent
    clinic: Clinic
    key: ClinicKey
    document: Mapping[str, Any]
    in_force: NoticeInForce
    chosen: str
    """The language the person last chose themself."""

    child: str
    """As much of a child's name as its guardian needs; "" for whoever decides for themself."""

    own: bool = False
    """Whether whoever reads it does so by a contact of the person's own: nobody else is led to the receipt."""

    def read_by(self, planned: Planned, *, own: bool) -> "_Told":
        """Give it as its reader is spoken to: what others did, or may have done, in the language they chose themself.

        What answers the reader's own act, as far as anybody can tell, keeps the language of that.
        """
        others = self.document.get("assurance") == Assurance.STAFF_WITNESSED or planned.message in _OF_OTHERS
        if own and others and self.chosen in self.clinic.languages:
            return replace(self, own=own, unsent=replace(self.unsent, lang=self.chosen))
        return replace(self, own=own)

    @property
    def lang(self) -> str:
        return self.unsent.lang if self.unsent.lang in self.clinic.languages else self.clinic.default_language

    @property
    def stops(self) -> bool:
        """Tell whether a consent ended with what it tells of: every contact of the person's own hears of that."""
        return self.unsent.kind == "decided" and any(map(stops, self.document["decisions"].values()))

    def plan(self, reached: Sequence[Contact], own: Collection[Contact]) -> tuple[Planned, ...]:
        """Tell what is sent to which kinds of contact: `reached` are those it came with, own ones first."""
        kinds: dict[Kind, bool] = {}
        for contact in reached:
            kinds.setdefault(contact.kind, contact in own)
        addresses = self.unsent.addresses
        if self.unsent.kind == "decided":
            return following(self.document, kinds, {contact.kind for contact in own}, self.clinic)
        if self.unsent.kind == Message.REMINDER:
            return asked_to_confirm(Message.REMINDER, addresses, kinds, self.clinic)
        first = [kind for kind in map(Kind, self.clinic.contact_order) if kinds.get(kind)][:1]
        return tuple(Planned(Message(self.unsent.kind), kind, addresses) for kind in first)

    def until(self, planned: Planned) -> Instant | None:
        if planned.message is Message.CONFIRM:
            decisions: Mapping[str, Mapping[str, Instant]] = self.document["decisions"]
            return min(decisions[address]["confirm_by"] for address in planned.addresses)
        return self.unsent.until

    def waits_for_room(self, planned: Planned, now: Instant) -> bool:
        """Tell whether a message waits where its contact has got as many of its kind as one may get at once.

        Whoever has got so many links has what one more would bring; what only tells that answers were saved is no news
        after a day. Word of a stop waits as long as it must.
        """
        if planned.message is Message.RECEIPT:
            return instant(moment(now) - NEWS) < str(self.document["recorded_at"])
        return planned.message is not Message.LINK

    def link(self, planned: Planned, now: Instant) -> Link:
        """Give what the message's links open: what it is about; everything, where it is about the person's own page."""
        unsent = self.unsent
        about = () if planned.message in {Message.RECEIPT, Message.LINK} else planned.addresses
        lasting = instant(moment(now) + timedelta(days=LINK_DAYS))
        confirming = Power.CONFIRM in POWERS[planned.message]
        expires_at = (self.until(planned) if confirming else None) or lasting
        return Link(unsent.clinic, unsent.subject, self.lang, about, unsent.receipt, now, expires_at, "portal")

    def addresses(self, handle: Handle, planned: Planned, base: str) -> dict[str, str]:
        home, secret = f"{base}/{self.clinic.id}", self.key.link_secret()
        lang = f"lang={self.lang}"
        found = {"questions": f"{home}?{lang}", "notice": f"{home}/notices/{self.in_force.version}?{lang}"}
        if self.unsent.receipt and self.own:
            found["receipt"] = f"{home}/receipts/{self.unsent.receipt}?{lang}"
        for power in POWERS[planned.message]:
            token = handle.token(secret, power)
            found[power] = f"{home}?t={token}" if power is Power.ASK else f"{base}/{power}/{token}"
        return found

    def message(
        self, planned: Planned, contact: Contact, links: Mapping[str, str], tags: Mapping[str, str]
    ) -> Letter | TextMessage:
        answers = self.document.get("decisions", {})
        about = {address: answers.get(address, {"answer": "yes"}) for address in planned.addresses}
        secret, receipt = self.key.link_secret(), self.unsent.receipt
        coded = Power.CONFIRM in POWERS[planned.message] and contact.kind is Kind.PHONE
        matter = Matter(
            message=planned.message,
            clinic=self.clinic,
            lang=self.lang,
            said=self.clinic.answered(about),
            links=links,
            number=self.unsent.receipt or "",
            at=self.document.get("effective_at") if self.unsent.kind == "decided" else self.unsent.at,
            until=self.until(planned),
            lost=planned.message is Message.CHANGED
            and major(self.document["notice"]["version"]) != self.in_force.major,
            code=short_code(secret, receipt, contact) if coded and receipt else "",
            child=self.child,
        )
        if contact.kind is Kind.PHONE:
            return text_message(matter, contact.value)
        return letter(matter, contact.value, {"clinic": self.clinic.id, **tags})
