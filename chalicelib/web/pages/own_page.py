"""What the patient's own page does: tells, changes, stops, hands out, erases. Reached by a link alone (`visit`)."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalice.app import Request, Response

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel, QuestionId
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact
from chalicelib.domain.decisions import Decision, NoticeRef, new_decision, receipt_id
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.guardians import ACTOR, is_of_consent_age, last_relation
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.links import LinkScope
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.submission import FieldError, FormAnswers
from chalicelib.messages.rules import Message
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import format_day
from chalicelib.presentation.templates import render
from chalicelib.receipts.errors import FormatCannotExpressError, UnsignedError
from chalicelib.receipts.formats.registry import PAPER, find_format
from chalicelib.receipts.sd_jwt import disclosed_texts
from chalicelib.services import decisions
from chalicelib.services.data_export import DataExport
from chalicelib.services.decisions import NoticeChangedError
from chalicelib.services.own_page import OwnPage, describe, enter
from chalicelib.services.receipt_copies import FullAccess, find_receipt, write_copy
from chalicelib.store import outbox, rate_limits
from chalicelib.store.links import OldLinkError
from chalicelib.store.lookup import Identification, fresh_subject
from chalicelib.store.personal_data import all_kept_disclosures
from chalicelib.store.shown_pages import MANAGE_PAGE
from chalicelib.web.errors import retry_after
from chalicelib.web.form_state import FormState, form_secret, new_nonce
from chalicelib.web.forms import MAX_TYPED, Fields, first, read_changes, read_stops
from chalicelib.web.requests import base_url, form_fields, guard, mount, query
from chalicelib.web.responses import document, html, rendered, see_other

ERASE_WITHIN = timedelta(days=3)
"""For how long the link in the message opens that asks whether somebody wants to be erased."""

SEVERAL = FieldError("errors", "several_people")
FORGOTTEN = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
"""The address is the key: it goes into no other site's log and stays in no cache (OWASP ASVS 5.0, 14.2.1)."""


def view(request: Request, token: str) -> Response:
    """Show the page."""
    visit = enter(request, token)
    return html(_page(visit, _new_state(visit)) if visit.people else _told(visit, "unknown"), headers=FORGOTTEN)


def submit(request: Request, token: str) -> Response:
    """Carry out what was chosen on the page; where nothing was, change nothing and say so."""
    visit, fields = enter(request, token), form_fields(request)
    if not visit.people:
        return html(_told(visit, "unknown"), headers=FORGOTTEN)
    carry_out = {"stop": _stop, "erase": _erase, "contact": _contact}.get(first(fields, "act"), _change)
    return carry_out(visit, fields)


def download_receipt(request: Request, token: str, receipt: str) -> Response:
    """Hand out one of the person's receipts in any format: the link proves the contact, so states may be told too."""
    visit, portal = enter(request, token), get_portal()
    found = find_receipt(portal, visit.lookup.published.clinic.id, receipt)
    if found.receipt.document["subject"] != visit.person.id:
        raise NotFoundError
    format_name, lang = query(request, "format"), found.language(visit.lang)
    base = base_url(request, portal.settings.public_url)
    access = FullAccess(visit.lookup.published.in_force, visit.person)
    try:
        copy = write_copy(portal, found, format_name, lang=lang, base_url=base, now=visit.now, access=access)
    except UnsignedError:
        return html(_told(visit, "unsigned"), 409, {**FORGOTTEN, "Retry-After": "60"})
    except FormatCannotExpressError:
        return html(_told(visit, "unspeakable"), 406, FORGOTTEN)
    name = f"consent-receipt-{found.receipt.id}"
    answer = rendered(copy, name)
    if format_name not in PAPER:
        extension = find_format(format_name).extension
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{extension}"'
    answer.headers.update(FORGOTTEN)
    return answer


def download_data(request: Request, token: str, form: str) -> Response:
    """Hand out everything the portal knows of the person, to take along."""
    visit, portal = enter(request, token), get_portal()
    noted = all_kept_disclosures(portal.table, portal.clinics.key(visit.clinic.id), visit.person)
    everything = DataExport(
        clinic=visit.lookup.published.clinic,
        lang=visit.lang,
        at=visit.now,
        subject=visit.person.id,
        contacts=visit.contacts,
        names=visit.contact_details.names,
        addresses=visit.contact_details.addresses,
        decisions=visit.decisions,
        disclosures=visit.disclosures,
        receipts=visit.receipts,
        left_out=visit.left_out,
        evidence={version: disclosed_texts(each) for version, each in noted.items()},
        restricted_since=visit.person.restricted_since,
    )
    headers = {**FORGOTTEN, "Content-Disposition": f'attachment; filename="my-consents.{form}"'}
    if form == "json":
        return document(everything.document(), headers=headers)
    if form == "csv":
        return Response(everything.table(), {"Content-Type": "text/csv; charset=utf-8", **headers})
    raise NotFoundError


