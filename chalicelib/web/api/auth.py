"""Calls of a clinic's programs and staff: whose key it is, what it may do, and the audit line each call leaves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from chalice.app import Request

from chalicelib.domain.api_keys import BearerKey, digest
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import NotFoundError, PortalError
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import get_portal
from chalicelib.store import audit
from chalicelib.store.lookup import Lookup
from chalicelib.store.table import Put
from chalicelib.web.api.body_reader import InvalidBodyError
from chalicelib.web.api.errors import INVALID_KEY, LONG_IDEMPOTENCY_KEY, NO_KEY, SCOPE_MISSING, RefusedError
from chalicelib.web.requests import check_json_headers, json_body

MAX_SECRET = 200
"""How many characters of a bearer key are looked at: ours have 47."""

MAX_IDEMPOTENCY_KEY = 200
MOST_REMEMBERED = 10_000
"""How many keys a process remembers to have opened a clinic."""


class HasContacts(Protocol):
    """What every body that is about somebody has."""

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Give the contacts to look up."""


Body = TypeVar("Body", bound=HasContacts)


@dataclass(frozen=True, slots=True)
class EmptyBody:
    """The body of a call that has none."""

    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthorizedCall(Generic[Body]):
    """An authorised call: by which key, about what, and what one look into the table found."""

    key: BearerKey
    body: Body
    lookup: Lookup
    now: Instant
    shared: Clinic
    """The clinic with every question it ever asked, as far as the key's controller shares them."""

    request: Request

    def may_see(self, receipt: Receipt) -> bool:
        """Tell whether every decision of a receipt is one the key's controller shares; none is told in part."""
        return self.key.member is None or receipt.document["decisions"].keys() <= self.shared.questions.keys()

    def audit(
        self, what: str, subjects: Sequence[Subject], receipt: str | None = None, *, notice: str | None = None
    ) -> Put:
        """Write the audit line of this call: key, call, opaque subject ids, receipt or notice, never a contact."""
        looked_up = [subject.id for subject in subjects]
        return audit.line(self.key.clinic, self.key.id, what, self.now, looked_up, receipt=receipt, notice=notice)


def authorize(
    request: Request,
    clinic: str,
    scope: str | tuple[str, ...],
    read: Callable[[Clinic, Any], Body],
    *,
    body_optional: bool = False,
    for_all: bool = False,
    most: int | None = None,
) -> AuthorizedCall[Body]:
    """Authorise a call and read its body; raise RefusedError, InvalidBodyError, and errors as `json_body`.

    Whoever brings no valid key costs one read, and no work on the body. A key that opened the clinic before in this
    process is read together with what the body asks about, so that a good call is one round trip; that read decides
    about it, so that a revoked key opens nothing from the moment it is revoked.

    With `body_optional` a POST may come without a body, which then counts as an empty object. A key of one of several
    joint controllers knows only the decisions that one shares, unless what it says is `for_all` of them.
    `most` as for `Directory.look_up`.
    """
    portal = get_portal()
    secret = digest(_bearer(str(request.headers.get("authorization", ""))))
    _check_idempotency_key(request)
    if request.method == "POST":
        check_json_headers(request)
    if (clinic, secret) not in portal.keys_seen:
        _opened_by(portal.directory.api_key(secret), clinic, scope)
        _remember(portal.keys_seen, (clinic, secret))
    published = portal.clinics.remembered(clinic) or portal.directory.look_up(clinic).published
    known = portal.clinics.with_all_past_questions(published)
    given = request.method == "POST" and (request.raw_body or not body_optional)
    sent = json_body(request) if given else {}
    body, errors = _read(read, known, sent)
    lookup = portal.directory.look_up(clinic, body.contacts if body else (), api_key_digest=secret, most=most)
    try:
        key = _opened_by(lookup.api_key, clinic, scope)
    except PortalError:
        portal.keys_seen.discard((clinic, secret))
        raise
    if lookup.published.published != published.published or lookup.published.clinic.version != known.version:
        # A notice was published since this process last looked.
        return authorize(request, clinic, scope, read, body_optional=body_optional, for_all=for_all, most=most)
    shared = known.limited_to_controller(key.member)
    if key.member is not None and not for_all:
        body, errors = _read(read, shared, sent)
    if body is None:
        raise InvalidBodyError(errors)
    return AuthorizedCall(key, body, lookup, get_portal().clock(), shared, request)


def _read(
    read: Callable[[Clinic, Any], Body], clinic: Clinic, sent: Mapping[str, Any]
) -> tuple[Body | None, list[dict[str, str]]]:
    try:
        return read(clinic, sent), []
    except InvalidBodyError as invalid:
        return None, invalid.errors


def _bearer(header: str) -> str:
    scheme, _, secret = header[: len("Bearer ") + MAX_SECRET].partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise RefusedError(NO_KEY)
    return secret.strip()


def _check_idempotency_key(request: Request) -> None:
    if len(str(request.headers.get("idempotency-key", ""))) > MAX_IDEMPOTENCY_KEY:
        raise RefusedError(LONG_IDEMPOTENCY_KEY, most=MAX_IDEMPOTENCY_KEY)


def _remember(seen: set[tuple[str, str]], opened: tuple[str, str]) -> None:
    """Remember that a key opened a clinic; beginning anew where a process has seen too many."""
    if len(seen) >= MOST_REMEMBERED:
        seen.clear()
    seen.add(opened)


def _opened_by(stored: str | None, clinic: str, scope: str | tuple[str, ...]) -> BearerKey:
    key = BearerKey.read(stored) if stored else None
    if key is None or key.revoked_at is not None:
        raise RefusedError(INVALID_KEY)
    if key.clinic != clinic:
        raise NotFoundError
    enough = (scope,) if isinstance(scope, str) else scope
    if not set(enough) & set(key.scopes):
        raise RefusedError(SCOPE_MISSING, scopes=" or ".join(enough))
    return key
