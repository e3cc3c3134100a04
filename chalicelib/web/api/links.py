"""Personal links for a clinic's own messages: nothing to retype for the patient, nobody named in an address."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.instants import instant, moment
from chalicelib.domain.links import Link, LinkRecipient, LinkScope, LinkSecret
from chalicelib.portal import get_portal
from chalicelib.store import audit, links
from chalicelib.web.api.auth import AuthorizedCall, authorize
from chalicelib.web.api.errors import NOTHING_SHARED, USED_FOR_OTHER_LINKS, RefusedError
from chalicelib.web.api.link_bodies import Invitation, Invitations, read_links, read_revocation
from chalicelib.web.requests import base_url
from chalicelib.web.responses import document

MANAGE = "links:manage"


def make_links(request: Request, clinic: str) -> Response:
    """Make up to a thousand links; the same call with the same Idempotency-Key gives the same ones, as they are by now.

    Another body under a key that was used makes none: 422, as for every other call.
    None leads to the patient's own page, unless the key has the scope `links:manage`: that page goes to the patient's
    own contact, by the portal. One of several joint controllers never gets one, for it shows what is decided about all.
    """
    call = authorize(request, clinic, "links:write", read_links)
    portal = get_portal()
    key = portal.clinics.key(clinic)
    secret, base = key.link_secret(), base_url(request, portal.settings.public_url)
    made = []
    member = call.key.member is not None
    if member and not call.shared.questions:
        raise RefusedError(NOTHING_SHARED)
    if not _first_or_same(call, secret):
        raise RefusedError(USED_FOR_OTHER_LINKS)
    manages = MANAGE in call.key.scopes and not member
    for number, given in enumerate(call.body.invitations):
        # A joint controller's link is about what it shares, said or not; none named would mean all.
        asked = replace(given, addresses=tuple(call.shared.questions)) if member and not given.addresses else given
        handle = _handle(call, secret, number, asked)
        ends = instant(moment(call.now) + timedelta(seconds=asked.expires_in))
        link = Link(clinic, None, asked.lang, asked.addresses, None, call.now, ends, call.key.id, manages=manages)
        made.append((handle, link, LinkRecipient(asked.contact, asked.name)))
    kept = links.keep(portal.table, key, made)
    told = [
        _told(handle, link, given.asked, secret, base)
        for (handle, _, _), link, given in zip(made, kept, call.body.invitations, strict=True)
    ]
    portal.table.put_new(audit.line(clinic, call.key.id, "links", call.now, (), links=len(made)))
    return document({"links": told}, 201)


def revoke_links(request: Request, clinic: str) -> Response:
    """Revoke links by their ids: they open nothing any more, not even the page that stops."""
    call = authorize(request, clinic, "links:write", read_revocation)
    revoked = links.revoke(get_portal().table, clinic, call.body.links, call.now)
    get_portal().table.put_new(audit.line(clinic, call.key.id, "links/revoke", call.now, (), links=revoked))
    return document({"revoked": revoked})


def _first_or_same(call: AuthorizedCall[Invitations], secret: bytes) -> bool:
    """Tell whether the Idempotency-Key, if there is one, is new or was used for this very body.

    The body is kept as an HMAC: a plain hash of one address could be found by trying addresses.
    """
    repeated = call.request.headers.get("idempotency-key")
    if not repeated:
        return True
    asked = [
        [LinkRecipient(each.contact, each.name).plain(), each.lang, each.addresses, each.expires_in]
        for each in call.body.invitations
    ]
    key = hmac.new(secret, f"call|{call.key.id}|{repeated}".encode(), "sha256").hexdigest()
    body = hmac.new(secret, f"body|{key}|{json.dumps(asked)}".encode(), "sha256").hexdigest()
    return links.remember_call(get_portal().table, key, body, call.now)


def _handle(call: AuthorizedCall[Invitations], secret: bytes, number: int, asked: Invitation) -> LinkSecret:
    repeated = call.request.headers.get("idempotency-key")
    if not repeated:
        return LinkSecret.fresh()
    holder = LinkRecipient(asked.contact, asked.name).plain()
    said = [call.key.id, repeated, number, holder, asked.lang, asked.addresses, asked.expires_in]
    return LinkSecret.derived(secret, json.dumps(said))


def _told(handle: LinkSecret, link: Link, asked: Mapping[str, str], secret: bytes, base: str) -> dict[str, Any]:
    unsubscribe = f"{base}/unsubscribe/{handle.token(secret, LinkScope.UNSUBSCRIBE)}"
    manage = f"{base}/manage/{handle.token(secret, LinkScope.MANAGE)}?lang={link.lang}"
    return {
        "id": handle.link_id,
        "subject": asked,
        "url": f"{base}/{link.clinic}?t={handle.token(secret, LinkScope.ASK)}&lang={link.lang}",
        **({"manage_url": manage} if link.manages else {}),
        "unsubscribe_url": unsubscribe,
        "headers": {
            "List-Unsubscribe": f"<{unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
        "expires_at": link.expires_at,
        "revoked_at": link.revoked_at,
    }
