"""The clock's round of every five minutes: what the stream could not do, and requests may not.

Each part says in the log how far it came; what there is no time for is left to the next round.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import Instant, moment
from chalicelib.jobs import recipient_events, signing, withdrawal_orders
from chalicelib.messages.delivery import Delivery, DeliveryReport
from chalicelib.portal import Portal
from chalicelib.services.scans import remove_scans
from chalicelib.store import changes, erasures, outbox, signatures
from chalicelib.store import withdrawal_orders as stored_orders
from chalicelib.store.encryption import KeysUnavailableError
from chalicelib.store.erasures import PendingErasure
from chalicelib.store.scans import ScansUnavailableError
from chalicelib.store.signer import Signer, SigningUnavailableError
from chalicelib.store.table import BATCH, ContendedError, Table

_ROUND_SECONDS = 300

_PROGRESS_EVERY = 500
"""After how many signatures the log says how far signing came."""


def carry_orders(portal: Portal, out_of_time: OutOfTime) -> None:
    """Go on with every withdrawal for very many people that is open."""
    orders = stored_orders.open_orders(portal.table, first_shard(portal.clock()))
    try:
        withdrawal_orders.carry_on(portal, orders, out_of_time)
    finally:
        log.flush()


def clear_erased(portal: Portal, out_of_time: OutOfTime, first: int = 0) -> None:
    """Clear away what erased people left, from the shard of the number `first` on."""
    done: Counter[str] = Counter()
    try:
        marks = erasures.waiting(portal.table, first)
        while (batch := list(itertools.islice(marks, BATCH))) and not out_of_time():
            by_clinic: dict[str, list[PendingErasure]] = {}
            for mark in batch:
                by_clinic.setdefault(mark.clinic, []).append(mark)
            for clinic, theirs in by_clinic.items():
                _clear_of_clinic(portal, clinic, theirs, out_of_time, done)
        log.log().info(
            "cleared",
            cleared=done["cleared"],
            contended=done["contended"],
            failed=done["failed"],
        )
    finally:
        log.flush()


def _clear_of_clinic(
    portal: Portal,
    clinic: str,
    marks: Sequence[PendingErasure],
    out_of_time: OutOfTime,
    done: Counter[str],
) -> None:
    """Clear away what these people of one clinic left; what fails holds up nobody else."""
    try:
        erasures.drop_link_requests(portal.table, portal.clinics, clinic, marks)
    except KeysUnavailableError as error:
        # Their marks stay, and the next round begins with them: a request that holds a contact of
        # theirs must not outlive the mark that tells of it.
        log.fault(error)
        done["failed"] += len(marks)
        return
    for mark in marks:
        if out_of_time():
            return
        try:
            remove_scans(portal, clinic, mark.subject)
            erasures.clear_remains(portal.table, mark)
            done["cleared"] += 1
        except ContendedError:
            # Somebody decides under one of the contacts just now: the next round.
            done["contended"] += 1
        except ScansUnavailableError as error:
            # Their mark stays, and with it what is known of their scans: the next round.
            log.fault(error)
            done["failed"] += 1
        except (ValueError, LookupError, TypeError) as error:
            log.fault(error)
            done["failed"] += 1


def sign_waiting(
    table: Table,
    signer: Signer | None,
    out_of_time: OutOfTime,
    first: int = 0,
    now: Instant | None = None,
) -> None:
    """Count and sign what still waits, from the shard of the number `first` on.

    `now` is when the round began: where it comes to the end, until when each clinic's feed is
    complete is noted.
    """
    told = 0
    try:
        publish_key(table, signer)
        # Before the receipts are read: those of an order that is closed by now are all written.
        ordered = set() if now is None else _ordering(table)
        for report in signing.sign_waiting(table, signer, out_of_time, first):
            if report.signed - told >= _PROGRESS_EVERY:
                told = report.signed
                log.log().info("signing", signed=report.signed, failed=report.failed)
        if now is not None and report.whole:
            changes.note_complete(table, now, report.behind | ordered)
        if signer is None:
            log.log().warning("nothing is signed: SIGNING_KEY is not set", counted=report.counted)
            return
        log.log().info(
            "signed",
            signed=report.signed,
            counted=report.counted,
            failed=report.failed,
            whole=report.whole,
        )
    finally:
        log.flush()


def _ordering(table: Table) -> set[str]:
    """Give the clinics that have an open withdrawal order: receipts are still to come that were
    recorded when it was given.
    """
    return {stored_orders.clinic_of(key) for key in stored_orders.open_orders(table)}


def publish_key(table: Table, signer: Signer | None) -> None:
    """Publish the key that signs now, before anything is signed with it.

    What answers requests signs certificates by it, and may publish none.
    """
    if signer is None:
        return
    try:
        signer.current(lambda jwk: signatures.keep_key(table, jwk))
    except SigningUnavailableError as error:
        log.log().warning("no key to publish", reason=str(error))


def tell_recipients(table: Table, out_of_time: OutOfTime, first: int = 0) -> None:
    """Write what recipients of erased and restricted people's data are told, and still waits."""
    try:
        notices = outbox.recipient_notices(table, first)
        recipient_events.carry_notices(table, notices, out_of_time)
    finally:
        log.flush()


def send_waiting(delivery: Delivery, out_of_time: OutOfTime) -> None:
    """Send the messages that patients wait for, and that still wait."""
    if delivery.transport is None:
        log.log().warning("nothing is sent: MAIL_FROM is not set")
    first = first_shard(delivery.now())
    _log_sent("sent", lambda: delivery.carry_waiting(out_of_time, first))


def send_letters(delivery: Delivery, most: int, out_of_time: OutOfTime) -> None:
    """Send letters that nobody asked for, so many of them."""
    first = first_shard(delivery.now())
    _log_sent("letters", lambda: delivery.carry_letters(out_of_time, most, first))


def _log_sent(name: str, carry: Callable[[], DeliveryReport]) -> None:
    try:
        report = carry()
        log.log().info(name, sent=report.sent, failed=report.failed, whole=report.whole)
    finally:
        log.flush()


def run_all(parts: Sequence[Callable[[], object]]) -> None:
    """Carry out the parts of a round, each whatever became of those before.

    Raises the first error then, so that the round counts as failed.
    """
    errors = []
    for part in parts:
        try:
            part()
        except Exception as error:  # noqa: BLE001 - raised below, when the others are done
            errors.append(error)
    if errors:
        raise errors[0]


def first_shard(at: Instant) -> int:
    """Give the shard a round begins at: the next one every five minutes, sixteen in a circle.

    So what a round never comes to is first in another.
    """
    return int(moment(at).timestamp()) // _ROUND_SECONDS
