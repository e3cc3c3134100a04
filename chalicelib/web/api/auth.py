"""Calls of a clinic's programs and staff: whose bearer key it is, and what it may do (RFC 6750)."""

from collections.abc import Callable, Mapping
from typing import Any

from chalice.app import Request

from chalicelib.domain.api_keys import BearerKey, digest
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.errors import NotFoundError, PortalError
from chalicelib.domain.instants import Instant
from chalicelib.portal import get_portal
from chalicelib.services.authorized_call import (
    AuthorizedCall,
    Body,
    EmptyBody,
    InvalidBodyError,
)
from chalicelib.store.bearer_keys import note_use, was_used_on
from chalicelib.web.api.body_reader import BodyReader, read_body
from chalicelib.web.api.errors import (
    EXPIRED_KEY,
    INVALID_KEY,
    LONG_IDEMPOTENCY_KEY,
    NO_KEY,
    SCOPE_MISSING,
    RefusedError,
)
from chalicelib.web.requests import (
    RawBody,
    base_url,
    check_json_headers,
    check_raw_headers,
    json_body,
    raw_body,
)

MAX_SECRET = 200
"""How many characters of a bearer key are looked at: ours have 53."""

MAX_IDEMPOTENCY_KEY = 200
MOST_REMEMBERED = 10_000
"""How many keys a process remembers to have opened a clinic."""

_WITH_BODY = frozenset({"POST", "PUT"})
"""The methods of calls whose body is read."""

Reader = Callable[[BodyReader], Body]
"""Reads the body of one call into its value."""


def authorize(
    request: Request,
    clinic: str,
    scope: str | tuple[str, ...],
    read: Reader[Body],
    *,
    body_optional: bool = False,
    for_all: bool = False,
    most: int | None = None,
    raw: RawBody | None = None,
) -> AuthorizedCall[Body]:
    """Authorize a call and read its body; one of several scopes is enough.

    Whoever brings no valid key costs one read, and no work on the body. A key that opened the
    clinic before in this process is read together with what the body asks about, so that a good
    call is one round trip. That read decides, so a revoked key opens nothing from then on. It also
    tells on which day the key was last used: the first call of a day notes that, in one more trip.

    With `body_optional` a POST may come without a body, which then counts as an empty object. A
    key of one of several joint controllers knows only the questions that one shares, unless what
    it records is `for_all` of them. `most` as for `Directory.look_up`. With `raw` the body is no
    JSON: `read` is given its bytes (`BodyReader.raw`).
    Raises RefusedError, InvalidBodyError, NotFoundError, and errors as `json_body`.
    """
    portal = get_portal()
    scopes = (scope,) if isinstance(scope, str) else scope
    secret = digest(_bearer_key(request))
    idempotency_key = _idempotency_key(request)
    if raw is not None:
        check_raw_headers(request, raw)
    elif request.method in _WITH_BODY:
        check_json_headers(request)
    opening = (clinic, secret)
    if opening not in portal.keys_seen:
        _check_key(portal.directory.api_key(secret), clinic, scopes, portal.clock())
        _remember(portal.keys_seen, opening)
    now = portal.clock()
    while True:
        published = portal.clinics.remembered(clinic) or portal.directory.look_up(clinic).published
        known = portal.clinics.with_all_past_questions(published)
        sent = raw_body(request, raw) if raw else _body_sent(request, optional=body_optional)
        body = _read(read, known, sent, now)
        contacts = () if isinstance(body, InvalidBodyError | RefusedError) else body.contacts
        lookup = portal.directory.look_up(clinic, contacts, api_key_digest=secret, most=most)
        try:
            key = _check_key(lookup.api_key, clinic, scopes, now)
        except PortalError:
            portal.keys_seen.discard(opening)
            raise
        current = lookup.published
        if current.published == published.published and current.clinic.version == known.version:
            break
        # A notice was published since this process last looked: read the body by that one.
    if not was_used_on(lookup.api_key_used, now):
        note_use(portal.table, secret, now)
    shared = known.limited_to_controller(key.member)
    if key.member is not None and not for_all:
        body = _read(read, shared, sent, now)
    if isinstance(body, InvalidBodyError | RefusedError):
        raise body
    address = base_url(request, portal.settings.public_url)
    return AuthorizedCall(key, body, lookup, portal.clock(), shared, address, idempotency_key)


def no_body(body: BodyReader) -> EmptyBody:
    """Read the body of a call that has none."""
    body.only()
    return EmptyBody()


def _read(
    read: Reader[Body], clinic: Clinic, sent: Mapping[str, Any] | bytes, now: Instant
) -> Body | InvalidBodyError | RefusedError:
    """Read a body, or give its faults: no answer names them before the key is checked."""
    try:
        return read_body(read, clinic, sent, now)
    except (InvalidBodyError, RefusedError) as invalid:
        return invalid


def _body_sent(request: Request, *, optional: bool) -> Mapping[str, Any]:
    if request.method not in _WITH_BODY or (optional and not request.raw_body):
        return {}
    return json_body(request)


def _bearer_key(request: Request) -> str:
    header = str(request.headers.get("authorization", ""))
    scheme, _, secret = header[: len("Bearer ") + MAX_SECRET].partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise RefusedError(NO_KEY)
    return secret.strip()


def _idempotency_key(request: Request) -> str | None:
    key = str(request.headers.get("idempotency-key", ""))
    if len(key) > MAX_IDEMPOTENCY_KEY:
        raise RefusedError(LONG_IDEMPOTENCY_KEY, most=MAX_IDEMPOTENCY_KEY)
    return key or None


def _remember(seen: set[tuple[str, str]], opening: tuple[str, str]) -> None:
    """Remember that a key opened a clinic; start again where a process has seen too many."""
    if len(seen) >= MOST_REMEMBERED:
        seen.clear()
    seen.add(opening)


def _check_key(stored: str | None, clinic: str, scopes: tuple[str, ...], now: Instant) -> BearerKey:
    """Read a key's record, and refuse the call where it may not do this in this clinic."""
    key = BearerKey.read(stored) if stored else None
    if key is None or key.revoked_at is not None:
        raise RefusedError(INVALID_KEY)
    if not key.opens(now):
        raise RefusedError(EXPIRED_KEY)
    if key.clinic != clinic:
        raise NotFoundError
    if not set(scopes) & set(key.scopes):
        raise RefusedError(SCOPE_MISSING, scopes=" or ".join(scopes))
    return key
