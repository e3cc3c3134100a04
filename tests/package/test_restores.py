"""SnapStart: two processes restored from one snapshot share nothing that must be one's own."""

import contextlib
import http.client
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from itsdangerous import URLSafeSerializer

from infra.build.bundle import bundle
from infra.local.container_credentials import container_credentials
from infra.local.gateway import Gateway
from infra.local.lambda_gateway import (
    Function,
    RestApi,
    RuntimeEnvironment,
    runtime_client,
    unpacked,
)
from infra.local.server import Reply, Request, serving
from infra.local.tls import tls_in_front_of
from tests.cast import RIGA
from tests.conftest import LocalStack

pytestmark = pytest.mark.bundle

FIELDS = {"decision.newsletter.email": "yes", "decision.testimonials.photo": "no"}
AT_SNAPSHOT = timedelta(seconds=2)
"""How long the snapshot lies before it is restored."""


@dataclass
class Restored:
    """What was seen of one snapshot and the two processes restored from it."""

    snapshot_memory: bytes | None = field(repr=False)
    at_snapshot: datetime
    restored_at: datetime
    first: Mapping[str, Any]
    second: Mapping[str, Any]
    signed_before: tuple[str, ...]
    """Under which credentials each request before the snapshot was signed."""

    signed_after: tuple[str, ...]


def memory_of(process: int) -> bytes | None:
    """Read what a process could write to; None where the machine does not let its parent."""
    found = []
    try:
        with Path(f"/proc/{process}/mem").open("rb") as memory:
            for line in Path(f"/proc/{process}/maps").read_text().splitlines():
                span, rights, *_ = line.split()
                if rights.startswith("rw") and "[v" not in line:
                    start, end = (int(each, 16) for each in span.split("-"))
                    memory.seek(start)
                    found.append(memory.read(end - start))
    except PermissionError:
        return None
    return b"".join(found)


@pytest.fixture(scope="module")
def restored(
    local_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restored]:
    """Take a snapshot of the bundle as it is deployed, and restore it twice."""
    scratch = tmp_path_factory.mktemp("restores")
    build = bundle()
    task = unpacked(build / "deployment.zip", scratch / "task")
    client = runtime_client(scratch / "runtime")
    signed: list[str] = []
    aws = urlsplit(local_stack.settings["AWS_ENDPOINT_URL"])
    with (
        container_credentials() as credentials,
        passing_on(aws.port or 0, signed) as port,
        tls_in_front_of(port, scratch / "tls") as (aws_at, root),
    ):
        environ = {
            **{
                name: value
                for name, value in local_stack.settings.items()
                if "ACCESS_KEY" not in name
            },
            "AWS_ENDPOINT_URL": aws_at,
            **credentials,
            "AWS_CA_BUNDLE": str(root),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{task}:{client}:{Path(__file__).parent}",
        }
        log = scratch / "log"
        runtime = RuntimeEnvironment(task, client, environ, "restored_twice.app", log)
        with runtime as process:
            for _ in range(2):
                process.wait_for_snapshot()
            at_snapshot, before = datetime.now(UTC), len(signed)
            memory = memory_of(process.process.pid)
            time.sleep(AT_SNAPSHOT.total_seconds())
            restored_at = datetime.now(UTC)
            process.restore()
            event = {"page": page_event(build), "fields": FIELDS}
            seen: dict[int, dict[str, Any]] = {}
            for _ in range(10):
                told = json.loads(process.invoke(event))
                seen.setdefault(told["process"], told)
            first, second = seen.values()
        after = tuple(signed[before:])
        yield Restored(
            memory, at_snapshot, restored_at, first, second, tuple(signed[:before]), after
        )


