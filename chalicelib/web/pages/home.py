"""The portal's own first page."""

from chalice.app import Request, Response

from chalicelib.domain.languages import LANGUAGES
from chalicelib.presentation.i18n import negotiate
from chalicelib.presentation.templates import render
from chalicelib.web.requests import mount, query
from chalicelib.web.responses import html


def home(request: Request) -> Response:
    """Say what this is. Which clinics there are it does not say.

    Each is reached by its own address.
    """
    lang = negotiate(
        query(request, "lang"), request.headers.get("accept-language"), LANGUAGES, "en"
    )
    return html(render("pages/home.html", lang, languages=LANGUAGES, root=mount(request)))
