"""Bearer keys of a clinic's workers and programs: made, listed, given a new secret, revoked.

The calls of the API are `create_key`, `list_keys`, `get_key`, `rotate_key` and `revoke_key`; the
operator's commands use `issue`, `give_new_secret` and `revoke`, which know no key that asks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from chalicelib.domain.api_keys import (
    MOST_EARLIER,
    USUAL_LIFE,
    BearerKey,
    EarlierSecret,
    KeyKind,
    KeyState,
    digest,
    new_secret,
)
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import ConcurrentWriteError, NotFoundError, RejectedError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import (
    AuthorizedCall,
    EmptyBody,
    UsedForAnotherBodyError,
)
from chalicelib.store import bearer_keys
from chalicelib.store.bearer_keys import StoredKey
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import Put, Write

TRIES = 5
"""How often a change of a key is tried while others change the same one."""


class UnknownKeyError(NotFoundError):
    """The clinic has no key of this id, or it is another controller's."""


class MoreThanItHasError(RejectedError):
    """A key would be given, or get the secret of, what the key that asks may not do itself."""

    def __init__(self, scopes: Sequence[str]) -> None:
        super().__init__(", ".join(scopes))


class AnotherControllersError(RejectedError):
    """The key of one joint controller would make a key for another, or for all of them."""


class KeyEndedError(RejectedError):
    """The key is revoked or has expired: it gets no new secret."""

    def __init__(self, state: KeyState) -> None:
        super().__init__(state)


class TooManySecretsError(RejectedError):
    """Too many earlier secrets of the key are valid still."""

    def __init__(self) -> None:
        super().__init__("given too many secrets already")


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a new key is to be; no `expires_at` means a year, no `member` all controllers."""

    label: str
    kind: KeyKind
    scopes: tuple[str, ...]
    expires_at: Instant | None = None
    member: str | None = None
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Rotation:
    """A call for a new secret: how long earlier ones stay valid, when the key ends from now on.

    No `expires_at` means a year from now, where the key ends at all.
    """

    overlap: timedelta
    expires_at: Instant | None = None
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key and its new secret; None where the same call made it before: it is shown once."""

    stored: StoredKey
    secret: str | None


def create_key(portal: Portal, call: AuthorizedCall[NewKey]) -> IssuedKey:
    """Make a key, with no more scopes than the key that asks, and for no other controller.

    The same call with the same Idempotency-Key gives the same key, without its secret.
    Raises MoreThanItHasError, AnotherControllersError, UsedForAnotherBodyError.
    """
    asked = call.body
    _require_scopes(call, asked.scopes)
    own = call.key.member
    if own is not None and asked.member not in (None, own):
        raise AnotherControllersError
    receipt_secret = portal.clinics.key(call.clinic).receipt_secret()
    key = BearerKey(
        id=f"key_{call.receipt_id(receipt_secret)[:12]}",
        clinic=call.clinic,
        label=asked.label,
        scopes=asked.scopes,
        created_at=call.now,
        member=own or asked.member,
        kind=asked.kind,
        made_by=call.key.id,
        expires_at=asked.expires_at or _after(call.now, USUAL_LIFE),
    )
    try:
        secret = issue(portal.table, key, call.audit("keys/create", about=key.id))
    except ConflictError:
        return _made_before(portal.table, call, key)
    return IssuedKey(_read(portal.table, call.clinic, key.id), secret)


def list_keys(
    portal: Portal, call: AuthorizedCall[EmptyBody], after: str
) -> tuple[list[StoredKey], str | None]:
    """Give a page of the clinic's keys, those that ended too, and where the list goes on.

    The key of one of several joint controllers is shown that one's keys alone.
    """
    keys, more = bearer_keys.page(portal.table, call.clinic, after)
    portal.table.put_new(call.audit("keys/list"))
    return [each for each in keys if _may_see(call.key, each.key)], more


def get_key(portal: Portal, call: AuthorizedCall[EmptyBody], key_id: str) -> StoredKey:
    """Give one key. Raises UnknownKeyError."""
    stored = _seen_by(portal.table, call.key, key_id)
    portal.table.put_new(call.audit("keys/read", about=key_id))
    return stored


def rotate_key(portal: Portal, call: AuthorizedCall[Rotation], key_id: str) -> IssuedKey:
    """Give a key a new secret; whoever asks is shown it, so the key may do no more than theirs.

    Raises UnknownKeyError, MoreThanItHasError, KeyEndedError, TooManySecretsError.
    """
    stored = _seen_by(portal.table, call.key, key_id)
    _require_scopes(call, stored.key.scopes)
    line = call.audit("keys/rotate", about=key_id)
    secret = give_new_secret(portal.table, call.clinic, key_id, call.body, now=call.now, line=line)
    return IssuedKey(_read(portal.table, call.clinic, key_id), secret)


