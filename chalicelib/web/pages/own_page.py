"""What the patient's own page does: tells, changes, stops, hands out, erases. Reached by a link alone (`visit`)."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalice.app import Request, Response

from chalicelib import log
from chalicelib.domain import overview
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Address, Answer, Assurance, Channel
from chalicelib.domain.contacts import REACH, Contact
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.guardians import ACTOR, outgrown, relation
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.links import Power
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.receipts import Act, NoticeRef, Receipt, receipt_id
from chalicelib.domain.submission import Fault, Submission
from chalicelib.messages.rules import Message
from chalicelib.portal import portal
from chalicelib.presentation.i18n import spoken_day
from chalicelib.presentation.templates import render
from chalicelib.receipts.formats.registry import FORMATS, PAPER, SD_JWT, UnsignedError, rendition
from chalicelib.receipts.sd_jwt import words
from chalicelib.services.data_export import Takeout
from chalicelib.services.own_page import Visit, enter, told
from chalicelib.store import messages, rate_limits
from chalicelib.store.links import OldLinkError
from chalicelib.store.lookup import Signature, fresh_subject
from chalicelib.store.personal_data import all_withheld, withheld
from chalicelib.store.receipts import NoticeChangedError
from chalicelib.store.shown_pages import MANAGE_PAGE
from chalicelib.web.errors import later
from chalicelib.web.forms import (
    MAX_TYPED,
    Fields,
    FormState,
    first,
    new_nonce,
    read_changes,
    read_stops,
)
from chalicelib.web.pages.decision_form import form_secret
from chalicelib.web.requests import base_url, form_fields, guard, mount, query
from chalicelib.web.responses import document, html, rendered, see_other

ERASE_WITHIN = timedelta(days=3)
"""For how long the link in the message opens that asks whether somebody wants to be erased."""

SEVERAL = Fault("errors", "several_people")
FORGOTTEN = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
"""The address is the key: it goes into no other site's log and stays in no cache (OWASP ASVS 5.0, 14.2.1)."""


def show(request: Request, token: str) -> Response:
    """Show the page."""
    visit = enter(request, token)
    return html(_page(visit, _new_state(visit)) if visit.people else _told(visit, "unknown"), headers=FORGOTTEN)


def take(request: Request, token: str) -> Response:
    """Carry out what was chosen on the page; where nothing was, change nothing and say so."""
    visit, fields = enter(request, token), form_fields(request)
    if not visit.people:
        return html(_told(visit, "unknown"), headers=FORGOTTEN)
    carry_out = {"stop": _stop, "erase": _erase, "contact": _contact}.get(first(fields, "act"), _change)
    return carry_out(visit, fields)


def receipt(request: Request, token: str, number: str) -> Response:
    """Hand out one of the person's receipts in any format: the link proves the contact, so states may be told too."""
    from chalicelib.receipts.formats.issued import Issued, UnspeakableError  # noqa: PLC0415 - only what is asked for is loaded

    visit, house, wanted = enter(request, token), portal(), query(request, "format")
    found, signed = house.register.issued(visit.look.published.clinic.id, number)
    if wanted not in FORMATS or found.document["subject"] != visit.person.id:
        raise NotFoundError
    notice = found.document["notice"]
    shown = house.clinics.decided_under(visit.clinic.id, notice)
    lang = visit.lang if visit.lang in shown.languages else notice["lang"]
    held = overview.still_held(found, visit.person, visit.look.published.in_force, visit.now)
    base = base_url(request, house.settings.public_url)
    key = house.clinics.key(shown.id)
    disclosures = withheld(house.table, key, found) if wanted == SD_JWT else ()
    issued = Issued(found, shown, lang, held, signed, base, visit.now, disclosures)
    try:
        written = rendition(issued, wanted, lambda: house.clinics.shown(shown.id, notice["sha256"]))
    except UnsignedError:
        return html(_told(visit, "unsigned"), 409, {**FORGOTTEN, "Retry-After": "60"})
    except UnspeakableError:
        return html(_told(visit, "unspeakable"), 406, FORGOTTEN)
    name = f"consent-receipt-{found.id}"
    answer = rendered(written, name)
    if wanted not in PAPER:
        ending = wanted if wanted in {"json", "jws", SD_JWT} else f"{wanted}.json"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{ending}"'
    answer.headers.update(FORGOTTEN)
    return answer


