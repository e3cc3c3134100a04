"""A clinic's own sign-in for its staff: who its accounts are, and which group has which role.

OpenID Connect Core 1.0. Pure: no request is made here.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.staff import Role

SKEW = 60
"""By how many seconds the provider's clock may differ."""

MAX_SUBJECT = 255
"""How many characters a subject has at most (OpenID Connect Core 1.0, 2)."""


@dataclass(frozen=True, slots=True)
class SignInProvider:
    """Where a clinic's accounts sign in; the portal's secret there is kept sealed beside it."""

    clinic: str
    issuer: str
    client_id: str
    groups: tuple[tuple[str, Role], ...]
    """Which group has which role; the first that somebody is in counts."""
    claim: str
    """The claim of the ID token that names the groups, as a list or as one text."""
    salt: str
    made_at: Instant

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """Give the role that an ID token's groups lead to; None for none of them."""
        told = claims.get(self.claim)
        names = {told} if isinstance(told, str) else set(_texts(told))
        return next((role for group, role in self.groups if group in names), None)

    def account_of(self, subject: str) -> str:
        """Give the hash under which an account is kept and found."""
        named = json.dumps([self.clinic, self.issuer, subject])
        return hashlib.sha256(named.encode()).hexdigest()

    def stored(self) -> str:
        """Write the provider as JSON, without its clinic, which is its place."""
        values = asdict(self)
        del values["clinic"]
        return json.dumps(values)

    @classmethod
    def read(cls, clinic: str, stored: str) -> Self:
        """Read a provider from JSON."""
        values = json.loads(stored)
        values["groups"] = tuple((group, Role(role)) for group, role in values["groups"])
        return cls(clinic=clinic, **values)


def challenge_of(verifier: str) -> str:
    """Give the S256 challenge of a PKCE verifier (RFC 7636, 4.2)."""
    hashed = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()


def fault_of_claims(
    claims: Mapping[str, Any], provider: SignInProvider, nonce: str, now: Instant
) -> str | None:
    """Tell which claim of an ID token is wrong (OpenID Connect Core 1.0, 3.1.3.7); None for none."""
    at = moment(now).timestamp()
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else list(_texts(audience))
    subject, party = claims.get("sub"), claims.get("azp", provider.client_id)
    fine = {
        "iss": claims.get("iss") == provider.issuer,
        "aud": provider.client_id in audiences,
        "azp": party == provider.client_id and (len(audiences) == 1 or "azp" in claims),
        "exp": _seconds(claims, "exp") > at - SKEW,
        "iat": 0 < _seconds(claims, "iat") <= at + SKEW,
        "nonce": claims.get("nonce") == nonce,
        "sub": isinstance(subject, str) and 0 < len(subject) <= MAX_SUBJECT,
    }
    return next((name for name, is_fine in fine.items() if not is_fine), None)


LATEST = 10**11
"""A moment beyond this (the year 5138) is none: providers write ten digits."""


def proven_at(claims: Mapping[str, Any]) -> float:
    """Give when somebody proved to the provider who they are (seconds); 0 where it does not say."""
    return _seconds(claims, "auth_time")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    """Read a moment in seconds (RFC 7519, 2, NumericDate); 0 for what is none."""
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0.0
    return float(value) if 0 <= value < LATEST else 0.0


def _texts(value: object) -> Sequence[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
