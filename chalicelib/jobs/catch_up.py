"""The clock's round of every five minutes: what the stream could not do, and requests may not.

Each part says in the log how far it came; what there is no time for is left to the next round.
"""

import itertools

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.jobs import signing, withdrawal_orders
from chalicelib.messages.delivery import Delivery
from chalicelib.portal import Portal
from chalicelib.store import erasures
from chalicelib.store import withdrawal_orders as stored_orders
from chalicelib.store.clinics import Clinics
from chalicelib.store.kms_signer import Signer
from chalicelib.store.table import BATCH, ContendedError, Table

_PROGRESS_EVERY = 500
"""After how many signatures the log says how far signing came."""


def carry_orders(portal: Portal, out_of_time: OutOfTime) -> None:
    """Go on with every withdrawal for very many people that is open."""
    try:
        withdrawal_orders.carry_on(portal, stored_orders.open_orders(portal.table), out_of_time)
    finally:
        log.flush()


def clear_erased(table: Table, clinics: Clinics, out_of_time: OutOfTime) -> None:
    """Clear away what erased people left in the table."""
    cleared = contended = 0
    try:
        marks = erasures.waiting(table)
        while (batch := list(itertools.islice(marks, BATCH))) and not out_of_time():
            erasures.drop_link_requests(table, clinics, batch)
            for mark in batch:
                if out_of_time():
                    break
                try:
                    erasures.clear_remains(table, mark)
                    cleared += 1
                except ContendedError:
                    # Somebody decides under one of the contacts just now: the next round.
                    contended += 1
        log.log().info("cleared", cleared=cleared, contended=contended)
    finally:
        log.flush()


def sign_waiting(table: Table, signer: Signer | None, out_of_time: OutOfTime) -> None:
    """Count and sign what still waits."""
    try:
        if signer is None:
            report = signing.count_waiting(table, out_of_time)
            log.log().warning("nothing is signed: SIGNING_KEY is not set", counted=report.counted)
            return
        for report in signing.sign_waiting(table, signer, out_of_time):
            if report.signed and not report.signed % _PROGRESS_EVERY:
                log.log().info("signing", signed=report.signed, failed=report.failed)
        log.log().info(
            "signed",
            signed=report.signed,
            counted=report.counted,
            failed=report.failed,
            whole=report.whole,
        )
    finally:
        log.flush()


def send_waiting(delivery: Delivery, out_of_time: OutOfTime) -> None:
    """Send the messages that still wait."""
    if delivery.transport is None:
        log.log().warning("nothing is sent: MAIL_FROM is not set")
    try:
        report = delivery.carry_waiting(out_of_time)
        log.log().info("sent", sent=report.sent, failed=report.failed, whole=report.whole)
    finally:
        log.flush()
