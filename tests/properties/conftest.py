"""One portal, its table in memory, for all properties of the store, and a fixed profile, so that a run is a
minute everywhere.

The examples are the same in every run; `EXPLORE=1 make test ARGS=tests/properties` looks for new
ones.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from chalicelib.portal import Portal
from infra.local.aws import aws_environment
from tests.cast import RIGA, a_portal, environment
from tests.stores import in_memory

settings.register_profile(
    "store",
    max_examples=30,
    stateful_step_count=20,
    deadline=None,
    print_blob=True,
    derandomize="EXPLORE" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture(scope="session")
def portal() -> Iterator[Portal]:
    """Give a portal with one clinic; people are new in every example, the table stays."""
    with in_memory() as url, environment(aws_environment(url)):
        portal = a_portal(url, "portal-properties", RIGA)
        yield portal
        portal.table.client.close()
