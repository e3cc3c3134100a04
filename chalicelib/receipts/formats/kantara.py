"""A Kantara consent receipt 1.1 (KI-CR-v1.1.0): the consents of a receipt that are in force.

The format has no word for a state, so whatever stands in it reads as a consent in force. A refusal,
a claim that waits, and a consent that was withdrawn, replaced or superseded or has expired is
therefore left out (`docs/formats.md`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

from chalicelib.domain.clinic import Clinic, Controller, Purpose
from chalicelib.domain.consent import State
from chalicelib.domain.instants import moment
from chalicelib.receipts.errors import FormatCannotExpressError
from chalicelib.receipts.formats.answers import (
    DecidedQuestion,
    clinic_url,
    decided_questions,
    notice_url,
)
from chalicelib.receipts.formats.issued import IssuedReceipt

VERSION = "KI-CR-v1.1.0"
_CATEGORIES = {"newsletter": "6 - Marketing"}
"""Kantara's own purpose categories, for the purposes that one of them truly fits."""


def write(issued: IssuedReceipt) -> dict[str, Any]:
    """Write the consents of a receipt; raise FormatCannotExpressError where none is in force."""
    consents = list(_consents_in_force(issued))
    policy = notice_url(issued)
    if not consents or policy is None:  # a Yes to a text that is not known is never in force
        raise FormatCannotExpressError(
            "A Kantara consent receipt tells of consents that are in force, and nothing that this receipt granted is."
        )
    receipt, clinic, lang = issued.receipt.document, issued.clinic, issued.lang
    sensitive = _sensitive_data(consents)
    return {
        "version": VERSION,
        "jurisdiction": clinic.country,
        "consentTimestamp": int(moment(receipt["effective_at"]).timestamp()),
        "collectionMethod": receipt["channel"],
        "consentReceiptID": receipt["id"],
        "language": lang,
        "piiPrincipalId": receipt["subject"],
        "piiControllers": [_controller(issued, controller) for controller in clinic.controllers],
        "policyUrl": policy,
        "services": [
            {
                "service": clinic.name[lang],
                "purposes": [_purpose(decided, purpose) for decided, purpose in consents],
            }
        ],
        "sensitive": bool(sensitive),
        "spiCat": sensitive,
    }


def _consents_in_force(issued: IssuedReceipt) -> Iterator[tuple[DecidedQuestion, Purpose]]:
    """Give the decisions that are granted now, with their purposes as the notice describes them."""
    for decided in decided_questions(issued):
        purpose = decided.purpose
        if decided.state_now is State.GRANTED and purpose is not None:
            yield decided, purpose


def _sensitive_data(consents: Sequence[tuple[DecidedQuestion, Purpose]]) -> list[str]:
    """Give the data of the purposes that rest on explicit consent, each text once."""
    texts = []
    for decided, purpose in consents:
        text = purpose.data[decided.lang]
        if decided.explicit and text not in texts:
            texts.append(text)
    return texts


def _controller(issued: IssuedReceipt, controller: Controller) -> dict[str, Any]:
    """Describe a controller.

    The format wants a contact, an e-mail and a phone of each: those the controllers share stand in.
    """
    clinic = issued.clinic
    address = {"addressCountry": clinic.country}
    if controller.address:
        address = {"streetAddress": controller.address, **address}
    return {
        "piiController": controller.name,
        "contact": clinic.dpo.get("name") or controller.name,
        "address": address,
        "email": controller.email or _shared_contact(clinic, "email"),
        "phone": controller.phone or _shared_contact(clinic, "phone"),
        "piiControllerUrl": clinic_url(issued),
    }


def _shared_contact(clinic: Clinic, kind: str) -> str:
    """Give the data protection officer's e-mail or phone, else the leading controller's."""
    leading: str = getattr(clinic.lead, kind)
    return clinic.dpo.get(kind) or leading


def _purpose(decided: DecidedQuestion, purpose: Purpose) -> dict[str, Any]:
    categories = [decided.address]
    if purpose.id in _CATEGORIES:
        categories.insert(0, _CATEGORIES[purpose.id])
    termination = purpose.retention[decided.lang]
    if decided.expires_at:
        termination = f"{termination} – {decided.expires_at}"
    written: dict[str, Any] = {
        "purpose": decided.title,
        "purposeCategory": categories,
        "consentType": "EXPLICIT",  # given by an act; whether GDPR Art. 9 asks for it, spiCat shows
        "piiCategory": [purpose.data[decided.lang]],
        "primaryPurpose": False,  # care never depends on it
        "termination": termination,
        "thirdPartyDisclosure": decided.recipient is not None,
    }
    if decided.recipient is not None:
        written["thirdPartyName"] = decided.recipient
    return written
