"""What a country's law asks a notice to tell of the clinic itself: data, in `duties.json`.

Each rule there has the day it holds from (null: since before there were notices), its source, and
how sure we are of it.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_DUTIES = Path(__file__).with_name("duties.json")


class Duty(NamedTuple):
    """Whether something is due, by which article, and from how many patients a year (None: any)."""

    due: bool
    article: str
    from_patients: int | None = None


@cache
def rules() -> Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]:
    """Return the rules by country: `address` and `dpo`, each a list in the order of their days."""
    text = _DUTIES.read_text(encoding="utf-8")
    countries: Mapping[str, Any] = json.loads(text)
    return countries


def duty_on(country: str, name: str, day: str) -> Duty:
    """Return what a country's law asks for on a day (`2026-11-01`): the last rule that holds then.

    Before any holds, it is the first of them.
    """
    current, *later = rules()[country][name]
    for rule in later:
        if (rule["from"] or "") <= day:
            current = rule
    return Duty(current["due"], current["article"], current.get("from_patients"))