def _change(visit: OwnPage, fields: Fields) -> Response:
    state = _opened(visit, fields)
    if visit.shared:
        return _again(visit, fields, [SEVERAL])
    if state is None:
        return _again(visit, fields, [FieldError("errors", "page_too_old")])
    shown = get_portal().clinics.version(visit.clinic.id, state.version).open_at(visit.now)
    said = read_changes(shown, fields, visit.contact_details.known)
    faults = [*said.errors]
    if Answer.YES in said.answers.values() and is_of_consent_age(shown, visit.person.of_age, visit.now):
        faults.append(FieldError("errors", "child_decides_alone"))
    if faults:
        return _again(visit, fields, faults)
    decision, identification = (
        _act(visit, shown, state, said),
        _signature(visit, visit.person.id, "manage", f"link:{visit.opened.id}"),
    )
    unproven, contacts = _unproven(visit, shown, said)
    if unproven:
        decision = replace(decision, confirm=frozenset(unproven))
        identification = replace(identification, contacts=(*identification.contacts, *contacts))
    try:
        done = decisions.record(get_portal(), decision, identification)
    except TooManyError as error:
        return _too_many(visit, fields, error)
    except NoticeChangedError:
        return _again(visit, fields, [FieldError("errors", "notice_changed")])
    log.count("DecisionRecorded")
    return _done(visit, done)


def _unproven(visit: OwnPage, clinic: Clinic, said: FormAnswers) -> tuple[set[QuestionId], list[Contact]]:
    """Tell which Yes another contact confirms than the one the link came to, and which contacts those are.

    Anybody may have typed somebody else's phone beside an e-mail of their own; their link proves the e-mail alone.
    What was ever granted is proven.
    """
    holder = visit.opened.holder.contact
    kinds = [holder.kind, *(contact.kind for contact, _ in visit.contact_details.contacts)]
    asked = {
        address: clinic.confirming_kind(address, kinds) for address, answer in said.answers.items() if answer == "yes"
    }
    standings = visit.person.summaries
    unproven = {
        address: kind
        for address, kind in asked.items()
        if kind not in {holder.kind, None} and not (address in standings and standings[address].first_yes)
    }
    contacts = [contact for contact, _ in visit.contact_details.contacts if contact.kind in unproven.values()]
    return set(unproven), contacts


def _stop(visit: OwnPage, fields: Fields) -> Response:
    """Stop what is ticked, at once; a page that is too old still stops.

    It is counted apart from changing, and by what is stopped: what is refused was just done
    (`rate_limits.withdrawal_subjects`).
    """
    said = read_stops(visit.all_questions, fields)
    if said.errors:
        return _again(visit, fields, said.errors)
    portal, state = get_portal(), _opened(visit, fields) or _new_state(visit)
    decision = _act(visit, portal.clinics.version(visit.clinic.id, state.version), state, said)
    very = "|".join([f"link:{visit.opened.id}", *sorted(said.answers)])
    identification = _signature(visit, None if visit.shared else visit.person.id, "manage-stop", very)
    try:
        done = (
            decisions.withdraw(portal, decision, identification)[0]
            if visit.shared
            else decisions.record(portal, decision, identification)
        )
    except TooManyError as error:
        return _too_many(visit, fields, error)
    log.count("WithdrawalRecorded")
    return _done(visit, done)


def _erase(visit: OwnPage, fields: Fields) -> Response:
    """Ask the person, by their own contact, whether they mean it: whoever has this page's address may not be them.

    Never from a page that is too old, or without the tick, which no program that sends forms as they are makes.
    """
    if first(fields, "erase") != "yes":
        return _again(visit, fields, [FieldError("erase", "erase_unticked")])
    if _opened(visit, fields) is None:
        return _again(visit, fields, [FieldError("errors", "page_too_old")])
    portal, holder = get_portal(), visit.opened.holder.contact
    key, person = portal.clinics.key(visit.clinic.id), visit.person
    own = [
        each
        for each, _ in visit.contact_details.contacts
        if each.kind in REACHABLE_KINDS and person.owns(key.lookup(each))
    ]
    if not own:
        return html(_told(visit, "erase_nowhere"), 409, FORGOTTEN)
    base = base_url(visit.request, portal.settings.public_url)
    until = instant(moment(visit.now) + ERASE_WITHIN)
    word = outbox.OutboxEntry(Message.ERASE, visit.clinic.id, person.id, visit.lang, base, until=until)
    asked = outbox.outbox_put(key, person.salt, secrets.token_hex(16), word, [holder] if holder in own else own[:1])
    held = guard(visit.request, "erase", (f"link:{visit.opened.id}",), visit.now)
    try:
        rate_limits.spend(portal.table, key, held, [asked])
    except TooManyError as error:
        return _too_many(visit, fields, error)
    return html(_told(visit, "erase_asked"), headers=FORGOTTEN)


def erase_page(request: Request, token: str) -> Response:
    """Show what erasing does to whoever followed the link from their own contact."""
    return html(_told(enter(request, token, LinkScope.ERASE), "erase_confirm", faults=()), headers=FORGOTTEN)


