"""A clinic's kiosk tablets, and the codes of six digits that are typed at them. Pure.

The desk makes a code, the tablet takes it, once and within ten minutes. One kind pairs a tablet
with its clinic. The other hands a paired tablet over to one person, whose answers are then kept in
their own record.
"""

import json
import re
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Self

from chalicelib.domain.instants import Instant

CODE = re.compile(r"[0-9]{6}")
CODE_HOLDS = timedelta(minutes=10)
"""How long a code may be typed."""

HANDED_OVER_FOR = timedelta(minutes=15)
"""How long a tablet is one person's after their code was typed, if they save nothing."""

KEPT_FOR = timedelta(days=1)
"""How long a code's item is kept at most."""

MOST_TABLETS = 50
"""How many tablets of a clinic may be paired at once."""


@dataclass(frozen=True, slots=True)
class Tablet:
    """A paired tablet: `name` is the source of what is decided at it."""

    id: str
    clinic: str
    name: str
    """As `consent.SOURCE` allows: statistics and receipts repeat it."""
    secret: str
    """The SHA-256 of what its cookie holds."""
    paired_at: Instant
    paired_by: str
    """The id of the staff member who made its code."""
    seen_on: str = ""
    """The last day (UTC) on which it opened its start screen."""
    revoked_at: Instant = ""
    revoked_by: str = ""

    def stored(self) -> str:
        """Write it as JSON, to be kept."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read what was kept; raise ValueError or TypeError for what is none."""
        return cls(**json.loads(stored))


@dataclass(frozen=True, slots=True)
class Pairing:
    """A code that pairs a tablet, and what that is to be called."""

    name: str
    by: str
    until: Instant
    tablet: str = ""
    """The id of the tablet that took it; "" until one did."""

    def stored(self) -> str:
        """Write it as JSON, to be kept."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read what was kept; raise ValueError or TypeError for what is none."""
        return cls(**json.loads(stored))

    def may_be_taken(self, now: Instant) -> bool:
        """Tell whether a tablet may still be paired by it."""
        return not self.tablet and now < self.until


@dataclass(frozen=True, slots=True)
class HandOver:
    """A code that hands a tablet over to one person, and what became of it."""

    subject: str
    """The person's opaque id."""
    by: str
    """The id of the staff member who saw the person."""
    contacts: tuple[str, ...]
    """The lookups of the contacts that are theirs: proven before, or the staff member asked."""
    until: Instant
    """Until when the code may be typed; then until when the tablet is the person's."""
    tablet: str = ""
    """The id of the tablet at which it was typed; "" until it was."""
    secret: str = ""
    """The SHA-256 of what that tablet's pages carry."""
    receipt: str = ""
    """The id of the receipt that came of it; "" until one did."""

    def stored(self) -> str:
        """Write it as JSON, to be kept."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read what was kept; raise ValueError or TypeError for what is none."""
        values = json.loads(stored)
        values["contacts"] = tuple(values["contacts"])
        return cls(**values)

    def may_be_taken(self, now: Instant) -> bool:
        """Tell whether its code may still be typed."""
        return not self.tablet and now < self.until
