"""The work on jobs, step by step, as the state machine calls for it (infra/template.yaml).

`plan` cuts the upload into ranges of whole rows and lists those that are still to be done; `part`
does one of them, in a function of its own; `join` puts what came out together, in order. Each may
be called twice, and then gives the same. What cannot go on is noted on the job's record, with a
reason for a person; what may go on when tried again is raised, and the machine tries again.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib import log
from chalicelib.domain.errors import NotFoundError, RejectedError, ServiceUnavailableError
from chalicelib.domain.jobs import (
    FAULTS_SHOWN,
    MAX_BYTES,
    MAX_PARTS,
    Fault,
    Job,
    JobState,
    Part,
    Plan,
    Result,
)
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import EmptyBody, InvalidBodyError
from chalicelib.services.job_kinds import Chunk, Finished, KeyGoneError, Task, counted
from chalicelib.services.job_plan import Range, cut_upload, read_form, write_form
from chalicelib.services.job_registry import KINDS
from chalicelib.services.jobs import FAULTS
from chalicelib.store import jobs
from chalicelib.store.job_files import FileChangedError, JobFiles, NoFileError

Event = Mapping[str, Any]

NOTHING_UPLOADED = "No file was uploaded. Send it to upload_url (PUT), then start the job again."
TOO_LARGE = "The file is too large: {most} MB at most."
TOO_MANY_PARTS = "The file has too many rows for one job. Split it."
CHANGED = "The file was uploaded again while the job ran. Start it again."
KEY_GONE = "The key that made the job is revoked, or may no longer do this."
NOT_ALL_DONE = "{missing} of {parts} parts could not be done. Start the job again: the others stay."
REFUSED = "The key that made the job may not do this."
BROKEN = "A step did not come to its end. Start the job again: what was done is kept."


class StepFailedError(ServiceUnavailableError):
    """A step failed and may be tried again. Says the kind of error alone: what is raised here
    stands in the machine's history.
    """


def step(portal: Portal, event: Event) -> dict[str, Any]:
    """Carry out one step: `do` is plan, part, join or broken; `clinic`, `key`, `job` name the job.

    `execution` names the run that asks. Raises StepFailedError.
    """
    steps: Mapping[str, Callable[[Task, Event], dict[str, Any]]] = {
        "plan": _plan,
        "part": _part,
        "join": _join,
        "broken": _broken,
    }
    try:
        job = jobs.read(portal.table, event["clinic"], event["key"], event["job"])
        if job.execution != event["execution"]:
            # Another run has begun since this one: what this one missed says nothing of that.
            return {"go": False}
        task = Task(portal, job, KINDS[job.kind].scope)
        done = steps[event["do"]](task, event)
        log.log().info("job", step=event["do"], job=job.id, kind=job.kind, done=done)
    except NotFoundError:
        log.log().warning("job is not there", step=event["do"])
        return {"go": False}
    except Exception as error:  # noqa: BLE001 - nothing of what failed may stand in the machine's history
        log.fault(error)
        raise StepFailedError(type(error).__name__) from None
    else:
        return done
    finally:
        log.flush()


def _plan(task: Task, _event: Event) -> dict[str, Any]:
    """Cut the job into parts, and write the list of those to be done (JSON Lines) for the map."""
    job = task.job
    if job.state is not JobState.RUNNING:
        return {"go": False}
    files = _files(task)
    try:
        task.authorize(EmptyBody())
        plan, ranges = _cut(task, files)
    except RejectedError as error:
        return _stop(task, _reason(error))
    done = {part.number for part in jobs.parts(task.portal.table, job, plan.id)}
    missing = [each for each in ranges if each.number not in done]
    manifest = f"manifest-{plan.id}.jsonl"
    lines = [json.dumps(each.listed()) for each in missing]
    files.write(manifest, "\n".join(lines).encode())
    planned = jobs.change(
        task.portal.table, job, lambda each: _while_running(each, job, replace(each, plan=plan))
    )
    return {
        "go": planned.plan == plan and planned.state is JobState.RUNNING,
        "plan": plan.id,
        "bucket": files.bucket,
        "manifest": files.place(manifest),
        "missing": len(missing),
        "parts": plan.parts,
    }


def _cut(task: Task, files: JobFiles) -> tuple[Plan, Sequence[Range]]:
    """Make the plan: the same for the same upload."""
    job = task.job
    kind = KINDS[job.kind]
    if not kind.uploads:
        # Whoever starts again wants what is permitted then.
        ranges = [Range(number, 0, 0, 0, 0) for number in range(kind.shards)]
        return Plan(str(job.execution)[-8:], kind.shards), ranges
    etag, size = files.etag()
    if size > MAX_BYTES:
        raise RejectedError(TOO_LARGE.format(most=MAX_BYTES // 1024**2))
    cut = cut_upload(
        lambda: files.blocks(etag, size),
        size,
        kind.rows,
        delimiter=job.parameters.get("delimiter"),
        encoding=job.parameters.get("encoding"),
    )
    if len(cut.ranges) > MAX_PARTS:
        raise RejectedError(TOO_MANY_PARTS)
    if kind.check:
        kind.check(task, cut.dialect)
    name = hashlib.sha256(f"{cut.sha256}|{len(cut.ranges)}".encode()).hexdigest()[:8]
    files.write(_form_of(name), write_form(cut.dialect))
    return Plan(name, len(cut.ranges), cut.rows, etag, cut.sha256, size), cut.ranges


def _part(task: Task, event: Event) -> dict[str, Any]:
    """Do one part and keep what came out of it; nothing is done once the job is over."""
    job, plan = task.job, task.job.plan
    if job.state is not JobState.RUNNING or plan is None or plan.id != event["plan"]:
        return {"go": False}
    place, kind, files = Range.read(event["part"]), KINDS[job.kind], _files(task)
    chunk = Chunk(place.number, b"", 0, None)
    began_at = task.portal.clock()
    try:
        if plan.etag:
            content = files.read(place.start, place.end, plan.etag)
            form = read_form(files.whole(_form_of(plan.id)))
            chunk = Chunk(place.number, content, place.line, form)
        work = kind.work(task, chunk)
    except RejectedError as error:
        return _stop(task, _reason(error))
    output = _keep(files, place, "csv", work.output)
    fault_file = None
    if work.faults:
        lines = [json.dumps({"line": each.line, "reason": each.reason}) for each in work.faults]
        fault_file = _keep(files, place, "faults", ("\n".join(lines) + "\n").encode())
    part = Part(
        place.number,
        output,
        len(work.output),
        work.rows,
        work.counts,
        len(work.faults),
        fault_file,
        began_at,
    )
    jobs.keep_part(task.portal.table, job, plan.id, part)
    return {"go": True, "part": place.number, "rows": work.rows}


def _join(task: Task, _event: Event) -> dict[str, Any]:
    """Put the parts together in order, note what came of the job, and finish it."""
    job, plan = task.job, task.job.plan
    if plan is None or not job.is_active:
        return {"go": False}
    parts = list(jobs.parts(task.portal.table, job, plan.id))
    if len(parts) < plan.parts:
        missing = plan.parts - len(parts)
        return _stop(task, NOT_ALL_DONE.format(missing=missing, parts=plan.parts))
    table, kind, files = task.portal.table, KINDS[job.kind], _files(task)
    joining = jobs.change(
        table, job, lambda each: _while_running(each, job, replace(each, state=JobState.JOINING))
    )
    if joining.state is not JobState.JOINING:
        return {"go": False}
    dialect = read_form(files.whole(_form_of(plan.id))) if plan.etag else None
    name = f"result-{plan.id}"
    try:
        head = kind.head(task, dialect)
    except RejectedError as error:
        return _stop(task, _reason(error))
    content = _pieces(files, head.output, parts)
    media_type, _ = kind.written_as(job.parameters)
    size, sha256 = files.write_all(name, content, media_type)
    faults = _join_faults(files, parts)
    began_at = min((part.began_at for part in parts), default=task.portal.clock())
    rows = sum(part.rows for part in parts)
    finished = Finished(plan, size, sha256, rows, counted([head, *parts]), began_at)
    try:
        certificate = kind.certify(task, finished) if kind.certify else None
    except RejectedError as error:
        return _stop(task, _reason(error))
    done = replace(
        joining,
        state=JobState.DONE,
        finished_at=task.portal.clock(),
        rows=finished.rows,
        counts=finished.counts,
        faults=sum(part.faults for part in parts),
        first_faults=faults,
        result=Result(name, size, sha256, certificate),
    )
    jobs.change(table, job, lambda each: _while_running(each, job, done))
    return {"go": True, "rows": finished.rows, "size": size}


def _broken(task: Task, _event: Event) -> dict[str, Any]:
    """Note that a step failed however often it was tried."""
    return _stop(task, BROKEN)


def _pieces(files: JobFiles, head: bytes, parts: Sequence[Part]) -> Iterator[bytes]:
    """Read what the parts led to, one after the other."""
    yield head
    for part in parts:
        if part.size:
            yield files.whole(part.output)


def _join_faults(files: JobFiles, parts: Sequence[Part]) -> list[Fault]:
    """Write one file of all faults; give the first ones."""
    faulty = [part.fault_file for part in parts if part.fault_file]
    if not faulty:
        return []
    files.write_all(FAULTS, (files.whole(name) for name in faulty), "application/jsonl")
    first: list[Fault] = []
    for name in faulty:
        for line in files.whole(name).splitlines():
            first.append(Fault(**json.loads(line)))
            if len(first) == FAULTS_SHOWN:
                return first
    return first


def _keep(files: JobFiles, place: Range, what: str, content: bytes) -> str:
    """Write what a part led to, under a name that its content has too.

    Two runs of one part that differ write two files. The part's item names one of them: whichever
    run wrote the item last, item and file belong together.
    """
    digest = hashlib.sha256(content).hexdigest()[:16]
    name = f"parts/{place.number:06d}-{digest}.{what}"
    files.write(name, content)
    return name


def _stop(task: Task, problem: str) -> dict[str, Any]:
    """Note why the job failed, unless it is over; the machine begins nothing more for it."""
    job, now = task.job, task.portal.clock()
    jobs.change(
        task.portal.table, job, lambda each: _while_running(each, job, each.fail(problem, now))
    )
    return {"go": False}


def _while_running(current: Job, job: Job, changed: Job) -> Job:
    """Give the changed record, or the current one where the job was stopped or started anew."""
    return changed if current.is_active and current.execution == job.execution else current


def _reason(error: RejectedError) -> str:
    """Say why a job cannot go on, in a sentence for a person."""
    if isinstance(error, InvalidBodyError):
        return " ".join(f"{each['pointer']}: {each['detail']}" for each in error.errors)
    known = {NoFileError: NOTHING_UPLOADED, FileChangedError: CHANGED, KeyGoneError: KEY_GONE}
    return known.get(type(error), str(error) or REFUSED)


def _files(task: Task) -> JobFiles:
    return JobFiles(task.portal.aws, task.portal.settings.job_bucket, task.job)


def _form_of(plan: str) -> str:
    return f"form-{plan}.json"
