"""What DynamoDB counts for reads and writes: request units by the sizes of items.

The rules are AWS's ("Read and write operations", "DynamoDB item sizes and formats" and
"Transactions" in the developer's guide): a write counts 1 unit for each KB of the item as it was or
becomes, whichever is larger, twice that within a transaction; a strongly consistent read counts 1
for each 4 KB of an item, also where there is none; a query counts all it read at once.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Stored = Mapping[str, Any]
"""An item as DynamoDB writes it: ``{"pk": {"S": "…"}, …}``."""

Place = tuple[str, str]
"""Where an item stands: `pk` and `sk`."""

Sent = Mapping[str, Any]
"""What a client sends with one call of the API."""

WRITE_BYTES, READ_BYTES = 1024, 4096
_SINGLE = {"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete"}


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index that projects keys only: the attributes of its own key."""

    name: str
    hash_key: str
    range_key: str


@dataclass(frozen=True, slots=True)
class Operation:
    """What one call did to, or read of, one item or query: its size in bytes and its units.

    `kind` is Put, Update, Delete or ConditionCheck of a write, the call's name of a read; for what
    a write changes in an index it is the name of the index.
    """

    call: str
    kind: str
    place: Place
    size: int
    units: float


def item_bytes(item: Stored | None) -> int:
    """Give the size of an item: its names and values. Nothing for one that is not there."""
    if not item:
        return 0
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def value_bytes(value: Mapping[str, Any]) -> int:
    """Give the size of a value.

    Text in UTF-8; a number two digits in a byte, and one more; a map or list three, and one for
    each member.
    """
    [(kind, content)] = value.items()
    match kind:
        case "S":
            return len(str(content).encode())
        case "B":
            return len(bytes(content))
        case "N":
            digits = str(content).lstrip("-").replace(".", "").strip("0")
            return math.ceil(len(digits) / 2) + 1 + int(content.startswith("-"))
        case "M":
            return 3 + sum(
                1 + len(name.encode()) + value_bytes(each) for name, each in content.items()
            )
        case "L":
            return 3 + sum(1 + value_bytes(each) for each in content)
        case _:
            return 1


def write_units(before: Stored | None, after: Stored | None, *, transaction: bool) -> int:
    """Give what a write of one item counts; at least 1, of an item that is not there too."""
    size = max(item_bytes(before), item_bytes(after))
    return max(1, math.ceil(size / WRITE_BYTES)) * (2 if transaction else 1)


def read_units(size: int, *, consistent: bool) -> float:
    """Give what a read of so many bytes counts."""
    units = max(1, math.ceil(size / READ_BYTES))
    return units if consistent else units / 2


def index_entry(item: Stored | None, index: Index) -> Stored | None:
    """Give an item's entry in an index, None where it has none: the index is sparse."""
    if not item or index.hash_key not in item or index.range_key not in item:
        return None
    return {name: item[name] for name in ("pk", "sk", index.hash_key, index.range_key)}


def index_units(before: Stored | None, after: Stored | None, index: Index) -> int:
    """Give what a write counts in an index: an entry made, removed, or, where it moves, both.

    The index follows the table by itself, outside of any transaction.
    """
    was, becomes = index_entry(before, index), index_entry(after, index)
    if was == becomes:
        return 0
    entries = [each for each in (was, becomes) if each is not None]
    return sum(write_units(None, each, transaction=False) for each in entries)


Read = Callable[[Sequence[Place]], Mapping[Place, Stored]]
"""Reads items without being counted."""


class Meter:
    """Counts the calls of a client, one after the other: what each read and wrote.

    `carry_out` does a call; `read` sees what the table holds before and after it.
    """

    def __init__(self, read: Read, indexes: Sequence[Index] = ()) -> None:
        self.operations: list[Operation] = []
        self.calls: list[str] = []
        self._read = read
        self._indexes = indexes

    def clear(self) -> None:
        """Begin anew."""
        self.operations.clear()
        self.calls.clear()

    @property
    def written(self) -> float:
        """The write units since the beginning."""
        return sum(each.units for each in self.operations if not is_read(each))

    @property
    def read(self) -> float:
        """The read units since the beginning."""
        return sum(each.units for each in self.operations if is_read(each))

    def count(
        self, call: str, sent: Sent, carry_out: Callable[[], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """Carry out a call and count it. A write counts also where its condition does not hold."""
        self.calls.append(call)
        writes = list(_writes(call, sent))
        if not writes:
            answer = carry_out()
            self.operations += _reads(call, sent, answer)
            return answer
        places = [place for _, place in writes]
        before = self._read(places)
        try:
            return carry_out()
        finally:
            after = self._read(places)
            for kind, place in writes:
                self._note_write(call, kind, place, before.get(place), after.get(place))

    def _note_write(
        self, call: str, kind: str, place: Place, before: Stored | None, after: Stored | None
    ) -> None:
        size = max(item_bytes(before), item_bytes(after))
        units = write_units(before, after, transaction=call == "TransactWriteItems")
        self.operations.append(Operation(call, kind, place, size, units))
        for index in self._indexes:
            if counted := index_units(before, after, index):
                entry = index_entry(after, index) or index_entry(before, index)
                self.operations.append(
                    Operation(call, index.name, place, item_bytes(entry), counted)
                )


def is_read(operation: Operation) -> bool:
    """Tell whether an operation read."""
    return operation.call in {"GetItem", "BatchGetItem", "Query", "Scan"}


def _writes(call: str, sent: Sent) -> Iterator[tuple[str, Place]]:
    """Give what a call writes: of which kind each is, and where."""
    if call in _SINGLE:
        yield _SINGLE[call], _place(sent.get("Item") or sent["Key"])
    if call == "TransactWriteItems":
        for each in sent["TransactItems"]:
            for kind, write in each.items():
                yield kind, _place(write.get("Item") or write["Key"])


def _reads(call: str, sent: Sent, answer: Mapping[str, Any]) -> Iterator[Operation]:
    """Give what a call read: each item of a batch by itself, a query as a whole."""
    if call == "GetItem":
        item = answer.get("Item")
        consistent = bool(sent.get("ConsistentRead"))
        size = item_bytes(item)
        yield Operation(
            call, call, _place(sent["Key"]), size, read_units(size, consistent=consistent)
        )
    if call == "BatchGetItem":
        for name, request in sent["RequestItems"].items():
            found = {_place(item): item for item in answer["Responses"].get(name, ())}
            consistent = bool(request.get("ConsistentRead"))
            for place in map(_place, request["Keys"]):
                size = item_bytes(found.get(place))
                yield Operation(call, call, place, size, read_units(size, consistent=consistent))
    if call in {"Query", "Scan"}:
        size = sum(map(item_bytes, answer["Items"]))
        values = sent.get("ExpressionAttributeValues", {})
        partition = values.get(":0", {}).get("S", "")
        consistent = bool(sent.get("ConsistentRead"))
        units = read_units(size, consistent=consistent)
        yield Operation(call, sent.get("IndexName", call), (partition, ""), size, units)


def _place(key: Stored) -> Place:
    return key["pk"]["S"], key["sk"]["S"]
