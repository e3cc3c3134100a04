"""How each write of `store.writes` is said to DynamoDB: the item's key, the update, the condition.

PynamoDB can put expressions together from objects. A decision writes ten items, and that took it a
sixth of its processor time; so they stand here as the texts that are sent.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html

An attribute is named ``#body`` everywhere, because some names are reserved words.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import due_shard
from chalicelib.store.writes import (
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

Plain = str | int | bytes | Mapping[str, str]
"""A value as the portal has it; a mapping is a map of texts."""

EXISTS, IS_NEW = "attribute_exists(#pk)", "attribute_not_exists(#pk)"
_HOLDS_NOBODY = "attribute_not_exists(#body) AND attribute_not_exists(#blob)"
_NO_ENTRY = "(attribute_not_exists(#entries) OR size(#entries) = :none)"

_KEPT_SECONDS = 3600
"""How long a token bucket is kept when it is full again."""


class Operation(NamedTuple):
    """One write as DynamoDB takes it in a transaction; alone its name ends in ``Item``."""

    kind: str
    """``Put``, ``Update`` or ``Delete``."""

    sent: dict[str, Any]


class _Said(NamedTuple):
    """An update and its condition, with the values they name; "" where there is none.

    `names` has those of attributes that are not called as in the expressions.
    """

    update: str
    condition: str = ""
    values: Mapping[str, Plain] = {}
    names: Mapping[str, str] = {}


def operation(table: str, write: Write) -> Operation:
    """Give what a write sends to the table of a name."""
    match write:
        case Put(key, values):
            return _operation("Put", table, {"Item": _item(key, values)}, _Said("", IS_NEW))
        case Replace(key, values):
            return _operation("Put", table, {"Item": _item(key, values)}, _Said(""))
        case Delete():
            return _operation("Delete", table, {"Key": item_key(write.key)}, _deleted(write))
        case SetKept() | SetDue() | MoveEntry():
            said = _person_changed(write)
        case SetNumber() | NextNumber() | RaiseNumber():
            said = _numbered(write)
        case Try() | AddCounts() | Count() | Spend():
            said = _counted(write)
        case _:
            said = _changed(write)
    return _operation("Update", table, {"Key": item_key(write.key)}, said)


def _operation(kind: str, table: str, item: dict[str, Any], said: _Said) -> Operation:
    sent = {"TableName": table, **item}
    if said.update:
        sent["UpdateExpression"] = said.update
    if said.condition:
        sent["ConditionExpression"] = said.condition
    names = {**_names_in(f"{said.update} {said.condition}"), **said.names}
    if names:
        sent["ExpressionAttributeNames"] = names
    if said.values:
        sent["ExpressionAttributeValues"] = {
            f":{name}": _typed(value) for name, value in said.values.items()
        }
    return Operation(kind, sent)


@cache
def _names_in(expressions: str) -> Mapping[str, str]:
    """Give the attributes that expressions name, by their placeholders."""
    return {f"#{name}": name for name in re.findall(r"#(\w+)", expressions)}


def _item(key: Key, values: Mapping[str, Any]) -> dict[str, Any]:
    held = {name: _typed(value) for name, value in values.items() if value is not None}
    return {**item_key(key), **held}


def item_key(key: Key) -> dict[str, dict[str, str]]:
    """Give a key in DynamoDB's own form."""
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _typed(value: Plain) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, bytes):
        return {"B": value}
    return {"M": {name: {"S": text} for name, text in value.items()}}


def _deleted(write: Delete) -> _Said:
    if not write.empty:
        return _Said("")
    condition = f"{_is_numbered(write.number)} AND {_HOLDS_NOBODY} AND {_NO_ENTRY}"
    number = {"before": write.number} if write.number else {}
    return _Said("", condition, {**number, "none": 0})


def _changed(write: SetEntry | RemoveEntry | FirstEntry | SetBlob | SetBody) -> _Said:
    match write:
        case SetEntry(_, name, stored):
            entry = {"#entry": name}
            return _Said("SET #entries.#entry = :stored", EXISTS, {"stored": stored}, entry)
        case RemoveEntry(_, name):
            return _Said("REMOVE #entries.#entry", EXISTS, names={"#entry": name})
        case FirstEntry(_, name, stored):
            first: dict[str, Plain] = {"entries": {name: stored}, "none": 0}
            return _Said("SET #entries = :entries", f"{EXISTS} AND {_NO_ENTRY}", first)
        case SetBlob(_, blob, was):
            return _Said("SET #blob = :blob", "#blob = :was", {"blob": blob, "was": was})
        case SetBody(_, body, was, blob):
            return _body_changed(body, was, blob)


def _body_changed(body: str | None, was: str | None, blob: bytes | None) -> _Said:
    said = _Changes()
    said.put("body", body)
    if blob is not None:
        said.put("blob", blob or None)
    if was is None:
        return said.on("attribute_not_exists(#body)")
    return said.on("#body = :was", was=was)


