"""The OpenAPI document as the tools of a program's developer read it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.build import tools

PATH = Path(__file__).resolve().parents[2] / "chalicelib" / "web" / "openapi.json"
DOCUMENT = json.loads(PATH.read_text(encoding="utf-8"))
OPERATIONS = [(path, method, each) for path, methods in DOCUMENT["paths"].items() for method, each in methods.items()]

NOT_ASKED = {
    "info-license": "the portal is no library",
    "no-ambiguous-paths": "no clinic has one of the fixed first words as its id, so no address means two things",
    "operation-2xx-response": "a form and a code of a QR picture lead on: they answer 303 and 302 alone",
    "operation-4xx-response": "what takes no input, such as /health, refuses none",
}
"""The rules of Redocly's recommended set that are left out, each with the reason."""


def lint(document: Path) -> list[dict[str, Any]]:
    """Give what Redocly's recommended rules find, warnings too."""
    skipped = [part for rule in NOT_ASKED for part in ("--skip-rule", rule)]
    command = [tools.redocly(), "lint", document, "--extends", "recommended", *skipped, "--format", "json"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "REDOCLY_TELEMETRY": "off", "CI": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=document.parent, env=environment)
    found: list[dict[str, Any]] = json.loads(done.stdout)["problems"]
    return found


def test_redocly_finds_nothing_to_complain_about() -> None:
    """A developer who checks the document before using it sees no error and no warning."""
    found = lint(PATH)
    assert [(each["ruleId"], each["message"], each["location"][0]["pointer"]) for each in found] == []


@pytest.mark.parametrize(
    ("rule", "path", "gone"),
    [("security-defined", (), "security"), ("operation-operationId", ("paths", "/health", "get"), "operationId")],
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
    """The functions of a generated client have names a person would give, the same from version to version."""
    names = [each.get("operationId", "") for _, _, each in OPERATIONS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name)] == []


def test_every_operation_stands_under_one_heading_that_is_explained() -> None:
    """A reader of the document finds what belongs together in one place."""
    explained = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    assert [path for path, _, each in OPERATIONS if len(each["tags"]) != 1] == []
    assert {each["tags"][0] for _, _, each in OPERATIONS} == explained


def test_what_is_no_json_is_described_before_what_is() -> None:
    """A generator that takes the first kind of body for all of them reads no JWS, page or table as JSON."""
    for path, _, operation in OPERATIONS:
        for status, answer in operation["responses"].items():
            kinds = [media.endswith("json") for media in answer.get("content", {})]
            assert kinds == sorted(kinds), (path, status)
