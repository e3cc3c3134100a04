"""Tests of an operator's commands: they work on a portal that serves, as the tests of addresses
have it.
"""

from tests.web.running import _at_home, client, portal, settled

__all__ = ["_at_home", "client", "portal", "settled"]
