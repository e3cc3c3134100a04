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


class DateWords(str):
    """A date in words, as it stands alone, and as a sentence of its language needs it.

    The templates' filters `date_since`, `date_until`, `date_through` and `date_on` give the others.
    """

    __slots__ = ("on", "since", "through", "until")

    since: str
    """From when: “kopš 2026. gada 29. novembra”, without the preposition where there is one."""
    until: str
    """Until when; the sentence does not say whether that day is included."""
    through: str
    """Until when, the day itself included."""
    on: str
    """On which day."""


_PATTERNS = {
    "lv": "{year}. gada {day}. {month}",
    "lt": "{year} m. {month} {day} d.",
    "ka": "{year} წლის {day} {month}",
    "ru": "{day} {month} {year}\u00a0г.",
    "en": "{day} {month} {year}",
}
"""How a date is written, by language."""

_MONTHS = {
    "lv": "janvāris februāris marts aprīlis maijs jūnijs jūlijs augusts septembris oktobris "
    "novembris decembris",
    "lt": "sausio vasario kovo balandžio gegužės birželio liepos rugpjūčio rugsėjo spalio "
    "lapkričio gruodžio",
    "ka": "იანვარი თებერვალი მარტი აპრილი მაისი ივნისი ივლისი აგვისტო სექტემბერი ოქტომბერი "
    "ნოემბერი დეკემბერი",
    "ru": "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "en": "January February March April May June July August September October November December",
}
"""The months, January first, as they are written where a date stands alone."""

_LATVIAN_GENITIVE = (
    "janvāra februāra marta aprīļa maija jūnija jūlija augusta septembra oktobra novembra decembra"
)
_LATVIAN_DATIVE = (
    "janvārim februārim martam aprīlim maijam jūnijam jūlijam augustam septembrim oktobrim "
    "novembrim decembrim"
)
_GEORGIAN_GENITIVE = (
    "იანვრის თებერვლის მარტის აპრილის მაისის ივნისის ივლისის აგვისტოს სექტემბრის ოქტომბრის "
    "ნოემბრის დეკემბრის"
)
_MONTHS_IN_A_SENTENCE = {
    "lv": {
        "since": _LATVIAN_GENITIVE,
        "until": _LATVIAN_DATIVE,
        "through": _LATVIAN_DATIVE,
        "on": "janvārī februārī martā aprīlī maijā jūnijā jūlijā augustā septembrī oktobrī "
        "novembrī decembrī",
    },
    "ka": {
        "since": "იანვრიდან თებერვლიდან მარტიდან აპრილიდან მაისიდან ივნისიდან ივლისიდან "
        "აგვისტოდან სექტემბრიდან ოქტომბრიდან ნოემბრიდან დეკემბრიდან",
        "until": "იანვრამდე თებერვლამდე მარტამდე აპრილამდე მაისამდე ივნისამდე ივლისამდე "
        "აგვისტომდე სექტემბრამდე ოქტომბრამდე ნოემბრამდე დეკემბრამდე",
        "through": _GEORGIAN_GENITIVE,
        "on": "იანვარს თებერვალს მარტს აპრილს მაისს ივნისს ივლისს აგვისტოს სექტემბერს "
        "ოქტომბერს ნოემბერს დეკემბერს",
    },
}
"""The months after “since”, “until” and so on, where a language changes them."""

_CASES = DateWords.__slots__

_TIMES = {
    "lv": {"": "{date} plkst. {time}"},
    "ka": {
        "": "{date}, {time}",
        "since": "{genitive} {time} საათიდან",
        "until": "{genitive} {time} საათამდე",
        "through": "{genitive} {time} საათამდე",
        "on": "{date}, {time} საათზე",
    },
    "lt": {"": "{date} {time}"},
    "ru": {"": "{date}, {time}"},
    "en": {"": "{date}, {time}"},
}
"""How a date with a time of the day is written, by language and case."""


def format_time(at: Instant, lang: str, country: str) -> DateWords:
    """Write a moment for a reader: the day in words, and the country's time to the minute."""
    from babel import dates  # noqa: PLC0415 - 10 ms that the consent page does not need

    locale = BY_CODE[lang].locale
    local = moment(at).astimezone(dates.get_timezone(ZONES[country]))
    day = format_date(local.date().isoformat(), lang)
    time = dates.format_time(local, "short", locale=locale)
    patterns = _TIMES.get(lang, {"": "{date} {time}"})
    written = DateWords(patterns[""].format(date=day, time=time))
    for case in _CASES:
        pattern = patterns.get(case, patterns[""])
        in_case = pattern.format(date=getattr(day, case), time=time, genitive=day.through)
        setattr(written, case, in_case)
    return written


def format_when(document: Mapping[str, Any], lang: str, country: str) -> DateWords:
    """Write when a receipt was decided: the moment, or only the day where paper names no more."""
    if date := document.get("effective_date"):
        return format_date(date, lang)
    return format_time(document["effective_at"], lang, country)


def format_day(at: Instant, lang: str, country: str) -> DateWords:
    """Write the day that a moment falls on in a country."""
    from babel.dates import get_timezone  # noqa: PLC0415 - as above

    local = moment(at).astimezone(get_timezone(ZONES[country]))
    return format_date(local.date().isoformat(), lang)


def format_day_in_figures(at: Instant, lang: str, country: str) -> str:
    """Write the day that a moment falls on in a country, as short as a text message wants it."""
    from babel import dates  # noqa: PLC0415 - as above

    local = moment(at).astimezone(dates.get_timezone(ZONES[country]))
    return dates.format_skeleton("yMd", local, locale=BY_CODE[lang].locale)


def format_date(date: str, lang: str) -> DateWords:
    """Write a date (``2026-11-01``) in words.

    A language without months here gets them from Babel (CLDR), the same in every sentence.
    """
    day = calendar_date.fromisoformat(date)
    written = DateWords(_in_words(day, lang, ""))
    for case in _CASES:
        setattr(written, case, _in_words(day, lang, case))
    return written


def _in_words(day: calendar_date, lang: str, case: str) -> str:
    if lang not in _PATTERNS:
        from babel import dates  # noqa: PLC0415 - as above

        return dates.format_date(day, "long", locale=BY_CODE[lang].locale)
    months = _MONTHS_IN_A_SENTENCE.get(lang, {}).get(case, _MONTHS[lang])
    month = months.split()[day.month - 1]
    return _PATTERNS[lang].format(year=day.year, month=month, day=day.day)


def format_short_day(day: calendar_date, lang: str) -> str:
    """Write a day without its year, as short as a chart wants it: “2 Nov”."""
    from babel import dates  # noqa: PLC0415 - as above

    return dates.format_skeleton("MMMd", day, locale=BY_CODE[lang].locale)


def format_month(day: calendar_date, lang: str) -> str:
    """Write the month of a day, short: “Nov 2026”."""
    from babel import dates  # noqa: PLC0415 - as above

    return dates.format_skeleton("yMMM", day, locale=BY_CODE[lang].locale)


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
