"""Verifying a receipt or a list's certificate: whoever holds one sees what it proves and what not.

They bring its file, its text or the code on its paper. A code reaches a receipt that may be
somebody else's, so the page shows what the receipt page shows: never how a decision stood before or
after, nor the number in the chain, nor whether anything followed. What staff wrote down it shows to
whoever brings it along (`receipts.sd_jwt`).
"""

from collections.abc import Mapping
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.languages import LANGUAGES
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import format_day, format_time, format_when, negotiate
from chalicelib.presentation.templates import render
from chalicelib.receipts.errors import NotAReceiptError, UnknownKeyError, UnprovenError
from chalicelib.services.verification import (
    VerifiedReceipt,
    is_certificate,
    notice_began_later,
    verify_list,
    verify_receipt,
)
from chalicelib.store.clinics import UnknownClinicError
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.web.requests import form_with_raw_file, mount, query
from chalicelib.web.responses import html
from chalicelib.web.typed_fields import Fields

MAX_RECEIPT = 8000
"""How much of what was typed stands in the field again: a signed receipt of any clinic."""

AROUND_A_RECEIPT = "\ufeff \t\r\n"
"""What an editor or a mail program puts around a text: a byte order mark, blanks, line ends."""


def verify_page(request: Request) -> Response:
    """Show the form, or with ``?code=`` what a printed receipt proves. Nothing is stored."""
    code = query(request, "code")
    if code:
        return _verified(request, code, code)
    return _show(request, 200, kind="form")


def verify(request: Request) -> Response:
    """Verify a receipt that was pasted or uploaded. Nothing is stored."""
    form = form_with_raw_file(request, "list")
    fields = form.fields
    typed = fields.get("receipt", [""])[0][:MAX_RECEIPT]
    given = _given(fields)
    if given is None:
        return _show(request, 422, kind="nothing")
    if given.startswith("%PDF-"):
        return _show(request, 422, kind="pdf", typed=typed)
    if is_certificate(given):
        return _verified_list(request, given, form.raw, typed)
    return _verified(request, given, None, typed)


def _verified_list(request: Request, given: str, content: bytes, typed: str) -> Response:
    try:
        found = verify_list(get_portal(), given, content)
    except (UnprovenError, UnknownClinicError):
        return _show(request, 422, kind="certificate_wrong", typed=typed)
    document, lang = found.certificate.document, _language(request)
    clinic, country = found.clinic, found.clinic.country
    question = clinic.questions.get(document["purpose"])
    controllers = {each.id: each.name for each in clinic.controllers}
    page = render(
        "pages/certificate.html",
        lang,
        kind="certificate",
        clinic=clinic,
        spoken=lang if lang in clinic.languages else clinic.default_language,
        question=question,
        controller=controllers.get(document["controller"], document["controller"]),
        certificate=document,
        refused=document["asked"] - document["permitted"],
        broken=document["rows"] - document["asked"],
        asked=format_time(document["asked_at"], lang, country),
        until=format_time(document["valid_until"], lang, country),
        expired=found.expired,
        part=found.part,
        kid=found.certificate.kid,
        typed="",
        root=mount(request),
        languages=LANGUAGES,
    )
    return html(page)


def _given(fields: Fields) -> str | None:
    """Give the receipt that was sent: the file's text, else what was pasted; None for neither."""
    for name in ("file", "receipt"):
        for text in reversed(fields.get(name, ())):
            if receipt := text.strip(AROUND_A_RECEIPT):
                return receipt
    return None


def _verified(request: Request, given: str, code: str | None, typed: str = "") -> Response:
    try:
        found = verify_receipt(get_portal(), given)
    except (UnknownReceiptError, UnknownClinicError):
        return _show(request, 422, kind="unknown", code=code, typed=typed)
    except UnknownKeyError:
        return _show(request, 422, kind="other_key", code=code, typed=typed)
    except NotAReceiptError:
        return _show(request, 422, kind="unreadable", code=code, typed=typed)
    except UnprovenError:
        return _show(request, 422, kind="altered", code=code, typed=typed)
    kind = "proven" if found.kid else "sealing"
    return _show(request, 200, kind=kind, code=code, **_describe(request, found))


def _describe(request: Request, found: VerifiedReceipt) -> Mapping[str, Any]:
    document, lang = found.receipt.document, _language(request)
    clinic = get_portal().clinics.decided_under(document["clinic"], document["notice"])
    # A withdrawal needs no text: it may have been sent without the page, and staff need name no
    # version.
    began = notice_began_later(get_portal(), found.receipt)
    answers = {entry["answer"] for entry in document["decisions"].values()}
    return {
        "clinic": clinic,
        "spoken": lang if lang in clinic.languages else clinic.default_language,
        "said": clinic.describe_answers(document["decisions"]),
        "receipt": document,
        "decided": format_when(document, lang, clinic.country),
        "issued": format_time(document["recorded_at"], lang, clinic.country),
        "sha256": found.receipt.sha256,
        "kid": found.kid,
        "by_code": found.by_code,
        "disclosed": found.disclosed,
        "began": began and format_day(began, lang, clinic.country),
        "withdrawn": answers == {"withdraw"},
    }


def _show(
    request: Request,
    status: int,
    *,
    kind: str,
    code: str | None = None,
    typed: str = "",
    **filled: Any,
) -> Response:
    page = render(
        "pages/verify.html",
        _language(request),
        kind=kind,
        code=code,
        typed=typed or code or "",
        root=mount(request),
        languages=LANGUAGES,
        **filled,
    )
    return html(page, status)


def _language(request: Request) -> str:
    return negotiate(
        query(request, "lang"), request.headers.get("accept-language"), LANGUAGES, "en"
    )
