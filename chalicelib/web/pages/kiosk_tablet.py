"""A paired tablet: how it is paired, and how it comes into one person's hands.

The desk shows a code of six digits, the tablet takes it: that works without a script, and on a
tablet that has no camera. A code that pairs leaves a cookie; a person's code leads to the questions,
whose pages carry a secret of their own in their forms, and none in their address. Both are needed to
save an answer. What follows a saved form, or too long a wait, is the start screen.
"""

from http import HTTPStatus

from chalice.app import Request, Response

from chalicelib.domain.instants import Instant
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.submission import FieldError
from chalicelib.portal import get_portal
from chalicelib.presentation.templates import render
from chalicelib.services import hand_over, kiosks
from chalicelib.services.hand_over import HandOverEndedError
from chalicelib.services.kiosks import WrongCodeError
from chalicelib.store.kiosks import StoredTablet
from chalicelib.store.shown_pages import KIOSK_PAGE
from chalicelib.web.errors import retry_after
from chalicelib.web.form_state import state_of
from chalicelib.web.pages.decision_form import consent_form_page, new_state
from chalicelib.web.pages.form_submission import submit_answers
from chalicelib.web.pages.kiosk import done, kept_query, start_address, with_policy
from chalicelib.web.pages.steps import HANDED, show_next_step
from chalicelib.web.requests import cookie, form_fields, language, mount, visitor
from chalicelib.web.responses import html, see_other
from chalicelib.web.typed_fields import first

COOKIE = "__Host-tablet"
"""The browser sends it over TLS alone, to this host alone, and to no script (RFC 6265bis, 4.1.3)."""

COOKIE_DAYS = 400
"""How long a browser keeps a cookie at most (RFC 6265bis, 5.5)."""

LONGEST_CODE = 40
"""How many characters of a code are read: six digits, however they are spaced."""

WRONG = FieldError("code", "tablet_code")


def tablet_of(request: Request, clinic: str) -> StoredTablet | None:
    """Give the tablet that asks; None for one that is not paired with this clinic."""
    value = cookie(request, COOKIE)
    return kiosks.find_tablet(get_portal(), clinic, value) if value else None


def pair_page(request: Request, clinic: str) -> Response:
    """Show the field for the code that the desk shows."""
    return _code_page(request, clinic, "pages/kiosk/pair.html")


def pair(request: Request, clinic: str) -> Response:
    """Pair this tablet, and lead to its start screen, which names it as the source."""
    portal = get_portal()
    portal.directory.look_up(clinic)
    code = first(form_fields(request), "code")[:LONGEST_CODE]
    try:
        tablet, secret = kiosks.pair(portal, clinic, code, visitor(request), portal.clock())
    except (WrongCodeError, TooManyError) as error:
        return _code_page(request, clinic, "pages/kiosk/pair.html", error)
    answer = see_other(f"{mount(request)}/{clinic}/kiosk?src={tablet.name}")
    answer.headers["Set-Cookie"] = (
        f"{COOKIE}={secret}; Path=/; Max-Age={COOKIE_DAYS * 86400}; Secure; HttpOnly; "
        "SameSite=Strict"
    )
    return answer


def code_page(request: Request, clinic: str) -> Response:
    """Show the field for a person's code; a tablet that is not paired gets its start screen."""
    get_portal().directory.look_up(clinic)
    if tablet_of(request, clinic) is None:
        return see_other(start_address(request, clinic))
    return _code_page(request, clinic, "pages/kiosk/code.html")


def take_code(request: Request, clinic: str) -> Response:
    """Take a person's code, or the next page of their answers."""
    portal, now = get_portal(), get_portal().clock()
    current = portal.directory.look_up(clinic).published.clinic
    stored = tablet_of(request, clinic)
    if stored is None:
        return see_other(start_address(request, clinic))
    fields = form_fields(request)
    token = first(fields, HANDED)
    if token:
        return _next_page(request, clinic, stored, token, now)
    code = first(fields, "code")[:LONGEST_CODE]
    try:
        token = hand_over.take_code(portal, stored.tablet, code, visitor(request), now)
    except (WrongCodeError, TooManyError) as error:
        return _code_page(request, clinic, "pages/kiosk/code.html", error)
    try:
        handed = hand_over.find_handed_over(portal, stored.tablet, token, now)
    except HandOverEndedError:  # the person was erased since the desk made the code
        return see_other(start_address(request, clinic))
    page = consent_form_page(KIOSK_PAGE, current, request, handed, now)
    return with_policy(show_next_step(page, new_state(page), {}, now))


def _next_page(
    request: Request, clinic: str, stored: StoredTablet, token: str, now: Instant
) -> Response:
    """Take the next page of a person's answers; where their time is over, start again."""
    start = see_other(start_address(request, clinic))
    try:
        handed = hand_over.find_handed_over(get_portal(), stored.tablet, token, now)
        answer = submit_answers(KIOSK_PAGE, clinic, request, done, handed)
    except HandOverEndedError:
        return start
    shown_again = answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    if shown_again and state_of(KIOSK_PAGE, clinic, form_fields(request)) is None:
        return start
    return with_policy(answer)


def _code_page(
    request: Request,
    clinic: str,
    template: str,
    error: WrongCodeError | TooManyError | None = None,
) -> Response:
    """Show a page with a field for a code, and what is wrong with the one before."""
    seen = get_portal().directory.look_up(clinic).published.clinic
    faults, status, headers = [], 200, {}
    if isinstance(error, TooManyError):
        faults = [FieldError("errors", "too_many", error.minutes)]
        status, headers = 429, retry_after(error)
    elif error:
        faults, status = [WRONG], 422
    page = render(
        template,
        language(request, seen),
        clinic=seen,
        faults=faults,
        root=mount(request),
        kept_query=kept_query(request),
    )
    return with_policy(html(page, status, headers))
