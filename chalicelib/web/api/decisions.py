"""What a clinic's programs and staff ask and record: status, history, receipts, decisions, withdrawals."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from chalice.app import Request, Response

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance
from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.decisions import Decision, NoticeRef, new_decision, receipt_id
from chalicelib.domain.guardians import ACTOR, becomes_independent, refusal_reason
from chalicelib.domain.identity import SeveralPeopleError, all_subjects, subjects_to_stop
from chalicelib.domain.instants import END_OF_TIME
from chalicelib.domain.local_time import local_day
from chalicelib.domain.permission import PermissionResult, SubjectQuery
from chalicelib.domain.receipts import Receipt
from chalicelib.portal import get_portal
from chalicelib.receipts.formats.registry import FORMATS
from chalicelib.receipts.sd_jwt import with_disclosures
from chalicelib.services import decisions
from chalicelib.services.decisions import repeats
from chalicelib.services.receipt_copies import FullAccess, find_receipt, write_copy
from chalicelib.store import withdrawal_orders
from chalicelib.store.lookup import Identification, fresh_subject
from chalicelib.store.personal_data import ADDRESS, kept_disclosures, known_of
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.store.withdrawal_orders import MANY
from chalicelib.web.api.auth import AuthorizedCall, EmptyBody, authorize
from chalicelib.web.api.bodies import (
    StaffDecision,
    read_history,
    read_staff_receipt,
    read_staff_withdrawal,
    read_status,
)
from chalicelib.web.api.body_reader import OF_A_SYSTEM, InvalidBodyError, cursor
from chalicelib.web.api.errors import (
    RECEIPT_NOT_SHARED,
    UNKNOWN_FORMAT,
    UNKNOWN_LANGUAGE,
    USED_FOR_ANOTHER_BODY,
    WHOSE_DECISION,
    RefusedError,
)
from chalicelib.web.form_state import new_nonce
from chalicelib.web.requests import base_url, mount, query
from chalicelib.web.responses import document, rendered

HISTORY = 1000
"""How many receipts one answer holds; with a `cursor` it goes on."""

OBJECTIONS = {
    "child_born_later": "The child was not born when this was decided.",
    "child_born_impossible": "Nobody who lives was born then.",
    "child_decides_alone": "From the age of {age} a young person decides alone: record their own decision.",
}
"""Why somebody could not decide for a child, by the names that `guardians.refusal_reason` gives."""


def status(request: Request, clinic: str) -> Response:
    """Tell the truth about up to a hundred subjects, now or at another time, from strongly consistent reads.

    `known_at` alone asks for what this call would have answered then.
    """
    now = get_portal().clock()
    call = authorize(request, clinic, "status:read", lambda known, body: read_status(known, body, now))
    asked_at, asked_by = call.body.at or call.body.known_at, call.body.known_at
    people = call.lookup.known()
    # Now is whatever the table holds: a word recorded by a clock that runs ahead counts.
    standings = get_portal().receipts.answers_as_of(clinic, people, asked_at or END_OF_TIME, asked_by or END_OF_TIME)
    at, known_at = asked_at or call.now, asked_by or call.now
    notice = call.lookup.published.in_force_at(at, known_at)
    results: list[dict[str, Any]] = []
    country = call.lookup.published.clinic.country
    for number, (asked, contacts) in enumerate(zip(call.body.asked, call.body.subjects, strict=True)):
        if number in call.body.faults:
            results.append({"subject": asked, "error": call.body.faults[number]})
            continue
        under = {contact: call.lookup.known_under(contact, asked_by or END_OF_TIME) for contact in contacts}
        named = SubjectQuery(
            under, call.lookup.stopped(under, standings, at=asked_at or END_OF_TIME, known_at=asked_by or END_OF_TIME)
        )
        decisions = {
            address: _told(named.permission(address, call.shared.questions[address].needs, notice, at), country)
            for address in call.body.addresses
        }
        kinds = named.own_kinds(call.lookup.lookups, asked_by or END_OF_TIME)
        results.append({"subject": asked, "contact_kinds": kinds, "decisions": decisions})
    get_portal().table.put_new(call.audit("status", people))
    return document({"at": at, "known_at": known_at, "results": results})


def history(request: Request, clinic: str) -> Response:
    """Give all receipts of one subject, oldest first, a thousand at a time; to one of several controllers its own.

    Those are the receipts it may see as a whole.
    """
    call = authorize(request, clinic, "status:read", read_history)
    people = call.lookup.known()
    behind = call.body.behind
    receipts = get_portal().receipts.history(clinic, people, behind, HISTORY + 1)
    given = receipts[:HISTORY]
    get_portal().table.put_new(call.audit("history", people))
    seen = [receipt.canonical.decode() for receipt in given if call.may_see(receipt)]
    hidden = f',"withheld":{len(given) - len(seen)}' if call.key.member else ""
    last = {receipt.document["subject"]: receipt.document["version"] for receipt in given}
    more = f',"cursor":"{cursor({**behind, **last})}"' if len(receipts) > HISTORY else ""
    return document(f'{{"receipts":[{",".join(seen)}]{hidden}{more}}}')


def staff_receipt(request: Request, clinic: str) -> Response:
    """Record a decision that staff took on paper, by phone or in person."""
    now = get_portal().clock()
    call = authorize(request, clinic, "receipts:write", lambda known, body: read_staff_receipt(known, body, now))
    decision = _act(call)
    also = [call.audit("receipts", (), decision.receipt_id)]
    try:
        _check_needs(call, decision)
        receipt = decisions.answer(get_portal(), decision, _signature(call), seen=call.lookup, also=also)
    except SeveralPeopleError:
        raise RefusedError(WHOSE_DECISION) from None
    log.count("StaffDecisionRecorded")
    return _created(call, decision, receipt, "receipts")


def staff_withdrawal(request: Request, clinic: str) -> Response:
    """Record a withdrawal that staff took; for everyone who shares the contact, and all joint controllers."""
    now = get_portal().clock()
    read = partial(read_staff_withdrawal, now=now)
    call = authorize(request, clinic, "receipts:write", read, for_all=True, most=MANY)
    decision = _act(call)
    also = [call.audit("withdrawals", (), decision.receipt_id)]
    receipts = decisions.withdraw(get_portal(), decision, _signature(call), seen=call.lookup, also=also)
    log.count("StaffWithdrawalRecorded")
    return _created(call, decision, receipts[0], "withdrawals")


def receipt_by_id(request: Request, clinic: str, receipt: str) -> Response:
    """Give one receipt in the format asked for; as JSON byte for byte as its successor's `previous` hashes it."""
    portal = get_portal()
    format_name, lang = query(request, "format") or "json", query(request, "lang")
    call = authorize(request, clinic, "receipts:read", lambda _known, _body: EmptyBody())
    if format_name not in FORMATS:
        raise RefusedError(UNKNOWN_FORMAT, known=", ".join(FORMATS))
    found = find_receipt(portal, clinic, receipt)
    if not call.may_see(found.receipt):
        raise RefusedError(RECEIPT_NOT_SHARED)
    languages = found.clinic.languages
    if lang is not None and lang not in languages:
        raise RefusedError(UNKNOWN_LANGUAGE, known=", ".join(languages))
    portal.table.put_new(call.audit("receipt", (), found.receipt.id))
    base = base_url(request, portal.settings.public_url)
    access = FullAccess(call.lookup.published.in_force)
    shown_in = found.language(lang)
    copy = write_copy(portal, found, format_name, lang=shown_in, base_url=base, now=call.now, access=access)
    return rendered(copy, f"consent-receipt-{found.receipt.id}")


