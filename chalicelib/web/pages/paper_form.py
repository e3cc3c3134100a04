"""What a clinic prints: the consent form."""

from chalice.app import Request, Response

from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.web.requests import base_url, query
from chalicelib.web.responses import printable


def consent_form(request: Request, clinic: str) -> Response:
    """Give the consent form of the notice in force, to print and to sign."""
    from chalicelib.notices import paper_form  # noqa: PLC0415 - no page needs them
    from chalicelib.presentation.pdf import document  # noqa: PLC0415 - no page needs them

    portal = get_portal()
    asked = portal.directory.look_up(clinic).published.clinic.open_at(get_portal().clock())
    accepted = request.headers.get("accept-language")
    lang = negotiate(query(request, "lang"), accepted, asked.languages, asked.default_language)
    base, sha256 = base_url(request, portal.settings.public_url), portal.evidence.page_sha256(CONSENT_PAGE, asked, lang)
    written = paper_form.write(asked, lang, base_url=base, sha256=sha256)
    made = f"{asked.since or asked.effective}T00:00:00.000Z"  # the same file as long as the text is the same
    return printable(document.write(written, at=made), f"consent-form-{asked.id}-{asked.version}-{lang}")
