"""The API about a person's data: rectifying contacts, erasing all, restricting its use (GDPR Art. 16 to 18)."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from chalice.app import Request, Response

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Assurance, Channel
from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.decisions import Decision, new_decision, receipt_id
from chalicelib.domain.identity import SeveralPeopleError
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import get_portal
from chalicelib.services.contact_changes import Change, NotTheirsError, rectify
from chalicelib.services.subject_rights import erase, resolve, restrict
from chalicelib.store import people as roll
from chalicelib.store import worklist
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.personal_data import reveal
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.store.table import Table
from chalicelib.web.api.auth import AuthorizedCall, EmptyBody, authorize
from chalicelib.web.api.bodies import (
    ContactChange,
    SubjectRequest,
    read_contact_change,
    read_erasure,
    read_restriction,
)
from chalicelib.web.api.body_reader import InvalidBodyError
from chalicelib.web.api.errors import UNKNOWN_CURSOR, USED_FOR_ANOTHER_BODY, WHOSE_CONTACT, WHOSE_DATA, RefusedError
from chalicelib.web.form_state import new_nonce
from chalicelib.web.requests import base_url, mount, query
from chalicelib.web.responses import document

SCOPE = "subjects:erase"


def erasures(request: Request, clinic: str) -> Response:
    """Erase a subject's contact data at once; the proof of what was decided stays until its date, naming nobody."""
    call, people = _meant(request, clinic, read_erasure)
    tried = [erase(get_portal(), clinic, person.id, call.key.id, call.now) for person in people]
    erased = [asdict(each) for each in tried if each is not None]
    if not erased:
        get_portal().table.put_new(call.audit("erasures", ()))
    else:
        log.count("SubjectErased", len(erased))
    return document({"erased": erased})


def restrictions(request: Request, clinic: str) -> Response:
    """Restrict what is done with a subject's data, or lift that: meanwhile nothing is permitted."""
    call, people = _meant(request, clinic, read_restriction)
    restricted = call.body.restricted
    tried = [restrict(get_portal(), clinic, each.id, call.key.id, call.now, restricted=restricted) for each in people]
    told = [{"subject": each.id, "restricted_since": each.restricted_since} for each in tried if each is not None]
    if not told:
        get_portal().table.put_new(call.audit("restrictions", ()))
    return document({"restricted": restricted, "subjects": told})


def contact_change(request: Request, clinic: str) -> Response:
    """Replace or remove one contact of a subject; the old one finds nobody any more and is permitted for nothing.

    Sent again with the same Idempotency-Key it gives the same receipt.
    """
    call = authorize(request, clinic, "receipts:write", read_contact_change, for_all=True)
    portal, change = get_portal(), Change(call.body.old, call.body.new)
    decision = _changing(call)
    if kept := _recorded_before(call, decision, change):
        return _receipt(call, kept)
    try:
        people = resolve({each: call.lookup.people[each] for each in call.body.subject}, everyone=False)
    except SeveralPeopleError:
        raise RefusedError(WHOSE_CONTACT) from None
    if not people:
        raise _faulty("/subject", "Nobody is known by it.")
    base = base_url(request, portal.settings.public_url)
    line = call.audit("contacts", people, decision.receipt_id)
    try:
        receipt = rectify(portal, decision, change, people[0], call.lookup, base, (line,))
    except NotTheirsError:
        raise _faulty("/remove" if change.new is None else "/replace", "Not a contact of this subject.") from None
    log.count("ContactRectified")
    return _receipt(call, receipt)


def contacts_to_see_to(request: Request, clinic: str) -> Response:
    """List contacts that no message reaches and those patients want removed, by opaque ids; no contact stands in it."""
    call = authorize(request, clinic, "status:read", lambda _known, _body: EmptyBody())
    table, after = get_portal().table, query(request, "cursor")
    found, more = worklist.undelivered(table, clinic, _place(after) if after else "")
    entries = [*(() if after else worklist.contact_wishes(table, clinic)), *found]
    key = get_portal().clinics.key(clinic)
    people = {each.person.id: each.person for each in entries}
    numbers = {person.id: _number_of(table, key, person) for person in people.values() if person.numbered}
    table.put_new(call.audit("contacts/worklist", list(people.values())))
    told = [
        {
            "subject": each.person.id,
            "patient_ref": numbers.get(each.person.id),
            "kind": each.kind,
            "reason": each.reason,
            "since": each.since,
        }
        for each in entries
    ]
    following = {"cursor": base64.urlsafe_b64encode(more.encode()).decode()} if more else {}
    return document({"entries": told, **following})


def _place(cursor: str) -> str:
    """Read where the list goes on."""
    try:
        return base64.urlsafe_b64decode(cursor).decode()
    except ValueError:
        raise RefusedError(UNKNOWN_CURSOR) from None


def _number_of(table: Table, key: ClinicKey, person: Subject) -> str | None:
    """Give the clinic's own number of a person."""
    try:
        known = reveal(table, key, person).contacts
    except ValueError:  # erased in this very moment
        return None
    return next((contact.value for contact, _ in known if contact.kind is ContactKind.REFERENCE), None)


def _changing(call: AuthorizedCall[ContactChange]) -> Decision:
    """Give the act of staff who change a contact: it decides nothing."""
    portal, clinic = get_portal(), call.lookup.published.clinic
    lang = clinic.default_language
    key = call.request.headers.get("idempotency-key") or new_nonce()
    secret = portal.clinics.key(clinic.id).receipt_secret()
    return new_decision(
        clinic,
        {},
        id=receipt_id(secret, key, {"key": call.key.id}),
        notice=portal.evidence.notice_ref(CONSENT_PAGE, clinic, lang),
        channel=Channel.API,
        assurance=Assurance.STAFF_WITNESSED,
        at=call.now,
        actor=f"staff:{call.key.id}",
        evidence={"member": call.key.member} if call.key.member else None,
    )


def _recorded_before(call: AuthorizedCall[ContactChange], decision: Decision, change: Change) -> Receipt | None:
    """Give the receipt of a call whose Idempotency-Key was used before; refuse it where that was for another body."""
    if not call.request.headers.get("idempotency-key"):
        return None
    portal = get_portal()
    try:
        kept = portal.receipts.find(decision.clinic, decision.receipt_id)
        person = roll.person(portal.table, decision.clinic, kept.document["subject"])
    except LookupError:
        return None
    told = kept.document["evidence"] or {}
    if change.evidence.items() <= told.items() and change.done(portal.clinics.key(decision.clinic), person):
        return kept
    raise RefusedError(USED_FOR_ANOTHER_BODY)


def _receipt(call: AuthorizedCall[ContactChange], receipt: Receipt) -> Response:
    address = f"{mount(call.request)}/v1/clinics/{call.key.clinic}/receipts/{receipt.id}"
    return document(receipt.canonical.decode(), 201, {"Location": address})


def _faulty(pointer: str, detail: str) -> InvalidBodyError:
    return InvalidBodyError([{"pointer": pointer, "detail": detail}])


def _meant(
    request: Request, clinic: str, read: Callable[[Clinic, Mapping[str, Any]], SubjectRequest]
) -> tuple[AuthorizedCall[SubjectRequest], Sequence[Subject]]:
    """Authorise a call and tell whom it means."""
    call = authorize(request, clinic, SCOPE, read)
    try:
        return call, resolve(call.lookup.people, everyone=call.body.everyone)
    except SeveralPeopleError:
        raise RefusedError(WHOSE_DATA) from None
