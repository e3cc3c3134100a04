"""The call that gives one receipt, in the format asked for."""

from chalice.app import Request, Response

from chalicelib.portal import get_portal
from chalicelib.receipts.formats.registry import FORMATS
from chalicelib.services.receipt_copies import find_receipts, write_copy_for_program
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.errors import (
    RECEIPT_NOT_SHARED,
    UNKNOWN_FORMAT,
    UNKNOWN_LANGUAGE,
    RefusedError,
    SeveralReceiptsError,
)
from chalicelib.web.requests import query
from chalicelib.web.responses import rendered


def get_receipt(request: Request, clinic: str, receipt: str) -> Response:
    """Give one receipt, by its number or its reference.

    As JSON it is byte for byte what its successor's `previous` hashes.
    """
    portal = get_portal()
    call = authorize(request, clinic, "receipts:read", no_body)
    format_name, lang = query(request, "format") or "json", query(request, "lang")
    if format_name not in FORMATS:
        raise RefusedError(UNKNOWN_FORMAT, known=", ".join(FORMATS))
    meant = find_receipts(portal, clinic, receipt)
    shared = [each for each in meant if call.may_see(each.receipt)]
    if not shared:
        raise RefusedError(RECEIPT_NOT_SHARED)
    if len(shared) > 1:
        raise SeveralReceiptsError([each.receipt for each in shared])
    [found] = shared
    languages = found.clinic.languages
    if lang is not None and lang not in languages:
        raise RefusedError(UNKNOWN_LANGUAGE, known=", ".join(languages))
    copy = write_copy_for_program(portal, call, found, format_name, found.language(lang))
    return rendered(copy, f"consent-receipt-{found.receipt.id}")
