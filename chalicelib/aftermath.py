"""What happens after a receipt, from the table's stream: nothing here can hold up a patient, nothing is done twice."""

import json
from typing import Any

from chalicelib import journal
from chalicelib.consent import Receipt
from chalicelib.store.counts import count_receipt
from chalicelib.store.table import Table


def handle(table: Table, event: dict[str, Any]) -> None:
    """Work through a batch of stream records.

    A record that cannot be worked through raises; the stream then sends its batch again, halved until the record stands
    alone, and at last puts it into the dead-letter queue. Those already counted are not counted again.
    """
    for record in event.get("Records", []):
        change = record["dynamodb"]
        if record["eventName"] != "INSERT" or not change["Keys"]["sk"]["S"].startswith("RECEIPT#"):
            continue
        canonical = change["NewImage"]["body"]["S"].encode()
        receipt = Receipt(json.loads(canonical), canonical)
        counted = count_receipt(table, receipt)
        # By person and version: a receipt's number opens its page, and so stays out of the log.
        told = {name: receipt.document[name] for name in ("clinic", "subject", "version")}
        journal.log().info("receipt", **told, counted=counted)
        if counted:
            journal.count("ReceiptCounted")
    journal.flush()
