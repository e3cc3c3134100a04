from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.ages import (
    age,
    age_in_force,
    birthday,
    calendar_day,
    comes_of_age_at,
    has_reached,
    is_believable,
    majority_age,
    own_consent_age,
    rules,
)
from chalicelib.domain.contacts import child_contact
from chalicelib.domain.instants import instant, just_before
from chalicelib.domain.local_time import local_midnight
from chalicelib.notices.document import COUNTRIES
from tests.cast import ANNA, ANNA_PHONE
from tests.factories import EVENING

BORN = date(2016, 3, 27)
DAYS = st.dates(date(1910, 1, 1), date(2030, 12, 31))


def test_every_country_has_its_ages_with_their_source() -> None:
    """Counsel can see where each number comes from, how sure it is, and correct it."""
    assert [own_consent_age(country, EVENING) for country in ("LV", "LT", "GE")] == [13, 14, 16]
    assert {majority_age(country, EVENING) for country in COUNTRIES} == {18}
    assert set(rules()) == set(COUNTRIES)
    for ages in rules().values():
        for dated in ages.values():
            starts = [rule["from"] or "" for rule in dated]
            assert starts == sorted(starts)
            assert all(
                rule.keys() == {"age", "from", "source", "checked", "standing"} for rule in dated
            )
            assert all(rule["source"] and rule["standing"] for rule in dated)


def test_a_rule_changes_at_the_midnight_of_its_day_where_the_clinic_is() -> None:
    """A new law is one more line of data."""
    dated = [{"age": 16, "from": None}, {"age": 13, "from": "2027-01-01"}]
    assert age_in_force(dated, "LV", "2026-12-31T21:59:59.999Z") == 16
    assert age_in_force(dated, "LV", "2026-12-31T22:00:00.000Z") == 13
    assert age_in_force(dated, "GE", "2026-12-31T20:00:00.000Z") == 13


@pytest.mark.parametrize(
    ("born", "at", "years"),
    [
        (BORN, "2026-03-26T21:59:59.999Z", 9),  # winter time in Riga: two hours ahead
        (BORN, "2026-03-26T22:00:00.000Z", 10),
        (date(2016, 2, 29), "2026-02-28T12:00:00.000Z", 9),
        (date(2016, 2, 29), "2026-02-28T22:00:00.000Z", 10),
        (date(2016, 2, 29), "2028-02-28T12:00:00.000Z", 11),
        (date(2016, 2, 29), "2028-02-28T22:00:00.000Z", 12),
        (date(2026, 11, 23), EVENING, -1),
        (date(2026, 11, 22), EVENING, 0),
    ],
)
def test_age_is_told_by_the_calendar_of_the_country(born: date, at: str, years: int) -> None:
    """Nobody is a day too young or too old, leap days and time zones included."""
    assert age(born, "LV", at) == years


def test_somebody_comes_of_age_at_midnight_where_they_live() -> None:
    """In March Riga is two hours ahead, in summer three, Tbilisi four."""
    assert (
        comes_of_age_at(BORN, "LV", EVENING) == "2034-03-26T21:00:00.000Z"
    )  # summer time has begun that day
    assert comes_of_age_at(date(2016, 2, 29), "LT", EVENING) == "2034-02-28T22:00:00.000Z"
    assert comes_of_age_at(date(2016, 7, 1), "GE", EVENING) == "2034-06-30T20:00:00.000Z"


@given(DAYS, st.integers(0, 100))
def test_on_a_birthday_one_is_that_old_and_the_day_before_one_is_not(
    born: date, years: int
) -> None:
    """Both ways of counting agree on every day of the calendar."""
    day = birthday(born, years)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    assert age(born, "LT", instant(noon)) == years
    assert age(born, "LT", instant(noon - timedelta(days=1))) == years - 1


@pytest.mark.parametrize(
    "parts",
    [("2026", "2", "29"), ("2026", "0", "1"), ("0", "1", "1"), ("x", "1", "1"), ("", "", "")],
)
def test_a_day_that_is_none_is_not_guessed(parts: tuple[str, str, str]) -> None:
    """A slip is shown, not repaired."""
    assert calendar_day(*parts) is None
    assert calendar_day("9" * 40, "1", "1") is None
    assert calendar_day("2028", "02", "29") == date(2028, 2, 29)


@given(
    st.dates(date(1990, 1, 1), date(2026, 11, 1)).filter(
        lambda born: (born.month, born.day) != (2, 29)
    ),
    st.integers(1, 17),
    st.sampled_from(COUNTRIES),
)
def test_when_somebody_comes_of_age_tells_how_old_they_are(
    born: date, years: int, country: str
) -> None:
    """Of a child nothing else is kept.

    On the birthday it is that old, a moment before it is not.
    """
    known = comes_of_age_at(born, country, EVENING)
    begins = local_midnight(birthday(born, years).isoformat(), country)
    assert has_reached(known, years, country, begins)
    assert not has_reached(known, years, country, just_before(begins))


def test_whoever_was_born_on_a_leap_day_is_told_to_be_older_a_day_late_at_most() -> None:
    """What is kept says 1 March: no guardian is refused before the birthday."""
    known = comes_of_age_at(date(2012, 2, 29), "LT", EVENING)
    assert not has_reached(known, 16, "LT", "2028-02-28T12:00:00.000Z")
    assert has_reached(known, 16, "LT", "2028-03-01T12:00:00.000Z")


def test_nobody_was_born_tomorrow_or_before_everybody_who_lives() -> None:
    """A year with a slip in it is asked about."""
    assert is_believable(BORN, "LV", EVENING)
    assert not is_believable(date(1826, 3, 27), "LV", EVENING)
    assert not is_believable(date(2027, 3, 27), "LV", EVENING)


def test_a_child_is_found_however_its_name_is_spelled_and_under_its_own_guardian_alone() -> None:
    """A parent who types in a hurry still finds the same child.

    A namesake of another family is somebody else.
    """
    known = child_contact(ANNA, "Elza Ozola", BORN)
    assert child_contact(ANNA, "  ELZA   ozola ", BORN) == known
    others = [
        child_contact(ANNA_PHONE, "Elza Ozola", BORN),
        child_contact(ANNA, "Marta Ozola", BORN),
        child_contact(ANNA, "Elza Ozola", date(2016, 3, 28)),
    ]
    assert known not in others
    assert "Elza" not in repr(known)
