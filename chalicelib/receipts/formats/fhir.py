"""A FHIR Consent, R4 (4.0.1) or R5 (5.0.0): the rules of a receipt in force when it is written.

A decision is a rule while no later receipt has replaced it: granted → permit, refused or withdrawn
→ deny. What has expired, was superseded or waits to be confirmed is no rule. Where no rule is left
the resource is inactive (or proposed, while something waits) and keeps the answers. So a permit
never stays active after a withdrawal.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.domain.clinic import Controller
from chalicelib.domain.consent import ON_A_PAGE, Answer, Assurance, State
from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.local_time import ZONES
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.i18n import format_time, format_when
from chalicelib.presentation.templates import render
from chalicelib.receipts.formats.answers import (
    DecidedQuestion,
    clinic_url,
    decided_questions,
    law,
    notice_url,
    receipt_url,
    text_not_known,
)
from chalicelib.receipts.formats.issued import IssuedReceipt

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_REASONS = {"newsletter": ("HMARKT", "healthcare marketing")}
"""Purposes for which HL7's ActReason has the right word; every rule also has its own address."""

_UNVERIFIED = {Assurance.SELF_ASSERTED, Assurance.IMPORTED}
"""Where nobody who knew the person verified the consent here."""

_RULE_STATES = {State.GRANTED, State.REFUSED, State.WITHDRAWN}


@dataclass(frozen=True, slots=True)
class _Rule:
    """One decision as a rule: permit or deny."""

    decided: DecidedQuestion
    permit: bool

    @property
    def type(self) -> str:
        return "permit" if self.permit else "deny"


def write_r4(issued: IssuedReceipt) -> dict[str, Any]:
    """Write the receipt as an R4 Consent: a root rule, and a nested rule for each decision.

    The root has no type: Consent.provision.type is “not permitted in root rule, required in all
    nested rules” (R4).
    """
    status, rules = _status_and_rules(issued)
    document = issued.receipt.document
    decided_at = _decided_at(document)
    last_end = _last_end([rule.decided for rule in rules])
    return {
        **_common_members(issued, status),
        "scope": _concept(f"{_TERMINOLOGY}/consentscope", "patient-privacy", "Privacy Consent"),
        "patient": _patient(issued),
        "dateTime": decided_at,
        "performer": [_decider(issued)],
        "organization": _controllers(issued),
        "sourceAttachment": _source(issued),
        "policy": _policies(issued),
        "policyRule": {"text": law(issued.clinic)},
        "verification": [_verification_r4(issued)],
        "provision": {
            "period": _period(decided_at, last_end),
            "provision": [{"type": rule.type, **_provision(issued, rule, rules)} for rule in rules],
        },
    }


def write_r5(issued: IssuedReceipt) -> dict[str, Any]:
    """Write the receipt as an R5 Consent, which has one decision for all of its rules.

    Where every rule permits, the decision is permit: the categories name what is permitted, and the
    period ends with the first consent to end, as R5 has no place for a rule that is no exception.
    Otherwise the decision is deny, and what is permitted stands in exceptions.
    """
    status, rules = _status_and_rules(issued)
    document, clinic = issued.receipt.document, issued.clinic
    permitted = [rule for rule in rules if rule.permit]
    permit_all = bool(permitted) and len(permitted) == len(rules)
    first_end = _first_end([rule.decided for rule in permitted]) if permit_all else None
    members = _common_members(issued, "draft" if status == "proposed" else status)
    members["category"] += [{"coding": [_address_coding(issued, rule.decided)]} for rule in rules]
    consent = {
        **members,
        "subject": _patient(issued),
        "date": _local_date(document["effective_at"], clinic.country),
        "period": _period(_decided_at(document), first_end),
        "grantor": [_decider(issued)],
        "grantee": _controllers(issued),
        "manager": [_controller(issued, clinic.lead)],
        "controller": _controllers(issued),
        "sourceAttachment": [_source(issued)],
        "regulatoryBasis": [{"text": law(clinic)}],
    }
    if notice := notice_url(issued):
        consent["policyBasis"] = {"url": notice}
    consent["policyText"] = [_text_read(issued)]
    consent["verification"] = [_verification_r5(issued)]
    consent["decision"] = "permit" if permit_all else "deny"
    if permitted and not permit_all:
        consent["provision"] = [_provision(issued, rule, rules) for rule in permitted]
    return consent


