"""Cold start of the packaged bundle: processor time from process start to the first consent page.

It runs under Amazon's runtime client, in turn with a bare Chalice hello-world packaged the ordinary
way. Processor time is measured because wall time varies by a factor of two on a shared machine. The
ratio of the two programs is what can be compared between machines.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.build.bundle import bundle
from infra.local.aws import REGION, aws_environment
from infra.local.gateway import Gateway
from infra.local.lambda_gateway import (
    Function,
    RestApi,
    RuntimeEnvironment,
    runtime_client,
    unpacked,
)
from infra.local.run import portal_running
from infra.local.server import Request

CLINIC = "riga-aesthetics"
RUNS = 15
BUDGET = 4.5
_HELLO = """from chalice import Chalice
app = Chalice(app_name="hello")
@app.route("/")
def index():
    return {"hello": "world"}
"""


def run() -> dict[str, Any]:
    """Measure both programs, and print medians.

    Gives ``{"coldstart": {"portal_ms", "hello_ms", "ratio", "budget", "bundle_bytes"}}``.
    """
    build = bundle()
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as scratch:
        portal_times, hello_times = _measure(build, Path(scratch))
    portal, hello = statistics.median(portal_times), statistics.median(hello_times)
    # By pairs that ran one after the other: a machine that slows down for a while slows both.
    pairs = zip(portal_times, hello_times, strict=True)
    ratio = statistics.median(one / other for one, other in pairs)
    size = (build / "deployment.zip").stat().st_size
    print(f"  portal {portal:.0f} ms, hello-world {hello:.0f} ms on the processor,", end=" ")
    print(f"medians of {RUNS} runs each")
    print(f"  ratio {ratio:.2f}, pair by pair (budget {BUDGET});", end=" ")
    print(f"bundle {size / 1e6:.1f} MB (budget 16)")
    return {
        "coldstart": {
            "portal_ms": round(portal, 1),
            "hello_ms": round(hello, 1),
            "ratio": round(ratio, 2),
            "budget": BUDGET,
            "bundle_bytes": size,
        }
    }


def _measure(build: Path, scratch: Path) -> tuple[list[float], list[float]]:
    """Start the portal and the hello-world in turn; give the milliseconds of each run."""
    client = runtime_client(scratch / "runtime")
    hello_build = _hello_world(scratch / "hello")
    hello_task = unpacked(hello_build / "deployment.zip", scratch / "hello-task")
    portal_task = unpacked(build / "deployment.zip", scratch / "portal-task")
    hello_event, portal_event = _event(hello_build, "/"), _event(build, f"/{CLINIC}")
    hello_handler, portal_handler = _handler(hello_build), _handler(build)
    portal_times, hello_times = [], []
    with portal_running(0, scratch / "data"):
        names = (*aws_environment(""), "TABLE_NAME", "CLINIC_KEY_ARN")
        environ = {name: os.environ[name] for name in names}
        # Lambda's folder is read-only: Python cannot keep the bytecode that a zip lacks.
        environ["PYTHONDONTWRITEBYTECODE"] = "1"
        for _ in range(RUNS):
            hello_times.append(_once(hello_task, client, environ, hello_event, hello_handler))
            portal_times.append(_once(portal_task, client, environ, portal_event, portal_handler))
    return portal_times, hello_times


def _hello_world(project: Path) -> Path:
    """Package a bare Chalice app by chalice; give the folder of its zip and template."""
    (project / ".chalice").mkdir(parents=True)
    config = {"version": "2.0", "app_name": "hello", "stages": {"dev": {}}}
    (project / ".chalice/config.json").write_text(json.dumps(config))
    (project / "app.py").write_text(_HELLO)
    (project / "requirements.txt").touch()
    command = [sys.executable, "-c", "import chalice.cli; chalice.cli.main()", "package", "out"]
    environ = os.environ | {"AWS_DEFAULT_REGION": REGION}
    subprocess.run(command, cwd=project, env=environ, check=True, capture_output=True)
    return project / "out"


def _handler(build: Path) -> str:
    """Return where the template lets Lambda enter."""
    template = json.loads((build / "sam.json").read_text())
    return str(template["Resources"]["APIHandler"]["Properties"]["Handler"])


def _event(build: Path, path: str) -> dict[str, Any]:
    """Return the event of a browser's request for `path`."""
    template = json.loads((build / "sam.json").read_text())
    gateway = Gateway.of_template(template)
    found = gateway.route("GET", path)
    if found is None:
        raise LookupError(f"{path} is not an address of the bundle")
    headers = (
        ("Host", "portal.example"),
        ("Accept", "text/html,*/*;q=0.8"),
        ("Accept-Language", "lv"),
    )
    request = Request("GET", f"/{gateway.stage}{path}", headers, b"")
    function = Function(build, build, {}, "", build)
    api = RestApi(gateway, function, custom_domain=False)
    return api.event(request, path, *found)


def _once(
    task: Path, client: Path, environ: Mapping[str, str], event: Mapping[str, Any], handler: str
) -> float:
    """Start an environment, let it answer one request, and give its milliseconds on a processor."""
    with RuntimeEnvironment(task, client, environ, handler, Path(os.devnull)) as environment:
        answer = json.loads(environment.invoke(event))
        if answer["statusCode"] != 200:
            status, body = answer["statusCode"], str(answer["body"])
            raise RuntimeError(f"the bundle answered {status}: {body[:200]}")
        return _milliseconds_on_processor(environment.process.pid)


def _milliseconds_on_processor(pid: int) -> float:
    """Add up the first figure of each thread's schedstat: its nanoseconds on a processor."""
    nanoseconds = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        on_processor, *_ = thread.read_text().split()
        nanoseconds += int(on_processor)
    return nanoseconds / 1e6
