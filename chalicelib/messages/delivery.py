"""Carries out the outbox: at once behind the table's stream, what still waits by the clock's round.

Letters that nobody asked for are sent by the clock alone, so many in a round, when everything else
has been tried.

No patient waits for a message, and none is lost: a decision leaves its item in the outbox in its
own transaction, and the item goes only when each of its messages has an outcome (where its receipt
is not signed yet, it stays for that, without contacts). What fails is
tried again later, and at last set aside for an operator; it holds up nothing else. Where an item
leads to no message, the reason is logged, counted and kept; items of a person who is erased
meanwhile go with the erasure.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.links import LinkRecipient, LinkScope, LinkSecret
from chalicelib.domain.message_budgets import Budgets, BudgetSpentError
from chalicelib.domain.message_outcomes import Outcome, Reason
from chalicelib.domain.phones import can_be_written_to
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.messages.audience import AddressedMessage, AudiencePlanner, MessagePlan
from chalicelib.messages.outcome_log import note, note_no_message, note_skipped
from chalicelib.messages.quotas import note_budgets, quotas_of
from chalicelib.messages.rules import SCOPES_BY_MESSAGE, UNSOLICITED
from chalicelib.messages.transports import (
    AwsTransport,
    Email,
    MessageRefusedError,
    TextMessage,
    TransportUnavailableError,
)
from chalicelib.store import bounces, confirmation_codes, deliveries, link_requests, outbox
from chalicelib.store.clinics import Clinics
from chalicelib.store.deliveries import DeliveryBusyError, DeliveryLease, UnsentMessage
from chalicelib.store.encryption import KeysUnavailableError
from chalicelib.store.gathered import Gathered
from chalicelib.store.keys.messages import letter_key, outbox_key
from chalicelib.store.links import link_writes
from chalicelib.store.lookup import Directory
from chalicelib.store.outbox import OutboxItem
from chalicelib.store.table import ContendedError, Table, UnavailableError
from chalicelib.store.writes import Put

PATIENCE = 3
"""After how many failures in a row a service is left alone until the next round."""

AT_ONCE = 100
"""How many items of one clinic are carried out before those of others have had their turn."""

MOST_KEPT = 10_000
"""How many further items of busy clinics a round keeps in memory, about 2 KB each."""

BOUNCED = timedelta(days=30)
"""For how long a contact that bounced is left alone: what was mistyped bounces again, a mailbox may
be mended."""


@dataclass(slots=True)
class DeliveryReport:
    """How far a round came; `away` counts the failures in a row, by what failed.

    `whole` unless something was left.
    """

    sent: int = 0
    failed: int = 0
    whole: bool = True
    away: Counter[str] = field(default_factory=Counter)


class _Step(Enum):
    """What came of trying to send one message."""

    DONE = auto()
    """It has an outcome that is final: sent, now or before, or skipped."""

    LEFT = auto()
    """It was not tried: another round does."""

    FAILED = auto()
    REFUSED = auto()


@dataclass(slots=True)
class _ItemResult:
    """What came of the messages of one item."""

    steps: Counter[_Step] = field(default_factory=Counter)
    room_after: list[int] = field(default_factory=list)
    """After how many seconds each message that found no room may be tried again."""

    unsent: dict[str, UnsentMessage] = field(default_factory=dict)
    """Why messages were not sent that have no record yet, by the names of their records."""


def _clock() -> Instant:
    return instant(datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Delivery:
    """Carries out the outbox.

    Without a `transport` nothing is sent, and what is to be sent waits.
    """

    table: Table
    clinics: Clinics
    transport: AwsTransport | None
    public_url: str = ""
    budgets: Budgets = field(default_factory=Budgets)
    now: Callable[[], Instant] = _clock

    def carry_new(
        self, items: Iterable[OutboxItem], out_of_time: OutOfTime, gathered: Gathered | None = None
    ) -> DeliveryReport:
        """Send what was just left in the outbox; `gathered` holds what was read of it already."""
        return self.carry(self._possible(items), out_of_time, gathered=gathered)

    def carry_waiting(self, out_of_time: OutOfTime, first: int = 0) -> DeliveryReport:
        """Send everything that is due and that somebody waits for, from a shard on."""
        return self._carry_due(outbox_key, out_of_time, first)

    def carry_letters(self, out_of_time: OutOfTime, most: int, first: int = 0) -> DeliveryReport:
        """Send letters that are due and that nobody asked for, `most` of them, from a shard on."""
        return self._carry_due(letter_key, out_of_time, first, most)

    def _carry_due(
        self, queue: outbox.Queue, out_of_time: OutOfTime, first: int, most: int | None = None
    ) -> DeliveryReport:
        due = outbox.due_items(self.table, self.now(), queue, first=first, out_of_time=out_of_time)
        report = self.carry(_in_turn(self._possible(due)), out_of_time, most)
        report.whole = report.whole and not out_of_time()
        return report

    def carry(
        self,
        items: Iterable[OutboxItem],
        out_of_time: OutOfTime,
        most: int | None = None,
        gathered: Gathered | None = None,
    ) -> DeliveryReport:
        """Send what these items of the outbox ask for, as far as the time goes.

        With `most` no more messages than that. A clinic whose key cannot be had now is left to the
        next round, and holds up no other.
        """
        report, keyless = DeliveryReport(), set[str]()
        for item in items:
            if out_of_time() or report.away["store"] == PATIENCE:
                report.whole = False
                break
            if most is not None and report.sent + report.failed >= most:
                report.whole = False
                break
            if item.entry.clinic in keyless:
                continue
            try:
                self._carry_one(item, report, gathered)
            except DeliveryBusyError:
                report.whole = False
            except KeysUnavailableError as error:
                keyless.add(item.entry.clinic)
                report.whole = False
                note(item, "left", error=type(error).__name__)
            except (ContendedError, UnavailableError) as error:
                report.away["store"] += 1
                report.whole = False
                note(item, "left", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one item, the others are sent
                log.fault(error)
                report.failed += 1
                self._retry_later(item)
            else:
                report.away["store"] = 0
        return report

    def _possible(self, items: Iterable[OutboxItem]) -> Iterable[OutboxItem]:
        """Leave out what leads to no message; without a transport, all but requests for links.

        What those hold the clinic's key alone can read, until they are expanded.
        """
        for item in items:
            sendable = self.transport and item.entry.kind not in outbox.SILENT
            if sendable or item.entry.kind == outbox.LINK_REQUEST:
                yield item

    def _carry_one(
        self, item: OutboxItem, report: DeliveryReport, gathered: Gathered | None
    ) -> None:
        if item.entry.kind == outbox.LINK_REQUEST:
            self._expand_link_request(item)
            return
        if item.entry.kind == outbox.UNREADABLE:
            self._set_aside(item)
            return
        plan = AudiencePlanner(self.table, self.clinics, self.now(), gathered).plan(item)
        result = _ItemResult()
        for message in plan.messages:
            self._try(item, message, result, report)
        self._finish(item, plan, result, report)

    def _finish(
        self, item: OutboxItem, plan: MessagePlan, result: _ItemResult, report: DeliveryReport
    ) -> None:
        """Remove an item whose messages all have an outcome.

        Let it wait, or set it aside, where one has none.
        """
        if result.steps[_Step.LEFT]:
            report.whole = False
        if result.steps[_Step.FAILED]:
            self._retry_later(item)
        elif result.room_after:
            due = instant(moment(self.now()) + timedelta(seconds=min(result.room_after)))
            outbox.postpone(self.table, item, due, item.entry.tries)
            note(item, "waits for room")
        elif result.steps[_Step.REFUSED]:
            self._set_aside(item)
        elif not result.steps[_Step.LEFT]:
            self._remove(item, plan, result)

    def _remove(self, item: OutboxItem, plan: MessagePlan, result: _ItemResult) -> None:
        """Remove an item that is done.

        Record, log and count why any of its messages was not sent.
        """
        unsent = dict(result.unsent)
        for name, reason in plan.left_out.items():
            unsent[name] = UnsentMessage(Outcome.NO_MESSAGE, reason)
        if plan.nothing is not None:
            unsent[deliveries.NOTHING] = UnsentMessage(Outcome.NO_MESSAGE, plan.nothing)
        if plan.nothing is not Reason.PERSON_GONE:  # then nothing of the person is to be kept
            deliveries.record_reasons(self.table, item, unsent, self.now())
        outbox.remove(self.table, item)
        for name, message in unsent.items():
            if message.outcome is Outcome.NO_MESSAGE:
                note_no_message(item, message.reason, name)

    def _try(
        self,
        item: OutboxItem,
        message: AddressedMessage,
        result: _ItemResult,
        report: DeliveryReport,
    ) -> None:
        """Send one message if that is possible now, and add what came of it to the result."""
        context, planned = message.context, message.planned
        if not can_be_written_to(message.contact, context.clinic.text_message_countries):
            self._skip(item, message, Reason.NO_TEXT_MESSAGES, result)
            return
        try:
            step = self._send(item, message, report)
        except TooManyError as error:
            if context.may_wait(planned, self.now()):
                result.room_after.append(error.seconds)
            else:
                self._skip(item, message, Reason.TOO_MANY, result)
        except BudgetSpentError as error:
            result.room_after.append(error.seconds)
            note(item, "waits for the budget", message, budget=error.scope)
            log.count("MessageBudgetSpent")
        else:
            result.steps[step] += 1

    def _send(self, item: OutboxItem, message: AddressedMessage, report: DeliveryReport) -> _Step:
        """Send one message: count it, take it, keep its links, send it, record what came of that.

        Each step is one write alone, and in this order a process may die after any of them. A
        message that was counted and not taken is counted again; one that was taken and not sent is
        taken over when its lease is over, without being counted. No link goes out that is not kept,
        and no code whose tries cannot be counted. What is read here may be a moment old: each write
        has a condition of its own, and reads anew where that does not hold.
        Raises TooManyError where its contact has got as many as one may get at once,
        BudgetSpentError where as many went out today as may; nothing was written then.
        """
        if self.transport is None or report.away[message.planned.kind] == PATIENCE:
            return _Step.LEFT
        composed, links = self._compose(item, message)
        now, key = self.now(), deliveries.key_of(item, message.name)
        quotas = quotas_of(self.clinics, self.budgets, message, now)
        marks = bounces.keys_of(message.context.clinic.id, _lookup(message))
        found = self.table.get([key, *marks, *quotas.keys], consistent=False)
        record = deliveries.record_in(found, key)
        if record.is_final:
            note(item, "settled before", message)
            return _Step.DONE
        if record.is_busy(now):
            raise DeliveryBusyError
        reason = self._reason_to_skip(message, bounces.undeliverable(found, marks))
        if reason is not None:
            deliveries.record_skipped(self.table, item, record, reason)
            note_skipped(item, message, reason)
            return _Step.DONE
        if not record.is_counted:
            quotas.count(self.table, found)
        lease = deliveries.claim(self.table, item, record, now)
        if lease is None:
            note(item, "settled before", message)
            return _Step.DONE
        note_budgets(quotas.near)
        confirmation_codes.keep_asked(self.table, message.asked)
        for link in links:
            self.table.write_one(link)
        return self._hand_over(self.transport, item, message, composed, lease=lease, report=report)

    def _compose(
        self, item: OutboxItem, message: AddressedMessage
    ) -> tuple[Email | TextMessage, Sequence[Put]]:
        """Write a message, with links that open nothing until the writes given here are made."""
        context, planned, contact = message.context, message.planned, message.contact
        secret = LinkSecret.fresh()
        base = self.public_url or item.entry.base
        addresses = context.addresses(secret, planned, base)
        composed = context.compose(planned, contact, addresses, {"lookup": _lookup(message)})
        link = context.link(planned, self.now())
        stops_nothing = LinkScope.UNSUBSCRIBE not in SCOPES_BY_MESSAGE[planned.message]
        made = [(secret, link, LinkRecipient(contact))]
        return composed, link_writes(context.key, made, passing=stops_nothing)

    def _reason_to_skip(
        self, message: AddressedMessage, marks: Mapping[str, Instant]
    ) -> Reason | None:
        """Tell why a contact with these marks (`bounces`) is not written to.

        Who complained gets what they ask for and what they have to know.
        """
        left_alone_since = instant(moment(self.now()) - BOUNCED)
        if marks.get(Reason.BOUNCE, "") > left_alone_since:
            return Reason.BOUNCE
        if Reason.COMPLAINT in marks and message.planned.message in UNSOLICITED:
            return Reason.COMPLAINT
        return None

    def _hand_over(
        self,
        transport: AwsTransport,
        item: OutboxItem,
        message: AddressedMessage,
        composed: Email | TextMessage,
        *,
        lease: DeliveryLease,
        report: DeliveryReport,
    ) -> _Step:
        """Give a message to the service that sends it, and record what came of that."""
        kind = message.planned.kind
        try:
            service_id = transport.send(composed)
        except MessageRefusedError as error:
            deliveries.record_outcome(self.table, lease, Outcome.REFUSED, reason=str(error))
            note(item, "refused", message, error=str(error))
            report.failed += 1
            return _Step.REFUSED
        except TransportUnavailableError as error:
            deliveries.record_outcome(self.table, lease, Outcome.WAITING)
            note(item, "failed", message, error=str(error))
            log.count("MessageFailed")
            report.failed += 1
            report.away[kind] += 1
            return _Step.FAILED
        report.away[kind] = 0
        report.sent += 1
        deliveries.record_outcome(self.table, lease, Outcome.SENT, id=service_id, at=self.now())
        note(item, "sent", message, message_id=service_id)
        log.count("MessageSent")
        return _Step.DONE

    def _expand_link_request(self, item: OutboxItem) -> None:
        """Find who is meant by a request for a link.

        Each of them gets it by an item of their own.
        """
        clinic = item.entry.clinic
        key = self.clinics.key(clinic)
        contacts = item.contacts(key, item.entry.subject)
        lookup = Directory(self.table, self.clinics).look_up(clinic, contacts)
        reached, left_out = link_requests.expand_link_request(self.table, key, item, lookup.people)
        if left_out:
            note_no_message(item, Reason.TOO_MANY_PEOPLE, people=left_out)
        elif not reached:
            note_no_message(item, Reason.NOBODY_KNOWN)

    def _set_aside(self, item: OutboxItem) -> None:
        """Give an item up: an operator sees it, and may send it again."""
        outbox.move_to_dead_letters(self.table, item)
        note(item, "dead")
        log.count("MessageDead")

    def _retry_later(self, item: OutboxItem) -> None:
        try:
            dead = outbox.retry_later(self.table, item, self.now())
        except (ContendedError, UnavailableError) as error:
            note(item, "left", error=type(error).__name__)
            return
        note(item, "dead" if dead else "put off", tries=item.entry.tries + 1)
        if dead:
            log.count("MessageDead")

    def _skip(
        self, item: OutboxItem, message: AddressedMessage, reason: Reason, result: _ItemResult
    ) -> None:
        """Skip a message that was not claimed; its record is written when the item is removed."""
        result.unsent[message.name] = UnsentMessage(Outcome.SKIPPED, reason)
        note_skipped(item, message, reason)


def _in_turn(items: Iterable[OutboxItem]) -> Iterator[OutboxItem]:
    """Give `AT_ONCE` items of each clinic at most, before any clinic's further ones.

    So no clinic waits for the thousands of another. Of those no more than MOST_KEPT are kept in
    memory; the rest are left to the next round.
    """
    given, further = Counter[str](), list[OutboxItem]()
    for item in items:
        given[item.entry.clinic] += 1
        if given[item.entry.clinic] <= AT_ONCE:
            yield item
        elif len(further) < MOST_KEPT:
            further.append(item)
    yield from further


def _lookup(message: AddressedMessage) -> str:
    """Give the key under which a message's contact is found."""
    return message.context.key.lookup(message.contact)
