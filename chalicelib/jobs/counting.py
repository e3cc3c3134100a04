"""Counts a clinic's receipts again, for an operator, and compares them with the daily counters.

Each receipt is counted once, with its signature (`jobs.signing`): one that has neither a signature
nor the mark of a receipt counted without one was lost, and is counted and signed here in the same
way. So it may run while the portal counts.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.receipts import Receipt
from chalicelib.jobs.signing import Pause, ReceiptSigning
from chalicelib.portal import Portal
from chalicelib.store import people, statistics
from chalicelib.store.keys.people import subject_pk
from chalicelib.store.keys.receipts import counted_key, signature_key
from chalicelib.store.receipts import read_receipt
from chalicelib.store.signer import Signer, SigningUnavailableError
from chalicelib.store.table import ConflictError, ContendedError, Table, UnavailableError

SETTLED = timedelta(hours=1)
"""How long after its end a day can still get a receipt, from a function whose clock is late."""


@dataclass(slots=True)
class Recount:
    """How far a recount came: up to which person, what it saw, what each day's receipts say."""

    clinic: str
    first: str
    last: str
    began: Instant
    after: str = ""
    people: int = 0
    receipts: int = 0
    found: int = 0
    """How many receipts had not been counted, and are now."""
    unreadable: int = 0
    """How many cannot be read or signed, and are not counted."""
    days: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def settled(self) -> list[str]:
        """The days of the recount that were over when it began: no more receipts come to them."""
        over = instant(moment(self.began) - SETTLED)[:10]
        return sorted(day for day in self.days if day < over)


@dataclass(frozen=True, slots=True)
class CountDifference:
    """A counter that does not say what the receipts say.

    `was` is what it says, None where there is none.
    """

    day: str
    what: str
    was: int | None
    receipts: int


def recount(
    table: Table, state: Recount, signer: Signer | None, pause: Pause = time.sleep
) -> Iterator[Recount]:
    """Go through everybody's receipts, from where the recount stands; count what never was.

    Gives after each person how far it came. It may run while the portal counts, and again: what has
    its mark is not counted twice. Without a signer receipts are counted alone: only for a portal
    that signs nothing. Raises ContendedError, UnavailableError, SigningUnavailableError; then it
    goes on from where it stands.
    """
    for item in people.iter_items(table, state.clinic, after=state.after):
        subject = item.sk
        _recount_person(table, state, subject, signer, pause)
        state.people += 1
        state.after = subject
        yield state


def _recount_person(
    table: Table, state: Recount, subject: str, signer: Signer | None, pause: Pause
) -> None:
    receipts: list[Receipt] = []
    unreadable = 0
    for item in table.partition(subject_pk(state.clinic, subject), "RECEIPT#"):
        try:
            receipt = read_receipt(item)
            day = _day_of(receipt)
        except (ValueError, KeyError, TypeError):
            unreadable += 1
            continue
        if state.first <= day <= state.last:
            receipts.append(receipt)
    signing = ReceiptSigning(table, signer, lambda: False, pause)
    signing.sign_receipts(_uncounted(table, state.clinic, receipts))
    for error in signing.report.left.values():
        if isinstance(error, ContendedError | UnavailableError | SigningUnavailableError):
            raise error
    receipts = [receipt for receipt in receipts if receipt.id not in signing.report.left]
    # All at once, when nothing can fail any more: a recount that goes on sees this person again or
    # not at all.
    for receipt in receipts:
        counts = state.days.setdefault(_day_of(receipt), Counter())
        counts.update(statistics.count_of_day(receipt))
    state.receipts += len(receipts)
    state.found += signing.report.counted
    state.unreadable += unreadable + len(signing.report.left)


def count_feeds(portal: Portal, out_of_time: OutOfTime) -> None:
    """Add to each clinic's daily counts what its feed of changes has new.

    What there is no time for is counted in the next round; until then whoever reads counts it. A
    clinic whose feed cannot be counted holds up no other.
    """
    receipts, failed = 0, 0
    for clinic in portal.clinics.all():
        if out_of_time():
            break
        try:
            for counted in statistics.count_feed(portal.table, clinic, portal.clock()):
                receipts += counted
                if out_of_time():
                    break
        except (ContendedError, ValueError, LookupError, TypeError) as error:
            log.fault(error)
            failed += 1
    log.log().info("counted", receipts=receipts, failed=failed)
    log.flush()


def _day_of(receipt: Receipt) -> str:
    return str(receipt.document["recorded_at"])[:10]


def _uncounted(table: Table, clinic: str, receipts: Sequence[Receipt]) -> list[Receipt]:
    """Give those of a person's receipts that are neither signed nor counted without that."""
    marks = {}
    for receipt in receipts:
        place = receipt.document["subject"], receipt.document["version"]
        marks[receipt.id] = signature_key(clinic, *place), counted_key(clinic, receipt.id)
    marked = table.get([key for keys in marks.values() for key in keys])
    return [receipt for receipt in receipts if marked.keys().isdisjoint(marks[receipt.id])]


def differences(table: Table, state: Recount) -> list[CountDifference]:
    """Compare the counters of days that are over with the receipts, after a whole recount.

    A counter may say more than the receipts: of people whose proof is over the receipts are gone,
    and were counted.
    """
    found: list[CountDifference] = []
    for day in state.settled:
        stored = statistics.counts(table, state.clinic, day)
        counted = state.days[day]
        names = sorted({*stored, *counted})
        differing = [what for what in names if stored.get(what, 0) != counted[what]]
        found += [CountDifference(day, what, stored.get(what), counted[what]) for what in differing]
    return found


def mend(table: Table, clinic: str, difference: CountDifference) -> bool:
    """Let a counter say what the receipts say.

    Tell False where somebody counted in it meanwhile.
    """
    try:
        statistics.correct(
            table, clinic, difference.day, difference.what, difference.receipts, was=difference.was
        )
    except ConflictError:
        return False
    return True
