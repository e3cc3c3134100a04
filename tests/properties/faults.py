"""What can go wrong between the portal and DynamoDB, put in where botocore sends."""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

ATTEMPTS = 3
"""botocore sends a request that failed twice more (chalicelib/store/table.py)."""

READ, WRITE = "BatchGetItem", "TransactWriteItems"


class Fault(Enum):
    """One request's misfortune."""

    LOST_REQUEST = "it never arrives"
    LOST_REPLY = "it is carried out, and the answer never arrives"
    THROTTLED = "DynamoDB declines for now"
    CONFLICT = "another transaction is in the way (only a write can meet one)"


class _Raw:
    """A reply's body as botocore reads it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        """Give the body in one piece."""
        yield self._content


def _declined(request: Any, error: str, **more: Any) -> AWSResponse:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{error}", "message": "injected", **more}
    return AWSResponse(request.url, 400, {}, _Raw(json.dumps(body).encode()))


class Faults:
    """Lets the next requests of a client fail as planned; botocore retries without waiting."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._planned: dict[str, deque[Fault | None]] = {READ: deque(), WRITE: deque()}
        client.meta.events.register("before-send.dynamodb", self._send)
        client.meta.events.register_first("needs-retry.dynamodb", self._hurry)

    def plan(self, call: str, faults: Iterable[Fault | None]) -> None:
        """Let the next requests of this call meet these faults, one each, in order; None is none."""
        self._planned[call].extend(faults)

    def clear(self) -> None:
        """Let everything work again."""
        for planned in self._planned.values():
            planned.clear()

    def close(self) -> None:
        """Leave the client as it was."""
        self._client.meta.events.unregister("before-send.dynamodb", self._send)
        self._client.meta.events.unregister("needs-retry.dynamodb", self._hurry)

    def _send(self, request: Any, **_: Any) -> AWSResponse | None:
        planned = self._planned.get(request.headers["X-Amz-Target"].decode().rpartition(".")[2])
        match planned.popleft() if planned else None:
            case Fault.LOST_REQUEST:
                raise EndpointConnectionError(endpoint_url=request.url)
            case Fault.LOST_REPLY:
                self._client._endpoint.http_session.send(request)  # noqa: SLF001 - the one way past the handlers
                raise ReadTimeoutError(endpoint_url=request.url)
            case Fault.THROTTLED:
                return _declined(request, "ProvisionedThroughputExceededException")
            case Fault.CONFLICT:
                items = json.loads(request.body)["TransactItems"]
                reasons = [{"Code": "None"}] * (len(items) - 1) + [{"Code": "TransactionConflict"}]
                return _declined(
                    request, "TransactionCanceledException", CancellationReasons=reasons
                )
            case None:
                return None

    def _hurry(self, response: Any, attempts: int, caught_exception: Any, **_: Any) -> int | None:
        declined = response is not None and "ProvisionedThroughput" in response[1].get(
            "Error", {}
        ).get("Code", "")
        return 0 if (declined or caught_exception) and attempts < ATTEMPTS else None
