"""The clock's round seals each clinic's audit of the day before, some hours after it has ended.

A round reads one item where nothing is left to seal. What there is no time for, or KMS does not
sign now, is left to the next one.
"""

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import Instant
from chalicelib.portal import Portal
from chalicelib.services.audit_seals import last_finished_day, seal_until
from chalicelib.store import audit_seals
from chalicelib.store.audit_seals import SealingBookmark
from chalicelib.store.signer import Signer, SigningUnavailableError
from chalicelib.store.table import UnavailableError

_WRONG_AT_ONE = (SigningUnavailableError, UnavailableError, ValueError, LookupError, TypeError)
"""What keeps one clinic from being sealed: nothing signs or answers, or what is kept is damaged."""


def seal_audits(
    portal: Portal, signer: Signer | None, now: Instant, out_of_time: OutOfTime
) -> None:
    """Seal what is not sealed yet, of all clinics, and log how far that was."""
    if signer is None:
        return  # that nothing is signed the round says already
    until = last_finished_day(now)
    table = portal.table
    bookmark = audit_seals.read_bookmark(table)
    if bookmark.day == until and bookmark.after is None:
        return
    behind = (bookmark.after or "") if bookmark.day == until else ""
    sealed = failed = 0
    try:
        for clinic in portal.clinics.all():
            if clinic <= behind:
                continue
            if out_of_time():
                if not failed:
                    audit_seals.write_bookmark(table, SealingBookmark(until, behind))
                return
            try:
                sealed += sum(1 for _ in seal_until(table, signer, clinic, until, now))
            except _WRONG_AT_ONE as error:
                # What is wrong at one clinic keeps no other from being sealed. The next round tries
                # all of them again: those that are sealed cost one read.
                log.fault(error)
                failed += 1
            behind = clinic
        if not failed:
            audit_seals.write_bookmark(table, SealingBookmark(until, None))
    finally:
        log.log().info("audits_sealed", days=sealed, failed=failed)
        if failed:
            log.count("AuditNotSealed", failed)
        log.flush()
