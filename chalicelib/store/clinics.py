"""Stored clinics: the notice in force, every version published, each page as it was shown.

A version is immutable and kept in memory once read; which version is in force is read anew each
time, so that a changed notice takes effect the moment it is published.
"""

import base64
import contextlib
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import NoticeInForce
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.local_time import local_day
from chalicelib.domain.notice_versions import PublishedVersion, entry_at, history, notice_at
from chalicelib.notices.document import read_clinic
from chalicelib.store.encryption import ClinicKey, KeyService
from chalicelib.store.items import Item
from chalicelib.store.keys.clinics import (
    clinic_key,
    code_key,
    full_notice_key,
    listed_clinic_key,
    notice_key,
    portal_key_key,
    prepared_page_key,
    shown_page_key,
)
from chalicelib.store.table import Table
from chalicelib.store.writes import FirstEntry, Put, SetEntry

PORTAL = "*"
"""For whom the portal's own key is wrapped: no clinic has this id."""


class UnknownClinicError(NotFoundError):
    """No clinic has this id."""


class WrappedKey(NamedTuple):
    """A data key of a clinic as it is kept, and when it was made."""

    wrapped: bytes
    made_at: Instant

    def __repr__(self) -> str:
        """Keep the key, be it wrapped, out of tracebacks and logs."""
        return f"WrappedKey(made_at={self.made_at!r})"


class UnknownVersionError(NotFoundError):
    """The clinic never published this version, this language of it, or this page."""


class Published(NamedTuple):
    """A clinic as its notice in force describes it, and its versions in the order of
    publication.
    """

    clinic: Clinic
    in_force: NoticeInForce
    published: tuple[PublishedVersion, ...]

    def in_force_at(self, at: Instant, known_at: Instant | None = None) -> NoticeInForce:
        """Give the notice in force at a moment, as far as it was known at another.

        Before the first version, that version counts.
        """
        return notice_at(self.published, at, known_at)

    def text_at(self, at: Instant, named: str | None = None) -> str | None:
        """Tell the version that a decision of a moment may prove: the one in force then, or the
        `named`.

        None where no version was in force then, or the one named began on a later day. Paper knows
        days only: what began within the day of the clinic's zone counts for all of it.
        """
        day = local_day(at, self.clinic.country)
        begun = {
            each.version
            for each in self.published
            if local_day(each.since, self.clinic.country) <= day
            and entry_at(self.published, each.since).version == each.version
        }
        version = named or entry_at(self.published, at).version
        return version if version in begun else None


class FullNotice(NamedTuple):
    """The full notice of one version in one language, rendered when it was published.

    `minor_reason` is why it may have a MINOR number although it changes more than words, `topics`
    what of the processing it changes so (`notices.differences.Topic`).
    """

    html: str
    sha256: str
    minor_reason: str | None = None
    topics: tuple[str, ...] = ()


def now() -> Instant:
    """Tell the time."""
    return instant(datetime.now(UTC))


class _ThrowawayKeys:
    """Another random key each time: good for showing a page that nobody sends."""

    def unwrap(self, clinic: str, wrapped: bytes) -> bytes:  # noqa: ARG002 - the shape of KeyService
        """Give 32 random bytes."""
        return os.urandom(32)


