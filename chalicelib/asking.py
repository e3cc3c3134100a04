"""Asking for a decision: a form page is shown, what comes back is read and recorded, or the page is shown again.

Every page that asks does so here, the patient's own and the kiosk's: they differ in their template and in what follows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from chalice.app import Request, Response

from chalicelib import journal
from chalicelib.boundary import later
from chalicelib.consent import Assurance, Channel
from chalicelib.forms import (
    MAX_TYPED,
    Fault,
    Fields,
    FormState,
    Submission,
    first,
    new_nonce,
    read_consent,
    read_withdrawal,
)
from chalicelib.i18n import negotiate
from chalicelib.incoming import base_url, form_fields, guard, mount, query, source
from chalicelib.instants import Instant, instant
from chalicelib.limits import Guard, TooManyError, each_of, this_very
from chalicelib.notice import Clinic
from chalicelib.outgoing import html
from chalicelib.receipts import Act, NoticeRef, receipt_id
from chalicelib.store.register import NoticeChangedError, Signature, fresh_subject
from chalicelib.wiring import portal


@dataclass(frozen=True, slots=True)
class Taken:
    """What a form led to: the text it was shown with, the act recorded, in which language."""

    clinic: Clinic
    act: Act
    lang: str


Next = Callable[[Taken], Response]
"""What a patient is shown after a form was taken."""


def asking(template: str, clinic: Clinic, request: Request) -> Response:
    """Show a form page, nothing chosen."""
    return html(_form(template, clinic, _new_state(template, clinic, request), request, fields={}, faults=()))


def take_answers(template: str, clinic: str, request: Request, then: Next) -> Response:
    """Take the answers: one receipt and what follows, or the page again with what is to be mended."""
    house = portal()
    fields = form_fields(request)
    state = FormState.opened(form_secret(clinic, template), first(fields, "state"), now())
    if state is None:
        current = house.register.look(clinic).published.clinic.asking(now())
        return _again(template, current, request, fields, [Fault("errors", "page_too_old")])
    shown = house.clinics.version(clinic, state.version).asking(now())
    said = read_consent(shown, fields)
    if said.faults:
        return _again(template, shown, request, fields, said.faults)
    act = _act(shown, state, said)
    held = guard(request, "consent", each_of(said.contacts), act.recorded_at)
    try:
        house.register.answer(act, _signature(said, request, held))
    except TooManyError as error:
        return _too_many(template, shown, request, fields, error)
    except NoticeChangedError as changed:
        current = changed.published.clinic.asking(now())
        return _again(template, current, request, fields, [Fault("errors", "notice_changed")])
    journal.count("DecisionRecorded")
    return then(Taken(shown, act, state.lang))


def take_withdrawal(template: str, clinic: str, request: Request, then: Next) -> Response:
    """Withdraw at once, whether or not the contact was known; a page that is too old still withdraws."""
    house = portal()
    fields = form_fields(request)
    state = FormState.opened(form_secret(clinic, template), first(fields, "state"), now())
    if state is None:
        state = _new_state(template, house.register.look(clinic).published.clinic, request)
    shown = house.clinics.version(clinic, state.version)
    asked = house.clinics.ever_asked(house.clinics.remembered(clinic) or house.register.look(clinic).published)
    said = read_withdrawal(asked, fields)
    if said.faults:
        return _again(template, shown, request, fields, said.faults)
    act = _act(shown, state, said)
    held = guard(request, "withdraw", this_very(said.contacts, said.answers), act.recorded_at)
    try:
        house.register.withdraw(act, _signature(said, request, held))
    except TooManyError as error:
        return _too_many(template, shown, request, fields, error)
    journal.count("WithdrawalRecorded")
    return then(Taken(shown, act, state.lang))


def form_secret(clinic: str, template: str) -> bytes:
    """Give the secret that signs the state of one page of one clinic: a withdrawal page's is none for a consent."""
    return portal().clinics.key(clinic).form_secret() + template.encode()


def language(request: Request, clinic: Clinic) -> str:
    """Tell in which of the clinic's languages to answer."""
    return negotiate(
        query(request, "lang"), request.headers.get("accept-language"), clinic.languages, clinic.default_language
    )


def now() -> Instant:
    """Tell the time."""
    return instant(datetime.now(UTC))


def _again(template: str, clinic: Clinic, request: Request, fields: Fields, faults: Sequence[Fault]) -> Response:
    """Give the same page again: an error summary first, what was typed kept, nothing stored."""
    state = FormState.opened(form_secret(clinic.id, template), first(fields, "state"), now())
    fresh = _new_state(template, clinic, request)
    if state is None:
        state = fresh
    elif state.sha256 != fresh.sha256:  # another text, or another language, than the one the form came from
        state = replace(fresh, opened_at=state.opened_at)
    return html(_form(template, clinic, state, request, fields=fields, faults=faults), 422)


def _too_many(template: str, clinic: Clinic, request: Request, fields: Fields, error: TooManyError) -> Response:
    """Give the same page again with how long to wait, whether or not the contact is known."""
    answer = _again(template, clinic, request, fields, [Fault("errors", "too_many", error.minutes)])
    answer.status_code = 429
    answer.headers.update(later(error))
    return answer


def _form(
    template: str, clinic: Clinic, state: FormState, request: Request, *, fields: Fields, faults: Sequence[Fault]
) -> str:
    typed: dict[str, Any] = {name: first(fields, name)[:MAX_TYPED] for name in fields if name != "state"}
    typed["purposes"] = tuple(fields.get("purpose", ()))
    src = f"&src={state.source}" if state.source else ""
    via = "&via=qr" if state.channel is Channel.QR else ""
    return portal().evidence.page(
        template,
        clinic,
        state.lang,
        root=mount(request),
        state=state.sealed(form_secret(clinic.id, template)),
        kept_query=src + via,
        typed=typed,
        faults=faults,
    )


def _new_state(template: str, clinic: Clinic, request: Request) -> FormState:
    lang = language(request, clinic)
    return FormState(
        nonce=new_nonce(),
        version=clinic.version,
        lang=lang,
        sha256=portal().evidence.shown(template, clinic, lang),
        source=source(request),
        channel=Channel.QR if query(request, "via") == "qr" else Channel.WEB,
        opened_at=now(),
    )


def _act(clinic: Clinic, state: FormState, said: Submission) -> Act:
    at = now()
    return Act(
        receipt_id=receipt_id(state.nonce, said.said()),
        clinic=clinic.id,
        answers=said.answers,
        notice=NoticeRef(state.version, state.lang, state.sha256),
        controllers=tuple(controller.named() for controller in clinic.controllers),
        channel=state.channel,
        source=state.source,
        assurance=Assurance.SELF_ASSERTED,
        actor="patient",
        evidence={"declared_age": str(clinic.age_minimum)} if said.declared_adult else None,
        effective_at=at,
        recorded_at=at,
        endings=clinic.endings,
        everything=said.everything,
        confirm=clinic.confirmed_first,
        confirm_within=clinic.confirm_within,
    )


def _signature(said: Submission, request: Request, held: Guard) -> Signature:
    base = base_url(request, portal().settings.public_url)
    return Signature(said.contacts, said.name, fresh_subject(), base=base, guard=held)
