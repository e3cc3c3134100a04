"""Each kind of write, as DynamoDB carries it out: what it leaves, and where it is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.domain.rate_limits import RateLimit
from chalicelib.portal import Portal
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import (
    AddCounts,
    Count,
    Delete,
    FirstEntry,
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

PLACE = Key("CLINIC#riga#ROLL#a", "a1")
NOW = "2026-11-23T09:00:00.000Z"
RULE = RateLimit(burst=2, interval=60_000)

Values = dict[str, Any]

DONE: dict[str, tuple[Values | None, Write, Values | None]] = {
    "a new item": (None, Put(PLACE, {"body": "b", "number": 0}), {"body": "b", "number": 0}),
    "an item whatever was there": ({"body": "a"}, Replace(PLACE, {"blob": b"b"}), {"blob": b"b"}),
    "a removal": ({"body": "a"}, Delete(PLACE), None),
    "a removal of what is empty": ({"number": 2}, Delete(PLACE, empty=True, number=2), None),
    "a removal of what has no number": (
        {"entries": {}},
        Delete(PLACE, empty=True),
        None,
    ),
    "an entry": (
        {"entries": {"a.b": "1"}},
        SetEntry(PLACE, "c.d", "2"),
        {"entries": {"a.b": "1", "c.d": "2"}},
    ),
    "an entry taken out": ({"entries": {"a.b": "1"}}, RemoveEntry(PLACE, "a.b"), {"entries": {}}),
    "the first entry": ({"number": 1}, FirstEntry(PLACE, "a.b", "1"), {"entries": {"a.b": "1"}}),
    "a blob": ({"blob": b"a"}, SetBlob(PLACE, b"b", was=b"a"), {"blob": b"b"}),
    "a body": ({"body": "a"}, SetBody(PLACE, "b", was="a"), {"body": "b"}),
    "a body where none was": ({"blob": b"a"}, SetBody(PLACE, "b", was=None), {"body": "b"}),
    "a body with another blob": (
        {"body": "a", "blob": b"a"},
        SetBody(PLACE, "b", was="a", blob=b"b"),
        {"body": "b", "blob": b"b"},
    ),
    "a body without the blob": (
        {"body": "a", "blob": b"a"},
        SetBody(PLACE, "b", was="a", blob=b""),
        {"body": "b", "blob": None},
    ),
    "no body any more": ({"body": "a"}, SetBody(PLACE, None, was="a"), {"body": None}),
    "a person who is new": (
        None,
        SetKept(PLACE, b"b", None, due=NOW),
        {"blob": b"b", "due_at": NOW, "due_shard": "DUE#a"},
    ),
    "a person packed now": (
        {"body": "a"},
        SetKept(PLACE, b"b", was="a"),
        {"blob": b"b", "body": None},
    ),
    "a person only pointed to": (
        {"blob": b"a"},
        SetKept(PLACE, "b", was=b"a"),
        {"blob": None, "body": "b"},
    ),
    "nobody any more, nothing due": (
        {"blob": b"a", "due_at": NOW, "due_shard": "DUE#a"},
        SetKept(PLACE, None, was=b"a", due=""),
        {"blob": None, "due_at": None, "due_shard": None},
    ),
    "another due time": (
        {"blob": b"a"},
        SetDue(PLACE, NOW, was=b"a"),
        {"due_at": NOW, "due_shard": "DUE#a"},
    ),
    "nothing due": (
        {"body": "a", "due_at": NOW, "due_shard": "DUE#a"},
        SetDue(PLACE, "", was="a"),
        {"due_at": None, "due_shard": None},
    ),
    "a person out of an item of several": (
        {"entries": {"p": "1"}, "number": 1},
        MoveEntry(PLACE, "p", "1", kept="1", number=2),
        {"entries": {}, "body": "1", "number": 2},
    ),
    "the first to move": (
        {"entries": {"p": "1"}},
        MoveEntry(PLACE, "p", "1", number=1),
        {"entries": {}, "number": 1},
    ),
    "the first number": ({"body": "a"}, NextNumber(PLACE, 1), {"number": 1}),
    "the next number": ({"number": 1}, NextNumber(PLACE, 2), {"number": 2}),
    "a corrected number": ({"number": 5}, SetNumber(PLACE, 7, was=5), {"number": 7}),
    "a number that is new": (None, SetNumber(PLACE, 7, was=None), {"number": 7}),
    "a higher number": ({"number": 5}, RaiseNumber(PLACE, 7), {"number": 7}),
    "a number where none was": ({"body": "a"}, RaiseNumber(PLACE, 7), {"number": 7}),
    "a try": ({"number": 4}, Try(PLACE, 5), {"number": 5}),
    "counts that are new": (None, AddCounts(PLACE, {"a.b#pg": 2, "c": 1}), {"a.b#pg": 2, "c": 1}),
    "one more": ({"number": 2}, Count(PLACE, 3, "30", 99), {"number": 3, "body": "30", "ttl": 99}),
    "one, the first": (None, Count(PLACE, 3, "30", 99), {"number": 1, "body": "30"}),
    "a token of a full bucket": (
        {"number": 900},
        Spend(PLACE, RULE, 1_000, fresh=True),
        {"number": 61_000, "ttl": 3_721},
    ),
    "a token of a bucket in use": (
        {"number": 1_500},
        Spend(PLACE, RULE, 1_000, fresh=False),
        {"number": 61_500},
    ),
}
"""What a write finds, what it does, and which of the attributes it leaves."""

REFUSED: dict[str, tuple[Values | None, Write]] = {
    "what is there is not new": ({"body": "a"}, Put(PLACE, {"body": "b"})),
    "a number more is not empty": ({"number": 3}, Delete(PLACE, empty=True, number=2)),
    "a body is not empty": ({"body": "a"}, Delete(PLACE, empty=True)),
    "an entry is not empty": ({"entries": {"a": "1"}}, Delete(PLACE, empty=True)),
    "no item for an entry": (None, SetEntry(PLACE, "a", "1")),
    "an entry before the first": ({"entries": {"a": "1"}}, FirstEntry(PLACE, "b", "1")),
    "another blob": ({"blob": b"x"}, SetBlob(PLACE, b"b", was=b"a")),
    "another body": ({"body": "x"}, SetBody(PLACE, "b", was="a")),
    "a body where none was read": ({"body": "x"}, SetBody(PLACE, "b", was=None)),
    "a person changed meanwhile": ({"blob": b"x"}, SetKept(PLACE, b"b", was=b"a")),
    "a person erased meanwhile": ({"blob": b"x"}, SetKept(PLACE, b"b", was="a")),
    "somebody came meanwhile": ({"body": "x"}, SetKept(PLACE, b"b", was=None)),
    "a due time of somebody changed": ({"blob": b"x"}, SetDue(PLACE, NOW, was=b"a")),
    "an entry that changed": ({"entries": {"p": "x"}}, MoveEntry(PLACE, "p", "1")),
    "an entry where somebody is": (
        {"entries": {"p": "1"}, "body": "x"},
        MoveEntry(PLACE, "p", "1", kept="1"),
    ),
    "a number that was taken": ({"number": 2}, NextNumber(PLACE, 2)),
    "a first number that was taken": ({"number": 1}, NextNumber(PLACE, 1)),
    "a number nobody asked for": (None, NextNumber(PLACE, 1)),
    "a counter that moved": ({"number": 6}, SetNumber(PLACE, 7, was=5)),
    "a counter that is there": ({"number": 6}, SetNumber(PLACE, 7, was=None)),
    "a number that is not higher": ({"number": 7}, RaiseNumber(PLACE, 7)),
    "a number of nothing": (None, RaiseNumber(PLACE, 7)),
    "a try too many": ({"number": 5}, Try(PLACE, 5)),
    "a try at nothing": (None, Try(PLACE, 5)),
    "one too many": ({"number": 3}, Count(PLACE, 3, "30", 99)),
    "a full bucket in use by now": ({"number": 1_001}, Spend(PLACE, RULE, 1_000, fresh=True)),
    "an empty bucket": ({"number": 61_001}, Spend(PLACE, RULE, 1_000, fresh=False)),
    "a bucket full again": ({"number": 1_000}, Spend(PLACE, RULE, 1_000, fresh=False)),
}
"""What a write finds that it must not change."""

WAYS: dict[str, Callable[[Table, Write], None]] = {
    "alone": lambda table, write: table.write_one(write),
    "in a transaction": lambda table, write: table.write([write]),
}


@pytest.fixture(params=WAYS)
def carry_out(request: pytest.FixtureRequest, portal: Portal) -> Callable[[Write], None]:
    """Give each way in which a write is carried out."""
    way = WAYS[request.param]
    return lambda write: way(portal.table, write)


def prepare(table: Table, values: Values | None) -> None:
    """Leave an item, or none, where the write will be."""
    table.write_one(Delete(PLACE) if values is None else Replace(PLACE, values))


def stored(table: Table) -> Item | None:
    """Read the item."""
    return table.get([PLACE]).get(PLACE)


def seen(item: Item, name: str) -> Any:
    """Give what an item says under a name."""
    if name == "entries":
        return item.texts
    if hasattr(item, name):
        return getattr(item, name)
    return item.counts.get(name)


def test_each_write_leaves_what_it_says(portal: Portal, carry_out: Callable[[Write], None]) -> None:
    """Alone or with others, on what it finds, nothing else is changed."""
    for what, (before, write, after) in DONE.items():
        prepare(portal.table, before)
        carry_out(write)
        item = stored(portal.table)
        if after is None:
            assert item is None, what
            continue
        assert item is not None, what
        kept = {**(before or {}), **after} if not isinstance(write, Replace) else after
        for name, value in kept.items():
            assert seen(item, name) == value, (what, name)


def test_each_write_changes_nothing_where_somebody_was_quicker(
    portal: Portal, carry_out: Callable[[Write], None]
) -> None:
    """No answer is lost by two who write at once."""
    for what, (before, write) in REFUSED.items():
        prepare(portal.table, before)
        found = stored(portal.table)
        with pytest.raises(ConflictError) as refusal:
            carry_out(write)
        assert refusal.value.keys == {PLACE}, what
        item = stored(portal.table)
        assert (item is None) == (found is None), what
        for name, value in (before or {}).items():
            assert item is not None
            assert seen(item, name) == value, (what, name)


def test_of_several_writes_those_refused_are_named(portal: Portal) -> None:
    """Whoever tries again knows what to read again, in whatever order the writes stand."""
    other = PLACE._replace(sk="a2")
    third = PLACE._replace(sk="a3")
    portal.table.write([Put(other, {"body": "a"}), Put(third, {"number": 5})])
    with pytest.raises(ConflictError) as refusal:
        portal.table.write([Try(third, 5), Put(PLACE, {"body": "b"}), SetBody(other, "b", was="x")])
    assert refusal.value.keys == {third, other}
    assert stored(portal.table) is None