def _told(told: PermissionResult, country: str) -> dict[str, Any]:
    status, last = told.status, told.status.recorded_answer
    return {
        "state": status.state,
        "permitted": told.permitted,
        "holds_for": told.holds_for,
        "restricted": status.restricted,
        "since": status.since,
        "since_date": local_day(status.since, country) if status.since and status.day_only else None,
        # None while a withdrawal for very many people has not reached this one: the receipt follows.
        "receipt_id": (last and last.receipt_id) or None,
        "version": (last and last.version) or None,
        "notice_version": last and last.notice_version,
        "lang": last and last.lang,
        "channel": last and last.channel,
        "assurance": last and last.assurance,
    }


def _act(call: AuthorizedCall[StaffDecision]) -> Decision:
    portal, decision, guardian = get_portal(), call.body, call.body.guardian
    clinic, known = _signed_under(call)
    lang = decision.lang if decision.lang in clinic.languages else clinic.default_language
    idempotency = call.request.headers.get("idempotency-key") or new_nonce()
    secret = portal.clinics.key(clinic.id).receipt_secret()
    shown = portal.evidence.notice_ref(CONSENT_PAGE, clinic, lang) if known else NoticeRef.unknown(lang)
    return new_decision(
        clinic,
        decision.answers,
        id=receipt_id(secret, idempotency, {"key": call.key.id}),
        notice=shown,
        channel=decision.channel,
        assurance=Assurance.IMPORTED if decision.channel in OF_A_SYSTEM else Assurance.STAFF_WITNESSED,
        at=call.now,
        actor=ACTOR if guardian else f"staff:{call.key.id}",
        evidence=_evidence(call, clinic),
        effective_at=decision.effective_at,
        everything=decision.everything,
        of_age=guardian.comes_of_age_at(clinic, decision.effective_at) if guardian else "",
        day=decision.day,
    )


