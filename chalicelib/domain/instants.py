"""Moments in time as the portal writes them: RFC 3339, UTC, milliseconds.

Every such text has the same width and zone, so instants compare as strings; nothing in the core needs a clock
or a calendar to order two of them.
"""

import re
from datetime import UTC, date, datetime, timedelta

from chalicelib.domain.errors import InvalidInputError

Instant = str
"""An RFC 3339 date-time in UTC with milliseconds, e.g. ``2026-11-22T08:15:00.000Z``."""

END_OF_TIME: Instant = "9999-12-31T23:59:59.999Z"
"""Later than every moment."""

_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_DURATION = re.compile(r"P([1-9]\d{0,2})([YMD])")

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


class InvalidInstantError(InvalidInputError):
    """A text that is no RFC 3339 date-time with an offset."""


def instant(moment: datetime) -> Instant:
    """Write an aware datetime as an Instant."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def moment(written: Instant) -> datetime:
    """Read an Instant back as an aware datetime."""
    return datetime.fromisoformat(written)


def parse_instant(written: str) -> Instant:
    """Read any RFC 3339 date-time (an offset is required) and write it as an Instant; raise InvalidInstantError."""
    if not _RFC3339.fullmatch(written):  # ISO 8601 has many more spellings
        raise InvalidInstantError(written)
    try:
        return instant(datetime.fromisoformat(written.upper()))
    except (ValueError, OverflowError):
        raise InvalidInstantError(written) from None


def is_ending(rule: str) -> bool:
    """Tell whether a rule is a last day (``2027-03-31``) or a period (``P1Y``, ``P6M``, ``P30D``)."""
    if _DURATION.fullmatch(rule):
        return True
    try:
        return _FIRST_YEAR <= date.fromisoformat(rule).year < _LAST_YEAR
    except ValueError:
        return False


def ending(rule: str, start: Instant) -> Instant:
    """Tell when a consent given at `start` ends: at an instant, after a last day (UTC), or when a period is over."""
    if match := _DURATION.fullmatch(rule):
        amount, unit = int(match[1]), match[2]
        begun = moment(start)
        if unit == "D":
            return instant(begun + timedelta(days=amount))
        months = begun.month - 1 + amount * (12 if unit == "Y" else 1)
        year, month = begun.year + months // 12, months % 12 + 1
        return instant(begun.replace(year=year, month=month, day=min(begun.day, _last_day(year, month))))
    if "T" in rule:
        return rule
    last = date.fromisoformat(rule)
    return instant(datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1))


def just_before(at: Instant) -> Instant:
    """Give the last moment before another: what ends as a day begins was good until the day before."""
    return instant(moment(at) - timedelta(milliseconds=1))


def just_after(at: Instant) -> Instant:
    """Give the first moment after another."""
    return instant(moment(at) + timedelta(milliseconds=1))


def _last_day(year: int, month: int) -> int:
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day
