"""What follows a decision, from the table's stream: count and sign its receipt, send its messages.

Nothing depends on it. A receipt keeps its mark until it is counted and signed, and an item stays in
the outbox until it is carried out: whatever is not done here, the clock's round does (`catch_up`).
Nothing is done twice either, however often the stream repeats itself.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.receipts import Receipt
from chalicelib.jobs import counting, overwrites, signing
from chalicelib.messages.delivery import Delivery
from chalicelib.store.keys import Key
from chalicelib.store.kms_signer import Signer
from chalicelib.store.table import ContendedError, Table, UnavailableError

Record = Mapping[str, Any]
"""A record of a DynamoDB stream, as Lambda hands it over."""


def handle(
    table: Table,
    event: dict[str, Any],
    signer: Signer | None,
    out_of_time: OutOfTime,
    delivery: Delivery | None = None,
) -> dict[str, Any]:
    """Work through a batch of stream records: count every receipt, then sign and send in time.

    Gives the numbers of the records that could not be counted just now, as Lambda wants them
    (ReportBatchItemFailures): the stream sends those, and what comes behind them, again. What can
    never be counted is not among them: sent again it would hold up those behind it. Messages come
    last because they take longest.
    """
    records: Sequence[Record] = event.get("Records", [])
    try:
        overwrites.report(table, _keys(records, "MODIFY"), _keys(records, "REMOVE"))
        receipts, failed = _count_receipts(table, records)
        if signer is not None:
            for _ in signing.sign_receipts(table, signer, receipts, out_of_time):
                pass
        if delivery is not None:
            # The table says what the items hold, or that they are gone by now.
            left = [key for key in _keys(records, "INSERT") if key.pk.startswith("UNSENT#")]
            delivery.carry_new(left, out_of_time)
        return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
    finally:
        log.flush()


def _keys(records: Sequence[Record], event_name: str) -> list[Key]:
    """Give the keys of the items that were inserted, modified or removed."""
    return [_key(record) for record in records if record["eventName"] == event_name]


def _key(record: Record) -> Key:
    names = record["dynamodb"]["Keys"]
    return Key(names["pk"]["S"], names["sk"]["S"])


def _count_receipts(table: Table, records: Sequence[Record]) -> tuple[list[Receipt], list[str]]:
    """Count the receipts of a batch.

    Give those that are counted, and the numbers of the records to be sent again.
    """
    counted: list[Receipt] = []
    failed: list[str] = []
    for record in records:
        if record["eventName"] != "INSERT" or not _key(record).sk.startswith("RECEIPT#"):
            continue
        change = record["dynamodb"]
        try:
            receipt = _count(table, change["NewImage"]["body"]["S"].encode())
        except (ContendedError, UnavailableError) as error:
            log.log().warning("not counted", error=type(error).__name__)
            log.count("CountingFailed")
            failed.append(str(change.get("SequenceNumber", "")))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one record, the others are done
            log.fault(error)
            log.count("CountingFailed")
        else:
            counted.append(receipt)
    return counted, failed


def _count(table: Table, canonical: bytes) -> Receipt:
    receipt = Receipt(json.loads(canonical), canonical)
    new = counting.count(table, receipt)
    # By person and version: a receipt's number opens its page, and so stays out of the log.
    about = {name: receipt.document[name] for name in ("clinic", "subject", "version")}
    log.log().info("receipt", **about, counted=new)
    return receipt