def _status_and_rules(issued: IssuedReceipt) -> tuple[str, list[_Rule]]:
    """Give the status (in R4's words) and the rules that go with it."""
    every = decided_questions(issued)
    in_force = [decided for decided in every if decided.state_now in _RULE_STATES]
    if in_force:
        return "active", [
            _Rule(decided, permit=decided.state_now is State.GRANTED) for decided in in_force
        ]
    waiting = [decided for decided in every if decided.state_now is State.PENDING]
    if waiting:
        return "proposed", [_Rule(decided, permit=True) for decided in waiting]
    return "inactive", [_Rule(decided, permit=decided.answer is Answer.YES) for decided in every]


def _common_members(issued: IssuedReceipt, status: str) -> dict[str, Any]:
    """Give the members that both releases have alike."""
    number = issued.receipt.id
    return {
        "resourceType": "Consent",
        "id": number,
        "language": issued.lang,
        "text": {"status": "generated", "div": _narrative(issued)},
        "identifier": [{"system": f"{clinic_url(issued)}/receipts", "value": number}],
        "status": status,
        "category": [_concept("http://loinc.org", "59284-0", "Patient Consent")],
    }


def _narrative(issued: IssuedReceipt) -> str:
    """Write the resource in words, as XHTML."""
    document, country = issued.receipt.document, issued.clinic.country
    every = decided_questions(issued)
    ends = {}
    for decided in every:
        if decided.state_now is State.GRANTED and decided.expires_at:
            ends[decided.address] = format_time(decided.expires_at, issued.lang, country)
    written = render(
        "receipt/narrative.html",
        issued.lang,
        clinic=issued.clinic,
        decided_questions=every,
        receipt=document,
        when=format_when(document, issued.lang, country),
        ends=ends,
    )
    return " ".join(written.split())


def _provision(issued: IssuedReceipt, rule: _Rule, rules: Sequence[_Rule]) -> dict[str, Any]:
    """Give one rule: for how long, for whom, to do what, for which purpose."""
    decided, recipient = rule.decided, rule.decided.recipient
    ends = decided.expires_at if rule.permit else None
    provision: dict[str, Any] = {"period": _period(_decided_at(issued.receipt.document), ends)}
    if recipient:
        role = _concept(f"{_TERMINOLOGY}/v3-ParticipationType", "IRCP", "information recipient")
        provision["actor"] = [{"role": role, "reference": {"display": recipient}}]
    action = "disclose" if recipient else "use"
    return {
        **provision,
        "action": [_concept(f"{_TERMINOLOGY}/consentaction", action, action.capitalize())],
        "purpose": [_address_coding(issued, decided), *_reason_codings(issued, rule, rules)],
    }


def _reason_codings(
    issued: IssuedReceipt, rule: _Rule, rules: Sequence[_Rule]
) -> list[dict[str, str]]:
    """Give HL7's purpose of use where one fits and all options of the purpose are decided alike.

    Several purposes in a rule mean any of them: marketing by e-mail alone must not read as
    marketing.
    """
    purpose, _, _ = rule.decided.address.partition(".")
    options = set(issued.clinic.resolve_names(purpose))
    decided_alike = {other.decided.address for other in rules if other.permit is rule.permit}
    if purpose not in _REASONS or not options or not options <= decided_alike:
        return []
    code, display = _REASONS[purpose]
    return [_coding(f"{_TERMINOLOGY}/v3-ActReason", code, display)]


def _policies(issued: IssuedReceipt) -> list[dict[str, str]]:
    """Give the supervisory authority with the notice, and the page where one was answered."""
    policy = {"authority": authorities()[issued.clinic.authority]["web"]}
    if notice := notice_url(issued):
        policy["uri"] = notice
    if page := _shown_page_url(issued):
        return [policy, {"uri": page}]
    return [policy]


def _shown_page_url(issued: IssuedReceipt) -> str | None:
    """Give the address of the page that the patient saw, where the decision was made on a page.

    A withdrawal may be sent without a page, so for a receipt of withdrawals alone there is none.
    """
    document = issued.receipt.document
    answers = {entry["answer"] for entry in document["decisions"].values()}
    sha256 = document["notice"]["sha256"]
    if answers == {Answer.WITHDRAW} or document["channel"] not in ON_A_PAGE or sha256 is None:
        return None
    return f"{clinic_url(issued)}/shown/{sha256}"


