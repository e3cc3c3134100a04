"""Which route an address leads to.

API Gateway sends every address and every method here (`/{proxy+}`). By itself it would answer what
it has no resource for in its own words: in JSON to a patient, and 403 to a wrong method. It does
not take two variable parts at one place, such as /{clinic} beside /{proxy+}.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from chalice.app import Chalice

ELSEWHERE = "/{proxy+}"
"""The name, in the log too, of an address without a route: the address itself can be anything."""

API_WORDS = ("v1", ".well-known", "openapi.json", "health")
"""The first words of addresses that answer programs."""

Event = Mapping[str, Any]


class RoutedChalice(Chalice):
    """The application: it finds the route of an address itself, and answers HEAD like GET."""

    def __call__(self, event: Event, context: Any) -> Any:
        """Answer an event of API Gateway (payload 1.0)."""
        answer = super().__call__(routed(event, self.routes), context)
        if event["requestContext"]["httpMethod"] == "HEAD":
            # RFC 9110, 9.3.2: as GET, without the content.
            return {**answer, "body": "", "isBase64Encoded": False}
        return answer


def routed(event: Event, routes: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """Give the event as API Gateway would give it for the route of its address.

    An address without a route gets `ELSEWHERE`, below /v1 where its first word is one of the API.
    """
    context = event["requestContext"]
    resource, names = _route_of(event, routes)
    method = "GET" if context["httpMethod"] == "HEAD" else context["httpMethod"]
    return {
        **event,
        "resource": resource,
        "httpMethod": method,
        "pathParameters": names or None,
        "requestContext": {**context, "resourcePath": resource, "httpMethod": method},
    }


def _route_of(event: Event, routes: Collection[str]) -> tuple[str, dict[str, str]]:
    given = str(event["requestContext"].get("resourcePath"))
    names: Mapping[str, str] = event.get("pathParameters") or {}
    if given in routes and names and "proxy" not in names:
        # A gateway that has a resource for the route has found the variable parts already.
        return given, dict(names)
    segments = _parts(str(names.get("proxy", event.get("path", ""))))
    found = find(segments, routes)
    if found is not None:
        return found
    if segments and segments[0] in API_WORDS:
        return f"/v1{ELSEWHERE}", {}
    return ELSEWHERE, {"proxy": "/".join(segments)}


def find(segments: Sequence[str], resources: Collection[str]) -> tuple[str, dict[str, str]] | None:
    """Give the route of an address, and what is in its variable parts.

    Where several routes fit, a fixed word wins over a variable part, the first ones first. The
    first word of a route is no clinic's id, whatever comes after it.
    """
    reserved, by_length = _compiled(tuple(resources))
    best: tuple[list[bool], str, dict[str, str]] | None = None
    for route in by_length.get(len(segments), ()):
        values = _match(route.parts, segments)
        if values is None:
            continue
        if route.variable[:1] == [True] and segments[0] in reserved:
            continue
        if best is None or route.variable < best[0]:
            best = route.variable, route.resource, values
    return (best[1], best[2]) if best else None


class _Route(NamedTuple):
    """A route with its parts, and which of them are variable."""

    resource: str
    parts: list[str]
    variable: list[bool]


@cache
def _compiled(resources: tuple[str, ...]) -> tuple[set[str], dict[int, list[_Route]]]:
    """Give the first words of the routes, and the routes by their number of parts."""
    by_length: dict[int, list[_Route]] = {}
    for resource in resources:
        parts = _parts(resource)
        route = _Route(resource, parts, [_variable(part) for part in parts])
        by_length.setdefault(len(parts), []).append(route)
    return _first_words(resources), by_length


def _match(parts: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    """Give what is in the variable parts of a route of as many parts as the address has, by name.

    None where the address is not its.
    """
    values = {}
    for part, segment in zip(parts, segments, strict=True):
        if _variable(part):
            values[part[1:-1]] = segment
        elif part != segment:
            return None
    return values


def _first_words(resources: Collection[str]) -> set[str]:
    """Give the fixed words with which routes begin."""
    first = {resource.split("/")[1] for resource in resources}
    return {word for word in first if word and not _variable(word)}


def _parts(address: str) -> list[str]:
    return [part for part in address.split("/") if part]


def methods(allowed: Collection[str]) -> str:
    """Write the header Allow for the methods of a route (RFC 9110, 10.2.1)."""
    answered = {*allowed, "HEAD"} if "GET" in allowed else {*allowed}
    return ", ".join(sorted(answered))


def for_programs(resource: str) -> bool:
    """Tell whether a route answers programs, by its first word."""
    return resource.split("/")[1] in API_WORDS


def _variable(part: str) -> bool:
    return part.startswith("{")
