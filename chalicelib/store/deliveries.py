"""Deliveries: what became of each message, and who is sending it just now.

Each message has a record of its own, once per item of the outbox, kind of message and kind of
contact. Who sends claims it for a while first, so that neither a stream that repeats itself nor two
senders at once send anything twice.

Every write here is one alone: its condition is about the one record, and half of what a transaction
costs. `messages.delivery` says in which order they are made.
"""

import contextlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from chalicelib.domain.errors import ConcurrentWriteError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.message_outcomes import FINAL, Outcome, Reason
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.messages import delivery_key
from chalicelib.store.outbox import DECIDED, OutboxItem
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import Put, SetBody

LEASE = timedelta(minutes=2)
"""How long one sender may take for a message before another may claim it; longer than any sending
function still runs."""

NOTHING = "nothing"
"""The name of the record of an item that led to no message at all."""


@dataclass(frozen=True, slots=True)
class DeliveryLease:
    """The right to send one message, for a while."""

    key: Key
    body: str
    about: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnsentMessage:
    """Why one message of an item was not sent."""

    outcome: Outcome
    reason: Reason


class DeliveryBusyError(ConcurrentWriteError):
    """Somebody else is sending this message just now."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """What the table says of one message before it is sent; `body` is "" where that is nothing."""

    key: Key
    body: str = ""

    @property
    def _state(self) -> str:
        return str(json.loads(self.body or "{}").get("state", ""))

    @property
    def is_final(self) -> bool:
        """Whether the message is never sent again."""
        return self._state in FINAL

    @property
    def is_counted(self) -> bool:
        """Whether it was counted in limits and budgets: before it is first taken it is."""
        return self._state in {Outcome.SENDING, Outcome.WAITING, Outcome.REFUSED}

    def is_busy(self, now: Instant) -> bool:
        """Tell whether somebody is sending it just now."""
        return str(json.loads(self.body or "{}").get("until", "")) > now


def key_of(item: OutboxItem, name: str) -> Key:
    """Tell where the record of one message of an item stands."""
    return delivery_key(item.entry.clinic, item.entry.subject, f"{item.number}#{name}")


def record_in(found: Mapping[Key, Item], key: Key) -> DeliveryRecord:
    """Give the record of one message out of what was read."""
    item = found.get(key)
    return DeliveryRecord(key, (item.body if item is not None else "") or "")


def claim(
    table: Table, item: OutboxItem, record: DeliveryRecord, now: Instant
) -> DeliveryLease | None:
    """Take one message to send it, if its record is still what was read.

    None where it is settled by now. Raises DeliveryBusyError where somebody else has it. One write.
    """
    leased = {
        "state": Outcome.SENDING,
        "until": instant(moment(now) + LEASE),
        "by": secrets.token_hex(8),
        **item.about,
    }
    lease = DeliveryLease(record.key, json.dumps(leased), item.about)
    try:
        table.write_one(_over(record, lease.body))
    except ConflictError:
        kept = record_in(table.get([record.key]), record.key)
        if kept.is_final:
            return None
        # Its own, where the first answer was lost and the client sent the write again.
        if kept.body != lease.body:
            raise DeliveryBusyError from None
    return lease


def record_outcome(table: Table, lease: DeliveryLease, state: Outcome, **more: str) -> None:
    """Write what became of a message; somebody who took it over meanwhile keeps the last word."""
    body = json.dumps({"state": state, **more, **lease.about})
    with contextlib.suppress(ConflictError):
        table.write_one(SetBody(lease.key, body, was=lease.body))


def record_skipped(table: Table, item: OutboxItem, record: DeliveryRecord, reason: Reason) -> None:
    """Write that a message that nobody sends now is not sent, and why.

    Raises DeliveryBusyError where somebody took it meanwhile.
    """
    body = json.dumps({"state": Outcome.SKIPPED, "reason": reason, **item.about})
    try:
        table.write_one(_over(record, body))
    except ConflictError:
        raise DeliveryBusyError from None


def record_reasons(
    table: Table, item: OutboxItem, unsent: Mapping[str, UnsentMessage], now: Instant
) -> None:
    """Record why messages of an item were not sent, before the item is removed.

    A record that says that a message was sent stays as it is. One write for each message. Raises
    DeliveryBusyError where somebody is sending one of them just now. Safe to repeat.
    """
    for name, message in unsent.items():
        body = {"state": message.outcome, "reason": message.reason, "at": now, **item.about}
        if name == NOTHING and item.entry.kind != DECIDED:
            body["kind"] = item.entry.kind
        _record_reason(table, DeliveryRecord(key_of(item, name)), json.dumps(body), now)


def _record_reason(table: Table, record: DeliveryRecord, body: str, now: Instant) -> None:
    try:
        table.write_one(_over(record, body))
    except ConflictError:
        kept = record_in(table.get([record.key]), record.key)
        if kept.is_final:
            return
        if kept.is_busy(now) or kept.body == record.body:
            raise DeliveryBusyError from None
        _record_reason(table, kept, body, now)


def _over(record: DeliveryRecord, body: str) -> Put | SetBody:
    """Give the write that puts a body in the place of a record, if that is still as it was read."""
    if not record.body:
        return Put(record.key, {"body": body})
    return SetBody(record.key, body, was=record.body)


def states(table: Table, item: OutboxItem) -> dict[str, str]:
    """Tell what became of each message of an item: "confirm#email" → "sent".

    Of a refused one why.
    """
    start = delivery_key(item.entry.clinic, item.entry.subject, f"{item.number}#")
    outcomes: dict[str, str] = {}
    for stored in table.partition(start.pk, start.sk):
        record = json.loads(stored.body or "")
        name = stored.sk.split("#", 2)[2]
        outcomes[name] = f"{record['state']} {record.get('reason', '')}".strip()
    return outcomes


def records_of(
    table: Table, clinic: str, subject: str, page: int | None = None
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give every message to a person: the number of its item, its name there, what became of it.

    `page` is how many are read at once, where not all may be needed.
    """
    start = delivery_key(clinic, subject, "")
    for item in table.between(start.pk, start.sk, f"{start.sk}~", page=page):
        number, _, name = item.sk.removeprefix(start.sk).partition("#")
        yield number, name, json.loads(item.body or "{}")
