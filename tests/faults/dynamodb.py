"""A DynamoDB table in memory that keeps DynamoDB's rules as far as the portal's table relies on
them.

It stands where botocore's client stands, so that everything above runs as it is:
`chalicelib.store.table` and PynamoDB with their conditions, the order of a transaction's reasons,
pages and batches. Consistent reads, batches that may be read a moment late (`late`), single-item
writes and transactions, a stream of what was written; strings, whole numbers, bytes and maps.
`test_dynamodb.py` holds it against Amazon's own DynamoDB Local.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from infra.local.template import template
from tests.faults.expressions import Context, InvalidPathError, Stored, condition, update

Sent = Mapping[str, Any]
Place = tuple[str, str]

MOST_ITEMS = 100
"""How many items a transaction or a batch of reads may name."""

ITEM_BYTES = 400 * 1024
PAGE_BYTES = 1024 * 1024
TRANSACTION_BYTES = 4 * 1024 * 1024

LATE_WRITES = 3
"""By how many writes a late read is behind at most."""

Change = tuple[Place, Stored | None, Stored | None]
"""A place, what stood there and what stands there now."""


class Refused(Exception):  # noqa: N818 - it is not an error of ours, but an answer
    """One write is refused: by its condition, or because it can never be done."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def declined(operation: str, code: str, reasons: Sequence[str] = ()) -> ClientError:
    """Give the error by which botocore tells of a refusal."""
    answer: dict[str, Any] = {"Error": {"Code": code, "Message": "by the table in memory"}}
    if reasons:
        answer["CancellationReasons"] = [{"Code": each} for each in reasons]
    return ClientError(answer, operation)


