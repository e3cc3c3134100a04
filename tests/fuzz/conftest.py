"""The portal as the tests of addresses have it."""

from tests.web.running import _at_home, portal, settled

__all__ = ["_at_home", "portal", "settled"]