def takeout(request: Request, token: str, form: str) -> Response:
    """Hand out everything the portal knows of the person, to take along."""
    visit, house = enter(request, token), portal()
    noted = all_withheld(house.table, house.clinics.key(visit.clinic.id), visit.person)
    everything = Takeout(
        clinic=visit.look.published.clinic,
        lang=visit.lang,
        at=visit.now,
        subject=visit.person.id,
        contacts=visit.contacts,
        names=visit.revealed.names,
        addresses=visit.revealed.addresses,
        decisions=visit.decisions,
        disclosures=visit.disclosures,
        receipts=visit.receipts,
        left_out=visit.left_out,
        evidence={version: words(each) for version, each in noted.items()},
        restricted_since=visit.person.restricted_since,
    )
    headers = {**FORGOTTEN, "Content-Disposition": f'attachment; filename="my-consents.{form}"'}
    if form == "json":
        return document(everything.document(), headers=headers)
    if form == "csv":
        return Response(everything.table(), {"Content-Type": "text/csv; charset=utf-8", **headers})
    raise NotFoundError


def _change(visit: Visit, fields: Fields) -> Response:
    state = _opened(visit, fields)
    if visit.shared:
        return _again(visit, fields, [SEVERAL])
    if state is None:
        return _again(visit, fields, [Fault("errors", "page_too_old")])
    shown = portal().clinics.version(visit.clinic.id, state.version).asking(visit.now)
    said = read_changes(shown, fields, visit.revealed.known)
    faults = [*said.faults]
    if Answer.YES in said.answers.values() and outgrown(shown, visit.person.of_age, visit.now):
        faults.append(Fault("errors", "child_decides_alone"))
    if faults:
        return _again(visit, fields, faults)
    act, signature = (
        _act(visit, shown, state, said),
        _signature(visit, visit.person.id, "manage", f"link:{visit.opened.id}"),
    )
    unproven, contacts = _unproven(visit, shown, said)
    if unproven:
        act = replace(act, confirm=frozenset(unproven), confirm_within=shown.confirm_within)
        signature = replace(signature, contacts=(*signature.contacts, *contacts))
    try:
        done = portal().register.record(act, signature)
    except TooManyError as error:
        return _too_many(visit, fields, error)
    except NoticeChangedError:
        return _again(visit, fields, [Fault("errors", "notice_changed")])
    log.count("DecisionRecorded")
    return _done(visit, done)


def _unproven(visit: Visit, clinic: Clinic, said: Submission) -> tuple[set[Address], list[Contact]]:
    """Tell which Yes another contact confirms than the one the link came to, and which contacts those are.

    Anybody may have typed somebody else's phone beside an e-mail of their own; their link proves the e-mail alone.
    What was ever granted is proven.
    """
    holder = visit.opened.holder.contact
    kinds = [holder.kind, *(contact.kind for contact, _ in visit.revealed.contacts)]
    asked = {
        address: clinic.confirmed_by(address, kinds) for address, answer in said.answers.items() if answer == "yes"
    }
    standings = visit.person.standings
    unproven = {
        address: kind
        for address, kind in asked.items()
        if kind not in {holder.kind, None} and not (address in standings and standings[address].first_yes)
    }
    contacts = [contact for contact, _ in visit.revealed.contacts if contact.kind in unproven.values()]
    return set(unproven), contacts


