"""What follows a decision, from the table's stream: count and sign its receipt, send its messages.

Nothing depends on it. An item stays in the outbox until the receipt is counted and signed and the
messages are sent: whatever is not done here, the clock's round does (`catch_up`). Nothing is done
twice either, however often the stream repeats itself.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.jobs import overwrites, recipient_events
from chalicelib.jobs.signing import GROUP, ReceiptSigning, keys_to_sign, note_signed
from chalicelib.messages.audience import keys_to_plan
from chalicelib.messages.delivery import Delivery
from chalicelib.store import outbox
from chalicelib.store.gathered import Gathered
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.keys.key import Key
from chalicelib.store.outbox import DECIDED, NO_MESSAGE, RECIPIENT_NOTICE, OutboxItem
from chalicelib.store.signer import Signer
from chalicelib.store.table import Table

Record = Mapping[str, Any]
"""A record of a DynamoDB stream, as Lambda hands it over."""


def handle(
    table: Table,
    event: dict[str, Any],
    signer: Signer | None,
    out_of_time: OutOfTime,
    delivery: Delivery | None = None,
) -> dict[str, Any]:
    """Work through a batch of stream records: count and sign every receipt, then send in time.

    Before a receipt is signed, the deliveries to recipients are written that follow from it;
    `jobs.webhooks` sends them.

    Gives the numbers of the records whose receipts the table would not take just now, as Lambda
    wants them (ReportBatchItemFailures): the stream sends those, and what comes behind them, again.
    What cannot be signed is not among them: sent again it would hold up those behind it, and the
    clock's round comes to it. Messages come last because they take longest.
    """
    records: Sequence[Record] = event.get("Records", [])
    try:
        overwrites.report(table, _keys(records, "MODIFY"), _keys(records, "REMOVE"))
        left = [record for record in records if _is_new_in_outbox(record)]
        gathered = Gathered(table, _keys_to_read(left))
        # The table says what the items hold, or that they are gone by now.
        items = outbox.still_there(gathered, [_key(record) for record in left])
        signing = ReceiptSigning(table, signer, out_of_time)
        items = _count_and_sign(table, signing, items, gathered)
        notices = [item for item in items if item.entry.kind == RECIPIENT_NOTICE]
        recipient_events.carry_notices(table, notices, out_of_time)
        if delivery is not None:
            delivery.carry_new(items, out_of_time, gathered)
        contended = {item.key for item in items if item.number in signing.report.contended}
        failed = [record for record in left if _key(record) in contended]
        return {"batchItemFailures": [_failure(record) for record in failed]}
    finally:
        log.flush()


def _keys_to_read(records: Sequence[Record]) -> list[Key]:
    """Give what is read at once for new items of the outbox: each, and what it leads to.

    The record says what an item held when it was written; where that is, it stays.
    """
    keys: list[Key] = []
    for record in records:
        keys.append(_key(record))
        image = record["dynamodb"].get("NewImage") or record["dynamodb"]["Keys"]
        item = outbox.announced(image)
        if item.unsigned:
            keys += [clinic_key(item.entry.clinic), *keys_to_sign(item)]
        if item.entry.kind == DECIDED:
            keys += keys_to_plan(item.entry)
    return keys


def _count_and_sign(
    table: Table, signing: ReceiptSigning, items: Sequence[OutboxItem], gathered: Gathered
) -> list[OutboxItem]:
    """Count and sign the receipts of some items, and take out those that ask for nothing else."""
    rest, done = iter(items), []
    while group := list(itertools.islice(rest, GROUP)):
        for item in signing.sign_items(group, gathered):
            done.append(item)
            if item.entry.kind == NO_MESSAGE and not item.unsigned:
                note_signed(table, item)
    return done


def _is_new_in_outbox(record: Record) -> bool:
    return record["eventName"] == "INSERT" and _key(record).pk.startswith("UNSENT#")


def _failure(record: Record) -> dict[str, str]:
    return {"itemIdentifier": str(record["dynamodb"].get("SequenceNumber", ""))}


def _keys(records: Sequence[Record], event_name: str) -> list[Key]:
    """Give the keys of the items that were inserted, modified or removed."""
    return [_key(record) for record in records if record["eventName"] == event_name]


def _key(record: Record) -> Key:
    names = record["dynamodb"]["Keys"]
    return Key(names["pk"]["S"], names["sk"]["S"])
