"""When something was said, as other systems write it in their exports.

Mailchimp writes ``2024-03-01 10:15:00``, listmonk ``2024-03-01 10:15:00.123 +0000 UTC`` (Go's own
form), Brevo ``01-03-2024`` or ``01-03-2024 10:15``, spreadsheets here ``2024-03-01`` or
``01.03.2024``. A time without a zone is read in the one that the caller names, a day in that of the
clinic. ``01/03/2024`` is refused: nobody can tell March from January.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chalicelib.domain.ages import calendar_day
from chalicelib.domain.decisions import Day
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.instants import Instant, instant, just_before
from chalicelib.domain.local_time import local_day, local_midnight

EARLIEST_YEAR = 2000
"""A decision before this has a mistyped year."""

MAX_TIME = 64
MAX_ZONE = 64

_DATE = r"(?:(\d{4})-(\d\d?)-(\d\d?)|(\d\d?)([.-])(\d\d?)\5(\d{4}))"
_CLOCK = r"(?:[T ]+(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?"
_OFFSET = r"[+-]\d\d:?\d\d"
_ZONE = rf"(?:\s*((?:Z|UTC|GMT)(?!\s)|{_OFFSET})(?:\s+(?:m=\S+|[A-Z]{{2,5}}|{_OFFSET}))*)?"
"""By its offset, or UTC. A name beside an offset says nothing more; alone it may be anything: EST is
another zone in Sydney."""
_WRITTEN = re.compile(_DATE + _CLOCK + _ZONE, re.ASCII)


class UnclearTimeError(InvalidInputError):
    """A time that cannot be read for certain; the message is one word that says why."""


class Said(NamedTuple):
    """When something was said: a moment, and the whole day where only that is known."""

    at: Instant
    day: Day | None = None

    @property
    def written(self) -> str:
        """The day, or the moment, as it stands in evidence."""
        return self.day.date if self.day else self.at


def zone_named(name: str) -> ZoneInfo | None:
    """Give a time zone by its IANA name, such as ``Europe/Riga``; None for none."""
    if len(name) > MAX_ZONE or not re.fullmatch(r"[A-Za-z]+(?:[/_+-][A-Za-z0-9]+)*", name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def read_time(
    written: str, *, country: str, zone: tzinfo, month_first: bool, now: Instant
) -> Said | None:
    """Read when something was said; None for an empty cell.

    Raises UnclearTimeError: ``date_unclear``, ``date_too_early``, ``date_in_future``.
    """
    text = written.strip()
    if not text:
        return None
    found = _WRITTEN.fullmatch(text) if len(text) <= MAX_TIME else None
    if found is None:
        raise UnclearTimeError("date_unclear")
    year, month, day = _day_parts(found, month_first=month_first)
    on = calendar_day(year, month, day)
    if on is None:
        raise UnclearTimeError("date_unclear")
    if on.year < EARLIEST_YEAR:
        raise UnclearTimeError("date_too_early")
    if found[8] is None:
        return said_on(on, country, now)
    at = instant(_moment(found, on, zone))
    if at > now:
        raise UnclearTimeError("date_in_future")
    return Said(at)


def said_on(on: date, country: str, now: Instant) -> Said:
    """Give a day of which no time is known; raise UnclearTimeError where it is still to come."""
    written = on.isoformat()
    if written > local_day(now, country):
        raise UnclearTimeError("date_in_future")
    following = on + timedelta(days=1)
    ends = just_before(local_midnight(following.isoformat(), country))
    return Said(local_midnight(written, country), Day(written, ends))


def _day_parts(found: re.Match[str], *, month_first: bool) -> tuple[str, str, str]:
    """Give year, month and day; with dots the day comes first, whatever the caller says."""
    if found[1] is not None:
        return found[1], found[2], found[3]
    first, separator, second, year = found[4], found[5], found[6], found[7]
    if month_first and separator == "-":
        return year, first, second
    return year, second, first


def _moment(found: re.Match[str], on: date, zone: tzinfo) -> datetime:
    hour, minute, second, fraction, named = found.group(8, 9, 10, 11, 12)
    microseconds = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        at = datetime(
            on.year,
            on.month,
            on.day,
            int(hour),
            int(minute),
            int(second or 0),
            microseconds,
            tzinfo=_zone(named) or zone,
        )
        return at.astimezone(UTC)
    except ValueError:
        raise UnclearTimeError("date_unclear") from None


def _zone(named: str | None) -> tzinfo | None:
    """Give the zone that a time names itself."""
    if named is None:
        return None
    if named in {"Z", "UTC", "GMT"}:
        return UTC
    sign = -1 if named[0] == "-" else 1
    digits = named[1:].replace(":", "")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))
