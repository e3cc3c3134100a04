"""Writes the deliveries that follow from decisions, before their receipts are signed.

An item stays in the outbox until its receipt is signed, and a receipt is signed only when every
recipient's delivery is written. So nothing is lost between a receipt and its deliveries, whatever
fails; and nothing is written twice, since a delivery has the same id each time.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.webhooks import (
    Event,
    EventType,
    Webhook,
    WebhookDelivery,
    event_of_receipt,
    grants_any,
    new_delivery,
)
from chalicelib.store import outbox, webhook_deliveries, webhooks
from chalicelib.store.gathered import Gathered
from chalicelib.store.items import Item
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.receipts import receipt_key
from chalicelib.store.outbox import OutboxItem
from chalicelib.store.receipts import read_receipt
from chalicelib.store.table import ContendedError, Table, UnavailableError

_AWAY = (ContendedError, UnavailableError)


def write_deliveries(
    table: Table, items: Sequence[OutboxItem], reads: Table | Gathered
) -> dict[str, Exception]:
    """Write what the recipients of each clinic are told of some receipts that are not signed yet.

    Gives the numbers of the items whose recipients could not be told now, and why: their receipts
    are to be left unsigned. What is wrong at one clinic holds up no other. `reads` may hold the
    clinics' items already.
    """
    left: dict[str, Exception] = {}
    for clinic, theirs in _by_clinic(items).items():
        try:
            place = clinic_key(clinic)
            if not webhooks.never_named(reads.get([place]).get(place)):
                _write_of_clinic(table, clinic, theirs)
        except _AWAY as error:
            log.log().info("recipients not told", clinic=clinic, error=type(error).__name__)
            left.update(dict.fromkeys((item.number for item in theirs), error))
        except Exception as error:  # noqa: BLE001 - whatever is wrong at one clinic, the others are told
            log.fault(error)
            log.count("RecipientsNotTold", len(theirs))
            left.update(dict.fromkeys((item.number for item in theirs), error))
    return left


def carry_notices(table: Table, items: Iterable[OutboxItem], out_of_time: OutOfTime) -> None:
    """Tell those whom a person's data was disclosed to that it was erased or restricted.

    Takes the items out of the outbox whose deliveries are written (GDPR Art. 19).
    """
    for item in items:
        if out_of_time():
            return
        try:
            _carry_notice(table, item)
        except _AWAY as error:
            clinic = item.entry.clinic
            log.log().info("recipients not told", clinic=clinic, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one item, the others are told
            log.fault(error)
            log.count("RecipientsNotTold")


def _write_of_clinic(table: Table, clinic: str, items: Sequence[OutboxItem]) -> None:
    recipients = [kept.webhook for kept in webhooks.of_clinic(table, clinic)]
    if not recipients:
        return
    places = [receipt_key(*item.receipt_place) for item in items]
    deliveries: list[WebhookDelivery] = []
    for document in _documents(table.get(places)):
        for recipient in recipients:
            disclosed = _Disclosed(table, clinic, document["subject"], recipient)
            event = event_of_receipt(document, recipient, disclosed)
            if event is not None:
                deliveries.append(new_delivery(recipient, event))
    _write(table, deliveries)


def _carry_notice(table: Table, item: OutboxItem) -> None:
    entry = item.entry
    event_type = EventType(entry.to)
    event = Event(event_type, entry.at or "", item.number, entry.subject)
    deliveries: list[WebhookDelivery] = []
    for kept in webhooks.of_clinic(table, entry.clinic):
        recipient = kept.webhook
        disclosed = _Disclosed(table, entry.clinic, entry.subject, recipient)
        if recipient.hears_of(event_type) and disclosed():
            deliveries.append(new_delivery(recipient, event))
    _write(table, deliveries)
    outbox.remove(table, item)


def _write(table: Table, deliveries: Sequence[WebhookDelivery]) -> None:
    for start in range(0, len(deliveries), webhook_deliveries.PAGE):
        page = deliveries[start : start + webhook_deliveries.PAGE]
        written = webhook_deliveries.write_new(table, page)
        if written:
            log.count("WebhookDeliveryWritten", written)


class _Disclosed:
    """Tells whether a person's data was ever disclosed to a recipient: by a Yes that counted."""

    def __init__(self, table: Table, clinic: str, subject: str, recipient: Webhook) -> None:
        self._table = table
        self._first = receipt_key(clinic, subject, 1)
        self._recipient = recipient

    def __call__(self) -> bool:
        """Read the person's receipts until one granted something to the recipient."""
        for item in self._table.from_key(self._first, "RECEIPT#"):
            if grants_any(read_receipt(item).document, self._recipient.questions):
                return True
        return False


def _by_clinic(items: Sequence[OutboxItem]) -> dict[str, list[OutboxItem]]:
    found: dict[str, list[OutboxItem]] = {}
    for item in items:
        found.setdefault(item.entry.clinic, []).append(item)
    return found


def _documents(found: Mapping[Key, Item]) -> Iterator[Mapping[str, Any]]:
    """Give the receipts that can be read; what is wrong with another is told where it is signed."""
    for item in found.values():
        try:
            yield read_receipt(item).document
        except ValueError:
            continue
