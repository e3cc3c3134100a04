"""What every request passes through: security headers and one line in the log."""

import time
from collections.abc import Callable
from typing import Any

from chalice.app import Request, Response

from chalicelib import journal, wiring
from chalicelib.pages import content_security_policy

HEADERS = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def security_headers(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Add the headers that keep a page to itself; nothing is cached unless an answer says so."""
    response = get_response(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    if str(response.headers.get("Content-Type", "")).startswith("text/html"):
        response.headers.setdefault("Content-Security-Policy", content_security_policy())
    return response


def request_log(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Log what was asked and how it ended: the route, not the address, for an address can carry a token."""
    begun = time.perf_counter()
    response = get_response(request)
    context: dict[str, Any] = request.context
    clinic = (request.uri_params or {}).get("clinic", "")
    journal.log().info(
        "request",
        method=request.method,
        route=context.get("resourcePath"),
        clinic=clinic if wiring.portal().clinics.remembered(clinic) else None,  # a mistyped address can be anything
        status=response.status_code,
        ms=round((time.perf_counter() - begun) * 1000, 1),
        request_id=context.get("requestId"),
    )
    journal.flush()
    return response
