"""The patient's pages: consent, withdrawal, the receipt, the notice and what was shown."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chalice.app import Blueprint, Request, Response
from markupsafe import Markup

from chalicelib import journal
from chalicelib.boundary import NotFoundError, page
from chalicelib.consent import Assurance, Channel
from chalicelib.evidence import CONSENT_PAGE, WITHDRAWAL_PAGE
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
from chalicelib.i18n import negotiate, spoken_day, spoken_time
from chalicelib.incoming import ANY_TYPE, base_url, form_fields, mount, query, source
from chalicelib.instants import Instant, instant
from chalicelib.notice import Clinic
from chalicelib.outgoing import html, rendered, see_other
from chalicelib.pages import render
from chalicelib.proof import key_id, printed_code
from chalicelib.receipts import Act, NoticeRef, Receipt, receipt_id
from chalicelib.renditions import PAPER, rendition
from chalicelib.schedule import stage
from chalicelib.store.register import NoticeChangedError, Signature, fresh_subject
from chalicelib.wiring import portal

patient = Blueprint(__name__)

KEPT_PAGE = {
    "Cache-Control": "public, max-age=31536000, immutable",
    # It carries the styles of its own day, and its form leads nowhere.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'",
}


@patient.route("/{clinic}", methods=["GET"], content_types=ANY_TYPE)
@page(patient)
def consent_page(clinic: str) -> Response:
    """Show the questions."""
    seen = portal().register.look(clinic).published.clinic
    return html(_asking(CONSENT_PAGE, seen.asking(_now()), patient.current_request))


@patient.route("/{clinic}", methods=["POST"], content_types=ANY_TYPE)
@page(patient)
def decide(clinic: str) -> Response:
    """Take the answers: one receipt, or the page again with what is to be mended."""
    request, house = patient.current_request, portal()
    fields = form_fields(request)
    state = FormState.opened(form_secret(clinic, CONSENT_PAGE), first(fields, "state"))
    if state is None:
        current = house.register.look(clinic).published.clinic.asking(_now())
        return _again(CONSENT_PAGE, current, fields, [Fault("errors", "page_too_old")])
    now = _now()
    shown = house.clinics.version(clinic, state.version).asking(now)
    said = read_consent(shown, fields, now)
    if said.faults:
        return _again(CONSENT_PAGE, shown, fields, said.faults)
    act = _act(shown, state, said)
    try:
        house.register.answer(act, _signature(said))
    except NoticeChangedError as changed:
        current = changed.published.clinic.asking(_now())
        return _again(CONSENT_PAGE, current, fields, [Fault("errors", "notice_changed")])
    journal.count("DecisionRecorded")
    return see_other(_receipt_address(request, clinic, act.receipt_id, state.lang))


@patient.route("/{clinic}/withdraw", methods=["GET"], content_types=ANY_TYPE)
@page(patient)
def withdrawal_page(clinic: str) -> Response:
    """Show the withdrawal form."""
    seen = portal().register.look(clinic).published.clinic
    return html(_asking(WITHDRAWAL_PAGE, seen, patient.current_request))


@patient.route("/{clinic}/withdraw", methods=["POST"], content_types=ANY_TYPE)
@page(patient)
def withdraw(clinic: str) -> Response:
    """Withdraw at once, whether or not the contact was known; a page that is too old still withdraws."""
    request, house = patient.current_request, portal()
    fields = form_fields(request)
    state = FormState.opened(form_secret(clinic, WITHDRAWAL_PAGE), first(fields, "state"))
    if state is None:
        state = _new_state(WITHDRAWAL_PAGE, house.register.look(clinic).published.clinic, request)
    shown = house.clinics.version(clinic, state.version)
    asked = house.clinics.ever_asked(house.clinics.remembered(clinic) or house.register.look(clinic).published)
    said = read_withdrawal(asked, fields)
    if said.faults:
        return _again(WITHDRAWAL_PAGE, shown, fields, said.faults)
    act = _act(shown, state, said)
    house.register.withdraw(act, _signature(said))
    journal.count("WithdrawalRecorded")
    return see_other(_receipt_address(request, clinic, act.receipt_id, state.lang))


@patient.route("/{clinic}/receipts/{receipt}", methods=["GET"], content_types=ANY_TYPE)
@page(patient)
def receipt_page(clinic: str, receipt: str) -> Response:
    """Show a receipt to whoever has its number: what was said, never by whom."""
    house, request = portal(), patient.current_request
    found, signed = house.register.issued(clinic, receipt)
    document = found.document
    shown = house.clinics.version(clinic, document["notice"]["version"])
    lang = _language(request, shown)
    if wanted := query(request, "format"):
        return _on_paper(found, signed, shown, lang, wanted)
    answers = {entry["answer"] for entry in document["decisions"].values()}
    filled = {
        "said": shown.answered(document["decisions"]),
        "agreed": "yes" in answers,
        "withdrawn": answers == {"withdraw"},
        "receipt": document,
        "when": spoken_time(document["effective_at"], lang, shown.country),
        "kid": key_id(signed) if signed else None,
        "code": printed_code(shown.code, found),
        "root": mount(request),
    }
    return html(render("pages/receipt.html", lang, clinic=shown, **filled))


@patient.route("/{clinic}/notices/{version}", methods=["GET"], content_types=ANY_TYPE)
@page(patient)
def notice_page(clinic: str, version: str) -> Response:
    """Show the full notice of a version, for ever."""
    house, request = portal(), patient.current_request
    published = house.register.look(clinic).published
    shown = house.clinics.version(clinic, version)
    lang = _language(request, shown)
    full = house.clinics.full_notice(clinic, version, lang)
    now = _now()
    versions = [
        {
            "version": each.version,
            "since": spoken_day(each.since, lang, shown.country),
            "stage": stage(each.since, each.version, published.published, now),
        }
        for each in reversed(published.published)
    ]
    filled = {
        "article": Markup(full.html),  # noqa: S704 - rendered by the portal when it was published, see edition.py
        "sha256": full.sha256,
        "this": next(each for each in versions if each["version"] == version),
        "current": published.in_force.version,
        "versions": versions,
        "root": mount(request),
    }
    return html(render("pages/notice.html", lang, clinic=shown, **filled))


@patient.route("/{clinic}/shown/{sha256}", methods=["GET"], content_types=ANY_TYPE)
@page(patient)
def shown_page(clinic: str, sha256: str) -> Response:
    """Give a page exactly as it was shown: its bytes have this SHA-256."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise NotFoundError
    return html(portal().clinics.shown(clinic, sha256), headers=KEPT_PAGE)


