"""A consent receipt by ISO/IEC TS 27560:2023 in the W3C Data Privacy Vocabulary 2, as JSON-LD.

It follows the DPV guide “consent-27560”: a `dpv:ConsentReceipt` wraps one `dpv:ConsentRecord` for
each decision, so that each has its own states. The profile is `receipt-eu-gdpr` (records:
`record-eu-gdpr`) where the GDPR holds, and the plain `receipt` and `record` where it does not:
Georgia is not in the European Union. The context is inline and holds prefixes only: nothing is
fetched to read it.
"""

import itertools
from typing import Any

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
from chalicelib.receipts.formats.dpv_parties import (
    controller_id,
    lead_controller,
    officer_id,
    parties,
    reference,
    subject_id,
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

_UNKNOWN, _REQUESTED, _GIVEN = "dpv:ConsentUnknown", "dpv:ConsentRequested", "dpv:ConsentGiven"
_STATES = {
    State.NEVER_ASKED: _UNKNOWN,
    State.PENDING: _REQUESTED,
    State.GRANTED: _GIVEN,
    State.REFUSED: "dpv:ConsentRefused",
    State.WITHDRAWN: "dpv:ConsentWithdrawn",
    State.EXPIRED: "dpv:ConsentExpired",
    # “By an entity other than the data subject”: by the controller's new text.
    State.SUPERSEDED: "dpv:ConsentRevoked",
}
_REPLACED = _UNKNOWN
"""The state of a decision that a later receipt has replaced: this receipt does not know it."""

_BROADER = {"newsletter": "dpv:DirectMarketing"}
"""Purposes for which DPV has a narrower word than `dpv:Purpose`."""

_RIGHTS = ("A7-3", "A15", "A16", "A17", "A18", "A20", "A77")
"""Articles of the GDPR: withdraw, access, rectify, erase, restrict, take along, complain."""


def write(issued: IssuedReceipt, *, record: bool = False) -> dict[str, Any]:
    """Write the receipt with its records; or, as a `record`, the consent records alone."""
    records = [_Record(issued, decided).write() for decided in decided_questions(issued)]
    if record:
        return {"@context": CONTEXT, "@graph": [*records, *parties(issued)]}
    document = issued.receipt.document
    return {
        "@context": CONTEXT,
        "@id": receipt_url(issued),
        "@type": "dpv:ConsentReceipt",
        "dpv:hasIdentifier": document["id"],
        "dct:identifier": document["id"],
        "dct:conformsTo": _profile(issued, "receipt"),
        "dct:created": _time(document["recorded_at"]),
        "dct:issued": _time(issued.at),
        "dct:publisher": lead_controller(issued),
        "dct:audience": reference(subject_id(issued)),
        "dct:language": issued.lang,
        "dpv:hasEntity": parties(issued),
        "dpv:hasRecordOfActivity": records,
    }


class _Record:
    """One decision as a consent record: header, processing, references to the parties, states."""

    def __init__(self, issued: IssuedReceipt, decided: DecidedQuestion) -> None:
        self.issued = issued
        self.decided = decided
        self.clinic = issued.clinic
        self.document = issued.receipt.document
        self.gdpr = under_gdpr(issued.clinic)
        self.id = f"{receipt_url(issued)}#{decided.address}"
        self.basis = "dpv:ExpressedConsent"
        if decided.explicit:
            self.basis = "dpv:ExplicitlyExpressedConsent"

    def write(self) -> dict[str, Any]:
        """Write the record. The last of its states is the one that holds (`dpv:hasStatus`)."""
        states = self.states()
        record: dict[str, Any] = {
            "@id": self.id,
            "@type": "dpv:ConsentRecord",
            "dpv:hasIdentifier": self.id,
            "dct:identifier": self.id,
            "dct:conformsTo": _profile(self.issued, "record"),
            "dct:created": _time(self.document["recorded_at"]),
            "dpv:hasDataSubject": reference(subject_id(self.issued)),
            "dpv:hasNotice": self.notice(),
            "dct:language": self.document["notice"]["lang"],
            "dpv:hasDataController": [
                reference(controller_id(self.issued, controller))
                for controller in self.clinic.controllers
            ],
        }
        if self.clinic.dpo:
            record["dpv:hasDataProtectionOfficer"] = reference(officer_id(self.issued))
        return {
            **record,
            "dpv:hasAuthority": reference(authorities()[self.clinic.authority]["web"]),
            "dpv:hasJurisdiction": self.jurisdictions(),
            "dpv:hasApplicableLaw": {"@type": "dpv:Law", "dct:title": law(self.clinic)},
            "dpv:hasLegalBasis": self.legal_bases(),
            "dpv:hasConsentControl": {
                "@type": "dpv:WithdrawConsent",
                "dpv:isExercisedAt": reference(f"{clinic_url(self.issued)}/withdraw"),
            },
            "dpv:hasRight": self.right(),
            "dpv:hasProcess": self.process(),
            "dpv:hasConsentStatus": states,
            "dpv:hasStatus": reference(states[-1]["@id"]),
        }

    def in_language(self, text: str) -> dict[str, str]:
        """Give a text of the notice with its language."""
        return {"@value": text, "@language": self.issued.lang}

    def clinic_text(self, name: str) -> dict[str, str]:
        """Give one of the clinic's own texts in the notice."""
        return self.in_language(self.clinic.texts[name][self.issued.lang])

    def jurisdictions(self) -> list[dict[str, str]]:
        """Give the country, and the European Union where the GDPR holds."""
        places = [reference(f"loc:{self.clinic.country}")]
        if self.gdpr:
            places.append(reference("loc:EU"))
        return places

    def legal_bases(self) -> list[dict[str, str]]:
        """Give the kind of consent, and the article of the GDPR where it holds."""
        bases = [reference(self.basis)]
        if self.gdpr:
            article = "eu-gdpr:A9-2-a" if self.decided.explicit else "eu-gdpr:A6-1-a"
            bases.append(reference(article))
        return bases

    def notice(self) -> dict[str, Any]:
        """Describe the notice that was read, also where nobody knows which text that was."""
        notice = self.document["notice"]
        if notice["version"] is None:
            return {
                "@id": f"{self.id}-notice",
                "@type": "dpv:ConsentNotice",
                "dct:identifier": "unknown",
                "dct:language": notice["lang"],
                "dct:description": self.in_language(text_not_known(self.issued.lang)),
            }
        return {
            "@id": notice_url(self.issued, notice["lang"]),
            "@type": "dpv:ConsentNotice",
            "dct:identifier": f"sha256:{notice['sha256']}",
            "dct:language": notice["lang"],
            "dct:date": {
                "@value": self.clinic.since or self.clinic.effective,
                "@type": "xsd:date",
            },
            "dct:hasVersion": notice["version"],
        }

    def right(self) -> dict[str, Any]:
        """Describe the rights of the person; Georgia's law has no articles in DPV."""
        articles = _RIGHTS if self.gdpr else ()
        return {
            "@type": ["dpv:DataSubjectRight", *(f"eu-gdpr:{article}" for article in articles)],
            "dct:description": self.clinic_text("rights"),
            "dpv:isExercisedAt": reference(notice_url(self.issued) or clinic_url(self.issued)),
        }

    def process(self) -> dict[str, Any]:
        """Describe what is done with the data; every text is the notice's own."""
        transfers = self.clinic_text("transfers")
        place = {"@type": "dpv:Location", "dct:description": transfers}
        return {
            "@type": "dpv:Process",
            "dpv:hasService": {
                "@type": "dpv:Service",
                "dct:title": self.in_language(self.clinic.name[self.issued.lang]),
            },
            "dpv:hasPurpose": self.purpose(),
            "dpv:hasPersonalData": self.personal_data(),
            "dpv:hasProcessing": self.operations(),
            "dpv:hasDataSource": reference("dpv:DataSubjectDataSource"),
            "dpv:hasStorageCondition": [
                {"@type": "dpv:StorageLocation", "dpv:hasLocation": place},
                {"@type": "dpv:StorageDuration", "dpv:hasDuration": self.storage_duration()},
            ],
            "dpv:hasProcessingCondition": {
                "@type": "dpv:ProcessingLocation",
                "dpv:hasLocation": place,
            },
            "dpv:hasRule": {"@type": "dpv:Rule", "dct:description": transfers},
            "dpv:hasRecipient": self.recipients(),
        }

    def purpose(self) -> dict[str, Any]:
        """Describe the purpose, as far as the notice does."""
        purpose_id, _, _ = self.decided.address.partition(".")
        purpose = {
            "@id": f"{clinic_url(self.issued)}#{self.decided.address}",
            "@type": "dpv:Purpose",
            "skos:broader": reference(_BROADER.get(purpose_id, "dpv:Purpose")),
            "dct:title": self.in_language(self.decided.title),
        }
        if self.decided.text:
            purpose["dct:description"] = self.in_language(self.decided.text)
        return purpose

    def personal_data(self) -> dict[str, Any]:
        """Describe the data. They are optional: nobody has to give them (GDPR Art. 13(2)(e))."""
        kind = "dpv:SpecialCategoryPersonalData" if self.decided.explicit else "dpv:PersonalData"
        data: dict[str, Any] = {
            "@type": kind,
            "skos:broader": reference(kind),
            "dpv:hasNecessity": reference("dpv:Optional"),
        }
        if self.decided.purpose:
            text = self.decided.purpose.data[self.issued.lang]
            data["dct:description"] = self.in_language(text)
        return data

    def storage_duration(self) -> dict[str, Any]:
        """Give for how long the data are kept, in the words of the purpose or of the clinic."""
        purpose = self.decided.purpose
        retention = purpose.retention if purpose else self.clinic.texts["retention"]
        text = self.in_language(retention[self.issued.lang])
        return {"@type": "dpv:Duration", "rdf:value": text}

    def operations(self) -> list[dict[str, str]]:
        """Give what is done with the data; they are shared only where there is a recipient."""
        names = ["dpv:Collect", "dpv:Store", "dpv:Use"]
        if self.decided.recipient:
            names.append("dpv:Share")
        return [reference(name) for name in names]

    def recipients(self) -> list[dict[str, Any]]:
        """Give the clinic's recipients, and the decision's own where there is one."""
        texts = [self.clinic_text("recipients")]
        if self.decided.recipient:
            texts.append(self.in_language(self.decided.recipient))
        return [{"@type": "dpv:Recipient", "dct:description": text} for text in texts]

    def states(self) -> list[dict[str, Any]]:
        """Give the states in order, each replaced by the next: before, after, and now if changed.

        A state that the answer did not bring about is one that the portal saw when it recorded the
        answer: another receipt says since when it held, how and by whom it was decided.
        """
        decided, recorded_at = self.decided, self.document["recorded_at"]
        status_after = _STATES[decided.after]
        before = self.seen_state(1, _STATES[decided.before], recorded_at)
        if decided.caused_state:
            after = self.answered_state(2, status_after)
        else:
            after = self.seen_state(2, status_after, recorded_at)
        states = [before, after]
        if decided.state_now is not decided.after:
            states.append(self.current_state(3))
        for state, following in itertools.pairwise(states):
            state["dct:isReplacedBy"] = reference(following["@id"])
        return states

    def current_state(self, number: int) -> dict[str, Any]:
        """Give the state now: since its end where it expired, else since the moment of writing."""
        decided = self.decided
        status = _STATES[decided.state_now] if decided.state_now else _REPLACED
        since, ends = self.issued.at, None
        if decided.state_now is State.EXPIRED and decided.expires_at:
            since = decided.expires_at
        if decided.state_now is State.GRANTED:
            ends = decided.expires_at
        return self.seen_state(number, status, since, _validity(status, ends))

    def answered_state(self, number: int, status: str) -> dict[str, Any]:
        """Give a state that the answer brought about: when it was decided, how, and by whom."""
        at = self.document.get("effective_date") or self.document["effective_at"]
        return {
            **self.state(number, status, at, _validity(status, self.decided.expires_at)),
            "dpv:hasIndicationMethod": self.document["channel"],
            **self.decided_by(),
        }

    def seen_state(
        self, number: int, status: str, at: Instant, validity: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Give a state that came about otherwise: the controller indicates that it held."""
        if validity is None:  # where it is a consent, another receipt has its end
            ends_elsewhere = status == _GIVEN
            validity = _validity(_UNKNOWN if ends_elsewhere else status, None)
        return {
            **self.state(number, status, at, validity),
            "dpv:isIndicatedBy": lead_controller(self.issued),
        }

    def state(self, number: int, status: str, at: str, validity: dict[str, Any]) -> dict[str, Any]:
        """Give what every state has."""
        return {
            "@id": f"{self.id}-{number}",
            "@type": status,
            "dct:date": _time(at),
            "dpv:isIndicatedAtTime": _time(at),
            "dpv:hasDuration": validity,
            "dpv:hasLegalBasis": reference(self.basis),
        }

    def decided_by(self) -> dict[str, Any]:
        """Give who decided, the patient or a guardian; and beside them staff who recorded it."""
        recorded_by = str(self.document["actor"])
        indicated_by: dict[str, Any] = reference(subject_id(self.issued))
        if recorded_by == "guardian":
            indicated_by = {"@type": "dpv:GuardianOfDataSubject"}
            staff = (self.document["evidence"] or {}).get("staff")
            recorded_by = f"staff:{staff}" if staff else "patient"
        by: dict[str, Any] = {"dpv:isIndicatedBy": indicated_by}
        if recorded_by != "patient":
            by["dpv:isImplementedByEntity"] = {
                "@type": "dpv:Entity",
                "dct:identifier": recorded_by,
            }
        return by


def _validity(status: str, ends: Instant | None) -> dict[str, Any]:
    """Give until when a state holds: until a time, until an event, or not known."""
    if ends:
        return {
            "@type": "dpv:UntilTimeDuration",
            "rdf:value": _time(ends),
            "dct:valid": _time(ends),
        }
    if status in {_UNKNOWN, _REQUESTED}:
        return reference("dpv:IndeterminateDuration")
    event = "dpv:WithdrawConsent" if status == _GIVEN else "dpv:ProvideConsent"
    return {"@type": "dpv:UntilEventDuration", "rdf:value": reference(event)}


def _profile(issued: IssuedReceipt, kind: str) -> dict[str, str]:
    name = f"{kind}-eu-gdpr" if under_gdpr(issued.clinic) else kind
    return reference(f"{_SCHEMA}#{name}")


def _time(at: str) -> dict[str, str]:
    """Give a moment, or a day where no time is known."""
    kind = "xsd:dateTime" if "T" in at else "xsd:date"
    return {"@value": at, "@type": kind}
