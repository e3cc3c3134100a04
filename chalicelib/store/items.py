"""An item of the table as it was read."""

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.store.keys.key import Key


class Item:
    """One item of the table as it was read.

    PynamoDB would make a model of each, which for a status of a hundred people takes as long as
    everything that is made of them.
    """

    __slots__ = ("_stored", "key")

    def __init__(self, stored: Mapping[str, Mapping[str, Any]]) -> None:
        """Take an item in DynamoDB's own form, such as ``{"pk": {"S": "CLINIC#riga"}, …}``."""
        self._stored = stored
        self.key = Key(stored["pk"]["S"], stored["sk"]["S"])

    @property
    def pk(self) -> str:
        """The partition's key."""
        return self.key.pk

    @property
    def sk(self) -> str:
        """The item's key within its partition."""
        return self.key.sk

    @property
    def body(self) -> str | None:
        """What the item holds as text, mostly JSON."""
        return self._text("body")

    @property
    def blob(self) -> bytes | None:
        """What the item holds as bytes, compressed or sealed."""
        stored = self._stored.get("blob")
        return stored.get("B") if stored else None

    @property
    def texts(self) -> dict[str, str]:
        """The item's entries by name; none where it has none."""
        stored = self._stored.get("entries")
        if not stored:
            return {}
        return {name: _plain(entry) for name, entry in stored.get("M", {}).items()}

    @property
    def number(self) -> int | None:
        """What the item counts."""
        stored = self._stored.get("number")
        return _plain(stored) if stored else None

    @property
    def counts(self) -> dict[str, int]:
        """What a counter counts, by name (`AddCounts`): each is a number of its own."""
        return {
            name: _plain(stored)
            for name, stored in self._stored.items()
            if "N" in stored and name not in {"number", "ttl"}
        }

    @property
    def ttl(self) -> int | None:
        """When DynamoDB may clear the item away (epoch seconds): housekeeping, which may come days
        late.
        """
        stored = self._stored.get("ttl")
        return _plain(stored) if stored else None

    @property
    def due_shard(self) -> str | None:
        """With `due_at` the key of the index of due times."""
        return self._text("due_shard")

    @property
    def due_at(self) -> str | None:
        """Since when something is due for a person (an instant)."""
        return self._text("due_at")

    def _text(self, name: str) -> str | None:
        stored = self._stored.get(name)
        return stored.get("S") if stored else None


def _plain(stored: Mapping[str, Any]) -> Any:
    """Read a text or a number in DynamoDB's own form; None for its NULL."""
    if "N" in stored:
        return json.loads(stored["N"])
    return stored.get("S")
