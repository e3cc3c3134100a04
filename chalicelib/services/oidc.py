"""Signing in to the desk with the clinic's own accounts (OpenID Connect Core 1.0, 3.1).

Authorization code with PKCE (RFC 7636), state and nonce; the three stand in a signed cookie of the
browser that began, so nothing is stored for whoever only begins. The role comes from the groups of
each ID token. Who has no group any more is signed out of all sessions, and whose access was ended
here stays outside.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode

from itsdangerous import BadData, URLSafeSerializer

from chalicelib import log
from chalicelib.domain.errors import ConcurrentWriteError, NotFoundError, RejectedError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.one_line import one_line
from chalicelib.domain.sign_in_providers import (
    SKEW,
    SignInProvider,
    challenge_of,
    fault_of_claims,
    proven_at,
)
from chalicelib.domain.staff import Role, StaffMember, new_member_id
from chalicelib.messages.webhook_transport import UnreachableError, WebhookTransport, fault_of_url
from chalicelib.portal import Portal
from chalicelib.services import staff_sessions
from chalicelib.services.staff_entrance import count_try
from chalicelib.store import audit, sign_in_providers, staff
from chalicelib.store.table import ConflictError

BY_PROVIDER = "oidc"
"""Who let somebody in that a clinic's own sign-in named: for the team and the audit."""

BEGUN_LASTS = timedelta(minutes=10)
ALGORITHMS = ("RS256", "PS256", "ES256", "RS512", "ES384")
"""How an ID token may be signed: by a key that only the provider has."""

SECONDS = 5.0
MOST_READ = 128 * 1024
MOST_TOKEN = 16 * 1024
NAME_LENGTH = 100
TRIES = 5
_JSON_TYPE = {"Accept": "application/json"}
_NOT_PROVEN = "1970-01-01T00:00:00.000Z"


class SignInRefusedError(RejectedError):
    """Nobody was signed in. `reason` says which sentence tells why.

    ``unreachable``, ``not_completed``, ``expired``, ``refused``, ``no_group`` or ``ended``.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        log.log().warning("sign-in refused", reason=reason, detail=detail)


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the provider asks who somebody is, and what the browser keeps meanwhile."""

    address: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Returned:
    """What the browser came back with."""

    cookie: str
    state: str
    code: str
    error: str = ""
    issuer: str = ""
    """The parameter `iss` (RFC 9207); "" where the provider gives none."""


def begin(  # noqa: PLR0917 - where from, where to, for whom
    portal: Portal,
    clinic: str,
    redirect_uri: str,
    wanted: str,
    network: str,
    now: Instant,
    *,
    again: bool = False,
) -> Begun:
    """Give where somebody signs in with an account of a clinic's; with `again`, anew.

    Raises NotFoundError where the clinic has no such sign-in, TooManyError, SignInRefusedError.
    """
    count_try(portal, network, now)
    provider, _ = _provider(portal, clinic)
    described = _discovered(portal, provider)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid profile",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    if again:
        asked |= {"prompt": "login", "max_age": "0"}
    kept = _serializer(portal, clinic).dumps([state, nonce, verifier, wanted, now])
    address = described["authorization_endpoint"]
    joined = "&" if "?" in address else "?"
    return Begun(f"{address}{joined}{urlencode(asked)}", f"{clinic}.{kept}")


