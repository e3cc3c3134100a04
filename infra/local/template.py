"""Reads `infra/template.yaml`, and makes the table it describes on a local DynamoDB."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).resolve().parents[1] / "template.yaml"

_OF_ITS_KEYS = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms too: `!Ref Table` as ``{"Ref": "Table"}``."""


def _short_form(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    raise yaml.YAMLError(f"!{tag} has no long form here")


_Loader.add_multi_constructor("!", _short_form)


@cache
def template() -> dict[str, Any]:
    """Read the template of the stack."""
    read: dict[str, Any] = yaml.load(TEMPLATE.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    return read


def create_table(dynamodb: Any, name: str) -> None:
    """Create a table with the keys, the index and the stream of the portal's.

    `dynamodb` is a client of botocore.
    """
    table = template()["Resources"]["Table"]["Properties"]
    stream = {"StreamEnabled": True, **table["StreamSpecification"]}
    dynamodb.create_table(
        TableName=name, **{each: table[each] for each in _OF_ITS_KEYS}, StreamSpecification=stream
    )
