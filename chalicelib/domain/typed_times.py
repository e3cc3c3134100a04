"""When something was decided, as staff type it: a day as people write it, with a time or without.

``29.11.2026``, ``29.11.``, ``29/11/2026`` and ``2026-11-29`` are the same day: where the portal's
clinics are, the day comes before the month. ``today`` and ``yesterday`` are read in every language.
"""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from chalicelib.domain.ages import calendar_day
from chalicelib.domain.imported_times import EARLIEST_YEAR, Said, UnclearTimeError, said_on
from chalicelib.domain.instants import Instant, instant
from chalicelib.domain.local_time import ZONES, local_day

MAX_TYPED_TIME = 40

_DAYS_AGO = {
    **dict.fromkeys(("today", "šodien", "šiandien", "დღეს", "сегодня"), 0),
    **dict.fromkeys(("yesterday", "vakar", "გუშინ", "вчера"), 1),
}
_BETWEEN = r"\s*[./-]\s*"
_DAY_FIRST = rf"(\d\d?){_BETWEEN}(\d\d?)(?:{_BETWEEN}(\d{{4}}))?\.?"
_YEAR_FIRST = rf"(\d{{4}}){_BETWEEN}(\d\d?){_BETWEEN}(\d\d?)\.?"
_CLOCK = r"(?:[\s,]+(\d\d?)[:.](\d\d))?"
_TYPED = re.compile(rf"(?:{_YEAR_FIRST}|{_DAY_FIRST}|([^\W\d_]+)){_CLOCK}")


def read_typed_time(typed: str, country: str, now: Instant) -> Said:
    """Read when something was decided, by the clock of a country.

    Raises UnclearTimeError: ``date_unclear``, ``date_too_early``, ``date_in_future``.
    """
    text = typed.strip().lower()
    found = _TYPED.fullmatch(text) if len(text) <= MAX_TYPED_TIME else None
    if found is None:
        raise UnclearTimeError("date_unclear")
    on = _day(found, date.fromisoformat(local_day(now, country)))
    if on.year < EARLIEST_YEAR:
        raise UnclearTimeError("date_too_early")
    if found[8] is None:
        return said_on(on, country, now)
    at = _moment(on, int(found[8]), int(found[9]), country)
    if at > now:
        raise UnclearTimeError("date_in_future")
    return Said(at)


def _day(found: re.Match[str], today: date) -> date:
    if found[7] is not None:
        if found[7] not in _DAYS_AGO:
            raise UnclearTimeError("date_unclear")
        return today - timedelta(days=_DAYS_AGO[found[7]])
    year, month, day = found.group(1, 2, 3) if found[1] else found.group(6, 5, 4)
    on = calendar_day(year, month, day) if year else _last_such_day(month, day, today)
    if on is None:
        raise UnclearTimeError("date_unclear")
    return on


def _last_such_day(month: str, day: str, today: date) -> date | None:
    """Give the day of this year, or of the last one where it is still to come."""
    this_year = calendar_day(str(today.year), month, day)
    if this_year is not None and this_year <= today:
        return this_year
    return calendar_day(str(today.year - 1), month, day)


def _moment(on: date, hour: int, minute: int, country: str) -> Instant:
    try:
        at = datetime(on.year, on.month, on.day, hour, minute, tzinfo=ZoneInfo(ZONES[country]))
    except ValueError:
        raise UnclearTimeError("date_unclear") from None
    return instant(at.astimezone(UTC))