def _signed_under(call: AuthorizedCall[StaffDecision]) -> tuple[Clinic, bool]:
    """Give the clinic as the notice describes it under which staff took a decision, and whether that text is known.

    Where no version was in force that day, or the one named began later, nobody knows what was read: then any question
    ever asked may be answered. Refuses what the notice does not allow.
    """
    decision, published = call.body, call.lookup.published
    if decision.notice_version not in {None, *(entry.version for entry in published.published)}:
        raise _faulty(("/notice_version", "No such version was ever published."))
    version = published.text_at(decision.effective_until, decision.notice_version)
    if version != published.text_at(decision.effective_at, decision.notice_version):
        raise _faulty(("/notice_version", "The notice changed on that day: name the version on the form."))
    clinics = get_portal().clinics
    clinic = clinics.version(published.clinic.id, version) if version else clinics.with_all_past_questions(published)
    _check_allowed(decision, clinic)
    return clinic, version is not None


def _check_allowed(decision: StaffDecision, clinic: Clinic) -> None:
    """Refuse a decision that the notice does not ask for, or not of this person."""
    said = [address for address, answer in decision.answers.items() if answer is not Answer.WITHDRAW]
    if unasked := [address for address in said if address not in clinic.questions]:
        raise _faulty(*(("/effective_at", f"{each} was not asked on that day.") for each in unasked))
    if decision.declared_adult and clinic.age_minimum is None:
        raise _faulty(("/declared_adult", "This notice asks for no age."))
    asks_age = clinic.age_minimum is not None and decision.guardian is None
    if asks_age and not decision.declared_adult and Answer.YES in decision.answers.values():
        raise _faulty(("/declared_adult", f"A Yes is for those who are {clinic.age_minimum} and say so: true."))
    if decision.guardian is None or decision.guardian.born is None:
        return
    if not clinic.guardian:
        raise _faulty(("/guardian", "By this notice everybody decides for themselves: no guardian can."))
    if reason := refusal_reason(clinic, decision.guardian.born, decision.effective_at):
        from_age = clinic.decides_alone_from(decision.effective_at)
        raise _faulty(("/guardian/child_born", OBJECTIONS[reason].format(age=from_age)))


def _evidence(call: AuthorizedCall[StaffDecision], clinic: Clinic) -> Mapping[str, str] | None:
    """Give what a receipt keeps of how staff took a decision: the form, for a guardian who recorded it, for whom.

    And the age declared for a Yes, as on the page.
    """
    told = dict(call.body.evidence or {})
    if call.body.declared_adult and Answer.YES in call.body.answers.values():
        told["declared_age"] = str(clinic.age_minimum)
    if call.body.guardian:
        told |= {**call.body.guardian.evidence, "staff": call.key.id}
    if call.key.member:
        told["member"] = call.key.member
    return told or None


