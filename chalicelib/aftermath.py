"""What happens after a receipt, from the table's stream: nothing here can hold up a patient, nothing is done twice."""

import json
from collections.abc import Iterator
from typing import Any

from chalicelib import journal, sealing
from chalicelib.receipts import Receipt
from chalicelib.sealing import Hurried
from chalicelib.signing import Signer
from chalicelib.store.counts import count_receipt
from chalicelib.store.table import ContendedError, Table


def handle(table: Table, event: dict[str, Any], signer: Signer | None, hurried: Hurried) -> None:
    """Work through a batch of stream records: count every receipt, then sign what there is time for.

    A record that cannot be counted raises; the stream then sends its batch again, halved until the record stands alone,
    and at last puts it into the dead-letter queue. Those already counted are not counted again. A receipt that cannot
    be signed fails no batch: sending it again would hold up those behind it while the key service is down, and after
    ten tries it would be forgotten here. Its mark stays, and the clock's round signs it.
    """
    try:
        receipts = list(_counted(table, event))
        if signer is not None:
            for _ in sealing.seal(table, signer, receipts, hurried):
                pass
    finally:
        journal.flush()


def _counted(table: Table, event: dict[str, Any]) -> Iterator[Receipt]:
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
        yield receipt


def clear_erased(table: Table, hurried: Hurried) -> None:
    """Clear away what erased people left about, as far as the time goes, and say in the log of how many."""
    from chalicelib.store import erasures  # noqa: PLC0415 - the stream's function needs it not

    cleared = contended = 0
    try:
        for mark in erasures.waiting(table):
            if hurried():
                break
            try:
                erasures.clear(table, mark)
                cleared += 1
            except ContendedError:  # somebody decides under one of the contacts just now: the next round
                contended += 1
        journal.log().info("cleared", cleared=cleared, contended=contended)
    finally:
        journal.flush()


def sign_waiting(table: Table, signer: Signer | None, hurried: Hurried) -> None:
    """Sign what still waits, as far as the time goes, and say in the log how far that was."""
    if signer is None:
        journal.log().warning("nothing is signed: SIGNING_KEY is not set")
        return
    try:
        for tally in sealing.seal_waiting(table, signer, hurried):
            if tally.signed and not tally.signed % 500:
                journal.log().info("signing", signed=tally.signed, failed=tally.failed)
        journal.log().info("signed", signed=tally.signed, failed=tally.failed, whole=tally.whole)
    finally:
        journal.flush()