def _text_read(issued: IssuedReceipt) -> dict[str, Any]:
    """Refer to the text that was read by its SHA-256; or say that it is not known."""
    notice = issued.receipt.document["notice"]
    if notice["sha256"] is None:
        return {"type": "DocumentReference", "display": text_not_known(issued.lang)}
    return {
        "type": "DocumentReference",
        "identifier": {"system": f"{clinic_url(issued)}/shown", "value": notice["sha256"]},
        "display": f"{notice['version']} ({notice['lang']})",
    }


def _source(issued: IssuedReceipt) -> dict[str, Any]:
    """Attach the receipt: signed, or its address while it waits to be signed."""
    where = {"url": receipt_url(issued), "creation": issued.receipt.document["recorded_at"]}
    if issued.jws is None:
        return {"contentType": "application/json", **where}
    data = base64.b64encode(issued.jws.encode()).decode()
    return {"contentType": "application/jose", "data": data, **where}


def _verification_r4(issued: IssuedReceipt) -> dict[str, Any]:
    document = issued.receipt.document
    if document["assurance"] in _UNVERIFIED:
        return {"verified": False}
    return {
        "verified": True,
        "verifiedWith": _decider(issued),
        "verificationDate": document["recorded_at"],
    }


def _verification_r5(issued: IssuedReceipt) -> dict[str, Any]:
    document = issued.receipt.document
    if document["assurance"] in _UNVERIFIED:
        return {"verified": False}
    return {
        "verified": True,
        "verificationType": _concept(
            f"{_TERMINOLOGY}/consentverification", "validation", "Validation"
        ),
        "verifiedWith": _decider(issued),
        "verificationDate": [document["recorded_at"]],
    }


def _decider(issued: IssuedReceipt) -> dict[str, Any]:
    """Give who decided: the patient or a guardian, never the staff who recorded it."""
    if issued.receipt.document["actor"] == "guardian":
        return {"type": "RelatedPerson", "display": "guardian"}
    return _patient(issued)


def _patient(issued: IssuedReceipt) -> dict[str, Any]:
    """Refer to the patient by the opaque id, never by a name or a contact."""
    identifier = {
        "system": f"{clinic_url(issued)}/subjects",
        "value": issued.receipt.document["subject"],
    }
    return {"type": "Patient", "identifier": identifier}


def _controllers(issued: IssuedReceipt) -> list[dict[str, Any]]:
    clinic = issued.clinic
    return [_controller(issued, controller) for controller in clinic.controllers]


def _controller(issued: IssuedReceipt, controller: Controller) -> dict[str, Any]:
    identifier = {
        "system": f"{clinic_url(issued)}/controllers",
        "value": controller.id,
    }
    return {"type": "Organization", "identifier": identifier, "display": controller.name}


def _address_coding(issued: IssuedReceipt, decided: DecidedQuestion) -> dict[str, str]:
    """Give a decision's address as a code of the clinic."""
    system = f"{clinic_url(issued)}/decisions"
    return _coding(system, decided.address, decided.title)


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    coding = _coding(system, code, display)
    return {"coding": [coding]}


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {
        "system": system,
        "code": code,
        "display": display,
    }


def _first_end(decisions: Sequence[DecidedQuestion]) -> Instant | None:
    """Give when the first of them ends, None where none does."""
    ends = [decided.expires_at for decided in decisions if decided.expires_at]
    return min(ends, default=None)


def _last_end(decisions: Sequence[DecidedQuestion]) -> Instant | None:
    """Give when the last of them ends, None where one does not end."""
    ends = [decided.expires_at for decided in decisions if decided.expires_at]
    if len(ends) < len(decisions):
        return None
    return max(ends, default=None)


def _period(start: str, end: Instant | None) -> dict[str, str]:
    period = {"start": start}
    if end:
        period["end"] = end
    return period


def _decided_at(document: Mapping[str, Any]) -> str:
    """Give a FHIR dateTime: a date where only the day is known, so that no time is made up."""
    return str(document.get("effective_date") or document["effective_at"])


def _local_date(at: Instant, country: str) -> str:
    """Give the day of a moment where the clinic is."""
    zone = ZoneInfo(ZONES[country])
    return str(moment(at).astimezone(zone).date())
