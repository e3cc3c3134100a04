"""Publishing: drafts of notice versions, and the transaction that puts one in force.

A draft is one item for each version, changed only as it was read. A published version never
changes, and its draft stays as it was published, with the document it was made from.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import rfc8785

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant
from chalicelib.domain.local_time import local_day
from chalicelib.domain.notice_versions import (
    PublishedVersion,
    history,
    predecessor,
    version_numbers,
)
from chalicelib.notices.differences import Difference, beyond_words
from chalicelib.notices.edition import PublishedEdition
from chalicelib.notices.workflow import Draft, Person, PublishError, ReviewError, classify_change
from chalicelib.presentation.i18n import format_date
from chalicelib.store.clinics import Clinics
from chalicelib.store.items import Item
from chalicelib.store.keys.clinics import (
    clinic_key,
    code_key,
    draft_key,
    full_notice_key,
    listed_clinic_key,
    notice_key,
)
from chalicelib.store.keys.key import Key
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import Put, Replace, SetBody, Write


class UnknownDraftError(NotFoundError):
    """The clinic has no draft of this number."""


class DraftChangedError(ReviewError):
    """Somebody else changed the draft since it was read. Nothing was stored."""


class Drafts:
    """Reads and keeps drafts."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, clinic: str, version: str) -> Draft:
        """Give a draft, published or not; raise UnknownDraftError."""
        key = draft_key(clinic, version)
        item = self._table.get([key]).get(key)
        if item is None:
            raise UnknownDraftError(version)
        return _read_draft(item)

    def find_beside(
        self, clinic: str, version: str, beside: Sequence[Key]
    ) -> tuple[Draft, Mapping[Key, Item]]:
        """Give a draft, and other items that are read with it; raise UnknownDraftError.

        One round trip.
        """
        key = draft_key(clinic, version)
        found = self._table.get([key, *beside])
        if key not in found:
            raise UnknownDraftError(version)
        return _read_draft(found[key]), found

    def all(self, clinic: str) -> list[Draft]:
        """Give every draft of a clinic, published ones too, by number."""
        items = self._table.partition(*draft_key(clinic, ""))
        return sorted(map(_read_draft, items), key=lambda draft: version_numbers(draft.version))

    def keep(self, draft: Draft, also: Sequence[Write] = ()) -> None:
        """Keep a draft in place of an unpublished one of its number, whose approval falls with it.

        Raises ReviewError where the version is published, DraftChangedError when somebody else was
        first.
        """
        key = draft_key(draft.clinic, draft.version)
        before = self._table.get([key]).get(key)
        document = gzip.compress(rfc8785.dumps(dict(draft.document)), mtime=0)
        if before is None:
            self._write(draft, Put(key, {"body": draft.stored(), "blob": document}), also)
            return
        if _read_draft(before).release is not None:
            raise ReviewError(f"{draft.version} is published and never changes. Raise the number")
        self._write(draft, SetBody(key, draft.stored(), was=before.body or "", blob=document), also)

    def change(self, before: Draft, after: Draft, also: Sequence[Write] = ()) -> None:
        """Keep what happened to a draft.

        Raises DraftChangedError when it is no longer the one that was read.
        """
        self._write(after, update_draft(before, after), also)

    def _write(self, draft: Draft, write: Write, also: Sequence[Write]) -> None:
        try:
            self._table.write([write, *also])
        except ConflictError as conflict:
            raise DraftChangedError(
                f"{draft.version} was changed at the same moment. Read it and try again"
            ) from conflict


def update_draft(before: Draft, after: Draft) -> SetBody:
    """Write a step of a draft, provided that it is still the draft that was read."""
    return SetBody(draft_key(before.clinic, before.version), after.stored(), was=before.stored())


def _read_draft(item: Item) -> Draft:
    document = gzip.decompress(item.blob or b"")
    return Draft.read(item.body or "", json.loads(document))


def publish(
    clinics: Clinics,
    edition: PublishedEdition,
    draft: Draft,
    by: Person,
    *,
    wrapped_key: bytes | None = None,
    at: Instant,
    also: Sequence[Write] = (),
) -> bool:
    """Publish an approved draft: its document and full notices, and its place in the clinic's list.

    It is in force from its effective day on, at once where that has come. `wrapped_key` is the
    clinic's data key if the clinic is new. Gives False where this very version is published
    already; raises ReviewError where it is not approved, BeyondWordsError where a MINOR changes
    more than words without an approved reason, PublishError where the number was used for another
    text, goes back, or the code is taken.
    """
    clinic = edition.clinic
    key = clinic_key(clinic.id)
    item = clinics.table.get([key]).get(key)
    before = json.loads(item.body or "") if item else {"code": clinic.code, "published": []}
    if _is_last(clinics, clinic, before):
        return False
    if clinic.sha256 != draft.sha256:
        raise PublishError(
            f"{clinic.version}: this is not the text that was approved. Draft it again"
        )
    since = max(at, edition.starts)
    changes = changes_beyond_words(clinics, clinic, history(before["published"]), since)
    released = draft.publish(by, at, since, changes)
    after = {"code": clinic.code, "published": [*before["published"], [since, clinic.version, at]]}
    head = json.dumps(after, sort_keys=True)
    if item is None:
        head_writes = _first_version(clinic, head, wrapped_key)
    else:
        head_writes = [SetBody(key, head, was=item.body or "")]
    version_writes = _version(edition, released, since)
    try:
        clinics.table.write([update_draft(draft, released), *version_writes, *also, *head_writes])
    except ConflictError as conflict:
        raise _refusal(clinic, conflict) from conflict
    return True


