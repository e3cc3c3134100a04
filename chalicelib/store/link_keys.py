"""Link keys in the table, and the links that a program made under one.

A key's secret is kept encrypted under the clinic's data key: it opens what programs encrypted, so a
hash would not do.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from chalicelib.domain.instants import Instant
from chalicelib.domain.links import Link, LinkRecipient, LinkScope
from chalicelib.domain.program_links import (
    NONCE_BYTES,
    SECRET_BYTES,
    TAG_BYTES,
    BadClaimsError,
    LinkKey,
    ProgramToken,
    link_of,
)
from chalicelib.store.clinics import Clinics, UnknownClinicError
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.items import Item
from chalicelib.store.keys.programs import link_secret_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Put, SetBody

_SEALED = "link-key"
OPENS = frozenset({LinkScope.ASK, LinkScope.UNSUBSCRIBE})
"""What a link that a program made by itself opens; nothing else."""


@dataclass(frozen=True, slots=True)
class StoredLinkKey:
    """A link key as the table holds it."""

    key: LinkKey
    body: str = field(repr=False)
    blob: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProgramLink:
    """A link that a program made: its id, what it says, whom it is for, whether it still asks."""

    id: str
    link: Link
    recipient: LinkRecipient
    ended: bool
    """Whether its key is revoked, or its epoch over."""


def new(clinic_key: ClinicKey, key: LinkKey) -> tuple[str, Put]:
    """Make a key's secret, and the item that keeps it."""
    secret = base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    blob = clinic_key.encrypt(key.id, key.salt, _SEALED, secret)
    place = link_secret_key(key.clinic, key.id)
    return secret, Put(place, {"body": key.stored(), "blob": blob})


def read(table: Table, clinic: str, key_id: str) -> StoredLinkKey | None:
    """Read a clinic's link key by its id; None where it has none."""
    place = link_secret_key(clinic, key_id)
    found = table.get([place]).get(place)
    return _stored(found) if found else None


def of_clinic(table: Table, clinic: str) -> Iterator[StoredLinkKey]:
    """Give all link keys of a clinic."""
    return map(_stored, table.partition(link_secret_key(clinic, "").pk, ""))


def changed(stored: StoredLinkKey, key: LinkKey) -> SetBody:
    """Give the write by which a key is another, if it is as it was read."""
    return SetBody(link_secret_key(key.clinic, key.id), key.stored(), stored.body)


def open_program_link(
    table: Table, clinics: Clinics, token: ProgramToken, text: str, now: Instant
) -> ProgramLink | None:
    """Open a token; None where it is no link. Two round trips: the key, the clinic."""
    stored = read(table, token.clinic, token.key_id)
    if stored is None or len(token.nonce) != NONCE_BYTES or len(token.encrypted) < TAG_BYTES:
        return None
    claims = _decrypt(clinics.key(token.clinic), stored, token)
    if claims is None:
        return None
    try:
        published = clinics.in_force(token.clinic)
        asked = clinics.with_all_past_questions(published)
        link, contact, is_over = link_of(claims, stored.key, asked, now)
    except (BadClaimsError, UnknownClinicError):
        return None
    ended = is_over or stored.key.revoked_at is not None
    if stored.key.revoked_at is not None:
        link = replace(link, expires_at=min(link.expires_at, stored.key.revoked_at))
    return ProgramLink(
        hashlib.sha256(text.encode()).hexdigest(), link, LinkRecipient(contact), ended
    )


def _decrypt(key: ClinicKey, stored: StoredLinkKey, token: ProgramToken) -> bytes | None:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - 20 ms no page view needs
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

    record = stored.key
    secret = key.decrypt(record.id, record.salt, _SEALED, stored.blob)
    cipher = AESGCM(base64.urlsafe_b64decode(secret))
    try:
        claims: bytes = cipher.decrypt(token.nonce, token.encrypted, record.id.encode())
    except InvalidTag:
        return None
    return claims


def _stored(item: Item) -> StoredLinkKey:
    body = item.body or ""
    return StoredLinkKey(LinkKey.read(body), body, bytes(item.blob or b""))