def form_secret(clinic: str, template: str) -> bytes:
    """Give the secret that signs the state of one page of one clinic: a withdrawal page's is none for a consent."""
    return portal().clinics.key(clinic).form_secret() + template.encode()


def _asking(template: str, clinic: Clinic, request: Request) -> str:
    return _form(template, clinic, _new_state(template, clinic, request), {}, ())


def _again(template: str, clinic: Clinic, fields: Fields, faults: Sequence[Fault]) -> Response:
    """Give the same page again: an error summary first, what was typed kept, nothing stored."""
    request = patient.current_request
    state = FormState.opened(form_secret(clinic.id, template), first(fields, "state"))
    fresh = _new_state(template, clinic, request)
    if state is None or state.sha256 != fresh.sha256:
        state = fresh  # another text, or another language, than the one the form came from
    return html(_form(template, clinic, state, fields, faults), 422)


def _form(template: str, clinic: Clinic, state: FormState, fields: Fields, faults: Sequence[Fault]) -> str:
    typed: dict[str, Any] = {name: first(fields, name)[:MAX_TYPED] for name in fields if name != "state"}
    typed["purposes"] = tuple(fields.get("purpose", ()))
    src = f"&src={state.source}" if state.source else ""
    via = "&via=qr" if state.channel is Channel.QR else ""
    return portal().evidence.page(
        template,
        clinic,
        state.lang,
        root=mount(patient.current_request),
        state=state.sealed(form_secret(clinic.id, template)),
        kept_query=src + via,
        typed=typed,
        faults=faults,
    )


def _new_state(template: str, clinic: Clinic, request: Request) -> FormState:
    lang = _language(request, clinic)
    return FormState(
        nonce=new_nonce(),
        version=clinic.version,
        lang=lang,
        sha256=portal().evidence.shown(template, clinic, lang),
        source=source(request),
        channel=Channel.QR if query(request, "via") == "qr" else Channel.WEB,
    )


def _on_paper(receipt: Receipt, signed: str | None, clinic: Clinic, lang: str, wanted: str) -> Response:
    """Give a receipt with the text it is about, to keep or to print: a PDF, or a page that stands alone."""
    from chalicelib.formats import Issued  # noqa: PLC0415 - no other page needs it

    if wanted not in PAPER:
        raise NotFoundError
    house = portal()
    base = base_url(patient.current_request, house.settings.public_url)
    issued = Issued(receipt, clinic, lang, now={}, jws=signed, base_url=base, at=_now())
    written = rendition(issued, wanted, lambda: house.clinics.shown(clinic.id, receipt.document["notice"]["sha256"]))
    return rendered(written, f"consent-receipt-{receipt.id}")


def _language(request: Request, clinic: Clinic) -> str:
    return negotiate(
        query(request, "lang"), request.headers.get("accept-language"), clinic.languages, clinic.default_language
    )


def _act(clinic: Clinic, state: FormState, said: Submission) -> Act:
    now, guardian = _now(), said.guardian
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
        effective_at=now,
        recorded_at=now,
        endings=clinic.endings,
        everything=said.everything,
        confirm=clinic.confirmed_first,
        confirm_within=clinic.confirm_within,
        of_age=guardian.of_age(clinic, now) if guardian else "",
    )


def _now() -> Instant:
    return instant(datetime.now(UTC))


def _signature(said: Submission) -> Signature:
    base = base_url(patient.current_request, portal().settings.public_url)
    contacts = said.guardian.contacts(said.contacts) if said.guardian else said.contacts
    return Signature(contacts, said.name, fresh_subject(), base=base)


def _receipt_address(request: Request, clinic: str, receipt: str, lang: str) -> str:
    # The form's own receipt, always: a number that changed would tell a stranger what happened to a contact since.
    return f"{mount(request)}/{clinic}/receipts/{receipt}?lang={lang}"
