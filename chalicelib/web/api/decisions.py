"""Calls that record what staff took: decisions and withdrawals."""

from collections.abc import Mapping

from chalice.app import Request, Response

from chalicelib.domain.consent import Answer
from chalicelib.domain.identity import SeveralPeopleError
from chalicelib.portal import get_portal
from chalicelib.services import staff_decisions
from chalicelib.services.staff_decisions import RecordedReceipt, StaffDecision
from chalicelib.store.withdrawal_orders import MANY
from chalicelib.web.api.auth import authorize
from chalicelib.web.api.body_reader import BodyReader
from chalicelib.web.api.errors import WHOSE_DECISION, RefusedError
from chalicelib.web.requests import mount
from chalicelib.web.responses import document

_ALWAYS_VISIBLE = ("id", "clinic", "effective_at", "recorded_at")
"""What a program is given of a receipt that it may not see, or that did not reach everybody yet."""


def record_decision(request: Request, clinic: str) -> Response:
    """Record a decision that staff took on paper, by phone or in person."""
    call = authorize(request, clinic, "receipts:write", read_staff_receipt)
    try:
        recorded = staff_decisions.record_decision(get_portal(), call)
    except SeveralPeopleError:
        raise RefusedError(WHOSE_DECISION) from None
    return _created(request, clinic, recorded)


def record_withdrawal(request: Request, clinic: str) -> Response:
    """Record a withdrawal that staff took, for everyone who shares the contact."""
    call = authorize(
        request, clinic, "receipts:write", read_staff_withdrawal, for_all=True, most=MANY
    )
    recorded = staff_decisions.record_withdrawal(get_portal(), call)
    return _created(request, clinic, recorded)


def read_staff_receipt(body: BodyReader) -> StaffDecision:
    """Read a decision taken by staff."""
    body.only(
        *("subject", "decisions", "channel", "effective_at", "evidence"),
        *("name", "address", "lang", "notice_version", "guardian", "declared_adult"),
    )
    return _read_staff(body, body.decisions(), everything=False)


def read_staff_withdrawal(body: BodyReader) -> StaffDecision:
    """Read a withdrawal taken by staff: `purposes`, or `all`."""
    body.only(
        *("subject", "purposes", "all", "channel", "effective_at", "evidence"),
        *("lang", "notice_version"),
    )
    everything = body.sent.get("all") is True
    if everything == body.has("purposes"):
        body.error("/purposes", "Either purposes, or all: true.")
    questions = tuple(body.clinic.questions)
    if not everything:
        questions = body.questions("/purposes", body.sent.get("purposes"))
    answers = dict.fromkeys(questions, Answer.WITHDRAW)
    return _read_staff(body, answers, everything=everything)


def _read_staff(
    body: BodyReader, answers: Mapping[str, Answer], *, everything: bool
) -> StaffDecision:
    channel, name = body.channel(), body.name()
    guardian = body.guardian(name)
    contacts = body.about()
    effective_at, day = body.effective()
    return StaffDecision(
        contacts=guardian.contacts(contacts) if guardian else contacts,
        name=name,
        address=body.address(),
        answers=answers,
        everything=everything,
        channel=channel,
        effective_at=effective_at,
        evidence=body.evidence(channel, agreed=Answer.YES in answers.values()),
        lang=body.lang(),
        notice_version=body.notice_version(),
        guardian=guardian,
        declared_adult=body.declared_adult(guardian),
        day=day,
    )


def _created(request: Request, clinic: str, recorded: RecordedReceipt) -> Response:
    receipt = recorded.receipt
    address = f"{mount(request)}/v1/clinics/{clinic}/receipts/{receipt.id}"
    headers = {"Location": address}
    if recorded.complete and recorded.visible:
        return document(receipt.canonical.decode(), 201, headers)
    part = {name: receipt.document[name] for name in _ALWAYS_VISIBLE}
    if not recorded.complete:
        part["complete"] = False
    return document(part, 201, headers)
