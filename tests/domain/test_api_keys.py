"""Scopes of bearer keys."""

from pathlib import Path

import pytest

from chalicelib.domain.api_keys import SCOPES

DOCS = Path(__file__).resolve().parents[2] / "docs" / "clinics.md"


@pytest.mark.parametrize("scope", SCOPES)
def test_clinics_can_read_what_a_scope_allows(scope: str) -> None:
    """Whoever makes a key for a program knows what the program can do with it."""
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert [row for row in rows if f"`{scope}`" in row.split("|")[1]]
