"""What a provider claims of somebody: chalicelib/domain/sign_in_providers.py."""

import pytest

from chalicelib.domain.sign_in_providers import proven_at


@pytest.mark.parametrize(
    ("claimed", "seconds"),
    [
        (1_796_000_000, 1_796_000_000.0),
        (1_796_000_000.5, 1_796_000_000.5),
        (10**400, 0.0),
        (-1, 0.0),
        (float("nan"), 0.0),
        (float("inf"), 0.0),
        (True, 0.0),
        ("1796000000", 0.0),
        (None, 0.0),
    ],
)
def test_a_moment_that_is_none_counts_as_never(claimed: object, seconds: float) -> None:
    """A provider that went wrong proves nothing, and breaks nothing."""
    assert proven_at({"auth_time": claimed}) == seconds
