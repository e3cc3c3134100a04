"""Moments in time as the portal writes them: RFC 3339, UTC, milliseconds.

All such texts have the same width and zone, so that instants compare as strings.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from chalicelib.domain.errors import InvalidInputError

Instant = str
"""An RFC 3339 date-time in UTC with milliseconds, e.g. ``2026-11-22T08:15:00.000Z``."""

END_OF_TIME: Instant = "9999-12-31T23:59:59.999Z"
"""Later than every moment."""

_PUNCTUATION = str.maketrans("", "", "-:.TZ")
_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_DURATION = re.compile(r"P([1-9]\d{0,2})([YMD])")

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)


class InvalidInstantError(InvalidInputError):
    """A text is not an RFC 3339 date-time with an offset."""


def instant(moment: datetime) -> Instant:
    """Write an aware datetime as an Instant."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def moment(written: Instant) -> datetime:
    """Read an Instant back as an aware datetime."""
    return datetime.fromisoformat(written)


def parse_instant(written: str) -> Instant:
    """Read any RFC 3339 date-time with an offset as an Instant; raise InvalidInstantError."""
    if not _RFC3339.fullmatch(written):  # `fromisoformat` also reads other spellings of ISO 8601
        raise InvalidInstantError(written)
    try:
        return instant(datetime.fromisoformat(written.upper()))
    except (ValueError, OverflowError):
        raise InvalidInstantError(written) from None


def short(at: Instant) -> int | str:
    """Write an Instant of this century as a number of its digits, such as 261122081500000.

    What is none, such as "", stays as it is: nothing is lost. `full` reads it back.
    """
    digits = at.translate(_PUNCTUATION)
    number = int(digits[2:]) if at[:2] == "20" and digits.isdecimal() else 0
    return number if full(number) == at else at


@lru_cache(maxsize=1024)
def full(stored: int | str) -> Instant:
    """Read an Instant that `short` wrote; one person's item has most of its own several times."""
    if isinstance(stored, str):
        return stored
    t = f"{stored:015d}"
    return f"20{t[:2]}-{t[2:4]}-{t[4:6]}T{t[6:8]}:{t[8:10]}:{t[10:12]}.{t[12:]}Z"


def is_ending(rule: str) -> bool:
    """Tell whether a text is a last day (``2027-03-31``) or a period (``P1Y``, ``P6M``)."""
    if _DURATION.fullmatch(rule):
        return True
    try:
        return _FIRST_YEAR <= date.fromisoformat(rule).year < _LAST_YEAR
    except ValueError:
        return False


def ending(rule: str, start: Instant) -> Instant:
    """Tell when something ends that began at `start`.

    `rule` is an instant, a last day (``2027-03-31``, in UTC), or a period (``P1Y``, ``P6M``,
    ``P30D``).
    """
    if match := _DURATION.fullmatch(rule):
        return _after_period(moment(start), int(match[1]), match[2])
    if "T" in rule:
        return rule
    last = date.fromisoformat(rule)
    midnight = datetime(last.year, last.month, last.day, tzinfo=UTC)
    return instant(midnight + timedelta(days=1))


def _after_period(begun: datetime, amount: int, unit: str) -> Instant:
    """Add days, months or years; a day that the last month lacks becomes the last it has."""
    if unit == "D":
        return instant(begun + timedelta(days=amount))
    if unit == "Y":
        amount *= 12
    months = begun.month - 1 + amount
    year = begun.year + months // 12
    month = months % 12 + 1
    day = min(begun.day, _last_day(year, month))
    return instant(begun.replace(year=year, month=month, day=day))


def just_before(at: Instant) -> Instant:
    """Give the moment before another: what ends at midnight was good until the day before."""
    return instant(moment(at) - timedelta(milliseconds=1))


def just_after(at: Instant) -> Instant:
    """Give the moment after another."""
    return instant(moment(at) + timedelta(milliseconds=1))


def _last_day(year: int, month: int) -> int:
    """Give the number of days in a month."""
    first_of_next = date(year + month // 12, month % 12 + 1, 1)
    last = first_of_next - timedelta(days=1)
    return last.day
