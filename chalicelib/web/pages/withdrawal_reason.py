"""What comes of the question why somebody withdrew, on the page that says it is done."""

from chalice.app import Request, Response

from chalicelib.domain.withdrawal_reasons import WithdrawalReason
from chalicelib.portal import get_portal
from chalicelib.services.own_page import OwnPage
from chalicelib.services.receipt_copies import find_receipt
from chalicelib.services.withdrawal_reasons import count_reason
from chalicelib.web.pages.own_page_view import REASON_TOLD
from chalicelib.web.requests import form_fields, language, mount
from chalicelib.web.responses import see_other
from chalicelib.web.typed_fields import Fields, first


def tell_why(request: Request, clinic: str, receipt: str) -> Response:
    """Count why somebody withdrew, who has the receipt's number; without a tick nothing is.

    The answer is the same whether or not anybody was known, and for a form that is sent twice.
    """
    portal, fields = get_portal(), form_fields(request)
    found = find_receipt(portal, clinic, receipt)
    address = f"{mount(request)}/{clinic}/receipts/{found.receipt.id}"
    shown = f"{address}?lang={language(request, found.clinic)}"
    reason = _read_reason(fields)
    if reason is None:
        return see_other(shown)
    count_reason(portal, found.receipt, reason, portal.clock())
    return see_other(f"{shown}&told=yes")


def tell_why_on_own_page(page: OwnPage, fields: Fields) -> str | None:
    """Count why somebody just stopped something on their own page; give what was done.

    None where the form is of no receipt of theirs, the receipt's number where nothing was ticked.
    """
    receipt = page.find_own_receipt(first(fields, "receipt"))
    if receipt is None:
        return None
    reason = _read_reason(fields)
    if reason is None:
        return receipt.id
    count_reason(page.portal, receipt, reason, page.now)
    return REASON_TOLD


def _read_reason(fields: Fields) -> WithdrawalReason | None:
    try:
        return WithdrawalReason(first(fields, "reason"))
    except ValueError:
        return None
