"""Calls on a clinic's notices: draft, list, read, preview, approve, publish."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from chalice.app import Request, Response

from chalicelib.notices.differences import Difference
from chalicelib.notices.document import InvalidDocumentError
from chalicelib.notices.fields import DocumentError
from chalicelib.notices.workflow import MAX_REASON, is_reason
from chalicelib.portal import get_portal
from chalicelib.presentation.templates import content_security_policy
from chalicelib.services import notices
from chalicelib.services.authorized_call import InvalidBodyError
from chalicelib.services.notices import ApprovalBody, DraftBody, ReviewedDraft
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.body_reader import BodyReader, is_sha256
from chalicelib.web.api.errors import UNKNOWN_PREVIEW, RefusedError
from chalicelib.web.requests import mount, query
from chalicelib.web.responses import document, html


def draft_notice(request: Request, clinic: str) -> Response:
    """Keep a document as a draft, complete or not, in place of an unpublished one of its number."""
    call = authorize(request, clinic, "notices:write", read_draft)
    try:
        drafted = notices.draft_version(get_portal(), call)
    except InvalidDocumentError as error:
        raise InvalidBodyError(_with_pointers(error)) from None
    version = drafted.draft.version
    address = f"{mount(request)}/v1/clinics/{clinic}/notices/{version}"
    described = {
        **_describe(drafted),
        "change": drafted.change,
        "missing": _listed(drafted.missing),
        "warnings": _listed(drafted.warnings),
        "beyond_words": _listed(drafted.beyond_words),
    }
    return document(described, 201, {"Location": address})


def list_notices(request: Request, clinic: str) -> Response:
    """List every version, published or not, with who wrote, approved and published it."""
    call = authorize(request, clinic, "notices:read", no_body)
    summaries = notices.list_notices(get_portal(), call)
    return document({"notices": [asdict(summary) for summary in summaries]})


def get_notice(request: Request, clinic: str, version: str) -> Response:
    """Give a version with its whole document, so that who approves can read what they approve."""
    call = authorize(request, clinic, "notices:read", no_body)
    found = notices.read_version(get_portal(), call, version)
    described = {
        **_describe(found),
        "missing": _listed(found.missing),
        "beyond_words": _listed(found.beyond_words),
        "warnings": _listed(found.warnings),
        "document": found.draft.document,
    }
    return document(described)


def preview_notice(request: Request, clinic: str, version: str) -> Response:
    """Give a draft as patients would see it, in one language."""
    call = authorize(request, clinic, ("notices:read", "notices:approve"), no_body)
    page = notices.show_draft(get_portal(), call, version, query(request, "lang"))
    policy = content_security_policy("notice.css", brand=page.brand, form=False)
    return html(page, headers={"Content-Security-Policy": policy})


def approve_notice(request: Request, clinic: str, version: str) -> Response:
    """Approve a draft, as another person than its author."""
    call = authorize(request, clinic, "notices:approve", read_approval, body_optional=True)
    approved = notices.approve(get_portal(), call, version)
    return document({**_describe(approved), "beyond_words": _listed(approved.beyond_words)})


def publish_notice(request: Request, clinic: str, version: str) -> Response:
    """Publish an approved draft; with `?preview=1` only tell what that would do."""
    call = authorize(request, clinic, "notices:write", no_body, body_optional=True)
    preview = query(request, "preview")
    if preview is None:
        return document(asdict(notices.publish(get_portal(), call, version)))
    if preview == "1":
        return document(asdict(notices.preview_publication(get_portal(), call, version)))
    raise RefusedError(UNKNOWN_PREVIEW)


def read_draft(body: BodyReader) -> DraftBody:
    """Take the whole body as the document: what is wrong with it is for `notices` to say."""
    return DraftBody(document=body.sent)


def read_approval(body: BodyReader) -> ApprovalBody:
    """Read an approval: the hash of the text that was read, and why it may stay a MINOR."""
    body.only("sha256", "minor_reason")
    sha256, reason = body.sent.get("sha256"), body.sent.get("minor_reason")
    if not is_sha256(sha256):
        detail = "The sha256 of the text that was read, as reading it gave it: 64 hexadecimal digits in lower case."
        body.error("/sha256", detail)
    if reason is not None and not (isinstance(reason, str) and is_reason(reason)):
        detail = f"Why it may stay a MINOR, in one line of at most {MAX_REASON} characters, or leave it out."
        body.error("/minor_reason", detail)
    minor_reason = reason.strip() if isinstance(reason, str) else None
    return ApprovalBody(sha256=str(sha256), minor_reason=minor_reason or None)


def _describe(reviewed: ReviewedDraft) -> dict[str, Any]:
    """Describe one version, with what counts unconfirmed by it and why: approving agrees to it."""
    unconfirmed = []
    for question, reason in reviewed.draft.unconfirmed().items():
        unconfirmed.append({"decision": question, "reason": reason})
    return {**asdict(reviewed.summary), "unconfirmed": unconfirmed}


def _with_pointers(error: InvalidDocumentError) -> list[dict[str, str]]:
    errors = []
    for fault in error.faults:
        detail = f"{fault.problem}. {fault.remedy}."
        errors.append({"pointer": f"/{fault.place}", "detail": detail})
    return errors


def _listed(faults: Sequence[DocumentError] | Sequence[Difference]) -> list[dict[str, Any]]:
    return [asdict(fault) for fault in faults]
