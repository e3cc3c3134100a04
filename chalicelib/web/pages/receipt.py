"""The page of a receipt, and its copies in other formats."""

from collections.abc import Mapping
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.confirmation import may_be_confirmed_by_phone
from chalicelib.domain.consent import Assurance
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.receipts import reference
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import format_when
from chalicelib.presentation.page import Page
from chalicelib.presentation.templates import render
from chalicelib.receipts.formats.registry import FORMATS
from chalicelib.receipts.jws import key_id
from chalicelib.receipts.printed_code import printed_code
from chalicelib.services.receipt_copies import StoredReceipt, find_receipt, write_copy
from chalicelib.services.withdrawal_reasons import is_asked_why
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.web.errors import retry_after
from chalicelib.web.pages.receipt_view import view_receipt, way_to_mend
from chalicelib.web.requests import base_url, form_fields, language, mount, query, visitor
from chalicelib.web.responses import html, rendered, see_other
from chalicelib.web.saved_form import SavedForm, read_saved_form
from chalicelib.web.typed_fields import first


def receipt_page(request: Request, clinic: str, receipt: str) -> Response:
    """Show a receipt to whoever has its number: what was said, never by whom.

    The browser that just saved the form also sees where the message went (`web.saved_form`).
    """
    portal = get_portal()
    found = find_receipt(portal, clinic, receipt)
    if format_name := query(request, "format"):
        lang = language(request, found.clinic)
        base = base_url(request, portal.settings.public_url)
        copy = write_copy(portal, found, format_name, lang=lang, base_url=base, now=portal.clock())
        return rendered(copy, f"consent-receipt-{found.receipt.id}")
    saved = _saved(clinic, receipt, query(request, "saved"))
    return html(_render(request, found, saved, again=query(request, "again") == "yes"))


def send_again(request: Request, clinic: str, receipt: str) -> Response:
    """Have the message sent again that asks to confirm, for the browser that saved the form.

    Whoever only has the receipt's number is shown the receipt: nobody else can have somebody
    written to.
    """
    from chalicelib.services.confirmation import ask_again  # noqa: PLC0415 - few need it

    portal, fields = get_portal(), form_fields(request)
    found = find_receipt(portal, clinic, receipt)
    lang = language(request, found.clinic)
    address = f"{mount(request)}/{clinic}/receipts/{found.receipt.id}?lang={lang}"
    saved = _saved(clinic, receipt, first(fields, "saved"))
    if saved is None:
        return see_other(address)
    now = portal.clock()
    try:
        ask_again(portal, clinic, receipt, lang=lang, visitor=visitor(request), now=now)
    except TooManyError as error:
        page = _render(request, found, saved, wait=error.minutes)
        return html(page, 429, retry_after(error))
    return see_other(f"{address}&saved={saved.to_token(clinic)}&again=yes")


def _saved(clinic: str, receipt: str, token: str | None) -> SavedForm | None:
    saved = read_saved_form(clinic, token, get_portal().clock())
    return saved if saved is not None and saved.receipt == receipt else None


def _render(
    request: Request,
    found: StoredReceipt,
    saved: SavedForm | None,
    *,
    again: bool = False,
    wait: int = 0,
) -> Page:
    document, shown, now = found.receipt.document, found.clinic, get_portal().clock()
    lang, told_why = language(request, shown), query(request, "told")
    filled = {
        **view_receipt(shown, document, now),
        **_confirming(request, found, saved),
        "again": again,
        "asks_why": told_why != "yes" and is_asked_why(found.receipt, now),
        "told_why": told_why == "yes",
        "wait": wait,
        "coded": may_be_confirmed_by_phone(document, shown),
        "receipt": document,
        "reference": reference(found.receipt.id),
        "when": format_when(document, lang, shown.country),
        "kid": key_id(found.signed) if found.signed else None,
        "code": printed_code(shown.code, found.receipt),
        "formats": {name: each.label for name, each in FORMATS.items() if each.by_number},
        "root": mount(request),
    }
    return render("pages/receipt.html", lang, clinic=shown, faults=(), **filled)


def _confirming(
    request: Request, found: StoredReceipt, saved: SavedForm | None
) -> Mapping[str, Any]:
    """Give what only the browser that saved the form is offered."""
    if saved is None:
        return {"saved": None, "kept_query": "", "mend": None}
    document, clinic = found.receipt.document, found.clinic
    token = saved.to_token(clinic.id)
    mend = None
    if document["assurance"] == Assurance.SELF_ASSERTED:
        address = f"{mount(request)}/{clinic.id}?lang={document['notice']['lang']}"
        mend = way_to_mend(CONSENT_PAGE, clinic, request, document, address)
    return {"saved": saved, "token": token, "kept_query": f"&saved={token}", "mend": mend}
