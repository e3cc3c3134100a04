"""The supervisory authorities that take complaints (GDPR Art. 13(2)(d)): data,
`authorities.json`.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.domain.languages import BY_CODE, LANGUAGES

_AUTHORITIES = Path(__file__).with_name("authorities.json")


@cache
def authorities() -> dict[str, Any]:
    """Return the authorities by country, each with its `name` by language and its `web` address.

    In a language that the file lacks, an authority has the name that it has in its country.
    """
    data: dict[str, Any] = json.loads(_AUTHORITIES.read_text(encoding="utf-8"))
    for country, authority in data.items():
        own_name = _own_name(country, authority["name"])
        authority["name"] = dict.fromkeys(LANGUAGES, own_name) | authority["name"]
    return data


def _own_name(country: str, names: Mapping[str, str]) -> str:
    """Return the name in the country's language; the first one where that is not the portal's."""
    for code, name in names.items():
        if code in BY_CODE and BY_CODE[code].territory == country:
            return name
    return next(iter(names.values()))
