"""DynamoDB in this process: botocore's requests are answered from tables in memory.

botocore does all it does before a request leaves and after an answer comes: it checks parameters,
writes JSON, calls whoever counts what is sent. Only the network and the emulator behind it are left
out, which take most of the time of a test. `tests/faults/test_dynamodb.py` holds the table against
Amazon's DynamoDB Local.
"""

import base64
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from infra.local.processes import LOOPBACK
from infra.local.server import Reply, Request, serving
from tests.cast import environment
from tests.faults.dynamodb import MemoryTable, declined

_SERVICE = "DynamoDB_20120810"


class _Raw(io.BytesIO):
    """A body as urllib3 gives it."""

    def stream(self, **_: object) -> Iterator[bytes]:
        """Give all of it at once."""
        yield self.read()


_SEND = URLLib3Session.send
_TABLES: dict[str, "Tables"] = {}
"""The tables in memory, by endpoint."""


@contextmanager
def tables_in_memory(endpoint: str) -> Iterator["Tables"]:
    """Answer every request to DynamoDB that goes to `endpoint` from memory.

    Requests to other services of the endpoint go there. Endpoints may come and go in any order.
    """
    URLLib3Session.send = _send  # type: ignore[method-assign]
    _TABLES[endpoint] = Tables()
    try:
        yield _TABLES[endpoint]
    finally:
        del _TABLES[endpoint]


def _send(session: URLLib3Session, request: AWSPreparedRequest) -> Any:
    """Answer a request from memory, or send it, in the place of botocore's own method."""
    operation = _operation(request.headers.get("X-Amz-Target", b""))
    tables = _TABLES.get(request.url.rstrip("/")) if operation else None
    if tables is None:
        return _SEND(session, request)
    status, body = tables.answer(operation, request.body)
    return AWSResponse(request.url, status, {}, _Raw(body))


class Tables:
    """The tables of one endpoint; one call at a time, as a table in memory has no locks."""

    def __init__(self) -> None:
        self._tables: dict[str, MemoryTable] = {}
        self._lock = Lock()

    @contextmanager
    def by_http(self) -> Iterator[None]:
        """Serve these tables by HTTP, and name the address in the environment.

        For another process that is started in the block, or for a portal that is made in it.
        """

        def reply(request: Request) -> Reply:
            operation = _operation(request.header("X-Amz-Target") or "")
            status, body = self.answer(operation, request.body)
            return Reply(status, (("Content-Type", "application/x-amz-json-1.0"),), body)

        with serving(0, reply) as port:
            address = f"http://{LOOPBACK}:{port}"
            with environment({"AWS_ENDPOINT_URL_DYNAMODB": address}):
                yield

    def answer(self, operation: str, body: bytes) -> tuple[int, bytes]:
        """Give the status and the body of an answer."""
        status, answer = self._answer(operation, _with_bytes(json.loads(body)))
        return status, json.dumps(_with_base64(answer)).encode()

    def _answer(self, operation: str, sent: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        if operation == "CreateTable":
            self._tables[sent["TableName"]] = MemoryTable()
        if operation in {"CreateTable", "DescribeTable"}:
            described = {"TableName": sent["TableName"], "TableStatus": "ACTIVE"}
            return 200, {"TableDescription": described, "Table": described}
        table = self._tables.get(_table_name(sent))
        if table is None:
            return 400, _refusal(declined(operation, "ResourceNotFoundException"))
        with self._lock:
            try:
                return 200, table.call(operation, sent)
            except ClientError as error:
                return 400, _refusal(error)


def _operation(target: str | bytes) -> str:
    """Name the operation of a request to DynamoDB; nothing for one to another service."""
    text = target if isinstance(target, str) else target.decode()
    service, _, operation = text.partition(".")
    return operation if service == _SERVICE else ""


def _table_name(sent: Mapping[str, Any]) -> str:
    """Give the name of the table that a call is about: each is about one."""
    if "RequestItems" in sent:
        return next(iter(sent["RequestItems"]))
    if "TransactItems" in sent:
        [write] = sent["TransactItems"][0].values()
        return str(write["TableName"])
    return str(sent["TableName"])


def _refusal(error: ClientError) -> dict[str, Any]:
    told = error.response
    kind = f"com.amazonaws.dynamodb.v20120810#{told['Error']['Code']}"
    reasons = told.get("CancellationReasons", [])
    return {"__type": kind, "message": told["Error"]["Message"], "CancellationReasons": reasons}


def _with_bytes(value: Any) -> Any:
    """Give what JSON holds with binary values as bytes, as botocore's caller wrote them."""
    if isinstance(value, list):
        return [_with_bytes(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"B"} and isinstance(value["B"], str):
        return {"B": base64.b64decode(value["B"])}
    return {name: _with_bytes(each) for name, each in value.items()}


def _with_base64(value: Any) -> Any:
    """Give values with bytes as JSON holds them."""
    if isinstance(value, list):
        return [_with_base64(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _with_base64(each) for name, each in value.items()}
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
