"""Which route an address leads to.

API Gateway sends every address and every method here (`/{proxy+}`): by itself it answers what it has no resource for in
its own words, in JSON to a patient, 403 to a wrong method. A resource with two variable parts at one place, such as
/{clinic} beside /{proxy+}, it does not take.
"""

from collections.abc import Collection, Mapping
from typing import Any

from chalice.app import Chalice

ELSEWHERE = "/{proxy+}"
"""What an address is called, in the log too, that leads nowhere: it can hold anything."""

API_WORDS = ("v1", ".well-known", "openapi.json", "health")
"""The first words of addresses that answer programs."""

Event = Mapping[str, Any]


class RoutedChalice(Chalice):
    """The application, which finds the route of an address itself and answers HEAD wherever it answers GET."""

    def __call__(self, event: Event, context: Any) -> Any:
        """Answer an event of API Gateway (payload 1.0)."""
        answer = super().__call__(routed(event, self.routes), context)
        if event["requestContext"]["httpMethod"] == "HEAD":  # RFC 9110, 9.3.2: as GET, without the content
            return {**answer, "body": "", "isBase64Encoded": False}
        return answer


def routed(event: Event, routes: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """Give the event as API Gateway would give it for the route; with `ELSEWHERE`, below /v1 if so, for none."""
    context = event["requestContext"]
    named: Mapping[str, str] = event.get("pathParameters") or {}
    segments = [part for part in str(named.get("proxy", event.get("path", ""))).split("/") if part]
    given = str(context.get("resourcePath"))
    # A gateway that has a resource for the route has told its parts already.
    found = (given, dict(named)) if given in routes and "proxy" not in named and named else find(segments, routes)
    elsewhere = f"/v1{ELSEWHERE}" if segments[:1] and segments[0] in API_WORDS else ELSEWHERE
    resource, names = found or (elsewhere, {})
    method = "GET" if context["httpMethod"] == "HEAD" else context["httpMethod"]
    return {
        **event,
        "resource": resource,
        "httpMethod": method,
        "pathParameters": names or None,
        "requestContext": {**context, "resourcePath": resource, "httpMethod": method},
    }


def find(segments: Collection[str], resources: Collection[str]) -> tuple[str, dict[str, str]] | None:
    """Give the route of an address and what stands in its variable parts; fixed words win, the first ones first.

    The first word of a route is no clinic's id, whatever comes after it.
    """
    parted = {resource: [part for part in resource.split("/") if part] for resource in resources}
    reserved = {parts[0] for parts in parted.values() if parts and not _variable(parts[0])}
    best: tuple[list[bool], str, dict[str, str]] | None = None
    for resource, parts in parted.items():
        if len(parts) != len(segments) or not all(
            _variable(part) or part == segment for part, segment in zip(parts, segments, strict=True)
        ):
            continue
        if parts and _variable(parts[0]) and next(iter(segments)) in reserved:
            continue
        names = {part[1:-1]: segment for part, segment in zip(parts, segments, strict=True) if _variable(part)}
        fit = [_variable(part) for part in parts]
        if best is None or fit < best[0]:
            best = fit, resource, names
    return best and best[1:]


def methods(allowed: Collection[str]) -> str:
    """Write the header Allow for the methods of a route (RFC 9110, 10.2.1)."""
    return ", ".join(sorted({*allowed, *(("HEAD",) if "GET" in allowed else ())}))


def for_programs(resource: str) -> bool:
    """Tell whether a route answers programs, by its first word."""
    return resource.split("/")[1] in API_WORDS


def _variable(part: str) -> bool:
    return part.startswith("{")
