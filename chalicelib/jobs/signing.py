"""Sealing: receipts are signed after they are given, by the stream at once or by the clock's round through what waits.

No patient waits for a signature, and none is lost: the transaction that writes a receipt marks it as waiting, and the
mark goes only with the signature. So whatever fails here is logged, counted and left to the next round.
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


class GoneError(NotFoundError):
    """A mark whose receipt is not there. The portal takes no receipt away: somebody must look."""


@dataclass(slots=True)
class SigningReport:
    """How far a round came; `counted` are those the stream had not counted; `whole` unless time ran out.

    A round is not whole either where a service was away.
    """

    signed: int = 0
    counted: int = 0
    failed: int = 0
    whole: bool = True


def sign_receipts(
    table: Table, signer: Signer, receipts: Iterable[Receipt], out_of_time: OutOfTime
) -> Iterator[SigningReport]:
    """Sign receipts one by one and tell after each how far it came; what cannot be signed now keeps waiting.

    A receipt that cannot be signed holds up no other. After three failures of a service in a row the rest is left
    alone: it is away, and each try takes its whole patience.
    """
    return _signed(table, signer, receipts, out_of_time, SigningReport())


def sign_waiting(table: Table, signer: Signer, out_of_time: OutOfTime) -> Iterator[SigningReport]:
    """Sign everything that waits, as `seal` does; a mark whose receipt is gone or unreadable counts as failed."""
    tally = SigningReport()
    return _signed(table, signer, _waiting(table, tally, out_of_time), out_of_time, tally)


def count_waiting(table: Table, out_of_time: OutOfTime) -> SigningReport:
    """Count what waits and was not counted, where nothing can be signed."""
    tally = SigningReport()
    for _ in _waiting(table, tally, out_of_time):
        if out_of_time():
            tally.whole = False
            break
    return tally


def _signed(
    table: Table, signer: Signer, receipts: Iterable[Receipt], out_of_time: OutOfTime, tally: SigningReport
) -> Iterator[SigningReport]:
    key, away = None, 0
    for receipt in receipts:
        if away == PATIENCE or out_of_time():
            tally.whole = False
            break
        try:
            key = key or _published(table, signer)
            tally.signed += _sign(table, signer, key, receipt)
        except (SigningUnavailableError, UnavailableError) as error:
            away += 1
            tally.failed += _failed(error)
        except (ContendedError, TooLongToSignError, UnprovenError) as error:
            tally.failed += _failed(error)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one receipt, the others are signed
            log.fault(error)
            log.count("SigningFailed")
            tally.failed += 1
        else:
            away = 0
        yield tally
    yield tally


def _published(table: Table, signer: Signer) -> SigningKey:
    key = signer.current()
    signatures.keep_key(table, key.jwk)
    return key


def _sign(table: Table, signer: Signer, key: SigningKey, receipt: Receipt) -> bool:
    read_document(receipt.canonical)  # nothing else is ever signed
    protected = jws.header(key.jwk)
    signature = signer.sign(key, jws.signing_input(protected, receipt.canonical))
    signed = jws.compact(protected, receipt.canonical, signature)
    new = signatures.keep(table, receipt, signed, instant(datetime.now(UTC)))
    if new:
        log.count("ReceiptSigned")
    return new


def _waiting(table: Table, tally: SigningReport, out_of_time: OutOfTime) -> Iterator[Receipt]:
    """Give what waits, each counted; what somebody changed by hand is told, and the others are signed all the same.

    With the signature the mark goes that leads here: what cannot be counted now keeps waiting, and is not given.
    """
    marks, away = signatures.waiting(table), 0
    while batch := list(itertools.islice(marks, BATCH)):
        keys = {receipt_key(each.clinic, each.subject, each.version): each for each in batch}
        found = table.get([*keys, *(counted_key(each.clinic, each.receipt) for each in batch)])
        for key, mark in keys.items():
            # By person and version: a receipt's number opens its page, and so stays out of the log.
            told: dict[str, Any] = {"clinic": mark.clinic, "subject": mark.subject, "version": mark.version}
            try:
                receipt = _kept(found.get(key))
                if counted_key(mark.clinic, mark.receipt) not in found:
                    read_document(receipt.canonical)  # nothing else is counted
                    tally.counted += counting.count(table, receipt)
            except (ContendedError, UnavailableError) as error:
                away += isinstance(error, UnavailableError)
                tally.failed += _failed(error, **told)
                if away == PATIENCE or out_of_time():
                    tally.whole = False
                    return
            except (GoneError, ValueError, UnprovenError) as error:
                tally.failed += _failed(error, **told)
            else:
                away = 0
                yield receipt


def _kept(item: Item | None) -> Receipt:
    if item is None:
        raise GoneError("its receipt is gone")
    return read_receipt(item)


def _failed(error: Exception, **told: Any) -> int:
    """Note a failure, and count it."""
    log.log().warning("not signed", error=type(error).__name__, reason=str(error), **told)
    log.count("SigningFailed")
    return 1
