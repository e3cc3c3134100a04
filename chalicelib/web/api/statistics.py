"""The call for statistics: counts of answers, and how people stand."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.instants import Instant, moment
from chalicelib.portal import get_portal
from chalicelib.services.statistics import (
    DEFAULT_DAYS,
    DEFAULT_GROUPS,
    GROUPS,
    MOST_DAYS,
    Standing,
    Statistics,
    StatisticsQuestion,
    read_statistics,
)
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.errors import INVALID_DAYS, UNKNOWN_CHOICE, RefusedError
from chalicelib.web.api.feeds import CSV, JSON_LINES, read_format, write_csv
from chalicelib.web.requests import query
from chalicelib.web.responses import BinaryResponse, document


def get_statistics(request: Request, clinic: str) -> Response:
    """Give the counts of some days, told apart as asked for, and how people stand."""
    call = authorize(request, clinic, "stats:read", no_body)
    media_type = read_format(request)
    if media_type == JSON_LINES:
        raise RefusedError(UNKNOWN_CHOICE, name="format", known="json, csv")
    question = read_question(request, call.now)
    found = read_statistics(get_portal(), call, question)
    rows = [_named(found, number) for number in range(len(found.counts))]
    if media_type == CSV:
        text = write_csv([*found.groups, "count"], rows)
        return BinaryResponse(
            text.encode(), {"Content-Type": f"{CSV}; charset=utf-8; header=present"}
        )
    return document(
        {
            "from": question.first.isoformat(),
            "to": question.last.isoformat(),
            "counts": rows,
            "complete_until": found.complete_until,
            "standing": _described(found.standing),
        }
    )


def read_question(request: Request, now: Instant) -> StatisticsQuestion:
    """Read which days and groups are asked for; raise RefusedError."""
    last = _day(request, "to") or moment(now).date()
    first = _day(request, "from") or last - timedelta(days=DEFAULT_DAYS - 1)
    if not first <= last or (last - first).days >= MOST_DAYS:
        raise RefusedError(INVALID_DAYS, most=MOST_DAYS)
    written = query(request, "group")
    groups = DEFAULT_GROUPS if written is None else tuple(dict.fromkeys(written.split(",")))
    if not set(groups) <= set(GROUPS):
        raise RefusedError(UNKNOWN_CHOICE, name="group", known=", ".join(GROUPS))
    return StatisticsQuestion(first, last, groups)


def _day(request: Request, name: str) -> date | None:
    written = query(request, name)
    if written is None:
        return None
    try:
        day = date.fromisoformat(written)
    except ValueError:
        raise RefusedError(INVALID_DAYS, most=MOST_DAYS) from None
    if day.isoformat() != written or not _FIRST <= day <= _LAST:
        raise RefusedError(INVALID_DAYS, most=MOST_DAYS)
    return day


_FIRST, _LAST = date(2000, 1, 1), date(9998, 12, 31)


def _named(found: Statistics, number: int) -> dict[str, Any]:
    group, count = found.counts[number]
    return {**dict(zip(found.groups, group, strict=True)), "count": count}


def _described(standing: Standing | None) -> Mapping[str, Any] | None:
    if standing is None:
        return None
    return {"counted_at": standing.counted_at, "states": standing.states}
