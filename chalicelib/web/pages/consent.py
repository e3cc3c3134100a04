"""The patient's pages: consent, withdrawal, the receipt, the notice and what was shown."""

import re
from collections.abc import Mapping
from typing import Any

from chalice.app import Request, Response
from markupsafe import Markup

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Assurance
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.receipts import Receipt
from chalicelib.portal import get_portal
from chalicelib.presentation import notice_times
from chalicelib.presentation.i18n import format_when
from chalicelib.presentation.templates import content_security_policy, render
from chalicelib.receipts.formats.registry import PAPER, rendition
from chalicelib.receipts.signed import key_id, printed_code
from chalicelib.store.shown_pages import CONSENT_PAGE, WITHDRAWAL_PAGE
from chalicelib.web.pages.decision_form import (
    FormResult,
    asking,
    language,
    take_answers,
    take_withdrawal,
)
from chalicelib.web.requests import base_url, mount, query
from chalicelib.web.responses import html, rendered, see_other

KEPT_PAGE = {
    "Cache-Control": "public, max-age=31536000, immutable",
    # It carries the styles of its own day, and its form leads nowhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
}


def consent_page(request: Request, clinic: str) -> Response:
    """Show the questions."""
    seen = get_portal().register.look_up(clinic).published.clinic
    return asking(CONSENT_PAGE, seen.open_at(get_portal().clock()), request)


def decide(request: Request, clinic: str) -> Response:
    """Take the answers."""
    return take_answers(CONSENT_PAGE, clinic, request, _to_receipt)


def withdrawal_page(request: Request, clinic: str) -> Response:
    """Show the withdrawal form."""
    seen = get_portal().register.look_up(clinic).published.clinic
    return asking(WITHDRAWAL_PAGE, seen, request)


def withdraw(request: Request, clinic: str) -> Response:
    """Withdraw."""
    return take_withdrawal(WITHDRAWAL_PAGE, clinic, request, _to_receipt)


def receipt_page(request: Request, clinic: str, receipt: str) -> Response:
    """Show a receipt to whoever has its number: what was said, never by whom."""
    portal = get_portal()
    found, signed = portal.register.issued(clinic, receipt)
    document = found.document
    shown = portal.clinics.decided_under(clinic, document["notice"])
    lang = language(request, shown)
    if wanted := query(request, "format"):
        return _on_paper(request, found, signed, shown, lang=lang, wanted=wanted)
    answers = {entry["answer"] for entry in document["decisions"].values()}
    filled = {
        "said": shown.describe_answers(document["decisions"]),
        "agreed": "yes" in answers,
        "waits": _waits(document),
        "certain": not _by_program(document) and shown.waits_for_certain(document["decisions"], get_portal().clock()),
        "coded": _by_phone(document, shown),
        "withdrawn": answers == {"withdraw"},
        "receipt": document,
        "when": format_when(document, lang, shown.country),
        "kid": key_id(signed) if signed else None,
        "code": printed_code(shown.code, found),
        "root": mount(request),
    }
    return html(render("pages/receipt.html", lang, clinic=shown, **filled))


def notice_page(request: Request, clinic: str, version: str) -> Response:
    """Show the full notice of a version, for ever."""
    portal = get_portal()
    published = portal.register.look_up(clinic).published
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


def _on_paper(
    request: Request, receipt: Receipt, signed: str | None, clinic: Clinic, *, lang: str, wanted: str
) -> Response:
    """Give a receipt with the text it is about, to keep or to print: a PDF, or a page that stands alone."""
    from chalicelib.receipts.formats.issued import IssuedReceipt  # noqa: PLC0415 - no other page needs it

    if wanted not in PAPER:
        raise NotFoundError
    portal = get_portal()
    base = base_url(request, portal.settings.public_url)
    issued = IssuedReceipt(receipt, clinic, lang, now={}, jws=signed, base_url=base, at=get_portal().clock())
    written = rendition(
        issued, wanted, lambda: portal.clinics.kept_page(clinic.id, receipt.document["notice"]["sha256"])
    )
    return rendered(written, f"consent-receipt-{receipt.id}")


def _to_receipt(request: Request, taken: FormResult) -> Response:
    # The form's own receipt, always: a number that changed would tell a stranger what happened to a contact since.
    number, lang = taken.decision.receipt_id, taken.lang
    return see_other(f"{mount(request)}/{taken.clinic.id}/receipts/{number}?lang={lang}")


def _by_phone(document: Mapping[str, Any], clinic: Clinic) -> bool:
    """Tell whether a code from a text message may confirm it: not what an e-mail address alone is needed for."""
    agreed = [address for address, entry in document["decisions"].items() if entry["answer"] == "yes"]
    return any(clinic.questions[address].needs & {"phone", "contact"} for address in agreed)


def _waits(document: Mapping[str, Any]) -> bool:
    """Tell whether a message may ask for confirmation.

    Where somebody only typed a contact, or followed a link that a program has, of every Yes alike: which of them waits
    would tell who is known here. By any other link nobody learns that, so there it is told as it is.
    """
    entries = document["decisions"].values()
    if _by_program(document):
        return any(entry["answer"] == "yes" for entry in entries)
    if document["assurance"] == Assurance.LINK:
        return any(entry["confirm_by"] for entry in entries)
    return document["assurance"] == Assurance.SELF_ASSERTED and any(entry["answer"] == "yes" for entry in entries)


def _by_program(document: Mapping[str, Any]) -> bool:
    """Tell whether it was decided by a link that a clinic's program has: by that a newsletter may count at once."""
    return document["assurance"] == Assurance.LINK and "key" in (document["evidence"] or {})
