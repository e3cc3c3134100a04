"""Counts and signs receipts after they are given: behind the stream, or by the clock's round.

No patient waits for a signature, and none is lost: the transaction that writes a receipt leaves an
item in the outbox, and that goes only when the receipt is signed. So whatever fails here is logged,
counted and left to the next round. A receipt is counted in the transaction that keeps its
signature: that there was none is the condition, so whoever comes second counts nothing. What cannot
be signed at all has a mark of its own that it is counted.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import instant
from chalicelib.domain.receipts import Receipt
from chalicelib.receipts import jws
from chalicelib.receipts.document import read_document
from chalicelib.receipts.errors import UnprovenError
from chalicelib.store import outbox, signatures, statistics
from chalicelib.store.items import Item
from chalicelib.store.keys import Key, counted_key, receipt_key, signature_key
from chalicelib.store.kms_signer import (
    Signer,
    SigningKey,
    SigningUnavailableError,
    TooLongToSignError,
)
from chalicelib.store.outbox import OutboxItem
from chalicelib.store.receipts import read_receipt
from chalicelib.store.table import ConflictError, ContendedError, Table, UnavailableError
from chalicelib.store.writes import Put

PATIENCE = 3
"""After how many failures of a service in a row the rest is left to the next round."""

GROUP = 25
"""How many receipts are counted and signed in one transaction: a batch of the stream."""

ATTEMPTS = 5
"""How often one receipt is written again while others count in the same counters."""

_FIRST_PAUSE = 0.02

Pause = Callable[[float], None]
"""Waits for so many seconds."""


class GoneError(NotFoundError):
    """An item whose receipt is not there. The portal takes no receipt away: somebody must look."""


@dataclass(slots=True)
class SigningReport:
    """How far a batch or round came.

    `left` says of which receipts (by their ids) why they were left as they were. `whole` is False
    where time ran out or a service was away.
    """

    signed: int = 0
    counted: int = 0
    failed: int = 0
    whole: bool = True
    left: dict[str, Exception] = field(default_factory=dict)

    @property
    def contended(self) -> set[str]:
        """The receipts that the table would not take just now."""
        declined = (ContendedError, UnavailableError)
        return {number for number, error in self.left.items() if isinstance(error, declined)}


@dataclass(frozen=True, slots=True)
class _Ready:
    """A receipt that is to be written down as counted: `write` keeps its signature, or a mark."""

    receipt: Receipt
    write: Put
    signed: bool
    counts: bool
    """Whether it is still to be counted."""


@dataclass(slots=True)
class ReceiptSigning:
    """Counts and signs the receipts of one batch or round; without a signer it only counts.

    A receipt that cannot be signed holds up no other. After three failures of a service in a row
    the rest is left alone: the service is away, and each try takes its whole patience.
    """

    table: Table
    signer: Signer | None
    out_of_time: OutOfTime
    pause: Pause = time.sleep
    report: SigningReport = field(default_factory=SigningReport)
    _away: int = 0

    def must_stop(self) -> bool:
        """Tell whether the rest is left to the next round."""
        if self._away >= PATIENCE or self.out_of_time():
            self.report.whole = False
        return not self.report.whole

    def sign_items(self, items: Sequence[OutboxItem]) -> list[OutboxItem]:
        """Count and sign the receipts of a few items, in one transaction if that goes.

        Gives the items as they are then; in the table they are as they were.
        """
        unsigned = [item for item in items if item.unsigned]
        signed = self._sign_group(unsigned) if unsigned else set()
        return [
            item.now_signed() if item.unsigned and item.number in signed else item for item in items
        ]

    def sign_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Count and sign receipts that are neither counted nor signed, as `sign_items` does."""
        rest = iter(receipts)
        while (group := list(itertools.islice(rest, GROUP))) and not self.must_stop():
            prepared = [
                self._prepared(each, counted=False) for each in group if not self.must_stop()
            ]
            self._write([each for each in prepared if each is not None])

    def _sign_group(self, items: Sequence[OutboxItem]) -> set[str]:
        """Count and sign the receipts that items stand for; give the ids of those signed now."""
        found = self.table.get(
            [key for item in items for key in (*_places(item), counted_key(*_id(item)))]
        )
        signed: set[str] = set()
        ready: list[_Ready] = []
        for item in items:
            place, signature = _places(item)
            if signature in found:
                signed.add(item.number)
                continue
            if self.must_stop():
                break
            # By person and version: a receipt's id opens its page, and so stays out of the log.
            clinic, subject, version = item.receipt_place
            about = {"clinic": clinic, "subject": subject, "version": version}
            try:
                receipt = _read(found.get(place))
            except (GoneError, ValueError, UnprovenError) as error:
                self._note_failure(error, **about)
                continue
            if prepared := self._prepared(receipt, counted=counted_key(*_id(item)) in found):
                ready.append(prepared)
        return signed | self._write(ready)

    def _prepared(self, receipt: Receipt, *, counted: bool) -> _Ready | None:
        """Sign a receipt; None where it is left as it is, for now."""
        try:
            if self.signer is not None:
                written = _signed(self.table, self.signer, receipt)
                now = instant(datetime.now(UTC))
                put = signatures.signature_write(receipt, written, now)
                self._away = 0
                return _Ready(receipt, put, signed=True, counts=not counted)
        except (SigningUnavailableError, UnavailableError) as error:
            self._away += 1
            self._leave(receipt, error)
            return None
        except (TooLongToSignError, UnprovenError) as error:
            self._note_failure(error)  # it may never be signed, and is counted all the same
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one receipt, the others are signed
            log.fault(error)
            self._leave(receipt, error)
            return None
        if counted:
            return None
        return _Ready(receipt, statistics.counted_write(receipt), signed=False, counts=True)

    def _write(self, ready: Sequence[_Ready]) -> set[str]:
        """Write down what was signed and counted; give the ids of the receipts signed by now.

        All in one transaction; where another is in the way each alone, so that one receipt holds up
        no other.
        """
        if len(ready) > 1:
            try:
                return self._write_at_once(ready)
            except (ContendedError, UnavailableError) as error:
                log.log().info("each receipt alone", reason=type(error).__name__)
        signed: set[str] = set()
        lost = 0
        for each in ready:
            if lost == PATIENCE:
                self.report.whole = False
                self._leave(each.receipt, UnavailableError("the table is away"))
                continue
            try:
                signed |= self._write_alone(each)
                lost = 0
            except ContendedError as error:
                self._leave(each.receipt, error)
            except UnavailableError as error:
                lost += 1
                self._away = max(self._away, lost)
                self._leave(each.receipt, error)
        return signed

    def _write_alone(self, each: _Ready) -> set[str]:
        """Write one receipt down; errors as for `_write_at_once`."""
        for attempt in range(1, ATTEMPTS):
            try:
                return self._write_at_once([each])
            except ContendedError:
                spread = 0.5 + random.random() / 2  # noqa: S311 - so that retries do not meet again
                self.pause(_FIRST_PAUSE * 2**attempt * spread)
        return self._write_at_once([each])

    def _write_at_once(self, ready: Sequence[_Ready]) -> set[str]:
        """Write receipts down in one transaction; who signed or counted one before is left out.

        Raises ContendedError, UnavailableError.
        """
        left = list(ready)
        while left:
            counts = statistics.count_writes(each.receipt for each in left if each.counts)
            try:
                self.table.write([*(each.write for each in left), *counts])
            except ConflictError as error:
                left = [each for each in left if each.write.key not in error.keys]
            else:
                break
        for each in left:
            self._note_done(each)
        return {each.receipt.id for each in ready if each.signed}

    def _note_done(self, done: _Ready) -> None:
        about = {name: done.receipt.document[name] for name in ("clinic", "subject", "version")}
        log.log().info("receipt", **about, counted=done.counts, signed=done.signed)
        if done.counts:
            self.report.counted += 1
            log.count("ReceiptCounted")
        if done.signed:
            self.report.signed += 1
            log.count("ReceiptSigned")

    def _leave(self, receipt: Receipt, error: Exception) -> None:
        self.report.left[receipt.id] = error
        self._note_failure(error)

    def _note_failure(self, error: Exception, **about: Any) -> None:
        log.log().warning("not signed", error=type(error).__name__, reason=str(error), **about)
        log.count("SigningFailed")
        self.report.failed += 1


