"""People written into DynamoDB Local's file are whole, and what is flat is flat."""

from typing import Any

import pytest

from bench import scale

FLAT = (
    "page",
    "decision",
    "status of 1",
    "history",
    "list of contacts to see to",
    "list of notices",
    "counts of a day",
)
"""What costs the same however many people there are."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Measure tables with few hundred people; some of them are looked over first."""
    found: dict[str, Any] = scale.run([200, 500], tmp_path_factory.mktemp("scale") / "file", 1)
    return found["people"]  # type: ignore[no-any-return]


def test_copies_are_whole_and_have_items_of_their_own(measured: dict[str, Any]) -> None:
    """Some were read through the portal: their chain, signatures, contact and answers."""
    assert list(measured) == ["200", "500"]
    assert measured["500"]["items_a_person"] >= 5


@pytest.mark.parametrize("deed", FLAT)
def test_what_is_flat_costs_the_same_at_every_size(measured: dict[str, Any], deed: str) -> None:
    """More people make it no dearer."""
    for counted in ("round_trips", "read", "write"):
        few, many = (measured[size]["deeds"][deed][counted] for size in ("200", "500"))
        assert few == many, counted
