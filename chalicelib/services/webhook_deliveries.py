"""What became of each event for each recipient: listed, acknowledged, sent again.

2xx from a program means that it was received. That it is done there, such as an address taken off a
mailing, is a second word: until it is said, a delivery is unacknowledged.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.domain.contacts import Contact
from chalicelib.domain.instants import Instant
from chalicelib.domain.webhooks import WebhookDelivery, first_id_at
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, Body, EmptyBody
from chalicelib.services.webhooks import WebhookDisabledError, find_webhook, may_see
from chalicelib.store import webhook_deliveries, webhooks
from chalicelib.store.webhook_deliveries import PAGE, KeptDelivery, UnknownDeliveryError

MOST_REPLAYED = 200
"""How many deliveries one call puts into the queue again."""

MOST_LOOKED_AT = 1_000
"""How many deliveries of a clinic one call goes through for that."""


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries a list holds: acknowledged or not, of one recipient, from a time on."""

    acknowledged: bool | None = None
    recipient: str | None = None
    since: Instant | None = None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries, the oldest first; `more` is after which id the list goes on."""

    deliveries: Sequence[WebhookDelivery]
    more: str | None


@dataclass(frozen=True, slots=True)
class Replay:
    """A call that sends a recipient again what happened between two moments."""

    begins: Instant
    ends: Instant
    after: str
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries were put into the queue, and after which id a next call goes on."""

    queued: int
    more: str | None


def list_deliveries(
    portal: Portal, call: AuthorizedCall[EmptyBody], wanted: DeliveryFilter, after: str
) -> DeliveryPage:
    """Give a page of the deliveries that the key may see; it may be empty though more follow."""
    begins = first_id_at(wanted.since) if wanted.since else ""
    first = max(after, begins)
    if wanted.acknowledged is False:
        looked_at, more = _open_page(portal, call.clinic, first)
    else:
        records = webhook_deliveries.deliveries_after(portal.table, call.clinic, first)
        looked_at = list(itertools.islice(records, PAGE + 1))
        more = looked_at[PAGE - 1].delivery.id if len(looked_at) > PAGE else None
        looked_at = looked_at[:PAGE]
    seen = _visible(portal, call)
    found = [
        kept.delivery
        for kept in looked_at
        if _fits(kept.delivery, wanted) and (seen is None or kept.delivery.webhook in seen)
    ]
    portal.table.put_new(call.audit("deliveries", _subjects(found)))
    return DeliveryPage(found, more)


def acknowledge(portal: Portal, call: AuthorizedCall[EmptyBody], delivery: str) -> WebhookDelivery:
    """Note that an event is done at its recipient; said again, the first word stands.

    Raises UnknownDeliveryError, ContendedError.
    """
    kept = _find(portal, call, delivery)
    line = call.audit("deliveries/acknowledge", _subjects([kept.delivery]), about=delivery)
    return webhook_deliveries.acknowledge(portal.table, kept, call.key.id, call.now, line)


def redeliver(portal: Portal, call: AuthorizedCall[EmptyBody], delivery: str) -> WebhookDelivery:
    """Send a delivery again, under the same id, with ten tries more.

    Raises UnknownDeliveryError where it or its recipient is gone, WebhookDisabledError.
    """
    kept = _find(portal, call, delivery)
    recipient = find_webhook(portal, call, kept.delivery.webhook)
    if recipient.webhook.made != kept.delivery.made:
        raise UnknownDeliveryError(delivery)
    if recipient.health.disabled_since:
        raise WebhookDisabledError
    line = call.audit("deliveries/redeliver", _subjects([kept.delivery]), about=delivery)
    portal.table.put_new(line)
    return webhook_deliveries.queue_again(portal.table, kept, call.now)


def replay(portal: Portal, call: AuthorizedCall[Replay], name: str) -> Replayed:
    """Send a recipient again what happened between two moments, under the same ids.

    Raises UnknownWebhookError, WebhookDisabledError.
    """
    recipient = find_webhook(portal, call, name)
    if recipient.health.disabled_since:
        raise WebhookDisabledError
    first, last = first_id_at(call.body.begins), first_id_at(call.body.ends)
    records = webhook_deliveries.deliveries_after(
        portal.table, call.clinic, max(first, call.body.after)
    )
    queued, more = 0, None
    for number, kept in enumerate(_until(records, last)):
        if queued == MOST_REPLAYED or number == MOST_LOOKED_AT:
            break
        more = kept.delivery.id
        if kept.delivery.made == recipient.webhook.made:
            webhook_deliveries.queue_again(portal.table, kept, call.now)
            queued += 1
    else:
        more = None
    portal.table.put_new(call.audit("webhooks/replay", about=name))
    return Replayed(queued, more)


def _until(records: Iterator[KeptDelivery], last: str) -> Iterator[KeptDelivery]:
    return itertools.takewhile(lambda kept: kept.delivery.id < last, records)


def _open_page(portal: Portal, clinic: str, after: str) -> tuple[list[KeptDelivery], str | None]:
    """Give a page of what nobody acknowledged, and after which id it goes on."""
    marks = webhook_deliveries.unacknowledged(portal.table, clinic, after)
    ids = [number for number, _ in itertools.islice(marks, PAGE + 1)]
    more = ids[PAGE - 1] if len(ids) > PAGE else None
    found = webhook_deliveries.read_many(portal.table, clinic, ids[:PAGE]) if ids else {}
    return [found[number] for number in ids[:PAGE] if number in found], more


def _fits(delivery: WebhookDelivery, wanted: DeliveryFilter) -> bool:
    if wanted.recipient is not None and delivery.webhook != wanted.recipient:
        return False
    return wanted.acknowledged is None or wanted.acknowledged == bool(delivery.acknowledged_at)


def _find(portal: Portal, call: AuthorizedCall[Body], delivery: str) -> KeptDelivery:
    """Give a delivery to a recipient that the key may see; raise UnknownDeliveryError."""
    kept = webhook_deliveries.find(portal.table, call.clinic, delivery)
    seen = _visible(portal, call)
    if seen is not None and kept.delivery.webhook not in seen:
        raise UnknownDeliveryError(delivery)
    return kept


def _visible(portal: Portal, call: AuthorizedCall[Body]) -> set[str] | None:
    """Give the names of the recipients that the key may see; None for all there ever were."""
    if call.key.member is None:
        return None
    recipients = webhooks.of_clinic(portal.table, call.clinic)
    return {kept.webhook.name for kept in recipients if may_see(call, kept)}


def _subjects(deliveries: Sequence[WebhookDelivery]) -> list[str]:
    """Tell whom deliveries are about, by opaque ids."""
    return list(dict.fromkeys(each.subject for each in deliveries if each.subject))
