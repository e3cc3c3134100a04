"""The six digits from a text message: for a patient who has a phone and nothing else.

They are typed on the page that comes after Save, on a page of their own, or at the kiosk.
"""

from chalice.app import Request, Response

from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.submission import FieldError
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.presentation.templates import render
from chalicelib.services import confirmation
from chalicelib.services.decisions import NoOpenQuestionError
from chalicelib.web.errors import retry_after
from chalicelib.web.forms import MAX_NAME
from chalicelib.web.requests import form_fields, mount, query, visitor
from chalicelib.web.responses import html, see_other
from chalicelib.web.typed_fields import Fields, first

CODE_MISSING = FieldError("code", "code_missing")
CODE_WRONG = FieldError("code", "code_wrong")


def code_page(request: Request, clinic: str, receipt: str) -> Response:
    """Ask for the code from the text message."""
    return _show(request, clinic, receipt)


def confirm_by_code(request: Request, clinic: str, receipt: str) -> Response:
    """Confirm with the code from the text message."""
    try:
        tried = try_code(request, clinic, receipt, form_fields(request))
    except TooManyError as error:
        return _show_too_many(request, clinic, receipt, error)
    if isinstance(tried, FieldError):
        return _show(request, clinic, receipt, tried)
    notice = tried.document["notice"]
    shown = get_portal().clinics.decided_under(clinic, notice)
    lang = negotiate(
        query(request, "lang"), notice["lang"], shown.languages, shown.default_language
    )
    return see_other(f"{mount(request)}/{clinic}/receipts/{tried.id}?lang={lang}")


def try_code(request: Request, clinic: str, number: str, fields: Fields) -> Receipt | FieldError:
    """Confirm a receipt with the code of a form; give the new receipt, or what is wrong.

    Five tries for a receipt, ten at once for a phone. Raises TooManyError.
    """
    code = _digits(first(fields, "code")[:MAX_NAME])
    if not code:
        return CODE_MISSING
    portal, came = get_portal(), visitor(request)
    now = portal.clock()
    check = came.rate_limit_check("code", (), now)
    found = confirmation.confirmation_by_code(portal, clinic, number, code, check)
    if found is None or not found.questions:
        return CODE_WRONG
    try:
        return confirmation.confirm(
            portal, found, found.questions, now, base=came.base_url, linked=False
        )
    except NoOpenQuestionError:
        return CODE_WRONG


def _show(request: Request, clinic: str, number: str, error: FieldError | None = None) -> Response:
    document = get_portal().receipts.find(clinic, number).document
    notice = document["notice"]
    shown = get_portal().clinics.decided_under(clinic, notice)
    page = render(
        "pages/code.html",
        negotiate(query(request, "lang"), notice["lang"], shown.languages, shown.default_language),
        clinic=shown,
        receipt=document,
        faults=(error,) if error else (),
        root=mount(request),
        typed={},
    )
    return html(page, 422 if error else 200)


def _show_too_many(request: Request, clinic: str, number: str, error: TooManyError) -> Response:
    answer = _show(request, clinic, number, FieldError("errors", "too_many", error.minutes))
    answer.status_code = 429
    answer.headers.update(retry_after(error))
    return answer


def _digits(typed: str) -> str:
    return "".join(character for character in typed if character.isdigit())
