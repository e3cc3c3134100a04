"""A FHIR Consent resource, R4 (4.0.1) and R5 (5.0.0): the rules of a receipt that hold at the moment of writing.

A rule is what the receipt still has the last word on: granted → permit, refused or withdrawn → deny. What has expired,
was superseded or replaced, or waits to be confirmed is no rule. Where none is left the resource is inactive (or
proposed, while it waits) and keeps what was said; a permit never stays active after a withdrawal.
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
"""Purposes for which HL7's ActReason has the right word; every rule also carries its own address."""


_UNVERIFIED = {Assurance.SELF_ASSERTED, Assurance.IMPORTED}
"""Where nobody who knew the person verified the consent here."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One decision as a rule: permit or deny."""

    each: DecidedQuestion
    permit: bool

    @property
    def type(self) -> str:
        return "permit" if self.permit else "deny"


def write_r4(issued: IssuedReceipt) -> dict[str, Any]:
    """Write the receipt as an R4 Consent: a root rule without a type, and one nested rule for each decision."""
    status, rules = _rules(issued)
    receipt = issued.receipt.document
    verified = receipt["assurance"] not in _UNVERIFIED
    verification: dict[str, Any] = {"verified": verified}
    if verified:
        verification |= {"verifiedWith": _person(issued), "verificationDate": receipt["recorded_at"]}
    consent = {
        **_head(issued, status),
        "scope": _concept(f"{_TERMINOLOGY}/consentscope", "patient-privacy", "Privacy Consent"),
        "patient": _patient(issued),
        "dateTime": _given(receipt),
        "performer": [_person(issued)],
        "organization": _organizations(issued),
        "sourceAttachment": _source(issued),
        "policy": [{"authority": authorities()[issued.clinic.authority]["web"], **_named("uri", notice_url(issued))}],
        "policyRule": {"text": law(issued.clinic)},
        "verification": [verification],
        # Consent.provision.type is "not permitted in root rule, required in all nested rules" (R4).
        "provision": {
            "period": _period(_given(receipt), _end([rule.each for rule in rules], last=True)),
            "provision": [{"type": rule.type, **_provision(issued, rule, rules)} for rule in rules],
        },
    }
    if shown := _shown(issued):
        consent["policy"].append({"uri": shown})
    return consent


def write_r5(issued: IssuedReceipt) -> dict[str, Any]:
    """Write the receipt as an R5 Consent: one decision for all of its rules, or deny with what is permitted apart.

    Where every rule permits, the categories name what is permitted and the period ends with the first consent to end:
    R5 has no place for a rule that is no exception.
    """
    status, rules = _rules(issued)
    receipt, clinic = issued.receipt.document, issued.clinic
    verified = receipt["assurance"] not in _UNVERIFIED
    verification: dict[str, Any] = {"verified": verified}
    if verified:
        kind = _concept(f"{_TERMINOLOGY}/consentverification", "validation", "Validation")
        verification |= {"verificationType": kind, "verifiedWith": _person(issued)}
        verification["verificationDate"] = [receipt["recorded_at"]]
    permitted = [rule for rule in rules if rule.permit]
    permit = bool(permitted) and len(permitted) == len(rules)
    head = _head(issued, "draft" if status == "proposed" else status)
    head["category"] += [{"coding": [_decision(issued, rule.each)]} for rule in rules]
    consent = {
        **head,
        "subject": _patient(issued),
        "date": str(moment(receipt["effective_at"]).astimezone(ZoneInfo(ZONES[clinic.country])).date()),
        "period": _period(_given(receipt), _end([rule.each for rule in permitted], last=False) if permit else None),
        "grantor": [_person(issued)],
        "grantee": _organizations(issued),
        "manager": [_organization(issued, clinic.lead)],
        "controller": _organizations(issued),
        "sourceAttachment": [_source(issued)],
        "regulatoryBasis": [{"text": law(clinic)}],
        **_named("policyBasis", _named("url", notice_url(issued))),
        "policyText": [_text_read(issued)],
        "verification": [verification],
        "decision": "permit" if permit else "deny",
    }
    if permitted and not permit:
        consent["provision"] = [_provision(issued, rule, rules) for rule in permitted]
    return consent


def _given(receipt: Mapping[str, Any]) -> str:
    """Give when it was decided as a FHIR dateTime, which may be a date: where no time is known, none is made up."""
    return str(receipt.get("effective_date") or receipt["effective_at"])


def _rules(issued: IssuedReceipt) -> tuple[str, list[_Rule]]:
    """Give the status (in R4's words) and the rules that go with it."""
    every = decided_questions(issued)
    held = [each for each in every if each.now in {State.GRANTED, State.REFUSED, State.WITHDRAWN}]
    if held:
        return "active", [_Rule(each, each.now is State.GRANTED) for each in held]
    waiting = [each for each in every if each.now is State.PENDING]
    if waiting:
        return "proposed", [_Rule(each, permit=True) for each in waiting]
    return "inactive", [_Rule(each, each.answer is Answer.YES) for each in every]


