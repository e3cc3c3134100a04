"""The table in memory gives the same answers as Amazon's DynamoDB Local."""

import itertools
import os
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, get_args

import pytest
from botocore.exceptions import ClientError

from chalicelib.domain.rate_limits import RateLimit
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.table import ConflictError, ContendedError, Table, UnavailableError
from chalicelib.store.writes import (
    NOT_DUE,
    AddCounts,
    Count,
    Delete,
    FirstEntry,
    Kept,
    MoveEntry,
    NextNumber,
    Put,
    RaiseNumber,
    RemoveEntry,
    Replace,
    SetBlob,
    SetBody,
    SetDue,
    SetEntry,
    SetKept,
    SetNumber,
    Spend,
    Try,
    Write,
)
from infra.build.tools import dynamodb_local
from infra.local.aws import REGION, aws_environment
from tests.cast import create_table, environment
from tests.faults.dynamodb import MemoryTable
from tests.faults.services import DynamoClient
from tests.faults.weather import Weather
from tests.faults.world import connect
from tests.memory_dynamodb import tables_in_memory

KEYS = [Key(pk, sk) for pk in ("LIST#a", "LIST#b") for sk in ("A#1", "A#ā")]
COMPARED = int(os.environ.get("COMPARED", "250"))
"""How many writes are compared; they are others for another number."""

DUE_TIMES = [NOT_DUE, "2026-11-22T08:15:00.000Z", "2026-11-23T08:15:00.000Z"]
RULE = RateLimit(burst=3, interval=100)
_tables = itertools.count(1)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Run Amazon's DynamoDB Local."""
    with dynamodb_local() as url:
        yield url


@pytest.fixture
def both(endpoint: str) -> Iterator[tuple[Table, Table]]:
    """Give a table of DynamoDB Local and one in memory, both empty."""
    name = f"compared-{next(_tables)}"
    with environment(aws_environment(endpoint)):
        create_table(endpoint, name)
        real, ours = (
            Table(name, region=REGION, host=endpoint),
            Table(name, region=REGION, host=endpoint),
        )
        connect(ours, DynamoClient(MemoryTable(), Weather()))
        yield real, ours
        real.client.close()


def outcome(operation: Callable[..., Any], table: Table, argument: object) -> Any:
    """Tell what came of something: what it gave, or how it was refused."""
    try:
        return operation(table, argument)
    except ConflictError as conflict:
        return "conflict", conflict.keys
    except (ContendedError, UnavailableError) as error:
        return type(error).__name__


def stored_items(table: Table) -> list[tuple[Any, ...]]:
    """Give everything a table holds under the keys of this test."""
    found = table.get(KEYS)
    return [
        (key, i.body, i.blob, i.texts, i.number, i.ttl, i.counts)
        for key, i in sorted(found.items())
    ]


def _held(item: Item | None) -> Kept | None:
    """Give one of the forms in which an item may hold a person, if it has one."""
    if item is None:
        return None
    return bytes(item.blob) if item.blob else item.body


def a_write(rng: Random, key: Key, table: Table) -> Write:
    """Draw one write; half of those with a condition would hold as the table stands."""
    item = table.get([key]).get(key)
    body = rng.choice([item.body if item else None, rng.choice(["x", "y", None])])
    texts = list((item.texts if item else {}).items()) or [("n1", "v")]
    name, was = rng.choice(texts)
    number = rng.choice([int((item.number or 0) if item else 0) + 1, rng.randrange(1, 4)])
    fields = {
        "body": rng.choice(["x", "y"]),
        "blob": b"\x00\xff",
        "entries": {"n1": "v"},
        "number": 2,
        "ttl": 5,
    }
    some = {"entries": {"n1": "v"}} if rng.random() < 0.5 else {}
    some |= dict(rng.sample(sorted(fields.items()), rng.randrange(1, 4)))
    return rng.choice(
        [
            Put(key, some),
            Put(key, some),
            Replace(key, some),
            Delete(key),
            Delete(key),
            Delete(key, empty=True, number=rng.choice([None, 2, number - 1])),
            SetEntry(key, rng.choice(["n1", "n2"]), rng.choice(["v", "w"])),
            FirstEntry(key, "n1", "first"),
            SetBlob(
                key, b"new", was=rng.choice([bytes((item.blob if item else None) or b"-"), b"z"])
            ),
            SetBody(
                key, rng.choice(["x", "y", None]), was=body, blob=rng.choice([None, b"z", b""])
            ),
            SetKept(key, b"x", was=_held(item), due=rng.choice(DUE_TIMES)),
            SetDue(key, rng.choice(DUE_TIMES), was=_held(item) or "x"),
            SetKept(key, rng.choice([b"new", "x", None]), was=rng.choice([_held(item), "x", None])),
            RemoveEntry(key, name),
            NextNumber(key, number),
            MoveEntry(key, name, was, number=rng.choice([None, number])),
            MoveEntry(
                key,
                name,
                was,
                kept=rng.choice([None, "moved", b"moved"]),
                number=rng.choice([None, number]),
            ),
            SetNumber(
                key, number, was=rng.choice([int(item.number) if item and item.number else None, 2])
            ),
            AddCounts(key, {"a.b#np": rng.randrange(1, 5), rng.choice("yz"): 1}),
            RaiseNumber(key, number + rng.randrange(-1, 2)),
            Try(key, number + rng.randrange(-1, 2)),
            Count(key, number + rng.randrange(-1, 2), "counted", 7),
            Spend(key, RULE, rng.randrange(0, 400), fresh=rng.random() < 0.5),
        ]
    )


