"""The OpenAPI document as the tools of a program's developer read it."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.languages import LANGUAGES
from infra.build import tools
from tests.web.truth import DOCUMENT, examples_of, resolved, schema_validator

PATH = Path(__file__).resolve().parents[2] / "chalicelib" / "web" / "openapi.json"
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]

RULES = Path(__file__).resolve().parents[2] / "docs" / "openapi" / "redocly.yaml"
"""Redocly's recommended rules, and those that are left out, each with the reason."""

BINARY = {"application/pdf", "image/png"}
"""What has no example: YAML holds no bytes."""


def lint(document: Path) -> list[dict[str, Any]]:
    """Give what Redocly finds by our rules, warnings too."""
    command = [tools.redocly(), "lint", document, "--config", RULES, "--format", "json"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "REDOCLY_TELEMETRY": "off", "CI": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=document.parent, env=environment
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)["problems"]
    return found


def test_redocly_finds_nothing_to_complain_about() -> None:
    """A developer who checks the document before using it sees no error and no warning."""
    found = lint(PATH)
    assert [
        (each["ruleId"], each["message"], each["location"][0]["pointer"]) for each in found
    ] == []


@pytest.mark.parametrize(
    ("rule", "path", "gone"),
    [
        ("security-defined", (), "security"),
        ("operation-operationId", ("paths", "/health", "get"), "operationId"),
    ],
)
def test_a_slip_is_found(tmp_path: Path, rule: str, path: tuple[str, ...], gone: str) -> None:
    """The check above is one that can fail."""
    document = json.loads(PATH.read_text(encoding="utf-8"))
    place = document
    for part in path:
        place = place[part]
    del place[gone]
    slipped = tmp_path / "openapi.json"
    slipped.write_text(json.dumps(document), encoding="utf-8")
    assert rule in {each["ruleId"] for each in lint(slipped)}


def test_every_operation_has_a_name_of_its_own_that_begins_with_a_verb() -> None:
    """A generated client has names a person would give, the same from version to version."""
    names = [each.get("operationId", "") for _, _, each in OPERATIONS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)] == []


def test_every_operation_stands_under_one_heading_that_is_explained() -> None:
    """A reader of the document finds what belongs together in one place."""
    explained = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    assert [path for path, _, each in OPERATIONS if len(each["tags"]) != 1] == []
    assert {each["tags"][0] for _, _, each in OPERATIONS} == explained


def are_json(content: Mapping[str, Any]) -> list[bool]:
    """Tell of each kind of body, in the order described, whether it is JSON."""
    return [media.endswith("json") for media in content]


def answers_in_the_kind_sent(operation: Mapping[str, Any]) -> bool:
    """Tell whether JSON is answered to JSON, and another kind to another kind."""
    return len(set(are_json(resolved(operation.get("requestBody", {})).get("content", {})))) > 1


def test_what_is_no_json_is_described_before_what_is() -> None:
    """A generator that takes the first kind of body for all reads no JWS or page as JSON."""
    for path, _, operation in OPERATIONS:
        if answers_in_the_kind_sent(operation):
            continue
        for status, answer in operation["responses"].items():
            kinds = are_json(resolved(answer).get("content", {}))
            assert kinds == sorted(kinds), (path, status)


def test_json_is_described_first_where_the_answer_is_of_the_kind_sent() -> None:
    """A generator that can send JSON alone reads the answer as what it is, and not as a text."""
    found = [
        resolved(answer).get("content", {})
        for _, _, operation in OPERATIONS
        if answers_in_the_kind_sent(operation)
        for answer in operation["responses"].values()
    ]
    kinds = [are_json(content) for content in found]
    assert [True, False] in kinds
    assert [each for each in kinds if each != sorted(each, reverse=True)] == []


def bodies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each body that is sent or answered: its place, media type and description."""
    for path, method, operation in OPERATIONS:
        parts = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for name, part in parts.items():
            for media, described in resolved(part).get("content", {}).items():
                yield f"{method} {path} {name}", media, described


def test_every_body_has_an_example() -> None:
    """A developer sees what to send and what comes back, a problem too, before writing a line."""
    without = [(place, media) for place, media, described in bodies() if not examples_of(described)]
    assert [(place, media) for place, media in without if media not in BINARY] == []


def test_every_example_of_a_body_is_what_its_schema_allows() -> None:
    """What a developer copies is right: nothing is missing, and an answer has nothing more."""
    for place, media, described in bodies():
        answered = not place.endswith("request")
        shape = schema_validator(described["schema"], closed=answered and media.endswith("json"))
        for value in examples_of(described).values():
            assert [error.message for error in shape.iter_errors(value)] == [], (place, media)


def test_every_parameter_and_header_has_an_example_that_its_schema_allows() -> None:
    """A developer who tries a call in a browser finds its fields filled in."""
    parts = DOCUMENT["components"]["parameters"] | DOCUMENT["components"]["headers"]
    for name, described in parts.items():
        shape = schema_validator(described["schema"])
        assert [error.message for error in shape.iter_errors(described["example"])] == [], name


def test_parameters_and_answers_are_described_once_by_name() -> None:
    """An editor changes a problem in one place; a reader sees that two calls answer the same."""
    for path, method, operation in OPERATIONS:
        parts = [*operation.get("parameters", []), *operation["responses"].values()]
        assert [part for part in parts if "$ref" not in part] == [], (method, path)


def test_the_languages_are_those_of_the_notices() -> None:
    """A sixth language is forgotten nowhere."""
    assert set(DOCUMENT["components"]["schemas"]["Language"]["enum"]) == set(LANGUAGES)
