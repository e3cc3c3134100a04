"""Links into the portal, and the tokens that stand in their addresses.

A token is a random secret of 128 bits (`LinkSecret`) and a proof of 64 bits for which scope it was
made: HMAC-SHA-256 under the clinic's own key. One link has five tokens, one a scope (`LinkScope`);
nobody can turn a token for unsubscribing into one that shows decisions.

The table holds only the hash of the secret, and what belongs to the link encrypted under the secret
itself. Whoever reads the table can neither follow a link nor read whom it is for (OWASP ASVS 5.0,
14.2.1).
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Self

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import Instant, instant, moment

SECRET_BYTES, PROOF_BYTES = 16, 8
UNSUBSCRIBE_LIFETIME = timedelta(days=3 * 365)
"""How long a link in a message unsubscribes: as long as `clinic.PROOF_KEPT`.

An older message leads to the withdrawal page, so that no link opens anything for ever.
"""

PORTAL = "portal"
"""Who made a link (`Link.by`) that the portal itself sent to a person's own contact."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


class LinkScope(StrEnum):
    """What a token opens; it opens nothing else."""

    ASK = "ask"
    """The consent page, with the contact filled in already (`?t=`)."""

    MANAGE = "manage"
    """The patient's own page."""

    CONFIRM = "confirm"
    """Confirming a Yes that waits."""

    UNDO = "undo"
    """Taking back a withdrawal."""

    ERASE = "erase"
    """Confirming, from the person's own contact, that they want to be erased."""

    UNSUBSCRIBE = "unsubscribe"
    """Stopping what the link names. It works for `UNSUBSCRIBE_LIFETIME`, longer than the others."""


SHORT_WORDS = {
    LinkScope.ASK: "a",
    LinkScope.CONFIRM: "c",
    LinkScope.ERASE: "e",
    LinkScope.MANAGE: "m",
    LinkScope.UNDO: "u",
}
"""What stands before the token in the short addresses of text messages."""


def path_of(scope: LinkScope, token: str, clinic: str) -> str:
    """Give the path of the page that a token opens, below the portal's address."""
    if scope is LinkScope.ASK:
        return f"/{clinic}?t={token}"
    if scope is LinkScope.ERASE:
        return f"/manage/{token}/erase"
    return f"/{scope}/{token}"


def short_path_of(scope: LinkScope, token: str) -> str:
    """Give the path that leads to the same page from a text message, such as ``/c/…``."""
    return f"/{SHORT_WORDS[scope]}/{token}"


@dataclass(frozen=True, slots=True)
class Link:
    """What is stored of one link."""

    clinic: str
    subject: str | None
    """The person it is for; None for somebody whom the portal does not know yet."""
    lang: str
    addresses: tuple[str, ...]
    """The ids of the questions it is about; empty for all."""
    receipt: str | None
    """The receipt that is confirmed or undone by it."""
    created_at: Instant
    expires_at: Instant
    by: str
    """Who made it: the id of a bearer key, or `PORTAL`."""
    revoked_at: Instant | None = None
    manages: bool = False
    """Whether a link made by a key opens the patient's own page: only if the key has that scope."""

    @property
    def by_program(self) -> bool:
        """Whether a clinic's program made the link and knows it: to follow it proves no contact."""
        return self.by != PORTAL

    def stored(self) -> str:
        """Write the record as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read a record from JSON."""
        values = json.loads(stored)
        values["addresses"] = tuple(values["addresses"])
        return cls(**values)

    @property
    def unsubscribes_until(self) -> Instant:
        """Until when the link unsubscribes: longer than it opens anything else."""
        return max(self.expires_at, instant(moment(self.created_at) + UNSUBSCRIBE_LIFETIME))

    def opens(self, scope: LinkScope, now: Instant) -> bool:
        """Tell whether the link still opens a scope."""
        if scope is LinkScope.MANAGE and self.by_program and not self.manages:
            return False
        ends = self.unsubscribes_until if scope is LinkScope.UNSUBSCRIBE else self.expires_at
        return self.revoked_at is None and now < ends


@dataclass(frozen=True, slots=True)
class LinkRecipient:
    """Whom a link is for: the contact it was sent to, and the name if the clinic gave one."""

    contact: Contact
    name: str | None = None

    def plain(self) -> str:
        """Write it in clear, to be encrypted at once."""
        return json.dumps([self.contact.kind, self.contact.value, self.name], ensure_ascii=False)

    @classmethod
    def read(cls, plain: str) -> Self:
        """Read what was decrypted."""
        kind, value, name = json.loads(plain)
        return cls(Contact(ContactKind(kind), value), name)


@dataclass(frozen=True, slots=True)
class LinkSecret:
    """The random part of a link's tokens. Its `repr` does not show it."""

    value: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> Self:
        """Make a new secret."""
        return cls(secrets.token_bytes(SECRET_BYTES))

    @classmethod
    def derived(cls, secret: bytes, call: str) -> Self:
        """Make the secret that the same call gets again.

        It is derived from the clinic's key: nobody without that can tell it from a random one.
        """
        digest = hmac.digest(secret, f"handle|{call}".encode(), "sha256")
        return cls(digest[:SECRET_BYTES])

    @property
    def link_id(self) -> str:
        """The id under which the link is kept: SHA-256 of the secret, in hexadecimal."""
        return hashlib.sha256(self.value).hexdigest()

    def token(self, secret: bytes, scope: LinkScope) -> str:
        """Write the token for one scope: 32 characters that may stand in an address."""
        content = self.value + self._proof(secret, scope)
        return base64.urlsafe_b64encode(content).decode()

    def grants(self, secret: bytes, scope: LinkScope, proof: bytes) -> bool:
        """Tell whether a token's proof is the one for a scope."""
        return hmac.compare_digest(self._proof(secret, scope), proof)

    def _proof(self, secret: bytes, scope: LinkScope) -> bytes:
        """Give what only a token for this scope contains."""
        proven = scope.encode() + b"|" + self.value
        return hmac.digest(secret, proven, "sha256")[:PROOF_BYTES]


def read_token(token: str) -> tuple[LinkSecret, bytes] | None:
    """Take a token apart into its secret and its proof; None for what is not a token."""
    if not _TOKEN.fullmatch(token):
        return None
    content = base64.urlsafe_b64decode(token)
    return LinkSecret(content[:SECRET_BYTES]), content[SECRET_BYTES:]


def short_code(secret: bytes, receipt: str, contact: Contact) -> str:
    """Give the six digits that confirm a receipt from a phone.

    They are the same each time, and nobody can compute them without the clinic's key.
    """
    subject = f"code|{receipt}|{contact.kind}:{contact.value}"
    digest = hmac.digest(secret, subject.encode(), "sha256")
    number = int.from_bytes(digest[:8], "big") % 1_000_000
    return f"{number:06d}"
