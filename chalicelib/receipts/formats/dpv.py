"""A consent receipt by ISO/IEC TS 27560:2023 in the words of the W3C Data Privacy Vocabulary (DPV 2), as JSON-LD.

After the DPV guide “consent-27560”: a `dpv:ConsentReceipt` wraps one `dpv:ConsentRecord` for each decision, so that
each has its own states. The profile is `receipt-eu-gdpr` (records: `record-eu-gdpr`) where the GDPR holds, and the
plain `receipt` and `record` where it does not: Georgia is no member of the European Union. The context is inline and
only holds prefixes, so nothing has to be fetched to read it.
"""

import itertools
from typing import Any

from chalicelib.domain.clinic import Controller
from chalicelib.domain.consent import State
from chalicelib.domain.instants import Instant
from chalicelib.presentation.authorities import authorities
from chalicelib.receipts.formats.answers import (
    DecidedQuestion,
    clinic_url,
    decided_questions,
    law,
    notice_url,
    receipt_url,
    text_not_known,
    under_gdpr,
)
from chalicelib.receipts.formats.issued import IssuedReceipt

_SCHEMA = "https://w3id.org/dpv/schema/dpv-27560"
CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "dct": "http://purl.org/dc/terms/",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "loc": "https://w3id.org/dpv/loc#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}

_STATES = {
    State.NEVER_ASKED: "dpv:ConsentUnknown",
    State.PENDING: "dpv:ConsentRequested",
    State.GRANTED: "dpv:ConsentGiven",
    State.REFUSED: "dpv:ConsentRefused",
    State.WITHDRAWN: "dpv:ConsentWithdrawn",
    State.EXPIRED: "dpv:ConsentExpired",
    State.SUPERSEDED: "dpv:ConsentRevoked",  # “by an entity other than the data subject”: the controller's new text
}
_REPLACED = "dpv:ConsentUnknown"
"""How a decision stands that a later receipt has replaced: this receipt does not know."""

_BROADER = {"newsletter": "dpv:DirectMarketing"}
"""Purposes for which DPV has a narrower word than `dpv:Purpose`."""

_RIGHTS = ("A7-3", "A15", "A16", "A17", "A18", "A20", "A77")
"""The rights of the GDPR that go with consent: withdraw, access, rectify, erase, restrict, take along, complain."""


def write(issued: IssuedReceipt, *, record: bool = False) -> dict[str, Any]:
    """Write the receipt with its records; or, as a `record`, the consent records alone."""
    records = [_Record(issued, each).write() for each in decided_questions(issued)]
    if record:
        return {"@context": CONTEXT, "@graph": [*records, *_parties(issued)]}
    receipt = issued.receipt.document
    return {
        "@context": CONTEXT,
        "@id": receipt_url(issued),
        "@type": "dpv:ConsentReceipt",
        "dpv:hasIdentifier": receipt["id"],
        "dct:identifier": receipt["id"],
        "dct:conformsTo": _profile(issued, "receipt"),
        "dct:created": _time(receipt["recorded_at"]),
        "dct:issued": _time(issued.at),
        "dct:publisher": _id(_controller_id(issued, issued.clinic.lead)),
        "dct:audience": _id(_subject_id(issued)),
        "dct:language": issued.lang,
        "dpv:hasEntity": _parties(issued),
        "dpv:hasRecordOfActivity": records,
    }


