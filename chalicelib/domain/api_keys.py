"""Bearer keys of clinics' programs and staff: made once, shown once, kept only as a hash (RFC 6750)."""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass

from chalicelib.domain.instants import Instant

SCOPES = (
    "status:read",
    "receipts:read",
    "receipts:write",
    "links:write",
    "links:manage",
    "subjects:erase",
    "notices:read",
    "notices:write",
    "notices:approve",
)
"""What a key may be allowed to do, as far as the portal offers it today."""

ONLY_ON_REQUEST = frozenset({"links:manage"})
"""What no key may do unless it is asked for: `links:manage` opens patients' own pages to whoever has the key."""

PREFIX = "cpk_"
"""Lets a leaked key be recognised by scanners of source code."""


@dataclass(frozen=True, slots=True)
class BearerKey:
    """What is known of a key: whose it is and what it may do, never the key itself."""

    id: str
    clinic: str
    label: str
    scopes: tuple[str, ...]
    created_at: Instant
    revoked_at: Instant | None = None
    member: str | None = None
    """Which of several joint controllers it belongs to, by id: it sees the decisions that one shares; None sees all."""

    def stored(self) -> str:
        """Write the key's record."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, stored: str) -> "BearerKey":
        """Read a key's record."""
        kept = json.loads(stored)
        return cls(**{**kept, "scopes": tuple(kept["scopes"])})


def new_secret() -> str:
    """Make a key of 256 bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Give the hash a key is kept and found by. A key is random, so a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(secret.encode()).hexdigest()
