"""Who sends a form, as far as services need to know it: never who they say they are."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from chalicelib.domain.instants import Instant
from chalicelib.domain.rate_limits import SHARDS, RateLimitCheck


class Visitor(NamedTuple):
    """The network that somebody comes from, and the absolute address by which they reached the
    portal.

    `network` counts against rate limits (`domain.rate_limits.address_range`); messages lead to
    `base_url`.
    """

    network: str
    base_url: str

    def rate_limit_check(self, action: str, subjects: Sequence[str], at: Instant) -> RateLimitCheck:
        """Give what a form is held against: its kind, who it is about, and where it comes from."""
        shard = secrets.randbelow(SHARDS)
        return RateLimitCheck(action, subjects, self.network, shard, at)
