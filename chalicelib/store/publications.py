"""Keeps where something of a patient was published, one item for each publication.

The places are encrypted: an address may name the person. They are encrypted under a salt of the
publication's own, so that the clinic can still take down what stands there after it has erased the
person.
"""

import itertools
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from chalicelib.domain.errors import ConcurrentWriteError, NotFoundError
from chalicelib.domain.publications import Publication, dump_places, load_places
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import publication_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Put, SetBody

PAGE = 100
"""How many publications one page of the list goes through."""

_SALT_BYTES = 16


class UnknownPublicationError(NotFoundError):
    """The clinic has no publication of this id."""


class PublicationChangedError(ConcurrentWriteError):
    """Somebody else changed the publication since it was read. Nothing was stored."""


@dataclass(frozen=True, slots=True)
class KeptPublication:
    """A publication as it was read, with what a change of it depends on."""

    publication: Publication
    salt: str = field(repr=False)
    body: str = field(repr=False)


def new_write(key: ClinicKey, publication: Publication) -> Put:
    """Give the write of a new publication; a condition is that there is none of its id."""
    salt = secrets.token_hex(_SALT_BYTES)
    values = {
        "body": _body(publication, salt, 1),
        "blob": _encrypted(key, publication, salt),
    }
    return Put(publication_key(key.clinic, publication.id), values)


def change_write(key: ClinicKey, kept: KeptPublication, changed: Publication) -> SetBody:
    """Give the write of a changed publication; a condition is that nobody else changed it."""
    revision = json.loads(kept.body)["revision"] + 1
    return SetBody(
        publication_key(key.clinic, changed.id),
        _body(changed, kept.salt, revision),
        was=kept.body,
        blob=_encrypted(key, changed, kept.salt),
    )


def find(table: Table, key: ClinicKey, publication: str) -> KeptPublication:
    """Give a publication by its id; raise UnknownPublicationError."""
    place = publication_key(key.clinic, publication)
    item = table.get([place]).get(place)
    if item is None:
        raise UnknownPublicationError(publication)
    return _read(key, item)


def page(table: Table, key: ClinicKey, after: str = "") -> tuple[list[KeptPublication], str | None]:
    """Give up to `PAGE` publications after an id, and the last id if more follow."""
    prefix = publication_key(key.clinic, "").sk
    items = list(itertools.islice(_items(table, key.clinic, after), PAGE + 1))
    found = [_read(key, item) for item in items[:PAGE]]
    last = items[PAGE - 1].sk.removeprefix(prefix) if len(items) > PAGE else None
    return found, last


def encrypted_values(
    table: Table, clinic: str
) -> Iterator[tuple[Key, bytes, tuple[str, str, str]]]:
    """Give each encrypted value: its place, the bytes, and for what it is encrypted."""
    for item in _items(table, clinic, ""):
        number = item.sk.partition("#")[2]
        salt = json.loads(item.body or "")["salt"]
        yield item.key, bytes(item.blob or b""), (number, salt, _WHAT)


_WHAT = "places"
"""What the places are encrypted as."""


def _items(table: Table, clinic: str, after: str) -> Iterator[Item]:
    first = publication_key(clinic, after)
    for item in table.from_key(first, publication_key(clinic, "").sk):
        if item.sk != first.sk:
            yield item


def _encrypted(key: ClinicKey, publication: Publication, salt: str) -> bytes:
    return key.encrypt(publication.id, salt, _WHAT, dump_places(publication.places))


def _body(publication: Publication, salt: str, revision: int) -> str:
    kept = {
        "subject": publication.subject,
        "question": publication.question,
        "recorded_at": publication.recorded_at,
        "recorded_with": publication.recorded_with,
        "told_at": publication.told_at,
        "salt": salt,
        "revision": revision,
    }
    return json.dumps(kept)


def _read(key: ClinicKey, item: Item) -> KeptPublication:
    number, kept = item.sk.partition("#")[2], json.loads(item.body or "")
    places = load_places(key.decrypt(number, kept["salt"], _WHAT, bytes(item.blob or b"")))
    publication = Publication(
        number,
        kept["subject"],
        kept["question"],
        places,
        kept["recorded_at"],
        kept["recorded_with"],
        kept["told_at"],
    )
    return KeptPublication(publication, kept["salt"], item.body or "")
