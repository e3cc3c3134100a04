"""What a clinic prints: the consent form."""

from chalice.app import Request, Response

from chalicelib.portal import get_portal
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.web.requests import base_url, language
from chalicelib.web.responses import printable


def consent_form(request: Request, clinic: str) -> Response:
    """Give the consent form of the notice in force, to print and to sign."""
    from chalicelib.notices import paper_form  # noqa: PLC0415 - no page needs it

    portal = get_portal()
    asked = portal.directory.look_up(clinic).published.clinic.open_at(portal.clock())
    lang = language(request, asked)
    base = base_url(request, portal.settings.public_url)
    sha256 = portal.shown_pages.page_sha256(CONSENT_PAGE, asked, lang)
    form = paper_form.write_form(asked, lang, base_url=base, sha256=sha256)
    return printable(portal.press.pdf(*form), f"consent-form-{asked.id}-{asked.version}-{lang}")
