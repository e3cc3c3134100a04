"""The API of a clinic's programs and staff: status, history, receipts. Every call leaves an audit line."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from chalice.app import Blueprint, Response

from chalicelib import journal
from chalicelib.authorised import BASE, Body, Call, NoContacts, authorised
from chalicelib.bodies import (
    StaffDecision,
    read_history,
    read_staff_receipt,
    read_staff_withdrawal,
    read_status,
)
from chalicelib.boundary import RefusedError, api
from chalicelib.consent import Answer, Assurance, State, Status, resolve, strictest
from chalicelib.evidence import CONSENT_PAGE
from chalicelib.forms import new_nonce
from chalicelib.incoming import ANY_TYPE, base_url, mount, query
from chalicelib.instants import EVER, instant
from chalicelib.notice import Clinic
from chalicelib.outgoing import document, problem, rendered
from chalicelib.receipts import Act, NoticeRef, Receipt, receipt_id
from chalicelib.renditions import FORMATS, JSON_FORMATS, UnsignedError, rendition
from chalicelib.store import roll
from chalicelib.store.register import SeveralPeopleError, Signature, fresh_subject
from chalicelib.wiring import portal

clinic_api = Blueprint(__name__)

MAX_IDEMPOTENCY_KEY = 200
UNSIGNED = {"Retry-After": "5"}


@clinic_api.route(f"{BASE}/status", methods=["POST"], content_types=ANY_TYPE)
@api
def status(clinic: str) -> Response:
    """Tell the truth about up to a hundred subjects, now or at another time, from strongly consistent reads.

    `known_at` alone asks for what this call would have answered then.
    """
    now = instant(datetime.now(UTC))
    call = _call(clinic, "status:read", lambda known, body: read_status(known, body, now))
    asked_at, asked_by = call.body.at or call.body.known_at, call.body.known_at
    people = call.look.known()
    # Now is whatever the table holds: a word recorded by a clock that runs ahead counts.
    standings = portal().register.standings_at(clinic, people, asked_at or EVER, asked_by or EVER)
    at, known_at = asked_at or call.now, asked_by or call.now
    notice = call.look.published.in_force_at(at, known_at)
    results = []
    for asked, contacts in zip(call.body.asked, call.body.subjects, strict=True):
        known = [person for contact in contacts for person in call.look.known_under(contact, asked_by or EVER)]
        found = [standings[person.id] for person in known] or [{}]
        decisions = {
            address: _told(strictest([resolve(standing.get(address), notice, at) for standing in found]))
            for address in call.body.addresses
        }
        results.append({"subject": asked, "decisions": decisions})
    portal().table.put_new(call.audit("status", people))
    return document({"at": at, "known_at": known_at, "results": results})


@clinic_api.route(f"{BASE}/history", methods=["POST"], content_types=ANY_TYPE)
@api
def history(clinic: str) -> Response:
    """Give all receipts of one subject, oldest first."""
    call = _call(clinic, "status:read", read_history)
    people = call.look.known()
    receipts = portal().register.history(clinic, people)
    portal().table.put_new(call.audit("history", people))
    return document(f'{{"receipts":[{",".join(receipt.canonical.decode() for receipt in receipts)}]}}')


@clinic_api.route(f"{BASE}/receipts", methods=["POST"], content_types=ANY_TYPE)
@api
def staff_receipt(clinic: str) -> Response:
    """Record a decision that staff took on paper, by phone or in person."""
    now = instant(datetime.now(UTC))
    call = _call(clinic, "receipts:write", lambda known, body: read_staff_receipt(known, body, now))
    act = _act(call)
    also = [call.audit("receipts", (), act.receipt_id)]
    try:
        receipt = portal().register.answer(act, _signature(call), seen=call.look, also=also)
    except SeveralPeopleError:
        told = "Several people share this contact. Name an e-mail or patient_ref of the one who decided."
        raise RefusedError(problem(409, "Whose decision is it?", detail=told)) from None
    journal.count("StaffDecisionRecorded")
    return _created(call, act, receipt, "receipts")


@clinic_api.route(f"{BASE}/withdrawals", methods=["POST"], content_types=ANY_TYPE)
@api
def staff_withdrawal(clinic: str) -> Response:
    """Record a withdrawal that staff took; for everyone who shares the contact."""
    now = instant(datetime.now(UTC))
    call = _call(clinic, "receipts:write", lambda known, body: read_staff_withdrawal(known, body, now))
    act = _act(call)
    also = [call.audit("withdrawals", (), act.receipt_id)]
    receipts = portal().register.withdraw(act, _signature(call), seen=call.look, also=also)
    journal.count("StaffWithdrawalRecorded")
    return _created(call, act, receipts[0], "withdrawals")


@clinic_api.route(f"{BASE}/receipts/{{receipt}}", methods=["GET"], content_types=ANY_TYPE)
@api
def receipt_by_id(clinic: str, receipt: str) -> Response:
    """Give one receipt in the format asked for; as JSON byte for byte as its successor's `previous` hashes it."""
    from chalicelib.formats import Issued, UnspeakableError  # noqa: PLC0415 - no page needs them

    house, request = portal(), clinic_api.current_request
    wanted, lang = query(request, "format") or "json", query(request, "lang")
    call = _call(clinic, "receipts:read", lambda _known, _body: NoContacts())
    if wanted not in FORMATS:
        raise RefusedError(problem(400, "Unknown format", detail=f"Known: {', '.join(FORMATS)}."))
    found, signed = house.register.issued(clinic, receipt)
    notice = found.document["notice"]
    shown = house.clinics.version(clinic, notice["version"])
    if lang is not None and lang not in shown.languages:
        raise RefusedError(problem(400, "Unknown language", detail=f"Known: {', '.join(shown.languages)}."))
    house.table.put_new(call.audit("receipt", (), found.id))
    now = _standing_by(found, call) if wanted in JSON_FORMATS else {}
    base = base_url(request, house.settings.public_url)
    issued = Issued(found, shown, lang or notice["lang"], now, signed, base, call.now)
    try:
        written = rendition(issued, wanted, lambda: house.clinics.shown(clinic, notice["sha256"]))
    except UnsignedError:
        told = "The receipt is recorded and counts; its signature follows in moments, or when the key service is back."
        raise RefusedError(problem(409, "Not signed yet", detail=told, headers=UNSIGNED)) from None
    except UnspeakableError as error:
        raise RefusedError(problem(406, "This format cannot say it", detail=str(error))) from None
    return rendered(written, f"consent-receipt-{found.id}")


