"""What jobs can do: each kind says how its file is read, what is done with a part, what comes out.

`services/job_registry.py` lists them. The engine (`jobs/long_jobs.py`) cuts the upload into ranges of whole rows,
has each done by a function of its own, and joins what came out in order. Whatever a kind does with
a part it may do again, with the same result: a part that was lost on its way is simply done anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import Instant
from chalicelib.domain.jobs import Fault, Job, Part, Plan
from chalicelib.portal import Portal
from chalicelib.presentation.csv_table import Dialect
from chalicelib.services.authorized_call import AuthorizedCall, Body
from chalicelib.store import jobs

JSON_LINES = "jsonl"
"""The `format` of a result that is not CSV."""


class KeyGoneError(RejectedError):
    """The bearer key that made the job may no longer do this."""


@dataclass(frozen=True)
class Task:
    """A job at work: the portal that does it, and its record."""

    portal: Portal
    job: Job
    scope: str
    """What the key needs for this kind of job."""

    @cached_property
    def _key_digest(self) -> str | None:
        return jobs.digest_of_key(self.portal.table, self.job.clinic, self.job.key)

    def authorize(
        self, body: Body, contacts: Sequence[Contact] = (), idempotency_key: str | None = None
    ) -> AuthorizedCall[Body]:
        """Give the call that the job makes now, by the key that made the job. One round trip.

        The key is read each time, strongly consistently: once it is revoked, or may no longer do
        this, nothing more is done. Raises KeyGoneError.
        """
        job, portal = self.job, self.portal
        lookup = portal.directory.look_up(job.clinic, contacts, api_key_digest=self._key_digest)
        key = BearerKey.read(lookup.api_key) if lookup.api_key else None
        now = portal.clock()
        if key is None or not key.opens(now) or self.scope not in key.scopes:
            raise KeyGoneError("The key that made the job is revoked, or may no longer do this")
        known = portal.clinics.with_all_past_questions(lookup.published)
        shared = known.limited_to_controller(key.member)
        return AuthorizedCall(key, body, lookup, now, shared, job.base_url, idempotency_key)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part to do: whole rows of the upload without its header, or a shard without an upload.

    `dialect` says how the rows are written; None where nothing is uploaded.
    """

    number: int
    content: bytes
    first_line: int
    dialect: Dialect | None


@dataclass(frozen=True, slots=True)
class Work:
    """What a part led to: bytes of the result, how many rows were read, counts, and faults."""

    output: bytes
    rows: int
    counts: Mapping[str, int] = field(default_factory=dict)
    faults: Sequence[Fault] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """A job of which every part is done: its plan, its result, and what was counted."""

    plan: Plan
    size: int
    sha256: str
    rows: int
    counts: Mapping[str, int]
    began_at: Instant
    """When the first row was asked about: from then on something may have changed since."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """One kind of job.

    `scope` is what a key needs. `rows` is how many rows a part has at most: it must be done in the
    ten minutes that its function has. Without an upload there are as many parts as `shards`.
    `check` raises a kind of RejectedError for a file that the kind cannot use. `head` gives what
    stands before the rows of the result, with what is counted in it; `certify` a statement about
    the result, for those kinds that have one.
    """

    scope: str
    work: Callable[[Task, Chunk], Work]
    head: Callable[[Task, Dialect | None], Work]
    media_type: str
    file_name: str
    rows: int = 5_000
    shards: int = 0
    check: Callable[[Task, Dialect], None] | None = None
    certify: Callable[[Task, Finished], str] | None = None

    def written_as(self, parameters: Mapping[str, Any]) -> tuple[str, str]:
        """Give the media type of the result, and the name under which it is saved."""
        if parameters.get("format") == JSON_LINES:
            return "application/jsonl", self.file_name.replace(".csv", ".jsonl")
        return self.media_type, self.file_name

    @property
    def uploads(self) -> bool:
        """Whether a file is uploaded."""
        return not self.shards


def counted(parts: Sequence[Part | Work]) -> dict[str, int]:
    """Add up the counts of parts."""
    counts: dict[str, int] = {}
    for part in parts:
        for name, number in part.counts.items():
            counts[name] = counts.get(name, 0) + number
    return counts
