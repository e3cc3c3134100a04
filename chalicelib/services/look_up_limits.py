"""How many people one member of staff may look up in a while.

A stolen session cannot read a clinic's contacts one by one: each look-up takes a token from a
bucket of that member of staff (`STAFF_LOOK_UPS`). Where it is empty nothing is shown, the audit
says so once an hour, and the clinic's administrators get an alert.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from chalicelib import log
from chalicelib.domain.errors import ConcurrentWriteError
from chalicelib.domain.rate_limits import STAFF_LOOK_UPS, TooManyError
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.store import alerts as kept_alerts
from chalicelib.store.alerts import Alert, AlertKind
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.limits import bucket_key
from chalicelib.store.rate_limits import ATTEMPTS, take_from
from chalicelib.store.table import ConflictError, ContendedError, Table
from chalicelib.store.writes import Put


def take_look_up(portal: Portal, call: AuthorizedCall[Any], line: Put) -> None:
    """Take one look-up of the member of staff whose call it is, and write its audit line with it.

    To be called before anything of a person is shown. Two round trips. Raises TooManyError, after
    the administrators are told, and ContendedError; then the line is not written.
    """
    bucket = _bucket(portal, call)
    for _ in range(ATTEMPTS):
        found = portal.table.get([bucket])
        try:
            spent = take_from({bucket: STAFF_LOOK_UPS}, call.now, found)
        except TooManyError:
            _tell_administrators(portal, call)
            raise
        try:
            portal.table.write([line, *spent])
        except (ConflictError, ContendedError):
            continue  # the same person looks up in another window at the same moment
        return
    raise ContendedError


def alerts(table: Table, clinic: str) -> Sequence[Alert]:
    """Give what a clinic's administrators are to see of the last thirty days, the newest first."""
    return kept_alerts.newest_alerts(table, clinic)


def _bucket(portal: Portal, call: AuthorizedCall[Any]) -> Key:
    name = portal.clinics.key(call.clinic).bucket(f"desk|look-up|{call.key.id}")
    return bucket_key(call.clinic, name)


def _tell_administrators(portal: Portal, call: AuthorizedCall[Any]) -> None:
    """Leave an alert and a line in the audit, once an hour."""
    log.count("StaffLookUpsRefused")
    alert = kept_alerts.alert_write(call.clinic, AlertKind.LOOK_UPS, call.key.id, call.now)
    with suppress(ConflictError, ConcurrentWriteError):  # told already
        portal.table.write([alert, call.audit("people/limit", about=call.key.id)])
