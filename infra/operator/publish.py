"""Publishes clinics' files: reads and checks one, then drafts, approves and publishes it."""

from collections.abc import Callable
from pathlib import Path

from chalicelib.domain.instants import Instant
from chalicelib.jobs.catch_up import publish_key
from chalicelib.notices.differences import Difference
from chalicelib.notices.document import InvalidDocumentError
from chalicelib.notices.edition import PublishedEdition, make_edition
from chalicelib.notices.workflow import BeyondWordsError, Draft, Person, ReviewError, new_draft
from chalicelib.portal import Portal
from chalicelib.presentation.authorities import authorities
from chalicelib.store import publishing
from chalicelib.store.clinics import PORTAL, now
from chalicelib.store.publishing import Drafts
from infra.operator.cli.clinic_file import ClinicFile, FileError
from infra.operator.data_keys import new_data_key

AT_THE_COMMAND_LINE = Person("the command line")
"""Who published from the command line: the operator, whose name the portal does not know."""


def read_file(path: Path) -> PublishedEdition:
    """Read and check a clinic's file; raise FileError with every fault."""
    return edition_of(ClinicFile.read(path))


def edition_of(file: ClinicFile) -> PublishedEdition:
    """Check a clinic's file; raise FileError with every fault and the line it is on."""
    try:
        ready = make_edition(file.document)
    except InvalidDocumentError as error:
        raise FileError("\n".join(file.report(error.faults))) from error
    file.refuse_slips()
    return ready


def publish(
    ready: PublishedEdition,
    portal: Portal,
    key_arn: str,
    *,
    author: Person,
    approver: Person,
    minor_reason: str | None = None,
    confirm: Callable[[Draft, PublishedEdition], None] = lambda _draft, _ready: None,
    at: Instant | None = None,
) -> bool:
    """Draft, approve and publish what one person wrote and another reviewed.

    Return False where it is published already. `minor_reason` is the approver's reason why a MINOR
    may change more than words. `confirm` is called with what is about to be published, before
    anything is stored, and may raise. `at` is the time of publication, now by default. Raise
    FileError with the reason.
    """
    begun = at or now()
    drafts = Drafts(portal.table)
    try:
        if publishing.is_published(portal.clinics, ready.clinic):
            _prepare_keys(portal, key_arn)
            return False
        draft = new_draft(ready.document, ready.clinic.id, author, begun)
        changes = beyond_words(ready, portal, begun)
        approved = draft.approve(
            approver, begun, authorities(), changes=changes, reason=minor_reason
        )
        confirm(approved, ready)
        drafts.keep(draft)
        drafts.change(draft, approved)
        return publish_draft(ready, approved, portal, key_arn, AT_THE_COMMAND_LINE, at=at)
    except (InvalidDocumentError, ReviewError) as error:
        raise FileError(f"{ready.clinic.id}: {in_words(error)}") from error


def _prepare_keys(portal: Portal, key_arn: str) -> None:
    """Publish the key that signs, and make the portal's own key where there is none.

    So a list can be certified before the first receipt is signed. A table from before the limits
    across clinics has no key of the portal's own.
    """
    publish_key(portal.table, portal.certifier)
    if portal.clinics.portal_key() is None:
        portal.clinics.keep_portal_key(new_data_key(portal, PORTAL, key_arn))


def beyond_words(ready: PublishedEdition, portal: Portal, at: Instant) -> tuple[Difference, ...]:
    """Return what a MINOR version would change beyond words if it were published at `at`."""
    if publishing.is_new(portal.clinics, ready.clinic.id):
        return ()
    published = portal.directory.look_up(ready.clinic.id).published.published
    return publishing.changes_beyond_words(
        portal.clinics, ready.clinic, published, max(at, ready.starts)
    )


def in_words(error: Exception) -> str:
    """Return an error's text; where a MINOR changes more than words, with a line per change."""
    if not isinstance(error, BeyondWordsError):
        return str(error)
    advice = f"{error} (--minor-reason)"
    return "\n  ".join((advice, *map(str, error.changes)))


def publish_draft(
    ready: PublishedEdition,
    draft: Draft,
    portal: Portal,
    key_arn: str,
    by: Person,
    *,
    at: Instant | None = None,
) -> bool:
    """Publish an approved draft; a new clinic gets its data key.

    Return False where it is published already; raise ReviewError.
    """
    _prepare_keys(portal, key_arn)
    new = publishing.is_new(portal.clinics, draft.clinic)
    wrapped = new_data_key(portal, draft.clinic, key_arn) if new else None
    return publishing.publish(portal.clinics, ready, draft, by, wrapped_key=wrapped, at=at or now())