def _head(issued: IssuedReceipt, status: str) -> dict[str, Any]:
    """Give what both releases have in common."""
    receipt, clinic, every = issued.receipt.document, issued.clinic, decided_questions(issued)
    ends = {each.address: each.expires_at for each in every if each.now is State.GRANTED and each.expires_at}
    div = render(
        "receipt/narrative.html",
        issued.lang,
        clinic=clinic,
        decided=every,
        receipt=receipt,
        when=format_when(receipt, issued.lang, clinic.country),
        ends={address: format_time(end, issued.lang, clinic.country) for address, end in ends.items()},
    )
    return {
        "resourceType": "Consent",
        "id": receipt["id"],
        "language": issued.lang,
        "text": {"status": "generated", "div": " ".join(div.split())},
        "identifier": [{"system": f"{clinic_url(issued)}/receipts", "value": receipt["id"]}],
        "status": status,
        "category": [_concept("http://loinc.org", "59284-0", "Patient Consent")],
    }


def _provision(issued: IssuedReceipt, rule: _Rule, rules: Sequence[_Rule]) -> dict[str, Any]:
    """Give one rule: for how long, for whom, to do what, for which purpose."""
    each = rule.each
    recipient = each.recipient
    provision: dict[str, Any] = {
        "period": _period(_given(issued.receipt.document), each.expires_at if rule.permit else None)
    }
    if recipient:
        role = _concept(f"{_TERMINOLOGY}/v3-ParticipationType", "IRCP", "information recipient")
        provision["actor"] = [{"role": role, "reference": {"display": recipient}}]
    action = "disclose" if recipient else "use"
    provision["action"] = [_concept(f"{_TERMINOLOGY}/consentaction", action, action.capitalize())]
    provision["purpose"] = [_decision(issued, each), *_reason(issued, rule, rules)]
    return provision


def _reason(issued: IssuedReceipt, rule: _Rule, rules: Sequence[_Rule]) -> list[dict[str, str]]:
    """Give HL7's purpose of use where one fits and the whole purpose is decided alike.

    Several purposes in a rule mean any of them: marketing by e-mail alone must not read as marketing.
    """
    purpose = rule.each.address.partition(".")[0]
    whole = set(issued.clinic.resolve_names(purpose))
    alike = {other.each.address for other in rules if other.permit is rule.permit}
    if purpose not in _REASONS or not whole or not whole <= alike:
        return []
    code, display = _REASONS[purpose]
    return [{"system": f"{_TERMINOLOGY}/v3-ActReason", "code": code, "display": display}]


def _decision(issued: IssuedReceipt, each: DecidedQuestion) -> dict[str, str]:
    return {"system": f"{clinic_url(issued)}/decisions", "code": each.address, "display": each.title}


def _end(decisions: Sequence[DecidedQuestion], *, last: bool) -> Instant | None:
    """Give when the first of them ends; or the last, where every one does."""
    ends = [each.expires_at for each in decisions if each.expires_at]
    if last:
        return max(ends, default=None) if len(ends) == len(decisions) else None
    return min(ends, default=None)


def _period(start: Instant, end: Instant | None) -> dict[str, str]:
    return {"start": start, "end": end} if end else {"start": start}


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _patient(issued: IssuedReceipt) -> dict[str, Any]:
    """Give the patient as a logical reference: the opaque id, never a name or a contact."""
    subject = issued.receipt.document["subject"]
    return {"type": "Patient", "identifier": {"system": f"{clinic_url(issued)}/subjects", "value": subject}}


def _person(issued: IssuedReceipt) -> dict[str, Any]:
    """Give who decided: the patient, or a guardian. Staff only wrote it down."""
    if issued.receipt.document["actor"] == "guardian":
        return {"type": "RelatedPerson", "display": "guardian"}
    return _patient(issued)


def _organization(issued: IssuedReceipt, controller: Controller) -> dict[str, Any]:
    identifier = {"system": f"{clinic_url(issued)}/controllers", "value": controller.id}
    return {"type": "Organization", "identifier": identifier, "display": controller.name}


def _organizations(issued: IssuedReceipt) -> list[dict[str, Any]]:
    return [_organization(issued, each) for each in issued.clinic.controllers]


def _source(issued: IssuedReceipt) -> dict[str, Any]:
    """Give the receipt itself: signed, or its address while it waits to be signed."""
    source = {"url": receipt_url(issued), "creation": issued.receipt.document["recorded_at"]}
    if issued.jws is None:
        return {"contentType": "application/json", **source}
    return {"contentType": "application/jose", "data": base64.b64encode(issued.jws.encode()).decode(), **source}


def _shown(issued: IssuedReceipt) -> str | None:
    """Give the address of the page exactly as the patient saw it, for what was decided on a page.

    A withdrawal may have been sent without any page: nobody claims that one was seen.
    """
    receipt = issued.receipt.document
    stopped = all(entry["answer"] == Answer.WITHDRAW for entry in receipt["decisions"].values())
    if stopped or receipt["channel"] not in ON_A_PAGE or receipt["notice"]["sha256"] is None:
        return None
    return f"{clinic_url(issued)}/shown/{receipt['notice']['sha256']}"


def _named(name: str, value: Any) -> dict[str, Any]:
    """Give a member where there is something to say: FHIR knows no null."""
    return {name: value} if value else {}


def _text_read(issued: IssuedReceipt) -> dict[str, Any]:
    """Give the text the patient read as a logical reference: its fingerprint; or in words that it is not known."""
    notice = issued.receipt.document["notice"]
    if notice["sha256"] is None:
        return {"type": "DocumentReference", "display": text_not_known(issued.lang)}
    identifier = {"system": f"{clinic_url(issued)}/shown", "value": notice["sha256"]}
    return {"type": "DocumentReference", "identifier": identifier, "display": f"{notice['version']} ({notice['lang']})"}
