"""Calls for the bearer keys of a clinic's workers and programs."""

from datetime import timedelta
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.api_keys import (
    LONGEST_LIFE,
    LONGEST_OVERLAP,
    SCOPES,
    USUAL_OVERLAP,
    KeyKind,
)
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.one_line import is_one_line
from chalicelib.portal import get_portal
from chalicelib.services import keys
from chalicelib.services.keys import IssuedKey, NewKey, Rotation
from chalicelib.store.bearer_keys import StoredKey
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.body_reader import BodyReader, is_word
from chalicelib.web.api.cursors import cursor_for, cursor_sent
from chalicelib.web.requests import mount
from chalicelib.web.responses import document

MAX_LABEL = 100
KINDS = [kind.value for kind in KeyKind]
_HOUR = timedelta(hours=1)


def list_keys(request: Request, clinic: str) -> Response:
    """List the clinic's keys, those too that are revoked or have expired."""
    call = authorize(request, clinic, "keys:write", no_body)
    found, more = keys.list_keys(get_portal(), call, cursor_sent(request))
    answer: dict[str, Any] = {"keys": [_describe(each, call.now) for each in found]}
    if more is not None:
        answer["cursor"] = cursor_for(more)
    return document(answer)


def create_key(request: Request, clinic: str) -> Response:
    """Make a key; its secret is in this answer and nowhere else."""
    call = authorize(request, clinic, "keys:write", read_new_key)
    issued = keys.create_key(get_portal(), call)
    address = f"{mount(request)}/v1/clinics/{clinic}/keys/{issued.stored.key.id}"
    status = 201 if issued.secret else 200
    return document(_with_secret(issued, call.now), status, {"Location": address})


def get_key(request: Request, clinic: str, key: str) -> Response:
    """Give one key, without its secret."""
    call = authorize(request, clinic, "keys:write", no_body)
    return document(_describe(keys.get_key(get_portal(), call, key), call.now))


def rotate_key(request: Request, clinic: str, key: str) -> Response:
    """Give a key a new secret; the one before stays valid for the overlap."""
    call = authorize(request, clinic, "keys:write", read_rotation, body_optional=True)
    return document(_with_secret(keys.rotate_key(get_portal(), call, key), call.now))


def revoke_key(request: Request, clinic: str, key: str) -> Response:
    """Revoke a key: from the next call on it opens nothing."""
    call = authorize(request, clinic, "keys:write", no_body)
    return document(_describe(keys.revoke_key(get_portal(), call, key), call.now))


def read_new_key(body: BodyReader) -> NewKey:
    """Read a call for a new key."""
    body.only("label", "kind", "scopes", "expires_at", "controller")
    kind = body.sent.get("kind")
    if kind not in KINDS:
        body.error("/kind", f"One of: {', '.join(KINDS)}.")
    label, scopes = _label(body), _scopes(body)
    expires_at, member = _expires_at(body), _controller(body)
    body.check()
    return NewKey(label, KeyKind(str(kind)), scopes, expires_at, member)


def read_rotation(body: BodyReader) -> Rotation:
    """Read a call for a new secret of a key."""
    body.only("overlap_hours", "expires_at")
    usual, most = USUAL_OVERLAP // _HOUR, LONGEST_OVERLAP // _HOUR
    hours = body.sent.get("overlap_hours", usual)
    if not isinstance(hours, int) or isinstance(hours, bool) or not 0 <= hours <= most:
        body.error("/overlap_hours", f"A whole number of hours, from 0 to {most}.")
        hours = usual
    return Rotation(timedelta(hours=hours), _expires_at(body))


def _label(body: BodyReader) -> str:
    value = body.sent.get("label")
    label = value.strip() if isinstance(value, str) else ""
    if not 0 < len(label) <= MAX_LABEL or not is_one_line(label) or not label.isprintable():
        detail = f"Who uses the key, for the audit: one line of at most {MAX_LABEL} characters."
        body.error("/label", detail)
    return label


def _scopes(body: BodyReader) -> tuple[str, ...]:
    scopes = body.items("scopes", len(SCOPES), "scopes")
    for number, scope in enumerate(scopes):
        if scope not in SCOPES:
            body.error(f"/scopes/{number}", f"One of: {', '.join(SCOPES)}.")
        elif scope in scopes[:number]:
            body.error(f"/scopes/{number}", "It is there twice.")
    return tuple(scope for scope in SCOPES if scope in scopes)


def _expires_at(body: BodyReader) -> Instant | None:
    """Read when a key is to end; None where the call leaves that open."""
    if not body.has("expires_at"):
        return None
    given = body.moment("expires_at", "When the key ends")
    latest = instant(moment(body.now) + LONGEST_LIFE)
    if given is not None and not body.now < given <= latest:
        body.error("/expires_at", f"Later than now, and within {LONGEST_LIFE.days} days.")
    return given


def _controller(body: BodyReader) -> str | None:
    if not body.has("controller"):
        return None
    value = body.sent["controller"]
    known = [each.id for each in body.clinic.controllers]
    if not is_word(value) or value not in known:
        body.error("/controller", f"One of: {', '.join(known)}.")
        return None
    return str(value)


def _with_secret(issued: IssuedKey, now: Instant) -> dict[str, Any]:
    return {**_describe(issued.stored, now), "secret": issued.secret}


def _describe(stored: StoredKey, now: Instant) -> dict[str, Any]:
    key = stored.key
    earlier: list[dict[str, Any]] = []
    for each in key.valid_earlier(now):
        last_used_on = stored.earlier[each.digest].last_used_on
        earlier.append({"valid_until": each.valid_until, "last_used_on": last_used_on})
    return {
        "id": key.id,
        "kind": key.kind,
        "label": key.label,
        "scopes": list(key.scopes),
        "controller": key.member,
        "created_at": key.created_at,
        "made_by": key.made_by,
        "expires_at": key.expires_at,
        "state": key.state(now),
        "since": key.since(now),
        "last_used_on": stored.last_used_on,
        "rotated_at": key.rotated_at,
        "earlier_secrets": earlier,
    }
