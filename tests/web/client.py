"""A client inside the process: API Gateway's events in, answers out, each held against the OpenAPI
document.
"""

import base64
import itertools
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from app import app
from chalicelib.portal import get_portal
from chalicelib.web.routing import find
from tests.policies import under_policy_of
from tests.web import truth

MOUNTS = {"stage": "/api", "own-domain": "", "base-path": "/clinics/consent"}
"""Where the portal can stand: under its stage, under a domain of its own, under a base path of a
shared domain.
"""

FORM = "application/x-www-form-urlencoded"

_visitors = itertools.count()
"""Every browser comes from a network of its own, unless it says which."""

Fields = Mapping[str, Any]
"""Form fields by name, each with a value or several."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def location(self) -> str:
        """Where it leads."""
        return self.headers["location"]

    def json(self) -> Any:
        """Give the body as JSON."""
        return json.loads(self.body)


class Client:
    """Asks the application as API Gateway would (payload 1.0): every body in base64, every path
    decoded.
    """

    def __init__(
        self, mount: str = MOUNTS["stage"], host: str = "portal.example.org", address: str = ""
    ) -> None:
        self.mount = mount
        self.host = host
        number = next(_visitors)
        self.answer: Callable[[dict[str, Any], None], dict[str, Any]] = app
        self.address = address or f"10.{number >> 8 & 255}.{number & 255}.7"

    def get(self, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for an address of the portal, without what stands before it."""
        return self.send("GET", target, b"", headers or {})

    def post(self, target: str, fields: Fields, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a form."""
        return self.send(
            "POST",
            target,
            urlencode(fields, doseq=True).encode(),
            {"Content-Type": FORM, **(headers or {})},
        )

    def follow(self, answer: Answer) -> Answer:
        """Go where an answer leads."""
        assert answer.location.startswith(f"{self.mount}/")
        return self.get(answer.location.removeprefix(self.mount))

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send anything; the answer must be one that the OpenAPI document tells of, the function
        held to its policy.

        What has no route, or not that method, is in no document.
        """
        event = self.event(method, target, body, headers)
        with under_policy_of(get_portal(), "api_handler"):
            given = self.answer(event, None)
        content = (
            base64.b64decode(given["body"])
            if given.get("isBase64Encoded")
            else given["body"].encode()
        )
        answer = Answer(
            given["statusCode"],
            {name.lower(): value for name, value in given["headers"].items()},
            content,
        )
        found = find([part for part in target.partition("?")[0].split("/") if part], app.routes)
        if found is not None and method in app.routes[found[0]]:
            truth.check(found[0], method, body, answer)
        return answer

    def event(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """Give the event that API Gateway makes of a request."""
        path, _, query = target.partition("?")
        proxy = unquote(path).lstrip("/")
        sent = {"Host": self.host, "X-Forwarded-Proto": "https", **headers}
        asked: dict[str, list[str]] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            asked.setdefault(name, []).append(value)
        return {
            "resource": "/{proxy+}" if proxy else "/",
            "path": path,
            "httpMethod": method,
            "headers": sent,
            "multiValueHeaders": {name: [value] for name, value in sent.items()},
            "queryStringParameters": {name: values[-1] for name, values in asked.items()} or None,
            "multiValueQueryStringParameters": asked or None,
            "pathParameters": {"proxy": proxy} if proxy else None,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": "/{proxy+}" if proxy else "/",
                "httpMethod": method,
                "path": self.mount + path,
                "requestId": str(uuid.uuid4()),
                "domainName": self.host,
                "identity": {"sourceIp": self.address},
            },
            "body": base64.b64encode(body).decode() or None,
            "isBase64Encoded": bool(body),
        }


class Program:
    """A clinic's program or staff: the client with a clinic and its key."""

    def __init__(self, clinic: str, key: str | None, client: Client | None = None) -> None:
        self.clinic = clinic
        self.key = key
        self.client = client or Client()

    def call(
        self,
        name: str,
        body: object,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> Answer:
        """POST a body, or PUT it: JSON, or bytes as they are."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **self._authorization(), **(headers or {})}
        return self.client.send(method, f"/v1/clinics/{self.clinic}/{name}", sent, given)

    def ask(self, method: str, name: str) -> Answer:
        """GET what is asked for, or DELETE it."""
        target = f"/v1/clinics/{self.clinic}/{name}"
        return self.client.send(method, target, b"", self._authorization())

    def get(self, name: str) -> Answer:
        """GET what is asked for."""
        return self.ask("GET", name)

    def delete(self, name: str) -> Answer:
        """DELETE what is named."""
        target = f"/v1/clinics/{self.clinic}/{name}"
        return self.client.send("DELETE", target, b"", self._authorization())

    def receipt(self, number: str, query: str = "") -> Answer:
        """Ask for one receipt."""
        return self.client.get(
            f"/v1/clinics/{self.clinic}/receipts/{quote(number)}{query}", self._authorization()
        )

    def states(self, **subject: str) -> dict[str, str]:
        """Tell the state of every decision of a subject."""
        answer = self.call("status", {"subjects": [subject]})
        return {
            address: told["state"]
            for address, told in answer.json()["results"][0]["decisions"].items()
        }

    def history(self, **subject: str) -> list[dict[str, Any]]:
        """Give every receipt of a subject."""
        receipts: list[dict[str, Any]] = self.call("history", {"subject": subject}).json()[
            "receipts"
        ]
        return receipts

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}
