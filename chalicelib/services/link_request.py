"""Somebody asks to be sent their link. Nobody is looked up, so nothing can show who is known."""

from collections.abc import Sequence

from chalicelib.domain.contacts import Contact
from chalicelib.domain.instants import Instant
from chalicelib.portal import Portal
from chalicelib.services.visitor import Visitor
from chalicelib.store import link_requests


def request_link(
    portal: Portal,
    clinic: str,
    contacts: Sequence[Contact],
    *,
    lang: str,
    visitor: Visitor,
    now: Instant,
) -> None:
    """Record that a link is asked for by these contacts; raise TooManyError.

    No rate limit of the contact's is used: a stranger would use it up for its owner. The message
    has one of its own.
    """
    key = portal.clinics.key(clinic)
    request = link_requests.link_request(key, contacts, lang, visitor.base_url, now)
    check = visitor.rate_limit_check("link", (), now)
    portal.limits.spend(key, check, [request])
