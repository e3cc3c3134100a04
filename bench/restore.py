"""After SnapStart restored a process: processor time from there to its first consent page.

The bundle goes through Amazon's runtime client to the point where Lambda takes its snapshot, with
the function's credentials by HTTP, and waits. What is measured begins when it goes on: the hooks,
the credentials, two handshakes (table and keys), and the page. It runs in turn with the cold start
of a bare Chalice hello-world. What Amazon needs to bring the memory back is not in it: that takes
no instruction of ours, and nothing here can show it.
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.coldstart import (
    RUNS,
    Program,
    answer,
    in_turn,
    medians,
    milliseconds,
    milliseconds_on_processor,
    programs_of,
    started,
)
from infra.build.bundle import bundle
from infra.local.container_credentials import container_credentials
from infra.local.run import portal_running
from infra.local.tls import tls_in_front_of

BUDGET = 0.5
_UNTIL_SNAPSHOT = 120
"""Seconds; on Lambda 130."""


def run() -> dict[str, Any]:
    """Measure both, and print medians.

    Gives ``{"restore": {"portal_ms", "hello_ms", "ratio", "budget"}}``.
    """
    build = bundle()
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as name:
        scratch = Path(name)
        with (
            portal_running(0, scratch / "data"),
            tls_in_front_of(urlsplit(os.environ["AWS_ENDPOINT_URL"]).port or 0, scratch) as tls,
            container_credentials() as credentials,
        ):
            portal, hello = programs_of(build, scratch, *tls)
            environ = {
                name: value for name, value in portal.environ.items() if "ACCESS_KEY" not in name
            }
            environ |= {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", **credentials}
            pairs = in_turn((replace(portal, environ=environ), hello), RUNS, _to_first_page)
    restored, cold, ratio = medians(pairs)
    print(f"  {restored:.0f} ms on the processor from the restore to the first page,", end=" ")
    print(f"hello-world {cold:.0f} ms from its start, medians of {RUNS} runs each, over TLS")
    print(f"  ratio {ratio:.2f}, pair by pair (budget {BUDGET})")
    return {
        "restore": {
            "portal_ms": round(restored, 1),
            "hello_ms": round(cold, 1),
            "ratio": round(ratio, 2),
            "budget": BUDGET,
        }
    }


def _to_first_page(program: Program) -> float:
    """Give the milliseconds from the restore on, or from the start where there is no snapshot."""
    if "AWS_LAMBDA_INITIALIZATION_TYPE" not in program.environ:
        return milliseconds(program)
    with started(program) as environment:
        environment.wait_for_snapshot(_UNTIL_SNAPSHOT)
        before = milliseconds_on_processor(environment.process.pid)
        environment.restore()
        answer(environment, program)
        return milliseconds_on_processor(environment.process.pid) - before
