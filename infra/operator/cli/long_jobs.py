"""A job from its file to its result: sent, started, waited for, fetched, checked.

Each step can be taken again. A job that failed goes on where it broke; a result is fetched under a
temporary name, compared with the hash that the portal tells, and only then gets its own.
"""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import requests

from infra.operator.cli.command import Work
from infra.operator.cli.errors import CommandError, Exit, UnavailableError
from infra.operator.cli.files import writing
from infra.operator.cli.kept_jobs import KeptJob
from infra.operator.cli.list_certificates import require_certificate, save_certificate
from infra.operator.cli.output import counted
from infra.operator.cli.portal import CONNECT_SECONDS, READ_SECONDS, seconds_to_wait
from infra.operator.cli.progress import Bar, bar

BLOCK = 1024 * 1024
TRIES = 4
FIRST_LOOK = 0.5
LONGEST_LOOK = 10.0
"""How many seconds at most lie between two questions how a job stands."""

ACTIVE = {"running", "joining"}


def begin(work: Work, body: dict[str, Any], source: Path | None, target: Path | None) -> KeptJob:
    """Make a job and write down what is needed to go on with it; nothing is sent yet."""
    made = work.portal.post(work.portal.clinic_path("jobs"), body)
    profile = work.portal.profile
    kept = KeptJob(
        id=made["id"],
        url=profile.url,
        clinic=profile.clinic,
        source=str(source.resolve()) if source else None,
        target=str(target.resolve()) if target else None,
    )
    kept.keep()
    return kept


def carry_out(work: Work, kept: KeptJob, *, again: bool = False) -> dict[str, Any]:
    """Take a job from wherever it stands to its result; return the job as the portal tells it.

    With `again` the file is sent although it was sent before: it is another one now. Raise
    CommandError where it cannot be done. Ctrl-C stops nothing at the portal.
    """
    path = work.portal.clinic_path("jobs", kept.id)
    job = work.portal.get(path)
    try:
        if kept.source and (job["state"] == "created" or (again and job["state"] == "failed")):
            _send(work, path, job, Path(kept.source))
        if job["state"] in {"created", "failed"}:
            job = work.portal.post(f"{path}/start", {})
        job = _wait(work, path, job)
        _require_done(job)
        if kept.target and job.get("download_url"):
            _fetch(work, path, job, Path(kept.target))
    except (KeyboardInterrupt, UnavailableError):
        work.output.say(f"It can go on: consent jobs resume {kept.id}")
        raise
    kept.forget()
    return job


def exit_code(job: dict[str, Any]) -> Exit:
    """Return the exit code of a job that is done: in part, where rows could not be carried out.

    A row of a list to be scrubbed that cannot be read is not permitted: that is its result.
    """
    return Exit.IN_PART if job["faults"]["count"] and job["kind"] != "scrub" else Exit.DONE


def print_faults(work: Work, job: dict[str, Any]) -> None:
    """Say which rows were not carried out, the first of them with their lines."""
    faults = job["faults"]
    if not faults["count"]:
        return
    work.output.warn(f"{counted(faults['count'], 'row')} not carried out:")
    for each in faults["first"][:20]:
        work.output.say(f"  line {each['line']}: {each['reason']}")
    if faults["count"] > len(faults["first"][:20]):
        work.output.say("  … consent jobs show names the address of the whole list.")


def _send(work: Work, path: str, job: dict[str, Any], source: Path) -> None:
    """Send the file to the address that the portal gives, from its beginning."""
    try:
        size = source.stat().st_size
    except OSError as error:
        raise CommandError(f"{source} cannot be read ({error.strerror}).") from error
    for tried in range(1, TRIES + 1):
        with source.open("rb") as file, bar(work.output, "Sending", unit="bytes") as shown:
            try:
                answer = requests.put(
                    job["upload_url"],
                    data=_Read(file, size, shown),
                    headers={"Content-Type": "text/csv"},
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                )
                answer.raise_for_status()
            except requests.exceptions.RequestException as error:
                _try_again(tried, error, "sent")
                job = work.portal.get(path)  # with an address that is valid for longer
                continue
        return


def _wait(work: Work, path: str, job: dict[str, Any]) -> dict[str, Any]:
    """Ask how a job stands, less and less often, until it is done or ended otherwise."""
    pause = FIRST_LOOK
    seen = -1
    with bar(work.output, job["kind"].capitalize(), unit="rows") as shown:
        while job["state"] in ACTIVE:
            rows = job["rows"]
            shown.update(rows["done"], rows["total"])
            pause = FIRST_LOOK if rows["done"] != seen else min(pause * 1.5, LONGEST_LOOK)
            seen = rows["done"]
            time.sleep(pause)
            job = work.portal.get(path)
    return job


def _require_done(job: dict[str, Any]) -> None:
    state, number = job["state"], job["id"]
    if state == "failed":
        problem = job.get("problem") or "The job failed."
        raise CommandError(f"{problem} To go on: consent jobs resume {number}")
    if state != "done":
        raise CommandError(f"The job is {state}; there is no result of it.")


def _fetch(work: Work, path: str, job: dict[str, Any], target: Path) -> None:
    """Fetch the result, and check the certificate that comes with it."""
    for tried in range(1, TRIES + 1):
        try:
            _fetch_once(work, job, target)
            break
        except _BrokenOffError as broken:
            _try_again(tried, broken.error, "fetched")
            job = work.portal.get(path)  # with an address that is valid for longer
    if job.get("certificate"):
        save_certificate(job["certificate"], target)


def _fetch_once(work: Work, job: dict[str, Any], target: Path) -> None:
    """Fetch the result, compare its hash and check its certificate; only then is the target there."""
    digest = hashlib.sha256()
    with bar(work.output, "Fetching", unit="bytes") as shown, writing(target) as file:
        for block in _blocks(job["download_url"], job.get("size"), shown):
            digest.update(block)
            file.write(block)
        if job.get("sha256") not in {None, digest.hexdigest()}:
            raise CommandError("The result is not what the portal says it is. Fetch it again.")
        if job.get("certificate"):
            require_certificate(work, job["certificate"], digest.hexdigest())


def _blocks(url: str, size: int | None, shown: Bar) -> Iterator[bytes]:
    timeout = (CONNECT_SECONDS, READ_SECONDS)
    try:
        with requests.get(url, stream=True, timeout=timeout) as answer:
            answer.raise_for_status()
            done = 0
            for block in answer.iter_content(BLOCK):
                done += len(block)
                shown.update(done, size)
                yield block
    except requests.exceptions.RequestException as error:
        raise _BrokenOffError(error) from None


class _BrokenOffError(Exception):
    """The connection ended before the file did."""

    def __init__(self, error: requests.exceptions.RequestException) -> None:
        super().__init__("broken off")
        self.error = error


def _try_again(tried: int, error: requests.exceptions.RequestException, what: str) -> None:
    """Wait before another try, or raise UnavailableError; the address stands in no message."""
    status = error.response.status_code if error.response is not None else "no answer"
    if tried == TRIES:
        raise UnavailableError(f"The file could not be {what} ({status}).") from None
    time.sleep(seconds_to_wait(tried, None))


class _Read:
    """A file as requests sends it: it knows its size, and shows how much was read of it."""

    def __init__(self, file: BinaryIO, size: int, shown: Bar) -> None:
        self._file = file
        self._size = size
        self._shown = shown
        self._done = 0

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes."""
        block = self._file.read(size)
        self._done += len(block)
        self._shown.update(self._done, self._size)
        return block
