"""The server of `make run` that browsers use, in front of the emulator's API Gateway.

It adds what the real API Gateway does and MiniStack does not: an Accept header where there is none
(without one MiniStack leaves base64 as it is), compression, the template's own replies to unknown
addresses, and the headers X-Forwarded-*.
"""

import contextlib
import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.local.gateway import HEADERS_LIMIT, TIMEOUT, Gateway, missing
from infra.local.mailbox import mailbox
from infra.local.post_office import Message
from infra.local.server import Reply, Request

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length", "expect"}
)
# The emulator's own, which the real gateway does not send.
_NOT_PASSED_ON = _HOP_BY_HOP | {"server", "date", "x-amz-request-id"}


@dataclass
class Front:
    """Answers every request of the local portal."""

    gateway: Gateway
    endpoint_url: str
    api_id: str
    home: str
    messages: Callable[[], list[Message]]
    last_write: float = 0.0

    def __call__(self, request: Request) -> Reply:
        """Pass /api/… on to the portal, serve the mailbox, redirect / to the first clinic."""
        prefix = f"/{self.gateway.stage}"
        if request.path.startswith(f"{prefix}/"):
            return self._portal(request, prefix)
        if request.path == "/_mailbox":
            return mailbox(request, self.messages())
        if request.path in {"/", prefix}:
            return Reply(302, (("location", self.home),))
        return missing(self.gateway)

    def _portal(self, request: Request, prefix: str) -> Reply:
        if request.method not in {"GET", "HEAD"}:
            self.last_write = time.monotonic()
        if sum(len(name) + len(value) for name, value in request.headers) > HEADERS_LIMIT:
            return self.gateway.refusal("DEFAULT_4XX", 431, "Request Header Fields Too Large")
        if self.gateway.route(request.method, request.path.removeprefix(prefix)) is None:
            return missing(self.gateway)
        try:
            reply = self._forward(request, prefix)
        except TimeoutError:
            return self.gateway.refusal("INTEGRATION_TIMEOUT", 504, "Endpoint request timed out")
        except (OSError, http.client.HTTPException):
            return self.gateway.refusal("INTEGRATION_FAILURE", 502, "Internal server error")
        return self.gateway.compressed(request, reply)

    def _forward(self, request: Request, prefix: str) -> Reply:
        """Send the request over a new connection: a kept one may close just as a POST goes out."""
        api = f"/restapis/{self.api_id}/{self.gateway.stage}/_user_request_"
        target = api + request.target.removeprefix(prefix)
        headers = {
            name: value for name, value in request.headers if name.lower() not in _HOP_BY_HOP
        }
        headers |= {"X-Forwarded-Proto": "http", "X-Forwarded-For": request.client}
        if request.header("accept") is None:
            headers["Accept"] = "*/*"
        address = urlsplit(self.endpoint_url)
        connection = http.client.HTTPConnection(
            str(address.hostname), address.port, timeout=TIMEOUT
        )
        with contextlib.closing(connection):
            connection.request(request.method, target, request.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
        passed_on = []
        for name, value in answer.getheaders():
            if name.lower() not in _NOT_PASSED_ON:
                passed_on.append((name, value))
        return Reply(answer.status, tuple(passed_on), body)
