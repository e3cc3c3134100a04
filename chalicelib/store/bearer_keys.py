"""Bearer keys in the table: a record for each secret, found by its digest, and a list by id.

A call reads the record of the secret it came with, and nothing else. So what concerns all secrets
of a key, such as its revocation, is written to each of their records in one transaction. The list
names the digest of the present secret, whose record names the earlier ones that may be valid.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.instants import Instant
from chalicelib.store.items import Item
from chalicelib.store.keys.programs import api_key_key, key_name_key
from chalicelib.store.table import ConflictError, ContendedError, Table, UnavailableError
from chalicelib.store.writes import Put, RaiseNumber, SetBody, Write

MOST = 100
"""How many keys a page of the list holds."""


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """One secret of a key as the table holds it.

    `last_used_on` is a day (UTC), such as "2026-11-22".
    """

    digest: str
    body: str
    last_used_on: str | None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the table holds it: its record, its present secret, and earlier ones."""

    key: BearerKey
    present: StoredSecret
    earlier: Mapping[str, StoredSecret]
    """By digest: those that the record names."""

    @property
    def last_used_on(self) -> str | None:
        """The day of its last use, by whichever secret; None where it was never used."""
        secrets = [self.present, *self.earlier.values()]
        return max((each.last_used_on for each in secrets if each.last_used_on), default=None)


def read(table: Table, clinic: str, key_id: str) -> StoredKey | None:
    """Read a clinic's key by its id; None where it has none."""
    name = key_name_key(clinic, key_id)
    found = table.get([name]).get(name)
    return _load(table, [found])[0] if found else None


def named(table: Table, clinic: str, key_ids: Collection[str]) -> Mapping[str, BearerKey]:
    """Give the records of a clinic's keys, by id; what it has not is left out.

    Three round trips at most.
    """
    names = table.get([key_name_key(clinic, each) for each in key_ids])
    return {stored.key.id: stored.key for stored in _load(table, list(names.values()))}


def page(table: Table, clinic: str, after: str) -> tuple[list[StoredKey], str | None]:
    """Give a page of a clinic's keys in the order of their ids, and its last id if more follow.

    `after` is the id that the page before ended with, "" for the first.
    """
    last = key_name_key(clinic, after)
    found = list(itertools.islice(table.after_key(last.pk, last.sk), MOST + 1))
    keys = _load(table, found[:MOST])
    return keys, keys[-1].key.id if len(found) > MOST else None


def new(key: BearerKey, digest: str) -> list[Write]:
    """Give the writes of a new key; a condition of each is that there is none of its id."""
    return [
        Put(api_key_key(digest), {"body": key.stored()}),
        Put(key_name_key(key.clinic, key.id), {"body": digest}),
    ]


def rotated(
    stored: StoredKey, key: BearerKey, digest: str, ends: Mapping[str, Instant]
) -> list[Write]:
    """Give the writes of a new secret, on condition that the key is as it was read.

    `key` is the record of the new secret. `ends` says until when each secret it had is valid, by
    digest, the one that was the present among them.
    """
    had = {**stored.earlier, stored.present.digest: stored.present}
    return [
        Put(api_key_key(digest), {"body": key.stored()}),
        SetBody(key_name_key(key.clinic, key.id), digest, stored.present.digest),
        *(_end(secret, key, ends[secret.digest]) for secret in had.values()),
    ]


def revoked(stored: StoredKey, key: BearerKey) -> list[Write]:
    """Give the writes by which no secret of a key opens anything, if it is as it was read."""
    ends = {each.digest: each.valid_until for each in key.earlier}
    earlier = [_end(secret, key, ends[secret.digest]) for secret in stored.earlier.values()]
    return [
        SetBody(api_key_key(stored.present.digest), key.stored(), stored.present.body),
        *earlier,
    ]


def note_use(table: Table, digest: str, now: Instant) -> None:
    """Note that a secret is used on this day. No call fails because this does."""
    try:
        table.write_one(RaiseNumber(api_key_key(digest), _number(now)))
    except (ConflictError, ContendedError, UnavailableError):
        # Another process noted it, or a later call of the day will.
        return


def was_used_on(number: int | None, now: Instant) -> bool:
    """Tell whether the number of a secret's record says that it was used on this day, or later."""
    return number is not None and number >= _number(now)


def _end(secret: StoredSecret, key: BearerKey, valid_until: Instant) -> Write:
    """Write the record of an earlier secret anew: what the key is, and until when this opens it."""
    record = replace(key, earlier=(), secret_until=valid_until)
    return SetBody(api_key_key(secret.digest), record.stored(), secret.body)


def _load(table: Table, names: Sequence[Item]) -> list[StoredKey]:
    """Read the keys of entries of the list, and their earlier secrets: two round trips at most."""
    digests = [name.body or "" for name in names]
    found = _secrets(table, digests)
    records = {digest: BearerKey.read(found[digest].body) for digest in digests}
    earlier = [each.digest for key in records.values() for each in key.earlier]
    found |= _secrets(table, earlier)
    keys = []
    for digest, key in records.items():
        had = {each.digest: found[each.digest] for each in key.earlier}
        keys.append(StoredKey(key, found[digest], had))
    return keys


def _secrets(table: Table, digests: Sequence[str]) -> dict[str, StoredSecret]:
    places = {api_key_key(digest): digest for digest in digests}
    secrets = {}
    for key, item in table.get(list(places)).items():
        digest = places[key]
        secrets[digest] = StoredSecret(digest, item.body or "", _day(item.number))
    return secrets


def _number(now: Instant) -> int:
    """Write a day as a number that a person can read and that grows: 20261122."""
    return int(now[:10].replace("-", ""))


def _day(number: int | None) -> str | None:
    return date.fromisoformat(str(number)).isoformat() if number else None
