"""Clinics in the store: which notice is in force, every version ever published, and each page as it was shown.

A version is immutable and kept in memory once read; which version is in force is read anew each time, so that a
changed notice takes effect the moment it is published.
"""

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.clinic_document import read_clinic
from chalicelib.consent import NoticeInForce, major
from chalicelib.instants import Instant
from chalicelib.notice import Clinic
from chalicelib.store.table import (
    ConflictError,
    Item,
    Put,
    SetBody,
    Table,
    Write,
    clinic_key,
    code_key,
    full_notice_key,
    notice_key,
    shown_key,
)
from chalicelib.vault import ClinicKey, KeyService


class UnknownClinicError(LookupError):
    """No clinic has this id."""


class UnknownVersionError(LookupError):
    """The clinic never published this version, this language of it, or this page."""


class PublishError(ValueError):
    """A version that may not be published; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Published:
    """A clinic as its notice in force describes it, and what was published when: ``(since, version)``, oldest first."""

    clinic: Clinic
    in_force: NoticeInForce
    published: tuple[tuple[Instant, str], ...]

    def offered(self, version: str, at: Instant) -> bool:
        """Tell whether a form of a version may have been signed at a moment: the first may be older than the portal."""
        return version == self.published[0][1] or any(each == version and since <= at for since, each in self.published)

    def in_force_at(self, at: Instant, known_at: Instant) -> NoticeInForce:
        """Give the notice against which a moment is judged, as far as it was published at `known_at`."""
        known = [(since, version) for since, version in self.published if since <= min(at, known_at)]
        since, version = (known or self.published)[-1] if known else self.published[0]
        began = next((begun for begun, each in self.published if major(each) == major(version)), since)
        return NoticeInForce(version, began)

    def version_at(self, at: Instant) -> str:
        """Give the version in force at a moment; the first one for a moment before it."""
        return next((version for since, version in reversed(self.published) if since <= at), self.published[0][1])


@dataclass(frozen=True, slots=True)
class FullNotice:
    """The full notice of one version in one language, rendered when it was published."""

    html: str
    sha256: str


class Clinics:
    """Reads and publishes clinics, and unwraps their keys."""

    def __init__(self, table: Table, keys: KeyService) -> None:
        self._table = table
        self._keys = keys
        self._versions: dict[tuple[str, str], Clinic] = {}
        self._last: dict[str, Clinic] = {}
        self._unwrapped: dict[str, ClinicKey] = {}
        self._shown: set[tuple[str, str]] = set()

    def key(self, clinic: str) -> ClinicKey:
        """Give a clinic's data key; it is unwrapped once per process."""
        if clinic not in self._unwrapped:
            self._remember_key(self._item(clinic))
        return self._unwrapped[clinic]

    def published(self, clinic: str, item: Item | None) -> Published:
        """Give what the clinic's item (read just now) says is in force; raise UnknownClinicError without an item."""
        if item is None:
            raise UnknownClinicError(clinic)
        self._remember_key(item)
        head = json.loads(item.body or "")
        self._last[clinic] = self.version(clinic, head["version"])
        published = tuple((since, version) for since, version in head["published"])
        return Published(self._last[clinic], NoticeInForce(head["version"], head["major_since"]), published)

    def remembered(self, clinic: str) -> Clinic | None:
        """Give the version last known to be in force, without asking the table: enough to read a contact by."""
        return self._last.get(clinic)

    def version(self, clinic: str, version: str) -> Clinic:
        """Give one published version; raise UnknownVersionError."""
        if (clinic, version) not in self._versions:
            key = notice_key(clinic, version)
            item = self._table.get([key]).get(key)
            if item is None or item.body is None:
                raise UnknownVersionError(version)
            kept = json.loads(item.body or "")
            self._versions[clinic, version] = read_clinic(kept["document"], kept["sha256"], kept["told"])
        return self._versions[clinic, version]

    def full_notice(self, clinic: str, version: str, lang: str) -> FullNotice:
        """Give the full notice of a version; raise UnknownVersionError."""
        key = full_notice_key(clinic, version, lang)
        item = self._table.get([key]).get(key)
        if item is None or item.blob is None:
            raise UnknownVersionError(version)
        html = gzip.decompress(item.blob).decode()
        return FullNotice(html, hashlib.sha256(html.encode()).hexdigest())

    def behind_code(self, code: str) -> str:
        """Give the id of the clinic that a QR code's short code stands for; raise UnknownClinicError."""
        key = code_key(code)
        item = self._table.get([key]).get(key)
        if item is None or item.body is None:
            raise UnknownClinicError(code)
        return item.body

    def keep_shown(self, clinic: str, page: str) -> str:
        """Keep a page exactly as it is about to be shown and give its SHA-256; costs nothing once it is kept."""
        content = page.encode()
        sha256 = hashlib.sha256(content).hexdigest()
        if (clinic, sha256) not in self._shown:
            self._table.put_new(Put(shown_key(clinic, sha256), {"blob": gzip.compress(content, mtime=0)}))
            self._shown.add((clinic, sha256))
        return sha256

    def shown(self, clinic: str, sha256: str) -> str:
        """Give back a page as it was shown, byte for byte; raise UnknownVersionError."""
        key = shown_key(clinic, sha256)
        item = self._table.get([key]).get(key)
        if item is None or item.blob is None:
            raise UnknownVersionError(sha256)
        return gzip.decompress(item.blob).decode()

    def publish(
        self,
        clinic: Clinic,
        document: Mapping[str, object],
        notices: Mapping[str, str],
        *,
        wrapped_key: bytes | None,
        at: Instant,
    ) -> bool:
        """Publish a version: the document, its rendered full notices by language, and the clinic's pointer to it.

        `wrapped_key` is the clinic's data key if the clinic is new. Gives False where this very version is in force
        already; raises PublishError where the number was used for another text, goes back, or the code is taken.
        """
        key = clinic_key(clinic.id)
        standing = self._table.get([key]).get(key)
        head: dict[str, Any] = {"version": clinic.version, "major_since": at, "code": clinic.code, "published": []}
        if standing is not None:
            before = json.loads(standing.body or "")
            if self._same_text(clinic, before["version"]):
                return False
            if before["code"] != clinic.code:
                raise PublishError(f"code: is {clinic.code!r}; printed QR codes carry {before['code']!r}. Keep it")
            head["published"] = before["published"]
            if major(before["version"]) == major(clinic.version):
                head["major_since"] = before["major_since"]
        head["published"] = [*head["published"], [at, clinic.version]]
        kept: dict[str, Any] = {key: value for key, value in document.items() if key != "notice"}
        told = {"dates": clinic.dates, "closes": clinic.closes}
        version = {"document": kept, "sha256": clinic.sha256, "told": told, "published_at": at}
        body = json.dumps(version, ensure_ascii=False)
        writes: list[Write] = [Put(notice_key(clinic.id, clinic.version), {"body": body})]
        for lang, html in notices.items():
            packed = gzip.compress(html.encode(), mtime=0)
            writes.append(Put(full_notice_key(clinic.id, clinic.version, lang), {"blob": packed}))
        pointer = json.dumps(head, sort_keys=True)
        if standing is not None:
            writes.append(SetBody(key, pointer, was=standing.body or ""))
        else:
            writes.append(Put(key, {"body": pointer, "blob": wrapped_key}))
            writes.append(Put(code_key(clinic.code), {"body": clinic.id}))
        try:
            self._table.write(writes)
        except ConflictError as conflict:
            raise self._refusal(clinic, conflict) from conflict
        return True

    def is_new(self, clinic: str) -> bool:
        """Tell whether a clinic was never published."""
        return not self._table.get([clinic_key(clinic)])

    def _same_text(self, clinic: Clinic, version: str) -> bool:
        if version != clinic.version:
            if _numbers(version) > _numbers(clinic.version):
                raise PublishError(f"version: is {clinic.version!r}, and {version!r} is in force. Raise the number")
            return False
        if self.version(clinic.id, version).sha256 == clinic.sha256:
            return True
        raise PublishError(
            f"version: {version!r} is published with another text. Raise MINOR for new wording, "
            "MAJOR for a change in what is done with the data"
        )

    def _refusal(self, clinic: Clinic, conflict: ConflictError) -> PublishError:
        if code_key(clinic.code) in conflict.keys:
            return PublishError(f"code: {clinic.code!r} belongs to another clinic. Choose another")
        return PublishError("somebody else published at the same moment. Look at what is in force and try again")

    def _item(self, clinic: str) -> Item:
        key = clinic_key(clinic)
        item = self._table.get([key]).get(key)
        if item is None:
            raise UnknownClinicError(clinic)
        return item

    def _remember_key(self, item: Item) -> None:
        clinic = item.pk.removeprefix("CLINIC#")
        if clinic not in self._unwrapped:
            self._unwrapped[clinic] = ClinicKey(clinic, self._keys.unwrap(clinic, bytes(item.blob or b"")))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
