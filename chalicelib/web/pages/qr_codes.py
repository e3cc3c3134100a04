"""QR codes and the short addresses inside them."""

from chalice.app import Request, Response

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.short_address import LETTERS, WITHDRAW, ShortAddress, read
from chalicelib.portal import get_portal
from chalicelib.presentation import qr
from chalicelib.web.requests import base_url, mount, query, source
from chalicelib.web.responses import found, picture

MEDIA = {"svg": "image/svg+xml", "png": "image/png"}


def qr_code(request: Request, clinic: str, picture_name: str) -> Response:
    """Draw the code for a poster, a screen or a letter, per language and source."""
    kind, _, form = picture_name.partition(".")
    if kind not in LETTERS or form not in MEDIA:
        raise NotFoundError
    shown = get_portal().directory.look_up(clinic).published.clinic
    lang, named_source = query(request, "lang"), source(request)
    if lang and lang not in shown.languages:
        raise NotFoundError
    if query(request, "src") and not named_source:
        raise NotFoundError
    base = base_url(request, get_portal().settings.public_url)
    address = f"{base}/q/{ShortAddress(shown.code, kind, lang, named_source).code}"
    drawn = qr.svg(address) if form == "svg" else qr.png(address)
    return picture(drawn, MEDIA[form])


def short_address(request: Request, code: str) -> Response:
    """Lead from a scanned code to its page, in the language it was printed in."""
    short = read(code)
    if short is None:
        raise NotFoundError
    clinic = get_portal().clinics.by_code(short.clinic)
    address = f"{mount(request)}/{clinic}"
    if short.kind == WITHDRAW:
        address += "/withdraw"
    named = {"lang": short.lang, "src": short.source, "via": "qr"}
    wanted = [f"{name}={value}" for name, value in named.items() if value]
    return found(f"{address}?{'&'.join(wanted)}")
