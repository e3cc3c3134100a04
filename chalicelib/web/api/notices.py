"""What the calls on a clinic's notices do: draft, list, read, approve, publish; each leaves an audit line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from chalice.app import Request, Response

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.notices.differences import Difference
from chalicelib.notices.document import InvalidDocumentError, warnings_of
from chalicelib.notices.edition import described, edition
from chalicelib.notices.fields import DocumentError
from chalicelib.notices.impact import preview
from chalicelib.notices.workflow import (
    MAX_REASON,
    Draft,
    Person,
    ReviewError,
    change,
    is_reason,
    list_versions,
    new_draft,
    summarize,
)
from chalicelib.portal import get_portal
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.templates import content_security_policy
from chalicelib.services.draft_preview import draft_page
from chalicelib.store import publishing
from chalicelib.store.people import iter_people
from chalicelib.store.publishing import Drafts
from chalicelib.web.api.auth import AuthorizedCall, Body, EmptyBody, authorize
from chalicelib.web.api.body_reader import InvalidBodyError, escaped, is_sha256
from chalicelib.web.api.errors import UNKNOWN_PREVIEW, UNKNOWN_PREVIEW_LANGUAGE, RefusedError
from chalicelib.web.requests import mount, query
from chalicelib.web.responses import document, html


@dataclass(frozen=True, slots=True)
class DraftBody(EmptyBody):
    """The body of a call that drafts: the document as it was sent."""

    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApprovalBody(EmptyBody):
    """The body of an approval: the hash of the text that was read, so that no other is approved in its place.

    `minor_reason` is why a version that changes more than words may have a MINOR number.
    """

    sha256: str = ""
    minor_reason: str | None = None


def draft(request: Request, clinic: str) -> Response:
    """Keep a document as a draft, complete or not, in place of an unpublished one of its number."""
    call = _call(request, clinic, "notices:write", lambda _known, body: DraftBody(document=body))
    try:
        draft = new_draft(call.body.document, clinic, _person(call), call.now)
    except InvalidDocumentError as error:
        errors = [
            {"pointer": f"/{fault.place}", "detail": f"{fault.problem}. {fault.remedy}."} for fault in error.faults
        ]
        raise InvalidBodyError(errors) from None
    kind = change(draft.version, call.lookup.published.published, call.now)
    Drafts(get_portal().table).keep(draft, [call.audit("notices", (), notice=draft.version)])
    log.count("NoticeDrafted")
    address = f"{mount(request)}/v1/clinics/{clinic}/notices/{draft.version}"
    missing = draft.missing(authorities())
    warnings = _listed(warnings_of(draft.document, call.now))
    told = {**_told(draft, call), "change": kind, "missing": _listed(missing), "warnings": warnings}
    changes = [] if missing else _beyond_words(draft, call)
    return document({**told, "beyond_words": _listed(changes)}, 201, {"Location": address})


def listed(request: Request, clinic: str) -> Response:
    """List every version, published or not, with who wrote, approved and published it."""
    call = _call(request, clinic, "notices:read", _nothing)
    drafts = Drafts(get_portal().table).all(clinic)
    get_portal().table.put_new(call.audit("notices", ()))
    return document(
        {"notices": [asdict(each) for each in list_versions(call.lookup.published.published, drafts, call.now)]}
    )


def read(request: Request, clinic: str, version: str) -> Response:
    """Give a version with its whole document, so that who approves can read what they approve."""
    call = _call(request, clinic, "notices:read", _nothing)
    draft = Drafts(get_portal().table).find(clinic, version)
    get_portal().table.put_new(call.audit("notice", (), notice=version))
    missing = () if draft.release else draft.missing(authorities())
    if draft.release:
        changes = draft.override.changes if draft.override else ()
    else:
        changes = () if missing else _beyond_words(draft, call)
    told = {**_told(draft, call), "missing": _listed(missing), "beyond_words": _listed(changes)}
    warnings = () if draft.release else warnings_of(draft.document, call.now)
    return document({**told, "warnings": _listed(warnings), "document": draft.document})


def shown(request: Request, clinic: str, version: str) -> Response:
    """Give a draft as patients would see it, in one language: what is approved is looked at first."""
    call = _call(request, clinic, ("notices:read", "notices:approve"), _nothing)
    draft = Drafts(get_portal().table).find(clinic, version)
    if draft.release:
        raise ReviewError(f"{version} is published. Read it at /{clinic}/notices/{version}")
    ready = edition(draft.document)
    languages = ready.clinic.languages
    lang = query(request, "lang") or languages[0]
    if lang not in languages:
        raise RefusedError(UNKNOWN_PREVIEW_LANGUAGE, known=", ".join(languages))
    approver = draft.approval.by.name if draft.approval and draft.approved else None
    written = draft_page(
        ready, lang, call.now, approver=approver, addresses={each: f"?lang={each}" for each in languages}
    )
    get_portal().table.put_new(call.audit("shown", (), notice=version))
    return html(written, headers={"Content-Security-Policy": content_security_policy("notice.css", form=False)})


def approve(request: Request, clinic: str, version: str) -> Response:
    """Approve a draft, as another person than its author; what is approved is the text that was read, or nothing.

    A MINOR that changes more than words is refused without a reason, which is kept and published with the version.
    """
    call = _call(request, clinic, "notices:approve", _read_review)
    drafts = Drafts(get_portal().table)
    draft = drafts.find(clinic, version)
    audit = call.audit("approve", (), notice=version)
    if call.body.sha256 != draft.sha256:
        raise ReviewError("The draft is no longer the text that was read: its sha256 differs. Read it again")
    changes = () if draft.release or draft.missing(authorities()) else _beyond_words(draft, call)
    approved = draft.approve(_person(call), call.now, authorities(), changes=changes, reason=call.body.minor_reason)
    told = {"beyond_words": _listed(changes)}
    if draft.approved and draft.covers(changes):  # sent again, or a third person agrees: the first approval stands
        get_portal().table.put_new(audit)
        return document({**_told(draft, call), **told})
    drafts.change(draft, approved, [audit])
    log.count("NoticeApproved")
    return document({**_told(approved, call), **told})


def publish(request: Request, clinic: str, version: str) -> Response:
    """Publish an approved draft, in force from its effective day on; with `?preview=1` only tell what that would do."""
    call = _call(request, clinic, "notices:write", _nothing)
    portal = get_portal()
    draft = Drafts(portal.table).find(clinic, version)
    wanted = query(request, "preview")
    if wanted not in {None, "1"}:
        raise RefusedError(UNKNOWN_PREVIEW)
    if wanted:
        return _previewed(draft, call)
    audit = call.audit("publish", (), notice=version)
    if draft.release:  # sent again
        portal.table.put_new(audit)
        return document(asdict(summarize(draft, call.lookup.published.published, call.now)))
    publishing.publish(portal.clinics, edition(draft.document), draft, _person(call), at=call.now, also=[audit])
    log.count("NoticePublished")
    published = portal.directory.look_up(clinic).published.published
    return document(asdict(summarize(Drafts(portal.table).find(clinic, version), published, call.now)))


def _previewed(draft: Draft, call: AuthorizedCall[EmptyBody]) -> Response:
    """Count over the whole roll what a publication would end; nothing is written but the audit line."""
    portal = get_portal()
    ready = edition(draft.document)
    publishing.is_published(portal.clinics, ready.clinic)  # what publishing would refuse is refused here already
    everybody = iter_people(portal.table, draft.clinic)
    seen = preview(everybody, call.lookup.published, ready.clinic, ready.starts, call.now)
    seen = replace(
        seen,
        beyond_words=publishing.changes_beyond_words(
            portal.clinics, ready.clinic, call.lookup.published.published, seen.since
        ),
        minor_reason=draft.override.reason if draft.override else None,
    )
    portal.table.put_new(call.audit("preview", (), notice=draft.version))
    return document(asdict(seen))


def _beyond_words(draft: Draft, call: AuthorizedCall[Any]) -> tuple[Difference, ...]:
    """Tell what a whole draft would change beyond words under a MINOR number, were it published now."""
    clinic, starts = described(draft.document)
    return publishing.changes_beyond_words(
        get_portal().clinics, clinic, call.lookup.published.published, max(call.now, starts)
    )


def _call(
    request: Request, clinic: str, scope: str | tuple[str, ...], read: Callable[[Clinic, Any], Body]
) -> AuthorizedCall[Body]:
    named = "{version}" in str(request.context.get("resourcePath"))
    return authorize(request, clinic, scope, read, body_optional=named)


def _nothing(_known: Clinic, body: Mapping[str, Any]) -> EmptyBody:
    _only(body)
    return EmptyBody()


def _read_review(_known: Clinic, body: Mapping[str, Any]) -> ApprovalBody:
    _only(body, "sha256", "minor_reason")
    errors = []
    sha256, reason = body.get("sha256"), body.get("minor_reason")
    if not is_sha256(sha256):
        told = "The sha256 of the text that was read, as reading it gave it: 64 hexadecimal digits in lower case."
        errors.append({"pointer": "/sha256", "detail": told})
    if reason is not None and not (isinstance(reason, str) and is_reason(reason)):
        told = f"Why it may stay a MINOR, in one line of at most {MAX_REASON} characters, or leave it out."
        errors.append({"pointer": "/minor_reason", "detail": told})
    if errors:
        raise InvalidBodyError(errors)
    return ApprovalBody(sha256=str(sha256), minor_reason=reason and reason.strip())


def _only(body: Mapping[str, Any], *names: str) -> None:
    if unknown := sorted(body.keys() - set(names)):
        known = f"Known: {', '.join(names)}." if names else "The body is empty."
        raise InvalidBodyError(
            [{"pointer": f"/{escaped(name)}", "detail": f"Not known here. {known}"} for name in unknown]
        )


def _person(call: AuthorizedCall[Any]) -> Person:
    """Tell who acts: a key is one person's, and its label names them."""
    return Person(call.key.label, call.key.id)


def _told(draft: Draft, call: AuthorizedCall[Any]) -> dict[str, Any]:
    """Tell of one version, with what counts unconfirmed by it and why: who approves it agrees to that too."""
    where = summarize(draft, call.lookup.published.published, call.now)
    unconfirmed = [{"decision": address, "reason": reason} for address, reason in draft.unconfirmed().items()]
    return {**asdict(where), "unconfirmed": unconfirmed}


def _listed(named: Sequence[DocumentError] | Sequence[Difference]) -> list[dict[str, Any]]:
    return [asdict(each) for each in named]
