import json
from collections.abc import Iterator
from typing import Any

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.languages import ENDONYMS, LANGUAGES
from chalicelib.presentation import authorities
from chalicelib.presentation.i18n import format_date, format_time, negotiate
from infra.build.bundle import ROOT

OFFERED = ("lv", "ru", "en")
OPENAPI = ROOT / "chalicelib/web/openapi.json"


@pytest.mark.parametrize(
    ("requested", "header", "chosen"),
    [
        pytest.param("ru", "en", "ru", id="the address says it"),
        pytest.param("ka", "en", "en", id="asked for a language the clinic does not speak"),
        pytest.param("RU", "en", "ru", id="the address in capitals"),
        pytest.param(None, None, "lv", id="nothing said"),
        pytest.param(None, "", "lv", id="an empty header"),
        pytest.param("", "en", "en", id="an empty wish"),
        pytest.param(None, "ru-RU,ru;q=0.9,en;q=0.8", "ru", id="a browser in Russian"),
        pytest.param(None, "en-GB,en;q=0.9", "en", id="a region"),
        pytest.param(None, "EN-gb", "en", id="any case"),
        pytest.param(None, "en;q=0.3, ru;q=0.7", "ru", id="weights before order"),
        pytest.param(None, "en;q=0.5, ru;q=0.5", "en", id="order among equals"),
        pytest.param(None, "ka, de;q=0.9, ru;q=0.1", "ru", id="the first the clinic speaks"),
        pytest.param(None, "ru;q=0, en;q=0.1", "en", id="q=0 means not that"),
        pytest.param(None, "ru;q=0", "lv", id="only what is not wanted"),
        pytest.param(None, "ru;Q=0.1, en;q=0.5", "en", id="the weight's name in capitals"),
        pytest.param(None, "*", "lv", id="anything"),
        pytest.param(None, "de, *;q=0.5", "lv", id="anything else"),
        pytest.param(None, "ru ; q=0.9 , en ; q=1.0", "en", id="spaces everywhere"),
        pytest.param(None, "ru;q=2, en;q=-1, lv;q=nan", "lv", id="weights out of range"),
        pytest.param(None, "en;q=abc, ru", "ru", id="a weight that is no number"),
        pytest.param(None, ",,;;=,q=1", "lv", id="junk"),
    ],
)
def test_the_language_is_the_one_asked_for_then_the_browsers_then_the_clinics(
    requested: str | None, header: str | None, chosen: str
) -> None:
    """A patient reads the page in a language they chose, wherever they chose it."""
    assert negotiate(requested, header, OFFERED, "lv") == chosen


@given(
    st.none() | st.text(), st.none() | st.text(st.sampled_from("lvruenka-_;,=q*. 019")) | st.text()
)
def test_whatever_a_browser_sends_some_language_of_the_clinic_is_chosen(
    requested: str | None, header: str | None
) -> None:
    """No header can break a page."""
    assert negotiate(requested, header, OFFERED, "lv") in OFFERED


def test_every_language_is_offered_under_its_own_name() -> None:
    """Who cannot read Latvian finds their language in the switcher."""
    assert set(ENDONYMS) == set(LANGUAGES)
    assert len(set(ENDONYMS.values())) == len(LANGUAGES)


def _languages_in(node: Any) -> Iterator[list[str]]:
    """Find the lists of values in the API's description that name a language."""
    if isinstance(node, dict):
        values = node.get("enum", [])
        if "lv" in values:
            yield values
        for part in node.values():
            yield from _languages_in(part)
    elif isinstance(node, list):
        for part in node:
            yield from _languages_in(part)


def test_the_api_describes_the_languages_that_there_are() -> None:
    """A generated program accepts every language that the portal answers in."""
    described = list(_languages_in(json.loads(OPENAPI.read_text(encoding="utf-8"))))
    assert described
    for values in described:
        assert values == list(LANGUAGES), "run `python -m infra.build.openapi`"


