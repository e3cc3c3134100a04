"""Send me my link: the same work and the same answer for everybody, so that nobody learns who is known."""

from collections.abc import Sequence

from chalice.app import Request, Response

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Channel
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.submission import FieldError
from chalicelib.portal import get_portal
from chalicelib.presentation.templates import render
from chalicelib.store import rate_limits
from chalicelib.web.errors import retry_after
from chalicelib.web.form_state import FormState, form_secret, new_nonce, state_of
from chalicelib.web.forms import MAX_TYPED, Fields, first, read_written_to
from chalicelib.web.requests import base_url, form_fields, guard, language, mount, query
from chalicelib.web.responses import html, see_other

_PAGE = "pages/link.html"


def link_page(request: Request, clinic: str) -> Response:
    """Ask for the contact, or say that a message is on its way."""
    shown = get_portal().directory.look_up(clinic).published.clinic
    return html(_form(request, shown, {}, (), sent=query(request, "sent") == "yes"))


def send_link(request: Request, clinic: str) -> Response:
    """Leave word that a link is wanted. Nobody is looked up here, so nothing can tell who is known."""
    portal = get_portal()
    fields = form_fields(request)
    shown = portal.directory.look_up(clinic).published.clinic
    state = state_of(_PAGE, clinic, fields)
    if state is None:
        return html(_form(request, shown, fields, [FieldError("errors", "page_too_old")]), 422)
    contacts, faults = read_written_to(shown, fields)
    if faults:
        return html(_form(request, shown, fields, faults), 422)
    from chalicelib.store import outbox  # noqa: PLC0415 - only who wants a link needs it

    # No bucket per contact: a stranger would use it up for whoever has it. What is sent to a contact has one (MESSAGE).
    held, base = guard(request, "link", (), get_portal().clock()), base_url(request, portal.settings.public_url)
    wish = outbox.link_request(portal.clinics.key(clinic), contacts, state.lang, base, get_portal().clock())
    try:
        rate_limits.spend(portal.table, portal.clinics.key(clinic), held, [wish])
    except TooManyError as error:
        too_many = [FieldError("errors", "too_many", error.minutes)]
        return html(_form(request, shown, fields, too_many), 429, retry_after(error))
    return see_other(f"{mount(request)}/{clinic}/link?lang={state.lang}&sent=yes")


def _form(request: Request, clinic: Clinic, fields: Fields, faults: Sequence[FieldError], *, sent: bool = False) -> str:
    lang = language(request, clinic)
    state = FormState(new_nonce(), clinic.version, lang, "", None, Channel.WEB, get_portal().clock())
    return render(
        _PAGE,
        lang,
        clinic=clinic,
        root=mount(request),
        state=state.to_token(form_secret(clinic.id, _PAGE)),
        typed={name: first(fields, name)[:MAX_TYPED] for name in fields},
        faults=faults,
        sent=sent,
    )
