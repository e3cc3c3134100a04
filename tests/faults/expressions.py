"""DynamoDB's condition and update expressions, as far as PynamoDB writes them for the portal's
table.

An expression is parsed once and then evaluated on many items. What this grammar does not know is
refused loudly: an expression that somebody begins to use must be added here before the walks can be
trusted again.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

Value = Mapping[str, Any]
"""An attribute's value as DynamoDB writes it: ``{"S": "text"}``."""

Stored = dict[str, Any]
"""An item: values by attribute name."""

_TOKEN = re.compile(r"\s*(#\w+|:\w+|\w+|<=|>=|<>|[=<>(),.+-])")
_COMPARES: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class InvalidPathError(Exception):
    """An update names a path whose parent does not exist: a ValidationException in DynamoDB."""


@dataclass(frozen=True, slots=True)
class Context:
    """What an expression is evaluated on.

    The item, empty where there is none, and the values of its placeholders.
    """

    item: Stored
    names: Mapping[str, str]
    values: Mapping[str, Value]


Operand = Callable[[Context], Value | None]
Condition = Callable[[Context], bool]
Change = Callable[[Context, Stored], None]


class _Tokens:
    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        if "".join(self._tokens) != re.sub(r"\s", "", text):
            raise NotImplementedError(text)
        self._at = 0

    @property
    def next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.next
        if not token or (wanted and token != wanted):
            raise NotImplementedError(
                f"{wanted or 'more'} expected, found {token!r} in {' '.join(self._tokens)}"
            )
        self._at += 1
        return token

    def took(self, wanted: str) -> bool:
        if self.next != wanted:
            return False
        self._at += 1
        return True


@cache
def condition(text: str) -> Condition:
    """Parse a condition."""
    tokens = _Tokens(text)
    parsed = _either(tokens)
    if tokens.next:
        raise NotImplementedError(text)
    return parsed


def _either(tokens: _Tokens) -> Condition:
    parts = [_both(tokens)]
    while tokens.took("OR"):
        parts.append(_both(tokens))
    return parts[0] if len(parts) == 1 else lambda context: any(part(context) for part in parts)


def _both(tokens: _Tokens) -> Condition:
    parts = [_single(tokens)]
    while tokens.took("AND"):
        parts.append(_single(tokens))
    return parts[0] if len(parts) == 1 else lambda context: all(part(context) for part in parts)


def _single(tokens: _Tokens) -> Condition:
    if tokens.took("NOT"):
        denied = _single(tokens)
        return lambda context: not denied(context)
    if tokens.took("("):
        inner = _either(tokens)
        tokens.take(")")
        return inner
    if tokens.next in {"attribute_exists", "attribute_not_exists"}:
        wanted = tokens.take() == "attribute_exists"
        [place] = _arguments(tokens)
        return lambda context: (place(context) is not None) == wanted
    if tokens.next in {"begins_with", "contains"}:
        name = tokens.take()
        whole, part = _arguments(tokens)
        return lambda context: _within(name, whole(context), part(context))
    return _comparison(tokens)


def _comparison(tokens: _Tokens) -> Condition:
    left = _operand(tokens)
    if tokens.took("BETWEEN"):
        low = _operand(tokens)
        tokens.take("AND")
        high = _operand(tokens)
        return lambda context: (
            _holds("<=", low(context), left(context)) and _holds("<=", left(context), high(context))
        )
    if tokens.took("IN"):
        given = _arguments(tokens)
        return lambda context: any(_holds("=", left(context), each(context)) for each in given)
    sign = tokens.take()
    right = _operand(tokens)
    if sign == "<>":
        return lambda context: not _holds("=", left(context), right(context))
    if sign not in _COMPARES:
        raise NotImplementedError(sign)
    return lambda context: _holds(sign, left(context), right(context))


def _arguments(tokens: _Tokens) -> list[Operand]:
    tokens.take("(")
    found = [_operand(tokens)]
    while tokens.took(","):
        found.append(_operand(tokens))
    tokens.take(")")
    return found