def test_an_authority_without_a_name_in_a_language_goes_by_its_name_at_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A patient who reads a language that was added yesterday still learns to whom to complain."""
    monkeypatch.setattr(authorities, "LANGUAGES", (*LANGUAGES, "fo"))
    names = authorities.authorities.__wrapped__()
    assert names["GE"]["name"]["fo"] == "სახელმწიფო აუდიტის სამსახური"
    assert names["LV"]["name"]["fo"] == "Datu valsts inspekcija"
    assert names["LV"]["name"]["en"] == "Data State Inspectorate of Latvia (Datu valsts inspekcija)"


@pytest.mark.parametrize(
    ("lang", "country", "words"),
    [
        ("lv", "LV", "2026. gada 22. novembris plkst. 10:15"),
        ("lt", "LT", "2026 m. lapkričio 22 d. 10:15"),
        ("ka", "GE", "2026 წლის 22 ნოემბერი, 12:15"),
        ("ru", "LV", "22 ноября 2026\u00a0г., 10:15"),
        ("en", "GE", "22 November 2026, 12:15"),
    ],
)
def test_a_time_is_told_in_the_words_and_on_the_clock_of_the_place(
    lang: str, country: str, words: str
) -> None:
    """The time on a receipt is the time the patient saw on the wall."""
    assert format_time("2026-11-22T08:15:00.000Z", lang, country) == words


@pytest.mark.parametrize(
    ("lang", "alone", "since", "until", "through", "on"),
    [
        (
            "lv",
            "2026. gada 6. decembris",
            "kopš 2026. gada 6. decembra",
            "līdz 2026. gada 6. decembrim",
            "līdz 2026. gada 6. decembrim (ieskaitot)",
            "2026. gada 6. decembrī",
        ),
        (
            "lt",
            "2026 m. gruodžio 6 d.",
            "nuo 2026 m. gruodžio 6 d.",
            "iki 2026 m. gruodžio 6 d.",
            "iki 2026 m. gruodžio 6 d. imtinai",
            "2026 m. gruodžio 6 d.",
        ),
        (
            "ka",
            "2026 წლის 6 დეკემბერი",
            "2026 წლის 6 დეკემბრიდან",
            "2026 წლის 6 დეკემბრამდე",
            "2026 წლის 6 დეკემბრის ჩათვლით",
            "2026 წლის 6 დეკემბერს",
        ),
        (
            "ru",
            "6 декабря 2026\u00a0г.",
            "с 6 декабря 2026\u00a0г.",
            "до 6 декабря 2026\u00a0г.",
            "до 6 декабря 2026\u00a0г. включительно",
            "6 декабря 2026\u00a0г.",
        ),
        (
            "en",
            "6 December 2026",
            "since 6 December 2026",
            "until 6 December 2026",
            "until 6 December 2026, that day included",
            "6 December 2026",
        ),
    ],
)
def test_a_date_is_told_as_its_sentence_needs_it(  # noqa: PLR0917 - a date in all its forms
    lang: str, alone: str, since: str, until: str, through: str, on: str
) -> None:
    """A date reads as a person would write it, after “since” and “until” too."""
    date = format_date("2026-12-06", lang)
    assert date == alone
    assert date.since in since
    assert date.until in until
    assert date.through in through
    assert date.on == on


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_month_has_its_own_word_in_each_case(lang: str) -> None:
    """No month is written as another, and none is missing."""
    dates = [format_date(f"2026-{month:02}-01", lang) for month in range(1, 13)]
    for case in ("since", "until", "through", "on"):
        assert len({getattr(date, case) for date in dates}) == 12


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_months_are_those_of_the_unicode_consortium(lang: str) -> None:
    """The words come from a table of ours; CLDR says the same."""
    names = Locale.parse(lang).months["format"]["wide"]
    for month, name in names.items():
        assert name in format_date(f"2026-{month:02}-01", lang)


def test_a_time_in_a_sentence_has_the_case_of_its_day() -> None:
    """“Until” reaches to the hour in Georgian, and to the day in Latvian."""
    at = "2026-12-06T08:15:00.000Z"
    assert format_time(at, "ka", "GE").until == "2026 წლის 6 დეკემბრის 12:15 საათამდე"
    assert format_time(at, "lv", "LV").since == "2026. gada 6. decembra plkst. 10:15"
