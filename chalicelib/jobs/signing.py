"""Counts and signs receipts after they are given: behind the stream, or by the clock's round.

No patient waits for a signature, and none is lost: the transaction that writes a receipt leaves an
item in the outbox, and that goes only when the receipt is signed. So whatever fails here is logged,
counted and left to the next round. A receipt comes into the clinic's feed of changes, from which it
is counted, in the transaction that keeps its signature: that there was none is the condition, so
whoever comes second changes nothing. What cannot be signed at all has a mark of its own that it is
counted. A person's receipts come into the feed in their order: those before one come with it.
"""

import contextlib
import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chalicelib import log
from chalicelib.domain.consent import QuestionId
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.time_to_confirm import Waited, times_to_confirm
from chalicelib.jobs import recipient_events
from chalicelib.receipts import jws
from chalicelib.receipts.document import read_document
from chalicelib.receipts.errors import UnprovenError
from chalicelib.store import changes, outbox, signatures, statistics
from chalicelib.store.changes import MOST_RECEIPTS
from chalicelib.store.gathered import Gathered
from chalicelib.store.items import Item
from chalicelib.store.keys.counts import feed_shard
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.receipts import counted_key, receipt_key, signature_key
from chalicelib.store.outbox import OutboxItem
from chalicelib.store.receipts import read_receipt, summaries_before
from chalicelib.store.signer import (
    Signer,
    SigningKey,
    SigningUnavailableError,
    TooLongToSignError,
)
from chalicelib.store.table import ConflictError, ContendedError, Table, UnavailableError
from chalicelib.store.writes import Put

PATIENCE = 3
"""After how many failures of a service in a row the rest is left to the next round."""

GROUP = MOST_RECEIPTS
"""How many receipts are counted and signed in one transaction: a batch of the stream."""

ATTEMPTS = 5
"""How often one receipt is written again while others append to the same feed."""

APPENDS = 4
"""How often a transaction is sent again at once, because others appended meanwhile."""

_EARLIER = 50
"""How many of a person's receipts are looked at in one round trip, from the last one back."""

_FIRST_PAUSE = 0.02

_AWAY = (SigningUnavailableError, UnavailableError, ContendedError)
"""Why a receipt is left that goes another time: those after it wait for it."""

