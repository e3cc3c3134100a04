"""Calls for personal links: to make them, and to revoke them."""

from collections.abc import Mapping
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.contacts import Contact
from chalicelib.portal import get_portal
from chalicelib.services import links
from chalicelib.services.links import Invitation, Invitations, PersonalLink, Revocation
from chalicelib.web.api.auth import authorize
from chalicelib.web.api.body_reader import KINDS, BodyReader, is_sha256
from chalicelib.web.responses import document

MAX_LINKS = 1000
MIN_LINK_SECONDS, LINK_SECONDS, MAX_LINK_SECONDS = 60, 30 * 86_400, 366 * 86_400
_MORE = ("name", "lang", "purposes", "expires_in")


def create_links(request: Request, clinic: str) -> Response:
    """Make up to a thousand links."""
    call = authorize(request, clinic, "links:write", read_links)
    made = links.make_links(get_portal(), call)
    return document({"links": [_describe(link, call.base_url) for link in made]}, 201)


def revoke_links(request: Request, clinic: str) -> Response:
    """Revoke links by their ids: they open nothing any more, not even the page that stops."""
    call = authorize(request, clinic, "links:write", read_revocation)
    return document({"revoked": links.revoke_links(get_portal(), call)})


def read_links(body: BodyReader) -> Invitations:
    """Read a call for up to a thousand personal links."""
    body.only("links")
    invitations = []
    for number, value in enumerate(body.items("links", MAX_LINKS, "links to make")):
        invitation = _read_invitation(body, f"/links/{number}", value)
        if invitation:
            invitations.append(invitation)
    return Invitations(tuple(invitations))


def read_revocation(body: BodyReader) -> Revocation:
    """Read a call that revokes up to a thousand links, by the ids that making them gave."""
    body.only("ids")
    ids = body.items("ids", MAX_LINKS, "ids of links")
    for number, value in enumerate(ids):
        if not is_sha256(value):
            body.error(f"/ids/{number}", "64 hexadecimal digits.")
    return Revocation(tuple(ids))


def _read_invitation(body: BodyReader, pointer: str, value: object) -> Invitation | None:
    if not isinstance(value, Mapping) or not value.keys() <= {*KINDS, *_MORE}:
        detail = f"An object with email, phone or patient_ref and perhaps {', '.join(_MORE)}."
        body.error(pointer, detail)
        return None
    sent = {name: given for name, given in value.items() if name in KINDS}
    contacts = body.subject(pointer, sent)
    if len(contacts) != 1:
        body.error(pointer, "Exactly one of email, phone and patient_ref.")
        return None
    return _invitation(body, pointer, value, sent, contacts[0])


def _invitation(
    body: BodyReader,
    pointer: str,
    value: Mapping[str, Any],
    sent: Mapping[str, str],
    contact: Contact,
) -> Invitation:
    lang = value.get("lang", body.clinic.default_language)
    if lang not in body.clinic.languages:
        body.error(f"{pointer}/lang", f"One of: {', '.join(body.clinic.languages)}.")
    questions: tuple[str, ...] = ()
    expires_in = _read_seconds(body, f"{pointer}/expires_in", value)
    if "purposes" in value:
        questions = body.questions(f"{pointer}/purposes", value["purposes"])
    name = body.named(f"{pointer}/name", value)
    return Invitation(sent, contact, name, str(lang), questions, expires_in)


def _read_seconds(body: BodyReader, pointer: str, value: Mapping[str, Any]) -> int:
    seconds = value.get("expires_in", LINK_SECONDS)
    is_number = isinstance(seconds, int) and not isinstance(seconds, bool)
    if is_number and MIN_LINK_SECONDS <= seconds <= MAX_LINK_SECONDS:
        return int(seconds)
    body.error(pointer, f"Seconds, from {MIN_LINK_SECONDS} to {MAX_LINK_SECONDS}.")
    return LINK_SECONDS


def _describe(made: PersonalLink, base: str) -> dict[str, Any]:
    link = made.link
    unsubscribe = f"{base}/unsubscribe/{made.unsubscribe}"
    described: dict[str, Any] = {
        "id": made.id,
        "subject": made.as_sent,
        "url": f"{base}/{link.clinic}?t={made.ask}&lang={link.lang}",
    }
    if made.manage is not None:
        described["manage_url"] = f"{base}/manage/{made.manage}?lang={link.lang}"
    return described | {
        "unsubscribe_url": unsubscribe,
        "headers": {
            "List-Unsubscribe": f"<{unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "expires_at": link.expires_at,
        "revoked_at": link.revoked_at,
    }