def _check_needs(call: AuthorizedCall[StaffDecision], decision: Decision) -> None:
    """Refuse a Yes to what goes by e-mail, phone or post where neither the call nor what is known has the contact."""
    questions = call.shared.questions
    needed = {
        kind: address
        for address, answer in decision.answers.items()
        for kind in (ContactKind.EMAIL.value, ContactKind.PHONE.value, ADDRESS)
        if answer is Answer.YES and kind in questions[address].needs
    }
    missing = needed.keys() - {contact.kind.value for contact in call.body.contacts}
    if call.body.address:
        missing -= {ADDRESS}
    if not missing:
        return
    portal = get_portal()
    person = call.lookup.resolve_subject(decision, _signature(call))
    if not becomes_independent(
        call.lookup.published.clinic, person.of_age, decision
    ):  # else what is known is the guardian's
        missing -= known_of(portal.table, portal.clinics.key(decision.clinic), person)
    if missing:
        pointers = {kind: "/address" if kind == ADDRESS else f"/subject/{kind}" for kind in sorted(missing)}
        raise _faulty(*((pointers[kind], f"{needed[kind]} needs it, and none is known.") for kind in pointers))


def _faulty(*faults: tuple[str, str]) -> InvalidBodyError:
    return InvalidBodyError([{"pointer": pointer, "detail": detail} for pointer, detail in faults])


def _signature(call: AuthorizedCall[StaffDecision]) -> Identification:
    base = base_url(call.request, get_portal().settings.public_url)
    return Identification(call.body.contacts, call.body.name, fresh_subject(), base=base, address=call.body.address)


def _created(call: AuthorizedCall[StaffDecision], decision: Decision, receipt: Receipt, what: str) -> Response:
    if receipt.document["recorded_at"] != decision.recorded_at:  # a key used before: the first call's receipt
        get_portal().table.put_new(call.audit(what, (), receipt.id))
        if not _same(call, decision, receipt):
            raise RefusedError(USED_FOR_ANOTHER_BODY)
    address = f"{mount(call.request)}/v1/clinics/{decision.clinic}/receipts/{receipt.id}"
    told: Any = receipt.canonical.decode()
    open_still = _is_shared_by_many(call) and withdrawal_orders.is_open(get_portal().table, decision.clinic, receipt.id)
    if open_still or not call.may_see(receipt):  # it reached more than this controller shares
        told = {name: receipt.document[name] for name in ("id", "clinic", "effective_at", "recorded_at")}
        told |= {"complete": False} if open_still else {}
    return document(told, 201, {"Location": address})


def _is_shared_by_many(call: AuthorizedCall[StaffDecision]) -> bool:
    """Tell whether so many people share the contacts given that a withdrawal reaches them by an order."""
    return bool(call.lookup.more) or len(all_subjects(call.lookup.stored_under)) > MANY


def _same(call: AuthorizedCall[StaffDecision], decision: Decision, receipt: Receipt) -> bool:
    """Tell whether a receipt recorded before is of this very body: about the same person, saying the same."""
    kept = receipt.document
    answers = {address: entry["answer"] for address, entry in kept["decisions"].items()}
    asked = {address: answer.value for address, answer in decision.answers.items()}
    portal = get_portal()
    lookup = portal.directory.look_up(decision.clinic, call.body.contacts)
    evidence = with_disclosures(
        kept["evidence"], kept_disclosures(portal.table, portal.clinics.key(decision.clinic), receipt)
    )
    known = (
        all_subjects(lookup.stored_under)
        if Answer.WITHDRAW in decision.answers.values()
        else subjects_to_stop(lookup.people)
    )
    return (
        (answers == asked or (decision.everything and asked.items() <= answers.items()))
        and kept["subject"] in {person.id for person in known}
        and repeats(decision, receipt)
        and (evidence or None) == decision.evidence
    )
