"""How fast jobs are on the local AWS: rows a second, round trips to the table, memory.

    python -m bench.jobs 100000            # scrub and links of so many rows
    python -m bench.jobs 1000000 scrub

Starts the whole portal as `make run` does, uploads a list, and waits for the result. A few of its
people have decided before; the others are nobody's, as in a list that was bought. What the emulator
takes is in the figures: DynamoDB answers faster and to more at once.
"""

import json
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.jobs import long_jobs
from chalicelib.portal import Portal, get_portal
from infra.local.run import Running, portal_running

CLINIC = "riga-aesthetics"
KNOWN = 300
ASKED: Mapping[str, Mapping[str, Any]] = {
    "scrub": {"purpose": "newsletter.email"},
    "links": {"purposes": ["newsletter.email"]},
}


def rows(count: int) -> Iterator[bytes]:
    """Write a list as a mailing tool exports it, some 70 bytes a row."""
    yield b"Email Address,First Name,Last Name,OPTIN_TIME\r\n"
    for number in range(count):
        named = f'person{number}@example.org,"Anna {number % 97}","Ozola, {number % 89}"'
        yield f"{named},2026-01-{number % 28 + 1:02d} 10:00:00\r\n".encode()


class Program:
    """A program of the clinic."""

    def __init__(self, running: Running) -> None:
        """Take the portal that runs."""
        self._base = f"{running.base_url}/v1/clinics/{CLINIC}"
        self._key = running.clinics[CLINIC]["api_key"]

    def ask(self, method: str, what: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call the API."""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._base}/{what}", data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


def measure(running: Running, kind: str, count: int) -> dict[str, Any]:
    """Do one job, and tell what it took."""
    program = Program(running)
    job = program.ask("POST", "jobs", {"kind": kind, **ASKED[kind]})
    content = b"".join(rows(count))
    typed = {"Content-Type": "text/csv"}
    upload = urllib.request.Request(job["upload_url"], content, typed, method="PUT")
    with urllib.request.urlopen(upload):
        pass
    began = time.monotonic()
    program.ask("POST", f"jobs/{job['id']}/start", {})
    told = job
    shown = 0.0
    while told["state"] in {"created", "running", "joining"}:
        time.sleep(1)
        told = program.ask("GET", f"jobs/{job['id']}")
        if time.monotonic() - shown > 10:  # noqa: PLR2004 - seconds between lines
            shown = time.monotonic()
            print(
                f"  {told['state']} {told['rows']['done']:,} of {told['rows']['total']}", flush=True
            )
    seconds = time.monotonic() - began
    if told["state"] != "done":
        raise SystemExit(f"{kind} {told['state']}: {told.get('problem')}")
    return {
        "kind": kind,
        "rows": count,
        "input_mb": round(len(content) / 1e6, 1),
        "result_mb": round(told["size"] / 1e6, 1),
        "parts": told["parts"]["total"],
        "seconds": round(seconds, 1),
        "rows_per_second": round(count / seconds),
        "round_trips_per_100_rows": round_trips(job["id"]),
        "peak_mb": peaks(),
    }


def round_trips(job: str) -> float:
    """Do one part of a finished job again in this process, and count the calls to the table."""
    portal = get_portal()
    [record] = [each for each in _records(portal) if each["id"] == job]
    name = {"clinic": CLINIC, "key": record["key"], "job": job}
    name["execution"] = record["execution"]
    running = {**record, "state": "running"}
    table, pk = portal.settings.table, f"CLINIC#{CLINIC}#JOBS#{record['key']}"
    place = {"pk": {"S": pk}, "sk": {"S": f"JOB#{job}"}}
    portal.table.client.put_item(
        TableName=table, Item={**place, "body": {"S": json.dumps(running)}}
    )
    s3 = portal.aws.client("s3")
    folder = f"{CLINIC}/{record['key']}/{job}"
    manifest = f"{folder}/manifest-{record['plan']['id']}.jsonl"
    listed = s3.get_object(Bucket=portal.settings.job_bucket, Key=manifest)["Body"].read()
    part = json.loads(listed.splitlines()[0])
    sent: list[str] = []

    def note(request: Any, **_: Any) -> None:
        sent.append(request.headers["X-Amz-Target"].decode())

    portal.table.client.meta.events.register("before-send.dynamodb", note)
    done = long_jobs.step(
        portal, {"do": "part", "plan": record["plan"]["id"], "part": part, **name}
    )
    portal.table.client.meta.events.unregister("before-send.dynamodb", note)
    return round(len(sent) * 100 / int(done["rows"]), 2)


def _records(portal: Portal) -> Iterator[dict[str, Any]]:
    pages = portal.table.client.get_paginator("scan").paginate(
        TableName=portal.settings.table,
        FilterExpression="begins_with(sk, :job)",
        ExpressionAttributeValues={":job": {"S": "JOB#"}},
    )
    for page in pages:
        for item in page["Items"]:
            yield json.loads(item["body"]["S"])


def peaks() -> dict[str, int]:
    """Give the most memory that a process of each function of jobs had, in MB (Linux)."""
    found: dict[str, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environ = (process / "environ").read_bytes().decode(errors="replace").split("\0")
            status = (process / "status").read_text()
        except OSError:
            continue
        names = dict(each.partition("=")[::2] for each in environ)
        function = names.get("AWS_LAMBDA_FUNCTION_NAME", "")
        if os.environ["AWS_ENDPOINT_URL"] != names.get("AWS_ENDPOINT_URL"):
            continue
        lines = dict(line.partition(":")[::2] for line in status.splitlines())
        megabytes = int(lines.get("VmHWM", "0 kB").split()[0]) // 1024
        for name in ("JobSteps", "JobPart", "job_steps", "job_part"):
            if name in function:
                found[name] = max(found.get(name, 0), megabytes)
    return found


def main(arguments: list[str]) -> int:
    """Measure scrub and links, or the kinds that are named."""
    count = int(arguments[0]) if arguments else 100_000
    kinds = arguments[1:] or list(ASKED)
    with (
        tempfile.TemporaryDirectory(prefix="bench-jobs-") as folder,
        portal_running(0, Path(folder)) as running,
    ):
        os.environ.update(running.settings)
        program = Program(running)
        for number in range(KNOWN):
            program.ask(
                "POST",
                "receipts",
                {
                    "subject": {"email": f"person{number * 7}@example.org"},
                    "decisions": {"newsletter.email": "yes" if number % 3 else "no"},
                    "channel": "phone",
                    "effective_at": "2026-11-10T10:00:00Z",
                },
            )
        for kind in kinds:
            print(json.dumps(measure(running, kind, count)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
