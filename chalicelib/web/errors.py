"""The one place where an error becomes an answer: a page in the patient's language, or a problem (RFC 9457)."""

from collections.abc import Callable, Collection, Mapping

from chalice.app import Request, Response

from chalicelib import log
from chalicelib.domain.errors import ConcurrentWriteError, NotFoundError, ServiceUnavailableError
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.presentation.templates import render
from chalicelib.store.links import OldLinkError
from chalicelib.web.requests import (
    MAX_JSON,
    BodyError,
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

MAX_NAME = 200
"""How long a part of an address may be: ids, versions, tokens and hashes are shorter."""

ABSENT = "This clinic has nothing of that name."
"""What a program is told of what is not there, and of what is another clinic's: the same."""

RETRY = {"Retry-After": "2"}


class RefusedError(Exception):
    """An API call that is refused, with the problem to answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


_IN_JSON: Mapping[type[Exception], tuple[int, str, str]] = {
    UnreadableBodyError: (400, "Unreadable body", "The body must be a JSON object in UTF-8."),
    WrongTypeError: (415, "Unsupported media type", "Send JSON: Content-Type: application/json."),
    TooLargeError: (413, "Content too large", f"A body has {MAX_JSON} bytes at most."),
}
"""What a program is told of a body that is not what its address takes: status, title, detail."""

_AS_PAGE: Mapping[type[Exception], tuple[str, int]] = {
    UnreadableBodyError: ("unreadable", 400),
    WrongTypeError: ("unreadable", 415),
    TooLargeError: ("too_large", 413),
}
"""The same for a patient: the kind of page and its status."""

_TRY_AGAIN = (ConcurrentWriteError, ServiceUnavailableError)
"""The families of errors after which the same request can work later (503)."""


def as_page(view: View, *, from_anywhere: bool = False) -> View:
    """Turn what a patient's view raises into a page, and let no other website send its form.

    `from_anywhere` is for a form that must work without the portal's page: one-click unsubscribing (RFC 8058).
    """

    def guarded(request: Request, **parts: str) -> Response:
        try:
            if not from_anywhere and _cross_site(request):
                return _error_page(request, "cross_site", 403)
            _check_length(parts)
            return view(request, **parts)
        except Exception as error:  # noqa: BLE001 - the outermost frame: a patient never sees a stack trace
            return _explained(request, error)

    return guarded


def as_problem(view: View) -> View:
    """Turn what a program's view raises into a problem."""

    def guarded(request: Request, **parts: str) -> Response:
        try:
            _check_length(parts)
            return view(request, **parts)
        except RefusedError as refused:
            return refused.answer
        except NotFoundError:
            return problem(404, "Not found", detail=ABSENT)
        except BodyError as error:
            status, title, detail = _IN_JSON[type(error)]
            where = error.where if isinstance(error, UnreadableBodyError) else ""
            return problem(status, title, detail=f"{detail} {where}".strip())
        except _TRY_AGAIN as error:
            log.fault(error)
            return problem(
                503, "Try again", detail="Nothing is known right now, so nothing is permitted.", headers=RETRY
            )
        except Exception as error:  # noqa: BLE001 - the outermost frame: a program gets a problem, never a stack trace
            log.fault(error)
            return problem(500, "Our fault", detail="The request could not be carried out.")

    return guarded


def elsewhere(request: Request) -> Response:
    """Answer an address that leads nowhere: a problem to a program, a page to anybody else."""
    return as_problem(_nowhere)(request) if for_programs(request.path) else _error_page(request, "not_found", 404)


def wrong_method(request: Request, allowed: Collection[str]) -> Response:
    """Answer a method that an address does not take, and say which it takes (405, RFC 9110 15.5.6)."""
    allow = {"Allow": methods(allowed)}
    if for_programs(request.path):
        return problem(405, "Method not allowed", detail=f"This address takes {allow['Allow']}.", headers=allow)
    return _error_page(request, "wrong_method", 405, allow)


def retry_after(error: TooManyError) -> dict[str, str]:
    """Give the header that says when to try again (RFC 6585, 4: 429 with Retry-After)."""
    return {"Retry-After": str(error.seconds)}


def _nowhere(_: Request) -> Response:
    raise NotFoundError


def _check_length(names: Mapping[str, str]) -> None:
    """Refuse an address with a part that is longer than the name of anything, before anything reads it."""
    if any(len(name) > MAX_NAME for name in names.values()):
        raise NotFoundError


def _cross_site(request: Request) -> bool:
    """Tell whether another website makes a browser send this form (W3C Fetch Metadata; OWASP's CSRF cheat sheet).

    `none` is the visitor's own doing, a reload say. A browser too old for that header says its Origin; "null" is what
    our own pages make it send, for they tell nobody where they are (Fetch, 3.2: Referrer-Policy no-referrer). What
    says neither is no browser that carries anybody's rights, and the form state it must bring is signed.
    """
    if request.method in {"GET", "HEAD"}:
        return False
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin", "null").lower()
    return origin != "null" and origin not in own_origins(request, get_portal().settings.public_url)


def _explained(request: Request, error: Exception) -> Response:
    match error:
        case TooManyError():
            return _error_page(request, "too_many", 429, retry_after(error), minutes=error.minutes)
        case OldLinkError():  # 410, RFC 9110 15.5.11, and where to go on
            return _error_page(request, "old_link", 410, clinic=f"{mount(request)}/{error.link.clinic}")
    if isinstance(error, BodyError):
        return _error_page(request, *_AS_PAGE[type(error)])
    if isinstance(error, NotFoundError):
        return _error_page(request, "not_found", 404)
    log.fault(error)
    if isinstance(error, _TRY_AGAIN):
        return _error_page(request, "unavailable", 503, RETRY)
    return _error_page(request, "fault", 500)


def _error_page(
    request: Request, kind: str, status: int, headers: dict[str, str] | None = None, **told: object
) -> Response:
    lang = negotiate(query(request, "lang"), request.headers.get("accept-language"), LANGUAGES, "en")
    return html(render("pages/error.html", lang, kind=kind, **told), status, headers)
