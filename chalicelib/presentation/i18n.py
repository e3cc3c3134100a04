"""Which language to speak, and how to say things in it: negotiation, catalogs, dates."""

import gettext
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.languages import BY_CODE
from chalicelib.domain.local_time import ZONES

LOCALES = Path(__file__).resolve().parents[2] / "locales"

MAX_PREFERENCES = 500
"""How many characters of an Accept-Language are read: the languages of a browser, with their weights."""


def negotiate(asked: str | None, accept_language: str | None, offered: Sequence[str], default: str) -> str:
    """Choose a language: the one asked for, else by ``Accept-Language`` (RFC 9110, 12.5.4), else the default."""
    named = (asked or "").lower().partition("-")[0]
    if named in offered:
        return named
    for wanted in _by_preference((accept_language or "")[:MAX_PREFERENCES]):
        if wanted in offered:
            return wanted
    return default


def _by_preference(header: str) -> list[str]:
    weighted = []
    for position, part in enumerate(header.split(",")):
        tag, _, parameters = part.strip().partition(";")
        name, _, weight = parameters.strip().partition("=")
        try:
            quality = float(weight) if name.strip().lower() == "q" else 1.0
        except ValueError:
            continue
        if 0 < quality <= 1:
            weighted.append((-quality, position, tag.strip().lower().partition("-")[0]))
    return [tag for _, _, tag in sorted(weighted)]


@cache
def catalog(lang: str) -> gettext.NullTranslations:
    """Give the portal's own words in a language; English, the source, also has a catalog."""
    return gettext.translation("messages", LOCALES, [lang])


def format_time(at: Instant, lang: str, country: str) -> str:
    """Write a moment as people in that country and language write it: the day in words, local time to the minute."""
    from babel import dates  # noqa: PLC0415 - 10 ms that the consent page does not need

    locale = BY_CODE[lang].locale
    local = moment(at).astimezone(dates.get_timezone(ZONES[country]))
    both = str(dates.get_datetime_format("long", locale=locale)).replace("'", "")
    day, hour = dates.format_date(local, "long", locale=locale), dates.format_time(local, "short", locale=locale)
    return both.replace("{1}", day).replace("{0}", hour)


def format_when(document: Mapping[str, Any], lang: str, country: str) -> str:
    """Write when a receipt was decided: the moment, or the day where no more is known of it (paper has only dates)."""
    if date := document.get("effective_date"):
        return format_date(date, lang)
    return format_time(document["effective_at"], lang, country)


def format_day(at: Instant, lang: str, country: str) -> str:
    """Write the day a moment falls on in that country, as people write it in that language."""
    from babel.dates import get_timezone  # noqa: PLC0415 - as above

    return format_date(moment(at).astimezone(get_timezone(ZONES[country])).date().isoformat(), lang)


def format_date(date: str, lang: str) -> str:
    """Write a date (``2026-11-01``) as people write it in that language."""
    from datetime import date as calendar_date  # noqa: PLC0415 - with babel, below

    from babel.dates import format_date  # noqa: PLC0415 - as above

    return format_date(calendar_date.fromisoformat(date), "long", locale=BY_CODE[lang].locale)


def country_name(country: str, lang: str) -> str:
    """Give a country's name, by ISO 3166, in a language; its code where the language has none for it."""
    from babel import Locale  # noqa: PLC0415 - as above

    return str(Locale.parse(lang).territories.get(country, country))
