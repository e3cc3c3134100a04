"""Asking for a decision: a form page is shown, what comes back is read and recorded, or the page is shown again.

Every page that asks does so here, the patient's own and the kiosk's: they differ in their template and in what follows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalice.app import Request, Response

from chalicelib import journal
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
from chalicelib.guardians import ACTOR
from chalicelib.i18n import negotiate
from chalicelib.incoming import base_url, form_fields, mount, query, source
from chalicelib.instants import Instant, instant
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
    state = FormState.opened(form_secret(clinic, template), first(fields, "state"))
    if state is None:
        current = house.register.look(clinic).published.clinic.asking(now())
        return _again(template, current, request, fields, [Fault("errors", "page_too_old")])
    at = now()
    shown = house.clinics.version(clinic, state.version).asking(at)
    said = read_consent(shown, fields, at)
    if said.faults:
        return _again(template, shown, request, fields, said.faults)
    act = _act(shown, state, said)
    try:
        house.register.answer(act, _signature(said, request))
    except NoticeChangedError as changed:
        current = changed.published.clinic.asking(now())
        return _again(template, current, request, fields, [Fault("errors", "notice_changed")])
    journal.count("DecisionRecorded")
    return then(Taken(shown, act, state.lang))


def take_withdrawal(template: str, clinic: str, request: Request, then: Next) -> Response:
    """Withdraw at once, whether or not the contact was known; a page that is too old still withdraws."""
    house = portal()
    fields = form_fields(request)
    state = FormState.opened(form_secret(clinic, template), first(fields, "state"))
    if state is None:
        state = _new_state(template, house.register.look(clinic).published.clinic, request)
    shown = house.clinics.version(clinic, state.version)
    asked = house.clinics.ever_asked(house.clinics.remembered(clinic) or house.register.look(clinic).published)
    said = read_withdrawal(asked, fields)
    if said.faults:
        return _again(template, shown, request, fields, said.faults)
    act = _act(shown, state, said)
    house.register.withdraw(act, _signature(said, request))
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
    state = FormState.opened(form_secret(clinic.id, template), first(fields, "state"))
    fresh = _new_state(template, clinic, request)
    if state is None or state.sha256 != fresh.sha256:
        state = fresh  # another text, or another language, than the one the form came from
    return html(_form(template, clinic, state, request, fields=fields, faults=faults), 422)


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
    )


def _act(clinic: Clinic, state: FormState, said: Submission) -> Act:
    at, guardian = now(), said.guardian
    declared = {"declared_age": str(clinic.age_minimum)} if said.declared_adult else None
    return Act(
        receipt_id=receipt_id(state.nonce, said.said()),
        clinic=clinic.id,
        answers=said.answers,
        notice=NoticeRef(state.version, state.lang, state.sha256),
        controllers=tuple(controller.named() for controller in clinic.controllers),
        channel=state.channel,
        source=state.source,
        assurance=Assurance.SELF_ASSERTED,
        actor=ACTOR if guardian else "patient",
        evidence=guardian.evidence if guardian else declared,
        effective_at=at,
        recorded_at=at,
        endings=clinic.endings,
        everything=said.everything,
        confirm=clinic.confirmed_first,
        confirm_within=clinic.confirm_within,
        of_age=guardian.of_age(clinic, at) if guardian else "",
    )


def _signature(said: Submission, request: Request) -> Signature:
    base = base_url(request, portal().settings.public_url)
    contacts = said.guardian.contacts(said.contacts) if said.guardian else said.contacts
    return Signature(contacts, said.name, fresh_subject(), base=base)
