"""What lies in order in the table, asked for by PynamoDB. The only importer of it.

`table.Table` gives its errors the names that the rest of the portal knows.
"""

from collections.abc import Callable, Iterator
from typing import Any

from pynamodb.attributes import UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model

from chalicelib.store.items import Item
from chalicelib.store.keys.people import DUE_INDEX, due_shard


class Queries:
    """Reads the items of a partition, or of the index of due times, a page of DynamoDB's at a time.

    All but those of the index strongly consistently. Raises `errors`.
    """

    errors = PynamoDBException

    def __init__(self, name: str, client: Callable[[], Any]) -> None:
        """Take the table's name, and what gives the botocore client to ask."""
        self._item = _bind(name, client)

    def starting_with(self, pk: str, prefix: str) -> Iterator[Item]:
        """Read the items whose sort key starts with `prefix`."""
        # DynamoDB refuses an empty text in a key.
        return self._query(pk, self._item.sk.startswith(prefix) if prefix else None)

    def after(self, pk: str, sk: str, most: int | None) -> Iterator[Item]:
        """Read the items whose sort key comes after `sk`, no more than `most`."""
        return self._query(pk, self._item.sk > sk if sk else None, limit=most)

    def between(
        self, pk: str, first: str, last: str, *, newest_first: bool, page: int | None
    ) -> Iterator[Item]:
        """Read the items whose sort keys are from `first` to `last`, `page` of them at a time."""
        within = self._item.sk.between(first, last)
        return self._query(pk, within, scan_index_forward=not newest_first, page_size=page)

    def last(self, pk: str) -> Iterator[Item]:
        """Read the last item of a partition, if there is one."""
        return self._query(pk, None, scan_index_forward=False, limit=1)

    def due(self, shard: str, until: str) -> Iterator[Item]:
        """Read a part of the index of due times up to a moment, the longest due first."""
        due_by = self._item.due_at <= until
        entries: Iterator[Any] = self._item.query(due_shard(shard), due_by, index_name=DUE_INDEX)
        return entries

    def _query(self, pk: str, condition: Condition | None, **how: Any) -> Iterator[Item]:
        items: Iterator[Any] = self._item.query(pk, condition, consistent_read=True, **how)
        return items


class _DueTimes(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """The sparse index of the people for whom something will be due, in the order of the times."""

    class Meta:
        index_name = DUE_INDEX
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class _Row(Model):
    """An item as PynamoDB asks for it, by its keys; `_bind` gives the class for a table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute(null=True)
    due_times = _DueTimes()

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Item:  # type: ignore[override]
        """Give what was read as an `Item`."""
        return Item(data)


class _Connection(Connection):
    """PynamoDB's connection on the table's own client: it would make another, with a session of its
    own.
    """

    def __init__(self, client: Callable[[], Any]) -> None:
        super().__init__()
        self._client_of_table = client

    @property
    def client(self) -> Any:
        """The botocore client."""
        return self._client_of_table()


def _bind(name: str, client: Callable[[], Any]) -> type[_Row]:
    class Bound(_Row):
        class Meta:
            table_name = name

    bound = Bound._get_connection()  # noqa: SLF001 - PynamoDB offers no public way
    described = bound.get_meta_table()
    bound.connection = _Connection(client)
    bound.connection.add_meta_table(described)
    return Bound
