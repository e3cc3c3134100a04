"""The patient's pages: consent, withdrawal, the receipt, the notice and what was shown."""

import re

from chalice.app import Request, Response
from markupsafe import Markup

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.confirmation import is_by_program_link, may_ask_for_confirmation, may_be_confirmed_by_phone
from chalicelib.domain.errors import NotFoundError
from chalicelib.portal import get_portal
from chalicelib.presentation import notice_times
from chalicelib.presentation.i18n import format_when
from chalicelib.presentation.templates import content_security_policy, render
from chalicelib.receipts.jws import key_id
from chalicelib.receipts.printed_code import printed_code
from chalicelib.services.patient_decisions import FormResult
from chalicelib.services.receipt_copies import find_receipt, write_copy
from chalicelib.store.shown_pages import CONSENT_PAGE, WITHDRAWAL_PAGE
from chalicelib.web.pages.decision_form import (
    show_consent_form,
    show_withdrawal_form,
    submit_answers,
    submit_withdrawal,
)
from chalicelib.web.requests import base_url, language, mount, query
from chalicelib.web.responses import html, rendered, see_other

KEPT_PAGE = {
    "Cache-Control": "public, max-age=31536000, immutable",
    # It carries the styles of its own day, and its form leads nowhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
}


def consent_page(request: Request, clinic: str) -> Response:
    """Show the questions."""
    return show_consent_form(CONSENT_PAGE, _in_force(clinic), request)


def decide(request: Request, clinic: str) -> Response:
    """Take the answers."""
    return submit_answers(CONSENT_PAGE, clinic, request, _to_receipt)


def withdrawal_page(request: Request, clinic: str) -> Response:
    """Show the withdrawal form."""
    return show_withdrawal_form(WITHDRAWAL_PAGE, _in_force(clinic), request)


def withdraw(request: Request, clinic: str) -> Response:
    """Withdraw."""
    return submit_withdrawal(WITHDRAWAL_PAGE, clinic, request, _to_receipt)


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
    answers = {entry["answer"] for entry in document["decisions"].values()}
    filled = {
        "said": shown.describe_answers(document["decisions"]),
        "agreed": "yes" in answers,
        "waits": may_ask_for_confirmation(document),
        "certain": not is_by_program_link(document) and shown.always_waits(document["decisions"], portal.clock()),
        "coded": may_be_confirmed_by_phone(document, shown),
        "withdrawn": answers == {"withdraw"},
        "receipt": document,
        "when": format_when(document, lang, shown.country),
        "kid": key_id(found.signed) if found.signed else None,
        "code": printed_code(shown.code, found.receipt),
        "root": mount(request),
    }
    return html(render("pages/receipt.html", lang, clinic=shown, **filled))


def notice_page(request: Request, clinic: str, version: str) -> Response:
    """Show the full notice of a version, for ever."""
    portal = get_portal()
    published = portal.directory.look_up(clinic).published
    shown = portal.clinics.version(clinic, version)
    lang = language(request, shown)
    full = portal.clinics.full_notice(clinic, version, lang)
    filled = {
        "article": Markup(full.html),  # noqa: S704 - rendered by the portal when it was published, see edition.py
        "sha256": full.sha256,
        "minor_reason": full.minor_reason,
        "topics": full.topics,
        **notice_times.describe_times(published.published, version, shown, lang, get_portal().clock()),
        "root": mount(request),
    }
    dress = {"Content-Security-Policy": content_security_policy("notice.css")}
    return html(render("pages/notice.html", lang, clinic=shown, **filled), headers=dress)


def shown_page(_: Request, clinic: str, sha256: str) -> Response:
    """Give a page exactly as it was shown: its bytes have this SHA-256."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise NotFoundError
    return html(get_portal().clinics.kept_page(clinic, sha256), headers=KEPT_PAGE)


def _in_force(clinic: str) -> Clinic:
    """Give the clinic as its notice in force describes it."""
    return get_portal().directory.look_up(clinic).published.clinic


def _to_receipt(request: Request, result: FormResult) -> Response:
    # The form's own receipt, always: another number would show a stranger what happened to a contact since.
    number = result.decision.receipt_id
    return see_other(f"{mount(request)}/{result.clinic.id}/receipts/{number}?lang={result.lang}")
