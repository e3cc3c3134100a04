"""The life of a notice version: drafted, approved by another person, published, in force from its day on.

No text goes live unreviewed. Who approves is another person than who wrote; an approval is of one text, by its hash,
and falls with the next change of it; what is incomplete (GDPR Art. 13) is neither approved nor published; what is
published never changes. Nothing here knows a store or a clock.
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
from chalicelib.domain.notice_versions import PublishedVersion, Stage, entry_at, stage, version_numbers
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
"""Bytes of a document as JSON: DynamoDB takes 400 KB an item, and the five demo clinics need 75,000 at most."""

MAX_REASON = 500
"""Characters of the reason for a MINOR number: it stands on the version's public page."""


class ReviewError(RejectedError, ValueError):
    """A step in the life of a notice that may not be taken; the message says why and what to do."""


class PublishError(ReviewError):
    """A version that may not be published: its number was used or goes back, or its code is taken."""


class SamePersonError(ReviewError):
    """The author of a draft tried to approve it."""


class IncompleteError(ReviewError):
    """A document lacks what a notice must tell; carries every fault."""

    def __init__(self, missing: Sequence[DocumentError]) -> None:
        super().__init__("\n".join(map(str, missing)))
        self.missing = tuple(missing)


class BeyondWordsError(ReviewError):
    """A MINOR version changes more than words, and nobody who may has said why it may; carries what changes."""

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
        """Tell whether two are one person: by the key, and by the name however it is spelled."""
        return (self.key is not None and self.key == other.key) or _folded(self.name) == _folded(other.name)


@dataclass(frozen=True, slots=True)
class Override:
    """Why a version that changes more than words may have a MINOR number, and all that it changes so."""

    reason: str
    changes: tuple[Difference, ...]

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild it from its stored form."""
        return cls(stored["reason"], tuple(Difference(**each) for each in stored["changes"]))


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved which text, and when; with a reason where a MINOR changes more than words."""

    by: Person
    at: Instant
    sha256: str
    override: Override | None = None

    def stored(self) -> dict[str, Any]:
        """Write it, JSON-ready; as ever where no reason was needed, so that an earlier approval stays what it was."""
        return {name: value for name, value in asdict(self).items() if name != "override" or value}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild it from its stored form."""
        override = Override.read(stored["override"]) if "override" in stored else None
        return cls(**{**stored, "by": Person(**stored["by"]), "override": override})


@dataclass(frozen=True, slots=True)
class Release:
    """Who published a version, when, and from when it is in force."""

    by: Person
    at: Instant
    since: Instant


@dataclass(frozen=True, slots=True)
class Draft:
    """A notice version on its way: the whole document, its hash, who wrote it, who approved it, who published it."""

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
        """Why it may have a MINOR number although it changes more than words, once somebody said so."""
        return self.approval.override if self.approval else None

    def covers(self, changes: Sequence[Difference]) -> bool:
        """Tell whether all of these changes beyond words are among those that were approved with a reason."""
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
        """Give the draft as approved; raise SamePersonError, IncompleteError, or ReviewError once it is published.

        `changes` are those beyond words under a MINOR number: without a `reason` they raise BeyondWordsError. Whoever
        publishes checks them again.
        """
        self._unpublished()
        if by.is_same_as(self.author):
            raise SamePersonError(f"{self.author.name} wrote this text. Another person must approve it")
        if missing := self.missing(authorities):
            raise IncompleteError(missing)
        if changes and not reason:
            raise BeyondWordsError(self.version, changes)
        override = Override(reason, tuple(changes)) if changes and reason else None
        return replace(self, approval=Approval(by, at, self.sha256, override))

    def publish(self, by: Person, at: Instant, since: Instant, changes: Sequence[Difference] = ()) -> Self:
        """Give the draft as published; raise ReviewError where it is not approved.

        `changes` are those beyond words under a MINOR number: any that was not approved with a reason raises
        BeyondWordsError.
        """
        self._unpublished()
        if not self.approved:
            raise ReviewError(f"{self.version} is not approved. Another person than its author must approve it first")
        if not self.covers(changes):
            raise BeyondWordsError(self.version, changes)
        return replace(self, release=Release(by, at, since))

    def missing(self, authorities: Mapping[str, Any]) -> tuple[DocumentError, ...]:
        """List what the notice must tell and does not, in every language, with place and article."""
        return check(self.document, authorities)

    def unconfirmed(self) -> Mapping[QuestionId, str]:
        """List what counts unconfirmed that otherwise would not, each with the author's reason, for the approver."""
        return unconfirmed(self.document)

    def _unpublished(self) -> None:
        if self.release is not None:
            raise ReviewError(f"{self.version} is published and never changes. Draft the next version")

    def stored(self) -> str:
        """Write everything but the document."""
        kept = {name: getattr(self, name) for name in ("sha256", "author", "drafted_at", "release")}
        kept["approval"] = self.approval and self.approval.stored()
        return json.dumps(kept, default=asdict, ensure_ascii=False, sort_keys=True)

    @classmethod
    def read(cls, stored: str, document: Mapping[str, Any]) -> Self:
        """Rebuild a draft from what `stored` wrote and its document."""
        kept = json.loads(stored)
        approval, release = kept["approval"], kept["release"]
        return cls(
            document=document,
            sha256=kept["sha256"],
            author=Person(**kept["author"]),
            drafted_at=kept["drafted_at"],
            approval=Approval.read(approval) if approval else None,
            release=Release(**{**release, "by": Person(**release["by"])}) if release else None,
        )


