"""When something was decided, as staff type it."""

import pytest

from chalicelib.domain.imported_times import UnclearTimeError
from chalicelib.domain.typed_times import read_typed_time

NOW = "2026-11-30T19:00:00.000Z"
"""Nine in the evening in Riga, eleven in Tbilisi."""


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("29.11.2026", "2026-11-29"),
        ("29. 11. 2026.", "2026-11-29"),
        (" 29/11/2026 ", "2026-11-29"),
        ("29-11-2026", "2026-11-29"),
        ("2026-11-29", "2026-11-29"),
        ("2026.11.29", "2026-11-29"),
        ("1.2.2026", "2026-02-01"),
        ("29.11.", "2026-11-29"),
        ("24.12", "2025-12-24"),
        ("Today", "2026-11-30"),
        ("šodien", "2026-11-30"),
        ("ŠIANDIEN", "2026-11-30"),
        ("დღეს", "2026-11-30"),
        ("вчера", "2026-11-29"),
        ("29.11.2026 14:30", "2026-11-29T12:30:00.000Z"),
        ("29.11. 14:30", "2026-11-29T12:30:00.000Z"),
        ("29.11.2026, 9.05", "2026-11-29T07:05:00.000Z"),
        ("1.7.2026 9:05", "2026-07-01T06:05:00.000Z"),
        ("today 20:59", "2026-11-30T18:59:00.000Z"),
    ],
)
def test_a_day_is_read_as_people_write_it(typed: str, written: str) -> None:
    """Nobody at the desk learns a way to write dates."""
    assert read_typed_time(typed, "LV", NOW).written == written


def test_a_bare_day_is_the_clinics_whole_day() -> None:
    """It begins at midnight in Tbilisi, which is the evening before in London."""
    said = read_typed_time("29.11.2026", "GE", NOW)
    assert said.at == "2026-11-28T20:00:00.000Z"
    assert said.day is not None
    assert said.day.ends == "2026-11-29T19:59:59.999Z"


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "date_unclear"),
        ("tomorrow", "date_unclear"),
        ("31.2.2026", "date_unclear"),
        ("29.2.", "date_unclear"),
        ("11/29/2026", "date_unclear"),
        ("29.11.26", "date_unclear"),
        ("29.11.2026 25:00", "date_unclear"),
        ("9" * 400, "date_unclear"),
        ("٢٩.١١.٢٠٢٦ 10:00 1", "date_unclear"),
        ("1.12.2026", "date_in_future"),
        ("today 21:01", "date_in_future"),
        ("29.11.1999", "date_too_early"),
    ],
)
def test_what_is_no_day_of_the_past_is_named(typed: str, problem: str) -> None:
    """A mistyped year is noticed before it is on a receipt."""
    with pytest.raises(UnclearTimeError, match=problem):
        read_typed_time(typed, "LV", NOW)
