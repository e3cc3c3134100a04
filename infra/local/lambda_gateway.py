"""The bundle as Lambda and API Gateway run it, on this machine.

`RuntimeEnvironment` is one execution environment: Amazon's runtime client started on the unpacked
zip and nothing else, fed by a small Runtime API. `deployed_bundle` puts a REST API in front that
keeps the real one's rules.
"""

import base64
import compileall
import contextlib
import datetime as dt
import functools
import json
import os
import py_compile
import queue
import shutil
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl

from infra.local.gateway import (
    HEADERS_LIMIT,
    INVOCATION_LIMIT,
    PAYLOAD_LIMIT,
    TIMEOUT,
    Gateway,
    Route,
    missing,
    too_large,
)
from infra.local.processes import LOOPBACK, start, stop
from infra.local.server import Reply, Request, serving

REGION = "eu-north-1"
# What API Gateway says it was asked as, whatever Host a request names.
DOMAIN = f"a1b2c3d4e5.execute-api.{REGION}.amazonaws.com"
_VERSION = "/2018-06-01/runtime"
# Amazon's runtime client and what it needs: Lambda has them in /var/runtime.
_CLIENT_PARTS = ("awslambdaric", "simplejson", "snapshot-restore-py")


class FunctionError(Exception):
    """The function raised, timed out or could not be started: the gateway answers 502 or 504."""


