"""Errors become answers: a page in the patient's language here, a problem in `web.api.errors`.

`FAMILIES` is what both answer to the same errors.
"""

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple

from chalice.app import Request, Response

from chalicelib import log
from chalicelib.domain.clinic import Clinic, localized
from chalicelib.domain.errors import (
    ConcurrentWriteError,
    NoLongerThereError,
    NoSuchSheetError,
    NotFoundError,
    PressUnavailableError,
    ServiceUnavailableError,
)
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.notices.controllers import ID
from chalicelib.notices.document import RESERVED_IDS
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.web.requests import (
    MAX_JSON,
    TooLargeError,
    UnreadableBodyError,
    WrongTypeError,
    mount,
    own_origins,
    query,
)
from chalicelib.web.responses import html, problem
from chalicelib.web.routing import for_programs, methods

View = Callable[..., Response]

MAX_NAME = 640
"""How long a part of an address may be: ids, versions, tokens and hashes are shorter."""


class Problem(NamedTuple):
    """What a program is answered instead of a result (RFC 9457).

    `detail` is a template for `str.format`: values of the request or of the error are filled in.
    """

    status: int
    title: str
    detail: str
    headers: Mapping[str, str] = MappingProxyType({})


_UNAVAILABLE = Problem(
    503, "Try again", "Nothing is known right now, so nothing is permitted.", {"Retry-After": "2"}
)

FAMILIES: Mapping[type[Exception], tuple[str, Problem]] = {
    NotFoundError: (
        "not_found",
        Problem(404, "Not found", "This clinic has nothing of that name."),
    ),
    UnreadableBodyError: (
        "unreadable",
        Problem(400, "Unreadable body", "The body must be a JSON object in UTF-8. {error.where}"),
    ),
    WrongTypeError: (
        "unreadable",
        Problem(415, "Unsupported media type", "Send JSON: Content-Type: application/json."),
    ),
    TooLargeError: (
        "too_large",
        Problem(413, "Content too large", f"A body has {MAX_JSON} bytes at most."),
    ),
    ConcurrentWriteError: ("unavailable", _UNAVAILABLE),
    ServiceUnavailableError: ("unavailable", _UNAVAILABLE),
    PressUnavailableError: (
        "not_printed",
        Problem(
            503,
            "Cannot be printed just now",
            "Nothing is lost: the same request can work later.",
            {"Retry-After": "5"},
        ),
    ),
    Exception: ("fault", Problem(500, "Our fault", "The request could not be carried out.")),
}
"""What pages and the API answer to a family of errors: the kind of page, and the problem.

A page has the status and headers of the problem. An error is of the nearest family above it.
`web.api.errors` adds what only the API answers. What is another clinic's is not found either.
"""


def family_of(error: Exception, families: Collection[type[Exception]]) -> type[Exception]:
    """Return the nearest of these classes above an error; one of them must be Exception."""
    return next(kind for kind in type(error).__mro__ if kind in families)


