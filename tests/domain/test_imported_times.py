"""When something was said, as other systems write it."""

from zoneinfo import ZoneInfo

import pytest

from chalicelib.domain.imported_times import UnclearTimeError, read_time, zone_named

NOW = "2026-11-22T08:15:00.000Z"


def read(written: str, zone: str = "UTC", *, month_first: bool = False) -> str:
    """Read a time at a clinic in Latvia, as evidence has it."""
    found = read_time(written, country="LV", zone=ZoneInfo(zone), month_first=month_first, now=NOW)
    assert found is not None
    return found.written


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-03-01 10:15:00", "2024-03-01T10:15:00.000Z"),
        ("2024-03-01T10:15:00Z", "2024-03-01T10:15:00.000Z"),
        ("2024-03-01 10:15:00.123456 +0000 UTC", "2024-03-01T10:15:00.123Z"),
        ("2021-05-03 15:52:33.1 +0530 IST", "2021-05-03T10:22:33.100Z"),
        ("2024-03-01 10:15:00 +0200 +0200", "2024-03-01T08:15:00.000Z"),
        ("01-03-2024 10:15", "2024-03-01T10:15:00.000Z"),
        ("31.12.2024", "2024-12-31"),
        ("1.2.2024", "2024-02-01"),
        (" 2024-03-01 ", "2024-03-01"),
    ],
)
def test_times_of_other_systems_are_read_as_they_are_meant(written: str, meant: str) -> None:
    """A consent of March counts from March."""
    assert read(written) == meant


def test_a_time_without_a_zone_is_read_in_the_one_named() -> None:
    """Brevo writes the account's own time."""
    assert read("2024-07-01 10:15:00", "Europe/Riga") == "2024-07-01T07:15:00.000Z"
    assert read("03-31-2024", month_first=True) == "2024-03-31"
    assert read("31.03.2024", month_first=True) == "2024-03-31", "dots are never month first"


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("03/04/2024", "date_unclear"),
        ("2024-02-30", "date_unclear"),
        ("2024-03-01 25:00", "date_unclear"),
        ("yesterday", "date_unclear"),
        ("1" * 500, "date_unclear"),
        ("2024-03-01 10:15:00 +9999", "date_unclear"),
        ("2024-03-01 10:15:00 EST", "date_unclear"),
        ("2024-03-01 10:15:00 EET +0200", "date_unclear"),
        ("2024-03-01 10:15:00 UTC +0200", "date_unclear"),
        ("1999-12-31", "date_too_early"),
        ("2026-11-23", "date_in_future"),
        ("2026-11-22 08:15:01", "date_in_future"),
    ],
)
def test_what_nobody_can_tell_for_certain_is_refused(written: str, reason: str) -> None:
    """No consent gets a date by guessing."""
    with pytest.raises(UnclearTimeError, match=reason):
        read(written)


def test_only_real_zones_are_taken() -> None:
    """A name from outside opens no file."""
    assert zone_named("Europe/Riga") == ZoneInfo("Europe/Riga")
    for name in ("Mars/Olympus", "../../etc/passwd", "", "x" * 99):
        assert zone_named(name) is None
