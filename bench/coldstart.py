"""Cold start of the packaged bundle: from process start to the first consent page, over TLS.

It runs under Amazon's runtime client, in turn with a bare Chalice hello-world packaged the ordinary
way. The portal reaches its table by TLS, as on Lambda: it reads the certificates that the bundle
ships and that of the proxy in front of the emulator (AWS_CA_BUNDLE), and shakes hands. Processor
time is measured because wall time varies by a factor of two on a shared machine; the ratio of the
two programs is what can be compared between machines. Where valgrind is installed, it also counts
instructions, which come out the same on every machine with the same Python.

A third program is the hello-world that also makes the calls of a first page, by botocore's own
clients and nothing else: no page that asks AWS anything can start with less.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chalicelib.store.keys.clinics import clinic_key
from infra.build.bundle import bundle
from infra.local.aws import REGION, aws_environment
from infra.local.gateway import TIMEOUT, Gateway
from infra.local.lambda_gateway import (
    Function,
    RestApi,
    RuntimeEnvironment,
    runtime_client,
    unpacked,
)
from infra.local.run import portal_running
from infra.local.server import Request
from infra.local.tls import tls_in_front_of

CLINIC = "riga-aesthetics"
RUNS = 15
COUNTS = 3
"""How often instructions are counted: they differ by a thousandth at most."""

BUDGET = 3.0
_UNDER_VALGRIND = 120
"""Seconds to the first page under valgrind, which runs a program fifty times slower."""

_HELLO = """from chalice import Chalice
app = Chalice(app_name="hello")
@app.route("/")
def index():
    return {"hello": "world"}
"""

_CALLS = """import gc
gc.disable()
import os
import botocore.session
from chalice import Chalice
app = Chalice(app_name="hello")
session = botocore.session.get_session()
table = session.create_client("dynamodb", os.environ["AWS_REGION"])
keys = session.create_client("kms", os.environ["AWS_REGION"])
name = os.environ["TABLE_NAME"]
place = {"pk": {"S": os.environ["CLINIC_PK"]}, "sk": {"S": os.environ["CLINIC_SK"]}}
@app.route("/")
def index():
    for _ in range(3):
        found = table.batch_get_item(RequestItems={name: {"Keys": [place], "ConsistentRead": True}})
    wrapped = found["Responses"][name][0]["blob"]["B"]
    keys.decrypt(CiphertextBlob=wrapped, EncryptionContext={"clinic": os.environ["CLINIC"]})
    return {"hello": "world"}
