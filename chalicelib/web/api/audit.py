"""Calls for the clinic's audit: who looked at or changed what, when, and the seals of its days."""

import re
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.instants import Instant, InvalidInstantError, parse_instant
from chalicelib.portal import get_portal
from chalicelib.services import audit
from chalicelib.services.audit import AuditSearch, FoundLine
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.cursors import cursor_for, cursor_sent, moment_sent
from chalicelib.web.api.errors import (
    UNKNOWN_CHOICE,
    UNKNOWN_CURSOR,
    UNKNOWN_DOER,
    UNKNOWN_SUBJECT_ID,
    RefusedError,
)
from chalicelib.web.requests import query
from chalicelib.web.responses import document

OLDEST, NEWEST = "oldest", "newest"
_PLACE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)#[0-9a-f]{16}", re.ASCII)
_SUBJECT = re.compile(r"[0-9a-f]{32}")
_DOER = re.compile(r"(key|staff)_[0-9a-f]{12}|patient|portal|operator")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def list_audit(request: Request, clinic: str) -> Response:
    """Search the audit by time, key, deed and subject."""
    call = authorize(request, clinic, "audit:read", no_body)
    search = _read_search(request, call.now)
    page = audit.read_audit(get_portal(), call, search)
    answer: dict[str, Any] = {
        "from": search.since,
        "to": search.until,
        "lines": [_describe(each) for each in page.lines],
    }
    if page.more is not None:
        answer["cursor"] = cursor_for(page.more)
    return document(answer)


def list_audit_seals(request: Request, clinic: str) -> Response:
    """List the seals of the audit's days, the oldest first."""
    call = authorize(request, clinic, "audit:read", no_body)
    after = cursor_sent(request)
    if after and not _DAY.fullmatch(after):
        raise RefusedError(UNKNOWN_CURSOR)
    seals, more = audit.list_seals(get_portal(), call, after)
    answer: dict[str, Any] = {"seals": [{"day": each.day, "jws": each.signed} for each in seals]}
    if more is not None:
        answer["cursor"] = cursor_for(more)
    return document(answer)


def _read_search(request: Request, now: Instant) -> AuditSearch:
    """Read what is looked for. Raises RefusedError, PeriodError."""
    since, until = audit.period(moment_sent(request, "from"), moment_sent(request, "to"), now)
    key, subject = query(request, "key"), query(request, "subject")
    if key is not None and not _DOER.fullmatch(key):
        raise RefusedError(UNKNOWN_DOER)
    if subject is not None and not _SUBJECT.fullmatch(subject):
        raise RefusedError(UNKNOWN_SUBJECT_ID)
    order = query(request, "order") or OLDEST
    if order not in {OLDEST, NEWEST}:
        raise RefusedError(UNKNOWN_CHOICE, name="order", known=f"{OLDEST}, {NEWEST}")
    after = cursor_sent(request)
    if after and not _is_place(after):
        raise RefusedError(UNKNOWN_CURSOR)
    return AuditSearch(
        since,
        until,
        key=key,
        deed=query(request, "deed"),
        subject=subject,
        newest_first=order == NEWEST,
        after=after or None,
    )


def _is_place(text: str) -> bool:
    """Tell whether a text is the place of a line of the audit."""
    found = _PLACE.fullmatch(text)
    if found is None:
        return False
    try:
        parse_instant(found[1])
    except InvalidInstantError:
        return False
    return True


def _describe(found: FoundLine) -> dict[str, Any]:
    """Describe a line by every name that one may have; what it does not tell is null."""
    told = found.told
    return {
        "id": found.id,
        "at": told["at"],
        "key": told["key"],
        "deed": told["call"],
        "subjects": told["subjects"],
        "receipt": told["receipt"],
        "notice": told.get("notice"),
        "links": told.get("links"),
        "link": told.get("link"),
        "link_by": told.get("link_by"),
        "about": told.get("about"),
        "list": told.get("list"),
    }
