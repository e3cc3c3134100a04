"""What the functions' policies allow, decided as IAM decides it.

The local AWS carries out everything. Within `under_policy_of` a function, a portal is refused what
AWS would refuse that function.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from chalicelib.portal import Portal
from chalicelib.store.keys.key import Key
from infra.build.bundle import ROOT

_CONFIG = json.loads((ROOT / ".chalice/config.json").read_text())
FUNCTIONS = _CONFIG["stages"]["portal"]["lambda_functions"]
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
        known = {
            "dynamodb:LeadingKeys": [self.key.pk],
            "dynamodb:Attributes": sorted(self.attributes),
        }
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
    statements = [statement for statement in policy(function) if applies(statement, request)]
    effects = {statement["Effect"] for statement in statements}
    return effects == {"Allow"}


def may_query_index(function: str, index: str) -> bool:
    """Tell whether a function may query an index of the table: a resource of its own to IAM."""
    resource = {"Fn::Sub": f"${{Table.Arn}}/index/{index}"}
    statements = [each for each in policy(function) if each["Resource"] == resource]
    actions = {action for each in statements for action in each["Action"]}
    return actions == {"dynamodb:Query"} and {e["Effect"] for e in statements} == {"Allow"}


def applies(statement: Mapping[str, Any], request: TableRequest) -> bool:
    """Tell whether a statement speaks of this: its action, the table, and every condition."""
    matches = request.action in statement["Action"] and statement["Resource"] in (TABLE, "*")
    conditions = statement.get("Condition", {})
    if not matches:
        return False
    for operator, names in conditions.items():
        for name, wanted in names.items():
            if not _holds(operator, request.values(name), wanted):
                return False
    return True


def _holds(operator: str, values: Sequence[str], wanted: Any) -> bool:
    """Decide one condition of a statement.

    IAM User Guide, "Condition operators" and "Multivalued context keys".
    """
    if operator == "Null":
        return bool(values) == (wanted == "false")
    quantifier, _, test = operator.partition(":")
    every = {"ForAllValues": all, "ForAnyValue": any}[quantifier]
    tests = {
        "StringLike": lambda value: any(_like(pattern, value) for pattern in wanted),
        "StringNotLike": lambda value: not any(_like(pattern, value) for pattern in wanted),
        "StringEquals": lambda value: value in wanted,
        "StringNotEquals": lambda value: value not in wanted,
    }
    return every(tests[test](value) for value in values)


def _like(pattern: str, value: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    wildcards = {"*": ".*", "?": "."}
    parts = [wildcards.get(character, re.escape(character)) for character in pattern]
    return re.compile("".join(parts), re.DOTALL)


def table_requests(operation: str, params: Mapping[str, Any]) -> list[TableRequest]:
    """Give the writes that a call of DynamoDB's API asks for.

    To IAM each part of a transaction is a request of its own:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    if operation == "TransactWriteItems":
        kinds = {
            "ConditionCheck": "ConditionCheckItem",
            "Put": "PutItem",
            "Update": "UpdateItem",
            "Delete": "DeleteItem",
        }
        requests = []
        for item in params["TransactItems"]:
            [(kind, write)] = item.items()
            requests.append(_part(kinds[kind], write))
        return requests
    if operation in _WRITES:
        return [_part(operation, params)]
    assert operation in {"BatchGetItem", "Query", "Scan", "DescribeTable"}, operation
    return []


def _part(action: str, write: Mapping[str, Any]) -> TableRequest:
    item = write.get("Key") or write["Item"]
    names = write.get("ExpressionAttributeNames", {})
    update, condition = write.get("UpdateExpression", ""), write.get("ConditionExpression", "")
    named = {names[placeholder] for placeholder in _NAME.findall(f"{update} {condition}")}
    key = Key(item["pk"]["S"], item["sk"]["S"])
    return TableRequest(f"dynamodb:{action}", key, frozenset({*item, *named}))


@contextmanager
def under_policy_of(portal: Portal, function: str) -> Iterator[None]:
    """Refuse the portal, for a while, what its function's policy does not allow in the table."""

    def check(params: Mapping[str, Any], model: Any, **_: Any) -> None:
        if (index := params.get("IndexName")) and not may_query_index(function, index):
            raise RefusedError(f"{function} may not query the index {index}")
        for request in table_requests(model.name, params):
            if not allowed(function, request):
                kind = re.sub(r"[0-9a-f]{16,}", "…", f"{request.key.pk} / {request.key.sk}")
                policy_file = FUNCTIONS[function]["iam_policy_file"]
                attributes = ", ".join(sorted(request.attributes))
                raise RefusedError(
                    f"{policy_file} does not allow {request.action} on {kind} "
                    f"({attributes}). Should this function write there?"
                )

    events = portal.table.client.meta.events
    events.register("provide-client-params.dynamodb", check)
    try:
        yield
    finally:
        events.unregister("provide-client-params.dynamodb", check)
