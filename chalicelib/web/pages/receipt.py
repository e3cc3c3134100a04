"""The page of a receipt, and its copies in other formats."""

from chalice.app import Request, Response

from chalicelib.domain.confirmation import (
    certainly_waits,
    may_ask_for_confirmation,
    may_be_confirmed_by_phone,
)
from chalicelib.domain.receipts import reference
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import format_when
from chalicelib.presentation.templates import render
from chalicelib.receipts.jws import key_id
from chalicelib.receipts.printed_code import printed_code
from chalicelib.services.receipt_copies import find_receipt, write_copy
from chalicelib.web.requests import base_url, language, mount, query
from chalicelib.web.responses import html, rendered


def receipt_page(request: Request, clinic: str, receipt: str) -> Response:
    """Show a receipt to whoever has its number: what was said, never by whom."""
    portal = get_portal()
    found = find_receipt(portal, clinic, receipt)
    document, shown = found.receipt.document, found.clinic
    lang = language(request, shown)
    if format_name := query(request, "format"):
        base = base_url(request, portal.settings.public_url)
        copy = write_copy(portal, found, format_name, lang=lang, base_url=base, now=portal.clock())
        return rendered(copy, f"consent-receipt-{found.receipt.id}")
    decisions = document["decisions"]
    answers = {entry["answer"] for entry in decisions.values()}
    filled = {
        "said": shown.describe_answers(decisions),
        "agreed": "yes" in answers,
        "waits": may_ask_for_confirmation(document),
        "certain": certainly_waits(shown, document, portal.clock()),
        "coded": may_be_confirmed_by_phone(document, shown),
        "withdrawn": answers == {"withdraw"},
        "receipt": document,
        "reference": reference(found.receipt.id),
        "when": format_when(document, lang, shown.country),
        "kid": key_id(found.signed) if found.signed else None,
        "code": printed_code(shown.code, found.receipt),
        "root": mount(request),
    }
    return html(render("pages/receipt.html", lang, clinic=shown, **filled))
