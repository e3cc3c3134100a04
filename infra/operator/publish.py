"""Clinics' files: read, check, and take through draft, approval and publication in one go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chalicelib.domain.instants import Instant
from chalicelib.notices.differences import Difference
from chalicelib.notices.document import InvalidDocumentError
from chalicelib.notices.edition import PublishedEdition, make_edition
from chalicelib.notices.workflow import BeyondWordsError, Draft, Person, ReviewError, new_draft
from chalicelib.portal import Portal
from chalicelib.presentation.authorities import authorities
from chalicelib.store import publishing
from chalicelib.store.clinics import PORTAL, now
from chalicelib.store.publishing import Drafts
from infra.operator.clinic_file import ClinicFile, FileError
from infra.operator.data_keys import new_data_key

AT_THE_COMMAND_LINE = Person("the command line")
"""Who published what was published here: the operator, of whom the portal knows no more."""


def read_file(path: Path) -> PublishedEdition:
    """Read and check a clinic's file; raise FileError with every fault."""
    return edition_of(ClinicFile.read(path))


def edition_of(file: ClinicFile) -> PublishedEdition:
    """Check a clinic's file; raise FileError with every fault and the line it is on."""
    try:
        ready = make_edition(file.document)
    except InvalidDocumentError as error:
        raise FileError("\n".join(file.told(error.faults))) from error
    file.unslipped()
    return ready


def read_document(path: Path) -> dict[str, Any]:
    """Read a clinic's file as it is, complete or not, in JSON shapes; raise FileError where it cannot be read."""
    file = ClinicFile.read(path)
    file.unslipped()
    return file.document


def publish(
    ready: PublishedEdition,
    portal: Portal,
    key_arn: str,
    *,
    author: Person,
    approver: Person,
    minor_reason: str | None = None,
    look_over: Callable[[Draft, PublishedEdition], None] = lambda _draft, _ready: None,
    at: Instant | None = None,
) -> bool:
    """Draft, approve and publish what was written by one person and reviewed by another; False where it is published.

    `minor_reason` is the approver's where a MINOR changes more than words. `look_over` is shown what is about to be
    published, before anything is stored, and may raise. `at` is when it is published: now. Raises FileError with the
    reason.
    """
    begun = at or now()
    drafts = Drafts(portal.table)
    _make_portal_key(portal, key_arn)
    try:
        if publishing.is_published(portal.clinics, ready.clinic):
            return False
        draft = new_draft(ready.document, ready.clinic.id, author, begun)
        changes = beyond_words(ready, portal, begun)
        approved = draft.approve(approver, begun, authorities(), changes=changes, reason=minor_reason)
        look_over(approved, ready)
        drafts.keep(draft)
        drafts.change(draft, approved)
        return publish_draft(ready, approved, portal, key_arn, AT_THE_COMMAND_LINE, at=at)
    except (InvalidDocumentError, ReviewError) as error:
        raise FileError(f"{ready.clinic.id}: {in_words(error)}") from error


def _make_portal_key(portal: Portal, key_arn: str) -> None:
    """Make the portal's own key where there is none: the table may be older than the limits across clinics."""
    if portal.clinics.portal_key() is None:
        portal.clinics.keep_portal_key(new_data_key(portal, PORTAL, key_arn))


def beyond_words(ready: PublishedEdition, portal: Portal, at: Instant) -> tuple[Difference, ...]:
    """Tell what a version changes beyond words under a MINOR number, were it published at a moment."""
    if publishing.is_new(portal.clinics, ready.clinic.id):
        return ()
    published = portal.directory.look_up(ready.clinic.id).published.published
    return publishing.changes_beyond_words(portal.clinics, ready.clinic, published, max(at, ready.starts))


def in_words(error: Exception) -> str:
    """Write what stands in the way of a step; where a MINOR changes more than words, with each change in its line."""
    if not isinstance(error, BeyondWordsError):
        return str(error)
    advice = f"{error} (--minor-reason)"
    return "\n  ".join((advice, *map(str, error.changes)))


def publish_draft(
    ready: PublishedEdition, draft: Draft, portal: Portal, key_arn: str, by: Person, *, at: Instant | None = None
) -> bool:
    """Publish an approved draft; a new clinic gets its data key. False where it is published; raises ReviewError."""
    _make_portal_key(portal, key_arn)
    new = publishing.is_new(portal.clinics, draft.clinic)
    wrapped = new_data_key(portal, draft.clinic, key_arn) if new else None
    return publishing.publish(portal.clinics, ready, draft, by, wrapped_key=wrapped, at=at or now())