def log_fault(error: Exception, status: int) -> None:
    """Log an error that is the portal's own fault, or another service's (5xx, RFC 9110 15.6)."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.fault(error)


def as_page(view: View, *, from_anywhere: bool = False) -> View:
    """Turn what a patient's view raises into a page, and let no other website send its form.

    `from_anywhere` is for a form that must work without the portal's page: one-click
    unsubscribing (RFC 8058).
    """

    def guarded(request: Request, **parts: str) -> Response:
        try:
            if not from_anywhere and is_cross_site(request):
                return _error_page(request, "cross_site", 403)
            check_length(parts)
            return view(request, **parts)
        except Exception as error:  # noqa: BLE001 - nobody sees a stack trace
            return _page_for(request, error)

    return guarded


def elsewhere(request: Request) -> Response:
    """Answer an address that leads nowhere: with a problem to a program, else with a page."""
    page, described = FAMILIES[NotFoundError]
    if for_programs(request.path):
        return problem(described.status, described.title, detail=described.detail)
    return _error_page(request, page, described.status)


def wrong_method(request: Request, allowed: Collection[str]) -> Response:
    """Answer a method that an address does not take with those it takes (405, RFC 9110 15.5.6)."""
    allow = methods(allowed)
    headers = {"Allow": allow}
    if for_programs(request.path):
        detail = f"This address takes {allow}."
        return problem(405, "Method not allowed", detail=detail, headers=headers)
    return _error_page(request, "wrong_method", 405, headers)


def retry_after(error: TooManyError) -> dict[str, str]:
    """Give the header that says when to try again (RFC 6585, 4: 429 with Retry-After)."""
    return {"Retry-After": str(error.seconds)}


def check_length(names: Mapping[str, str]) -> None:
    """Refuse an address with a part that is longer than the name of anything."""
    for name in names.values():
        if len(name) > MAX_NAME:
            raise NotFoundError


def is_cross_site(request: Request) -> bool:
    """Tell whether another website makes a browser send this form.

    Modern browsers say so in Sec-Fetch-Site (W3C Fetch Metadata; OWASP's CSRF cheat sheet), where
    `none` is the visitor's own action, such as a reload. Older ones send their Origin; our own
    pages make it "null" (Fetch, 3.2: Referrer-Policy no-referrer). A request with neither is not
    from a browser with somebody's rights, and the form state that it must bring is signed.
    """
    if request.method in {"GET", "HEAD"}:
        return False
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin", "null").lower()
    return origin != "null" and origin not in own_origins(request, get_portal().settings.public_url)


def _page_for(request: Request, error: Exception) -> Response:
    match error:
        case TooManyError():
            headers = retry_after(error)
            return _error_page(request, "too_many", 429, headers, minutes=error.minutes)
        case NoLongerThereError():  # 410, RFC 9110 15.5.11, and where to go on
            return _error_page(request, "old_link", 410, clinic_id=error.clinic)
        case NoSuchSheetError():
            return _error_page(request, "no_such_sheet", 404, languages=error.languages)
    page, described = FAMILIES[family_of(error, FAMILIES)]
    log_fault(error, described.status)
    return _error_page(request, page, described.status, described.headers)


def _error_page(
    request: Request,
    kind: str,
    status: int,
    headers: Mapping[str, str] | None = None,
    *,
    clinic_id: str | None = None,
    **values: object,
) -> Response:
    """Say what did not work, as the clinic whose address it is, and where to go on.

    `clinic_id` is that clinic, unless its address begins with its id.
    """
    from chalicelib.presentation.templates import render  # noqa: PLC0415 - the first page is prepared

    parts = request.uri_params or {}
    first, _, rest = parts.get("proxy", str(request.path)).strip("/").partition("/")
    clinic = _clinic_now(clinic_id or parts.get("clinic", first), status)
    accepted = request.headers.get("accept-language")
    lang = negotiate(query(request, "lang"), accepted, LANGUAGES, "en")
    spoken = clinic.languages if clinic else tuple(LANGUAGES)
    shown = {
        "clinic": clinic,
        "name": localized(clinic.name, lang) if clinic else "",
        "kiosk": "/kiosk" if clinic and rest.startswith("kiosk") else "",
        "root": mount(request),
        # Another language is another visit: it would lose a form that was sent.
        "spoken": spoken if request.method in {"GET", "HEAD"} else (),
    }
    return html(render("pages/error.html", lang, kind=kind, **shown, **values), status, headers)


def _clinic_now(clinic_id: str, status: int) -> Clinic | None:
    """Return a clinic by its id, for its name and colours; None where there is none.

    Where the table or the portal fails, only what this process knows is used.
    """
    if len(clinic_id) > MAX_NAME:
        return None
    portal = get_portal()
    no_clinics = clinic_id in RESERVED_IDS or not ID.fullmatch(clinic_id)
    if no_clinics or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        known = portal.clinics.remembered(clinic_id)
        return known.clinic if known else None
    try:
        return portal.clinics.in_force(clinic_id).clinic
    except Exception:  # noqa: BLE001 - what did not work is told, whatever else fails
        return None
