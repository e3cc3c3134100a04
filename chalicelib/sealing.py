"""Sealing: receipts are signed after they are given, by the stream at once or by the clock's round through what waits.

No patient waits for a signature, and none is lost: the transaction that writes a receipt marks it as waiting, and the
mark goes only with the signature. So whatever fails here is logged, counted and left to the next round.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from chalicelib import journal, proof
from chalicelib.instants import instant
from chalicelib.receipts import Receipt
from chalicelib.signing import Signer, SigningKey, SigningUnavailableError, TooLongToSignError
from chalicelib.store import signatures
from chalicelib.store.register import read_receipt
from chalicelib.store.table import BATCH, ContendedError, Table, UnavailableError, receipt_key

PATIENCE = 3

Hurried = Callable[[], bool]
"""Tells that there is no time left to begin another."""


@dataclass(slots=True)
class Tally:
    """How far a round came; `whole` unless time ran out or a service was away."""

    signed: int = 0
    failed: int = 0
    whole: bool = True


def seal(table: Table, signer: Signer, receipts: Iterable[Receipt], hurried: Hurried) -> Iterator[Tally]:
    """Sign receipts one by one and tell after each how far it came; what cannot be signed now keeps waiting.

    A receipt that cannot be signed holds up no other. After three failures of a service in a row the rest is left
    alone: it is away, and each try takes its whole patience.
    """
    tally, key, away = Tally(), None, 0
    for receipt in receipts:
        if away == PATIENCE or hurried():
            tally.whole = False
            break
        try:
            key = key or _published(table, signer)
            tally.signed += _seal(table, signer, key, receipt)
        except (SigningUnavailableError, UnavailableError) as error:
            away += 1
            tally.failed += _failed(error)
        except (ContendedError, TooLongToSignError, proof.UnprovenError) as error:
            tally.failed += _failed(error)
        else:
            away = 0
        yield tally
    yield tally


def seal_waiting(table: Table, signer: Signer, hurried: Hurried) -> Iterator[Tally]:
    """Sign everything that waits, as `seal` does."""
    return seal(table, signer, _waiting(table), hurried)


def _published(table: Table, signer: Signer) -> SigningKey:
    key = signer.current()
    signatures.keep_key(table, key.jwk)
    return key


def _seal(table: Table, signer: Signer, key: SigningKey, receipt: Receipt) -> bool:
    proof.read_document(receipt.canonical)  # nothing else is ever signed
    protected = proof.header(key.jwk)
    signature = signer.sign(key, proof.signing_input(protected, receipt.canonical))
    signed = proof.compact(protected, receipt.canonical, signature)
    new = signatures.keep(table, receipt, signed, instant(datetime.now(UTC)))
    if new:
        journal.count("ReceiptSigned")
    return new


def _waiting(table: Table) -> Iterator[Receipt]:
    marks = signatures.waiting(table)
    while batch := list(itertools.islice(marks, BATCH)):
        keys = [receipt_key(each.clinic, each.subject, each.version) for each in batch]
        for item in table.get(keys).values():
            try:
                yield read_receipt(item)
            except ValueError as error:  # somebody changed the table by hand; the others are signed all the same
                _failed(error)


def _failed(error: Exception) -> int:
    """Note a failure, and count it."""
    journal.log().warning("not signed", error=type(error).__name__, reason=str(error))
    journal.count("SigningFailed")
    return 1
