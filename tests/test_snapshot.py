"""What a process of the pages' function holds, and what is known of it before a snapshot is taken."""

import ast
import re
from dataclasses import fields
from functools import cached_property
from pathlib import Path

import pytest

from chalicelib import snapshot
from chalicelib.portal import Portal, get_portal
from tests.cast import environment

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/decisions/0023-snapstart.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`([\w.]+)`", PAGE))


@pytest.fixture
def made() -> Portal:
    """Make a portal as a process does at its start, asking nobody anything."""
    with environment({"TABLE_NAME": "portal", "AWS_REGION": "eu-north-1"}):
        return get_portal.__wrapped__()


def remembering() -> set[str]:
    """Give the name of every function that remembers what it gave."""
    return {
        node.name
        for path in (ROOT / "chalicelib").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if re.match(r"(functools\.)?(lru_)?cache\b", ast.unparse(decorator))
    }


def test_all_that_a_process_remembers_was_judged(made: Portal) -> None:
    """Something new that a process keeps is looked at before it is shared by all restored ones."""
    made_later = [name for name, each in vars(Portal).items() if isinstance(each, cached_property)]
    names = [*(each.name for each in fields(made)), *made_later]
    parts = [made, *(getattr(made, name) for name in names)]
    held = {
        f"{type(part).__name__}.{name}"
        for part in parts
        if type(part).__module__.startswith("chalicelib.")
        for name in getattr(part, "__dict__", None) or type(part).__slots__
        if isinstance(getattr(part, name), dict | set | list)
    }
    assert {"Clinics._unwrapped", "Portal.keys_seen", "RateLimits._blocks"} <= held
    assert held - NAMED == set()
    assert remembering() - NAMED == set()


def test_where_lambda_has_no_snapshots_nothing_is_registered_and_nothing_fails(
    made: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11 on Lambda brings no `snapshot_restore_py`."""
    monkeypatch.setitem(__import__("sys").modules, "snapshot_restore_py", None)
    snapshot.register(lambda _event, _context: None, made)
