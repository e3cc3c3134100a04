"""Checking a receipt: whoever holds one, its file or the code on its paper, is told what it proves and what not.

A code reaches a receipt that may be somebody else's, so the page shows what the receipt page shows: never how a
decision stood before or after, nor the number in the chain, nor whether anything followed. What staff wrote down it
shows to whoever brings it along (`disclosures`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.consent import ON_A_PAGE
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.receipts import Receipt
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import format_day, format_time, format_when, negotiate
from chalicelib.presentation.templates import render
from chalicelib.receipts import jws, sd_jwt
from chalicelib.receipts.document import canonical_receipt, read_document
from chalicelib.receipts.errors import BadSignatureError, NotAReceiptError, UnknownKeyError, UnprovenError
from chalicelib.receipts.printed_code import read_printed_code
from chalicelib.store import signatures
from chalicelib.store.clinics import UnknownClinicError
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.store.table import DamagedError
from chalicelib.web.requests import form_with_files, mount, query
from chalicelib.web.responses import html

MAX_TYPED = 8000
"""How much of what was typed stands in the field again: a signed receipt of any clinic."""


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a check found: the receipt, the key that signed it (None while it is being sealed), and how it was found."""

    receipt: Receipt
    kid: str | None
    by_code: bool = False
    disclosed: Mapping[str, str] = field(default_factory=dict)
    """What came with it in words and it vouches for (RFC 9901)."""


def verify_page(request: Request) -> Response:
    """Show the form, or with ``?code=`` what a printed receipt proves. Nothing is stored."""
    code = query(request, "code")
    return _checked(request, code, code) if code else _answer(request, 200, kind="form")


def verify(request: Request) -> Response:
    """Check a receipt that was pasted or uploaded. Nothing is stored."""
    fields = form_with_files(request)
    typed = fields.get("receipt", [""])[0][:MAX_TYPED]
    given = [text.strip("\ufeff \t\r\n") for name in ("receipt", "file") for text in fields.get(name, ())]
    given = [text for text in given if text]
    if not given:
        return _answer(request, 422, kind="nothing")
    if given[-1].startswith("%PDF-"):
        return _answer(request, 422, kind="pdf", typed=typed)
    return _checked(request, given[-1], None, typed)


def _checked(request: Request, given: str, code: str | None, typed: str = "") -> Response:
    try:
        found = _find(given)
    except (UnknownReceiptError, UnknownClinicError):
        return _answer(request, 422, kind="unknown", code=code, typed=typed)
    except UnknownKeyError:
        return _answer(request, 422, kind="other_key", code=code, typed=typed)
    except NotAReceiptError:
        return _answer(request, 422, kind="unreadable", code=code, typed=typed)
    except UnprovenError:
        return _answer(request, 422, kind="altered", code=code, typed=typed)
    kind = "proven" if found.kid else "sealing"
    return _answer(request, 200, kind=kind, code=code, **_told(request, found))


def _find(given: str) -> VerifiedReceipt:
    """Find the receipt that a signed receipt, a receipt's JSON or a printed code means; raise UnprovenError."""
    signed = jws.read_signed(given)
    if signed is None:
        return _as_issued(given)
    if signed.startswith("eyJ"):  # a header in JSON
        proven = sd_jwt.verify(signed, signatures.jwks(get_portal().table))
        return VerifiedReceipt(Receipt(proven.document, proven.canonical), proven.kid, disclosed=proven.disclosed)
    code = read_printed_code(given)
    receipt, kept = get_portal().receipts.issued(get_portal().clinics.by_code(code.clinic), code.receipt)
    if not code.matches(receipt):
        raise BadSignatureError("The code and the receipt do not belong together.")
    return VerifiedReceipt(receipt, _signer(kept), by_code=True)


def _as_issued(written: str) -> VerifiedReceipt:
    """Compare an unsigned receipt with the one kept, byte for byte in canonical form."""
    canonical = canonical_receipt(written)
    given = read_document(canonical)
    receipt, kept = get_portal().receipts.issued(str(given["clinic"]), str(given["id"]))
    if receipt.canonical != canonical:
        raise BadSignatureError("It is not the receipt that was issued.")
    return VerifiedReceipt(receipt, _signer(kept))


def _signer(kept: str | None) -> str | None:
    """Verify a signature kept beside its receipt and tell whose it is."""
    if kept is None:
        return None
    try:
        return jws.verify(kept, signatures.jwks(get_portal().table)).kid
    except UnprovenError as error:  # what the portal itself keeps does not hold: no fault of who asks
        raise DamagedError(type(error).__name__) from error


def _told(request: Request, found: VerifiedReceipt) -> Mapping[str, Any]:
    document = found.receipt.document
    shown = get_portal().clinics.decided_under(document["clinic"], document["notice"])
    lang = _language(request)
    return {
        "clinic": shown,
        "spoken": lang if lang in shown.languages else shown.default_language,
        "said": shown.describe_answers(document["decisions"]),
        "receipt": document,
        "decided": format_when(document, lang, shown.country),
        "issued": format_time(document["recorded_at"], lang, shown.country),
        "sha256": found.receipt.sha256,
        "kid": found.kid,
        "by_code": found.by_code,
        "disclosed": found.disclosed,
        # A withdrawal needs no text: it may have been sent without the page, and staff need name no version.
        "began": _began_later(document, lang, shown.country),
        "withdrawn": {entry["answer"] for entry in document["decisions"].values()} == {"withdraw"},
    }


def _began_later(document: Mapping[str, Any], lang: str, country: str) -> str | None:
    """Tell from which day the version was in force that a receipt names, where the decision is older than that.

    Receipts of today name none then; earlier ones did.
    """
    version, clinic = document["notice"]["version"], document["clinic"]
    if version is None or document.get("channel") in ON_A_PAGE:  # it was on the screen
        return None
    published = get_portal().directory.look_up(clinic).published
    if published.text_at(document["effective_at"], version):
        return None
    return next(format_day(each.since, lang, country) for each in published.published if each.version == version)


def _answer(
    request: Request, status: int, *, kind: str, code: str | None = None, typed: str = "", **told: Any
) -> Response:
    filled = {
        "kind": kind,
        "code": code,
        "typed": typed or code or "",
        "root": mount(request),
        "languages": LANGUAGES,
        **told,
    }
    return html(render("pages/verify.html", _language(request), **filled), status)


def _language(request: Request) -> str:
    return negotiate(query(request, "lang"), request.headers.get("accept-language"), LANGUAGES, "en")
