"""Whether the OpenAPI document is true: each answer is described, and has exactly that shape."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from jsonschema import Draft202012Validator, FormatChecker

DOCUMENT = json.loads(
    (Path(__file__).resolve().parents[2] / "chalicelib" / "web" / "openapi.json").read_text(
        encoding="utf-8"
    )
)


class Answered(Protocol):
    """What came back."""

    @property
    def status(self) -> int:
        """The status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by names in lower case."""

    @property
    def body(self) -> bytes:
        """The body."""


_FORMATS = FormatChecker(["date-time"])


def is_of_the_desk(resource: str) -> bool:
    """Tell whether an address is a page of the desk: those are for people, and in no document."""
    return resource == "/staff" or resource.startswith("/staff/")


def check(resource: str, method: str, sent: bytes, answer: Answered) -> None:
    """Assert that an answer is described, and that the document allows a body that was accepted."""
    status, headers, body = answer.status, answer.headers, answer.body
    if is_of_the_desk(resource):
        return
    operation = DOCUMENT["paths"][resource][method.lower()]
    assert str(status) in operation["responses"], (
        f"{method} {resource} answers {status}, which nobody was told"
    )
    described = resolved(operation["responses"][str(status)])
    media = headers["content-type"].partition(";")[0]
    for name in described.get("headers", {}):
        assert name.lower() in headers, f"{name} is promised"
    if "content" in described:
        assert media in described["content"], f"{media} is not described"
    if media.endswith("json"):
        place = (
            "paths",
            resource,
            method.lower(),
            "responses",
            str(status),
            "content",
            media,
            "schema",
        )
        validator(place, closed=True).validate(json.loads(body))
    kinds = operation.get("requestBody", {}).get("content", {})
    json_sent = "application/json" in kinds
    if "text/csv" in kinds and not sent.lstrip().startswith(b"{"):
        json_sent = False
    if status < 300 and json_sent and (sent or operation["requestBody"].get("required", True)):
        place = (
            "paths",
            resource,
            method.lower(),
            "requestBody",
            "content",
            "application/json",
            "schema",
        )
        validator(place).validate(json.loads(sent))


def resolved(part: Any) -> Any:
    """Return a part of the document, or the part that it refers to.

    What is written beside a reference replaces what is there (OpenAPI 3.1, Reference Object).
    """
    if "$ref" not in part:
        return part
    target = DOCUMENT
    for name in part["$ref"].removeprefix("#/").split("/"):
        target = target[name]
    beside = {name: value for name, value in part.items() if name != "$ref"}
    return {**resolved(target), **beside}


def examples_of(described: dict[str, Any]) -> dict[str, Any]:
    """Return the examples of a body by their names; a single one has none, so its name is empty."""
    if "example" in described:
        return {"": described["example"]}
    return {name: resolved(each)["value"] for name, each in described.get("examples", {}).items()}


@cache
def validator(place: tuple[str, ...], *, closed: bool = False) -> Draft202012Validator:
    """Return the validator of the schema at a place in the document; see `schema_validator`."""
    schema = DOCUMENT
    for part in place:
        schema = resolved(schema[part])
    return schema_validator(schema, closed=closed)


def schema_validator(schema: dict[str, Any], *, closed: bool = False) -> Draft202012Validator:
    """Return the validator of a schema; `closed` refuses members that are not described."""
    whole = {**schema, "components": DOCUMENT["components"]}
    if closed:
        whole = {**_closed(schema), "components": _closed_components()}
    return Draft202012Validator(whole, format_checker=_FORMATS)


@cache
def _closed_components() -> Any:
    return _closed(DOCUMENT["components"])


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = _joined(schema)
    narrowed = {name: _closed(each) for name, each in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        narrowed.setdefault("additionalProperties", False)
    return narrowed


def _joined(schema: dict[str, Any]) -> dict[str, Any]:
    """Return objects joined by `allOf` as one: none of them can be closed by itself."""
    parts = [resolved(part) for part in schema.get("allOf", [])]
    if not parts or not all("properties" in part for part in parts):
        return schema
    joined = {name: value for name, value in schema.items() if name != "allOf"} | {"type": "object"}
    joined["required"] = []
    joined["properties"] = {}
    for part in parts:
        joined["required"] += part["required"]
        joined["properties"] |= part["properties"]
    return joined
