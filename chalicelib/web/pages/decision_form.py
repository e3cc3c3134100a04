"""Asking for a decision: a form page is shown, what comes back is read and recorded, or the page is shown again.

Every page that asks does so here, the patient's own and the kiosk's: they differ in their template and in what follows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalice.app import Request, Response

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel, QuestionId
from chalicelib.domain.decisions import Decision, NoticeRef, new_decision, receipt_id
from chalicelib.domain.guardians import ACTOR
from chalicelib.domain.phones import can_be_written_to
from chalicelib.domain.rate_limits import RateLimitCheck, TooManyError, contact_subjects, withdrawal_subjects
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.submission import FieldError, FormAnswers
from chalicelib.portal import get_portal
from chalicelib.services import decisions
from chalicelib.services.decisions import NoticeChangedError
from chalicelib.services.invitee import Invitee, find_invitee
from chalicelib.services.withdrawal_source import WithdrawalSource, find_withdrawal_source
from chalicelib.store.lookup import Identification, fresh_subject
from chalicelib.store.shown_pages import (
    CONSENT_PAGE,
    KIOSK_PAGE,
    KIOSK_WITHDRAWAL_PAGE,
    WITHDRAWAL_PAGE,
)
from chalicelib.web.errors import retry_after
from chalicelib.web.form_state import FormState, form_secret, new_nonce, state_of
from chalicelib.web.forms import MAX_TYPED, Fields, first, read_consent, read_withdrawal
from chalicelib.web.requests import base_url, form_fields, guard, language, mount, query, source
from chalicelib.web.responses import html


@dataclass(frozen=True, slots=True)
class FormResult:
    """What a form led to: the text it was shown with, the act and the first receipt of it, in which language.

    A form sent again leads to the receipt it led to before.
    """

    clinic: Clinic
    decision: Decision
    receipt: Receipt
    reachable: bool
    """Whether a contact was given to which a message can be sent."""

    lang: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """A page that asks: made of what, by which clinic, in which request, of whom where a link or a receipt says so."""

    template: str
    clinic: Clinic
    request: Request
    by: Invitee | WithdrawalSource | None = None


Next = Callable[[Request, FormResult], Response]
"""What a patient is shown after a form was taken."""


def asking(template: str, clinic: Clinic, request: Request) -> Response:
    """Show a form page, nothing chosen: about what the link names, if the patient followed one."""
    by = _stopper(template, clinic.id, request) or _invited(template, clinic.id, request)
    clinic = _about(clinic, by if isinstance(by, Invitee) else None)
    return html(_form(_Asked(template, clinic, request, by), _new_state(template, clinic, request)))


def _invited(template: str, clinic: str, request: Request) -> Invitee | None:
    """Give who followed a personal link to the questions; nobody at a tablet that patients share."""
    return find_invitee(request, clinic, get_portal().clock()) if template == CONSENT_PAGE else None


def _stopper(template: str, clinic: str, request: Request) -> WithdrawalSource | None:
    """Give who wants to take something back and need not say who they are; nobody at a tablet."""
    return find_withdrawal_source(request, clinic, get_portal().clock()) if template == WITHDRAWAL_PAGE else None


def _about(clinic: Clinic, by: Invitee | None) -> Clinic:
    return by.about(clinic) if by else clinic


def take_answers(template: str, clinic: str, request: Request, then: Next) -> Response:
    """Take the answers: one receipt and what follows, or the page again with what is to be mended."""
    portal = get_portal()
    fields = form_fields(request)
    by = _invited(template, clinic, request)
    state = state_of(template, clinic, fields)
    if state is None:
        current = _about(portal.directory.look_up(clinic).published.clinic.open_at(get_portal().clock()), by)
        return _again(_Asked(template, current, request, by), fields, [FieldError("errors", "page_too_old")])
    at = get_portal().clock()
    shown = _about(portal.clinics.version(clinic, state.version).open_at(at), by)
    said = read_consent(
        shown,
        fields,
        at,
        by.known if by else (),
        named=by is not None and by.named,
        addressed=by is not None and by.addressed,
    )
    asked = _Asked(template, shown, request, by)
    if said.errors:
        return _again(asked, fields, said.errors)
    decision = _act(shown, state, said)
    whom = by.names(contact_subjects(said.contacts[len(by.known) :])) if by else contact_subjects(said.contacts)
    identification = _signature(said, request, guard(request, "consent", whom, decision.recorded_at))
    try:
        seen = portal.directory.look_up(clinic, identification.contacts, guard=identification.guard)
        if by:
            child = said.guardian is not None
            if reason := by.refusal_reason(shown, said, at):
                return _again(asked, fields, [FieldError("errors", reason)])
            decision, identification = by.act(decision, shown, said), by.signature(identification, said)
            anew = child or set(identification.contacts) - seen.people.keys()
            seen = (
                portal.directory.look_up(clinic, identification.contacts, guard=identification.guard) if anew else seen
            )
        receipt = decisions.answer(portal, decision, identification, seen=seen)
    except TooManyError as error:
        return _too_many(asked, fields, error)
    except NoticeChangedError as changed:
        current = _about(changed.published.clinic.open_at(get_portal().clock()), by)
        return _again(replace(asked, clinic=current), fields, [FieldError("errors", "notice_changed")])
    log.count("DecisionRecorded")
    return then(request, FormResult(shown, decision, receipt, _reachable(shown, said), state.lang))


def _reachable(clinic: Clinic, said: FormAnswers) -> bool:
    return any(can_be_written_to(each, clinic.text_message_countries) for each in said.contacts)


def take_withdrawal(template: str, clinic: str, request: Request, then: Next) -> Response:
    """Withdraw at once, whether or not the contact was known; a page that is too old still withdraws."""
    portal = get_portal()
    fields = form_fields(request)
    by = _stopper(template, clinic, request)
    state = state_of(template, clinic, fields)
    if state is None:
        state = _new_state(template, portal.directory.look_up(clinic).published.clinic, request)
    shown = portal.clinics.version(clinic, state.version)
    asked = portal.clinics.with_all_past_questions(
        portal.clinics.remembered(clinic) or portal.directory.look_up(clinic).published
    )
    said = read_withdrawal(asked, fields, known=by is not None)
    if said.errors:
        return _again(_Asked(template, shown, request, by), fields, said.errors)
    decision = _act(shown, state, said)
    whom = by.names(said.answers) if by else withdrawal_subjects(said.contacts, said.answers)
    identification = _signature(said, request, guard(request, "withdraw", whom, decision.recorded_at))
    try:
        receipt = (
            by.withdraw(portal, decision, identification)
            if by
            else decisions.withdraw(portal, decision, identification)[0]
        )
    except TooManyError as error:
        return _too_many(_Asked(template, shown, request, by), fields, error)
    log.count("WithdrawalRecorded")
    return then(request, FormResult(shown, decision, receipt, _reachable(shown, said), state.lang))


def _again(asked: _Asked, fields: Fields, faults: Sequence[FieldError]) -> Response:
    """Give the same page again: an error summary first, what was typed kept, nothing stored."""
    state = state_of(asked.template, asked.clinic.id, fields)
    fresh = _new_state(asked.template, asked.clinic, asked.request)
    if state is None:
        state = fresh
    elif state.sha256 != fresh.sha256:  # another text, or another language, than the one the form came from
        state = replace(fresh, opened_at=state.opened_at)
    return html(_form(asked, state, fields, faults), 422)


def _too_many(asked: _Asked, fields: Fields, error: TooManyError) -> Response:
    """Give the same page again with how long to wait, whether or not the contact is known."""
    answer = _again(asked, fields, [FieldError("errors", "too_many", error.minutes)])
    answer.status_code = 429
    answer.headers.update(retry_after(error))
    return answer


def _form(asked: _Asked, state: FormState, fields: Fields | None = None, faults: Sequence[FieldError] = ()) -> str:
    fields = fields or {}
    typed: dict[str, Any] = {name: first(fields, name)[:MAX_TYPED] for name in fields if name != "state"}
    typed["purposes"] = tuple(fields.get("purpose", ()))
    src = f"&src={state.source}" if state.source else ""
    via = "&via=qr" if state.channel is Channel.QR else ""
    return get_portal().evidence.page(
        asked.template,
        asked.clinic,
        state.lang,
        root=mount(asked.request),
        state=state.to_token(form_secret(asked.clinic.id, asked.template)),
        kept_query=src + via + (asked.by.query if asked.by else ""),
        holder=asked.by and asked.by.recipient_view(),
        typed=typed,
        faults=faults,
    )


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


def _act(clinic: Clinic, state: FormState, said: FormAnswers) -> Decision:
    at, guardian = get_portal().clock(), said.guardian
    declared = {"declared_age": str(clinic.age_minimum)} if said.declared_adult else None
    secret = get_portal().clinics.key(clinic.id).receipt_secret()
    return new_decision(
        clinic,
        said.answers,
        id=receipt_id(secret, state.nonce, said.identity()),
        notice=NoticeRef(state.version, state.lang, state.sha256),
        at=at,
        channel=state.channel,
        source=state.source,
        assurance=Assurance.SELF_ASSERTED,
        actor=ACTOR if guardian else "patient",
        evidence=guardian.evidence if guardian else declared,
        everything=said.everything,
        confirm=_confirmed(clinic, said),
        of_age=guardian.comes_of_age_at(clinic, at) if guardian else "",
    )


def _confirmed(clinic: Clinic, said: FormAnswers) -> frozenset[QuestionId]:
    """Tell what waits of a form: where anything is confirmed first, all of it is, by one message that names it all.

    So is every Yes with two contacts: if it waited only where one of them is known, whoever has the other would learn
    from the message they get who is a patient here.
    """
    yes = {address for address, answer in said.answers.items() if answer is Answer.YES}
    return frozenset(yes) if yes & clinic.needs_confirmation or len(said.contacts) > 1 else frozenset()


def _signature(said: FormAnswers, request: Request, held: RateLimitCheck) -> Identification:
    base = base_url(request, get_portal().settings.public_url)
    contacts = said.guardian.contacts(said.contacts) if said.guardian else said.contacts
    return Identification(contacts, said.name, fresh_subject(), base=base, guard=held, address=said.address)
