"""What a country's law asks a notice to tell of the clinic itself. The law's rules are dated data, `duties.json`.

Each rule there has the day it holds from (null: for as long as we ask), its source, and how sure we are of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_DUTIES = Path(__file__).with_name("duties.json")


@dataclass(frozen=True, slots=True)
class Duty:
    """Whether something is due, which article asks for it, and from how many patients a year, if the law says."""

    due: bool
    article: str
    from_patients: int | None = None


@cache
def rules() -> Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]:
    """Give the rules by country: `address` and `dpo`, each in the order in which they came to hold."""
    read: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(_DUTIES.read_text(encoding="utf-8"))
    return read


def duty(country: str, name: str, day: str) -> Duty:
    """Tell what a country's law asks for on a day (`2026-11-01`): the last rule whose day has come."""
    dated = rules()[country][name]
    begun = [rule for rule in dated if (rule["from"] or "") <= day]
    rule = (begun or dated[:1])[-1]
    return Duty(rule["due"], rule["article"], rule.get("from_patients"))