def _operand(tokens: _Tokens) -> Operand:
    if tokens.took("size"):
        [place] = _arguments(tokens)
        return lambda context: _size(place(context))
    if tokens.took("if_not_exists"):
        place, otherwise = _arguments(tokens)
        return lambda context: (
            found if (found := place(context)) is not None else otherwise(context)
        )
    if tokens.next.startswith(":"):
        name = tokens.take()
        return lambda context: context.values[name]
    path = _path(tokens)
    return lambda context: _found(context.item, _named(path, context))


def _path(tokens: _Tokens) -> tuple[str, ...]:
    path = [tokens.take()]
    while tokens.took("."):
        path.append(tokens.take())
    return tuple(path)


def _named(path: tuple[str, ...], context: Context) -> tuple[str, ...]:
    return tuple(context.names[part] if part.startswith("#") else part for part in path)


def _found(item: Stored, path: tuple[str, ...]) -> Value | None:
    found: Value | None = item.get(path[0])
    for part in path[1:]:
        found = found["M"].get(part) if found is not None and "M" in found else None
    return found


def _plain(value: Value) -> tuple[str, Any]:
    [(kind, content)] = value.items()
    return kind, int(content) if kind == "N" else content.encode() if kind == "S" else content


def _holds(sign: str, left: Value | None, right: Value | None) -> bool:
    if left is None or right is None:
        return False
    (kind, one), (other_kind, other) = _plain(left), _plain(right)
    return kind == other_kind and _COMPARES[sign](one, other)


def _within(name: str, whole: Value | None, part: Value | None) -> bool:
    if whole is None or part is None or "S" not in whole or "S" not in part:
        return False
    return whole["S"].startswith(part["S"]) if name == "begins_with" else part["S"] in whole["S"]


def _size(value: Value | None) -> Value | None:
    if value is None:
        return None
    [(kind, content)] = value.items()
    return (
        None
        if kind in {"N", "BOOL", "NULL"}
        else {"N": str(len(content.encode() if kind == "S" else content))}
    )


@cache
def update(text: str) -> Change:
    """Parse an update.

    It changes the item it is given, a copy, and reads values from the item in the context.
    """
    tokens = _Tokens(text)
    changes: list[Change] = []
    while tokens.next:
        clause = tokens.take()
        parse = {"SET": _set, "ADD": _add, "REMOVE": _remove}.get(clause)
        if parse is None:
            raise NotImplementedError(text)
        changes.append(parse(tokens))
        while tokens.took(","):
            changes.append(parse(tokens))

    def change(context: Context, item: Stored) -> None:
        for each in changes:
            each(context, item)

    return change


def _set(tokens: _Tokens) -> Change:
    path = _path(tokens)
    tokens.take("=")
    first = _operand(tokens)
    sign = tokens.take() if tokens.next in {"+", "-"} else ""
    second = _operand(tokens) if sign else None

    def change(context: Context, item: Stored) -> None:
        value = first(context)
        if value is None:
            raise InvalidPathError
        if second is not None:
            value = _sum(value, second(context), -1 if sign == "-" else 1)
        _put(item, _named(path, context), value)

    return change


def _add(tokens: _Tokens) -> Change:
    path, amount = _path(tokens), _operand(tokens)

    def change(context: Context, item: Stored) -> None:
        place = _named(path, context)
        _put(item, place, _sum(_found(context.item, place) or {"N": "0"}, amount(context), 1))

    return change


def _remove(tokens: _Tokens) -> Change:
    path = _path(tokens)

    def change(context: Context, item: Stored) -> None:
        *parents, last = _named(path, context)
        _parent(item, parents).pop(last, None)

    return change


def _sum(one: Value, other: Value | None, sign: int) -> Value:
    if other is None or "N" not in one:
        raise InvalidPathError
    return {"N": str(int(one["N"]) + sign * int(other["N"]))}


def _put(item: Stored, path: tuple[str, ...], value: Value) -> None:
    *parents, last = path
    _parent(item, parents)[last] = value


def _parent(item: Stored, parents: list[str]) -> Stored:
    """Give the map that holds the last part of a path, copied on the way.

    The item before the update stays as it was.
    """
    place = item
    for part in parents:
        inner = place.get(part)
        if inner is None or "M" not in inner:
            raise InvalidPathError
        copied = dict(inner["M"])
        place[part] = {"M": copied}
        place = copied
    return place
