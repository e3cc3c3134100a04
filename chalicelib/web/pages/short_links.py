"""The short addresses in text messages: each leads to the page that its token opens.

They save characters, and so whole messages: a text in Latvian, Lithuanian, Georgian or Russian has
67 in each part. Nothing is looked up or changed here but the clinic's id, which the address of the
questions has: whether a token opens anything is told by the page it leads to.
"""

from chalice.app import Request, Response

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.links import LinkScope, path_of, read_token
from chalicelib.portal import get_portal
from chalicelib.store.links import OldLinkError, open_link
from chalicelib.web.requests import mount
from chalicelib.web.responses import found


def lead_to_questions(request: Request, token: str) -> Response:
    """Lead from ``/a/{token}`` to the clinic's questions."""
    portal = get_portal()
    try:
        link = open_link(portal.table, portal.clinics, token, LinkScope.ASK, portal.clock()).link
    except OldLinkError as old:  # the questions say so, and lead on
        link = old.link
    return found(mount(request) + path_of(LinkScope.ASK, token, link.clinic))


def lead_to_confirmation(request: Request, token: str) -> Response:
    """Lead from ``/c/{token}`` to what waits to be confirmed."""
    return _lead(request, LinkScope.CONFIRM, token)


def lead_to_erasure(request: Request, token: str) -> Response:
    """Lead from ``/e/{token}`` to the page that asks whether to erase."""
    return _lead(request, LinkScope.ERASE, token)


def lead_to_own_page(request: Request, token: str) -> Response:
    """Lead from ``/m/{token}`` to the patient's own page."""
    return _lead(request, LinkScope.MANAGE, token)


def lead_to_undo(request: Request, token: str) -> Response:
    """Lead from ``/u/{token}`` to taking back a withdrawal."""
    return _lead(request, LinkScope.UNDO, token)


def _lead(request: Request, scope: LinkScope, token: str) -> Response:
    """Lead to a page whose address has no clinic in it; what is no token leads nowhere."""
    if read_token(token) is None:
        raise NotFoundError
    return found(mount(request) + path_of(scope, token, ""))