def runtime_client(folder: Path) -> Path:
    """Put Amazon's runtime client into `folder`: nothing else of this machine is importable."""
    for name in _CLIENT_PARTS:
        for file in distribution(name).files or ():
            source = Path(str(file.locate()))
            if ".." not in file.parts and ".dist-info" not in str(file) and source.suffix != ".pyc":
                place = folder / str(file)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place)
    # Lambda's image has its bytecode too.
    compileall.compile_dir(
        folder, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    return folder


class RuntimeEnvironment:
    """One Lambda execution environment: a process that asks for events, one at a time.

    https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

    `under` is the command of a program that watches the process, such as valgrind.
    """

    def __init__(
        self,
        task: Path,
        client: Path,
        environ: Mapping[str, str],
        handler: str,
        log: Path,
        *,
        under: Sequence[str] = (),
    ) -> None:
        self._under = under
        self._events: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._results: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._snapshots = threading.Semaphore(0)
        self._restored = threading.Event()
        self._environ = dict(environ)
        self._task, self._client, self._handler, self._log = task, client, handler, log
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start the process; the first event waits for it."""
        port = self._stack.enter_context(
            serving(0, self._runtime_api, body_limit=2 * INVOCATION_LIMIT)
        )
        environ = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_LAMBDA_FUNCTION_NAME": f"portal-{self._handler.rpartition('.')[2]}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/portal",
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_RUNTIME_API": f"{LOOPBACK}:{port}",
            "LAMBDA_TASK_ROOT": str(self._task),
            "LAMBDA_RUNTIME_DIR": str(self._client),
            "_HANDLER": self._handler,
            # The function's code first, then the runtime's, as on Lambda.
            "PYTHONPATH": os.pathsep.join((str(self._task), str(self._client))),
            **self._environ,
        }
        # -S: without this machine's site-packages.
        command = [*self._under, sys.executable, "-S", "-m", "awslambdaric", self._handler]
        # Not tied to us: without its Runtime API the client stops by itself.
        self.process = start(command, environ=environ, log=self._log, cwd=self._task, tied=False)
        self._stack.callback(stop, self.process, grace=2)
        self._stack.callback(self._events.put, None)
        self._stack.callback(self.restore)
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop the process."""
        self._stack.close()

    def invoke(self, event: Mapping[str, Any], timeout: float = TIMEOUT) -> bytes:
        """Hand one event to the function and return what it gives back, as JSON text."""
        body = json.dumps(event).encode()
        if len(body) > INVOCATION_LIMIT:
            raise FunctionError("the event is larger than Lambda takes")
        self._events.put((str(uuid.uuid4()), body))
        kind, result = self._result(time.monotonic() + timeout)
        if kind != "response":
            raise FunctionError(result.decode(errors="replace"))
        if len(result) > INVOCATION_LIMIT:
            raise FunctionError("the reply is larger than Lambda gives")
        return result

    def wait_for_snapshot(self, timeout: float = TIMEOUT) -> None:
        """Wait until the process is as a snapshot would hold it.

        It comes there where AWS_LAMBDA_INITIALIZATION_TYPE is ``snap-start``, and goes on once
        `restore` is called.
        """
        deadline = time.monotonic() + timeout
        while not self._snapshots.acquire(timeout=0.2):
            if self.process.poll() is not None:
                raise FunctionError(f"the runtime exited with code {self.process.returncode}")
            if time.monotonic() > deadline:
                raise FunctionError("the process is not ready for a snapshot")

    def restore(self) -> None:
        """Let the process go on, as Lambda does after it restored one."""
        self._restored.set()

    def _result(self, deadline: float) -> tuple[str, bytes]:
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                return self._results.get(timeout=0.2)
            if self.process.poll() is not None:
                raise FunctionError(f"the runtime exited with code {self.process.returncode}")
        raise FunctionError("Task timed out")

    def _runtime_api(self, request: Request) -> Reply:
        if request.path == f"{_VERSION}/invocation/next":
            given = self._events.get()
            if given is None:
                return Reply(500)
            identity, body = given
            deadline = int((dt.datetime.now(dt.UTC).timestamp() + TIMEOUT) * 1000)
            headers = (
                ("Content-Type", "application/json"),
                ("Lambda-Runtime-Aws-Request-Id", identity),
                ("Lambda-Runtime-Deadline-Ms", str(deadline)),
                (
                    "Lambda-Runtime-Invoked-Function-Arn",
                    f"arn:aws:lambda:{REGION}:000000000000:function:portal",
                ),
                (
                    "Lambda-Runtime-Trace-Id",
                    "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0",
                ),
            )
            return Reply(200, headers, body)
        if request.path == f"{_VERSION}/restore/next":
            self._snapshots.release()
            self._restored.wait()
            return Reply(200)
        # …/invocation/{id}/response, …/invocation/{id}/error, or …/init/error
        self._results.put((request.path.rpartition("/")[2], request.body))
        return Reply(202, (("Content-Type", "application/json"),), b'{"status":"OK"}')


class Function:
    """A function with as many environments as there are requests at once, as Lambda has it."""

    def __init__(
        self, task: Path, client: Path, environ: Mapping[str, str], handler: str, log: Path
    ) -> None:
        self._make = functools.partial(RuntimeEnvironment, task, client, environ, handler, log)
        self._idle: queue.LifoQueue[RuntimeEnvironment] = queue.LifoQueue()
        self._stack = contextlib.ExitStack()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Start nothing yet: the first request is a cold start."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop every environment."""
        self._stack.close()

    def __call__(self, event: Mapping[str, Any]) -> Any:
        """Invoke the function in an idle environment, or in a new one."""
        try:
            environment = self._idle.get_nowait()
        except queue.Empty:
            with self._lock:
                environment = self._stack.enter_context(self._make())
        result = environment.invoke(event)
        # One that failed or timed out is not used again, as on Lambda.
        self._idle.put(environment)
        return json.loads(result)


class RestApi:
    """A REST API with a stage, or under a custom domain without one, in front of a function."""

    def __init__(self, gateway: Gateway, function: Function, *, custom_domain: bool) -> None:
        self.gateway = gateway
        self._function = function
        self._prefix = "" if custom_domain else f"/{gateway.stage}"

    def __call__(self, request: Request) -> Reply:
        """Answer as API Gateway does."""
        gateway = self.gateway
        if sum(len(name) + len(value) for name, value in request.headers) > HEADERS_LIMIT:
            return gateway.refusal("DEFAULT_4XX", 431, "Request Header Fields Too Large")
        path = request.path.removeprefix(self._prefix)
        found = (
            gateway.route(request.method, path)
            if request.path.startswith(f"{self._prefix}/")
            else None
        )
        if found is None:
            return missing(gateway)
        try:
            given = self._function(self.event(request, path, *found))
            reply = self._reply(request, given)
        except FunctionError as error:
            if "timed out" in str(error):
                return gateway.refusal("INTEGRATION_TIMEOUT", 504, "Endpoint request timed out")
            return gateway.refusal("INTEGRATION_FAILURE", 502, "Internal server error")
        return gateway.compressed(request, reply)

    def event(
        self, request: Request, path: str, route: Route, parameters: dict[str, str]
    ) -> dict[str, Any]:
        """Return the event of payload format 1.0, as a proxy integration gives it to the function.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
        """
        gateway = self.gateway
        headers: dict[str, list[str]] = {}
        for name, value in (
            *request.headers,
            ("X-Forwarded-For", request.client),
            ("X-Forwarded-Proto", "https"),
        ):
            headers.setdefault(name, []).append(value)
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(request.query, keep_blank_values=True):
            query.setdefault(name, []).append(value)
        encoded = bool(request.body) and gateway.binary_body(request.header("content-type"))
        body = (
            base64.b64encode(request.body).decode()
            if encoded
            else request.body.decode(errors="replace")
        )
        now = dt.datetime.now(dt.UTC)
        return {
            "resource": route.resource,
            "path": path,
            "httpMethod": request.method,
            "headers": {name: values[-1] for name, values in headers.items()},
            "multiValueHeaders": headers,
            "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
            "multiValueQueryStringParameters": query or None,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "api",
                "domainName": DOMAIN,
                "extendedRequestId": str(uuid.uuid4()),
                "httpMethod": request.method,
                "identity": {"sourceIp": request.client, "userAgent": request.header("user-agent")},
                "path": f"{self._prefix}{path}",
                "protocol": "HTTP/1.1",
                "requestId": str(uuid.uuid4()),
                "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
                "requestTimeEpoch": int(now.timestamp() * 1000),
                "resourceId": "resource",
                "resourcePath": route.resource,
                "stage": gateway.stage,
            },
            "body": body or None,
            "isBase64Encoded": encoded,
        }

    def _reply(self, request: Request, given: Any) -> Reply:
        """Turn what the function returned into HTTP; 502 where it is no proxy response."""
        if not isinstance(given, dict) or not isinstance(given.get("statusCode"), int):
            raise FunctionError("malformed proxy response")
        headers = {
            name.lower(): [str(value)] for name, value in (given.get("headers") or {}).items()
        }
        for name, values in (given.get("multiValueHeaders") or {}).items():
            headers[name.lower()] = [str(value) for value in values]
        headers.setdefault("content-type", ["application/json"])
        text = given.get("body") or ""
        if not isinstance(text, str):
            raise FunctionError("malformed proxy response")
        decoded = given.get("isBase64Encoded") and self.gateway.decodes_reply(
            request.header("accept")
        )
        body = base64.b64decode(text) if decoded else text.encode()
        return Reply(
            given["statusCode"],
            tuple((name, each) for name, values in headers.items() for each in values),
            body,
        )


