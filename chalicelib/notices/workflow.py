"""The steps of a notice version: drafted, approved by another person, published.

No text is published unreviewed:

- Who approves is another person than who wrote it.
- An approval is of one text, by its hash. The next change of the text makes it void.
- What is incomplete (GDPR Art. 13) is neither approved nor published.
- What is published never changes.
"""

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from chalicelib.domain.consent import QuestionId, major
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import Instant
from chalicelib.domain.notice_versions import (
    PublishedVersion,
    Stage,
    entry_at,
    stage,
    version_numbers,
)
from chalicelib.notices.differences import Difference
from chalicelib.notices.document import (
    InvalidDocumentError,
    check,
    document_hash,
    read_names,
    unconfirmed,
)
from chalicelib.notices.fields import DocumentError

MAX_DOCUMENT = 300_000
"""Bytes of a document as JSON. DynamoDB takes 400 KB an item; the demo clinics need 75,000."""

MAX_REASON = 500
"""Characters of the reason for a MINOR number: it stands on the version's public page."""


class ReviewError(RejectedError, ValueError):
    """A step that may not be taken; the message says why and what to do."""


class PublishError(ReviewError):
    """A version that may not be published: its number does not rise, or its code is taken."""


class SamePersonError(ReviewError):
    """The author of a draft tried to approve it."""


class IncompleteError(ReviewError):
    """A document lacks what a notice must tell; `missing` holds every fault."""

    def __init__(self, missing: Sequence[DocumentError]) -> None:
        super().__init__("\n".join(map(str, missing)))
        self.missing = tuple(missing)


class BeyondWordsError(ReviewError):
    """A MINOR version changes more than words, without an approved reason; `changes` holds what."""

    def __init__(self, version: str, changes: Sequence[Difference]) -> None:
        advice = (
            f"{version} changes more than words, so it needs a new MAJOR number: {major(version) + 1}.0. "
            "Or who approves it gives a reason why it may stay a MINOR; the reason is published with it"
        )
        super().__init__(advice)
        self.changes = tuple(changes)


class Change(StrEnum):
    """What a version is to the one before it."""

    FIRST = "first"
    MINOR = "minor"
    MAJOR = "major"


@dataclass(frozen=True, slots=True)
class Person:
    """Who takes a step: a name, and the id of the bearer key where one was used."""

    name: str
    key: str | None = None

    def is_same_as(self, other: Self) -> bool:
        """Tell whether two are one person: by the key, or by the name however it is spelled."""
        if self.key is not None and self.key == other.key:
            return True
        return _folded(self.name) == _folded(other.name)


@dataclass(frozen=True, slots=True)
class Override:
    """Why a version that changes more than words may have a MINOR number, and what it changes."""

    reason: str
    changes: tuple[Difference, ...]

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild it from its stored form."""
        changes = [Difference(**change) for change in stored["changes"]]
        return cls(stored["reason"], tuple(changes))


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved which text, and when; with a reason where a MINOR changes more than words."""

    by: Person
    at: Instant
    sha256: str
    override: Override | None = None

    def stored(self) -> dict[str, Any]:
        """Write it, JSON-ready. Without an `override` it has no such key, as old ones have none."""
        stored = asdict(self)
        if not self.override:
            del stored["override"]
        return stored

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild it from its stored form."""
        override = Override.read(stored["override"]) if "override" in stored else None
        by = Person(**stored["by"])
        return cls(by, stored["at"], stored["sha256"], override)


@dataclass(frozen=True, slots=True)
class Release:
    """Who published a version, when, and from when it is in force."""

    by: Person
    at: Instant
    since: Instant

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild it from its stored form."""
        return cls(Person(**stored["by"]), stored["at"], stored["since"])


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice version on its way: the document, its hash, who wrote, approved and published it."""

    document: Mapping[str, Any] = field(repr=False)
    sha256: str
    author: Person
    drafted_at: Instant
    approval: Approval | None = None
    release: Release | None = None

    @property
    def clinic(self) -> str:
        """The clinic's id."""
        return str(self.document["id"])

    @property
    def version(self) -> str:
        """The version's number."""
        return str(self.document["version"])

    @property
    def approved(self) -> bool:
        """Whether somebody approved this very text."""
        return self.approval is not None and self.approval.sha256 == self.sha256

    @property
    def override(self) -> Override | None:
        """The approved reason for a MINOR number although more than words change; None without."""
        return self.approval.override if self.approval else None

    def covers(self, changes: Sequence[Difference]) -> bool:
        """Tell whether all of these changes were approved with a reason."""
        approved = self.override.changes if self.override else ()
        return all(each in approved for each in changes)

    def approve(
        self,
        by: Person,
        at: Instant,
        authorities: Mapping[str, Any],
        *,
        changes: Sequence[Difference] = (),
        reason: str | None = None,
    ) -> Self:
        """Return the draft as approved; raise a ReviewError where it may not be.

        `changes` are those beyond words under a MINOR number: without a `reason` they raise
        BeyondWordsError. `publish` checks them again.
        """
        self._unpublished()
        if by.is_same_as(self.author):
            author = self.author.name
            raise SamePersonError(f"{author} wrote this text. Another person must approve it")
        if missing := self.missing(authorities):
            raise IncompleteError(missing)
        if changes and not reason:
            raise BeyondWordsError(self.version, changes)
        override = Override(reason, tuple(changes)) if changes and reason else None
        return replace(self, approval=Approval(by, at, self.sha256, override))

    def publish(
        self, by: Person, at: Instant, since: Instant, changes: Sequence[Difference] = ()
    ) -> Self:
        """Return the draft as published; raise ReviewError where it is not approved.

        `changes` are those beyond words under a MINOR number: any that was not approved with a
        reason raises BeyondWordsError.
        """
        self._unpublished()
        self.require_approved()
        if not self.covers(changes):
            raise BeyondWordsError(self.version, changes)
        return replace(self, release=Release(by, at, since))

    def require_approved(self) -> None:
        """Raise ReviewError unless somebody approved this very text."""
        if not self.approved:
            remedy = "Another person than its author must approve it first"
            raise ReviewError(f"{self.version} is not approved. {remedy}")

    def missing(self, authorities: Mapping[str, Any]) -> tuple[DocumentError, ...]:
        """List what the notice must tell and does not, in each language, with place and article."""
        return check(self.document, authorities)

    def unconfirmed(self) -> Mapping[QuestionId, str]:
        """Return what counts unconfirmed, each with the author's reason, for the approver."""
        return unconfirmed(self.document)

    def _unpublished(self) -> None:
        if self.release is not None:
            remedy = "Draft the next version"
            raise ReviewError(f"{self.version} is published and never changes. {remedy}")

    def stored(self) -> str:
        """Write everything but the document."""
        stored = {
            "sha256": self.sha256,
            "author": asdict(self.author),
            "drafted_at": self.drafted_at,
            "approval": self.approval.stored() if self.approval else None,
            "release": asdict(self.release) if self.release else None,
        }
        return json.dumps(stored, ensure_ascii=False, sort_keys=True)

    @classmethod
    def read(cls, stored: str, document: Mapping[str, Any]) -> Self:
        """Rebuild a draft from what `stored` wrote and its document."""
        parts = json.loads(stored)
        approval, release = parts["approval"], parts["release"]
        return cls(
            document=document,
            sha256=parts["sha256"],
            author=Person(**parts["author"]),
            drafted_at=parts["drafted_at"],
            approval=Approval.read(approval) if approval else None,
            release=Release.read(release) if release else None,
        )


