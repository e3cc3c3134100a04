"""Bearer keys of clinics' programs and staff: create, list, revoke."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from secrets import token_hex

from chalicelib.domain.api_keys import ONLY_ON_REQUEST, SCOPES, BearerKey, digest, new_secret
from chalicelib.domain.instants import instant
from chalicelib.store.keys import api_key_key, clinic_key, key_name_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Put


class KeyCommandError(Exception):
    """A key command that cannot be carried out; the message says why."""


EVERYDAY_SCOPES = ("status:read", "receipts:read", "receipts:write")
"""What a new key may do unless told otherwise: asking and recording. Links, erasing and notices are for few."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of several joint controllers, by id, and the ids of all that there are."""

    id: str
    of: Sequence[str]


EVERY_SCOPE = tuple(scope for scope in SCOPES if scope not in ONLY_ON_REQUEST)
"""Everything that a key may be given without naming it."""


def create(
    table: Table, clinic: str, label: str, scopes: Sequence[str] = EVERY_SCOPE, *, member: Member | None = None
) -> tuple[BearerKey, str]:
    """Create a key for a clinic, or for one of its joint controllers.

    Gives its record and the secret, which is told once and kept only as a hash.
    """
    if not table.get([clinic_key(clinic)]):
        raise KeyCommandError(f"No clinic “{clinic}” is published. Publish its file first.")
    if not label.strip():
        raise KeyCommandError("A key needs a label: who uses it, for the audit.")
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise KeyCommandError(f"Unknown scope: {', '.join(unknown)}. Known: {', '.join(SCOPES)}.")
    if member and member.id not in member.of:
        raise KeyCommandError(f"{member.id} is no controller of {clinic}. Known: {', '.join(member.of)}.")
    secret, now = new_secret(), instant(datetime.now(UTC))
    key = BearerKey(f"key_{token_hex(6)}", clinic, label, tuple(scopes), now, member=member.id if member else None)
    table.put(Put(api_key_key(digest(secret)), {"body": key.stored()}))
    table.put(Put(key_name_key(clinic, key.id), {"body": digest(secret)}))
    return key, secret


def revoke(table: Table, clinic: str, key_id: str) -> BearerKey:
    """Revoke a key: from the next call on it opens nothing."""
    name = key_name_key(clinic, key_id)
    entry = table.get([name]).get(name)
    if entry is None or entry.body is None:
        raise KeyCommandError(f"{clinic} has no key {key_id}.")
    place = api_key_key(entry.body)
    key = BearerKey.read(table.get([place])[place].body or "")
    if key.revoked_at is None:
        key = replace(key, revoked_at=instant(datetime.now(UTC)))
        table.put(Put(place, {"body": key.stored()}))
    return key


def all_keys(table: Table, clinic: str) -> list[BearerKey]:
    """List a clinic's keys, revoked ones too."""
    places = [api_key_key(entry.body or "") for entry in table.partition(key_name_key(clinic, "").pk, "APIKEY#")]
    return [BearerKey.read(item.body or "") for item in table.get(places).values()]
