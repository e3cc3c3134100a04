"""Why people withdraw, if they care to say so: one of a few reasons, counted and nothing else.

A withdrawal needs no reason (GDPR Art. 7(3)), so it is asked for after the withdrawal counts.
"""

from datetime import timedelta
from enum import StrEnum


class WithdrawalReason(StrEnum):
    """The reasons that are offered; free text could hold personal data, so there is none."""

    TOO_MANY = "too_many"
    NOT_FOR_ME = "not_for_me"
    LEFT = "left"
    PRIVACY = "privacy"
    NEVER_AGREED = "never_agreed"
    UNSAID = "unsaid"
    """Rather not say."""


ASKED_FOR = timedelta(hours=1)
"""For how long after a withdrawal its page asks why."""
