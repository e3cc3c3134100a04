"""Jobs: lists, links, export and import of any size, done in parts by many functions at once.

A job belongs to the bearer key that made it. Its record holds no contact: what is uploaded, and
what comes of it, are files that are gone after a day.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import Instant, instant, moment

FILES_KEPT = timedelta(days=1)
"""For how long the files of a job can be had."""

RECORD_KEPT = timedelta(days=30)
"""For how long a job can be asked about."""

MAX_BYTES = 1024 * 1024 * 1024
"""How large an uploaded file may be."""

MAX_PARTS = 10_000
"""How many parts a job may have: what Step Functions passes on of them has a bounded length."""

FAULTS_SHOWN = 100
"""How many faults the record holds; the file of faults has all of them."""

_ID_DIGITS = 11
_LAST_MOMENT = 16**_ID_DIGITS - 1


class JobState(StrEnum):
    """Where a job stands."""

    CREATED = "created"
    RUNNING = "running"
    JOINING = "joining"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """Its files are gone. It is told, never stored: it follows from the time."""


class JobStateError(RejectedError):
    """The job's state does not allow this; the message says why, for a person."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that was not carried out: its line in the file, and why. It never repeats the row."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Part:
    """What one part led to: where its output is kept, and what was counted.

    Doing a part again replaces this whole: the output of a part is the one that is named here.
    """

    number: int
    output: str
    """The name of its output among the job's files."""

    size: int
    rows: int
    counts: Mapping[str, int]
    faults: int
    fault_file: str | None
    began_at: Instant
    """When its first row was asked about."""

    def stored(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, stored: str) -> "Part":
        """Read it from JSON."""
        return cls(**json.loads(stored))


@dataclass(frozen=True, slots=True)
class Plan:
    """How a job is cut into parts. Another file, or another cut, is another plan.

    `rows` is None where nobody knows beforehand. `etag`, `sha256` and `size` are those of the
    uploaded file.
    """

    id: str
    parts: int
    rows: int | None = None
    etag: str | None = None
    sha256: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a job: the file, its size, its SHA-256, and a certificate where there is one."""

    name: str
    size: int
    sha256: str
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """The record of a job.

    `key` is the id of the bearer key that made it: each part is done with what that key may do at
    that moment. `base_url` is the portal's address as the program reached it. `problem` says why it
    failed.
    """

    id: str
    clinic: str
    key: str
    kind: str
    parameters: Mapping[str, Any]
    base_url: str
    created_at: Instant
    state: JobState = JobState.CREATED
    execution: str | None = None
    started_at: Instant | None = None
    finished_at: Instant | None = None
    plan: Plan | None = None
    rows: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    faults: int = 0
    first_faults: Sequence[Fault] = ()
    result: Result | None = None
    problem: str | None = None

    @property
    def expires_at(self) -> Instant:
        """When its files are gone."""
        return instant(moment(self.created_at) + FILES_KEPT)

    @property
    def forgotten_at(self) -> int:
        """When its record may go, as epoch seconds."""
        return int((moment(self.created_at) + RECORD_KEPT).timestamp())

    @property
    def is_active(self) -> bool:
        """Whether functions are at work on it."""
        return self.state in {JobState.RUNNING, JobState.JOINING}

    def state_at(self, now: Instant) -> JobState:
        """Tell where it stands at a moment."""
        return JobState.EXPIRED if now >= self.expires_at else self.state

    def start(self, execution: str, now: Instant) -> "Job":
        """Give the job as it runs, for the first time or again after it failed.

        Raises JobStateError.
        """
        state = self.state_at(now)
        if state not in {JobState.CREATED, JobState.FAILED}:
            raise JobStateError(f"The job is {state}: only a created or failed one can be started")
        return replace(
            self,
            state=JobState.RUNNING,
            execution=execution,
            started_at=now,
            finished_at=None,
            problem=None,
        )

    def cancel(self, now: Instant) -> "Job":
        """Give the job as it is cancelled; what it recorded stays. Raises JobStateError."""
        state = self.state_at(now)
        if state in {JobState.DONE, JobState.EXPIRED}:
            raise JobStateError(f"The job is {state}: there is nothing to cancel")
        return replace(self, state=JobState.CANCELLED, finished_at=now)

    def fail(self, problem: str, now: Instant) -> "Job":
        """Give the job as it failed."""
        return replace(self, state=JobState.FAILED, problem=problem, finished_at=now)

    def stored(self) -> str:
        """Write the record as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, stored: str) -> "Job":
        """Read a record from JSON."""
        values = json.loads(stored)
        values["state"] = JobState(values["state"])
        values["plan"] = Plan(**values["plan"]) if values["plan"] else None
        values["result"] = Result(**values["result"]) if values["result"] else None
        values["first_faults"] = [Fault(**each) for each in values["first_faults"]]
        return cls(**values)


def job_id(now: Instant, random: str) -> str:
    """Give the id of a new job: hexadecimal digits, the newest job's the lowest.

    So a list of jobs in the order of their ids begins with the newest. `random` are hexadecimal
    digits that nobody can guess.
    """
    milliseconds = int(moment(now).timestamp() * 1000)
    return f"{_LAST_MOMENT - milliseconds:0{_ID_DIGITS}x}{random}"
