"""The parties of a consent receipt in DPV, and the IRIs by which its records refer to them."""

from typing import Any

from chalicelib.domain.clinic import Controller
from chalicelib.presentation.authorities import authorities
from chalicelib.receipts.formats.answers import clinic_url
from chalicelib.receipts.formats.issued import IssuedReceipt


def parties(issued: IssuedReceipt) -> list[dict[str, Any]]:
    """Describe everybody the records refer to."""
    clinic = issued.clinic
    described = [_subject(issued)]
    described += [_controller(issued, controller) for controller in clinic.controllers]
    if clinic.dpo:
        described.append(_officer(issued))
    return [*described, _authority(issued)]


def _subject(issued: IssuedReceipt) -> dict[str, Any]:
    subject = issued.receipt.document["subject"]
    return {
        "@id": subject_id(issued),
        "@type": ["dpv:DataSubject", "dpv:Patient"],
        "dpv:hasIdentifier": subject,
        "dct:identifier": subject,
    }


def _controller(issued: IssuedReceipt, controller: Controller) -> dict[str, Any]:
    contacts = (controller.email, controller.phone)
    return {
        "@id": controller_id(issued, controller),
        "@type": ["dpv:LegalEntity", "dpv:DataController"],
        "dpv:hasIdentifier": controller.registration or controller.id,
        "dct:identifier": controller.id,
        "dpv:hasName": controller.name,
        # Mandatory, and all that is known of some controllers is the country.
        "dpv:hasAddress": controller.address or issued.clinic.country,
        "dpv:hasContact": [contact for contact in contacts if contact],
    }


def _officer(issued: IssuedReceipt) -> dict[str, Any]:
    dpo = issued.clinic.dpo
    officer: dict[str, Any] = {
        "@id": officer_id(issued),
        "@type": "dpv:DataProtectionOfficer",
        "dpv:hasIdentifier": officer_id(issued),
    }
    if "name" in dpo:
        officer["dpv:hasName"] = dpo["name"]
    officer["dpv:hasContact"] = [dpo[kind] for kind in ("email", "phone") if kind in dpo]
    return officer


def _authority(issued: IssuedReceipt) -> dict[str, Any]:
    authority = authorities()[issued.clinic.authority]
    return {
        "@id": authority["web"],
        "@type": "dpv:DataProtectionAuthority",
        "dpv:hasIdentifier": authority["web"],
        "dpv:hasName": {"@value": authority["name"][issued.lang], "@language": issued.lang},
        "dpv:hasContact": authority["web"],
    }


def lead_controller(issued: IssuedReceipt) -> dict[str, str]:
    """Refer to the leading controller."""
    return reference(controller_id(issued, issued.clinic.lead))


def controller_id(issued: IssuedReceipt, controller: Controller) -> str:
    """Give the IRI of a controller."""
    return f"{clinic_url(issued)}#controller-{controller.id}"


def officer_id(issued: IssuedReceipt) -> str:
    """Give the IRI of the data protection officer."""
    return f"{clinic_url(issued)}#dpo"


def subject_id(issued: IssuedReceipt) -> str:
    """Give the IRI of the person: the opaque id, never a name or a contact."""
    subject = issued.receipt.document["subject"]
    return f"{clinic_url(issued)}#subject-{subject}"


def reference(iri: str) -> dict[str, str]:
    """Refer to a thing or a term by its IRI."""
    return {"@id": iri}