class Clinics:
    """Reads and publishes clinics, and unwraps their keys.

    Which version is in force goes by the clock.
    """

    def __init__(self, table: Table, keys: KeyService, clock: Callable[[], Instant] = now) -> None:
        self.table = table
        self._keys = keys
        self.clock = clock
        self._versions: dict[tuple[str, str], Clinic] = {}
        self._last: dict[str, Published] = {}
        self._ever: dict[tuple[str, ...], Clinic] = {}
        self._unwrapped: dict[str, ClinicKey] = {}
        self._wrapped: dict[str, Mapping[str, WrappedKey]] = {}
        self._shown: set[tuple[str, str]] = set()

    def all(self) -> list[str]:
        """Give the ids of all clinics, in order."""
        return [item.sk for item in self.table.partition(listed_clinic_key("").pk, "")]

    def key(self, clinic: str) -> ClinicKey:
        """Give a clinic's data keys; each is unwrapped once per process."""
        if clinic not in self._unwrapped:
            self._remember_key(self._item(clinic))
        return self._unwrapped[clinic]

    @contextlib.contextmanager
    def with_throwaway_keys(self) -> Iterator[None]:
        """Go on with random keys in place of the clinics' own; forget them at the end.

        With them goes what was last in force. What remains never changes: versions, and which pages
        are kept. So a copy of the process's memory holds no clinic's key and nothing outdated.
        """
        keys, self._keys = self._keys, _ThrowawayKeys()
        try:
            yield
        finally:
            self._keys = keys
            for held in (self._unwrapped, self._wrapped, self._last):
                held.clear()

    def portal_key(self) -> ClinicKey | None:
        """Give the portal's own key, which belongs to no clinic; None where none was made yet."""
        if PORTAL not in self._unwrapped:
            key = portal_key_key()
            item = self.table.get([key]).get(key)
            if item is None:
                return None
            self._unwrapped[PORTAL] = ClinicKey(
                PORTAL, self._keys.unwrap(PORTAL, bytes(item.blob or b""))
            )
        return self._unwrapped[PORTAL]

    def keep_portal_key(self, wrapped_key: bytes) -> None:
        """Keep the portal's own key, wrapped for PORTAL, unless there is one."""
        self.table.put_new(Put(portal_key_key(), {"blob": wrapped_key}))

    def published(self, clinic: str, item: Item | None) -> Published:
        """Give what the clinic's item (read just now) says is in force.

        Raises UnknownClinicError without an item.
        """
        if item is None:
            raise UnknownClinicError(clinic)
        self._remember_key(item)
        published = _history(item)
        in_force = notice_at(published, self.clock())
        self._last[clinic] = Published(self.version(clinic, in_force.version), in_force, published)
        return self._last[clinic]

    def in_force(self, clinic: str) -> Published:
        """Read what is in force now; raise UnknownClinicError."""
        key = clinic_key(clinic)
        return self.published(clinic, self.table.get([key]).get(key))

    def remembered(self, clinic: str) -> Published | None:
        """Give what was last known to be published, without reading the table: enough to read a
        call.
        """
        return self._last.get(clinic)

    def with_all_past_questions(self, published: Published) -> Clinic:
        """Give the clinic with every question it ever asked.

        A consent to one that was dropped can still be withdrawn.
        """
        clinic, versions = published.clinic, [each.version for each in published.published]
        name = (clinic.id, clinic.version, *versions)
        if name not in self._ever:
            asked = [each.questions for each in (*self._read(clinic.id, versions), clinic)]
            questions = {
                address: each for questions in asked for address, each in questions.items()
            }
            self._ever[name] = clinic._replace(questions={**clinic.questions, **questions})
        return self._ever[name]

    def version(self, clinic: str, version: str) -> Clinic:
        """Give one published version; raise UnknownVersionError."""
        return self._read(clinic, [version])[0]

    def decided_under(self, clinic: str, notice: Mapping[str, Any]) -> Clinic:
        """Give the clinic as the version describes it that a receipt names (its `notice`).

        Raises UnknownVersionError. Where that is not known: as it is now, with every question it
        ever asked.
        """
        if notice["version"] is not None:
            return self.version(clinic, notice["version"])
        return self.with_all_past_questions(self.published(clinic, self._item(clinic)))

    def _read(self, clinic: str, versions: Sequence[str]) -> list[Clinic]:
        """Give published versions; those not read before in one round trip."""
        keys = {
            notice_key(clinic, each): each
            for each in versions
            if (clinic, each) not in self._versions
        }
        found = self.table.get(list(keys)) if keys else {}
        for key, version in keys.items():
            item = found.get(key)
            if item is None or item.body is None:
                raise UnknownVersionError(version)
            kept = json.loads(item.body)
            self._versions[clinic, version] = read_clinic(
                kept["document"], kept["sha256"], kept["told"]
            )
        return [self._versions[clinic, each] for each in versions]

    def full_notice(self, clinic: str, version: str, lang: str) -> FullNotice:
        """Give the full notice of a version; raise UnknownVersionError."""
        text_key, about_key = full_notice_key(clinic, version, lang), notice_key(clinic, version)
        found = self.table.get([text_key, about_key])
        if text_key not in found or about_key not in found:
            raise UnknownVersionError(version)
        html = gzip.decompress(found[text_key].blob or b"").decode()
        sha256 = hashlib.sha256(html.encode()).hexdigest()
        review: dict[str, Any] = json.loads(found[about_key].body or "{}").get("review", {})
        override = review.get("approval", {}).get("override")
        if override is None:
            return FullNotice(html, sha256)
        topics = tuple(dict.fromkeys(each["topic"] for each in override["changes"]))
        return FullNotice(html, sha256, override["reason"], topics)

    def by_code(self, code: str) -> str:
        """Give the id of the clinic that a QR code's short code stands for.

        Raises UnknownClinicError.
        """
        key = code_key(code)
        item = self.table.get([key]).get(key)
        if item is None or item.body is None:
            raise UnknownClinicError(code)
        return item.body

    def keep_page(self, clinic: str, page: str) -> str:
        """Keep a page exactly as it is about to be shown and give its SHA-256.

        Costs nothing once it is kept.
        """
        content = page.encode()
        sha256 = hashlib.sha256(content).hexdigest()
        if (clinic, sha256) not in self._shown:
            self.table.put_new(
                Put(shown_page_key(clinic, sha256), {"blob": gzip.compress(content, mtime=0)})
            )
            self._shown.add((clinic, sha256))
        return sha256

    def kept_page(self, clinic: str, sha256: str) -> str:
        """Give back a page as it was shown, byte for byte; raise UnknownVersionError."""
        key = shown_page_key(clinic, sha256)
        item = self.table.get([key]).get(key)
        if item is None or item.blob is None:
            raise UnknownVersionError(sha256)
        return gzip.decompress(item.blob).decode()

    def keep_prepared_page(self, clinic: str, name: str, packed: bytes, *, days: int) -> None:
        """Keep a page prepared for whoever opens it, for so many days, unless it is kept."""
        until = int(moment(self.clock()).timestamp()) + days * 86_400
        self.table.put_new(Put(prepared_page_key(clinic, name), {"blob": packed, "ttl": until}))

    def prepared_page(self, clinic: str, name: str) -> bytes | None:
        """Give a page as it was prepared; None where none is kept."""
        key = prepared_page_key(clinic, name)
        item = self.table.get([key]).get(key)
        return item.blob if item else None

    def _item(self, clinic: str) -> Item:
        key = clinic_key(clinic)
        item = self.table.get([key]).get(key)
        if item is None:
            raise UnknownClinicError(clinic)
        return item

    def _remember_key(self, item: Item) -> None:
        clinic, wrapped = item.pk.removeprefix("CLINIC#"), wrapped_keys(item)
        newest = max(wrapped, key=lambda each: (wrapped[each].made_at, each), default="")
        self._wrapped[clinic] = wrapped
        if clinic in self._unwrapped:
            self._unwrapped[clinic].newest = newest
        else:
            first = self._keys.unwrap(clinic, bytes(item.blob or b""))
            self._unwrapped[clinic] = ClinicKey(
                clinic, first, newest=newest, other=partial(self._other_key, clinic)
            )

    def _other_key(self, clinic: str, key_id: str) -> bytes:
        """Unwrap another data key of a clinic.

        One that was made since the clinic was read last is read now.
        """
        if key_id not in self._wrapped[clinic]:
            self._remember_key(self._item(clinic))
        return self._keys.unwrap(clinic, self._wrapped[clinic][key_id].wrapped)


