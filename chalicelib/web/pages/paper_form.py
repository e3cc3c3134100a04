"""What a clinic prints: the consent form."""

from datetime import UTC, datetime

from chalice.app import Blueprint, Response

from chalicelib.domain.instants import instant
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.web.errors import page
from chalicelib.web.requests import ANY_TYPE, base_url, query
from chalicelib.web.responses import printable

paper = Blueprint(__name__)


@paper.route("/{clinic}/form", methods=["GET"], content_types=ANY_TYPE)
@page(paper)
def consent_form(clinic: str) -> Response:
    """Give the consent form of the notice in force, to print and to sign."""
    from chalicelib.notices import paper_form  # noqa: PLC0415 - no page needs them
    from chalicelib.presentation.pdf import document  # noqa: PLC0415 - no page needs them

    portal, request = get_portal(), paper.current_request
    asked = portal.register.look_up(clinic).published.clinic.open_at(instant(datetime.now(UTC)))
    accepted = request.headers.get("accept-language")
    lang = negotiate(query(request, "lang"), accepted, asked.languages, asked.default_language)
    base, sha256 = base_url(request, portal.settings.public_url), portal.evidence.page_sha256(CONSENT_PAGE, asked, lang)
    written = paper_form.write(asked, lang, base_url=base, sha256=sha256)
    made = f"{asked.since or asked.effective}T00:00:00.000Z"  # the same file as long as the text is the same
    return printable(document.write(written, at=made), f"consent-form-{asked.id}-{asked.version}-{lang}")