def _standing_by(receipt: Receipt, call: Call[Any]) -> Mapping[str, State]:
    from chalicelib.dossier import still_held  # noqa: PLC0415 - no page needs it

    person = roll.person(portal().table, receipt.document["clinic"], receipt.document["subject"])
    return still_held(receipt, person, call.look.published.in_force, call.now)


def _call(clinic: str, scope: str, read: Callable[[Clinic, Any], Body]) -> Call[Body]:
    return authorised(clinic_api.current_request, clinic, scope, read)


def _told(status: Status) -> dict[str, Any]:
    last = status.word
    return {
        "state": status.state,
        "permitted": status.permitted,
        "restricted": status.restricted,
        "since": status.since,
        "receipt_id": last and last.receipt_id,
        "version": last and last.version,
        "notice_version": last and last.notice_version,
        "lang": last and last.lang,
        "channel": last and last.channel,
        "assurance": last and last.assurance,
    }


def _act(call: Call[StaffDecision]) -> Act:
    house, decision = portal(), call.body
    published = call.look.published
    version = decision.notice_version
    if version is None:
        version = published.version_at(decision.effective_at)
    if not published.offered(version, decision.effective_at):
        errors = [{"pointer": "/notice_version", "detail": "No such version was in force on or before that day."}]
        raise RefusedError(problem(422, "Invalid body", detail="Nothing was stored.", errors=errors))
    clinic = house.clinics.version(published.clinic.id, version)
    said = [address for address, answer in decision.answers.items() if answer is not Answer.WITHDRAW]
    if unasked := [address for address in said if address not in clinic.questions]:
        errors = [{"pointer": "/effective_at", "detail": f"{each} was not asked on that day."} for each in unasked]
        raise RefusedError(problem(422, "Invalid body", detail="Nothing was stored.", errors=errors))
    lang = decision.lang if decision.lang in clinic.languages else clinic.default_language
    idempotency = clinic_api.current_request.headers.get("idempotency-key") or new_nonce()
    if len(idempotency) > MAX_IDEMPOTENCY_KEY:
        raise RefusedError(
            problem(400, "Idempotency-Key too long", detail=f"At most {MAX_IDEMPOTENCY_KEY} characters.")
        )
    return Act(
        receipt_id=receipt_id(idempotency, {"key": call.key.id}),
        clinic=clinic.id,
        answers=decision.answers,
        notice=NoticeRef(clinic.version, lang, house.evidence.shown(CONSENT_PAGE, clinic, lang)),
        controllers=tuple(controller.named() for controller in clinic.controllers),
        channel=decision.channel,
        source=None,
        assurance=Assurance.STAFF_WITNESSED,
        actor=f"staff:{call.key.id}",
        evidence=decision.evidence,
        effective_at=decision.effective_at,
        recorded_at=call.now,
        endings=clinic.endings,
        everything=decision.everything,
    )


def _signature(call: Call[StaffDecision]) -> Signature:
    base = base_url(clinic_api.current_request, portal().settings.public_url)
    return Signature(call.body.contacts, call.body.name, fresh_subject(), base=base)


def _created(call: Call[StaffDecision], act: Act, receipt: Receipt, what: str) -> Response:
    if receipt.document["recorded_at"] != act.recorded_at:  # a key used before: the first call's receipt
        portal().table.put_new(call.audit(what, (), receipt.id))
        if not _same(call, act, receipt):
            raise RefusedError(problem(422, "Idempotency-Key used before", detail="For another body, which stands."))
    address = f"{mount(clinic_api.current_request)}/v1/clinics/{act.clinic}/receipts/{receipt.id}"
    return document(receipt.canonical.decode(), 201, {"Location": address})


def _same(call: Call[StaffDecision], act: Act, receipt: Receipt) -> bool:
    """Tell whether a receipt recorded before is of this very body: about the same person, saying the same."""
    kept = receipt.document
    answers = {address: entry["answer"] for address, entry in kept["decisions"].items()}
    asked = {address: answer.value for address, answer in act.answers.items()}
    known = portal().register.look(act.clinic, call.body.contacts).known()
    return (
        (answers == asked or (act.everything and asked.items() <= answers.items()))
        and kept["subject"] in {person.id for person in known}
        # A clock that ran ahead was set back to the moment of recording; by the second call it may be that time.
        and (kept["effective_at"] == act.effective_at or kept["effective_at"] == kept["recorded_at"] < act.effective_at)
        and (kept["channel"], kept["evidence"]) == (act.channel, act.evidence)
        and kept["notice"]["lang"] == act.notice.lang
    )