def revoke_key(portal: Portal, call: AuthorizedCall[EmptyBody], key_id: str) -> StoredKey:
    """Revoke a key: the next call with any of its secrets is refused. Raises UnknownKeyError.

    A key may revoke itself, and one that may do more than itself: nothing is opened by it.
    """
    _seen_by(portal.table, call.key, key_id)
    line = call.audit("keys/revoke", about=key_id)
    return revoke(portal.table, call.clinic, key_id, call.now, line)


def issue(table: Table, key: BearerKey, line: Put) -> str:
    """Write a new key with its audit line and give its secret, of which only a hash is kept.

    Raises ConflictError where there is a key of this id.
    """
    secret = new_secret()
    table.write([*bearer_keys.new(key, digest(secret)), line])
    return secret


def give_new_secret(
    table: Table, clinic: str, key_id: str, rotation: Rotation, *, now: Instant, line: Put
) -> str:
    """Give a key a new secret, and return it. Secrets before it are valid for the overlap.

    Raises UnknownKeyError, KeyEndedError, TooManySecretsError.
    """
    secret = new_secret()

    def writes(stored: StoredKey) -> list[Write]:
        return _rotated(stored, digest(secret), rotation, now)

    _change(table, clinic, key_id, line, writes)
    return secret


def revoke(table: Table, clinic: str, key_id: str, now: Instant, line: Put) -> StoredKey:
    """Revoke a key, and give it; one that was revoked before keeps its time.

    Raises UnknownKeyError.
    """

    def writes(stored: StoredKey) -> list[Write]:
        if stored.key.revoked_at is not None:
            return []
        return bearer_keys.revoked(stored, replace(stored.key, revoked_at=now))

    _change(table, clinic, key_id, line, writes)
    return _read(table, clinic, key_id)


def _change(
    table: Table,
    clinic: str,
    key_id: str,
    line: Put,
    writes: Callable[[StoredKey], list[Write]],
) -> None:
    """Change a key as it is read, with the audit line; again where another was first."""
    for _ in range(TRIES):
        stored = _read(table, clinic, key_id)
        try:
            table.write([*writes(stored), line])
        except ConflictError:
            continue
        return
    raise ConcurrentWriteError


def _rotated(stored: StoredKey, new: str, rotation: Rotation, now: Instant) -> list[Write]:
    """Give the writes of a new secret, by its digest."""
    before = stored.key
    state = before.state(now)
    if state is not KeyState.VALID:
        raise KeyEndedError(state)
    expires_at = rotation.expires_at
    if expires_at is None and before.expires_at is not None:
        expires_at = max(before.expires_at, _after(now, USUAL_LIFE))
    latest = min(_after(now, rotation.overlap), expires_at or _after(now, rotation.overlap))
    ends = {each.digest: min(each.valid_until, latest) for each in before.earlier}
    ends[stored.present.digest] = latest
    earlier = [EarlierSecret(each, end) for each, end in ends.items() if end > now]
    if len(earlier) > MOST_EARLIER:
        raise TooManySecretsError
    key = replace(before, rotated_at=now, expires_at=expires_at, earlier=tuple(earlier))
    return bearer_keys.rotated(stored, key, new, ends)


def _made_before(table: Table, call: AuthorizedCall[NewKey], key: BearerKey) -> IssuedKey:
    """Give the key that an earlier call with this Idempotency-Key made, if it asked for this."""
    stored = _read(table, call.clinic, key.id)
    asked, made = key, stored.key
    same = (made.label, made.kind, made.scopes, made.member, made.made_by) == (
        asked.label,
        asked.kind,
        asked.scopes,
        asked.member,
        asked.made_by,
    )
    ends = call.body.expires_at
    if not same or (ends is not None and made.rotated_at is None and made.expires_at != ends):
        raise UsedForAnotherBodyError
    table.put_new(call.audit("keys/create", about=key.id))
    return IssuedKey(stored, None)


def _require_scopes(
    call: AuthorizedCall[NewKey] | AuthorizedCall[Rotation], of: Sequence[str]
) -> None:
    missing = [scope for scope in of if scope not in call.key.scopes]
    if missing:
        raise MoreThanItHasError(missing)


def _seen_by(table: Table, asking: BearerKey, key_id: str) -> StoredKey:
    stored = _read(table, asking.clinic, key_id)
    if not _may_see(asking, stored.key):
        raise UnknownKeyError(key_id)
    return stored


def _may_see(asking: BearerKey, key: BearerKey) -> bool:
    return asking.member is None or asking.member == key.member


def _read(table: Table, clinic: str, key_id: str) -> StoredKey:
    stored = bearer_keys.read(table, clinic, key_id)
    if stored is None:
        raise UnknownKeyError(key_id)
    return stored


def _after(now: Instant, time: timedelta) -> Instant:
    return instant(moment(now) + time)
