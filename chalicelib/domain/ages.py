"""Ages: from which one consents alone, when somebody comes of age. The law's numbers are dated data, `ages.json`.

Each rule there has the day it holds from (null: for as long as we ask), its source, and how sure we are of it.
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
"""Nobody was born longer ago, in years."""

MAX_DIGITS = 4
"""How many digits a number of a date has at most, leading zeros included."""

_AGES = Path(__file__).with_name("ages.json")


@cache
def rules() -> Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]:
    """Give the rules by country: `own_consent` and `majority`, each in the order in which they came to hold."""
    read: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(_AGES.read_text(encoding="utf-8"))
    return read


def own_consent_age(country: str, at: Instant) -> int:
    """Tell from which age one consents alone to the use of one's data in a country (GDPR Art. 8(1) and its like)."""
    return age_in_force(rules()[country]["own_consent"], country, at)


def majority_age(country: str, at: Instant) -> int:
    """Tell at which age one comes of age in a country."""
    return age_in_force(rules()[country]["majority"], country, at)


def age_in_force(dated: Sequence[Mapping[str, Any]], country: str, at: Instant) -> int:
    """Tell which of several dated ages holds at a moment: the last whose day has begun in the country."""
    if len(dated) == 1:
        return int(dated[0]["age"])
    today = local_day(at, country)
    begun = [rule for rule in dated if (rule["from"] or "") <= today]
    return int((begun or dated[:1])[-1]["age"])


def birthday(born: date, age: int) -> date:
    """Tell on which day somebody reaches an age.

    Who was born on 29 February reaches it, in a year without one, when 28 February is over (Regulation (EEC, Euratom)
    1182/71, Art. 3(2)(c), whose way of counting years we follow).
    """
    try:
        return born.replace(year=born.year + age)
    except ValueError:
        return date(born.year + age, 3, 1)


def age(born: date, country: str, at: Instant) -> int:
    """Tell how old somebody is at a moment, by the calendar of a country; below 0 for somebody not born yet."""
    today = date.fromisoformat(local_day(at, country))
    years = today.year - born.year
    return years if birthday(born, years) <= today else years - 1


def has_reached(comes_of_age: Instant, years: int, country: str, at: Instant) -> bool:
    """Tell whether somebody of whom only this is known, when they come of age, is that many years old at a moment.

    For somebody born on 29 February it may say so a day late.
    """
    day = date.fromisoformat(local_day(comes_of_age, country))
    today = date.fromisoformat(local_day(at, country))
    return birthday(day, years - majority_age(country, at)) <= today


def comes_of_age_at(born: date, country: str, at: Instant) -> Instant:
    """Tell when somebody comes of age: the midnight that begins the day, where the clinic is."""
    return local_midnight(birthday(born, majority_age(country, at)).isoformat(), country)


def is_believable(born: date, country: str, at: Instant) -> bool:
    """Tell whether somebody can have been born that day: not tomorrow, and not before anyone who lives."""
    return 0 <= age(born, country, at) < OLDEST


def calendar_day(year: str, month: str, day: str) -> date | None:
    """Read a date in three numbers; None for one that the calendar does not have."""
    if not all(len(part) <= MAX_DIGITS and part.isascii() and part.isdigit() for part in (year, month, day)):
        return None
    try:
        return date(int(year), int(month), int(day))
    except (ValueError, OverflowError):
        return None
