"""Deliveries of events to recipients: written once for each, queued until taken, then acknowledged.

A delivery has three items: the record of what became of it, a mark for as long as nobody
acknowledged it, and a place in its recipient's queue for as long as it is to be tried. The queue's
place counts only while the record names the same due time, so that a place left over by a process
that died leads to nothing.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import NamedTuple

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.webhooks import LEASE, WebhookDelivery
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.webhooks import (
    QUEUED,
    unacknowledged_key,
    webhook_delivery_key,
    webhook_queue_key,
)
from chalicelib.store.table import ConflictError, ContendedError, Table
from chalicelib.store.writes import Delete, Put, Replace, SetBody

ATTEMPTS = 5
"""How often a change of a delivery is planned anew while somebody else changes it too."""

PAGE = 100
"""How many deliveries a page of a list goes through."""


class UnknownDeliveryError(NotFoundError):
    """The clinic has no delivery with this id."""


class QueuedDelivery(NamedTuple):
    """A place in a queue: whose delivery is to be tried, and when."""

    clinic: str
    webhook: str
    due: Instant
    delivery: str

    @property
    def key(self) -> Key:
        """Where it stands."""
        return webhook_queue_key(self.clinic, self.webhook, self.due, self.delivery)


@dataclass(frozen=True, slots=True)
class KeptDelivery:
    """A delivery as it was read."""

    delivery: WebhookDelivery
    body: str = field(repr=False)

    def stands_at(self, place: QueuedDelivery, made: str) -> bool:
        """Tell whether a place of a queue counts: the delivery is due then, and this recipient's.

        `made` is the recipient's own: another of the same name before was another one.
        """
        return self.delivery.due == place.due and self.delivery.made == made


def write_new(table: Table, deliveries: Sequence[WebhookDelivery]) -> int:
    """Write deliveries that were not written yet, each with all of its items; tell how many."""
    places = {_place(each): each for each in deliveries}
    found = table.get(list(places)) if places else {}
    written = 0
    for place, delivery in places.items():
        if place in found:
            continue
        mark = unacknowledged_key(delivery.clinic, delivery.id)
        with contextlib.suppress(ConflictError):  # another wrote it just now
            table.write(
                [
                    Put(place, {"body": delivery.stored()}),
                    Put(mark, {"body": delivery.webhook}),
                    Put(queued_place(delivery).key, {"body": "{}"}),
                ]
            )
            written += 1
    return written


def queued_place(delivery: WebhookDelivery) -> QueuedDelivery:
    """Give the place of a delivery in its recipient's queue."""
    return QueuedDelivery(delivery.clinic, delivery.webhook, delivery.due, delivery.id)


def read_place(key: Key) -> QueuedDelivery | None:
    """Read a place of a queue from its key; None for any other key."""
    if not key.sk.startswith(QUEUED):
        return None
    clinic, _, webhook = key.pk.removeprefix("CLINIC#").partition("#WEBHOOKS#QUEUE#")
    due, _, delivery = key.sk.removeprefix(QUEUED).partition("#")
    return QueuedDelivery(clinic, webhook, due, delivery)


def due_now(table: Table, clinic: str, webhook: str, now: Instant) -> Iterator[QueuedDelivery]:
    """Give what of a recipient's queue is due, the longest due first."""
    first = webhook_queue_key(clinic, webhook, "", "")
    for item in table.from_key(Key(first.pk, QUEUED), QUEUED + now):
        place = read_place(item.key)
        if place is not None:
            yield place


def queue_length(table: Table, clinic: str, webhook: str, most: int) -> int:
    """Tell how many deliveries wait in a recipient's queue, due or not; `most` at the most."""
    place = webhook_queue_key(clinic, webhook, "", "")
    return sum(1 for _ in itertools.islice(table.partition(place.pk, QUEUED), most))


def read_many(table: Table, clinic: str, deliveries: Sequence[str]) -> dict[str, KeptDelivery]:
    """Give deliveries by their ids; those that are not there are left out."""
    found = table.get([webhook_delivery_key(clinic, each) for each in deliveries])
    return {key.sk: _read(item) for key, item in found.items()}


def find(table: Table, clinic: str, delivery: str) -> KeptDelivery:
    """Give a delivery by its id; raise UnknownDeliveryError."""
    found = read_many(table, clinic, [delivery])
    if delivery not in found:
        raise UnknownDeliveryError(delivery)
    return found[delivery]


def claim(
    table: Table, kept: KeptDelivery, now: Instant, enabled_at: Instant
) -> KeptDelivery | None:
    """Take a delivery to try it; None where another has it, or took it just now.

    What failed before its recipient was enabled (`enabled_at`) counts no more.
    """
    delivery = kept.delivery
    if delivery.busy_until > now:
        return None
    taken = replace(
        delivery,
        failed=delivery.failed if delivery.last_try >= enabled_at else 0,
        busy_until=instant(moment(now) + LEASE),
        last_try=now,
        tries=delivery.tries + 1,
    )
    body = taken.stored()
    try:
        table.write_one(SetBody(_place(delivery), body, was=kept.body))
    except (ConflictError, ContendedError):
        return None
    return KeptDelivery(taken, body)