@dataclass
class MemoryTable:
    """One table with the portal's key, `pk` and `sk`, and the records of its stream."""

    page_bytes: int = PAGE_BYTES
    records: list[dict[str, Any]] = field(default_factory=list)
    late: bool = False
    """Whether a batch that is not read strongly consistently misses the last writes."""

    _last_changes: deque[Change] = field(default_factory=lambda: deque(maxlen=LATE_WRITES))
    _partitions: dict[str, dict[str, Stored]] = field(default_factory=dict)
    _orders: dict[str, list[str]] = field(default_factory=dict)

    def call(self, operation: str, sent: Sent) -> dict[str, Any]:
        """Carry out one call of the API; raise ClientError as botocore does."""
        return self.OPERATIONS[operation](self, sent)

    def items(self) -> Iterator[tuple[Place, Stored]]:
        """Give everything that is stored."""
        for pk, partition in self._partitions.items():
            for sk, item in partition.items():
                yield (pk, sk), item

    def _batch_get(self, sent: Sent) -> dict[str, Any]:
        [(name, request)] = sent["RequestItems"].items()
        places = [_place(key) for key in request["Keys"]]
        if not 1 <= len(places) <= MOST_ITEMS or len(set(places)) < len(places):
            raise declined("BatchGetItem", "ValidationException")
        late = self.late and not request.get("ConsistentRead")
        get = self._get_late if late else self._get
        found = [item for item in map(get, places) if item is not None]
        return {"Responses": {name: [dict(item) for item in found]}, "UnprocessedKeys": {}}

    def _query(self, sent: Sent) -> dict[str, Any]:
        if "IndexName" in sent:
            return self._query_index(sent)
        values, names = sent["ExpressionAttributeValues"], sent["ExpressionAttributeNames"]
        known = {
            "KeyConditionExpression",
            "ExclusiveStartKey",
            "ScanIndexForward",
            "ConsistentRead",
            "Limit",
        }
        known |= {
            "TableName",
            "ExpressionAttributeNames",
            "ExpressionAttributeValues",
            "ReturnConsumedCapacity",
        }
        if not sent.keys() <= known:
            raise NotImplementedError(sorted(sent.keys() - known))
        pk = values[":0"]["S"]  # PynamoDB writes the partition first
        holds = condition(sent["KeyConditionExpression"])
        order = self._orders.get(pk, [])
        if not sent.get("ScanIndexForward", True):
            order = order[::-1]
        if start := sent.get("ExclusiveStartKey"):
            begun = start["sk"]["S"]
            order = [
                sk
                for sk in order
                if (sk > begun) == sent.get("ScanIndexForward", True) and sk != begun
            ]
        page: list[Stored] = []
        read = 0
        last = None
        for sk in order:
            item = self._partitions[pk][sk]
            if not holds(Context(item, names, values)):
                continue
            page.append(dict(item))
            read += _bytes(item)
            if len(page) == sent.get("Limit") or read > self.page_bytes:
                last = {"pk": {"S": pk}, "sk": {"S": sk}}
                break
        answer: dict[str, Any] = {"Items": page, "Count": len(page), "ScannedCount": len(page)}
        return answer | ({"LastEvaluatedKey": last} if last else {})

    def _get_item(self, sent: Sent) -> dict[str, Any]:
        item = self._get(_place(sent["Key"]))
        return {} if item is None else {"Item": dict(item)}

    def _batch_write(self, sent: Sent) -> dict[str, Any]:
        for requests in sent["RequestItems"].values():
            for request in requests:
                [(kind, write)] = request.items()
                self._apply(self._change(kind.removesuffix("Request"), write))
        return {"UnprocessedItems": {}}

    def _scan(self, sent: Sent) -> dict[str, Any]:
        """Give everything, or of everything the attributes that are asked for, on one page."""
        wanted = str(sent.get("ProjectionExpression", "")).replace(" ", "").split(",")
        found = []
        for _place, item in self.items():  # noqa: PERF102 - this is no dict's method
            found.append(dict(item) if wanted == [""] else {each: item[each] for each in wanted})
        return {"Items": found, "Count": len(found), "ScannedCount": len(found)}

    def _query_index(self, sent: Sent) -> dict[str, Any]:
        """Query the index of due times: keys only, as strict as a table although it lags behind in
        AWS.
        """
        index = _index(sent["IndexName"])
        if sent.get("ConsistentRead"):
            raise declined("Query", "ValidationException")
        holds = condition(sent["KeyConditionExpression"])
        names, values = sent["ExpressionAttributeNames"], sent["ExpressionAttributeValues"]
        entries = [
            {name: item[name] for name in ("pk", "sk", *index)}
            for _, item in self.items()
            if item.keys() >= set(index)
        ]
        found = [entry for entry in entries if holds(Context(entry, names, values))]
        found.sort(key=lambda entry: [entry[name]["S"] for name in (*index, "pk", "sk")])
        return {"Items": found, "Count": len(found), "ScannedCount": len(found)}

    def _put_item(self, sent: Sent) -> dict[str, Any]:
        return self._one("PutItem", "Put", sent)

    def _update_item(self, sent: Sent) -> dict[str, Any]:
        return self._one("UpdateItem", "Update", sent)

    def _delete_item(self, sent: Sent) -> dict[str, Any]:
        return self._one("DeleteItem", "Delete", sent)

    def _one(self, operation: str, kind: str, sent: Sent) -> dict[str, Any]:
        try:
            change = self._change(kind, sent)
        except Refused as refused:
            failed = refused.code == "ConditionalCheckFailed"
            raise declined(
                operation, "ConditionalCheckFailedException" if failed else "ValidationException"
            ) from None
        self._apply(change)
        return {}

    def _transact(self, sent: Sent) -> dict[str, Any]:
        actions = [(kind, write) for each in sent["TransactItems"] for kind, write in each.items()]
        places = [_place(write.get("Item") or write["Key"]) for _, write in actions]
        if not 1 <= len(actions) <= MOST_ITEMS or len(set(places)) < len(places):
            raise declined("TransactWriteItems", "ValidationException")
        changes: list[Change] = []
        reasons: list[str] = []
        for kind, write in actions:
            try:
                changes.append(self._change(kind, write))
                reasons.append("None")
            except Refused as refused:
                if refused.code == "ValidationError":
                    raise declined("TransactWriteItems", "ValidationException") from None
                reasons.append(refused.code)
        if set(reasons) != {"None"}:
            raise declined("TransactWriteItems", "TransactionCanceledException", reasons)
        if sum(_bytes(after) for _, _, after in changes if after is not None) > TRANSACTION_BYTES:
            raise declined("TransactWriteItems", "ValidationException")
        for change in changes:
            self._apply(change)
        return {}

    def _change(self, kind: str, sent: Sent) -> Change:
        """Tell what one write would change; raise Refused."""
        place = _place(sent.get("Item") or sent["Key"])
        before = self._get(place)
        context = Context(before or {}, sent.get("ExpressionAttributeNames", {}), _values(sent))
        if (expression := sent.get("ConditionExpression")) and not condition(expression)(context):
            raise Refused("ConditionalCheckFailed")
        if kind in {"Delete", "ConditionCheck"}:
            return place, before, None if kind == "Delete" else before
        if kind == "Put":
            after = dict(sent["Item"])
        else:
            after = (
                dict(before)
                if before is not None
                else {"pk": {"S": place[0]}, "sk": {"S": place[1]}}
            )
            try:
                update(sent["UpdateExpression"])(context, after)
            except InvalidPathError:
                raise Refused("ValidationError") from None
        if _bytes(after) > ITEM_BYTES:
            raise Refused("ValidationError")
        return place, before, after

    def _apply(self, change: Change) -> None:
        self._last_changes.append(change)
        (pk, sk), before, after = change
        partition = self._partitions.setdefault(pk, {})
        order = self._orders.setdefault(pk, [])
        if after is None:
            if before is not None:
                del partition[sk]
                del order[bisect_left(order, sk)]
        else:
            if before is None:
                insort(order, sk)
            partition[sk] = after
        if before != after:
            event = "REMOVE" if after is None else "INSERT" if before is None else "MODIFY"
            change: dict[str, Any] = {"Keys": {"pk": {"S": pk}, "sk": {"S": sk}}}
            if after is not None:
                change["NewImage"] = after
            self.records.append(
                {"eventName": event, "eventSource": "aws:dynamodb", "dynamodb": change}
            )

    def _get(self, place: Place) -> Stored | None:
        pk, sk = place
        return self._partitions.get(pk, {}).get(sk)

    def _get_late(self, place: Place) -> Stored | None:
        """Give an item as it was before the last writes."""
        for changed, before, _ in self._last_changes:
            if changed == place:
                return before
        return self._get(place)

    OPERATIONS: ClassVar[Mapping[str, Callable[["MemoryTable", Sent], dict[str, Any]]]] = {
        "GetItem": _get_item,
        "BatchGetItem": _batch_get,
        "BatchWriteItem": _batch_write,
        "Query": _query,
        "Scan": _scan,
        "PutItem": _put_item,
        "UpdateItem": _update_item,
        "DeleteItem": _delete_item,
        "TransactWriteItems": _transact,
    }


def _index(name: str) -> tuple[str, str]:
    """Give the key of one of the table's indexes."""
    for index in template()["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]:
        if index["IndexName"] == name:
            first, second = (part["AttributeName"] for part in index["KeySchema"])
            return first, second
    raise declined("Query", "ValidationException")


def _place(key: Mapping[str, Mapping[str, str]]) -> Place:
    place = key["pk"]["S"], key["sk"]["S"]
    if not all(place):
        raise declined("", "ValidationException")
    return place


def _values(sent: Sent) -> Mapping[str, Mapping[str, Any]]:
    values: Mapping[str, Mapping[str, Any]] = sent.get("ExpressionAttributeValues", {})
    return values


def _bytes(item: Mapping[str, Any]) -> int:
    """Give the size of an item: names and values in UTF-8, a number as half its digits."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    if kind == "M":
        return 3 + len(content) + _bytes(content)
    if kind == "N":
        return len(content) // 2 + 2
    return len(content.encode() if kind == "S" else content)
