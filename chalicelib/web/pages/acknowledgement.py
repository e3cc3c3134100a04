"""Where the link in a recipient's mail leads: it says here that what the mail asked for is done.

Opening the page changes nothing, for programs that look through mail open its links.
"""

from chalice.app import Request, Response

from chalicelib.domain.webhooks import WebhookDelivery
from chalicelib.messages.recipient_mails import titles
from chalicelib.portal import get_portal
from chalicelib.presentation.page import Page
from chalicelib.presentation.templates import render
from chalicelib.services import acknowledgements
from chalicelib.services.acknowledgements import OpenedAcknowledgement
from chalicelib.web.requests import language, mount
from chalicelib.web.responses import html


def acknowledgement_page(request: Request, token: str) -> Response:
    """Show what the mail was about, and whether it is done already."""
    opened = OpenedAcknowledgement.of(get_portal(), token)
    return html(_render(request, opened, opened.delivery))


def acknowledge(request: Request, token: str) -> Response:
    """Note that it is done."""
    portal = get_portal()
    opened = OpenedAcknowledgement.of(portal, token)
    done = acknowledgements.acknowledge(portal, opened, portal.clock())
    return html(_render(request, opened, done))


def _render(request: Request, opened: OpenedAcknowledgement, delivery: WebhookDelivery) -> Page:
    lang = language(request, opened.clinic)
    return render(
        "pages/acknowledge.html",
        lang,
        clinic=opened.clinic,
        root=mount(request),
        type=delivery.type.value,
        titles=titles(opened.clinic, delivery, lang),
        reference=delivery.subject,
        done=bool(delivery.acknowledged_at),
    )