def complete(  # noqa: PLR0917 - as `begin`
    portal: Portal,
    returned: Returned,
    redirect_uri: str,
    network: str,
    agent: str,
    lang: str,
    now: Instant,
) -> tuple[str, str]:
    """Sign in whoever comes back from the provider; give the session's secret and where they go.

    Raises TooManyError, SignInRefusedError, ConcurrentWriteError.
    """
    count_try(portal, network, now)
    clinic, begun = _begun(portal, returned, now)
    nonce, verifier, wanted = begun
    try:
        provider, sealed = _provider(portal, clinic)
        secret = sign_in_providers.secret_of(portal.clinics.key(clinic), provider, sealed)
    except (NotFoundError, ValueError):
        raise SignInRefusedError("refused", "no provider") from None
    if returned.error or not returned.code:
        raise SignInRefusedError("not_completed")
    if returned.issuer and returned.issuer != provider.issuer:
        raise SignInRefusedError("refused", "iss of the answer")
    described = _discovered(portal, provider)
    token = _exchanged(portal, provider, described, secret, returned.code, verifier, redirect_uri)
    claims = _claims(token, _fetched(portal, described["jwks_uri"]))
    if fault := fault_of_claims(claims, provider, nonce, now):
        raise SignInRefusedError("refused", f"claim {fault}")
    member = _member(portal, provider, claims, lang, now)
    proven = _proven(claims, now)
    return staff_sessions.begin(portal, member, agent, now, proven), wanted


def _provider(portal: Portal, clinic: str) -> tuple[SignInProvider, bytes]:
    found = sign_in_providers.find(portal.table, clinic)
    if found is None:
        raise NotFoundError
    return found


def _begun(portal: Portal, returned: Returned, now: Instant) -> tuple[str, tuple[str, str, str]]:
    """Read what the browser kept: the clinic; nonce, verifier and where to go.

    Raises SignInRefusedError.
    """
    clinic, _, kept = returned.cookie.partition(".")
    try:
        state, nonce, verifier, wanted, at = _serializer(portal, clinic).loads(kept)
    except (BadData, NotFoundError, ValueError):
        raise SignInRefusedError("expired", "cookie") from None
    if not hmac.compare_digest(state.encode(), returned.state.encode()):
        raise SignInRefusedError("expired", "state")
    if not at <= now <= instant(moment(at) + BEGUN_LASTS):
        raise SignInRefusedError("expired", "too old")
    return clinic, (nonce, verifier, wanted)


def _serializer(portal: Portal, clinic: str) -> URLSafeSerializer:
    secret = portal.clinics.key(clinic).form_secret() + b"oidc"
    signing = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    return URLSafeSerializer(secret, salt="oidc", signer_kwargs=signing)