def erase_person(request: Request, token: str) -> Response:
    """Erase the person, who ticked it on the page their own contact was led to; nothing brings it back."""
    from chalicelib.services.subject_rights import erase  # noqa: PLC0415 - only what is asked for is loaded

    visit, fields = enter(request, token, LinkScope.ERASE), form_fields(request)
    if first(fields, "erase") != "yes":
        faults = [FieldError("erase", "erase_unticked")]
        return html(_told(visit, "erase_confirm", faults=faults), 422, FORGOTTEN)
    erased = erase(get_portal(), visit.clinic.id, visit.person.id, "patient", visit.now)
    if erased is None:
        raise OldLinkError(visit.opened.link)
    log.count("ErasedByPatient")
    until = format_day(erased.proof_until, visit.lang, visit.clinic.country)
    return html(_told(visit, "erased", until=until), headers=FORGOTTEN)


def _contact(visit: OwnPage, fields: Fields) -> Response:
    """Remove a contact, or ask a new one to confirm itself; never from a page that is too old."""
    from chalicelib.web.pages import own_contacts  # noqa: PLC0415 - only what is asked for is loaded

    state = _opened(visit, fields)
    if state is None:
        return _again(visit, fields, [FieldError("errors", "page_too_old")])
    try:
        done = own_contacts.carry_out(visit, fields, state)
    except TooManyError as error:
        return _too_many(visit, fields, error)
    if isinstance(done, own_contacts.ContactRequest):
        return _lead_back(visit, done.value)
    if not isinstance(done, Receipt):
        return _again(visit, fields, done)
    log.count("ContactRectified")
    return _lead_back(visit, done.id)


def _done(visit: OwnPage, done: Receipt) -> Response:
    return _lead_back(visit, done.id)


def _lead_back(visit: OwnPage, done: str) -> Response:
    answer = see_other(f"{visit.address}?lang={visit.lang}&done={done}")
    answer.headers.update(FORGOTTEN)
    return answer


def _act(visit: OwnPage, clinic: Clinic, state: FormState, said: FormAnswers) -> Decision:
    child = any(person.of_age for person in visit.people)
    declared = {"declared_age": str(clinic.age_minimum)} if said.declared_adult else {}
    secret = get_portal().clinics.key(clinic.id).receipt_secret()
    return new_decision(
        clinic,
        said.answers,
        id=receipt_id(secret, state.nonce, said.identity()),
        notice=NoticeRef(state.version, state.lang, state.sha256),
        at=visit.now,
        channel=state.channel,
        assurance=Assurance.LINK,
        actor=ACTOR if child else "patient",
        evidence={**(last_relation(visit.receipts) if child else {}), **declared},
        everything=said.everything,
    )


def _signature(visit: OwnPage, person: str | None, deed: str, whom: str) -> Identification:
    base = base_url(visit.request, get_portal().settings.public_url)
    held = guard(visit.request, deed, (whom,), visit.now)
    holder = visit.opened.holder.contact
    return Identification((holder,), None, fresh_subject(), person=person, base=base, proves=(holder,), guard=held)


def _secret(visit: OwnPage) -> bytes:
    """Give the secret that signs the page's state: another link's state is none here."""
    return form_secret(visit.clinic.id, f"{MANAGE_PAGE}|{visit.opened.id}")


def _opened(visit: OwnPage, fields: Fields) -> FormState | None:
    return FormState.from_token(_secret(visit), first(fields, "state"), visit.now)


def _new_state(visit: OwnPage) -> FormState:
    clinic, lang = visit.clinic, visit.lang
    sha256 = get_portal().evidence.page_sha256(MANAGE_PAGE, clinic, lang)
    return FormState(new_nonce(), clinic.version, lang, sha256, None, Channel.EMAIL_LINK, visit.now)


def _again(visit: OwnPage, fields: Fields, faults: Sequence[FieldError]) -> Response:
    state, fresh = _opened(visit, fields), _new_state(visit)
    fresh = replace(fresh, opened_at=state.opened_at) if state else fresh
    return html(_page(visit, fresh, fields, faults), 422, FORGOTTEN)


def _too_many(visit: OwnPage, fields: Fields, error: TooManyError) -> Response:
    answer = _again(visit, fields, [FieldError("errors", "too_many", error.minutes)])
    answer.status_code = 429
    answer.headers.update(retry_after(error))
    return answer


def _told(visit: OwnPage, kind: str, **more: object) -> str:
    """Render a page that only says something."""
    clinic, back = visit.lookup.published.clinic, f"{visit.address}?lang={visit.lang}"
    return render("pages/own.html", visit.lang, clinic=clinic, root=mount(visit.request), kind=kind, back=back, **more)


def _page(visit: OwnPage, state: FormState, fields: Fields | None = None, faults: Sequence[FieldError] = ()) -> str:
    fields = fields or {}
    typed: dict[str, Any] = {name: first(fields, name)[:MAX_TYPED] for name in fields if name != "state"}
    typed["purposes"] = tuple(fields.get("purpose", ()))
    return get_portal().evidence.page(
        MANAGE_PAGE,
        visit.clinic,
        visit.lang,
        root=mount(visit.request),
        state=state.to_token(_secret(visit)),
        kept_query="",
        typed=typed,
        faults=faults,
        own=describe(visit),
    )
