"""Cold start of the packaged bundle: process start to the first consent page answered, in time on the processor.

Under Amazon's runtime client, beside a bare Chalice hello-world packaged the ordinary way, runs interleaved. Wall time
swings by a factor of two on a shared machine; time on the processor does not, and the ratio of the two travels best.
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
    """Measure; give ``{"coldstart": {"portal_ms", "hello_ms", "ratio", "budget", "bundle_bytes"}}``, medians."""
    build = bundle()
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as scratch:
        place = Path(scratch)
        client = runtime_client(place / "runtime")
        hello = _hello_world(place / "hello")
        bundles = {"hello": unpacked(hello / "deployment.zip", place / "hello-task")}
        bundles["portal"] = unpacked(build / "deployment.zip", place / "portal-task")
        handlers = {"hello": _handler(hello), "portal": _handler(build)}
        events = {"hello": _event(hello, "/"), "portal": _event(build, f"/{CLINIC}")}
        with portal_running(0, place / "data"):
            names = (*aws_environment(""), "TABLE_NAME", "CLINIC_KEY_ARN")
            # Lambda's folder is read-only: Python cannot keep the bytecode that a zip lacks.
            environ = {name: os.environ[name] for name in names} | {"PYTHONDONTWRITEBYTECODE": "1"}
            taken: dict[str, list[float]] = {"hello": [], "portal": []}
            for _run in range(RUNS):
                for name, times in taken.items():
                    times.append(_once(bundles[name], client, environ, events[name], handlers[name]))
    portal, bare = (statistics.median(taken[name]) for name in ("portal", "hello"))
    # Of each pair run one after the other: a machine that slows down for a while slows both.
    ratio = statistics.median(one / other for one, other in zip(taken["portal"], taken["hello"], strict=True))
    size = (build / "deployment.zip").stat().st_size
    print(f"  portal {portal:.0f} ms, hello-world {bare:.0f} ms on the processor, medians of {RUNS} runs each")
    print(f"  ratio {ratio:.2f}, pair by pair (budget {BUDGET}); bundle {size / 1e6:.1f} MB (budget 16)")
    numbers = {"portal_ms": round(portal, 1), "hello_ms": round(bare, 1), "ratio": round(ratio, 2)}
    return {"coldstart": {**numbers, "budget": BUDGET, "bundle_bytes": size}}


def _hello_world(project: Path) -> Path:
    """Package a bare Chalice app with chalice as it is; return the folder of its zip and template."""
    (project / ".chalice").mkdir(parents=True)
    (project / ".chalice/config.json").write_text('{"version": "2.0", "app_name": "hello", "stages": {"dev": {}}}')
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
    gateway = Gateway.of_template(json.loads((build / "sam.json").read_text()))
    found = gateway.route("GET", path)
    if found is None:
        raise LookupError(f"{path} is not an address of the bundle")
    headers = (("Host", "portal.example"), ("Accept", "text/html,*/*;q=0.8"), ("Accept-Language", "lv"))
    request = Request("GET", f"/{gateway.stage}{path}", headers, b"")
    return RestApi(gateway, Function(build, build, {}, "", build), custom_domain=False).event(request, path, *found)


def _once(task: Path, client: Path, environ: Mapping[str, str], event: Mapping[str, Any], handler: str) -> float:
    """Start one environment, let it answer one request, and return the milliseconds it was on a processor."""
    with RuntimeEnvironment(task, client, environ, handler, Path(os.devnull)) as environment:
        answer = json.loads(environment.invoke(event))
        if answer["statusCode"] != 200:
            raise RuntimeError(f"the bundle answered {answer['statusCode']}: {str(answer['body'])[:200]}")
        threads = Path(f"/proc/{environment.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e6
