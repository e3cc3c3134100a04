"""Send me my link: the page on which a patient asks for it.

The work and the answer are the same for everybody, so that nobody learns who is known.
"""

from collections.abc import Sequence

from chalice.app import Request, Response

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Channel
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.submission import FieldError
from chalicelib.portal import get_portal
from chalicelib.presentation.page import Page
from chalicelib.presentation.templates import render
from chalicelib.web.errors import retry_after
from chalicelib.web.form_state import FormState, form_secret, new_nonce, state_of
from chalicelib.web.forms import read_written_to
from chalicelib.web.requests import form_fields, language, mount, query, visitor
from chalicelib.web.responses import html, see_other
from chalicelib.web.typed_fields import Fields, typed_again

_PAGE = "pages/link.html"
TOO_OLD = FieldError("errors", "page_too_old")


def link_page(request: Request, clinic: str) -> Response:
    """Ask for the contact, or say that a message is on its way."""
    return html(_render(request, _in_force(clinic), {}, (), sent=query(request, "sent") == "yes"))


def send_link(request: Request, clinic: str) -> Response:
    """Take the contacts to which a link may be sent, whoever's they are."""
    from chalicelib.services.link_request import request_link  # noqa: PLC0415 - only who wants a link needs it

    portal, fields = get_portal(), form_fields(request)
    shown = _in_force(clinic)
    state = state_of(_PAGE, clinic, fields)
    if state is None:
        return html(_render(request, shown, fields, [TOO_OLD]), 422)
    contacts, errors = read_written_to(shown, fields)
    if errors:
        return html(_render(request, shown, fields, errors), 422)
    try:
        request_link(
            portal, clinic, contacts, lang=state.lang, visitor=visitor(request), now=portal.clock()
        )
    except TooManyError as error:
        too_many = FieldError("errors", "too_many", error.minutes)
        return html(_render(request, shown, fields, [too_many]), 429, retry_after(error))
    return see_other(f"{mount(request)}/{clinic}/link?lang={state.lang}&sent=yes")


def _in_force(clinic: str) -> Clinic:
    return get_portal().directory.look_up(clinic).published.clinic


def _render(
    request: Request,
    clinic: Clinic,
    fields: Fields,
    errors: Sequence[FieldError],
    *,
    sent: bool = False,
) -> Page:
    lang = language(request, clinic)
    state = FormState(
        nonce=new_nonce(),
        version=clinic.version,
        lang=lang,
        sha256="",
        source=None,
        channel=Channel.WEB,
        opened_at=get_portal().clock(),
    )
    return render(
        _PAGE,
        lang,
        clinic=clinic,
        root=mount(request),
        state=state.to_token(form_secret(clinic.id, _PAGE)),
        typed=typed_again(fields),
        faults=errors,
        sent=sent,
    )
