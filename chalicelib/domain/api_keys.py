"""Bearer keys (RFC 6750) of a clinic's programs and staff: shown once, kept only as a hash."""

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass

from chalicelib.domain.instants import Instant

OWN_PAGES = "links:manage"
"""The scope of a key that is given links to patients' own pages, which it can open itself."""

SCOPES = (
    "status:read",
    "receipts:read",
    "receipts:write",
    "links:write",
    OWN_PAGES,
    "subjects:erase",
    "notices:read",
    "notices:write",
    "notices:approve",
    "export:read",
    "imports:write",
    "stats:read",
    "audit:read",
    "webhooks:read",
    "webhooks:write",
    "keys:write",
)
"""What a key may be allowed to do."""

ONLY_ON_REQUEST = frozenset({OWN_PAGES})
"""Scopes that a new key gets only if they are named."""

PREFIX = "cpk_"
"""What each key begins with, so that scanners of source code recognise a leaked one."""


@dataclass(frozen=True, slots=True)
class BearerKey:
    """The record of a key: whose it is and what it may do, never the key itself."""

    id: str
    clinic: str
    label: str
    scopes: tuple[str, ...]
    created_at: Instant
    revoked_at: Instant | None = None
    member: str | None = None
    """The id of the joint controller whose questions alone it sees; None for all questions."""

    def stored(self) -> str:
        """Write the record as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, stored: str) -> "BearerKey":
        """Read a record from JSON."""
        values = json.loads(stored)
        values["scopes"] = tuple(values["scopes"])
        return cls(**values)


def new_secret() -> str:
    """Make a key of 256 bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Give the hash under which a key is kept and found.

    A plain SHA-256 is enough: a key is 256 random bits, which nobody can guess.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