def new_draft(document: Mapping[str, Any], clinic: str, author: Person, at: Instant) -> Draft:
    """Take a document as a draft, complete or not; raise InvalidClinicError where it is of no clinic or number."""
    if read_names(document)[0] != clinic:
        raise InvalidDocumentError([DocumentError("id", "is not this clinic's", f"Write {clinic}")])
    try:
        sha256 = document_hash(document)
        size = len(json.dumps(document, ensure_ascii=False).encode())
    except (ValueError, RecursionError) as error:  # a number without end, half a character, lists in lists in lists
        raise InvalidDocumentError(
            [DocumentError("document", "is not plain JSON", "Write texts, lists and mappings")]
        ) from error
    if size > MAX_DOCUMENT:
        problem = f"has {size} bytes"
        raise InvalidDocumentError([DocumentError("document", problem, f"At most {MAX_DOCUMENT}: shorten the texts")])
    return Draft(document, sha256, author, at)


def is_reason(written: str) -> bool:
    """Tell whether a text can be the reason for a MINOR number: one line that can be printed, not too long."""
    return bool(written.strip()) and len(written) <= MAX_REASON and written.strip().isprintable()


def change(version: str, history: Sequence[PublishedVersion], at: Instant) -> Change:
    """Tell what a version is to the one in force at a moment; raise PublishError where its number does not rise."""
    if not history:
        return Change.FIRST
    last = max((entry.version for entry in history), key=version_numbers)
    if version_numbers(version) <= version_numbers(last):
        raise PublishError(f"version: is {version!r}, and {last!r} is published. Raise the number")
    return Change.MAJOR if major(version) != major(entry_at(history, at).version) else Change.MINOR


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """One version as it is listed; names and hash are missing for what was published before they were kept."""

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
    """Tell where a draft stands at a moment."""
    approval, release = draft.approval, draft.release
    effective = draft.document.get("effective")
    return VersionSummary(
        version=draft.version,
        state=stage(release.since, draft.version, history, at) if release else _waiting(draft),
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


def list_versions(history: Sequence[PublishedVersion], drafts: Iterable[Draft], at: Instant) -> list[VersionSummary]:
    """List every version of a clinic, published or not, by number."""
    steps = {
        entry.version: VersionSummary(
            entry.version,
            stage(entry.since, entry.version, history, at),
            since=entry.since,
            published_at=entry.published_at,
        )
        for entry in history
    }
    steps |= {draft.version: summarize(draft, history, at) for draft in drafts}
    return [steps[version] for version in sorted(steps, key=version_numbers)]


def _waiting(draft: Draft) -> Stage:
    return Stage.APPROVED if draft.approved else Stage.DRAFT


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