def _stop(visit: Visit, fields: Fields) -> Response:
    """Stop what is ticked, at once; a page that is too old still stops.

    It is counted apart from changing, and by what is stopped: what is refused was just done (`limits.this_very`).
    """
    said = read_stops(visit.ever, fields)
    if said.faults:
        return _again(visit, fields, said.faults)
    house, state = portal(), _opened(visit, fields) or _new_state(visit)
    act = _act(visit, house.clinics.version(visit.clinic.id, state.version), state, said)
    very = "|".join([f"link:{visit.opened.id}", *sorted(said.answers)])
    signature = _signature(visit, None if visit.shared else visit.person.id, "manage-stop", very)
    try:
        done = house.register.withdraw(act, signature)[0] if visit.shared else house.register.record(act, signature)
    except TooManyError as error:
        return _too_many(visit, fields, error)
    log.count("WithdrawalRecorded")
    return _done(visit, done)


def _erase(visit: Visit, fields: Fields) -> Response:
    """Ask the person, by their own contact, whether they mean it: whoever has this page's address may not be them.

    Never from a page that is too old, or without the tick, which no program that sends forms as they are makes.
    """
    if first(fields, "erase") != "yes":
        return _again(visit, fields, [Fault("erase", "erase_unticked")])
    if _opened(visit, fields) is None:
        return _again(visit, fields, [Fault("errors", "page_too_old")])
    house, holder = portal(), visit.opened.holder.contact
    key, person = house.clinics.key(visit.clinic.id), visit.person
    own = [each for each, _ in visit.revealed.contacts if each.kind in REACH and person.owns(key.lookup(each))]
    if not own:
        return html(_told(visit, "erase_nowhere"), 409, FORGOTTEN)
    base = base_url(visit.request, house.settings.public_url)
    until = instant(moment(visit.now) + ERASE_WITHIN)
    word = messages.Unsent(Message.ERASE, visit.clinic.id, person.id, visit.lang, base, until=until)
    asked = messages.to_tell(key, person.salt, secrets.token_hex(16), word, [holder] if holder in own else own[:1])
    held = guard(visit.request, "erase", (f"link:{visit.opened.id}",), visit.now)
    try:
        rate_limits.spend(house.table, key, held, [asked])
    except TooManyError as error:
        return _too_many(visit, fields, error)
    return html(_told(visit, "erase_asked"), headers=FORGOTTEN)


def erase_page(request: Request, token: str) -> Response:
    """Show what erasing does to whoever followed the link from their own contact."""
    return html(_told(enter(request, token, Power.ERASE), "erase_confirm", faults=()), headers=FORGOTTEN)


def erase_person(request: Request, token: str) -> Response:
    """Erase the person, who ticked it on the page their own contact was led to; nothing brings it back."""
    from chalicelib.services.subject_rights import erase  # noqa: PLC0415 - only what is asked for is loaded

    visit, fields = enter(request, token, Power.ERASE), form_fields(request)
    if first(fields, "erase") != "yes":
        faults = [Fault("erase", "erase_unticked")]
        return html(_told(visit, "erase_confirm", faults=faults), 422, FORGOTTEN)
    erased = erase(portal(), visit.clinic.id, visit.person.id, "patient", visit.now)
    if erased is None:
        raise OldLinkError(visit.opened.link)
    log.count("ErasedByPatient")
    until = spoken_day(erased.proof_until, visit.lang, visit.clinic.country)
    return html(_told(visit, "erased", until=until), headers=FORGOTTEN)


def _contact(visit: Visit, fields: Fields) -> Response:
    """Remove a contact, or ask a new one to confirm itself; never from a page that is too old."""
    from chalicelib.web.pages import own_contacts  # noqa: PLC0415 - only what is asked for is loaded

    state = _opened(visit, fields)
    if state is None:
        return _again(visit, fields, [Fault("errors", "page_too_old")])
    try:
        done = own_contacts.carry_out(visit, fields, state)
    except TooManyError as error:
        return _too_many(visit, fields, error)
    if isinstance(done, own_contacts.Asked):
        return _lead_back(visit, done.value)
    if not isinstance(done, Receipt):
        return _again(visit, fields, done)
    log.count("ContactRectified")
    return _lead_back(visit, done.id)


