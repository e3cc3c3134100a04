"""Calls for link keys, under which a clinic's program makes links by itself."""

from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.one_line import is_one_line
from chalicelib.domain.program_links import LinkKey
from chalicelib.portal import get_portal
from chalicelib.services import link_keys
from chalicelib.services.link_keys import NewLinkKey, TooManyLinkKeysError
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.body_reader import BodyReader
from chalicelib.web.api.errors import TOO_MANY_LINK_KEYS, RefusedError
from chalicelib.web.responses import document

MAX_LABEL = 100


def list_link_keys(request: Request, clinic: str) -> Response:
    """List the clinic's link keys, without their secrets."""
    call = authorize(request, clinic, "links:write", no_body)
    found = link_keys.list_link_keys(get_portal(), call)
    return document({"link_keys": [_describe(key) for key in found]})


def create_link_key(request: Request, clinic: str) -> Response:
    """Make a link key; its secret is in this answer and nowhere else."""
    call = authorize(request, clinic, "links:write", read_new_link_key)
    try:
        issued = link_keys.create_link_key(get_portal(), call)
    except TooManyLinkKeysError:
        raise RefusedError(TOO_MANY_LINK_KEYS, most=link_keys.MOST_LINK_KEYS) from None
    told = {**_describe(issued.key), "secret": issued.secret}
    return document(told | {"base_url": call.base_url}, 201)


def raise_link_key_epoch(request: Request, clinic: str, key: str) -> Response:
    """Let all links that were made under a key until now ask no more."""
    call = authorize(request, clinic, "links:write", no_body, body_optional=True)
    return document(_describe(link_keys.raise_epoch(get_portal(), call, key)))


def revoke_link_key(request: Request, clinic: str, key: str) -> Response:
    """Revoke a link key."""
    call = authorize(request, clinic, "links:write", no_body)
    return document(_describe(link_keys.revoke_link_key(get_portal(), call, key)))


def read_new_link_key(body: BodyReader) -> NewLinkKey:
    """Read a call for a new link key."""
    body.only("label")
    label = body.sent.get("label")
    if not isinstance(label, str) or not 0 < len(label) <= MAX_LABEL or not is_one_line(label):
        body.error("/label", f"What the key is for: a line of at most {MAX_LABEL} characters.")
    return NewLinkKey(str(label))


def _describe(key: LinkKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "label": key.label,
        "epoch": key.epoch,
        "created_at": key.created_at,
        "made_by": key.made_by,
        "controller": key.member,
        "revoked_at": key.revoked_at,
    }
