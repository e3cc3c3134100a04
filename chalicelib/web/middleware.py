"""What every request passes through: security headers and one line in the log."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from chalice.app import Request, Response

from chalicelib import log
from chalicelib.domain.brand import NO_BRAND
from chalicelib.domain.one_line import one_line
from chalicelib.portal import get_portal
from chalicelib.web.errors import elsewhere, wrong_method

Routes = Mapping[str, Collection[str]]
"""The methods of every route."""

HEADERS = {
    # Never without TLS again, once seen (RFC 6797).
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    # A receipt's JSON or an uploaded text is never run as something else.
    "X-Content-Type-Options": "nosniff",
    # An address can be a receipt's or a link's: nobody else is told it.
    "Referrer-Policy": "no-referrer",
    # No page that opened ours, or that ours opened, holds a handle on it.
    "Cross-Origin-Opener-Policy": "same-origin",
    # No other website loads an answer as its own script, picture or frame, and reads it by a flaw
    # of the browser.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Of pages, PDF and JSON alike, none is found by a search engine.
    "X-Robots-Tag": "noindex",
}

NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
"""What is no page loads nothing, where a browser shows it all the same (OWASP REST security cheat
sheet)."""

PICTURE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""A browser shows a picture on a page of its own, with styles of its own. A slide has the clinic's
logo in it."""


def security_headers(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Add the headers that keep a page to itself; nothing is cached unless an answer says so."""
    response = get_response(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.update(
        {name: one_line(str(value)) for name, value in response.headers.items()}
    )
    kind = str(response.headers.get("Content-Type", ""))
    if "Content-Security-Policy" not in response.headers:
        response.headers["Content-Security-Policy"] = _policy_for(kind)
    return response


def _policy_for(kind: str) -> str:
    """Give the policy of an answer of some type that brings none."""
    if kind.startswith("image/"):
        return PICTURE
    if not kind.startswith("text/html"):
        return NO_PAGE
    from chalicelib.presentation.templates import content_security_policy  # noqa: PLC0415 - pages bring their own

    return content_security_policy(brand=NO_BRAND)


def leads_somewhere(
    request: Request, get_response: Callable[[Request], Response], routes: Routes
) -> Response:
    """Answer what has no route, or none for its method, in words for whoever asked.

    A patient, or a program.
    """
    allowed = routes.get(request.path)
    if allowed is None:
        return elsewhere(request)
    return get_response(request) if request.method in allowed else wrong_method(request, allowed)


def request_log(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Log what was asked and how it ended.

    The route, not the address, for an address can carry a token.
    """
    begun = time.perf_counter()
    response = get_response(request)
    context: dict[str, Any] = request.context
    clinic = (request.uri_params or {}).get("clinic", "")
    log.log().info(
        "request",
        method=request.method,
        route=context.get("resourcePath"),
        clinic=clinic
        if get_portal().clinics.remembered(clinic)
        else None,  # a mistyped address can be anything
        status=response.status_code,
        ms=round((time.perf_counter() - begun) * 1000, 1),
        request_id=context.get("requestId"),
    )
    log.flush()
    return response
