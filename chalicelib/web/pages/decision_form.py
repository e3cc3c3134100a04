"""The forms by which patients decide and withdraw: shown, read when they come back, and shown again with errors.

The patient's own device and the kiosk both use them: they differ in their template and in what follows a form.
`services.patient_decisions` records what was read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Channel
from chalicelib.domain.instants import Instant
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.submission import NOTHING_KNOWN, FieldError, FormAnswers
from chalicelib.portal import get_portal
from chalicelib.services import patient_decisions
from chalicelib.services.decisions import NoticeChangedError
from chalicelib.services.invitee import Invitee, find_invitee
from chalicelib.services.patient_decisions import CannotAgreeError, FormResult, SubmittedForm
from chalicelib.services.withdrawal_source import WithdrawalSource, find_withdrawal_source
from chalicelib.store.shown_pages import CONSENT_PAGE, KIOSK_PAGE, KIOSK_WITHDRAWAL_PAGE, WITHDRAWAL_PAGE
from chalicelib.web.errors import retry_after
from chalicelib.web.form_state import FormState, form_secret, new_nonce, state_of
from chalicelib.web.forms import Fields, read_consent, read_withdrawal, typed_again
from chalicelib.web.requests import form_fields, language, mount, query, source, visitor
from chalicelib.web.responses import html

TOO_OLD = FieldError("errors", "page_too_old")
NOTICE_CHANGED = FieldError("errors", "notice_changed")


@dataclass(frozen=True, slots=True)
class FormPage:
    """A form as it is shown: its template, the clinic whose questions it asks, and who need not type a contact."""

    template: str
    clinic: Clinic
    request: Request
    known: Invitee | WithdrawalSource | None = None


Next = Callable[[Request, FormResult], Response]
"""What a patient is shown after a form was recorded."""


def show_consent_form(template: str, clinic: Clinic, request: Request) -> Response:
    """Show the questions that are open today, nothing chosen; of a personal link those it is about."""
    now = get_portal().clock()
    invitee = _invitee(template, clinic.id, request, now)
    return _show(_consent_page(template, clinic, request, invitee, now))


def show_withdrawal_form(template: str, clinic: Clinic, request: Request) -> Response:
    """Show what can be withdrawn, nothing chosen."""
    known = _withdrawal_source(template, clinic.id, request, get_portal().clock())
    return _show(FormPage(template, clinic, request, known))


def submit_answers(template: str, clinic: str, request: Request, then: Next) -> Response:
    """Record the answers and go on, or show the page again with what is wrong."""
    portal = get_portal()
    now = portal.clock()
    fields = form_fields(request)
    invitee = _invitee(template, clinic, request, now)
    state = state_of(template, clinic, fields)
    if state is None:
        current = portal.directory.look_up(clinic).published.clinic
        return _show_again(_consent_page(template, current, request, invitee, now), fields, [TOO_OLD])
    shown = portal.clinics.version(clinic, state.version)
    page = _consent_page(template, shown, request, invitee, now)
    answers = read_consent(page.clinic, fields, now, invitee.known if invitee else NOTHING_KNOWN)
    if answers.errors:
        return _show_again(page, fields, answers.errors)
    form = _submitted(page.clinic, state, answers)
    try:
        result = patient_decisions.record_answers(portal, form, invitee, visitor(request), now)
    except CannotAgreeError as error:
        return _show_again(page, fields, [FieldError("errors", error.reason)])
    except NoticeChangedError as changed:
        page = _consent_page(template, changed.published.clinic, request, invitee, now)
        return _show_again(page, fields, [NOTICE_CHANGED])
    except TooManyError as error:
        return _show_too_many(page, fields, error)
    return then(request, result)


def submit_withdrawal(template: str, clinic: str, request: Request, then: Next) -> Response:
    """Withdraw at once, whether or not the contact is known; a page that is too old still withdraws."""
    portal = get_portal()
    now = portal.clock()
    fields = form_fields(request)
    known = _withdrawal_source(template, clinic, request, now)
    state = state_of(template, clinic, fields)
    if state is None:
        state = _new_state(template, portal.directory.look_up(clinic).published.clinic, request)
    page = FormPage(template, portal.clinics.version(clinic, state.version), request, known)
    answers = read_withdrawal(patient_decisions.all_questions(portal, clinic), fields, known=known is not None)
    if answers.errors:
        return _show_again(page, fields, answers.errors)
    form = _submitted(page.clinic, state, answers)
    try:
        result = patient_decisions.record_withdrawal(portal, form, known, visitor(request), now)
    except TooManyError as error:
        return _show_too_many(page, fields, error)
    return then(request, result)


def _invitee(template: str, clinic: str, request: Request, now: Instant) -> Invitee | None:
    """Give who followed a personal link to the questions; nobody at a tablet that patients share."""
    token = query(request, "t")
    if template != CONSENT_PAGE or token is None:
        return None
    return find_invitee(get_portal(), clinic, token, now)


def _withdrawal_source(template: str, clinic: str, request: Request, now: Instant) -> WithdrawalSource | None:
    """Give the link or receipt by which somebody withdraws; none at a tablet that patients share."""
    if template != WITHDRAWAL_PAGE:
        return None
    token, receipt = query(request, "t"), query(request, "receipt")
    return find_withdrawal_source(get_portal(), clinic, token=token, receipt=receipt, now=now)


def _consent_page(template: str, clinic: Clinic, request: Request, invitee: Invitee | None, now: Instant) -> FormPage:
    """Give the page of the questions that are open now."""
    asked = clinic.open_at(now)
    if invitee:
        asked = invitee.limit_questions(asked)
    return FormPage(template, asked, request, invitee)


def _submitted(clinic: Clinic, state: FormState, answers: FormAnswers) -> SubmittedForm:
    return SubmittedForm(
        clinic=clinic,
        notice=state.notice,
        nonce=state.nonce,
        channel=state.channel,
        source=state.source,
        answers=answers,
    )


def _show(page: FormPage) -> Response:
    return html(_render(page, _new_state(page.template, page.clinic, page.request)))


def _show_again(page: FormPage, fields: Fields, errors: Sequence[FieldError]) -> Response:
    """Show the same page again: the errors first, what was typed kept, nothing stored."""
    state = state_of(page.template, page.clinic.id, fields)
    fresh = _new_state(page.template, page.clinic, page.request)
    if state is None:
        state = fresh
    elif state.sha256 != fresh.sha256:  # another text or language than the form came from
        state = replace(fresh, opened_at=state.opened_at)
    return html(_render(page, state, fields, errors), 422)


def _show_too_many(page: FormPage, fields: Fields, error: TooManyError) -> Response:
    """Show the same page again with how long to wait, whether or not the contact is known."""
    answer = _show_again(page, fields, [FieldError("errors", "too_many", error.minutes)])
    answer.status_code = 429
    answer.headers.update(retry_after(error))
    return answer


def _render(page: FormPage, state: FormState, fields: Fields | None = None, errors: Sequence[FieldError] = ()) -> str:
    template, clinic = page.template, page.clinic
    return get_portal().evidence.page(
        template,
        clinic,
        state.lang,
        root=mount(page.request),
        state=state.to_token(form_secret(clinic.id, template)),
        kept_query=_kept_query(page, state),
        holder=page.known and page.known.recipient_view(),
        typed=typed_again(fields),
        faults=errors,
    )


def _kept_query(page: FormPage, state: FormState) -> str:
    """Give what the links of a page keep of its own address: the campaign, the QR code, the link or the receipt."""
    kept: dict[str, Any] = {}
    if state.source:
        kept["src"] = state.source
    if state.channel is Channel.QR:
        kept["via"] = "qr"
    receipt = query(page.request, "receipt")
    if isinstance(page.known, WithdrawalSource) and receipt:
        kept["receipt"] = receipt
    elif page.known:
        kept["t"] = query(page.request, "t")
    return "".join(f"&{name}={value}" for name, value in kept.items())


def _new_state(template: str, clinic: Clinic, request: Request) -> FormState:
    lang = language(request, clinic)
    return FormState(
        nonce=new_nonce(),
        version=clinic.version,
        lang=lang,
        sha256=get_portal().evidence.page_sha256(template, clinic, lang),
        source=source(request),
        channel=_channel(template, request),
        opened_at=get_portal().clock(),
    )


def _channel(template: str, request: Request) -> Channel:
    if template in {KIOSK_PAGE, KIOSK_WITHDRAWAL_PAGE}:
        return Channel.KIOSK
    return Channel.QR if query(request, "via") == "qr" else Channel.WEB
