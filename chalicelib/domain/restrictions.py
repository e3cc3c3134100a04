"""Why processing is restricted, or no longer: the cases of GDPR Art. 18(1), and how they end.

A case is a word of a list, never free text: it stands in the audit, which is kept when the person
is erased.
"""

from enum import StrEnum


class RestrictionCase(StrEnum):
    """Why somebody's processing is restricted (GDPR Art. 18(1))."""

    ACCURACY = "accuracy"
    """The person says that what is stored is wrong, and it is being checked (a)."""

    UNLAWFUL = "unlawful"
    """The processing is unlawful, and the person wants restriction, not erasure (b)."""

    CLAIMS = "claims"
    """The clinic needs the data no longer, the person does for legal claims (c)."""

    OBJECTION = "objection"
    """The person objected, and whose grounds weigh more is being checked (d)."""


class LiftingCase(StrEnum):
    """Why a restriction is lifted; the person is told before (GDPR Art. 18(3))."""

    SETTLED = "settled"
    """What was being checked is settled."""

    REQUESTED = "requested"
    """The person asked for it."""
