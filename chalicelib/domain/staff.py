"""The people of a clinic who sign in to its desk: who they are, and what their role may do.

A role is a set of the scopes that bearer keys have, so that the desk and the API obey one rule.
Each role sees what its work needs (GDPR Art. 5(1)(c), 32(4)): a reception opens people's records and
exports no list; marketing makes lists and opens no record.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from chalicelib.domain.api_keys import BearerKey, KeyKind
from chalicelib.domain.instants import Instant, instant, moment

SESSION_LIFETIME = timedelta(hours=2)
"""How long somebody stays signed in."""

INVITATION_LIFETIME = timedelta(hours=24)
"""How long an invitation can be taken up."""

FRESH = timedelta(minutes=5)
"""How long after somebody proved who they are they may open what asks for it anew."""

FRESH_FORM = timedelta(minutes=15)
"""The same for the form on such a page: whoever opened it has some time to fill it in."""

MEMBER_PREFIX = "staff_"
"""What the id of each member begins with: in the audit it tells them from keys."""


class Role(StrEnum):
    """What somebody does at the clinic."""

    RECEPTION = "reception"
    MARKETING = "marketing"
    PROTECTION = "protection"
    """The data protection officer (GDPR Art. 37-39)."""
    ADMINISTRATOR = "administrator"
    READER = "reader"


_SCOPES: Mapping[Role, tuple[str, ...]] = {
    Role.RECEPTION: (
        "status:read",
        "receipts:read",
        "receipts:write",
        "links:write",
        "notices:read",
    ),
    Role.MARKETING: ("stats:read", "export:read", "notices:read", "notices:write"),
    Role.PROTECTION: (
        "status:read",
        "receipts:read",
        "audit:read",
        "subjects:erase",
        "export:read",
        "stats:read",
        "notices:read",
        "notices:approve",
        "webhooks:read",
    ),
    Role.ADMINISTRATOR: (
        "keys:write",
        "webhooks:read",
        "webhooks:write",
        "notices:read",
        "notices:write",
        "notices:approve",
        "stats:read",
        "audit:read",
        "imports:write",
    ),
    Role.READER: ("status:read", "receipts:read", "stats:read", "notices:read"),
}


def scopes_of(role: Role) -> tuple[str, ...]:
    """Give the scopes of a role, in the order in which they are shown."""
    return _SCOPES[role]


def roles_with(*scopes: str) -> tuple[Role, ...]:
    """Give the roles that have one of these scopes."""
    return tuple(role for role in Role if set(scopes) & set(_SCOPES[role]))


@dataclass(frozen=True, slots=True)
class Passkey:
    """One credential of WebAuthn: the public key, never a secret."""

    id: str
    """The credential's id in base64url, without padding."""
    public_key: str
    """The COSE key (RFC 9052, 7) in base64url."""
    label: str
    """What its owner calls it."""
    made_at: Instant
    counter: int = 0
    """The signature counter at the last use; 0 for ever where the device keeps none."""
    used_on: str = ""
    """The day of the last use (UTC); "" before the first."""


@dataclass(frozen=True, slots=True)
class StaffMember:
    """Somebody who may sign in, or could once."""

    id: str
    clinic: str
    name: str
    role: Role
    lang: str
    """The language of their pages."""
    created_at: Instant
    invited_by: str
    """The id of the member who invited them; "operator" for the first."""
    ended_at: Instant | None = None
    """Since when they may nothing any more."""
    passkeys: tuple[Passkey, ...] = ()
    invitation: str = ""
    """The hash of the invitation that can be taken up: the latest alone."""
    account: str = ""
    """Who they are at the clinic's own sign-in (a hash of issuer and subject), where it has one."""

    @property
    def is_active(self) -> bool:
        """Whether they may sign in."""
        return self.ended_at is None

    @property
    def is_only_invited(self) -> bool:
        """Whether they never signed in: they have neither a passkey nor an account."""
        return not self.passkeys and not self.account

    @property
    def scopes(self) -> tuple[str, ...]:
        """What they may do."""
        return scopes_of(self.role)

    def as_key(self) -> BearerKey:
        """Give the member as services know whoever asks: by id, name and scopes."""
        return BearerKey(
            id=self.id,
            clinic=self.clinic,
            label=self.name,
            scopes=self.scopes,
            created_at=self.created_at,
            revoked_at=self.ended_at,
            kind=KeyKind.WORKER,
            made_by=self.invited_by,
        )

    def with_passkey(self, passkey: Passkey) -> Self:
        """Give the member with a passkey more, or with one as it is now."""
        others = tuple(each for each in self.passkeys if each.id != passkey.id)
        return replace(self, passkeys=(*others, passkey))

    def without_passkey(self, passkey_id: str) -> Self:
        """Give the member without one of their passkeys."""
        return replace(self, passkeys=tuple(p for p in self.passkeys if p.id != passkey_id))

    def stored(self) -> str:
        """Write the member as JSON; what says nothing is left out."""
        return _dump(asdict(self))

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read a member from JSON."""
        values = json.loads(stored)
        values["role"] = Role(values["role"])
        values["passkeys"] = tuple(Passkey(**each) for each in values.get("passkeys", ()))
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link by which a member makes a passkey: good once, for a day."""

    clinic: str
    member: str
    expires_at: Instant
    used_at: Instant | None = None

    def is_open(self, now: Instant) -> bool:
        """Tell whether it can be taken up."""
        return self.used_at is None and now < self.expires_at

    def stored(self) -> str:
        """Write the invitation as JSON."""
        return _dump(asdict(self))

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read an invitation from JSON."""
        return cls(**json.loads(stored))


@dataclass(frozen=True, slots=True)
class StaffSession:
    """Somebody signed in, in one browser. The secret is in its cookie, here only the hash."""

    digest: str
    clinic: str
    member: str
    begun_at: Instant
    proven_at: Instant
    """When they last proved who they are."""
    agent: str = ""
    """What the browser says it is, shortened: so that somebody knows their sessions apart."""
    ended_at: Instant | None = None

    @property
    def expires_at(self) -> Instant:
        """Until when it lasts, whatever is done in it."""
        return instant(moment(self.begun_at) + SESSION_LIFETIME)

    def is_open(self, now: Instant) -> bool:
        """Tell whether it opens the desk."""
        return self.ended_at is None and self.begun_at <= now < self.expires_at

    def is_fresh(self, now: Instant, within: timedelta = FRESH) -> bool:
        """Tell whether they proved who they are a short time ago."""
        return now < instant(moment(self.proven_at) + within)

    def stored(self) -> str:
        """Write the session as JSON, without its hash, which is its place."""
        values = asdict(self)
        del values["digest"]
        return _dump(values)

    @classmethod
    def read(cls, digest: str, stored: str) -> Self:
        """Read a session from JSON."""
        return cls(digest=digest, **json.loads(stored))


def new_member_id(nonce: str = "") -> str:
    """Give an id for somebody new: the same for a form that is sent twice, by its nonce."""
    number = digest(nonce)[:12] if nonce else secrets.token_hex(6)
    return f"{MEMBER_PREFIX}{number}"


def new_secret() -> str:
    """Give 256 random bits, for a cookie or an address."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Give the hash under which a secret of 256 random bits is kept and found."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _dump(values: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in values.items() if value not in (None, "", (), [])}
    return json.dumps(kept, ensure_ascii=False)