Place = tuple[str, str, int]
"""Where a receipt stands: clinic, person, version."""

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
    behind: set[str] = field(default_factory=set)
    """The clinics of which a receipt was left that is not in the feed yet."""

    @property
    def contended(self) -> set[str]:
        """The receipts that the table would not take just now."""
        declined = (ContendedError, UnavailableError)
        return {number for number, error in self.left.items() if isinstance(error, declined)}


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A receipt that has no signature; `counted` where it has the mark of one that was counted."""

    receipt: Receipt
    counted: bool

    @property
    def place(self) -> Place:
        """The receipt's clinic, person and version."""
        return _place(self.receipt)


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
    _lost: int = 0
    _held: dict[tuple[str, str], Exception] = field(default_factory=dict)
    """The people of whom a receipt was left for now: by clinic and person, and why."""
    _waits: dict[str, Mapping[QuestionId, Waited]] = field(default_factory=dict)

    def must_stop(self) -> bool:
        """Tell whether the rest is left to the next round."""
        if self._away >= PATIENCE or self.out_of_time():
            self.report.whole = False
        return not self.report.whole

    def sign_items(
        self, items: Sequence[OutboxItem], gathered: Gathered | None = None
    ) -> list[OutboxItem]:
        """Count and sign the receipts of a few items, in one transaction if that goes.

        Gives the items as they are then; in the table they are as they were. First the deliveries
        to recipients are written: what is signed has been told to all of them. `gathered` holds
        what was read of the items already (`keys_to_sign`).
        """
        waiting, reads = [item for item in items if item.unsigned], gathered or self.table
        untold = recipient_events.write_deliveries(self.table, waiting, reads)
        self.report.left.update(untold)
        self.report.behind |= {item.entry.clinic for item in waiting if item.number in untold}
        self.report.failed += len(untold)
        unsigned = [item for item in waiting if item.number not in untold]
        signed = self._sign_group(unsigned, reads) if unsigned else set()
        return [
            item.now_signed() if item.unsigned and item.number in signed else item for item in items
        ]

    def sign_receipts(self, receipts: Sequence[Receipt]) -> None:
        """Count and sign receipts that are neither counted nor signed, as `sign_items` does."""
        rest = iter(receipts)
        while (group := list(itertools.islice(rest, GROUP))) and not self.must_stop():
            self._sign([_Waiting(each, counted=False) for each in group], frozenset())

    def _sign_group(self, items: Sequence[OutboxItem], reads: Table | Gathered) -> set[str]:
        """Count and sign the receipts that items stand for; give the ids of those signed now."""
        found = reads.get([key for item in items for key in keys_to_sign(item)])
        signed: set[str] = set()
        waiting: list[_Waiting] = []
        for item in items:
            place, signature = _places(item)
            if signature in found:
                signed.add(item.number)
                continue
            # By person and version: a receipt's id opens its page, and so stays out of the log.
            clinic, subject, version = item.receipt_place
            about = {"clinic": clinic, "subject": subject, "version": version}
            try:
                receipt = self._read(found.get(place))
            except (GoneError, ValueError, UnprovenError) as error:
                self.report.behind.add(clinic)
                self._note_failure(error, **about)
                continue
            waiting.append(_Waiting(receipt, counted_key(*_id(item)) in found))
        return signed | self._sign(waiting, frozenset(found))

    def _sign(self, waiting: Sequence[_Waiting], known: frozenset[Key]) -> set[str]:
        """Count and sign receipts, after those of the same people that come before them.

        `known` are signatures that are there. Gives the ids of the receipts signed now.
        """
        by_place = {each.place: each for each in waiting}
        for each in waiting:
            by_place |= {earlier.place: earlier for earlier in self._earlier(each, by_place, known)}
        ready: list[_Ready] = []
        for each in sorted(by_place.values(), key=lambda each: each.place[2]):
            if self.must_stop():
                self.report.behind.add(each.place[0])
            elif not self._is_held(each.receipt) and (
                prepared := self._prepared(each.receipt, counted=each.counted)
            ):
                ready.append(prepared)
        return self._write(ready)

    def _earlier(
        self, waiting: _Waiting, by_place: Mapping[Place, _Waiting], known: frozenset[Key]
    ) -> list[_Waiting]:
        """Give the receipts before one that are neither signed nor counted, the last first.

        All before a receipt that is signed or counted are. One that is gone or cannot be read is
        dead: those before it, and after it, do not wait for it.
        """
        clinic, subject, version = waiting.place
        earlier: list[_Waiting] = []
        for versions in _backwards(version):
            places = [(clinic, subject, number) for number in versions]
            if places[0] in by_place or signature_key(*places[0]) in known:
                break
            found = self._uncounted(places, by_place)
            earlier += found
            if len(found) < len(places):
                break
        return earlier

    def _uncounted(
        self, places: Sequence[Place], by_place: Mapping[Place, _Waiting]
    ) -> list[_Waiting]:
        """Give a person's receipts up to the first that is signed, counted, dead or in `by_place`."""
        both = [key for place in places for key in (receipt_key(*place), signature_key(*place))]
        stored = self.table.get(both)
        receipts: list[Receipt] = []
        for place in places:
            if place in by_place or signature_key(*place) in stored:
                break
            try:
                receipts.append(self._read(stored.get(receipt_key(*place))))
            except (GoneError, ValueError, UnprovenError):
                break
        marks = [counted_key(_place(each)[0], each.id) for each in receipts]
        counted = self.table.get(marks) if marks else {}
        unmarked = zip(receipts, marks, strict=True)
        waiting = itertools.takewhile(lambda each: each[1] not in counted, unmarked)
        return [_Waiting(receipt, counted=False) for receipt, _ in waiting]

    def _read(self, item: Item | None) -> Receipt:
        """Read a receipt, and how long each Yes had waited that it confirms; errors as `_read`."""
        receipt = _read(item)
        if item is not None and "confirms" in (receipt.document["evidence"] or {}):
            # What cannot be read is not told: the receipt itself is signed all the same.
            with contextlib.suppress(ValueError, LookupError, TypeError):
                self._waits[receipt.id] = times_to_confirm(receipt, summaries_before(item))
        return receipt

    def _is_held(self, receipt: Receipt) -> bool:
        """Tell whether a receipt waits for one before it; it is then left like that one."""
        error = self._held.get(_person(receipt))
        if error is None:
            return False
        self.report.left[receipt.id] = error
        return True

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

        One transaction for each part of the feeds; where another is in the way each alone, so that
        one receipt holds up no other but those of the same person after it.
        """
        parts: dict[int, list[_Ready]] = {}
        for each in ready:
            parts.setdefault(feed_shard(each.receipt.document["subject"]), []).append(each)
        signed: set[str] = set()
        self._lost = 0
        for part in parts.values():
            for start in range(0, len(part), GROUP):
                signed |= self._write_part(part[start : start + GROUP])
        return signed

    def _write_part(self, ready: Sequence[_Ready]) -> set[str]:
        if len(ready) > 1 and not any(self._is_held(each.receipt) for each in ready):
            try:
                return self._write_at_once(ready)
            except (ContendedError, UnavailableError) as error:
                log.log().info("each receipt alone", reason=type(error).__name__)
        signed: set[str] = set()
        for each in ready:
            if self._is_held(each.receipt):
                continue
            if self._lost == PATIENCE:
                self.report.whole = False
                self._leave(each.receipt, UnavailableError("the table is away"))
                continue
            try:
                signed |= self._write_alone(each)
                self._lost = 0
            except ContendedError as error:
                self._leave(each.receipt, error)
            except UnavailableError as error:
                self._lost += 1
                self._away = max(self._away, self._lost)
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
        appended = 0
        while left:
            if appended == APPENDS:
                raise ContendedError
            counted = [each.receipt for each in left if each.counts]
            try:
                now = instant(datetime.now(UTC))
                appends = changes.receipt_writes(self.table, counted, now, self._waits)
                self.table.write([*(each.write for each in left), *appends])
            except ConflictError as error:
                others = [each for each in left if each.write.key not in error.keys]
                appended += len(others) == len(left)
                left = others
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
        self.report.behind.add(receipt.document["clinic"])
        if isinstance(error, _AWAY):
            self._held[_person(receipt)] = error
        self._note_failure(error)

    def _note_failure(self, error: Exception, **about: Any) -> None:
        log.log().warning("not signed", error=type(error).__name__, reason=str(error), **about)
        log.count("SigningFailed")
        self.report.failed += 1


def keys_to_sign(item: OutboxItem) -> list[Key]:
    """Give what is read of an item whose receipt is to be counted and signed: the receipt, the
    marks that it was, and the signature before it.
    """
    keys = [*_places(item), counted_key(*_id(item))]
    if before := _before(item.receipt_place):
        keys.append(signature_key(*before))
    return keys


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


def _backwards(version: int) -> Iterator[range]:
    """Give the versions before one, the last first: that one alone, then many at a time."""
    last = version - 1
    if last:
        yield range(last, last - 1, -1)
    for first in range(last - 1, 0, -_EARLIER):
        yield range(first, max(0, first - _EARLIER), -1)


def _before(place: Place) -> Place | None:
    clinic, subject, version = place
    return (clinic, subject, version - 1) if version > 1 else None


def _place(receipt: Receipt) -> Place:
    document = receipt.document
    return document["clinic"], document["subject"], document["version"]


def _person(receipt: Receipt) -> tuple[str, str]:
    return receipt.document["clinic"], receipt.document["subject"]


def _id(item: OutboxItem) -> tuple[str, str]:
    return item.entry.clinic, item.number


def _read(item: Item | None) -> Receipt:
    if item is None:
        raise GoneError("its receipt is gone")
    receipt = read_receipt(item)
    read_document(receipt.canonical)  # nothing else is counted or signed
    return receipt
