"""A Kantara consent receipt, version 1.1 (KI-CR-v1.1.0): the consents that a receipt gave and that still hold.

The format has no word for a state, so whatever stands in it reads as a consent in force. A refusal, a claim that waits,
a withdrawal, an expired, superseded or replaced consent is therefore left out (`docs/formats.md`).
"""

from typing import Any

from chalicelib.domain.clinic import Clinic, Controller, Purpose
from chalicelib.domain.consent import State
from chalicelib.domain.instants import moment
from chalicelib.receipts.errors import FormatCannotExpressError
from chalicelib.receipts.formats.answers import DecidedQuestion, clinic_url, decided_questions, notice_url
from chalicelib.receipts.formats.issued import IssuedReceipt

VERSION = "KI-CR-v1.1.0"
_CATEGORIES = {"newsletter": "6 - Marketing"}
"""Kantara's own numbered purpose categories, where one truly fits."""


def write(issued: IssuedReceipt) -> dict[str, Any]:
    """Write the receipt in its language; raise FormatCannotExpressError where nothing it granted is in force."""
    granted = [(each, each.purpose) for each in decided_questions(issued) if each.now is State.GRANTED]
    consents = [(each, purpose) for each, purpose in granted if purpose is not None]
    policy = notice_url(issued)
    if not consents or policy is None:  # a Yes to a text that is not known is never in force
        raise FormatCannotExpressError(
            "A Kantara consent receipt tells of consents that are in force, and nothing that this receipt granted is."
        )
    receipt, clinic, lang = issued.receipt.document, issued.clinic, issued.lang
    sensitive = dict.fromkeys(purpose.data[lang] for each, purpose in consents if each.explicit)
    return {
        "version": VERSION,
        "jurisdiction": clinic.country,
        "consentTimestamp": int(moment(receipt["effective_at"]).timestamp()),
        "collectionMethod": receipt["channel"],
        "consentReceiptID": receipt["id"],
        "language": lang,
        "piiPrincipalId": receipt["subject"],
        "piiControllers": [_controller(issued, each) for each in clinic.controllers],
        "policyUrl": policy,
        "services": [{"service": clinic.name[lang], "purposes": [_purpose(*each) for each in consents]}],
        "sensitive": bool(sensitive),
        "spiCat": list(sensitive),
    }


def _controller(issued: IssuedReceipt, controller: Controller) -> dict[str, Any]:
    """Give a controller; the format wants a contact, an e-mail and a phone of each, so the shared ones stand in."""
    clinic = issued.clinic
    street = {"streetAddress": controller.address} if controller.address else {}
    return {
        "piiController": controller.name,
        "contact": clinic.dpo.get("name") or controller.name,
        "address": street | {"addressCountry": clinic.country},
        "email": _reach(clinic, controller, "email"),
        "phone": _reach(clinic, controller, "phone"),
        "piiControllerUrl": clinic_url(issued),
    }


def _reach(clinic: Clinic, controller: Controller, kind: str) -> str:
    own: str = getattr(controller, kind)
    leading: str = getattr(clinic.lead, kind)
    return own or clinic.dpo.get(kind) or leading


def _purpose(each: DecidedQuestion, purpose: Purpose) -> dict[str, Any]:
    ends = f" – {each.expires_at}" if each.expires_at else ""
    known = [_CATEGORIES[purpose.id]] if purpose.id in _CATEGORIES else []
    written: dict[str, Any] = {
        "purpose": each.title,
        "purposeCategory": [*known, each.address],
        "consentType": "EXPLICIT",  # by an act, never implied; whether Art. 9 asks for it is told by spiCat
        "piiCategory": [purpose.data[each.lang]],
        "primaryPurpose": False,  # care never depends on it
        "termination": f"{purpose.retention[each.lang]}{ends}",
        "thirdPartyDisclosure": each.recipient is not None,
    }
    if each.recipient is not None:
        written["thirdPartyName"] = each.recipient
    return written
