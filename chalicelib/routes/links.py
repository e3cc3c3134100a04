"""Personal links for a clinic's own messages: nothing to retype for the patient, nobody named in an address."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib.authorised import BASE, Call, authorised
from chalicelib.boundary import api
from chalicelib.incoming import ANY_TYPE, base_url
from chalicelib.instants import instant, moment
from chalicelib.invitations import Invitation, Invitations, read_links, read_revocation
from chalicelib.links import Handle, Holder, Link, Power
from chalicelib.outgoing import document
from chalicelib.store import links
from chalicelib.wiring import portal

personal_links = Blueprint(__name__)


@personal_links.route(f"{BASE}/links", methods=["POST"], content_types=ANY_TYPE)
@api
def make_links(clinic: str) -> Response:
    """Make up to a thousand links; the same call with the same Idempotency-Key gives the same ones."""
    call = authorised(personal_links.current_request, clinic, "links:write", read_links)
    house = portal()
    key = house.clinics.key(clinic)
    secret, base = key.link_secret(), base_url(personal_links.current_request, house.settings.public_url)
    made, told = [], []
    for number, asked in enumerate(call.body.invitations):
        handle = _handle(call, secret, number, asked)
        ends = instant(moment(call.now) + timedelta(seconds=asked.expires_in))
        link = Link(clinic, None, asked.lang, asked.addresses, None, call.now, ends, call.key.id)
        made.append((handle, link, Holder(asked.contact, asked.name)))
        told.append(_told(handle, link, asked.asked, secret, base))
    links.keep(house.table, key, made)
    house.table.put_new(call.audit("links", ()))
    return document({"links": told}, 201)


@personal_links.route(f"{BASE}/links/revoke", methods=["POST"], content_types=ANY_TYPE)
@api
def revoke_links(clinic: str) -> Response:
    """Revoke links by their ids: they open nothing any more, not even the page that stops."""
    call = authorised(personal_links.current_request, clinic, "links:write", read_revocation)
    revoked = links.revoke(portal().table, clinic, call.body.links, call.now)
    portal().table.put_new(call.audit("links/revoke", ()))
    return document({"revoked": revoked})


def _handle(call: Call[Invitations], secret: bytes, number: int, asked: Invitation) -> Handle:
    repeated = personal_links.current_request.headers.get("idempotency-key")
    if not repeated:
        return Handle.fresh()
    holder = Holder(asked.contact, asked.name).plain()
    said = [call.key.id, repeated, number, holder, asked.lang, asked.addresses, asked.expires_in]
    return Handle.repeated(secret, json.dumps(said))


def _told(handle: Handle, link: Link, asked: Mapping[str, str], secret: bytes, base: str) -> dict[str, Any]:
    unsubscribe = f"{base}/unsubscribe/{handle.token(secret, Power.UNSUBSCRIBE)}"
    return {
        "id": handle.link,
        "subject": asked,
        "url": f"{base}/{link.clinic}?t={handle.token(secret, Power.ASK)}&lang={link.lang}",
        "manage_url": f"{base}/manage/{handle.token(secret, Power.MANAGE)}?lang={link.lang}",
        "unsubscribe_url": unsubscribe,
        "headers": {
            "List-Unsubscribe": f"<{unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "expires_at": link.expires_at,
    }