def _done(visit: Visit, done: Receipt) -> Response:
    return _lead_back(visit, done.id)


def _lead_back(visit: Visit, done: str) -> Response:
    answer = see_other(f"{visit.address}?lang={visit.lang}&done={done}")
    answer.headers.update(FORGOTTEN)
    return answer


def _act(visit: Visit, clinic: Clinic, state: FormState, said: Submission) -> Act:
    child = any(person.of_age for person in visit.people)
    declared = {"declared_age": str(clinic.age_minimum)} if said.declared_adult else {}
    secret = portal().clinics.key(clinic.id).receipt_secret()
    return Act(
        receipt_id=receipt_id(secret, state.nonce, said.said()),
        clinic=clinic.id,
        answers=said.answers,
        notice=NoticeRef(state.version, state.lang, state.sha256),
        controllers=tuple(controller.named() for controller in clinic.controllers),
        channel=state.channel,
        source=None,
        assurance=Assurance.LINK,
        actor=ACTOR if child else "patient",
        evidence={**(relation(visit.receipts) if child else {}), **declared} or None,
        effective_at=visit.now,
        recorded_at=visit.now,
        endings=clinic.endings,
        everything=said.everything,
    )


def _signature(visit: Visit, person: str | None, deed: str, whom: str) -> Signature:
    base = base_url(visit.request, portal().settings.public_url)
    held = guard(visit.request, deed, (whom,), visit.now)
    holder = visit.opened.holder.contact
    return Signature((holder,), None, fresh_subject(), person=person, base=base, proves=(holder,), guard=held)


def _secret(visit: Visit) -> bytes:
    """Give the secret that signs the page's state: another link's state is none here."""
    return form_secret(visit.clinic.id, f"{MANAGE_PAGE}|{visit.opened.id}")


def _opened(visit: Visit, fields: Fields) -> FormState | None:
    return FormState.opened(_secret(visit), first(fields, "state"), visit.now)


def _new_state(visit: Visit) -> FormState:
    clinic, lang = visit.clinic, visit.lang
    sha256 = portal().evidence.shown(MANAGE_PAGE, clinic, lang)
    return FormState(new_nonce(), clinic.version, lang, sha256, None, Channel.EMAIL_LINK, visit.now)


def _again(visit: Visit, fields: Fields, faults: Sequence[Fault]) -> Response:
    state, fresh = _opened(visit, fields), _new_state(visit)
    fresh = replace(fresh, opened_at=state.opened_at) if state else fresh
    return html(_page(visit, fresh, fields, faults), 422, FORGOTTEN)


def _too_many(visit: Visit, fields: Fields, error: TooManyError) -> Response:
    answer = _again(visit, fields, [Fault("errors", "too_many", error.minutes)])
    answer.status_code = 429
    answer.headers.update(later(error))
    return answer


def _told(visit: Visit, kind: str, **more: object) -> str:
    """Render a page that only says something."""
    clinic, back = visit.look.published.clinic, f"{visit.address}?lang={visit.lang}"
    return render("pages/own.html", visit.lang, clinic=clinic, root=mount(visit.request), kind=kind, back=back, **more)


def _page(visit: Visit, state: FormState, fields: Fields | None = None, faults: Sequence[Fault] = ()) -> str:
    fields = fields or {}
    typed: dict[str, Any] = {name: first(fields, name)[:MAX_TYPED] for name in fields if name != "state"}
    typed["purposes"] = tuple(fields.get("purpose", ()))
    return portal().evidence.page(
        MANAGE_PAGE,
        visit.clinic,
        visit.lang,
        root=mount(visit.request),
        state=state.sealed(_secret(visit)),
        kept_query="",
        typed=typed,
        faults=faults,
        own=told(visit),
    )
