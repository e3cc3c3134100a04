"""QR codes and the short addresses inside them."""

import re

from chalice.app import Request, Response

from chalicelib.domain.errors import NotFoundError
from chalicelib.portal import get_portal
from chalicelib.presentation import qr
from chalicelib.web.requests import base_url, mount, query, source
from chalicelib.web.responses import found, picture

KINDS = {"signup": "s", "withdraw": "w"}
MEDIA = {"svg": "image/svg+xml", "png": "image/png"}
_CODE = re.compile(
    r"(?P<clinic>[a-z0-9]{2,4})-(?P<kind>[sw])"
    r"(?:-(?P<lang>[a-z]{2})?(?:-(?P<source>[a-z0-9][a-z0-9._-]{0,31}))?)?"
)


def qr_code(request: Request, clinic: str, picture_name: str) -> Response:
    """Draw the code for a poster, a screen or a letter, per language and source."""
    kind, _, form = picture_name.partition(".")
    if kind not in KINDS or form not in MEDIA:
        raise NotFoundError
    shown = get_portal().directory.look_up(clinic).published.clinic
    lang, named_source = query(request, "lang"), source(request)
    if lang and lang not in shown.languages:
        raise NotFoundError
    if query(request, "src") and not named_source:
        raise NotFoundError
    base = base_url(request, get_portal().settings.public_url)
    address = f"{base}/q/{_short_code(shown.code, kind, lang, named_source)}"
    drawn = qr.svg(address) if form == "svg" else qr.png(address)
    return picture(drawn, MEDIA[form])


def _short_code(clinic: str, kind: str, lang: str | None, named_source: str | None) -> str:
    """Give the code that `short_address` reads, such as ``rig-s-lv-poster``."""
    parts = [clinic, KINDS[kind]]
    if lang or named_source:
        parts.append(lang or "")
    if named_source:
        parts.append(named_source)
    return "-".join(parts)


def short_address(request: Request, code: str) -> Response:
    """Lead from a scanned code to its page, in the language it was printed in."""
    parts = _CODE.fullmatch(code.lower())
    if parts is None:
        raise NotFoundError
    clinic = get_portal().clinics.by_code(parts["clinic"])
    address = f"{mount(request)}/{clinic}"
    if parts["kind"] == KINDS["withdraw"]:
        address += "/withdraw"
    named = {"lang": parts["lang"], "src": parts["source"], "via": "qr"}
    wanted = [f"{name}={value}" for name, value in named.items() if value]
    return found(f"{address}?{'&'.join(wanted)}")
