"""Signs receipts after they are given: behind the stream at once, what waits by the clock's round.

No patient waits for a signature, and none is lost: the transaction that writes a receipt marks it
as waiting, and the mark goes only with the signature. So whatever fails here is logged, counted and
left to the next round.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import instant
from chalicelib.domain.receipts import Receipt
from chalicelib.jobs import counting
from chalicelib.receipts import jws
from chalicelib.receipts.document import read_document
from chalicelib.receipts.errors import UnprovenError
from chalicelib.store import signatures
from chalicelib.store.keys import counted_key, receipt_key
from chalicelib.store.kms_signer import (
    Signer,
    SigningKey,
    SigningUnavailableError,
    TooLongToSignError,
)
from chalicelib.store.receipts import read_receipt
from chalicelib.store.table import BATCH, ContendedError, Item, Table, UnavailableError

PATIENCE = 3
"""After how many failures of a service in a row the rest is left to the next round."""


class GoneError(NotFoundError):
    """A mark whose receipt is not there. The portal takes no receipt away: somebody must look."""


@dataclass(slots=True)
class SigningReport:
    """How far a round came; `counted` are those the stream had not counted.

    `whole` is False where time ran out or a service was away.
    """

    signed: int = 0
    counted: int = 0
    failed: int = 0
    whole: bool = True


def sign_receipts(
    table: Table, signer: Signer, receipts: Iterable[Receipt], out_of_time: OutOfTime
) -> Iterator[SigningReport]:
    """Sign receipts one by one, and give after each how far it came.

    What cannot be signed now keeps waiting. A receipt that cannot be signed holds up no other.
    After three failures of a service in a row the rest is left alone: the service is away, and each
    try takes its whole patience.
    """
    return _sign_all(table, signer, receipts, out_of_time, SigningReport())


def sign_waiting(table: Table, signer: Signer, out_of_time: OutOfTime) -> Iterator[SigningReport]:
    """Sign all that waits, as `sign_receipts` does.

    A mark whose receipt is gone or unreadable counts as failed.
    """
    report = SigningReport()
    waiting = _counted_waiting(table, report, out_of_time)
    return _sign_all(table, signer, waiting, out_of_time, report)


def count_waiting(table: Table, out_of_time: OutOfTime) -> SigningReport:
    """Count what waits and was not counted, where nothing can be signed."""
    report = SigningReport()
    for _ in _counted_waiting(table, report, out_of_time):
        if out_of_time():
            report.whole = False
            break
    return report


def _sign_all(
    table: Table,
    signer: Signer,
    receipts: Iterable[Receipt],
    out_of_time: OutOfTime,
    report: SigningReport,
) -> Iterator[SigningReport]:
    key, away = None, 0
    for receipt in receipts:
        if away == PATIENCE or out_of_time():
            report.whole = False
            break
        try:
            key = key or _current_key(table, signer)
            report.signed += _sign(table, signer, key, receipt)
        except (SigningUnavailableError, UnavailableError) as error:
            away += 1
            report.failed += _note_failure(error)
        except (ContendedError, TooLongToSignError, UnprovenError) as error:
            report.failed += _note_failure(error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one receipt, the others are signed
            log.fault(error)
            log.count("SigningFailed")
            report.failed += 1
        else:
            away = 0
        yield report
    yield report


def _current_key(table: Table, signer: Signer) -> SigningKey:
    """Give the key that signs; it is published before anything is signed with it."""
    key = signer.current()
    signatures.keep_key(table, key.jwk)
    return key


def _sign(table: Table, signer: Signer, key: SigningKey, receipt: Receipt) -> bool:
    """Sign a receipt and keep that; tell False where it was signed before."""
    read_document(receipt.canonical)  # nothing else is ever signed
    protected = jws.header(key.jwk)
    signing_input = jws.signing_input(protected, receipt.canonical)
    signature = signer.sign(key, signing_input)
    signed = jws.compact(protected, receipt.canonical, signature)
    now = instant(datetime.now(UTC))
    new = signatures.keep(table, receipt, signed, now)
    if new:
        log.count("ReceiptSigned")
    return new


def _counted_waiting(
    table: Table, report: SigningReport, out_of_time: OutOfTime
) -> Iterator[Receipt]:
    """Give the receipts that wait to be signed, each counted.

    One that somebody changed by hand counts as failed. With the signature the mark goes that leads
    here: what cannot be counted now keeps waiting, and is not given.
    """
    marks, away = signatures.waiting(table), 0
    while batch := list(itertools.islice(marks, BATCH)):
        receipt_keys = [receipt_key(mark.clinic, mark.subject, mark.version) for mark in batch]
        counted_keys = [counted_key(mark.clinic, mark.receipt) for mark in batch]
        found = table.get([*receipt_keys, *counted_keys])
        for mark, key, counted in zip(batch, receipt_keys, counted_keys, strict=True):
            # By person and version: a receipt's number opens its page, and so stays out of the log.
            about = {"clinic": mark.clinic, "subject": mark.subject, "version": mark.version}
            try:
                receipt = _read(found.get(key))
                if counted not in found:
                    read_document(receipt.canonical)  # nothing else is counted
                    report.counted += counting.count(table, receipt)
            except (ContendedError, UnavailableError) as error:
                away += isinstance(error, UnavailableError)
                report.failed += _note_failure(error, **about)
                if away == PATIENCE or out_of_time():
                    report.whole = False
                    return
            except (GoneError, ValueError, UnprovenError) as error:
                report.failed += _note_failure(error, **about)
            else:
                away = 0
                yield receipt


def _read(item: Item | None) -> Receipt:
    if item is None:
        raise GoneError("its receipt is gone")
    return read_receipt(item)


def _note_failure(error: Exception, **about: Any) -> int:
    """Log and count a failure; give how many that are: one."""
    log.log().warning("not signed", error=type(error).__name__, reason=str(error), **about)
    log.count("SigningFailed")
    return 1