def _discovered(portal: Portal, provider: SignInProvider) -> Mapping[str, Any]:
    """Read what the provider says of itself (OpenID Connect Discovery 1.0, 4).

    Raises SignInRefusedError where it cannot be reached, or says it is another.
    """
    described = _fetched(portal, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration")
    loopback = portal.settings.webhooks_to_loopback
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    named = [described.get(name) for name in names]
    usable = all(
        isinstance(each, str) and not fault_of_url(each.partition("?")[0], loopback=loopback)
        for each in named
    )
    if described.get("issuer") != provider.issuer or not usable:
        raise SignInRefusedError("unreachable", "discovery")
    return described


def _fetched(
    portal: Portal,
    url: str,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Read a JSON object; raise SignInRefusedError."""
    loopback = portal.settings.webhooks_to_loopback
    transport = WebhookTransport(loopback=loopback, seconds=SECONDS)
    try:
        fetched = transport.fetch(url, MOST_READ, content, {**_JSON_TYPE, **(headers or {})})
        read = json.loads(fetched.content)
    except UnreachableError as error:
        raise SignInRefusedError("unreachable", str(error)) from None
    except (ValueError, RecursionError):
        raise SignInRefusedError("unreachable", "no JSON") from None
    if fetched.status != 200 or not isinstance(read, dict):  # noqa: PLR2004 - RFC 6749, 5.1
        raise SignInRefusedError("unreachable", f"status {fetched.status}")
    return read


def _exchanged(  # noqa: PLR0917 - the request has these parts
    portal: Portal,
    provider: SignInProvider,
    described: Mapping[str, Any],
    secret: str,
    code: str,
    verifier: str,
    redirect_uri: str,
) -> str:
    """Give the ID token for a code (RFC 6749, 4.1.3); raise SignInRefusedError."""
    asked = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": provider.client_id,
        "code_verifier": verifier,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    methods = described.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if "client_secret_basic" in methods:
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        asked["client_secret"] = secret
    answered = _fetched(portal, described["token_endpoint"], urlencode(asked).encode(), headers)
    token = answered.get("id_token")
    if not isinstance(token, str) or len(token) > MOST_TOKEN:
        raise SignInRefusedError("refused", "no token")
    return token


def _claims(token: str, published: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what an ID token says, signed by one of the keys published; raise SignInRefusedError."""
    from joserfc import jws  # noqa: PLC0415 - takes 100 ms, and few sign in so
    from joserfc.errors import JoseError  # noqa: PLC0415 - as above
    from joserfc.jwk import KeySet  # noqa: PLC0415 - as above

    listed = published.get("keys")
    keys = [
        key
        for key in (listed if isinstance(listed, list) else [])
        if isinstance(key, dict) and key.get("kty") in {"RSA", "EC"} and key.get("use") != "enc"
    ]
    try:
        checked = jws.deserialize_compact(
            token.encode(), KeySet.import_key_set({"keys": keys}), algorithms=list(ALGORITHMS)
        )
        claims = json.loads(checked.payload)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SignInRefusedError("refused", type(error).__name__) from None
    if not isinstance(claims, dict):
        raise SignInRefusedError("refused", "no claims")
    return claims


def _member(
    portal: Portal, provider: SignInProvider, claims: Mapping[str, Any], lang: str, now: Instant
) -> StaffMember:
    """Give who an ID token is of, in the role of their groups; make who is new.

    Raises SignInRefusedError where no group has a role, or their access was ended here.
    """
    account, role = provider.account_of(claims["sub"]), provider.role_of(claims)
    for _ in range(TRIES):
        found = staff.owner_of_account(portal.table, account)
        if found is not None and not found.is_active:
            raise SignInRefusedError("ended")
        if role is None:
            _sign_out(portal, found, now)
            raise SignInRefusedError("no_group")
        try:
            return _kept(portal, provider, found, _named(claims), role, account, lang, now)
        except ConflictError:
            continue
    raise ConcurrentWriteError


def _kept(  # noqa: PLR0917 - somebody is made of these
    portal: Portal,
    provider: SignInProvider,
    found: StaffMember | None,
    name: str,
    role: Role,
    account: str,
    lang: str,
    now: Instant,
) -> StaffMember:
    """Keep somebody as the provider names them; raise ConflictError."""
    clinic = provider.clinic
    if found is None:
        made = StaffMember(
            new_member_id(account), clinic, name, role, lang, now, BY_PROVIDER, account=account
        )
        line = audit.line(clinic, BY_PROVIDER, "staff/join", now, [], about=made.id)
        portal.table.write([staff.new_member(made), staff.new_account(made), line])
        return made
    after = replace(found, name=name, role=role)
    if after != found:
        line = audit.line(clinic, BY_PROVIDER, "staff/role", now, [], about=found.id)
        portal.table.write([staff.changed_member(found, after), line])
    return after


def _sign_out(portal: Portal, member: StaffMember | None, now: Instant) -> None:
    if member is not None:
        for each in staff_sessions.open_sessions(portal, member.clinic, member.id, now):
            staff_sessions.end(portal, each.digest, member, member.id, now)


def _named(claims: Mapping[str, Any]) -> str:
    for name in ("name", "preferred_username", "email"):
        told = claims.get(name)
        if isinstance(told, str) and (written := one_line(told)):
            return written[:NAME_LENGTH]
    return "–"


def _proven(claims: Mapping[str, Any], now: Instant) -> Instant:
    """Tell when somebody proved who they are: long ago where the provider does not say."""
    at = proven_at(claims)
    if not 0 < at <= moment(now).timestamp() + SKEW:
        return _NOT_PROVEN
    return min(now, instant(datetime.fromtimestamp(at, UTC)))
