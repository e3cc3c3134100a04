"""The page of threats names a test for each attack; here it is held to that."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
ROWS = [
    line
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| attack", "| what"))
]


def test_the_page_is_read() -> None:
    """Whoever adds a row finds it held to its test: the rows are found in the page."""
    assert len(ROWS) >= 30


@pytest.mark.parametrize("row", ROWS)
def test_each_attack_names_a_test_that_exists(row: str) -> None:
    """An inspector who doubts a row can run what shows it."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row.rpartition(" | ")[2])
    assert named, "no test is named"
    for path, name in named:
        assert f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8"), (
            f"{path} has no {name}"
        )
