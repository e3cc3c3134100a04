"""The call that gives one receipt, in the format asked for."""

from chalice.app import Request, Response

from chalicelib.portal import get_portal
from chalicelib.receipts.formats.registry import FORMATS
from chalicelib.services.receipt_copies import find_receipt, write_copy_for_program
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.errors import (
    RECEIPT_NOT_SHARED,
    UNKNOWN_FORMAT,
    UNKNOWN_LANGUAGE,
    RefusedError,
)
from chalicelib.web.requests import query
from chalicelib.web.responses import rendered


def get_receipt(request: Request, clinic: str, receipt: str) -> Response:
    """Give one receipt; as JSON byte for byte as its successor's `previous` hashes it."""
    portal = get_portal()
    call = authorize(request, clinic, "receipts:read", no_body)
    format_name, lang = query(request, "format") or "json", query(request, "lang")
    if format_name not in FORMATS:
        raise RefusedError(UNKNOWN_FORMAT, known=", ".join(FORMATS))
    found = find_receipt(portal, clinic, receipt)
    if not call.may_see(found.receipt):
        raise RefusedError(RECEIPT_NOT_SHARED)
    languages = found.clinic.languages
    if lang is not None and lang not in languages:
        raise RefusedError(UNKNOWN_LANGUAGE, known=", ".join(languages))
    copy = write_copy_for_program(portal, call, found, format_name, found.language(lang))
    return rendered(copy, f"consent-receipt-{found.receipt.id}")