def test_the_table_in_memory_answers_as_dynamodb_does(both: tuple[Table, Table]) -> None:
    """What the walks find is true of the real table: conditions, refusals and reasons agree."""
    rng = Random(COMPARED)
    met: set[str] = set()
    for number in range(COMPARED):
        chosen = rng.sample(KEYS, rng.choice([1, 1, 1, 2, 3]))
        writes = [a_write(rng, key, both[1]) for key in chosen]
        alone = len(writes) == 1 and number % 2 == 0
        real, ours = (
            outcome(Table.write_one, table, writes[0])
            if alone
            else outcome(Table.write, table, writes)
            for table in both
        )
        assert ours == real, writes
        met |= {type(each).__name__ for each in writes if real is None}
        if rng.random() < 0.2:
            new = Put(rng.choice(KEYS), {"body": "new"})
            real, ours = (outcome(Table.put_new, table, new) for table in both)
            assert ours == real, new
        assert stored_items(both[1]) == stored_items(both[0]), writes
        for shard in "A0":
            real, ours = (
                outcome(lambda t, s: list(t.due(s, "2026-11-22T09:00")), table, shard)
                for table in both
            )
            assert sorted(ours) == sorted(real), shard
    assert met == {
        each.__name__ for each in get_args(Write)
    }  # each of them was carried out at least once


def test_queries_give_the_same_items_in_the_same_order_page_by_page(
    both: tuple[Table, Table],
) -> None:
    """A partition longer than one answer of DynamoDB's, 1 MB, is read to its end."""
    for table in both:
        for number in range(9):
            table.put(Put(Key("LONG", f"A#{number:03}"), {"body": "x" * 300_000}))
        for sk in ("B#1", "B#2", "Ā#1", "C"):
            table.put(Put(Key("LONG", sk), {"body": sk}))
    reads: list[Callable[[Table], Any]] = [
        lambda table: [item.sk for item in table.partition("LONG", "")],
        lambda table: [item.sk for item in table.partition("LONG", "A#")],
        lambda table: [item.sk for item in table.from_key(Key("LONG", "A#004"), "A#")],
        lambda table: [item.sk for item in table.after_key("LONG", "B#1")],
        lambda table: [item.sk for item in table.partition("NOTHING", "")],
    ]
    for read in reads:
        assert read(both[1]) == read(both[0])


@pytest.mark.parametrize(
    "writes",
    [
        [Put(Key("p", "s"), {"body": "x" * 420_000})],
        [Put(Key("p", "s"), {"body": "x"}), Delete(Key("p", "s"))],
        [Put(Key("p", f"{number}"), {"body": "x"}) for number in range(101)],
        [Put(Key("p", ""), {"body": "x"})],
    ],
    ids=["an item too large", "one item twice", "too many items", "an empty key"],
)
def test_what_dynamodb_never_takes_is_not_taken_either(
    both: tuple[Table, Table], writes: list[Write]
) -> None:
    """A walk finds an item that grows too large as the real table would."""
    real, ours = (outcome(Table.write, table, writes) for table in both)
    assert ours == real == "UnavailableError"


def test_what_only_tests_ask_for_is_answered_alike_by_http(endpoint: str) -> None:
    """A test that looks at the whole table, or fills it at once, sees what DynamoDB would show."""
    name, memory = f"compared-{next(_tables)}", "http://compared.invalid"
    with tables_in_memory(memory):
        told = [_told_by_client(each, name) for each in (endpoint, memory)]
    assert told[0] == told[1]
    assert "ResourceNotFoundException" in told[0]


def _told_by_client(endpoint: str, name: str) -> list[Any]:
    """Make a table, fill it by a batch, and give what reading it in three ways tells."""
    first, second = ({"pk": {"S": "p"}, "sk": {"S": sk}} for sk in ("a", "b"))
    requests = [{"PutRequest": {"Item": first | {"blob": {"B": b"\x00\xff"}}}}]
    requests += [{"PutRequest": {"Item": second}}]
    with environment(aws_environment(endpoint)):
        create_table(endpoint, name)
        client = Table(name, region=REGION, host=endpoint).client
        client.batch_write_item(RequestItems={name: requests})
        told = [
            client.get_item(TableName=name, Key=first).get("Item"),
            client.get_item(TableName=name, Key=first | {"sk": {"S": "c"}}).get("Item"),
            client.scan(TableName=name)["Items"],
            client.scan(TableName=name, ProjectionExpression="pk, sk")["Items"],
        ]
        client.batch_write_item(RequestItems={name: [{"DeleteRequest": {"Key": second}}]})
        told.append(client.scan(TableName=name)["Count"])
        try:
            client.scan(TableName="nothing")
        except ClientError as error:
            told.append(error.response["Error"]["Code"])
        client.close()
    return told