def _person_changed(write: SetKept | SetDue | MoveEntry) -> _Said:
    said = _Changes()
    match write:
        case SetDue(key, due, was):
            said.due(key, due)
            return _if_holds(said, was)
        case SetKept(key, kept, was, due):
            said.keep(kept, was)
            if due is not None:
                said.due(key, due)
            return _if_holds(said, was)
        case MoveEntry(_, name, was, kept, number):
            said.removed.append("#entries.#entry")
            condition = "#entries.#entry = :was"
            values: dict[str, Plain] = {"was": was}
            if kept is not None:
                said.keep(kept, None)
                condition += f" AND {_HOLDS_NOBODY}"
            if number is not None:
                said.put("number", number)
                condition += f" AND {_is_numbered(number - 1)}"
                if number > 1:
                    values["before"] = number - 1
            return said.on(condition, **values)._replace(names={"#entry": name})


def _if_holds(said: "_Changes", was: Kept | None) -> _Said:
    if was is None:
        return said.on(_HOLDS_NOBODY)
    return said.on("#blob = :was" if isinstance(was, bytes) else "#body = :was", was=was)


def _numbered(write: SetNumber | NextNumber | RaiseNumber) -> _Said:
    """Say that an item gets a number, and which it must have had."""
    values = {"number": write.number}
    if isinstance(write, NextNumber):
        if write.number > 1:
            values["before"] = write.number - 1
        condition = f"{EXISTS} AND {_is_numbered(write.number - 1)}"
    elif isinstance(write, RaiseNumber):
        condition = f"{EXISTS} AND (attribute_not_exists(#number) OR #number < :number)"
    elif write.was is None:
        condition = IS_NEW
    else:
        values["was"] = write.was
        condition = "#number = :was"
    return _Said("SET #number = :number", condition, values)


def _counted(write: Try | AddCounts | Count | Spend) -> _Said:
    """Say how an update moves its item's number on, and on what condition."""
    match write:
        case Try(_, most):
            return _Said("ADD #number :one", "#number < :most", {"one": 1, "most": most})
        case AddCounts(_, amounts):
            # Each is an attribute of its own: DynamoDB adds to no other.
            added = ", ".join(f"#c{place} :c{place}" for place in range(len(amounts)))
            counts = {f"c{place}": count for place, count in enumerate(amounts.values())}
            names = {f"#c{place}": name for place, name in enumerate(amounts)}
            return _Said(f"ADD {added}", "", counts, names)
        case Count(_, most, body, ttl):
            counted: dict[str, Plain] = {"one": 1, "most": most, "body": body, "ttl": ttl}
            return _Said(
                "SET #body = :body, #ttl = :ttl ADD #number :one",
                f"{IS_NEW} OR #number < :most",
                counted,
            )
        case Spend():
            return _spent(write)


def _spent(write: Spend) -> _Said:
    rule, now = write.rule, write.now
    taken = write.amount * rule.interval
    # Full again by then, even if the clocks of two processes differ: housekeeping may take the
    # item away.
    over = (now + rule.refills_in) // 1000 + _KEPT_SECONDS
    if write.fresh:
        untouched = f"{IS_NEW} OR #number <= :now"
        values = {"moved": now + taken, "ttl": over, "now": now}
        return _Said("SET #number = :moved, #ttl = :ttl", untouched, values)
    room = "#number BETWEEN :first AND :last"
    last = rule.latest(now, write.amount)
    values = {"taken": taken, "ttl": over, "first": now + 1, "last": last}
    return _Said("SET #ttl = :ttl ADD #number :taken", room, values)


def _is_numbered(number: int | None) -> str:
    """Say that an item has a number, `:before`; that it has none for None and 0."""
    return "#number = :before" if number else "attribute_not_exists(#number)"


class _Changes:
    """What an update sets and removes, put together part by part."""

    def __init__(self) -> None:
        self.values: dict[str, Plain] = {}
        self.removed: list[str] = []

    def put(self, name: str, value: Plain | None) -> None:
        """Set an attribute; remove it where the value is None."""
        if value is None:
            self.removed.append(f"#{name}")
        else:
            self.values[name] = value

    def keep(self, kept: Kept | None, was: Kept | None) -> None:
        """Set how an item holds a person from now on, and remove the other form."""
        if isinstance(kept, bytes):
            self.put("blob", kept)
            if isinstance(was, str):
                self.put("body", None)
            return
        self.put("body", kept)
        if isinstance(was, bytes):
            self.put("blob", None)

    def due(self, key: Key, due: str) -> None:
        """Move a person in the index of due times; take them out where nothing will be due."""
        self.put("due_shard", due_shard(key.sk) if due else None)
        self.put("due_at", due or None)

    def on(self, condition: str, **values: Plain) -> _Said:
        """Give it all as one update, with its condition and the values that names."""
        clauses = []
        if self.values:
            clauses.append("SET " + ", ".join([f"#{name} = :{name}" for name in self.values]))
        if self.removed:
            clauses.append("REMOVE " + ", ".join(self.removed))
        return _Said(" ".join(clauses), condition, {**self.values, **values})
