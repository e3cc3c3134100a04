"""Days and midnights where a clinic is: by the clock of its country."""

from datetime import date, datetime, timedelta

from chalicelib.domain.instants import Instant, instant, just_before, moment

ZONES = {"LV": "Europe/Riga", "LT": "Europe/Vilnius", "GE": "Asia/Tbilisi"}
"""The time zone of each country (ISO 3166) that clinics may be in."""


def local_day(at: Instant, country: str) -> str:
    """Give the date a moment falls on in a country, such as ``2026-11-22``."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - needed only where a day is shown or read

    return moment(at).astimezone(ZoneInfo(ZONES[country])).date().isoformat()


def local_midnight(day: str, country: str) -> Instant:
    """Tell when a day (``2026-11-22``) begins in a country."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - as above

    return instant(datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(ZONES[country])))


def whole_day(day: str, country: str) -> tuple[Instant, Instant]:
    """Tell when a day (``2026-11-22``) begins in a country, and its last moment there."""
    following = date.fromisoformat(day) + timedelta(days=1)
    return local_midnight(day, country), just_before(local_midnight(following.isoformat(), country))
