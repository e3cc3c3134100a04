"""The clinic's notices at the desk: draft a version, read it, approve it, publish it.

The four steps are those of the API (`services.notices`): who approves is another person than the
author, and what is approved is the text that was read.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from chalice.app import Response

from chalicelib.domain.consent import QuestionId
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.submission import FieldError
from chalicelib.notices.differences import Difference
from chalicelib.notices.document import InvalidDocumentError
from chalicelib.notices.edition import read_complete_clinic
from chalicelib.notices.fields import DocumentError
from chalicelib.notices.workflow import (
    BeyondWordsError,
    IncompleteError,
    ReviewError,
    SamePersonError,
    VersionSummary,
    is_reason,
)
from chalicelib.presentation.i18n import format_date, format_day, format_time
from chalicelib.presentation.templates import content_security_policy
from chalicelib.services import notices
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.notices import ApprovalBody, DraftBody, ReviewedDraft, UnknownLanguageError
from chalicelib.services.worklist_tasks import DRAFTS
from chalicelib.web.responses import BinaryResponse, html
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import first

LIST_PAGE = "staff/notices.html"
VERSION_PAGE = "staff/notice.html"
PUBLISH_PAGE = "staff/notice_publish.html"

MOST_SHOWN = 200
"""How many characters of a text that differs are shown; the draft itself shows all of it."""

MOST_FAULTS = 40
"""How many faults of a document are shown at once."""

WRITE, APPROVE = "notices:write", "notices:approve"


def list_page(desk: Desk) -> Response:
    """List every version, published or not, and take a new draft from whoever may write one."""
    return _list(desk)


def draft(desk: Desk) -> Response:
    """Keep a clinic's file as a draft, or show the page again with what is wrong and where."""
    form = desk.form(LIST_PAGE, "file", long=("document",))
    written = form.raw.decode("utf-8-sig", "replace") or first(form.fields, "document")
    if not written.strip():
        return _list(desk, [FieldError("document", "document_missing")])
    try:
        document = json.loads(written)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        return _list(desk, [FieldError("document", "document_not_json", line)], written)
    if not isinstance(document, dict):
        return _list(desk, [FieldError("document", "document_not_json", 1)], written)
    try:
        drafted = notices.draft_version(desk.portal, desk.call(DraftBody(document=document)))
    except InvalidDocumentError as error:
        return _list(desk, [FieldError("document", "document_wrong")], written, error.faults)
    except ReviewError:
        return _list(desk, [FieldError("document", "document_number")], written)
    return desk.go(f"notices/{drafted.draft.version}", did="drafted")


def version_page(desk: Desk, version: str) -> Response:
    """Show one version: who wrote it, what is missing, what it changes, and the next step."""
    return _version(desk, version)


def approve(desk: Desk, version: str) -> Response:
    """Approve the text that was read, as another person than its author."""
    fields = desk.form(VERSION_PAGE).fields
    reason = first(fields, "minor_reason").strip()
    if reason and not is_reason(reason):
        return _version(desk, version, [FieldError("minor_reason", "minor_reason_long")], reason)
    body = ApprovalBody(sha256=first(fields, "sha256"), minor_reason=reason or None)
    try:
        notices.approve(desk.portal, desk.call(body), version)
    except ReviewError as error:
        field = "minor_reason" if isinstance(error, BeyondWordsError) else "errors"
        return _version(desk, version, [FieldError(field, _why_not(error))], reason)
    return desk.go(f"notices/{version}", did="approved")


def preview(desk: Desk, version: str) -> Response:
    """Show a draft as patients would see it, in one language.

    What is published has a page of its own, and what is incomplete cannot be shown.
    """
    try:
        page = notices.show_draft(desk.portal, desk.call(EmptyBody()), version, desk.query("lang"))
    except (ReviewError, InvalidDocumentError):
        return desk.go(f"notices/{version}")
    except UnknownLanguageError:
        raise NotFoundError from None
    policy = content_security_policy("notice.css", brand=page.brand, form=False)
    return html(page, headers={"Content-Security-Policy": policy})


