"""Which language a visitor reads, and what depends on it: catalogs, dates, names of countries."""

import gettext
from collections.abc import Mapping, Sequence
from datetime import date as calendar_date
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.languages import BY_CODE
from chalicelib.domain.local_time import ZONES

LOCALES = Path(__file__).resolve().parents[2] / "locales"

MAX_PREFERENCES = 500
"""How many characters of an ``Accept-Language`` are read. A browser sends far fewer."""


def negotiate(
    requested: str | None, accept_language: str | None, offered: Sequence[str], default: str
) -> str:
    """Choose a language.

    It is the one requested, else the first offered one by ``Accept-Language`` (RFC 9110, 12.5.4),
    else the default.
    """
    language = _language_of(requested or "")
    if language in offered:
        return language
    header = accept_language or ""
    for language in _by_preference(header[:MAX_PREFERENCES]):
        if language in offered:
            return language
    return default


def _by_preference(header: str) -> list[str]:
    """Return the languages of an ``Accept-Language``, the preferred ones first."""
    weighted = []
    for part in header.split(","):
        tag, _, parameters = part.partition(";")
        quality = _quality(parameters)
        if 0 < quality <= 1:
            weighted.append((quality, _language_of(tag)))
    weighted.sort(key=lambda entry: entry[0], reverse=True)  # equal ones stay in their order
    return [language for _, language in weighted]


def _quality(parameters: str) -> float:
    """Return the weight of a language: 1 without a ``q``, 0 for one that is no number."""
    name, _, weight = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1
    try:
        return float(weight)
    except ValueError:
        return 0


def _language_of(tag: str) -> str:
    """Return the language of a tag (BCP 47): ``lv`` of ``lv-LV``."""
    language, _, _ = tag.strip().lower().partition("-")
    return language


@cache
def catalog(lang: str) -> gettext.NullTranslations:
    """Return the portal's texts in a language. English, their source, has a catalog too."""
    return gettext.translation("messages", LOCALES, [lang])


def format_time(at: Instant, lang: str, country: str) -> str:
    """Write a moment for a reader: the day in words, and the country's time to the minute."""
    from babel import dates  # noqa: PLC0415 - 10 ms that the consent page does not need

    locale = BY_CODE[lang].locale
    local = moment(at).astimezone(dates.get_timezone(ZONES[country]))
    day = dates.format_date(local, "long", locale=locale)
    time = dates.format_time(local, "short", locale=locale)
    pattern = str(dates.get_datetime_format("long", locale=locale)).replace("'", "")
    return pattern.replace("{1}", day).replace("{0}", time)


def format_when(document: Mapping[str, Any], lang: str, country: str) -> str:
    """Write when a receipt was decided: the moment, or only the day where paper names no more."""
    if date := document.get("effective_date"):
        return format_date(date, lang)
    return format_time(document["effective_at"], lang, country)


def format_day(at: Instant, lang: str, country: str) -> str:
    """Write the day that a moment falls on in a country."""
    from babel.dates import get_timezone  # noqa: PLC0415 - as above

    local = moment(at).astimezone(get_timezone(ZONES[country]))
    return format_date(local.date().isoformat(), lang)


def format_day_in_figures(at: Instant, lang: str, country: str) -> str:
    """Write the day that a moment falls on in a country, as short as a text message wants it."""
    from babel import dates  # noqa: PLC0415 - as above

    local = moment(at).astimezone(dates.get_timezone(ZONES[country]))
    return dates.format_skeleton("yMd", local, locale=BY_CODE[lang].locale)


def format_date(date: str, lang: str) -> str:
    """Write a date (``2026-11-01``) in words."""
    from babel import dates  # noqa: PLC0415 - as above

    day = calendar_date.fromisoformat(date)
    return dates.format_date(day, "long", locale=BY_CODE[lang].locale)


def format_megabytes(size: int, lang: str) -> str:
    """Write a number of bytes in megabytes with one decimal, at least 0.1, without the unit."""
    from babel import numbers  # noqa: PLC0415 - as above

    megabytes = max(size / 1_000_000, 0.1)
    return numbers.format_decimal(megabytes, format="0.0", locale=BY_CODE[lang].locale)


def country_name(country: str, lang: str) -> str:
    """Return a country's name, by ISO 3166; its code where the language has no name for it."""
    from babel import Locale  # noqa: PLC0415 - as above

    names = Locale.parse(lang).territories
    return str(names.get(country, country))
