"""What was typed into a form, as it came: `forms` reads what it means."""

from collections.abc import Mapping
from typing import Any

MAX_TYPED = 320
"""How many characters of a field are read: the longest e-mail address has as many (RFC 3696)."""

Fields = Mapping[str, list[str]]
"""Form fields by name, each with the values sent, in order."""


def first(fields: Fields, name: str) -> str:
    """Give the first value of a field, trimmed; empty if it was not sent."""
    values = fields.get(name) or [""]
    return values[0].strip()


def typed_again(fields: Fields | None) -> dict[str, Any]:
    """Give what was typed and ticked on a form, to fill it in again."""
    sent = fields or {}
    typed: dict[str, Any] = {
        name: first(sent, name)[:MAX_TYPED] for name in sent if name != "state"
    }
    typed["purposes"] = tuple(sent.get("purpose", ()))
    return typed
