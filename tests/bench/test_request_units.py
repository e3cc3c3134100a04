"""Request units by the rules, held against what Amazon's DynamoDB Local says it consumed."""

from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import pytest

from bench.request_units import Index, Meter, index_units, item_bytes, read_units, write_units
from infra.build.tools import dynamodb_local
from infra.local.aws import REGION, aws_environment
from tests.cast import create_table, environment

TABLE = "units"
KEY = {"pk": {"S": "a"}, "sk": {"S": "1"}}
DUE = Index("due", "shard", "at")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Give a client of a table in DynamoDB Local."""
    with dynamodb_local() as url, environment(aws_environment(url)):
        create_table(url, TABLE)
        yield botocore.session.get_session().create_client("dynamodb", REGION)


def an_item(sk: str, size: int) -> dict[str, dict[str, str]]:
    """Give an item of so many bytes."""
    item = {"pk": {"S": "a"}, "sk": {"S": sk}, "body": {"S": ""}}
    return {**item, "body": {"S": "x" * (size - item_bytes(item))}}


@pytest.mark.parametrize("size", [200, 1024, 1025, 3000])
def test_a_write_counts_as_amazon_counts_it(client: Any, size: int) -> None:
    """The figures of the benchmarks are those of the bill: alone, and in a transaction."""
    item = an_item(f"write{size}", size)
    told = client.put_item(TableName=TABLE, Item=item, ReturnConsumedCapacity="TOTAL")
    assert told["ConsumedCapacity"]["CapacityUnits"] == write_units(None, item, transaction=False)
    put = {"Put": {"TableName": TABLE, "Item": item}}
    told = client.transact_write_items(TransactItems=[put], ReturnConsumedCapacity="TOTAL")
    [consumed] = told["ConsumedCapacity"]
    assert consumed["CapacityUnits"] == write_units(item, item, transaction=True)


@pytest.mark.parametrize("size", [200, 4096, 4097, 9000])
def test_a_read_counts_as_amazon_counts_it(client: Any, size: int) -> None:
    """A strongly consistent read counts each 4 KB begun."""
    item = an_item(f"read{size}", size)
    client.put_item(TableName=TABLE, Item=item)
    key = {name: item[name] for name in ("pk", "sk")}
    told = client.get_item(
        TableName=TABLE, Key=key, ConsistentRead=True, ReturnConsumedCapacity="TOTAL"
    )
    assert told["ConsumedCapacity"]["CapacityUnits"] == read_units(size, consistent=True)


def test_an_item_becomes_smaller_and_counts_as_it_was() -> None:
    """An update counts the larger of both sizes."""
    large, small = an_item("1", 5000), an_item("1", 100)
    assert write_units(large, small, transaction=False) == 5
    assert write_units(large, None, transaction=True) == 10
    assert write_units(None, None, transaction=False) == 1


def test_a_due_time_that_moves_counts_twice_in_its_index() -> None:
    """An entry that moves is removed and made; what has no due time is not in the index."""
    early = {**KEY, "shard": {"S": "DUE#a"}, "at": {"S": "2026"}}
    late = {**early, "at": {"S": "2027"}}
    assert index_units(None, KEY, DUE) == 0
    assert index_units(KEY, early, DUE) == 1
    assert index_units(early, {**early, "body": {"S": "new"}}, DUE) == 0
    assert index_units(early, late, DUE) == 2
    assert index_units(late, None, DUE) == 1


def test_the_meter_counts_a_write_that_is_refused() -> None:
    """DynamoDB counts a condition that does not hold, and so does the meter."""
    stored = {("a", "1"): an_item("1", 2000)}

    def refuse() -> Mapping[str, Any]:
        raise ValueError("the condition does not hold")

    meter = Meter(lambda places: {place: stored[place] for place in places if place in stored})
    write = {"Put": {"TableName": TABLE, "Item": KEY}}
    with pytest.raises(ValueError, match="condition"):
        meter.count("TransactWriteItems", {"TransactItems": [write]}, refuse)
    assert (meter.written, meter.read, meter.calls) == (4, 0, ["TransactWriteItems"])


def test_the_meter_counts_each_key_of_a_batch_and_a_query_at_once() -> None:
    """A key that leads nowhere is read as well; a query adds up what it read."""
    items = [an_item(str(number), 3000) for number in range(3)]
    keys = [{name: item[name] for name in ("pk", "sk")} for item in items]
    nowhere = {"pk": {"S": "a"}, "sk": {"S": "nowhere"}}
    batch = {"RequestItems": {TABLE: {"Keys": [*keys, nowhere], "ConsistentRead": True}}}
    meter = Meter(lambda _: {})
    meter.count("BatchGetItem", batch, lambda: {"Responses": {TABLE: items}})
    assert meter.read == 4
    meter.clear()
    meter.count("Query", {"ConsistentRead": True}, lambda: {"Items": items})
    assert meter.read == 3
    meter.clear()
    meter.count("Query", {}, lambda: {"Items": items})
    assert meter.read == 1.5