def unpacked(bundle: Path, folder: Path) -> Path:
    """Unpack the bundle as Lambda does: into one folder, read-only."""
    with zipfile.ZipFile(bundle) as packed:
        packed.extractall(folder)
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


@contextlib.contextmanager
def deployed_bundle(
    build: Path, environ: Mapping[str, str], *, custom_domain: bool = False, log: Path | None = None
) -> Iterator[str]:
    """Serve `build`/deployment.zip as `build`/sam.json deploys it; yield the base URL."""
    template = json.loads((build / "sam.json").read_text())
    with tempfile.TemporaryDirectory(prefix="portal-bundle-") as scratch:
        task = unpacked(build / "deployment.zip", Path(scratch, "task"))
        client = runtime_client(Path(scratch, "runtime"))
        handler = template["Resources"]["APIHandler"]["Properties"]["Handler"]
        with Function(task, client, environ, handler, log or Path(scratch, "log")) as function:
            api = RestApi(Gateway.of_template(template), function, custom_domain=custom_domain)
            with serving(
                0, api, body_limit=PAYLOAD_LIMIT, too_large=too_large(api.gateway)
            ) as port:
                prefix = (
                    ""
                    if custom_domain
                    else f"/{template['Resources']['RestAPI']['Properties']['StageName']}"
                )
                yield f"http://{LOOPBACK}:{port}{prefix}"