def note_received(
    table: Table, kept: KeptDelivery, place: QueuedDelivery, status: int | None, now: Instant
) -> None:
    """Note that a recipient took a delivery, and take it out of the queue."""

    def received(delivery: WebhookDelivery) -> WebhookDelivery:
        return replace(
            delivery,
            busy_until="",
            due=delivery.due if delivery.due != place.due else "",
            failed=0,
            last_status=status,
            last_error="",
            received_at=now,
        )

    _change(table, kept, received)
    table.write_one(Delete(place.key))


def note_failed(
    table: Table,
    kept: KeptDelivery,
    place: QueuedDelivery,
    *,
    status: int | None,
    error: str,
    failed: int,
    due: Instant,
) -> None:
    """Note that a try failed, and put the delivery into the queue for the next.

    The new place is written first: a process that dies in between leaves one place too many, and
    never one too few.
    """
    again = place._replace(due=due)
    table.put(Put(again.key, {"body": "{}"}))

    def put_off(delivery: WebhookDelivery) -> WebhookDelivery:
        return replace(
            delivery,
            busy_until="",
            due=delivery.due if delivery.due != place.due else due,
            failed=failed,
            last_status=status,
            last_error=error,
        )

    _change(table, kept, put_off)
    table.write_one(Delete(place.key))


def drop_place(table: Table, place: QueuedDelivery) -> None:
    """Take a place out of the queue that leads to nothing."""
    table.write_one(Delete(place.key))


def queue_again(table: Table, kept: KeptDelivery, now: Instant) -> WebhookDelivery:
    """Put a delivery into the queue anew, due now; its tries so far stay told.

    Record and place change at once: a place that the record does not name is dropped. Raises
    ContendedError when others kept getting in first.
    """
    for _ in range(ATTEMPTS):
        again = replace(kept.delivery, due=now, failed=0)
        place = Replace(queued_place(again).key, {"body": "{}"})
        try:
            table.write([SetBody(_place(again), again.stored(), was=kept.body), place])
        except ConflictError:
            kept = find(table, again.clinic, again.id)
        else:
            return again
    raise ContendedError


def acknowledge(
    table: Table, kept: KeptDelivery, by: str, now: Instant, audited: Put
) -> WebhookDelivery:
    """Note who said that a delivery is done at its recipient; the first word stands.

    Said again, all is written that a process which died in between left out.
    """

    def done(delivery: WebhookDelivery) -> WebhookDelivery:
        if delivery.acknowledged_at:
            return delivery
        return replace(delivery, acknowledged_at=now, acknowledged_by=by)

    changed = _change(table, kept, done).delivery
    mark = unacknowledged_key(changed.clinic, changed.id)
    # Who answers requests removes nothing: the mark is emptied, and DynamoDB clears it away.
    over = int((moment(now) + timedelta(days=1)).timestamp())
    table.put(Put(mark, {"ttl": over}))
    table.put_new(audited)
    return changed


def unacknowledged(table: Table, clinic: str, after: str) -> Iterator[tuple[str, str]]:
    """Give id and recipient of what nobody acknowledged, after an id, the oldest first."""
    for item in table.after_key(unacknowledged_key(clinic, "").pk, after):
        if item.body:
            yield item.sk, item.body


def deliveries_after(table: Table, clinic: str, after: str) -> Iterator[KeptDelivery]:
    """Give every delivery of a clinic after an id, the oldest first."""
    return map(_read, table.after_key(webhook_delivery_key(clinic, "").pk, after))


def _change(
    table: Table, kept: KeptDelivery, change: Callable[[WebhookDelivery], WebhookDelivery]
) -> KeptDelivery:
    """Change a record, planned anew on what stands there where somebody else changed it.

    Raises ContendedError when others kept getting in first.
    """
    place = _place(kept.delivery)
    for _ in range(ATTEMPTS):
        changed = change(kept.delivery)
        if changed == kept.delivery:
            return kept
        body = changed.stored()
        try:
            table.write_one(SetBody(place, body, was=kept.body))
        except ConflictError:
            kept = find(table, kept.delivery.clinic, kept.delivery.id)
        else:
            return KeptDelivery(changed, body)
    raise ContendedError


def _place(delivery: WebhookDelivery) -> Key:
    return webhook_delivery_key(delivery.clinic, delivery.id)


def _read(item: Item) -> KeptDelivery:
    body = item.body or ""
    return KeptDelivery(WebhookDelivery.read(body), body)
