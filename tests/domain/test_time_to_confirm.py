"""How long a Yes waited is told in steps, so that no count tells of one person's minute."""

import pytest

from chalicelib.domain.time_to_confirm import Waited, waited


@pytest.mark.parametrize(
    ("until", "step"),
    [
        ("2026-11-22T10:00:59.000Z", Waited.MINUTE),
        ("2026-11-22T10:01:00.000Z", Waited.MINUTE),
        ("2026-11-22T10:01:01.000Z", Waited.HOUR),
        ("2026-11-22T11:00:01.000Z", Waited.DAY),
        ("2026-11-23T10:00:01.000Z", Waited.LATER),
    ],
)
def test_a_step_begins_where_the_one_before_ends(until: str, step: Waited) -> None:
    """A minute is a minute, and a second more is within an hour."""
    assert waited("2026-11-22T10:00:00.000Z", until) is step