def sign_waiting(
    table: Table, signer: Signer | None, out_of_time: OutOfTime, first: int = 0
) -> Iterator[SigningReport]:
    """Count and sign all that waits, from the shard of the number `first` on.

    Gives after each group how far it came.

    What is signed is noted in its item. An item whose receipt is gone or unreadable counts as
    failed.
    """
    signing = ReceiptSigning(table, signer, out_of_time)
    signatures.hand_over_earlier_marks(table)
    waiting = outbox.unsigned_items(table, first)
    while (group := list(itertools.islice(waiting, GROUP))) and not signing.must_stop():
        for before, item in zip(group, signing.sign_items(group), strict=True):
            if before.unsigned and not item.unsigned:
                note_signed(table, item)
        yield signing.report
    yield signing.report


def note_signed(table: Table, item: OutboxItem) -> None:
    """Note in the outbox that the receipt of an item is signed, and take out what asks for no more.

    Where that fails the next round does it.
    """
    try:
        outbox.note_signed(table, item)
    except (ContendedError, UnavailableError) as error:
        log.log().info("not noted as signed", error=type(error).__name__)


def _signed(table: Table, signer: Signer, receipt: Receipt) -> str:
    """Sign a receipt by the key that signs now, and give it as a JWS.

    The key's public half is published before anything signed with it is kept. Where the key cannot
    sign any more, because another took its place, that one does.
    """
    read_document(receipt.canonical)  # nothing else is ever signed
    key = _current_key(table, signer)
    try:
        return _signed_by(signer, key, receipt)
    except SigningUnavailableError:
        other = _current_key(table, signer)
        if other.kid == key.kid:
            raise
        return _signed_by(signer, other, receipt)


def _current_key(table: Table, signer: Signer) -> SigningKey:
    return signer.current(lambda jwk: signatures.keep_key(table, jwk))


def _signed_by(signer: Signer, key: SigningKey, receipt: Receipt) -> str:
    protected = jws.header(key.jwk)
    signature = signer.sign(key, jws.signing_input(protected, receipt.canonical))
    return jws.compact(protected, receipt.canonical, signature)


def _places(item: OutboxItem) -> tuple[Key, Key]:
    return receipt_key(*item.receipt_place), signature_key(*item.receipt_place)


def _id(item: OutboxItem) -> tuple[str, str]:
    return item.entry.clinic, item.number


def _read(item: Item | None) -> Receipt:
    if item is None:
        raise GoneError("its receipt is gone")
    receipt = read_receipt(item)
    read_document(receipt.canonical)  # nothing else is counted or signed
    return receipt