def new_draft(document: Mapping[str, Any], clinic: str, author: Person, at: Instant) -> Draft:
    """Take a document as a draft, complete or not; raise InvalidDocumentError.

    It is raised for another clinic's document, one without a version's number, and one too large.
    """
    named_clinic, _version = read_names(document)
    if named_clinic != clinic:
        raise _invalid("id", "is not this clinic's", f"Write {clinic}")
    try:
        sha256 = document_hash(document)
        size = len(json.dumps(document, ensure_ascii=False).encode())
    except (ValueError, RecursionError) as error:  # infinity, half a character, very deep lists
        remedy = "Write texts, lists and mappings"
        raise _invalid("document", "is not plain JSON", remedy) from error
    if size > MAX_DOCUMENT:
        remedy = f"At most {MAX_DOCUMENT}: shorten the texts"
        raise _invalid("document", f"has {size} bytes", remedy)
    return Draft(document, sha256, author, at)


def _invalid(place: str, problem: str, remedy: str) -> InvalidDocumentError:
    return InvalidDocumentError([DocumentError(place, problem, remedy)])


def is_reason(written: str) -> bool:
    """Tell whether a text can be the reason for a MINOR number: one printable line."""
    reason = written.strip()
    return bool(reason) and reason.isprintable() and len(written) <= MAX_REASON


def classify_change(version: str, history: Sequence[PublishedVersion], at: Instant) -> Change:
    """Tell what a version is to the one in force at a moment.

    Raises PublishError where its number is not above those of all published versions.
    """
    if not history:
        return Change.FIRST
    last = max([entry.version for entry in history], key=version_numbers)
    if version_numbers(version) <= version_numbers(last):
        raise PublishError(f"version: is {version!r}, and {last!r} is published. Raise the number")
    in_force = entry_at(history, at).version
    return Change.MINOR if major(version) == major(in_force) else Change.MAJOR


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """One version as it is listed. Names and hash are missing where they were not kept."""

    version: str
    state: Stage
    since: Instant | None = None
    effective: str | None = None
    sha256: str | None = None
    author: str | None = None
    drafted_at: Instant | None = None
    approver: str | None = None
    approved_at: Instant | None = None
    published_by: str | None = None
    published_at: Instant | None = None
    minor_reason: str | None = None
    """Why it may have a MINOR number although it changes more than words."""


def summarize(draft: Draft, history: Sequence[PublishedVersion], at: Instant) -> VersionSummary:
    """Return a draft's summary at a moment."""
    approval, release = draft.approval, draft.release
    state = Stage.APPROVED if draft.approved else Stage.DRAFT
    if release:
        state = stage(release.since, draft.version, history, at)
    effective = draft.document.get("effective")
    return VersionSummary(
        version=draft.version,
        state=state,
        since=release.since if release else None,
        effective=effective if isinstance(effective, str) else None,
        sha256=draft.sha256,
        author=draft.author.name,
        drafted_at=draft.drafted_at,
        approver=approval.by.name if approval else None,
        approved_at=approval.at if approval else None,
        published_by=release.by.name if release else None,
        published_at=release.at if release else None,
        minor_reason=draft.override.reason if draft.override else None,
    )


def list_versions(
    history: Sequence[PublishedVersion], drafts: Iterable[Draft], at: Instant
) -> list[VersionSummary]:
    """List every version of a clinic, published or not, by number."""
    summaries = {}
    for entry in history:
        summaries[entry.version] = VersionSummary(
            entry.version,
            stage(entry.since, entry.version, history, at),
            since=entry.since,
            published_at=entry.published_at,
        )
    for draft in drafts:
        summaries[draft.version] = summarize(draft, history, at)
    return [summaries[version] for version in sorted(summaries, key=version_numbers)]


def _folded(name: str) -> str:
    """Return a name without case, width and spacing, in which two spellings of it are the same."""
    composed = unicodedata.normalize("NFKC", name)
    return " ".join(composed.casefold().split())
