"""Jobs as a program knows them: made, started, asked about, cancelled, listed."""

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import RejectedError, ServiceUnavailableError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.jobs import Job, JobState, job_id
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import (
    AuthorizedCall,
    EmptyBody,
    UsedForAnotherBodyError,
)
from chalicelib.services.job_registry import KINDS
from chalicelib.store import jobs
from chalicelib.store.job_files import JobFiles
from chalicelib.store.job_machine import JobMachine
from chalicelib.store.jobs import UnknownJobError

PAGE = 50
"""How many jobs a page of the list has."""

SETTLING = timedelta(seconds=30)
"""For how long after its start a job is not asked of Step Functions."""

STOPPED = "The job was stopped before it was done. Start it again: what was done is kept."
FAULTS = "faults.jsonl"


class ScopeMissingError(RejectedError):
    """The key may not do what this kind of job does; carries the scope it needs."""

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to make: its kind, and what that kind needs to know."""

    kind: str
    parameters: Mapping[str, Any]
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as it stands now, with the addresses under which its files can be had."""

    job: Job
    state: JobState
    parts_done: int = 0
    rows_done: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    faults: int = 0
    upload_url: str | None = None
    download_url: str | None = None
    faults_url: str | None = None


def create_job(portal: Portal, call: AuthorizedCall[NewJob]) -> JobView:
    """Make a job; the same call with the same Idempotency-Key gives the one it made before.

    Raises ScopeMissingError, UsedForAnotherBodyError.
    """
    asked = call.body
    kind = KINDS[asked.kind]
    if kind.scope not in call.key.scopes:
        raise ScopeMissingError(kind.scope)
    job = Job(
        id=job_id(call.now, secrets.token_hex(10)),
        clinic=call.clinic,
        key=call.key.id,
        kind=asked.kind,
        parameters=asked.parameters,
        base_url=call.base_url,
        created_at=call.now,
    )
    kept = jobs.create(portal.table, job, _idempotency(portal, call))
    if kept is None:
        raise UsedForAnotherBodyError
    portal.table.put_new(call.audit(f"jobs/{asked.kind}", about=kept.id))
    return _view(portal, kept, call.now)


def start_job(portal: Portal, call: AuthorizedCall[EmptyBody], number: str) -> JobView:
    """Start a job, or start a failed one again: only the parts that are missing are done.

    Raises UnknownJobError, JobStateError.
    """
    job = _own_job(portal, call, number)
    execution = f"{job.id}-{secrets.token_hex(4)}"
    machine = _machine(portal)
    started = jobs.change(portal.table, job, lambda each: each.start(execution, call.now))
    portal.table.put_new(call.audit("jobs/start", about=job.id))
    try:
        machine.start(started, execution)
    except ServiceUnavailableError:
        _fail(portal, started, STOPPED)
        raise
    return _view(portal, started, call.now)


def read_job(portal: Portal, call: AuthorizedCall[EmptyBody], number: str) -> JobView:
    """Tell how a job stands. Raises UnknownJobError."""
    job = _own_job(portal, call, number)
    if job.is_active and job.execution and _is_settled(job, call.now):
        # What stops an execution from outside, or ends it by its time, tells no function of ours.
        over = _machine(portal).is_over(job.execution)
        job = _fail(portal, job, STOPPED) if over else job
    view = _view(portal, job, call.now)
    if view.download_url:
        portal.table.put_new(call.audit("jobs/result", about=job.id))
    return view


def cancel_job(portal: Portal, call: AuthorizedCall[EmptyBody], number: str) -> JobView:
    """Cancel a job: nothing more is done, and it cannot be started again.

    Raises UnknownJobError, JobStateError.
    """
    job = _own_job(portal, call, number)
    cancelled = jobs.change(portal.table, job, lambda each: each.cancel(call.now))
    portal.table.put_new(call.audit("jobs/cancel", about=job.id))
    if cancelled.execution:
        _machine(portal).stop(cancelled.execution)
    return _view(portal, cancelled, call.now)


def list_jobs(
    portal: Portal, call: AuthorizedCall[EmptyBody], after: str
) -> tuple[list[JobView], str | None]:
    """Give a page of the key's own jobs, the newest first, and the last id if more follow."""
    page, more = jobs.newest(portal.table, call.clinic, call.key.id, after, PAGE)
    portal.table.put_new(call.audit("jobs"))
    views = [JobView(job, job.state_at(call.now), *_recorded(job)) for job in page]
    return views, more


def _own_job(portal: Portal, call: AuthorizedCall[EmptyBody], number: str) -> Job:
    job = jobs.read(portal.table, call.clinic, call.key.id, number)
    if job.kind not in KINDS or KINDS[job.kind].scope not in call.key.scopes:
        raise UnknownJobError
    return job


def _view(portal: Portal, job: Job, now: Instant) -> JobView:
    state = job.state_at(now)
    if state is JobState.EXPIRED:
        return JobView(job, state, *_recorded(job))
    files = JobFiles(portal.aws, portal.settings.job_bucket, job)
    if state is JobState.DONE and job.result:
        _, shown_name = KINDS[job.kind].written_as(job.parameters)
        faults_url = files.download_url(FAULTS, FAULTS) if job.faults else None
        download_url = files.download_url(job.result.name, shown_name)
        return JobView(
            job,
            state,
            *_recorded(job),
            download_url=download_url,
            faults_url=faults_url,
        )
    waits = state in {JobState.CREATED, JobState.FAILED} and KINDS[job.kind].uploads
    upload_url = files.upload_url() if waits else None
    if job.plan is None:
        return JobView(job, state, upload_url=upload_url)
    done = list(jobs.parts(portal.table, job, job.plan.id))
    rows, faults = sum(part.rows for part in done), sum(part.faults for part in done)
    return JobView(job, state, len(done), rows, {}, faults, upload_url=upload_url)


def _recorded(job: Job) -> tuple[int, int, Mapping[str, int], int]:
    done = job.plan.parts if job.plan and job.result else 0
    return done, job.rows, job.counts, job.faults


def _is_settled(job: Job, now: Instant) -> bool:
    return job.started_at is not None and now > instant(moment(job.started_at) + SETTLING)


def _fail(portal: Portal, job: Job, problem: str) -> Job:
    """Note that a job failed, unless it has come to its end meanwhile."""

    def failed(current: Job) -> Job:
        same = current.execution == job.execution
        return current.fail(problem, portal.clock()) if same and current.is_active else current

    return jobs.change(portal.table, job, failed)


def _machine(portal: Portal) -> JobMachine:
    return JobMachine(portal.aws, portal.settings.job_machine)


def _idempotency(portal: Portal, call: AuthorizedCall[NewJob]) -> tuple[str, str] | None:
    """Give the digests of an Idempotency-Key and of the body it came with."""
    if not call.idempotency_key:
        return None
    secret = portal.clinics.key(call.clinic).link_secret()
    sent = json.dumps([call.body.kind, call.body.parameters], sort_keys=True)
    name = f"job|{call.key.id}|{call.idempotency_key}"
    return _hmac(secret, name), _hmac(secret, f"job body|{sent}")


def _hmac(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), "sha256").hexdigest()
