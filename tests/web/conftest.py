"""Tests of addresses: each asks the application as API Gateway does, on a local AWS."""

from tests.web.running import _at_home, client, portal, settled

__all__ = ["_at_home", "client", "portal", "settled"]