def download(desk: Desk, version: str) -> Response:
    """Hand out a version's document as JSON: what the next draft begins with."""
    found = notices.read_version(desk.portal, desk.call(EmptyBody()), version)
    name = f"{desk.clinic.id}-{version}.json"
    text = json.dumps(found.draft.document, ensure_ascii=False, indent=2)
    return BinaryResponse(
        text.encode(),
        {
            "Content-Type": "application/json",
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def publish_page(desk: Desk, version: str) -> Response:
    """Show what publishing a version would do, and how many consents it would end."""
    return _publish(desk, version)


def publish(desk: Desk, version: str) -> Response:
    """Publish an approved version; a tick says that its consequences were seen."""
    fields = desk.form(PUBLISH_PAGE).fields
    if first(fields, "seen") != "yes":
        return _publish(desk, version, [FieldError("seen", "publish_unticked")])
    try:
        notices.publish(desk.portal, desk.call(EmptyBody()), version)
    except (ReviewError, InvalidDocumentError) as error:
        return _publish(desk, version, [FieldError("errors", _why_not(error))])
    return desk.go(f"notices/{version}", did="published")


def _why_not(error: Exception) -> str:
    """Name why a step may not be taken, for the page's sentence."""
    match error:
        case SamePersonError():
            return "approve_own"
        case IncompleteError() | InvalidDocumentError():
            return "draft_incomplete"
        case BeyondWordsError():
            return "minor_reason_missing"
    return "draft_changed"


def _list(
    desk: Desk,
    faults: Sequence[FieldError] = (),
    written: str = "",
    wrong: Sequence[DocumentError] = (),
) -> Response:
    versions = notices.list_notices(desk.portal, desk.call(EmptyBody()))
    return desk.page(
        LIST_PAGE,
        HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        versions=[_summary(desk, each) for each in reversed(versions)],
        may_write=desk.may(WRITE),
        written=written,
        wrong=wrong[:MOST_FAULTS],
        faults=faults,
    )


def _summary(desk: Desk, each: VersionSummary) -> dict[str, Any]:
    """Give a version as the pages write it."""
    lang, country = desk.lang, desk.clinic.country

    def when(at: str | None) -> str:
        return format_time(at, lang, country) if at else ""

    return {
        "version": each.version,
        "state": each.state.value,
        "open": each.state in DRAFTS,
        "kept": each.sha256 is not None,
        "since": format_day(each.since, lang, country) if each.since else "",
        "effective": _day(each.effective, lang),
        "author": each.author,
        "drafted_at": when(each.drafted_at),
        "approver": each.approver,
        "approved_at": when(each.approved_at),
        "published_by": each.published_by,
        "published_at": when(each.published_at),
        "minor_reason": each.minor_reason,
    }


def _day(written: str | None, lang: str) -> str:
    """Write a day of a document in words; a draft may hold anything there."""
    try:
        return format_date(written, lang) if written else ""
    except ValueError:
        return ""


def _version(
    desk: Desk,
    version: str,
    faults: Sequence[FieldError] = (),
    reason: str = "",
) -> Response:
    found = notices.read_version(desk.portal, desk.call(EmptyBody()), version)
    own = found.draft.author.is_same_as(notices.person_of(desk.call(EmptyBody())))
    summary = _summary(desk, found.summary)
    return desk.page(
        VERSION_PAGE,
        HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        version=summary,
        sha256=found.draft.sha256,
        missing=found.missing[:MOST_FAULTS],
        more_missing=max(0, len(found.missing) - MOST_FAULTS),
        warnings=found.warnings,
        changes=[_difference(each) for each in found.beyond_words],
        unconfirmed=list(found.draft.unconfirmed().items()),
        complete=not found.missing,
        own=own,
        may_approve=desk.may(APPROVE),
        may_publish=desk.may(WRITE),
        minor_reason=reason,
        did=_did(desk),
        faults=faults,
    )


def _did(desk: Desk) -> str:
    did = desk.query("did") or ""
    return did if did in {"drafted", "approved", "published"} else ""


def _difference(each: Difference) -> Mapping[str, str]:
    return {"place": each.place, "lang": each.lang or "", "text": str(each)[:MOST_SHOWN]}


def _publish(desk: Desk, version: str, faults: Sequence[FieldError] = ()) -> Response:
    call = desk.call(EmptyBody())
    found = notices.read_version(desk.portal, call, version)
    if found.draft.release is not None:
        return desk.go(f"notices/{version}")
    if not found.draft.approved:
        raise NotFoundError
    try:
        impact = notices.preview_publication(desk.portal, call, version)
    except (ReviewError, InvalidDocumentError) as error:
        return _version(desk, version, [FieldError("errors", _why_not(error))])
    questions = call.shared.questions
    ended = impact.supersedes or {}
    lang, country = desk.lang, desk.clinic.country

    def title(question: QuestionId) -> str:
        return questions[question].title(lang) if question in questions else question

    return desk.page(
        PUBLISH_PAGE,
        HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        version=_summary(desk, found.summary),
        impact=impact,
        known=impact.supersedes is not None,
        ended=[(title(question), number) for question, number in ended.items() if number],
        counted_at=format_time(impact.counted_at, lang, country) if impact.counted_at else "",
        since=format_day(impact.since, lang, country),
        appear=[_title_in(found, each, lang) for each in impact.appear],
        disappear=[title(each) for each in impact.disappear],
        changed=impact.changed[:MOST_FAULTS],
        faults=faults,
    )


def _title_in(found: ReviewedDraft, question: QuestionId, lang: str) -> str:
    """Give the title of a question that the draft asks anew."""
    clinic, _ = read_complete_clinic(found.draft.document)
    return clinic.questions[question].title(lang)
