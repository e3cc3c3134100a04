"""Scans of signed forms: taken from a form of the desk, kept with its receipt, shown to staff.

A page that takes one has the macro `scan_field` of `staff/scan.html`, is sent as
multipart/form-data and read by ``desk.form(page, SCAN)``. Then:

    scan, faults = take_scan(sent.raw)         # before anything is recorded
    decision = with_scan(decision, scan)       # its hash is part of what the receipt proves
    recorded = record_decision(...)
    if not keep_scan(desk, recorded.receipt, scan):
        ...                                    # the page again, 503, with `not_kept(...)` for it

The receipt is kept in any case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from chalice.app import Response

from chalicelib import log
from chalicelib.domain.receipts import Receipt, reference
from chalicelib.domain.scans import ENDINGS, NoScanError, Scan, read_scan
from chalicelib.domain.submission import FieldError
from chalicelib.services import scans
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.staff_decisions import StaffDecision
from chalicelib.store.scans import ScansUnavailableError
from chalicelib.web.responses import BinaryResponse
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import Fields, first

SCAN = "scan"
"""The name of the field."""

SCAN_LOST = HTTPStatus.SERVICE_UNAVAILABLE
"""The status of a page whose decision is recorded and whose scan could not be kept."""

NOTHING_LOST: Mapping[str, Any] = MappingProxyType({})

_ALONE = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox; frame-ancestors 'none'"
"""What somebody uploaded runs nothing, sends nothing, and has no origin (CSP 3, `sandbox`)."""


def take_scan(raw: bytes) -> tuple[Scan | None, Sequence[FieldError]]:
    """Take the file of a form, or say what is wrong with it; None where none was chosen."""
    if not raw:
        return None, ()
    try:
        return read_scan(raw), ()
    except NoScanError as error:
        return None, [FieldError(SCAN, error.problem)]


def with_scan(decision: StaffDecision, scan: Scan | None) -> StaffDecision:
    """Give a decision with the hash of its form's scan among what proves it (SHA-256)."""
    if scan is None:
        return decision
    return replace(decision, evidence={**(decision.evidence or {}), "sha256": scan.sha256})


def keep_scan(desk: Desk, receipt: Receipt, scan: Scan | None) -> bool:
    """Keep the scan of the form that led to a receipt; tell whether nothing is left to keep.

    Where S3 cannot be asked, the receipt stands and the form may be sent again: the same page with
    the same file leads to the same receipt, and keeps the scan.
    """
    if scan is None:
        return True
    try:
        scans.keep_scan(desk.portal, desk.call(EmptyBody()), receipt, scan)
    except ScansUnavailableError as error:
        log.fault(error)
        return False
    return True


def not_kept(fields: Fields, receipt: Receipt) -> Mapping[str, str]:
    """Give what a page is shown with again whose decision is recorded and whose scan is not.

    It has the token it was sent with: sent once more with the same file it is the same form.
    """
    return {"not_kept": reference(receipt.id), "again": first(fields, "state")}


def scan_page(desk: Desk, subject: str, scan: str) -> Response:
    """Show a scan of a person's form: a picture in the browser, a PDF to be saved.

    A browser shows a PDF by a program of its own that no policy reaches, so none is opened here.
    """
    opened = scans.open_scan(desk.portal, desk.call(EmptyBody()), subject, scan)
    ending = ENDINGS[opened.media_type]
    way = "attachment" if ending == "pdf" else "inline"
    return BinaryResponse(
        opened.content,
        {
            "Content-Type": opened.media_type,
            "Content-Disposition": f'{way}; filename="form-{opened.kept.id[:8]}.{ending}"',
            "Content-Security-Policy": _ALONE,
        },
    )
