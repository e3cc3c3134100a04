"""Notice versions, from draft to publication by a clinic's staff; each step is audited."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib import log
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.instants import instant, moment
from chalicelib.notices.differences import Difference
from chalicelib.notices.document import warnings_of
from chalicelib.notices.edition import make_edition, read_complete_clinic
from chalicelib.notices.fields import DocumentError
from chalicelib.notices.impact import Preview, preview
from chalicelib.notices.workflow import (
    Change,
    Draft,
    Person,
    ReviewError,
    VersionSummary,
    classify_change,
    list_versions,
    new_draft,
    summarize,
)
from chalicelib.portal import Portal
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.page import Page
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.draft_preview import draft_page
from chalicelib.store import consent_counts, publishing
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.keys.counts import consent_count_key
from chalicelib.store.publishing import Drafts
from chalicelib.store.writes import Write

COUNT_LASTS = timedelta(days=1)
"""How old a count of consents may be before a preview asks for a new one."""


class UnknownLanguageError(InvalidInputError):
    """The notice is not written in this language; `known` are those in which it is."""

    def __init__(self, known: tuple[str, ...]) -> None:
        super().__init__()
        self.known = ", ".join(known)


@dataclass(frozen=True, slots=True)
class DraftBody(EmptyBody):
    """The body of a call that drafts: the document as it was sent."""

    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApprovalBody(EmptyBody):
    """The body of an approval.

    `sha256` is the hash of the text that was read, so that no other text is approved in its place.
    `minor_reason` is why a version that changes more than words may have a MINOR number.
    """

    sha256: str = ""
    minor_reason: str | None = None


@dataclass(frozen=True, slots=True)
class ReviewedDraft:
    """A notice version, and what whoever approves it must know.

    `missing` is what the notice must tell and does not (GDPR Art. 13); `beyond_words` what it
    changes beyond words under a MINOR number; `change` is given for a new draft only.
    """

    draft: Draft
    summary: VersionSummary
    beyond_words: tuple[Difference, ...]
    missing: tuple[DocumentError, ...] = ()
    warnings: tuple[DocumentError, ...] = ()
    change: Change | None = None


def draft_version(portal: Portal, call: AuthorizedCall[DraftBody]) -> ReviewedDraft:
    """Keep a document as a draft, complete or not, in place of an unpublished one of its number.

    Raises InvalidDocumentError where it is of no clinic or number, and ReviewError.
    """
    draft = new_draft(call.body.document, call.clinic, person_of(call), call.now)
    kind = classify_change(draft.version, call.lookup.published.published, call.now)
    audit = call.audit("notices", notice=draft.version)
    asks = [consent_counts.ask_anew(call.clinic, call.now)] if kind is Change.MAJOR else []
    Drafts(portal.table).keep(draft, [audit, *asks])
    log.count("NoticeDrafted")
    missing = draft.missing(authorities())
    return ReviewedDraft(
        draft,
        _summary(draft, call),
        beyond_words=() if missing else _beyond_words(portal, draft, call),
        missing=missing,
        warnings=tuple(warnings_of(draft.document, call.now)),
        change=kind,
    )


def list_notices(portal: Portal, call: AuthorizedCall[EmptyBody]) -> list[VersionSummary]:
    """List every version, published or not, with who wrote, approved and published it."""
    drafts = Drafts(portal.table).all(call.clinic)
    portal.table.put_new(call.audit("notices"))
    return list_versions(call.lookup.published.published, drafts, call.now)


def read_version(portal: Portal, call: AuthorizedCall[EmptyBody], version: str) -> ReviewedDraft:
    """Give a version with its whole document; raise UnknownDraftError."""
    draft = Drafts(portal.table).find(call.clinic, version)
    portal.table.put_new(call.audit("notice", notice=version))
    summary = _summary(draft, call)
    if draft.release:
        approved = draft.override.changes if draft.override else ()
        return ReviewedDraft(draft, summary, beyond_words=approved)
    missing = draft.missing(authorities())
    return ReviewedDraft(
        draft,
        summary,
        beyond_words=() if missing else _beyond_words(portal, draft, call),
        missing=missing,
        warnings=tuple(warnings_of(draft.document, call.now)),
    )


def show_draft(
    portal: Portal, call: AuthorizedCall[EmptyBody], version: str, lang: str | None
) -> Page:
    """Give a draft as patients would see it, in a language; None for the clinic's first one.

    Raises UnknownDraftError, ReviewError where it is published, InvalidDocumentError where it is
    not complete, UnknownLanguageError.
    """
    draft = Drafts(portal.table).find(call.clinic, version)
    if draft.release:
        raise ReviewError(f"{version} is published. Read it at /{call.clinic}/notices/{version}")
    ready = make_edition(draft.document)
    languages = ready.clinic.languages
    chosen = lang or languages[0]
    if chosen not in languages:
        raise UnknownLanguageError(languages)
    approver = draft.approval.by.name if draft.approval and draft.approved else None
    addresses = {language: f"?lang={language}" for language in languages}
    page = draft_page(ready, chosen, call.now, approver=approver, addresses=addresses)
    portal.table.put_new(call.audit("shown", notice=version))
    return page


def approve(portal: Portal, call: AuthorizedCall[ApprovalBody], version: str) -> ReviewedDraft:
    """Approve a draft, as another person than its author.

    What is approved is the text that was read. A MINOR that changes more than words is refused
    without a reason, which is kept and published with the version. Sent again, or by a third
    person, the first approval stays. Raises UnknownDraftError, ReviewError and its kinds.
    """
    drafts = Drafts(portal.table)
    draft = drafts.find(call.clinic, version)
    audit = call.audit("approve", notice=version)
    if call.body.sha256 != draft.sha256:
        raise ReviewError(
            "The draft is no longer the text that was read: its sha256 differs. Read it again"
        )
    known = authorities()
    changes: tuple[Difference, ...] = ()
    if not draft.release and not draft.missing(known):
        changes = _beyond_words(portal, draft, call)
    reason = call.body.minor_reason
    approved = draft.approve(person_of(call), call.now, known, changes=changes, reason=reason)
    if draft.approved and draft.covers(changes):
        portal.table.put_new(audit)
        return ReviewedDraft(draft, _summary(draft, call), changes)
    drafts.change(draft, approved, [audit])
    log.count("NoticeApproved")
    return ReviewedDraft(approved, _summary(approved, call), changes)


def publish(portal: Portal, call: AuthorizedCall[EmptyBody], version: str) -> VersionSummary:
    """Publish an approved draft, in force from its effective day on.

    Raises UnknownDraftError, ReviewError and its kinds, InvalidDocumentError.
    """
    draft = Drafts(portal.table).find(call.clinic, version)
    audit = call.audit("publish", notice=version)
    if draft.release:  # sent again
        portal.table.put_new(audit)
        return _summary(draft, call)
    ready = make_edition(draft.document)
    by = person_of(call)
    publishing.publish(portal.clinics, ready, draft, by, at=call.now, also=[audit])
    log.count("NoticePublished")
    history = portal.directory.look_up(call.clinic).published.published
    return summarize(Drafts(portal.table).find(call.clinic, version), history, call.now)


def preview_publication(portal: Portal, call: AuthorizedCall[EmptyBody], version: str) -> Preview:
    """Tell what a publication would do, and how many consents it would end.

    Those are as of the last count; where that is older than `COUNT_LASTS`, a new one is asked for.
    Nothing else is written but the audit line. Errors as for `publish`.
    """
    place, head = consent_count_key(call.clinic), clinic_key(call.clinic)
    draft, beside = Drafts(portal.table).find_beside(call.clinic, version, [place, head])
    published = call.lookup.published
    ready = make_edition(draft.document)
    # What publishing would refuse is refused here already.
    publishing.is_last_of(portal.clinics, ready.clinic, beside.get(head))
    count = consent_counts.read(call.clinic, beside)
    found = preview(count, published, ready.clinic, ready.starts, call.now)
    changes = publishing.changes_beyond_words(
        portal.clinics, ready.clinic, published.published, found.since
    )
    reason = draft.override.reason if draft.override else None
    asks: list[Write] = []
    fresh_since = instant(moment(call.now) - COUNT_LASTS)
    if found.supersedes is None or (found.counted_at or fresh_since) < fresh_since:
        asks.append(consent_counts.ask_anew(call.clinic, call.now))
    portal.table.write([call.audit("preview", notice=version), *asks])
    return replace(found, beyond_words=changes, minor_reason=reason)


def person_of(call: AuthorizedCall[Any]) -> Person:
    """Tell who acts: a key is one person's, and its label names them."""
    return Person(call.key.label, call.key.id)


def _summary(draft: Draft, call: AuthorizedCall[Any]) -> VersionSummary:
    return summarize(draft, call.lookup.published.published, call.now)


def _beyond_words(
    portal: Portal, draft: Draft, call: AuthorizedCall[Any]
) -> tuple[Difference, ...]:
    """Tell what a complete draft would change beyond words if published now under a MINOR
    number.
    """
    clinic, starts = read_complete_clinic(draft.document)
    published = call.lookup.published.published
    since = max(call.now, starts)
    return publishing.changes_beyond_words(portal.clinics, clinic, published, since)