def wrapped_keys(item: Item) -> Mapping[str, WrappedKey]:
    """Give the data keys that a clinic has beside its first, by id."""
    keys: dict[str, WrappedKey] = {}
    for key_id, text in item.texts.items():
        stored = json.loads(text)
        wrapped = base64.b64decode(stored["wrapped"])
        keys[key_id] = WrappedKey(wrapped, stored["made_at"])
    return keys


def keep_data_key(table: Table, clinic: str, key_id: str, key: WrappedKey) -> None:
    """Keep one more data key of a clinic, or one of those it has wrapped anew.

    The newest encrypts from now on, and those before it decrypt what they encrypted. They stand
    beside the item's body, which an earlier version of the portal would write anew. Raises
    UnknownClinicError; ConflictError where another was kept at the same moment.
    """
    place = clinic_key(clinic)
    found = table.get([place]).get(place)
    if found is None:
        raise UnknownClinicError(clinic)
    stored = json.dumps({"wrapped": base64.b64encode(key.wrapped).decode(), "made_at": key.made_at})
    entry = SetEntry(place, key_id, stored) if found.texts else FirstEntry(place, key_id, stored)
    table.write([entry])


def histories(table: Table, clinics: Sequence[str]) -> dict[str, tuple[PublishedVersion, ...]]:
    """Give every version that each of some clinics published; a hundred clinics in a round trip.

    No key is unwrapped for it.
    """
    found = table.get([clinic_key(clinic) for clinic in clinics])
    return {key.pk.removeprefix("CLINIC#"): _history(item) for key, item in found.items()}


def _history(item: Item) -> tuple[PublishedVersion, ...]:
    return history(json.loads(item.body or "")["published"])