@contextlib.contextmanager
def passing_on(port: int, signed: list[str]) -> Iterator[int]:
    """Serve in front of the local AWS, and note the credentials that each request is signed by."""

    def pass_on(request: Request) -> Reply:
        signature = request.header("Authorization") or ""
        signed.append(signature.partition("Credential=")[2].partition("/")[0])
        behind = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(behind):
            behind.request(request.method, request.target, request.body, dict(request.headers))
            answer = behind.getresponse()
            kept = [
                (name, value)
                for name, value in answer.getheaders()
                if name.lower() not in {"connection", "content-length", "transfer-encoding"}
            ]
            return Reply(answer.status, tuple(kept), answer.read())

    with serving(0, pass_on) as place:
        yield place


def page_event(build: Path) -> dict[str, Any]:
    """Give the event of a browser's request for the consent page."""
    gateway = Gateway.of_template(json.loads((build / "sam.json").read_text()))
    api = RestApi(gateway, Function(build, build, {}, "", build), custom_domain=False)
    found = gateway.route("GET", f"/{RIGA}")
    assert found is not None
    headers = (("Host", "portal.example"), ("Accept", "text/html"), ("Accept-Language", "lv"))
    return api.event(Request("GET", f"/{gateway.stage}/{RIGA}", headers, b""), f"/{RIGA}", *found)


def opened(told: Mapping[str, Any]) -> list[Any]:
    """Read what an open page carries, without its signature."""
    _, carried = URLSafeSerializer("").loads_unsafe(told["state"])
    return list(carried)


def receipt_of(told: Mapping[str, Any]) -> str:
    """Give the number of the receipt that a form led to."""
    assert told["sent"]["statusCode"] == 303, told["sent"]["body"]
    [where] = told["sent"]["multiValueHeaders"].get("Location") or [
        told["sent"]["headers"]["Location"]
    ]
    return re.findall(r"/receipts/([0-9a-f]{32})", where)[0]


def test_both_serve_a_page_and_take_its_form(restored: Restored) -> None:
    """What was let go before the snapshot is there again: connections, credentials, keys."""
    for told in (restored.first, restored.second):
        assert told["page"]["statusCode"] == 200
        assert '<html lang="lv">' in told["page"]["body"]
        assert receipt_of(told)
    assert restored.first["process"] != restored.second["process"]


def test_no_nonce_and_no_number_is_shared(restored: Restored) -> None:
    """Two patients at two restored processes get forms and receipts of their own."""
    first, second = restored.first, restored.second
    assert opened(first)[0] != opened(second)[0], "the form's nonce"
    assert first["state"] != second["state"]
    assert receipt_of(first) != receipt_of(second)
    assert first["random"] != second["random"], "which waiting times and shards are drawn from"


def test_the_times_are_those_after_the_restore(restored: Restored) -> None:
    """Nothing is dated by the snapshot, which may be months old."""
    for told in (restored.first, restored.second):
        opened_at = datetime.fromisoformat(opened(told)[-1])
        assert restored.at_snapshot + AT_SNAPSHOT <= opened_at <= datetime.now(UTC)
        assert told["clock"] >= restored.restored_at.timestamp()


def test_each_reads_credentials_of_its_own(restored: Restored) -> None:
    """Those of the snapshot may have ended long ago, and are used by nobody."""
    assert set(restored.signed_before) == {"GIVEN0"}
    assert set(restored.signed_after) == {"GIVEN1", "GIVEN2"}


def test_the_snapshot_holds_no_key_of_a_clinic(restored: Restored, local_stack: LocalStack) -> None:
    """Who may no longer ask KMS for a clinic's key finds none in a snapshot of last year."""
    if restored.snapshot_memory is None:
        pytest.skip("this machine lets no process read another's memory")
    key = local_stack.in_process.clinics.key(RIGA)
    assert b"consent-portal" in restored.snapshot_memory
    secrets = {"data key": key._key, "forms": key.form_secret(), "links": key.link_secret()}  # noqa: SLF001 - what must not be there
    assert [name for name, secret in secrets.items() if secret in restored.snapshot_memory] == []


def test_a_restored_process_loads_nothing_more(restored: Restored) -> None:
    """The first patient waits for no module: everything was loaded before the snapshot."""
    assert restored.first["loaded"] == []
    assert restored.second["loaded"] == []
