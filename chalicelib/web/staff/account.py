"""Signing in to the desk with an account of the clinic's own: to the provider, and back."""

from http import HTTPStatus

from chalice.app import Request, Response

from chalicelib.domain.rate_limits import TooManyError
from chalicelib.portal import get_portal
from chalicelib.services import oidc
from chalicelib.services.oidc import Returned, SignInRefusedError
from chalicelib.web.errors import retry_after
from chalicelib.web.requests import mount, query, visitor
from chalicelib.web.responses import see_other
from chalicelib.web.staff.ceremonies import desk_address, signed_in
from chalicelib.web.staff.entrance import (
    language_of_visitor,
    local_path,
    session_cookie,
    visitor_page,
)
from chalicelib.web.staff.sign_in import end_before, own_clinic

ACCOUNT = "staff/account.html"
BEGUN_COOKIE = "__Host-desk-oidc"
"""The cookie of a browser that went to the provider: for ten minutes, out of reach of scripts."""

MAX_COOKIE, MAX_ANSWER = 2_000, 2_000
"""How many characters of the cookie, and of each part of the provider's answer, are read."""


def go_to_provider(request: Request, clinic: str) -> Response:
    """Lead to where the clinic's accounts sign in."""
    portal, again = get_portal(), query(request, "again") == "yes"
    wanted = local_path(query(request, "next"))
    network = visitor(request).network
    try:
        begun = oidc.begin(
            portal, clinic, _redirect_uri(request), wanted, network, portal.clock(), again=again
        )
    except (SignInRefusedError, TooManyError) as error:
        return _refused(request, error, clinic)
    answer = see_other(begun.address)
    seconds = int(oidc.BEGUN_LASTS.total_seconds())
    answer.headers["Set-Cookie"] = (
        f"{BEGUN_COOKIE}={begun.cookie}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}"
    )
    return answer


def come_back(request: Request) -> Response:
    """Sign in whoever the provider sends back, and lead on to where they wanted to go."""
    portal = get_portal()
    returned = Returned(
        cookie=_cookie(request),
        state=_part(request, "state"),
        code=_part(request, "code"),
        error=_part(request, "error"),
        issuer=_part(request, "iss"),
    )
    network = visitor(request).network
    agent, lang = str(request.headers.get("user-agent", "")), language_of_visitor(request)
    try:
        secret, wanted = oidc.complete(
            portal, returned, _redirect_uri(request), network, agent, lang, portal.clock()
        )
    except (SignInRefusedError, TooManyError) as error:
        return _refused(request, error, returned.cookie.partition(".")[0])
    end_before(request)
    answer = see_other(f"{mount(request)}/staff/{local_path(wanted)}".rstrip("/"))
    return signed_in(answer, session_cookie(secret))


def _redirect_uri(request: Request) -> str:
    return f"{desk_address(request)}/oidc/callback"


def _cookie(request: Request) -> str:
    for pair in str(request.headers.get("cookie", "")).split(";"):
        name, _, value = pair.strip().partition("=")
        if name == BEGUN_COOKIE:
            return value[:MAX_COOKIE]
    return ""


def _part(request: Request, name: str) -> str:
    return (query(request, name) or "")[:MAX_ANSWER]


def _refused(request: Request, error: SignInRefusedError | TooManyError, clinic: str) -> Response:
    """Say why nobody was signed in, with the way to try again."""
    too_many = isinstance(error, TooManyError)
    return visitor_page(
        request,
        ACCOUNT,
        HTTPStatus.TOO_MANY_REQUESTS if too_many else HTTPStatus.FORBIDDEN,
        headers=retry_after(error) if isinstance(error, TooManyError) else None,
        reason="too_many" if isinstance(error, TooManyError) else error.reason,
        minutes=error.minutes if isinstance(error, TooManyError) else 0,
        own=own_clinic(clinic),
    )