gc.freeze()
gc.enable()
"""
"""The calls of a first page: the clinic, its data key, its notice, the page that was prepared."""

_NEEDED_FOR_CALLS = ("botocore", "urllib3", "jmespath", "dateutil", "six.py")


@dataclass(frozen=True)
class Program:
    """A packaged program, the settings it starts with, and the event of its first request."""

    task: Path
    client: Path
    environ: Mapping[str, str]
    handler: str
    event: Mapping[str, Any]


def run() -> dict[str, Any]:
    """Measure both programs, and print medians.

    Gives ``{"coldstart": {"portal_ms", "hello_ms", "calls_ms", "ratio", "calls_ratio", "budget",
    "bundle_bytes", …}}``, and the same of instructions, None without valgrind. `calls` are those of
    the hello-world that makes a first page's calls.
    """
    build = bundle()
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as name:
        scratch = Path(name)
        with (
            portal_running(0, scratch / "data"),
            tls_in_front_of(urlsplit(os.environ["AWS_ENDPOINT_URL"]).port or 0, scratch) as tls,
        ):
            portal, hello = programs_of(build, scratch, *tls)
            programs = (portal, hello, _with_calls(portal, hello, scratch / "calls"))
            times = in_turn(programs, RUNS, milliseconds)
            counts = in_turn(programs, COUNTS, instructions) if shutil.which("valgrind") else None
    size = (build / "deployment.zip").stat().st_size
    return {"coldstart": _told(times, counts) | {"budget": BUDGET, "bundle_bytes": _weight(size)}}


def _weight(size: int) -> int:
    print(f"  bundle {size / 1e6:.1f} MB (budget 16)")
    return size


def _told(
    times: Sequence[tuple[float, ...]], counts: Sequence[tuple[float, ...]] | None
) -> dict[str, Any]:
    """Print and give the medians of all programs, and of the ratios round by round.

    A machine that slows down for a while slows all of a round.
    """
    portal, hello, ratio = medians(times)
    calls, calls_ratio = _against_hello(times)
    print(f"  portal {portal:.0f} ms, hello-world {hello:.0f} ms, the calls alone {calls:.0f} ms")
    print(f"  on the processor, medians of {RUNS} runs each, over TLS")
    print(
        f"  ratio {ratio:.2f}, pair by pair (goal {BUDGET}); of the calls alone {calls_ratio:.2f}"
    )
    told: dict[str, Any] = {
        "portal_ms": round(portal, 1),
        "hello_ms": round(hello, 1),
        "calls_ms": round(calls, 1),
        "ratio": round(ratio, 2),
        "calls_ratio": round(calls_ratio, 2),
    }
    if counts is None:
        print("  valgrind is not installed: instructions were not counted")
        counted = ("portal", "hello", "calls")
        unknown = [f"{name}_instructions" for name in counted]
        return told | dict.fromkeys([*unknown, "instructions_ratio", "calls_instructions_ratio"])
    portal, hello, ratio = medians(counts)
    calls, calls_ratio = _against_hello(counts)
    print(
        f"  {portal / 1e6:.0f} million instructions, hello-world {hello / 1e6:.0f} million,",
        end=" ",
    )
    print(f"the calls alone {calls / 1e6:.0f} million")
    print(f"  ratio {ratio:.2f} by instructions; of the calls alone {calls_ratio:.2f}")
    return told | {
        "portal_instructions": round(portal),
        "hello_instructions": round(hello),
        "calls_instructions": round(calls),
        "instructions_ratio": round(ratio, 2),
        "calls_instructions_ratio": round(calls_ratio, 2),
    }


def medians(rounds: Sequence[tuple[float, ...]]) -> tuple[float, float, float]:
    """Give the median of the portal, of the hello-world, and of their ratios."""
    portal = statistics.median(each[0] for each in rounds)
    hello = statistics.median(each[1] for each in rounds)
    return portal, hello, statistics.median(each[0] / each[1] for each in rounds)


def _against_hello(rounds: Sequence[tuple[float, ...]]) -> tuple[float, float]:
    """Give the median of the calls alone, and of their ratio to the hello-world."""
    calls = statistics.median(each[2] for each in rounds)
    return calls, statistics.median(each[2] / each[1] for each in rounds)


def programs_of(
    build: Path, scratch: Path, endpoint_url: str, root: Path
) -> tuple[Program, Program]:
    """Unpack the portal and the hello-world; give both, ready to start.

    Reads the settings of the running portal from the environment. `root` is the certificate that
    the endpoint's own leads to.
    """
    client = runtime_client(scratch / "runtime")
    hello_build = _hello_world(scratch / "hello")
    hello_task = unpacked(hello_build / "deployment.zip", scratch / "hello-task")
    portal_task = unpacked(build / "deployment.zip", scratch / "portal-task")
    trusted = scratch / "trusted.pem"
    shipped = (portal_task / "botocore/cacert.pem").read_text()
    trusted.write_text(shipped + root.read_text())
    names = (*aws_environment(""), "TABLE_NAME", "CLINIC_KEY_ARN")
    environ = {name: os.environ[name] for name in names}
    environ |= {"AWS_ENDPOINT_URL": endpoint_url, "AWS_CA_BUNDLE": str(trusted)}
    # Lambda's folder is read-only: Python cannot keep the bytecode that a zip lacks.
    environ["PYTHONDONTWRITEBYTECODE"] = "1"
    portal_event, hello_event = _event(build, f"/{CLINIC}"), _event(hello_build, "/")
    return (
        Program(portal_task, client, environ, _handler(build), portal_event),
        Program(hello_task, client, environ, _handler(hello_build), hello_event),
    )


def _with_calls(portal: Program, hello: Program, task: Path) -> Program:
    """Give the hello-world that makes the calls of a first page by the bundle's own botocore."""
    shutil.copytree(hello.task, task)
    for name in _NEEDED_FOR_CALLS:
        part = portal.task / name
        copy = shutil.copytree if part.is_dir() else shutil.copyfile
        copy(part, task / name)
    task.chmod(0o755)
    app = task / "app.py"
    app.unlink()
    app.write_text(_CALLS)
    shutil.rmtree(task / "__pycache__", ignore_errors=True)
    place = clinic_key(CLINIC)
    asked = {"CLINIC": CLINIC, "CLINIC_PK": place.pk, "CLINIC_SK": place.sk}
    return replace(hello, task=task, environ={**portal.environ, **asked})


def in_turn(
    programs: Sequence[Program], runs: int, measure: Callable[[Program], float]
) -> list[tuple[float, ...]]:
    """Measure programs in turn, so that all have the same neighbours on the machine."""
    return [tuple(map(measure, programs)) for _ in range(runs)]


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


def milliseconds(program: Program) -> float:
    """Start an environment, let it answer one request, and give its milliseconds on a processor."""
    with started(program) as environment:
        answer(environment, program)
        return milliseconds_on_processor(environment.process.pid)


def instructions(program: Program) -> float:
    """Start an environment under valgrind, let it answer one request; give its instructions."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        counted = Path(folder, "counted")
        valgrind = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--trace-children=no")
        command = (*valgrind, f"--cachegrind-out-file={counted}", f"--log-file={folder}/log")
        # A random seed of hashes would move the figure by a percent.
        fixed = replace(program, environ={**program.environ, "PYTHONHASHSEED": "0"})
        with started(fixed, under=command) as environment:
            answer(environment, fixed, timeout=_UNDER_VALGRIND)
        return _counted(counted)


def started(program: Program, under: Sequence[str] = ()) -> RuntimeEnvironment:
    """Give an environment of a program that is not started yet."""
    return RuntimeEnvironment(
        program.task,
        program.client,
        program.environ,
        program.handler,
        Path(os.devnull),
        under=under,
    )


def answer(environment: RuntimeEnvironment, program: Program, timeout: float = TIMEOUT) -> None:
    """Let the environment answer its first request; raise RuntimeError where it is no page."""
    reply = json.loads(environment.invoke(program.event, timeout))
    if reply["statusCode"] != 200:
        status, body = reply["statusCode"], str(reply["body"])
        raise RuntimeError(f"the bundle answered {status}: {body[:200]}")


def _counted(report: Path) -> int:
    """Read the number of instructions in a report that cachegrind wrote at a process's end."""
    found = re.search(r"(?m)^summary: *(\d+)", report.read_text())
    if found is None:
        raise RuntimeError("valgrind counted nothing")
    return int(found[1])


def milliseconds_on_processor(pid: int) -> float:
    """Add up the first figure of each thread's schedstat: its nanoseconds on a processor."""
    nanoseconds = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        on_processor, *_ = thread.read_text().split()
        nanoseconds += int(on_processor)
    return nanoseconds / 1e6
