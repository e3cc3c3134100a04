"""Posting: the outbox is carried out, by the stream at once and by the clock's round through what waits.

No patient waits for a message, and none is lost: a decision leaves word in the outbox in its own transaction, and that
goes only when everything has been told. What fails is put off and at last set aside; it holds up nothing else.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib import log
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.links import LinkRecipient, LinkScope, LinkSecret
from chalicelib.domain.message_budgets import Budgets, BudgetSpentError
from chalicelib.domain.phones import can_be_written_to, country
from chalicelib.domain.rate_limits import ANYWHERE_EMAIL, ANYWHERE_PHONE, MESSAGE, TooManyError
from chalicelib.messages.audience import AudiencePlanner, MessageContext
from chalicelib.messages.rules import SCOPES_BY_MESSAGE, UNSOLICITED, PlannedMessage
from chalicelib.messages.transports import AwsTransport, MessageRefusedError, TransportUnavailableError
from chalicelib.store import message_budgets, messages, rate_limits
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import KeysUnavailableError
from chalicelib.store.keys import Key, anywhere_key, bucket_key
from chalicelib.store.links import puts
from chalicelib.store.lookup import Directory
from chalicelib.store.message_budgets import BudgetUse
from chalicelib.store.messages import DeliveryBusyError, DeliveryLease, OutboxItem
from chalicelib.store.table import ContendedError, Put, Table, UnavailableError, Write

PATIENCE = 3
ATTEMPTS = 3
"""How often a message is tried to be taken while others count in the same items of the table."""

BOUNCED = timedelta(days=30)
"""For how long a contact that bounced is left alone: what was mistyped bounces again, a mailbox may be mended."""


@dataclass(slots=True)
class DeliveryReport:
    """How far a round came; `away` counts the failures in a row, by what failed; `whole` unless something was left."""

    sent: int = 0
    failed: int = 0
    whole: bool = True
    away: Counter[str] = field(default_factory=Counter)


def _clock() -> Instant:
    return instant(datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Delivery:
    """Who carries the outbox out. Without a `post` nothing is sent, and what is to be sent waits."""

    table: Table
    clinics: Clinics
    post: AwsTransport | None
    public_url: str = ""
    budgets: Budgets = field(default_factory=Budgets)
    now: Callable[[], Instant] = _clock

    def carry(self, items: Iterable[OutboxItem], out_of_time: OutOfTime) -> DeliveryReport:
        """Tell what these items of the outbox are to tell, as far as the time goes."""
        tally = DeliveryReport()
        for each in items:
            if out_of_time() or tally.away["store"] == PATIENCE:
                tally.whole = False
                break
            try:
                self._tell(each, tally)
            except DeliveryBusyError:
                tally.whole = False
            except (ContendedError, KeysUnavailableError, UnavailableError) as error:
                tally.away["store"] += 1
                tally.whole = False
                self._note(each, "left", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one item, the others are told
                log.fault(error)
                tally.failed += 1
                self._later(each)
            else:
                tally.away["store"] = 0
        return tally

    def carry_new(self, keys: Iterable[Key], out_of_time: OutOfTime) -> DeliveryReport:
        """Tell what was just left; a key that comes again, from a stream that repeats itself, has nothing to tell."""
        return self.carry(self._possible(messages.still_waiting(self.table, list(keys))), out_of_time)

    def carry_waiting(self, out_of_time: OutOfTime) -> DeliveryReport:
        """Tell everything that is due."""
        return self.carry(self._possible(messages.waiting(self.table, self.now())), out_of_time)

    def _possible(self, items: Iterable[OutboxItem]) -> Iterable[OutboxItem]:
        """Leave out, where there is no post, all but wishes: what those hold is readable until they are shared out."""
        return (each for each in items if self.post or each.entry.kind == messages.LINK_REQUEST)

    def _tell(self, each: OutboxItem, tally: DeliveryReport) -> None:
        if each.entry.kind == messages.LINK_REQUEST:
            self._share_out(each)
            return
        if each.entry.kind == messages.UNREADABLE:
            self._bury(each)
            return
        outcomes, full = self._send_all(each, tally)
        if outcomes["left"]:
            tally.whole = False
        if outcomes["failed"]:
            self._later(each)
        elif full:
            room = instant(moment(self.now()) + timedelta(seconds=min(full)))
            messages.postpone(self.table, each, room, each.entry.tries)
            self._note(each, "waits for room")
        elif outcomes["refused"]:
            self._bury(each)
        elif not outcomes["left"]:
            messages.remove(self.table, each)

    def _send_all(self, each: OutboxItem, tally: DeliveryReport) -> tuple[Counter[str], list[int]]:
        """Send what an item asks for; tell what came of it, and after how many seconds there is room for the rest."""
        outcomes, full = Counter[str](), list[int]()
        for told, planned, contact, name in AudiencePlanner(self.table, self.clinics, self.now()).planned(each):
            if not can_be_written_to(contact, told.clinic.texted):
                self._skipped(each, planned, "takes no text message")
                continue
            try:
                outcomes[self._send(each, told, planned, contact, name, tally=tally)] += 1
            except TooManyError as error:
                if told.waits_for_room(planned, self.now()):
                    full.append(error.seconds)
                else:
                    self._skipped(each, planned, "too many")
            except BudgetSpentError as error:
                full.append(error.seconds)
                self._note(each, "waits for the budget", planned, budget=error.scope)
                log.count("MessageBudgetSpent")
        return outcomes, full

    def _bury(self, each: OutboxItem) -> None:
        messages.move_to_dead_letters(self.table, each)
        log.count("MessageDead")

    def _share_out(self, each: OutboxItem) -> None:
        """Find who is meant by a wish for a link; each of them is told by the next round, or by the stream."""
        key = self.clinics.key(each.entry.clinic)
        contacts = each.contacts(key, each.entry.subject)
        lookup = Directory(self.table, self.clinics).look_up(each.entry.clinic, contacts)
        messages.expand_link_request(self.table, key, each, lookup.people)

    def _later(self, each: OutboxItem) -> None:
        try:
            dead = messages.retry_later(self.table, each, self.now())
        except (ContendedError, UnavailableError) as error:
            self._note(each, "left", error=type(error).__name__)
            return
        self._note(each, "dead" if dead else "put off", tries=each.entry.tries + 1)
        if dead:
            log.count("MessageDead")

    def _send(
        self,
        each: OutboxItem,
        told: MessageContext,
        planned: PlannedMessage,
        contact: Contact,
        name: str,
        *,
        tally: DeliveryReport,
    ) -> str:
        """Send one message, unless it was sent; tell whether it is done, failed, refused, or left for another round.

        Raises TooManyError where its contact has got as many as one may get at once, BudgetSpentError where as many
        went out today as may.
        """
        now, lookup = self.now(), told.key.lookup(contact)
        if self.post is None or tally.away[planned.kind] == PATIENCE:
            return "left"
        handle = LinkSecret.fresh()
        link = told.link(planned, now)
        base = self.public_url or each.entry.base
        ready = told.message(planned, contact, told.addresses(handle, planned, base), {"lookup": lookup})
        passing = LinkScope.UNSUBSCRIBE not in SCOPES_BY_MESSAGE[planned.message]
        opened = puts(told.key, [(handle, link, LinkRecipient(contact))], passing=passing)
        lease = self._take(each, told, planned, contact, name, opened)
        if lease is None:
            return "done"
        reason = self._unwanted(each, planned, lookup, now)
        if reason:
            messages.record_outcome(self.table, lease, messages.SKIPPED, reason=reason)
            self._skipped(each, planned, reason)
            return "done"
        try:
            number = self.post.send(ready)
        except MessageRefusedError as error:
            messages.record_outcome(self.table, lease, messages.REFUSED, reason=str(error))
            self._note(each, "refused", planned, error=str(error))
            tally.failed += 1
            return "refused"
        except TransportUnavailableError as error:
            messages.record_outcome(self.table, lease, messages.WAITING)
            self._note(each, "failed", planned, error=str(error))
            log.count("MessageFailed")
            tally.failed += 1
            tally.away[planned.kind] += 1
            return "failed"
        tally.away[planned.kind] = 0
        tally.sent += 1
        messages.record_outcome(self.table, lease, messages.SENT, id=number, at=now)
        self._note(each, "sent", planned, message_id=number)
        log.count("MessageSent")
        return "done"

    def _take(  # noqa: PLR0917 - what a message is, and what is written with taking it
        self,
        each: OutboxItem,
        told: MessageContext,
        planned: PlannedMessage,
        contact: Contact,
        name: str,
        opened: Sequence[Put],
    ) -> DeliveryLease | None:
        """Take one message to send it, and what it counts in; None where it is settled. Errors as for `_send`."""
        now = self.now()
        for attempt in range(ATTEMPTS):
            try:
                room, near = self._room(told, planned, contact, now)
            except (TooManyError, BudgetSpentError):
                if not messages.tried(self.table, each, name):
                    raise
                room, near = [], []  # it was counted when it was first tried
            try:
                lease = messages.claim(self.table, each, name, now, opened, room)
            except ContendedError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                if lease is not None:
                    self._tell_of_budgets(near)
                return lease
        raise ContendedError

    def _room(
        self, told: MessageContext, planned: PlannedMessage, contact: Contact, now: Instant
    ) -> tuple[list[Write], list[BudgetUse]]:
        """Give the writes that count a message wherever it counts, and the budgets that run out; one round trip.

        Raises TooManyError, BudgetSpentError.
        """
        name = f"{planned.message}|{told.key.lookup(contact)}"
        rules = {bucket_key(told.clinic.id, told.key.bucket(name)): MESSAGE}
        stop = told.about_a_stop(planned)
        portal_key = self.clinics.portal_key()
        if portal_key is None:
            log.log().warning("no limit on messages across clinics: publish any clinic to make the portal's key")
        else:
            shared = anywhere_key(portal_key.anywhere(contact, "stop" if stop else ""))
            rules[shared] = ANYWHERE_PHONE if contact.kind is ContactKind.PHONE else ANYWHERE_EMAIL
        where = country(contact.value) if contact.kind is ContactKind.PHONE else None
        held = list(self.budgets.held(contact.kind, told.clinic.id, where, stop=stop))
        found = self.table.get([*rules, *message_budgets.keys_of(held, now)])
        spends = rate_limits.taken(rules, now, found)
        counted, near = message_budgets.counts(held, now, found)
        return [*spends, *counted], near

    def _tell_of_budgets(self, near: Iterable[BudgetUse]) -> None:
        for each in near:
            log.log().warning("message budget", budget=each.scope, used=each.used, most=each.most)
            log.count("MessageBudgetNear")

    def _skipped(self, each: OutboxItem, planned: PlannedMessage, reason: str) -> None:
        self._note(each, "skipped", planned, error=reason)
        log.count("MessageSkipped")

    def _unwanted(self, each: OutboxItem, planned: PlannedMessage, lookup: str, now: Instant) -> str:
        """Tell why a contact is not written to; who complained gets what they ask for and what they have to know."""
        marks = messages.undeliverable(self.table, each.entry.clinic, lookup)
        if marks.get("bounce", "") > instant(moment(now) - BOUNCED):
            return "bounce"
        return "complaint" if "complaint" in marks and planned.message in UNSOLICITED else ""

    def _note(self, each: OutboxItem, outcome: str, planned: PlannedMessage | None = None, **told: Any) -> None:
        """Log ids and the outcome; a receipt's number opens its page, and so stays out of the log."""
        if planned is not None:
            told |= {"letter": planned.message.value, "channel": planned.kind.value}
        unsent = each.entry
        log.log().info("message", clinic=unsent.clinic, subject=unsent.subject, outcome=outcome, **told)
