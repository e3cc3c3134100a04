"""Ages: from which one consents alone, and when somebody comes of age.

The law's numbers are dated data (`ages.json`): each rule has the day from which it holds (null for
ever), its source, and how sure we are of it.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.domain.instants import Instant
from chalicelib.domain.local_time import local_day, local_midnight

OLDEST = 120
"""The highest age in years that a day of birth may give."""

MAX_DIGITS = 4
"""How many digits day, month and year of a date may have, leading zeros included."""

_AGES = Path(__file__).with_name("ages.json")


Rule = Mapping[str, Any]
"""An `age`, and the day `from` which it holds."""


@cache
def rules() -> Mapping[str, Mapping[str, Sequence[Rule]]]:
    """Give the rules `own_consent` and `majority` of each country, oldest first."""
    text = _AGES.read_text(encoding="utf-8")
    by_country: Mapping[str, Mapping[str, Sequence[Rule]]] = json.loads(text)
    return by_country


def own_consent_age(country: str, at: Instant) -> int:
    """Tell from which age one consents alone to the use of one's data (such as GDPR Art. 8(1))."""
    return age_in_force(rules()[country]["own_consent"], country, at)


def majority_age(country: str, at: Instant) -> int:
    """Tell at which age one comes of age in a country."""
    return age_in_force(rules()[country]["majority"], country, at)


def age_in_force(dated: Sequence[Rule], country: str, at: Instant) -> int:
    """Give the age that holds at a moment, by the last rule whose day has begun in the country."""
    first, *later = dated
    age_then = int(first["age"])
    if not later:
        return age_then
    today = local_day(at, country)
    for rule in later:
        if (rule["from"] or "") <= today:
            age_then = int(rule["age"])
    return age_then


def birthday(born: date, age: int) -> date:
    """Tell on which day somebody reaches an age.

    Whoever was born on 29 February reaches it, in a year without that day, on 1 March: we count
    years as Regulation (EEC, Euratom) 1182/71, Art. 3(2)(c) does.
    """
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 3, 1)


def age(born: date, country: str, at: Instant) -> int:
    """Tell how old somebody is at a moment in a country; below 0 for somebody not born yet."""
    today = date.fromisoformat(local_day(at, country))
    years = today.year - born.year
    if birthday(born, years) > today:
        return years - 1
    return years


def has_reached(comes_of_age: Instant, years: int, country: str, at: Instant) -> bool:
    """Tell whether somebody is so many years old, of whom only the coming of age is known.

    For somebody born on 29 February it may be a day late.
    """
    day = date.fromisoformat(local_day(comes_of_age, country))
    today = date.fromisoformat(local_day(at, country))
    return birthday(day, years - majority_age(country, at)) <= today


def reached_at(comes_of_age: Instant, years: int, country: str) -> Instant:
    """Tell when somebody is so many years older than at their coming of age (younger: below 0).

    The midnight that begins the day of `has_reached`.
    """
    day = birthday(date.fromisoformat(local_day(comes_of_age, country)), years)
    return local_midnight(day.isoformat(), country)


def comes_of_age_at(born: date, country: str, at: Instant) -> Instant:
    """Tell when somebody comes of age: the midnight that begins the day, where the clinic is."""
    day = birthday(born, majority_age(country, at))
    return local_midnight(day.isoformat(), country)


def is_believable(born: date, country: str, at: Instant) -> bool:
    """Tell whether somebody can have been born that day: not later, not `OLDEST` years ago."""
    return 0 <= age(born, country, at) < OLDEST


def calendar_day(year: str, month: str, day: str) -> date | None:
    """Read a date typed as three numbers; None for one that does not exist."""
    if not all(_is_number(part) for part in (year, month, day)):
        return None
    try:
        return date(int(year), int(month), int(day))
    except (ValueError, OverflowError):
        return None


def _is_number(part: str) -> bool:
    if len(part) > MAX_DIGITS:
        return False
    return part.isascii() and part.isdigit()
