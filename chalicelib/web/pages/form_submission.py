"""What a patient sends: the answers of a consent form, or a withdrawal.

It is read, recorded, or shown again with errors; `services.patient_decisions` records it. The kiosk
sends its forms here too. The page that shows a form does not load this module.
"""

from collections.abc import Callable, Sequence

from chalice.app import Request, Response

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.submission import FieldError, FormAnswers
from chalicelib.portal import get_portal
from chalicelib.services import hand_over, patient_decisions
from chalicelib.services.decisions import NoticeChangedError
from chalicelib.services.hand_over import HandedOver
from chalicelib.services.invitee import Invitee
from chalicelib.services.patient_decisions import CannotAgreeError, FormResult, SubmittedForm
from chalicelib.store.shown_pages import CONSENT_PAGE, WITHDRAWAL_PAGE
from chalicelib.web.errors import retry_after
from chalicelib.web.form_state import FormState, state_of
from chalicelib.web.forms import read_consent, read_withdrawal
from chalicelib.web.pages.decision_form import (
    FormPage,
    consent_form_page,
    new_state,
    read_invitee,
    read_withdrawal_source,
    show_again,
)
from chalicelib.web.pages.steps import is_refusal, known_details, show_next_step, show_step_to_mend
from chalicelib.web.requests import form_fields, mount, visitor
from chalicelib.web.responses import see_other
from chalicelib.web.saved_form import saved_form
from chalicelib.web.typed_fields import Fields, first

TOO_OLD = FieldError("errors", "page_too_old")
NOTICE_CHANGED = FieldError("errors", "notice_changed")

Next = Callable[[Request, FormResult], Response]
"""What a patient is shown after a form was recorded."""


def decide(request: Request, clinic: str) -> Response:
    """Take the answers."""
    return submit_answers(CONSENT_PAGE, clinic, request, _to_receipt)


def withdraw(request: Request, clinic: str) -> Response:
    """Withdraw."""
    return submit_withdrawal(WITHDRAWAL_PAGE, clinic, request, _to_receipt)


def submit_answers(
    template: str,
    clinic: str,
    request: Request,
    then: Next,
    handed: HandedOver | None = None,
) -> Response:
    """Record the answers and go on, or show the page again with what is wrong.

    `handed` is in whose hands the clinic's tablet is, where the desk handed it over.
    """
    portal = get_portal()
    now = portal.clock()
    fields = form_fields(request)
    invitee = None if handed else read_invitee(template, clinic, request, now)
    known = handed or invitee
    state = state_of(template, clinic, fields)
    if state is None:
        current = portal.directory.look_up(clinic).published.clinic
        return _to_mend(
            consent_form_page(template, current, request, known, now), fields, [TOO_OLD]
        )
    shown = portal.clinics.version(clinic, state.version)
    page = consent_form_page(template, shown, request, known, now)
    if page.in_steps and first(fields, "go"):
        return show_next_step(page, state, fields, now)
    answers = read_consent(page.clinic, fields, now, known_details(page))
    if answers.errors:
        return _to_mend(page, fields, answers.errors)
    if Answer.YES in answers.answers.values() and is_refusal(page, state):
        # The page that was shown for a No to everything says nothing of what a Yes is to.
        return _to_mend(page, fields, [TOO_OLD])
    form = _submitted(page.clinic, state, answers)
    try:
        if handed:
            result = hand_over.record_answers(portal, form, handed, visitor(request), now)
        else:
            result = patient_decisions.record_answers(portal, form, invitee, visitor(request), now)
    except (CannotAgreeError, NoticeChangedError, TooManyError) as error:
        return _not_recorded(page, fields, error)
    return then(request, result)


def _not_recorded(
    page: FormPage, fields: Fields, error: CannotAgreeError | NoticeChangedError | TooManyError
) -> Response:
    """Say why the answers were not recorded, with everything that was said."""
    if isinstance(error, TooManyError):
        return _show_too_many(page, fields, error)
    if isinstance(error, CannotAgreeError):
        return _to_mend(page, fields, [FieldError("errors", error.reason)])
    invitee = page.known if isinstance(page.known, Invitee | HandedOver) else None
    now, current = get_portal().clock(), error.published.clinic
    changed = consent_form_page(page.template, current, page.request, invitee, now)
    return _to_mend(changed, fields, [NOTICE_CHANGED])


def submit_withdrawal(template: str, clinic: str, request: Request, then: Next) -> Response:
    """Withdraw at once, whether or not the contact is known.

    A page that is too old still withdraws.
    """
    portal = get_portal()
    now = portal.clock()
    fields = form_fields(request)
    known = read_withdrawal_source(template, clinic, request, now)
    state = state_of(template, clinic, fields)
    if state is None:
        seen = portal.directory.look_up(clinic).published.clinic
        state = new_state(FormPage(template, seen, request))
    page = FormPage(template, portal.clinics.version(clinic, state.version), request, known)
    answers = read_withdrawal(
        patient_decisions.all_questions(portal, clinic), fields, known=known is not None
    )
    if answers.errors:
        return show_again(page, fields, answers.errors)
    form = _submitted(page.clinic, state, answers)
    try:
        result = patient_decisions.record_withdrawal(portal, form, known, visitor(request), now)
    except TooManyError as error:
        return _show_too_many(page, fields, error)
    return then(request, result)


def _to_mend(page: FormPage, fields: Fields, errors: Sequence[FieldError]) -> Response:
    """Show the page that mends what is wrong: of a form in steps the first such step."""
    if page.in_steps:
        return show_step_to_mend(page, fields, errors, get_portal().clock())
    return show_again(page, fields, errors)


def _submitted(clinic: Clinic, state: FormState, answers: FormAnswers) -> SubmittedForm:
    return SubmittedForm(
        clinic=clinic,
        notice=state.notice,
        nonce=state.nonce,
        channel=state.channel,
        source=state.source,
        answers=answers,
    )


def _show_too_many(page: FormPage, fields: Fields, error: TooManyError) -> Response:
    """Show the same page again with how long to wait, whether or not the contact is known."""
    answer = _to_mend(page, fields, [FieldError("errors", "too_many", error.minutes)])
    answer.status_code = 429
    answer.headers.update(retry_after(error))
    return answer


def _to_receipt(request: Request, result: FormResult) -> Response:
    # The form's own receipt, always: another number would show a stranger what happened to a
    # contact since.
    number = result.decision.receipt_id
    saved = saved_form(result)
    token = f"&saved={saved.to_token(result.clinic.id)}" if saved else ""
    address = f"{mount(request)}/{result.clinic.id}/receipts/{number}?lang={result.lang}"
    return see_other(address + token)
