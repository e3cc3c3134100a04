"""Deliveries: what became of each message, and who is sending it just now.

Each message has a record of its own, once per item of the outbox, kind of message and kind of
contact. Who sends claims it for a while first, so that neither a stream that repeats itself nor two
senders at once send anything twice.
"""

import itertools
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from chalicelib.domain.errors import ConcurrentWriteError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.message_outcomes import FINAL, Outcome, Reason
from chalicelib.store.keys import (
    Key,
    delivery_key,
)
from chalicelib.store.outbox import DECIDED, OutboxItem
from chalicelib.store.table import ConflictError, Item, Table
from chalicelib.store.writes import Delete, Put, SetBody, Write

LEASE = timedelta(minutes=2)
"""How long one sender may take for a message before another may claim it; longer than any sending
function still runs."""

MOST_REASONS = 99
"""How many reasons are recorded at once: a transaction takes a hundred writes, one removes the
item."""

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


def claim(  # noqa: PLR0917 - what a message is, and what is written with taking it
    table: Table,
    item: OutboxItem,
    name: str,
    now: Instant,
    also: Sequence[Write] = (),
    once: Sequence[Write] = (),
) -> DeliveryLease | None:
    """Take one message to send it, writing `also` at once, and `once` with the first try.

    None where it is settled. Raises DeliveryBusyError while somebody else has it.
    """
    key = delivery_key(item.entry.clinic, item.entry.subject, f"{item.number}#{name}")
    until = instant(moment(now) + LEASE)
    leased = {
        "state": Outcome.SENDING,
        "until": until,
        "by": secrets.token_hex(8),
        **item.about,
    }
    lease = DeliveryLease(key, json.dumps(leased), item.about)
    try:
        table.write([Put(key, {"body": lease.body}), *also, *once])
    except ConflictError:
        return _claim_again(table, lease, now, also)
    return lease


def _claim_again(
    table: Table, lease: DeliveryLease, now: Instant, also: Sequence[Write]
) -> DeliveryLease | None:
    """Take a message that was tried before; None and errors as for `claim`."""
    found = table.get([lease.key]).get(lease.key)
    body = (found.body if found is not None else "") or ""
    record = json.loads(body or "{}")
    if record.get("state") in FINAL:
        return None
    if not body or record.get("until", "") > now:
        raise DeliveryBusyError
    try:
        table.write([SetBody(lease.key, lease.body, was=body), *also])
    except ConflictError:
        raise DeliveryBusyError from None
    return lease


def tried(table: Table, item: OutboxItem, name: str) -> bool:
    """Tell whether anybody ever took one message to send it."""
    key = delivery_key(item.entry.clinic, item.entry.subject, f"{item.number}#{name}")
    return key in table.get([key])


def record_outcome(table: Table, lease: DeliveryLease, state: Outcome, **more: str) -> None:
    """Write what became of a message; somebody who took it over meanwhile keeps the last word."""
    try:
        body = json.dumps({"state": state, **more, **lease.about})
        table.write([SetBody(lease.key, body, was=lease.body)])
    except ConflictError:
        return


def remove_with_reasons(
    table: Table, item: OutboxItem, unsent: Mapping[str, UnsentMessage], now: Instant
) -> None:
    """Take an item out of the outbox, and record with that why some messages were not sent.

    A record that says that a message was sent stays as it is. One round trip; two more where a
    message was tried before. Raises DeliveryBusyError where somebody is sending one of them just
    now.
    """
    records = {}
    for name, message in itertools.islice(unsent.items(), MOST_REASONS):
        key = delivery_key(item.entry.clinic, item.entry.subject, f"{item.number}#{name}")
        body = {"state": message.outcome, "reason": message.reason, "at": now, **item.about}
        if name == NOTHING and item.entry.kind != DECIDED:
            body["kind"] = item.entry.kind
        records[key] = json.dumps(body)
    try:
        table.write(
            [Delete(item.key), *(Put(key, {"body": body}) for key, body in records.items())]
        )
    except ConflictError:
        found = table.get(list(records))
        rewritten = [_rewritten(found.get(key), key, body, now) for key, body in records.items()]
        try:
            table.write([Delete(item.key), *(write for write in rewritten if write is not None)])
        except ConflictError:
            raise DeliveryBusyError from None


def _rewritten(found: Item | None, key: Key, body: str, now: Instant) -> Write | None:
    """Give the write that puts a record in the place of an earlier one.

    None where that is final.
    """
    if found is None:
        return Put(key, {"body": body})
    record = json.loads(found.body or "{}")
    if record.get("state") in FINAL:
        return None
    if record.get("until", "") > now:
        raise DeliveryBusyError
    return SetBody(key, body, was=found.body)


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
    table: Table, clinic: str, subject: str
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give every message to a person: the number of its item, its name there, what became of it."""
    start = delivery_key(clinic, subject, "")
    for item in table.partition(start.pk, start.sk):
        number, _, name = item.sk.removeprefix(start.sk).partition("#")
        yield number, name, json.loads(item.body or "{}")
