"""Jobs in the table: their records below the bearer key that made them, and what was done."""

import json
from collections.abc import Callable, Iterator

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.jobs import Job, Part
from chalicelib.store.keys.jobs import job_call_key, job_key, job_part_key
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.programs import key_name_key
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import Put, SetBody, Write

TRIES = 20
"""How often a change is tried anew because somebody else changed the record meanwhile."""


class UnknownJobError(NotFoundError):
    """The key has made no job of this id."""


def create(table: Table, job: Job, call: tuple[str, str] | None) -> Job | None:
    """Keep a new job; give the one that the same call made before, None where another body did.

    `call` are the digests of an Idempotency-Key and of the body it came with.
    """
    key = job_key(job.clinic, job.key, job.id)
    writes: list[Write] = [Put(key, {"body": job.stored(), "ttl": job.forgotten_at})]
    if call is None:
        table.write(writes)
        return job
    name, body = call
    place = job_call_key(job.clinic, job.key, name)
    kept = json.dumps({"job": job.id, "body": body})
    writes.append(Put(place, {"body": kept, "ttl": job.forgotten_at}))
    try:
        table.write(writes)
    except ConflictError:
        before = json.loads(table.get([place])[place].body or "")
        return read(table, job.clinic, job.key, before["job"]) if before["body"] == body else None
    return job


def read(table: Table, clinic: str, key_id: str, job: str) -> Job:
    """Read a job of a bearer key; raise UnknownJobError where it made none of this id."""
    return _read(table, job_key(clinic, key_id, job))[0]


def newest(
    table: Table, clinic: str, key_id: str, after: str, most: int
) -> tuple[list[Job], str | None]:
    """Give a page of a key's jobs, the newest first, and its last id if more follow."""
    place = job_key(clinic, key_id, after)
    items = table.after_key(place.pk, place.sk, most + 1)
    jobs = [Job.read(item.body or "") for item in items if item.sk.startswith("JOB#")]
    return jobs[:most], jobs[most - 1].id if len(jobs) > most else None


def change(table: Table, job: Job, change: Callable[[Job], Job]) -> Job:
    """Change a job's record as it stands now; what `change` raises leaves it as it is."""
    key = job_key(job.clinic, job.key, job.id)
    for _ in range(TRIES):
        current, body = _read(table, key)
        changed = change(current)
        if changed == current:
            return current
        try:
            table.write_one(SetBody(key, changed.stored(), was=body))
        except ConflictError:
            continue
        return changed
    raise ConflictError([key])


def keep_part(table: Table, job: Job, plan: str, part: Part) -> None:
    """Keep what a part led to, in place of what it led to before."""
    key = job_part_key(job.clinic, job.id, plan, part.number)
    table.put(Put(key, {"body": part.stored(), "ttl": job.forgotten_at}))


def parts(table: Table, job: Job, plan: str) -> Iterator[Part]:
    """Give the parts of a plan that are done, in their order."""
    key = job_part_key(job.clinic, job.id, plan, 0)
    for item in table.partition(key.pk, f"{plan}#"):
        yield Part.read(item.body or "")


def digest_of_key(table: Table, clinic: str, key_id: str) -> str | None:
    """Give the digest under which the table has a bearer key; None where there is no such key."""
    name = key_name_key(clinic, key_id)
    found = table.get([name]).get(name)
    return found.body if found else None


def _read(table: Table, key: Key) -> tuple[Job, str]:
    item = table.get([key]).get(key)
    if item is None or item.body is None:
        raise UnknownJobError
    return Job.read(item.body), item.body
