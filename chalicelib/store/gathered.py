"""What one batch of work needs of the table, read in one trip before it begins."""

import time
from collections.abc import Callable, Iterable, Sequence

from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.table import Table

FRESH_SECONDS = 5.0
"""For how long what was read is good: a batch whose messages take longer reads anew."""


class Gathered:
    """Items that were read together, strongly consistently; any other is read when it is asked for.

    Raises UnavailableError, as `Table.get` does.
    """

    def __init__(
        self, table: Table, keys: Iterable[Key], clock: Callable[[], float] = time.monotonic
    ) -> None:
        asked = list(dict.fromkeys(keys))
        self._table = table
        self._clock = clock
        self._until = clock() + FRESH_SECONDS
        self._found = table.get(asked)
        self._read = frozenset(asked)

    def get(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Give items by their keys; those that do not exist are left out."""
        known = self._read if self._clock() < self._until else frozenset[Key]()
        unread = [key for key in keys if key not in known]
        found = self._table.get(unread) if unread else {}
        for key in keys:
            if key in known and key in self._found:
                found[key] = self._found[key]
        return found