class _Record:
    """One decision as a consent record: header, processing, parties by reference, events."""

    def __init__(self, issued: IssuedReceipt, each: DecidedQuestion) -> None:
        self.issued = issued
        self.receipt = issued.receipt.document
        self.each = each
        self.id = f"{receipt_url(issued)}#{each.address}"
        self.basis = "dpv:ExplicitlyExpressedConsent" if each.explicit else "dpv:ExpressedConsent"

    def write(self) -> dict[str, Any]:
        clinic, states = self.issued.clinic, self.states()
        gdpr = under_gdpr(clinic)
        legal = "eu-gdpr:A9-2-a" if self.each.explicit else "eu-gdpr:A6-1-a"
        return {
            "@id": self.id,
            "@type": "dpv:ConsentRecord",
            "dpv:hasIdentifier": self.id,
            "dct:identifier": self.id,
            "dct:conformsTo": _profile(self.issued, "record"),
            "dct:created": _time(self.receipt["recorded_at"]),
            "dpv:hasDataSubject": _id(_subject_id(self.issued)),
            "dpv:hasNotice": self.notice(),
            "dct:language": self.receipt["notice"]["lang"],
            "dpv:hasDataController": [_id(_controller_id(self.issued, each)) for each in clinic.controllers],
            **({"dpv:hasDataProtectionOfficer": _id(f"{clinic_url(self.issued)}#dpo")} if clinic.dpo else {}),
            "dpv:hasAuthority": _id(authorities()[clinic.authority]["web"]),
            "dpv:hasJurisdiction": [_id(f"loc:{clinic.country}"), *([_id("loc:EU")] if gdpr else [])],
            "dpv:hasApplicableLaw": {"@type": "dpv:Law", "dct:title": law(clinic)},
            "dpv:hasLegalBasis": [_id(self.basis), *([_id(legal)] if gdpr else [])],
            "dpv:hasConsentControl": {
                "@type": "dpv:WithdrawConsent",
                "dpv:isExercisedAt": _id(f"{clinic_url(self.issued)}/withdraw"),
            },
            "dpv:hasRight": self.right(),
            "dpv:hasProcess": self.process(),
            "dpv:hasConsentStatus": states,
            "dpv:hasStatus": _id(states[-1]["@id"]),  # the latest of them
        }

    def said(self, text: str) -> dict[str, str]:
        """Give a text of the notice with its language."""
        return {"@value": text, "@language": self.issued.lang}

    def notice(self) -> dict[str, Any]:
        shown = self.receipt["notice"]
        if shown["version"] is None:
            return {
                "@id": f"{self.id}-notice",
                "@type": "dpv:ConsentNotice",
                "dct:identifier": "unknown",
                "dct:language": shown["lang"],
                "dct:description": self.said(text_not_known(self.issued.lang)),
            }
        return {
            "@id": notice_url(self.issued, shown["lang"]),
            "@type": "dpv:ConsentNotice",
            "dct:identifier": f"sha256:{shown['sha256']}",
            "dct:language": shown["lang"],
            "dct:date": {"@value": self.issued.clinic.since or self.issued.clinic.effective, "@type": "xsd:date"},
            "dct:hasVersion": shown["version"],
        }

    def right(self) -> dict[str, Any]:
        articles = [f"eu-gdpr:{article}" for article in _RIGHTS] if under_gdpr(self.issued.clinic) else []
        return {
            "@type": ["dpv:DataSubjectRight", *articles],
            "dct:description": self.said(self.issued.clinic.texts["rights"][self.issued.lang]),
            "dpv:isExercisedAt": _id(notice_url(self.issued) or clinic_url(self.issued)),
        }

    def process(self) -> dict[str, Any]:
        """Give what is done with the data; every text of it is the notice's own."""
        clinic, each, lang = self.issued.clinic, self.each, self.issued.lang
        purpose = each.purpose
        retention = purpose.retention if purpose else clinic.texts["retention"]
        transfers = self.said(clinic.texts["transfers"][lang])
        place = {"@type": "dpv:Location", "dct:description": transfers}
        kind = "dpv:SpecialCategoryPersonalData" if each.explicit else "dpv:PersonalData"
        told = {"dct:description": self.said(each.text)} if each.text else {}
        data = {"dct:description": self.said(purpose.data[lang])} if purpose else {}
        recipients = [clinic.texts["recipients"][lang], *([each.recipient] if each.recipient else [])]
        return {
            "@type": "dpv:Process",
            "dpv:hasService": {"@type": "dpv:Service", "dct:title": self.said(clinic.name[lang])},
            "dpv:hasPurpose": {
                "@id": f"{clinic_url(self.issued)}#{each.address}",
                "@type": "dpv:Purpose",
                "skos:broader": _id(_BROADER.get(each.address.partition(".")[0], "dpv:Purpose")),
                "dct:title": self.said(each.title),
                **told,
            },
            "dpv:hasPersonalData": {
                "@type": kind,
                "skos:broader": _id(kind),
                "dpv:hasNecessity": _id("dpv:Optional"),  # Art. 13(2)(e): nothing is compulsory
                **data,
            },
            "dpv:hasProcessing": [_id(f"dpv:{decision}") for decision in self.acts()],
            "dpv:hasDataSource": _id("dpv:DataSubjectDataSource"),
            "dpv:hasStorageCondition": [
                {"@type": "dpv:StorageLocation", "dpv:hasLocation": place},
                {
                    "@type": "dpv:StorageDuration",
                    "dpv:hasDuration": {"@type": "dpv:Duration", "rdf:value": self.said(retention[lang])},
                },
            ],
            "dpv:hasProcessingCondition": {"@type": "dpv:ProcessingLocation", "dpv:hasLocation": place},
            "dpv:hasRule": {"@type": "dpv:Rule", "dct:description": transfers},
            "dpv:hasRecipient": [
                {"@type": "dpv:Recipient", "dct:description": self.said(recipient)} for recipient in recipients
            ],
        }

    def acts(self) -> list[str]:
        return ["Collect", "Store", "Use", *(["Share"] if self.each.recipient else [])]

    def states(self) -> list[dict[str, Any]]:
        """Give every state in order, each replaced by the one after it: before, after, and how it stands now.

        What the answer did not bring about is what the portal saw when it looked: another receipt has when, how and
        by whom.
        """
        each, looked = self.each, self.receipt["recorded_at"]
        after = _STATES[each.after]
        told = [
            self.seen(1, _STATES[each.before], looked),
            self.answered(2, after) if each.caused_state else self.seen(2, after, looked),
        ]
        now = _STATES[each.now] if each.now else _REPLACED
        if each.now is not each.after:
            since = each.expires_at if each.now is State.EXPIRED and each.expires_at else self.issued.at
            ends = each.expires_at if each.now is State.GRANTED else None
            told.append(self.seen(3, now, since, _validity(now, ends)))
        for state, following in itertools.pairwise(told):
            state["dct:isReplacedBy"] = _id(following["@id"])
        return told

    def answered(self, number: int, status: str) -> dict[str, Any]:
        """Give a state that this answer brought about: when it was decided, how, and by whom."""
        at = self.receipt.get("effective_date") or self.receipt["effective_at"]
        given = self.state(number, status, at, _validity(status, self.each.expires_at))
        return {**given, "dpv:hasIndicationMethod": self.receipt["channel"], **self.decider()}

    def seen(self, number: int, status: str, at: Instant, lasts: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give a state that came about otherwise: it is the controller who says that it stood so."""
        if lasts is None:  # and where it is a consent, another receipt has its end
            lasts = _validity("dpv:ConsentUnknown" if status == "dpv:ConsentGiven" else status, None)
        lead = _id(_controller_id(self.issued, self.issued.clinic.lead))
        return {**self.state(number, status, at, lasts), "dpv:isIndicatedBy": lead}

    def state(self, number: int, status: str, at: str, lasts: dict[str, Any]) -> dict[str, Any]:
        return {
            "@id": f"{self.id}-{number}",
            "@type": status,
            "dct:date": _time(at),
            "dpv:isIndicatedAtTime": _time(at),
            "dpv:hasDuration": lasts,
            "dpv:hasLegalBasis": _id(self.basis),
        }

    def decider(self) -> dict[str, Any]:
        """Give who decided; staff only write down what a patient, or a guardian for one, decided."""
        actor = str(self.receipt["actor"])
        by: dict[str, Any] = {"dpv:isIndicatedBy": _id(_subject_id(self.issued))}
        if actor == "guardian":
            by["dpv:isIndicatedBy"] = {"@type": "dpv:GuardianOfDataSubject"}
            actor = f"staff:{key}" if (key := (self.receipt["evidence"] or {}).get("staff")) else "patient"
        if actor != "patient":
            by["dpv:isImplementedByEntity"] = {"@type": "dpv:Entity", "dct:identifier": actor}
        return by


def _validity(status: str, ends: Instant | None) -> dict[str, Any]:
    if ends:
        return {"@type": "dpv:UntilTimeDuration", "rdf:value": _time(ends), "dct:valid": _time(ends)}
    if status in {"dpv:ConsentUnknown", "dpv:ConsentRequested"}:
        return _id("dpv:IndeterminateDuration")
    until = "dpv:WithdrawConsent" if status == "dpv:ConsentGiven" else "dpv:ProvideConsent"
    return {"@type": "dpv:UntilEventDuration", "rdf:value": _id(until)}


def _parties(issued: IssuedReceipt) -> list[dict[str, Any]]:
    """Give everybody the records refer to."""
    clinic = issued.clinic
    authority = authorities()[clinic.authority]
    subject = issued.receipt.document["subject"]
    return [
        {
            "@id": _subject_id(issued),
            "@type": ["dpv:DataSubject", "dpv:Patient"],
            "dpv:hasIdentifier": subject,
            "dct:identifier": subject,
        },
        *(_controller(issued, each) for each in clinic.controllers),
        *([_officer(issued)] if clinic.dpo else []),
        {
            "@id": authority["web"],
            "@type": "dpv:DataProtectionAuthority",
            "dpv:hasIdentifier": authority["web"],
            "dpv:hasName": {"@value": authority["name"][issued.lang], "@language": issued.lang},
            "dpv:hasContact": authority["web"],
        },
    ]


def _officer(issued: IssuedReceipt) -> dict[str, Any]:
    named, where = issued.clinic.dpo, f"{clinic_url(issued)}#dpo"
    return {
        "@id": where,
        "@type": "dpv:DataProtectionOfficer",
        "dpv:hasIdentifier": where,
        **({"dpv:hasName": named["name"]} if "name" in named else {}),
        "dpv:hasContact": [named[kind] for kind in ("email", "phone") if kind in named],
    }


def _controller(issued: IssuedReceipt, controller: Controller) -> dict[str, Any]:
    return {
        "@id": _controller_id(issued, controller),
        "@type": ["dpv:LegalEntity", "dpv:DataController"],
        "dpv:hasIdentifier": controller.registration or controller.id,
        "dct:identifier": controller.id,
        "dpv:hasName": controller.name,
        "dpv:hasAddress": controller.address or issued.clinic.country,  # mandatory; of more it may have told nothing
        "dpv:hasContact": [contact for contact in (controller.email, controller.phone) if contact],
    }


def _profile(issued: IssuedReceipt, kind: str) -> dict[str, str]:
    return _id(f"{_SCHEMA}#{kind}-eu-gdpr" if under_gdpr(issued.clinic) else f"{_SCHEMA}#{kind}")


def _controller_id(issued: IssuedReceipt, controller: Controller) -> str:
    return f"{clinic_url(issued)}#controller-{controller.id}"


def _subject_id(issued: IssuedReceipt) -> str:
    return f"{clinic_url(issued)}#subject-{issued.receipt.document['subject']}"


def _id(iri: str) -> dict[str, str]:
    return {"@id": iri}


def _time(at: str) -> dict[str, str]:
    return {"@value": at, "@type": "xsd:dateTime" if "T" in at else "xsd:date"}
