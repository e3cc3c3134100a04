"""Bearer keys (RFC 6750) of a clinic's programs and staff: shown once, kept only as a hash."""

import hashlib
import json
import secrets
import zlib
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from enum import StrEnum

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

LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""The characters of a key behind the prefix: a double click selects all of it."""

RANDOM_LETTERS = 43
"""62 to the 43rd is more than 2 to the 256th."""

CHECK_LETTERS = 6
"""62 to the 6th is more than 2 to the 32nd: room for a CRC-32."""

PATTERN = f"{PREFIX}[0-9A-Za-z]{{{RANDOM_LETTERS + CHECK_LETTERS}}}"
"""The regular expression by which a scanner finds keys; `has_checksum` tells a real one."""

LONGEST_LIFE = timedelta(days=400)
"""How long a key that is made by a call may be valid: a year, and weeks to change it."""

USUAL_LIFE = timedelta(days=365)
"""How long it is valid where the call names no end."""

LONGEST_OVERLAP = timedelta(days=7)
USUAL_OVERLAP = timedelta(hours=24)
"""How long the secret before goes on working when a key gets a new one."""

MOST_EARLIER = 4
"""How many earlier secrets of a key may be valid beside the current one."""


class KeyKind(StrEnum):
    """Who uses a key."""

    WORKER = "worker"
    PROGRAM = "program"


class KeyState(StrEnum):
    """What a key is at a moment; only a valid one opens anything."""

    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class EarlierSecret:
    """A secret that a key had before: its digest, and until when it is valid."""

    digest: str
    valid_until: Instant


@dataclass(frozen=True, slots=True)
class BearerKey:
    """The record of a key: whose it is and what it may do, never the key itself.

    The table holds it once for each of the key's secrets, so that a call needs one read.
    """

    id: str
    clinic: str
    label: str
    scopes: tuple[str, ...]
    created_at: Instant
    revoked_at: Instant | None = None
    member: str | None = None
    """The id of the joint controller whose questions alone it sees; None for all questions."""

    kind: KeyKind = KeyKind.PROGRAM
    made_by: str | None = None
    """The id of the key that made it; None for one that an operator made."""

    expires_at: Instant | None = None
    """When it ends by itself; None for one that does not, which only an operator makes."""

    rotated_at: Instant | None = None
    """When it got its present secret, where it had another before."""

    earlier: tuple[EarlierSecret, ...] = ()
    """Secrets it had before and that are still valid; in the record of the present one."""

    secret_until: Instant | None = None
    """In the record of an earlier secret: until when that one is valid."""

    def state(self, now: Instant) -> KeyState:
        """Tell what the key is at a moment."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyState.EXPIRED
        return KeyState.VALID

    def since(self, now: Instant) -> Instant:
        """Tell since when it is in its state."""
        ended = self.revoked_at or self.expires_at
        return self.created_at if self.state(now) is KeyState.VALID else ended or self.created_at

    def opens(self, now: Instant) -> bool:
        """Tell whether the secret with this record opens anything at a moment."""
        if self.secret_until is not None and self.secret_until <= now:
            return False
        return self.state(now) is KeyState.VALID

    def valid_earlier(self, now: Instant) -> tuple[EarlierSecret, ...]:
        """Give the earlier secrets that are valid at a moment."""
        return tuple(each for each in self.earlier if each.valid_until > now)

    def stored(self) -> str:
        """Write the record as JSON; what a key does not have is left out."""
        values = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value != each.default:
                values[each.name] = value
        if self.earlier:
            values["earlier"] = [asdict(each) for each in self.earlier]
        return json.dumps(values, ensure_ascii=False)

    @classmethod
    def read(cls, stored: str) -> "BearerKey":
        """Read a record from JSON."""
        values = json.loads(stored)
        values["scopes"] = tuple(values["scopes"])
        values["kind"] = KeyKind(values.get("kind", KeyKind.PROGRAM))
        values["earlier"] = tuple(EarlierSecret(**each) for each in values.get("earlier", ()))
        return cls(**values)


def new_secret() -> str:
    """Make a key of 256 random bits, with a checksum at its end."""
    random = "".join(secrets.choice(LETTERS) for _ in range(RANDOM_LETTERS))
    return PREFIX + random + _checksum(random)


def has_checksum(text: str) -> bool:
    """Tell whether a text has the form of a key and the right checksum.

    Needs no table: a scanner tells a key from a text that only looks like one. Keys made before
    there were checksums have 43 characters behind the prefix, and are valid all the same.
    """
    random = text.removeprefix(PREFIX)[:RANDOM_LETTERS]
    return len(random) == RANDOM_LETTERS and text == PREFIX + random + _checksum(random)


def _checksum(random: str) -> str:
    """Write the CRC-32 of a key's random part to the base of 62, six characters."""
    number = zlib.crc32(random.encode())
    written = ""
    for _ in range(CHECK_LETTERS):
        number, digit = divmod(number, len(LETTERS))
        written = LETTERS[digit] + written
    return written


def digest(secret: str) -> str:
    """Give the hash under which a key is kept and found.

    A plain SHA-256 is enough: a key is 256 random bits, which nobody can guess.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
