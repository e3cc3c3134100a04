"""The one place where an error becomes an answer: a page in the patient's language, or a problem (RFC 9457)."""

import functools
from collections.abc import Callable

from chalice.app import Blueprint, Request, Response

from chalicelib import journal
from chalicelib.i18n import negotiate
from chalicelib.incoming import UnreadableBodyError, mount, query
from chalicelib.notice import LANGUAGES
from chalicelib.outgoing import html, problem
from chalicelib.pages import render
from chalicelib.store.clinics import UnknownClinicError, UnknownDraftError, UnknownVersionError
from chalicelib.store.links import OldLinkError, UnknownLinkError
from chalicelib.store.register import BusyError, UnknownReceiptError
from chalicelib.store.table import ContendedError, UnavailableError
from chalicelib.vault import KeysUnavailableError

View = Callable[..., Response]

ABSENT = "This clinic has nothing of that name."
"""What a program is told of what is not there, and of what is another clinic's: the same."""

RETRY = {"Retry-After": "2"}


class NotFoundError(LookupError):
    """There is nothing at this address."""


class RefusedError(Exception):
    """An API call that is refused, with the problem to answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


_ABSENT = (
    NotFoundError,
    UnknownClinicError,
    UnknownDraftError,
    UnknownLinkError,
    UnknownReceiptError,
    UnknownVersionError,
)
_BUSY = (BusyError, ContendedError, KeysUnavailableError, UnavailableError)


def page(blueprint: Blueprint) -> Callable[[View], View]:
    """Turn what a patient's view raises into a page."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(**names: str) -> Response:
            try:
                return view(**names)
            except _ABSENT:
                return _error_page(blueprint.current_request, "not_found", 404)
            except OldLinkError as old:
                return _old_link(blueprint.current_request, old)
            except UnreadableBodyError:
                return _error_page(blueprint.current_request, "unreadable", 400)
            except _BUSY as error:
                journal.fault(error)
                return _error_page(blueprint.current_request, "unavailable", 503, RETRY)
            except Exception as error:  # noqa: BLE001 - the outermost frame: a patient never sees a stack trace
                journal.fault(error)
                return _error_page(blueprint.current_request, "fault", 500)

        return guarded

    return decorate


def api(view: View) -> View:
    """Turn what a program's view raises into a problem."""

    @functools.wraps(view)
    def guarded(**names: str) -> Response:
        try:
            return view(**names)
        except RefusedError as refused:
            return refused.answer
        except _ABSENT:
            return problem(404, "Not found", detail=ABSENT)
        except UnreadableBodyError:
            return problem(400, "Unreadable body", detail="The body must be a JSON object in UTF-8.")
        except _BUSY as error:
            journal.fault(error)
            return problem(
                503, "Try again", detail="Nothing is known right now, so nothing is permitted.", headers=RETRY
            )
        except Exception as error:  # noqa: BLE001 - the outermost frame: a program gets a problem, never a stack trace
            journal.fault(error)
            return problem(500, "Our fault", detail="The request could not be carried out.")

    return guarded


def _error_page(
    request: Request, kind: str, status: int, headers: dict[str, str] | None = None, fresh: str = ""
) -> Response:
    lang = negotiate(query(request, "lang"), request.headers.get("accept-language"), LANGUAGES, "en")
    return html(render("pages/error.html", lang, kind=kind, fresh=fresh and f"{fresh}?lang={lang}"), status, headers)


def _old_link(request: Request, old: OldLinkError) -> Response:
    """Say that a link is too old (410, RFC 9110 15.5.11), and offer a fresh one."""
    return _error_page(request, "old_link", 410, fresh=f"{mount(request)}/{old.link.clinic}/link")
