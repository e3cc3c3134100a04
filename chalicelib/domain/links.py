"""Links into the portal: what stands in an address is only a handle, and each opens one thing.

A token is a random handle of 128 bits and 64 bits that prove for what it was made (HMAC-SHA-256 under the clinic's own
key). The table knows the hash of the handle alone, and what the link holds is sealed under the handle itself: whoever
reads the table can neither follow a link nor read whom it is for (OWASP ASVS 5.0, 14.2.1). The five tokens of one
link cost one item, and nobody turns an unsubscribing token into one that shows decisions.
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

HANDLE_BYTES, PROOF_BYTES = 16, 8
UNSUBSCRIBE_LIFETIME = timedelta(days=3 * 365)
"""For how long a message can be stopped by its own link: as long as proof is kept by default. An older message leads to
the page on which one says who one is, so that nothing anywhere opens for ever."""

PORTAL = "portal"
"""Who made a link that the portal itself sent to a person's own contact."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


class LinkScope(StrEnum):
    """What a token opens, and nothing else."""

    ASK = "ask"
    """The consent page, with the contact known already (`?t=`)."""

    MANAGE = "manage"
    """The patient's own page."""

    CONFIRM = "confirm"
    """Confirming what waits."""

    UNDO = "undo"
    """Taking back a withdrawal."""

    ERASE = "erase"
    """Confirming, from the person's own contact, that they want to be erased."""

    UNSUBSCRIBE = "unsubscribe"
    """Stopping what the link names, and only that: it works for `UNSUBSCRIBE_LIFETIME`, longer than all else."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link: of which clinic, for whom, about what, until when, made by whom.

    `subject` is None for somebody the portal does not know yet. `addresses` are the decisions it is about, none
    meaning all of them; `receipt` the one that is confirmed or undone. `by` is a bearer key's id, or "portal".
    `manages` says whether the link of a bearer key opens the patient's own page: only if its key has that scope.
    """

    clinic: str
    subject: str | None
    lang: str
    addresses: tuple[str, ...]
    receipt: str | None
    created_at: Instant
    expires_at: Instant
    by: str
    revoked_at: Instant | None = None
    manages: bool = False

    @property
    def by_program(self) -> bool:
        """Whether a clinic's program made the link and has it in its hands: following it proves no contact."""
        return self.by != PORTAL

    def stored(self) -> str:
        """Write the link's record."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read a link's record."""
        kept = json.loads(stored)
        return cls(**{**kept, "addresses": tuple(kept["addresses"])})

    @property
    def unsubscribes_until(self) -> Instant:
        """Until when the link stops things: longer than it opens anything else."""
        return max(self.expires_at, instant(moment(self.created_at) + UNSUBSCRIBE_LIFETIME))

    def opens(self, power: LinkScope, now: Instant) -> bool:
        """Tell whether the link still opens this."""
        if power is LinkScope.MANAGE and self.by_program and not self.manages:
            return False
        ends = self.unsubscribes_until if power is LinkScope.UNSUBSCRIBE else self.expires_at
        return self.revoked_at is None and now < ends


@dataclass(frozen=True, slots=True)
class LinkRecipient:
    """Whom a link is for: the contact it was sent to, and the name if the clinic told it."""

    contact: Contact
    name: str | None = None

    def plain(self) -> str:
        """Write the holder, to be sealed."""
        return json.dumps([self.contact.kind, self.contact.value, self.name], ensure_ascii=False)

    @classmethod
    def read(cls, plain: str) -> Self:
        """Read a holder that was unsealed."""
        kind, value, name = json.loads(plain)
        return cls(Contact(ContactKind(kind), value), name)


@dataclass(frozen=True, slots=True)
class LinkSecret:
    """The random part of a link. Its representation says nothing."""

    value: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> Self:
        """Make a handle."""
        return cls(secrets.token_bytes(HANDLE_BYTES))

    @classmethod
    def derived(cls, secret: bytes, said: str) -> Self:
        """Make the handle that the same call gives again: nobody without the clinic's key can tell it from chance."""
        return cls(hmac.digest(secret, f"handle|{said}".encode(), "sha256")[:HANDLE_BYTES])

    @property
    def link_id(self) -> str:
        """The id under which the link is kept and revoked: SHA-256 of the handle, in hexadecimal."""
        return hashlib.sha256(self.value).hexdigest()

    def token(self, secret: bytes, power: LinkScope) -> str:
        """Write the token for one power: 32 characters fit for an address."""
        return base64.urlsafe_b64encode(self.value + self._proof(secret, power)).decode()

    def grants(self, secret: bytes, power: LinkScope, proof: bytes) -> bool:
        """Tell whether a token's proof is the one for this power."""
        return hmac.compare_digest(self._proof(secret, power), proof)

    def _proof(self, secret: bytes, power: LinkScope) -> bytes:
        return hmac.digest(secret, power.encode() + b"|" + self.value, "sha256")[:PROOF_BYTES]


def read_token(token: str) -> tuple[LinkSecret, bytes] | None:
    """Take a token apart into its handle and its proof; None for what is none."""
    if not _TOKEN.fullmatch(token):
        return None
    content = base64.urlsafe_b64decode(token)
    return LinkSecret(content[:HANDLE_BYTES]), content[HANDLE_BYTES:]


def short_code(secret: bytes, receipt: str, contact: Contact) -> str:
    """Give the six digits that confirm a receipt from a phone: the same each time, known to nobody without the key."""
    said = f"code|{receipt}|{contact.kind}:{contact.value}".encode()
    return f"{int.from_bytes(hmac.digest(secret, said, 'sha256')[:8], 'big') % 1_000_000:06d}"
