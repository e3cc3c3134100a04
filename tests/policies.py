"""What the functions' policies allow, decided as IAM decides it, and a portal held to one of them.

The local AWS carries out everything; whoever is `under_policy_of` a function's policy is refused what AWS would refuse.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from chalicelib.portal import Portal
from chalicelib.store.keys import Key
from infra.build.bundle import ROOT

FUNCTIONS = json.loads((ROOT / ".chalice/config.json").read_text())["stages"]["portal"]["lambda_functions"]
TABLE = {"Fn::GetAtt": ["Table", "Arn"]}
_NAME = re.compile(r"(?<![.#\w])#\w+")
"""The first name of a path in an expression of DynamoDB: `#0` in `#0.#1`."""

_WRITES = {"PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"}


@dataclass(frozen=True)
class TableRequest:
    """One request to the table: the action, the item, the attributes named at the first level."""

    action: str
    key: Key
    attributes: frozenset[str]

    def values(self, name: str) -> Sequence[str]:
        """Give the values of a condition key."""
        known = {"dynamodb:LeadingKeys": [self.key.pk], "dynamodb:Attributes": sorted(self.attributes)}
        return known[name]


class RefusedError(Exception):
    """AWS would refuse this."""


@cache
def policy(function: str) -> tuple[Mapping[str, Any], ...]:
    """Give the statements of a function's policy."""
    path = ROOT / ".chalice" / FUNCTIONS[function]["iam_policy_file"]
    return tuple(json.loads(path.read_text())["Statement"])


def allowed(function: str, request: TableRequest) -> bool:
    """Tell whether a function may do this: some statement allows it, and none denies it."""
    effects = {each["Effect"] for each in policy(function) if applies(each, request)}
    return effects == {"Allow"}


def applies(statement: Mapping[str, Any], request: TableRequest) -> bool:
    """Tell whether a statement speaks of this: its action, the table, and every condition."""
    matches = request.action in statement["Action"] and statement["Resource"] in (TABLE, "*")
    conditions = statement.get("Condition", {})
    return matches and all(
        _holds(operator, request.values(name), wanted)
        for operator, names in conditions.items()
        for name, wanted in names.items()
    )


def _holds(operator: str, values: Sequence[str], wanted: Any) -> bool:
    """Decide one condition of a statement.

    IAM User Guide, "Condition operators" and "Multivalued context keys".
    """
    if operator == "Null":
        return bool(values) == (wanted == "false")
    quantifier, _, test = operator.partition(":")
    every = {"ForAllValues": all, "ForAnyValue": any}[quantifier]
    tests = {
        "StringLike": lambda value: any(_like(each, value) for each in wanted),
        "StringNotLike": lambda value: not any(_like(each, value) for each in wanted),
        "StringEquals": lambda value: value in wanted,
        "StringNotEquals": lambda value: value not in wanted,
    }
    return every(tests[test](value) for value in values)


def _like(pattern: str, value: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = [{"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern]
    return re.compile("".join(parts), re.DOTALL)


def table_requests(operation: str, params: Mapping[str, Any]) -> list[TableRequest]:
    """Tell what a call of DynamoDB's API asks to write; each part of a transaction is a request of its own to IAM.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    if operation == "TransactWriteItems":
        kinds = {
            "ConditionCheck": "ConditionCheckItem",
            "Put": "PutItem",
            "Update": "UpdateItem",
            "Delete": "DeleteItem",
        }
        return [_part(kinds[kind], given) for each in params["TransactItems"] for kind, given in each.items()]
    if operation in _WRITES:
        return [_part(operation, params)]
    assert operation in {"BatchGetItem", "Query", "Scan", "DescribeTable"}, operation
    return []


def _part(action: str, given: Mapping[str, Any]) -> TableRequest:
    key = given.get("Key") or given["Item"]
    names = given.get("ExpressionAttributeNames", {})
    expressions = " ".join(given.get(name, "") for name in ("UpdateExpression", "ConditionExpression"))
    named = {names[each] for each in _NAME.findall(expressions)}
    return TableRequest(f"dynamodb:{action}", Key(key["pk"]["S"], key["sk"]["S"]), frozenset({*key, *named}))


@contextmanager
def under_policy_of(portal: Portal, function: str) -> Iterator[None]:
    """Refuse the portal, for a while, what its function's policy does not allow in the table."""

    def check(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        for request in table_requests(model.name, params):
            if not allowed(function, request):
                kind = re.sub(r"[0-9a-f]{16,}", "…", f"{request.key.pk} / {request.key.sk}")
                raise RefusedError(
                    f"{FUNCTIONS[function]['iam_policy_file']} does not allow {request.action} on {kind} "
                    f"({', '.join(sorted(request.attributes))}). Should this function write there?"
                )

    events = portal.table.client.meta.events
    events.register("provide-client-params.dynamodb", check)
    try:
        yield
    finally:
        events.unregister("provide-client-params.dynamodb", check)
