import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.instants import (
    InvalidInstantError,
    ending,
    instant,
    is_ending,
    moment,
    parse_instant,
)

MOMENTS = st.datetimes(timezones=st.just(UTC))
RULES = st.builds("P{}{}".format, st.integers(1, 99), st.sampled_from("YMD"))


@pytest.mark.parametrize(
    ("rule", "start", "end"),
    [
        ("P30D", "2026-11-22T08:15:00.000Z", "2026-12-22T08:15:00.000Z"),
        ("P1D", "2028-02-28T08:15:00.000Z", "2028-02-29T08:15:00.000Z"),
        ("P6M", "2026-11-22T08:15:00.000Z", "2027-05-22T08:15:00.000Z"),
        ("P1M", "2027-01-31T08:15:00.000Z", "2027-02-28T08:15:00.000Z"),
        ("P1M", "2028-01-31T08:15:00.000Z", "2028-02-29T08:15:00.000Z"),
        ("P1M", "2026-12-31T23:59:59.999Z", "2027-01-31T23:59:59.999Z"),
        ("P12M", "2026-12-01T00:00:00.000Z", "2027-12-01T00:00:00.000Z"),
        ("P1Y", "2028-02-29T08:15:00.000Z", "2029-02-28T08:15:00.000Z"),
        ("P4Y", "2028-02-29T08:15:00.000Z", "2032-02-29T08:15:00.000Z"),
        ("2027-03-31", "2026-11-22T08:15:00.000Z", "2027-04-01T00:00:00.000Z"),
        ("2026-12-31", "2026-11-22T08:15:00.000Z", "2027-01-01T00:00:00.000Z"),
        ("2028-02-28", "2026-11-22T08:15:00.000Z", "2028-02-29T00:00:00.000Z"),
    ],
)
def test_a_consent_ends_when_its_period_is_over_or_after_its_last_day(
    rule: str, start: str, end: str
) -> None:
    """A patient can work out the end on a wall calendar, in leap years too."""
    assert ending(rule, start) == end


@pytest.mark.parametrize("rule", ["P1Y", "P18M", "P30D", "2027-03-31"])
def test_periods_and_last_days_are_endings(rule: str) -> None:
    """A clinic writes what its own rules say."""
    assert is_ending(rule)


@pytest.mark.parametrize(
    "rule", ["", "1 year", "P1W", "PT5M", "P1Y6M", "P-1D", "2027-02-29", "31.03.2027", "P1000D"]
)
def test_anything_else_is_no_ending(rule: str) -> None:
    """A slip of the pen is found before it is published."""
    assert not is_ending(rule)


@given(RULES, MOMENTS.filter(lambda at: at.year < 9000))
def test_a_period_ends_after_it_began_and_a_longer_one_later(rule: str, start: datetime) -> None:
    """No calendar makes a consent end before it starts."""
    begun = instant(start)
    longer = f"P{int(rule[1:-1]) + 1}{rule[-1]}"
    assert begun < ending(rule, begun) < ending(longer, begun)


@given(MOMENTS)
def test_an_instant_has_one_width_and_reads_back_to_the_millisecond(at: datetime) -> None:
    """Instants compare as text; every table, log and receipt sorts by itself."""
    written = instant(at)
    assert len(written) == len("2026-11-22T08:15:00.000Z")
    assert at - moment(written) < timedelta(milliseconds=1)
    assert parse_instant(written) == written


@given(MOMENTS, MOMENTS)
def test_instants_sort_as_the_moments_do(one: datetime, other: datetime) -> None:
    """Which answer came last is decided by comparing two texts."""
    assert (instant(one) <= instant(other)) >= (one <= other)


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_the_same_moment_in_any_zone_is_the_same_instant(at: datetime, minutes: int) -> None:
    """A clinic's program may send its local time."""
    at = at.replace(year=2028)
    local = at.astimezone(timezone(timedelta(minutes=minutes)))
    assert parse_instant(local.isoformat(timespec="microseconds")) == instant(at)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-22T10:15:00+02:00", "2026-11-22T08:15:00.000Z"),
        ("2026-11-22T08:15:00Z", "2026-11-22T08:15:00.000Z"),
        ("2026-11-22T08:15:00.123456Z", "2026-11-22T08:15:00.123Z"),
        ("0987-01-01T00:00:00Z", "0987-01-01T00:00:00.000Z"),
    ],
)
def test_an_rfc_3339_time_is_read(written: str, read: str) -> None:
    """What other programs write is understood."""
    assert parse_instant(written) == read


@pytest.mark.parametrize(
    "written",
    [
        "",
        "today",
        "2026-11-22",
        "2026-11-22T08:15:00",
        "2026-11-22T08:15Z",
        "2026-13-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_a_time_without_its_offset_or_outside_the_calendar_is_refused(written: str) -> None:
    """Nobody has to guess which clock was meant."""
    with pytest.raises(InvalidInstantError):
        parse_instant(written)


@given(st.text())
def test_any_text_is_an_instant_or_a_named_error(written: str) -> None:
    """Nothing a program sends can break the reader."""
    with contextlib.suppress(InvalidInstantError):
        assert len(parse_instant(written)) == 24