def changes_beyond_words(
    clinics: Clinics, clinic: Clinic, published: Sequence[PublishedVersion], since: Instant
) -> tuple[Difference, ...]:
    """Tell what a version changes beyond words although consents stay under it.

    Nothing for a first or a MAJOR. It is compared with the version of its MAJOR that is in force
    until it begins, at `since`.
    """
    before = predecessor(published, clinic.version, since)
    if before is None:
        return ()
    return beyond_words(clinics.version(clinic.id, before.version), clinic, since)


def is_new(clinics: Clinics, clinic: str) -> bool:
    """Tell whether a clinic was never published."""
    return not clinics.table.get([clinic_key(clinic)])


def is_published(clinics: Clinics, clinic: Clinic) -> bool:
    """Tell whether this very version is published.

    Raises PublishError where its number cannot be used for it.
    """
    key = clinic_key(clinic.id)
    return is_last_of(clinics, clinic, clinics.table.get([key]).get(key))


def is_last_of(clinics: Clinics, clinic: Clinic, item: Item | None) -> bool:
    """Tell it as `is_published` does, by the clinic's item that was read before."""
    return item is not None and _is_last(clinics, clinic, json.loads(item.body or ""))


def _is_last(clinics: Clinics, clinic: Clinic, head: Mapping[str, Any]) -> bool:
    """Tell whether this very version is the last in the clinic's list.

    Errors as for `is_published`.
    """
    published = history(head["published"])
    if not published or clinic.version != published[-1].version:
        classify_change(clinic.version, published, clinics.clock())
        if head["code"] != clinic.code:
            raise PublishError(
                f"code: is {clinic.code!r}; printed QR codes carry {head['code']!r}. Keep it"
            )
        return False
    if clinics.version(clinic.id, clinic.version).sha256 == clinic.sha256:
        return True
    raise PublishError(
        f"version: {clinic.version!r} is published with another text. Raise MINOR for new wording, "
        "MAJOR for a change in what is done with the data"
    )


def _first_version(clinic: Clinic, head: str, wrapped_key: bytes | None) -> list[Write]:
    """Write a clinic that is new: its item with its key, its short code, its place among all
    clinics.

    The item says that the clinic never named a recipient of word about decisions
    (`webhooks.never_named`).
    """
    return [
        Put(clinic_key(clinic.id), {"body": head, "blob": wrapped_key, "number": 0}),
        Put(code_key(clinic.code), {"body": clinic.id}),
        Replace(listed_clinic_key(clinic.id), {}),
    ]


def _version(edition: PublishedEdition, draft: Draft, since: Instant) -> Iterator[Write]:
    """Write what never changes of a version: its document with its review, and its notices."""
    clinic = edition.clinic
    document: dict[str, Any] = {
        key: value for key, value in edition.document.items() if key != "notice"
    }
    day = local_day(since, clinic.country)
    day_in_words = {lang: format_date(day, lang) for lang in clinic.languages}
    # The member "told" holds what a clinic's page shows of its dates and its colour; it is stored under this name.
    # Nothing here reads the dates in words. The version of the portal before does: while a release
    # replaces it, it shows what this one publishes.
    shown = {
        "dates": {**clinic.dates, day: day_in_words},
        "closes": clinic.closes,
        "since": day,
        "brand": clinic.brand.stored(),
    }
    version = {
        "document": document,
        "sha256": clinic.sha256,
        "told": shown,
        "review": json.loads(draft.stored()),
    }
    body = json.dumps(version, ensure_ascii=False)
    yield Put(notice_key(clinic.id, clinic.version), {"body": body})
    for lang, html in edition.notices.items():
        packed = gzip.compress(html.encode(), mtime=0)
        yield Put(full_notice_key(clinic.id, clinic.version, lang), {"blob": packed})


def _refusal(clinic: Clinic, conflict: ConflictError) -> PublishError:
    if code_key(clinic.code) in conflict.keys:
        return PublishError(f"code: {clinic.code!r} belongs to another clinic. Choose another")
    return PublishError(
        "somebody else published at the same moment. Look at what is in force and try again"
    )
