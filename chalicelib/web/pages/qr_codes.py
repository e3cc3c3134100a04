"""QR codes, what is printed and shown with them, and the short addresses inside them."""

from chalice.app import Request, Response

from chalicelib.domain.errors import NoSuchSheetError, NotFoundError
from chalicelib.domain.short_address import LETTERS, WITHDRAW, read
from chalicelib.portal import get_portal
from chalicelib.presentation import posters, qr, waiting_screen
from chalicelib.presentation.posters import Occasion
from chalicelib.web.requests import base_url, mount, query, source
from chalicelib.web.responses import found, picture, printable

SVG, PNG = "image/svg+xml", "image/png"
SCREEN = "screen"
FORMS = {
    "svg": {*LETTERS, SCREEN},
    "png": {*LETTERS},
    "pdf": {*posters.POSTERS, *posters.SHEETS},
}
"""What there is in each format."""


def qr_code(request: Request, clinic: str, picture_name: str) -> Response:
    """Give a code, or a sheet or slide with it, in languages and for a place."""
    name, _, form = picture_name.partition(".")
    if name not in FORMS.get(form, ()):
        raise NotFoundError
    occasion = _occasion(request, clinic)
    size = (query(request, "size") or "a4").lower()
    if size not in posters.SIZES:
        raise NoSuchSheetError(occasion.clinic.languages)
    if form == "pdf":
        return _printed(occasion, name, size)
    if name == SCREEN:
        return picture(waiting_screen.slide(occasion).encode(), SVG)
    address = occasion.address(name)
    return picture(qr.svg(address), SVG) if form == "svg" else picture(qr.png(address), PNG)


def _occasion(request: Request, clinic: str) -> Occasion:
    """Read for whom something is drawn or printed; raise NoSuchSheetError.

    Its codes lead to the page in the language that was asked for. Where several were, or none, the
    page is in the language of whoever scans.
    """
    portal = get_portal()
    shown = portal.directory.look_up(clinic).published.clinic
    asked = query(request, "lang") or ""
    named = [lang for lang in dict.fromkeys(asked.lower().split(",")) if lang]
    named_source = source(request)
    if (
        not {*named}.issubset(shown.languages)
        or len(named) > posters.MOST_LANGUAGES
        or (query(request, "src") and not named_source)
    ):
        raise NoSuchSheetError(shown.languages)
    return Occasion(
        shown,
        tuple(named or shown.languages[: posters.MOST_LANGUAGES]),
        base_url(request, portal.settings.public_url),
        lang=named[0] if len(named) == 1 else None,
        source=named_source,
    )


def _printed(occasion: Occasion, name: str, size: str) -> Response:
    if name in posters.POSTERS:
        paper = posters.poster(occasion, name, size)
        name = f"{name}-{size}"
    else:
        paper = posters.sheet(occasion, name)
    pdf = get_portal().press.pdf(*paper)
    return printable(pdf, "-".join([occasion.clinic.id, name, *occasion.languages]))


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
