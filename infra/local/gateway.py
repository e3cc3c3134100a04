"""What a REST API Gateway does around its function, read from the template that is deployed.

The emulator lacks some of it (the front of `make run` adds that), and the package tests bring their
own gateway that does all of it. Where AWS documents a rule, it is named.
"""

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

from infra.local.server import Reply, Request, header

# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
PAYLOAD_LIMIT = 10 * 1024 * 1024
HEADERS_LIMIT = 10_240
TIMEOUT = 29.0
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
INVOCATION_LIMIT = 6 * 1024 * 1024

_PARAMETER = re.compile(r"\{([^}+]+)(\+?)\}")


@dataclass(frozen=True)
class Route:
    """One address of the API, such as /{clinic}/withdraw, and its methods."""

    resource: str
    methods: frozenset[str]

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """Return the path parameters when the address fits, percent-decoded, else None."""
        wanted = [part for part in self.resource.split("/") if part]
        found: dict[str, str] = {}
        for position, part in enumerate(wanted):
            parameter = _PARAMETER.fullmatch(part)
            if parameter and parameter[2] and len(segments) > position:
                return found | {parameter[1]: unquote("/".join(segments[position:]))}
            if position >= len(segments) or not (parameter or part == segments[position]):
                return None
            if parameter:
                found[parameter[1]] = unquote(segments[position])
        return found if len(wanted) == len(segments) else None

    @property
    def rank(self) -> tuple[tuple[int, str], ...]:
        """The order of precedence: fixed parts first, then parameters, then the greedy one."""
        parts = [part for part in self.resource.split("/") if part]
        return tuple((_precedence(part), part) for part in parts)


def _precedence(part: str) -> int:
    if part.endswith("+}"):
        return 2
    return 1 if part.startswith("{") else 0


@dataclass(frozen=True)
class Gateway:
    """The API as the template describes it."""

    stage: str
    routes: tuple[Route, ...]
    binary_types: tuple[str, ...]
    compress_from: int | None
    responses: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_template(cls, template: Mapping[str, Any]) -> Self:
        """Read the API of a template made by `chalice package`."""
        properties = template["Resources"]["RestAPI"]["Properties"]
        body = properties["DefinitionBody"]
        routes = []
        for resource, parts in body["paths"].items():
            methods = {name.upper() for name in parts if not name.startswith("x-")}
            routes.append(Route(resource, frozenset(methods)))
        return cls(
            stage=properties["StageName"],
            routes=tuple(sorted(routes, key=lambda route: route.rank)),
            binary_types=tuple(body.get("x-amazon-apigateway-binary-media-types", ())),
            compress_from=properties.get("MinimumCompressionSize"),
            responses=body.get("x-amazon-apigateway-gateway-responses", {}),
        )

    def route(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route that serves this method and path, and the path's parameters."""
        segments = [part for part in path.split("/") if part]
        for route in self.routes:
            parameters = route.match(segments)
            if parameters is not None and ("ANY" in route.methods or method in route.methods):
                return route, parameters
        return None

    def binary_body(self, content_type: str | None) -> bool:
        """Return whether a request's body goes to the function as base64."""
        return self._binary(content_type or "application/json")

    def decodes_reply(self, accept: str | None) -> bool:
        """Return whether a base64 reply is decoded; only the first media type of Accept counts.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html
        """
        return self._binary((accept or "application/json").partition(",")[0])

    def _binary(self, media_type: str) -> bool:
        plain = media_type.partition(";")[0].strip().lower()
        return any(_matches(plain, pattern) for pattern in self.binary_types)

    def refusal(self, kind: str, status: int, message: str) -> Reply:
        """Return the gateway's own reply of a kind, e.g. MISSING_AUTHENTICATION_TOKEN
        (template).
        """
        default = "DEFAULT_5XX" if status >= 500 else "DEFAULT_4XX"
        chosen = self.responses.get(kind) or self.responses.get(default) or {}
        headers = {"content-type": "application/json"}
        for parameter, value in chosen.get("responseParameters", {}).items():
            headers[parameter.removeprefix("gatewayresponse.header.").lower()] = value.strip("'")
        template = chosen.get("responseTemplates", {}).get(
            "application/json", '{"message":$context.error.messageString}'
        )
        body = template.replace("$context.error.messageString", json.dumps(message))
        return Reply(int(chosen.get("statusCode", status)), tuple(headers.items()), body.encode())

    def compressed(self, request: Request, reply: Reply) -> Reply:
        """Compress a reply as the gateway does: if large, wanted, and not compressed already."""
        if self.compress_from is None or len(reply.body) < self.compress_from:
            return reply
        if not _accepts_gzip(request) or header(reply.headers, "content-encoding"):
            return reply
        headers = (*reply.headers, ("content-encoding", "gzip"))
        return Reply(reply.status, headers, gzip.compress(reply.body, mtime=0))


def _accepts_gzip(request: Request) -> bool:
    encodings = (request.header("accept-encoding") or "").split(",")
    names = [encoding.partition(";")[0].strip().lower() for encoding in encodings]
    return "gzip" in names


def _matches(media_type: str, pattern: str) -> bool:
    """Return whether a media type is the pattern's, such as image/png, image/* or */*."""
    if pattern in {"*/*", media_type}:
        return True
    return pattern.endswith("/*") and media_type.startswith(pattern[:-1])


def missing(gateway: Gateway) -> Reply:
    """Return the reply to an address or method that the API does not have."""
    return gateway.refusal("MISSING_AUTHENTICATION_TOKEN", 403, "Missing Authentication Token")


def too_large(gateway: Gateway) -> Reply:
    """Return the reply to a body above what API Gateway takes."""
    return gateway.refusal("REQUEST_TOO_LARGE", 413, "Request Too Long")
