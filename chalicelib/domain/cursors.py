"""Cursors: where a list goes on, as the portal wrote it. Pure.

A cursor is signed under a key of its clinic, so that a program can neither make one nor read on in
another clinic's list. It holds opaque ids and numbers alone.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.errors import InvalidInputError, RejectedError

_MAC_BYTES = 16


class UnknownCursorError(InvalidInputError):
    """No cursor of this list: changed, cut off, of another call, or of another clinic."""


class CursorTooOldError(RejectedError):
    """The cursor leads to what is kept no longer."""


def write_cursor(secret: bytes, kind: str, place: Mapping[str, Any]) -> str:
    """Write where a list of a `kind` goes on, to be sent in a query (URL-safe)."""
    told = json.dumps(place, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_mac(secret, kind, told) + told).decode().rstrip("=")


def read_cursor(secret: bytes, kind: str, text: str) -> dict[str, Any]:
    """Give where a list of a `kind` goes on; raise UnknownCursorError."""
    try:
        signed = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except ValueError:
        raise UnknownCursorError from None
    mac, told = signed[:_MAC_BYTES], signed[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, kind, told)):
        raise UnknownCursorError
    place: dict[str, Any] = json.loads(told)
    return place


def _mac(secret: bytes, kind: str, told: bytes) -> bytes:
    return hmac.digest(secret, kind.encode() + b"\0" + told, "sha256")[:_MAC_BYTES]
