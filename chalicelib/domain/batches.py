"""Batches: the paper forms of one day, entered one after the other by the clinic's staff.

A batch names what its forms have in common, and counts their numbers. It is a worklist, no proof:
each form leads to a receipt of its own, and the batch is gone after `BATCH_KEPT`.
"""

import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Self

from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.jobs import job_id

BATCH_KEPT = timedelta(days=90)
"""For how long a batch can be looked at after it was begun."""

MAX_FORMS = 500
"""How many forms one batch takes: they are listed in the order of their entry."""

MAX_NUMBER = 200
"""How many characters the number of a form may have."""

_NUMBERED = re.compile(r"(.*?)([0-9]{1,9})", re.DOTALL)


class UncountedNumberError(InvalidInputError):
    """The number of a first form does not end in digits, so the next ones do not follow from it."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """How the forms of a batch are numbered: what is the same for all, then a counter."""

    prefix: str
    first: int
    digits: int
    """How many digits the counter has at least, zeros in front."""

    @classmethod
    def from_first(cls, number: str) -> Self:
        """Read the numbering from the first form's number, such as ``P-2026/017``.

        Raises UncountedNumberError.
        """
        parts = _NUMBERED.fullmatch(number)
        if parts is None:
            raise UncountedNumberError
        prefix, counter = parts.groups()
        return cls(prefix, int(counter), len(counter))

    def number(self, counter: int) -> str:
        """Write the number of a form."""
        return f"{self.prefix}{counter:0{self.digits}d}"

    def after(self, last: int | None) -> str:
        """Write the number that follows the last one used; the first where none was."""
        return self.number(self.first if last is None else last + 1)

    def counter(self, number: str) -> int | None:
        """Give the counter of a form's number; None for one that is written otherwise."""
        parts = _NUMBERED.fullmatch(number)
        if parts is None or parts[1] != self.prefix:
            return None
        return int(parts[2])


@dataclass(frozen=True, slots=True)
class Batch:
    """What the forms of a batch have in common, and who began it.

    `day` is the day on the forms, `notice_version` the version printed on them: None for the one in
    force on that day. `by` is the id of the member of staff.
    """

    id: str
    day: str
    notice_version: str | None
    lang: str
    witness: str
    numbering: Numbering
    by: str
    started_at: Instant
    closed_at: Instant | None = None

    @property
    def forgotten_at(self) -> int:
        """When it may go, as epoch seconds."""
        return int((moment(self.started_at) + BATCH_KEPT).timestamp())

    def close(self, now: Instant) -> "Batch":
        """Give the batch as nothing more is entered into it; closing it again changes nothing."""
        return self if self.closed_at else replace(self, closed_at=now)

    def reopen(self) -> "Batch":
        """Give the batch as it goes on."""
        return replace(self, closed_at=None)

    def stored(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read it from JSON."""
        values = json.loads(stored)
        return cls(**{**values, "numbering": Numbering(**values["numbering"])})


def batch_id(now: Instant, random: str) -> str:
    """Give the id of a new batch: the newest one's is the lowest, as a job's (`jobs.job_id`)."""
    return job_id(now, random)
