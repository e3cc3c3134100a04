"""`make fuzz`: 20,000 requests drawn from the OpenAPI document, to the bundle on the local AWS.

`CASES` and `SEED` choose how many and which: rounds of all calls, each with the next seed, until
that many are sent. Everything listens on this machine alone.
"""

import json
import os
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from chalicelib.domain.api_keys import SCOPES
from chalicelib.portal import get_portal
from infra.local.run import portal_running
from infra.operator import keys
from tests.fuzz.fuzzing import Report, Victim, described, run

CASES = 20_000
SEED = 1
EXAMPLES = 3
"""How many requests are drawn for each call in each round, beside those that the document gives."""


def main() -> int:
    """Send requests, tell the figures, and end with 1 where an answer is wrong."""
    cases = int(os.environ.get("CASES") or CASES)
    seed = int(os.environ.get("SEED") or SEED)
    report, begun = Report(), time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        portal_running(0, Path(folder)) as running,
    ):
        os.environ.update(running.settings)
        get_portal.cache_clear()
        with urllib.request.urlopen(f"{running.base_url}/openapi.json") as answer:
            document = json.loads(answer.read())
        while report.cases < cases:
            clinic = sorted(running.clinics)[seed % len(running.clinics)]
            tried = described(
                document, running.base_url, _victim(clinic), seed=seed, examples=EXAMPLES
            )
            report.add(run(tried))
            print(f"  {report.cases:,} requests, {len(report.faults)} wrong answers", flush=True)
            seed += 1
    _tell(report, time.monotonic() - begun)
    return 1 if report.faults or report.broken or max(report.statuses) >= 500 else 0


def _victim(clinic: str) -> Victim:
    table = get_portal().table
    revoked, rotated = (keys.create(table, clinic, name)[0].id for name in ("one", "two"))
    return Victim(clinic, keys.create(table, clinic, "fuzz", SCOPES)[1], revoked, rotated)


def _tell(report: Report, seconds: float) -> None:
    print(f"\n{report.cases:,} requests to {len(report.operations)} calls, {seconds:.0f} seconds")
    for status, number in sorted(report.statuses.items()):
        print(f"  {number:8,} answered {status}")
    for fault, request in report.faults.items():
        print(f"\n{fault}\n{request}")
    for reason in report.broken:
        print(f"\nNot tried: {reason}")


if __name__ == "__main__":
    sys.exit(main())
