import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pyld import jsonld

from chalicelib.domain.consent import Channel, State
from chalicelib.domain.decisions import Decision
from chalicelib.receipts.formats import dpv
from chalicelib.receipts.formats.issued import IssuedReceipt
from tests.factories import (
    EMAIL_NEWS,
    EVENING,
    MORNING,
    NEXT_DAY,
    NOON,
    SMS_NEWS,
    a_decision,
    on_paper,
)
from tests.receipts.formats.issued import (
    BASE_URL,
    STATES,
    clinic_named,
    clinics,
    everything,
    issue,
    no,
    yes,
)

DPV, DCT = "https://w3id.org/dpv#", "http://purl.org/dc/terms/"
GDPR = "https://w3id.org/dpv/legal/eu/gdpr#"
SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#"
TERMS = frozenset(Path(__file__).with_name("dpv-terms.txt").read_text().split())
RIGA, TBILISI, KAUNAS = map(
    clinic_named, ("riga-aesthetics", "tbilisi-ultrasound", "kaunas-polyclinics")
)

Node = Mapping[str, Any]

HEADER = (f"{DCT}conformsTo", f"{DPV}hasIdentifier", f"{DCT}identifier", f"{DPV}hasDataSubject")
RECORD = (
    f"{DPV}hasNotice",  # privacy notice
    f"{DCT}language",
    f"{DPV}hasDataController",  # pii controllers
    f"{DPV}hasJurisdiction",
    f"{DPV}hasConsentControl",  # withdrawal method
    f"{DPV}hasLegalBasis",  # lawful basis
    f"{DPV}hasRight",  # privacy rights
    f"{DPV}hasAuthority",  # authority party
    f"{DPV}hasProcess",
    f"{DPV}hasConsentStatus",  # events
)
PROCESS = (
    f"{DPV}hasPurpose",
    f"{DPV}hasPersonalData",  # pii information
    f"{DPV}hasStorageCondition",  # storage locations and retention period
    f"{DPV}hasRecipient",  # recipient third parties
    f"{DPV}hasDataSource",  # collection method
    f"{DPV}hasProcessing",  # processing method
    f"{DPV}hasProcessingCondition",  # processing location
    f"{DPV}hasRule",  # geographic restrictions
)
EVENT = (
    f"{DPV}isIndicatedAtTime",  # event time
    f"{DCT}date",
    f"{DPV}hasDuration",  # validity duration
    f"{DPV}isIndicatedBy",  # entity id
    f"{DPV}hasLegalBasis",  # event type
)
PARTY = (f"{DPV}hasIdentifier", f"{DPV}hasName", f"{DPV}hasAddress", f"{DPV}hasContact")
"""The fields that ISO/IEC TS 27560 (M) or, under the GDPR, the DPV guide (G) makes mandatory, as
IRIs.
"""


class FetchedError(Exception):
    """Something wanted to be fetched."""


def offline(url: str, options: object) -> Any:
    """Refuse to fetch anything."""
    raise FetchedError(url, options)


def expanded(issued: IssuedReceipt, *, record: bool = False) -> Mapping[str, Node]:
    """Give the nodes of the graph by their IRI, every term spelt out, as a JSON-LD processor reads
    the document.
    """
    document = json.loads(json.dumps(dpv.write(issued, record=record)))
    flat = jsonld.flatten(document, options={"documentLoader": offline})
    return {node["@id"]: node for node in flat}


@cache
def every_graph() -> Sequence[tuple[str, IssuedReceipt, Mapping[str, Node]]]:
    """Give every state at every clinic in every language with its graph."""
    return [(name, issued, expanded(issued)) for name, issued in everything()]


def of_type(graph: Mapping[str, Node], term: str) -> list[Node]:
    """Give the nodes of a type."""
    return [node for node in graph.values() if f"{DPV}{term}" in node.get("@type", [])]


def values(node: Node, term: str) -> Sequence[str]:
    """Give the values of a property: IRIs or literals."""
    return [each.get("@id", each.get("@value")) for each in node.get(term, [])]


def state(graph: Mapping[str, Node], iri: str) -> str:
    """Give the DPV word of a state."""
    [kind] = graph[iri]["@type"]
    return str(kind).removeprefix(DPV)


def records(graph: Mapping[str, Node]) -> Mapping[str, Node]:
    """Give the consent records by the decision they are about."""
    return {str(node["@id"]).partition("#")[2]: node for node in of_type(graph, "ConsentRecord")}


def used(graph: Mapping[str, Node]) -> Iterator[str]:
    """Give every IRI of a DPV vocabulary anywhere in the graph."""
    for found in json.dumps(list(graph.values())).split('"'):
        if found.startswith("https://w3id.org/dpv") and not found.startswith(SCHEMA):
            yield found


def test_every_receipt_has_every_mandatory_field_when_read_as_a_graph() -> None:
    """Another controller's program finds each field of ISO/IEC TS 27560 by its own word, in any
    clinic and language.
    """
    for name, issued, graph in every_graph():
        [receipt] = of_type(graph, "ConsentReceipt")
        assert all(receipt.get(field) for field in (*HEADER[:3], f"{DCT}created")), name
        found = records(graph)
        assert set(found) == set(issued.receipt.document["decisions"]), name
        assert set(values(receipt, f"{DPV}hasRecordOfActivity")) == {
            each["@id"] for each in found.values()
        }
        for record in found.values():
            assert not [field for field in (*HEADER, *RECORD) if not record.get(field)], name
            for process in values(record, f"{DPV}hasProcess"):
                assert not [field for field in PROCESS if not graph[process].get(field)], name
                kinds = {
                    graph[each]["@type"][0]
                    for each in values(graph[process], f"{DPV}hasStorageCondition")
                }
                assert kinds == {f"{DPV}StorageLocation", f"{DPV}StorageDuration"}, name
                for data in values(graph[process], f"{DPV}hasPersonalData"):
                    assert values(graph[data], f"{DPV}hasNecessity") == [f"{DPV}Optional"], name
            for event in values(record, f"{DPV}hasConsentStatus"):
                assert not [field for field in EVENT if not graph[event].get(field)], name
            for controller in values(record, f"{DPV}hasDataController"):
                assert not [field for field in PARTY if not graph[controller].get(field)], name
                assert f"{DPV}DataController" in graph[controller]["@type"], name


def test_every_receipt_becomes_rdf_without_fetching_anything() -> None:
    """The file can be read in a room without a network, in ten years."""
    for clinic, state, record in itertools.product(clinics(), STATES, (False, True)):
        issued = STATES[state](clinic, clinic.languages[-1])
        document = dpv.write(issued, record=record)
        triples = jsonld.to_rdf(
            document, {"format": "application/n-quads", "documentLoader": offline}
        )
        assert triples.count("\n") > 30 * len(issued.receipt.document["decisions"]), (
            clinic.id,
            state,
        )
        assert f"<{DPV}ConsentRecord>" in triples
        assert (f"<{DPV}ConsentReceipt>" in triples) is not record


def test_a_context_from_elsewhere_would_be_noticed() -> None:
    """The loader of these tests really refuses."""
    document = {
        **dpv.write(issue(RIGA, yes(RIGA))),
        "@context": "https://w3id.org/dpv/context.jsonld",
    }
    with pytest.raises(jsonld.JsonLdError, match="loading remote context failed"):
        jsonld.expand(document, {"documentLoader": offline})


def test_every_prefix_is_resolved_and_every_term_exists() -> None:
    """Nobody has to guess at a word that DPV does not have."""
    seen = set()
    for name, _, graph in every_graph():
        whole = json.dumps(list(graph.values()))
        assert not [prefix for prefix in dpv.CONTEXT if f'"{prefix}:' in whole], name
        seen |= set(used(graph))
    assert seen <= TERMS
    assert seen >= {
        f"{DPV}{status}" for status in ("ConsentGiven", "ConsentExpired", "ConsentRevoked")
    }


LATEST = {
    State.PENDING: "ConsentRequested",
    State.GRANTED: "ConsentGiven",
    State.REFUSED: "ConsentRefused",
    State.WITHDRAWN: "ConsentWithdrawn",
    State.EXPIRED: "ConsentExpired",
    State.SUPERSEDED: "ConsentRevoked",
    State.NEVER_ASKED: "ConsentUnknown",
    None: "ConsentUnknown",
}


@pytest.mark.parametrize("answer", ["yes", "no", "withdraw"])
@pytest.mark.parametrize("now", [None, *State])
def test_the_latest_state_is_the_one_that_holds_now(answer: str, now: State | None) -> None:
    """Which of the states counts is said, not left to sorting (w3c-cg/dpv#114); nothing but granted
    is given.
    """
    issued = issue(RIGA, a_decision({EMAIL_NEWS: answer}), now={EMAIL_NEWS: now} if now else {})
    graph = expanded(issued)
    record = records(graph)[EMAIL_NEWS]
    [latest] = values(record, f"{DPV}hasStatus")
    assert state(graph, latest) == LATEST[now]
    events = values(record, f"{DPV}hasConsentStatus")
    assert [event for event in events if f"{DCT}isReplacedBy" not in graph[event]] == [latest]


def test_every_past_state_is_kept_in_order() -> None:
    """The whole way can be read: never asked, given, expired."""
    issued = STATES["expired"](RIGA, "lv")
    graph = expanded(issued)
    at = f"{records(graph)['contests.winter_draw']['@id']}-1"
    way = []
    while at:
        way.append((state(graph, at), values(graph[at], f"{DCT}date")[0]))
        at = next(iter(values(graph[at], f"{DCT}isReplacedBy")), "")
    assert way == [
        ("ConsentUnknown", MORNING),
        ("ConsentGiven", MORNING),
        ("ConsentExpired", "2027-01-31T22:00:00.000Z"),
    ]


def test_each_decision_has_its_own_states() -> None:
    """A No beside a Yes is not mixed up with it."""
    issued = issue(RIGA, a_decision({EMAIL_NEWS: "yes", SMS_NEWS: "no"}))
    graph = expanded(issued)
    latest = {name: values(each, f"{DPV}hasStatus")[0] for name, each in records(graph).items()}
    assert {name: state(graph, iri) for name, iri in latest.items()} == {
        EMAIL_NEWS: "ConsentGiven",
        SMS_NEWS: "ConsentRefused",
    }


def test_a_consent_with_an_end_is_valid_until_then() -> None:
    """A reader need not know our rules to know the day."""
    graph = expanded(issue(RIGA, a_decision({"contests.winter_draw": "yes", EMAIL_NEWS: "yes"})))
    [until] = of_type(graph, "UntilTimeDuration")
    assert values(until, f"{DCT}valid") == ["2027-01-31T22:00:00.000Z"]
    assert f"{DPV}WithdrawConsent" in {
        value
        for each in of_type(graph, "UntilEventDuration")
        for value in values(each, "http://www.w3.org/1999/02/22-rdf-syntax-ns#value")
    }


@pytest.mark.parametrize("clinic", clinics(), ids=lambda clinic: clinic.id)
def test_the_profile_is_the_gdprs_only_where_the_gdpr_holds(clinic: Any) -> None:
    """Georgia's law is its own: the receipt does not claim an EU article for it."""
    graph = expanded(issue(clinic, yes(clinic)))
    georgian = clinic.country == "GE"
    [receipt] = of_type(graph, "ConsentReceipt")
    assert values(receipt, f"{DCT}conformsTo") == [
        f"{SCHEMA}receipt" if georgian else f"{SCHEMA}receipt-eu-gdpr"
    ]
    profiles = {values(each, f"{DCT}conformsTo")[0] for each in records(graph).values()}
    assert profiles == {f"{SCHEMA}record" if georgian else f"{SCHEMA}record-eu-gdpr"}
    assert any(iri.startswith(GDPR) for iri in used(graph)) is not georgian
    assert (f"{DPV.removesuffix('#')}/loc#EU" in used(graph)) is not georgian


def test_explicit_consent_is_told_from_the_other() -> None:
    """Health data need Art. 9(2)(a); news by e-mail do not."""
    graph = expanded(issue(RIGA, a_decision({EMAIL_NEWS: "yes", "testimonials.photo": "yes"})))
    bases = {
        name: set(values(each, f"{DPV}hasLegalBasis")) for name, each in records(graph).items()
    }
    assert bases[EMAIL_NEWS] == {f"{DPV}ExpressedConsent", f"{GDPR}A6-1-a"}
    assert bases["testimonials.photo"] == {f"{DPV}ExplicitlyExpressedConsent", f"{GDPR}A9-2-a"}
    assert len(of_type(graph, "SpecialCategoryPersonalData")) == 1


def test_texts_carry_the_language_they_are_in() -> None:
    """Georgian words are marked as Georgian."""
    graph = expanded(issue(TBILISI, a_decision({"newsletter.sms": "yes"}), lang="ru"))
    [purpose] = [node for node in of_type(graph, "Purpose") if f"{DCT}title" in node]
    assert purpose[f"{DCT}title"] == [{"@language": "ru", "@value": "Новости и скидки: По SMS"}]
    [record] = records(graph).values()
    assert values(record, f"{DCT}language") == ["ka"]  # the text that was read
    [notice] = of_type(graph, "ConsentNotice")
    assert values(notice, f"{DCT}identifier") == [f"sha256:{'ab' * 32}"]
    assert str(notice["@id"]).endswith("/notices/1.0?lang=ka")


def test_who_decided_and_who_wrote_it_down_are_two() -> None:
    """A paper form is the patient's word; the key of the staff who entered it stands beside."""
    graph = expanded(issue(RIGA, on_paper({EMAIL_NEWS: "yes"}, MORNING, NOON)))
    [given] = of_type(graph, "ConsentGiven")
    [subject] = of_type(graph, "DataSubject")
    assert values(given, f"{DPV}isIndicatedBy") == [subject["@id"]]
    [entry] = values(given, f"{DPV}isImplementedByEntity")
    assert values(graph[entry], f"{DCT}identifier") == ["staff:key_0123456789ab"]
    assert values(given, f"{DPV}isIndicatedAtTime") == [MORNING]
    assert values(given, f"{DPV}hasIndicationMethod") == ["paper"]


def way(issued: IssuedReceipt) -> list[tuple[str, str, bool, Sequence[str]]]:
    """Give each state of the news by e-mail in order: word, time, whether it is said to be the
    patient's, how.
    """
    graph = expanded(issued)
    [subject] = of_type(graph, "DataSubject")
    events = values(records(graph)[EMAIL_NEWS], f"{DPV}hasConsentStatus")
    return [
        (
            state(graph, event),
            values(graph[event], f"{DPV}isIndicatedAtTime")[0],
            values(graph[event], f"{DPV}isIndicatedBy") == [subject["@id"]],
            values(graph[event], f"{DPV}hasIndicationMethod"),
        )
        for event in sorted(events)
    ]


def staff(answer: str, at: str) -> Decision:
    """Give an answer heard at the reception and written down at once."""
    return on_paper({EMAIL_NEWS: answer}, at, at, channel=Channel.IN_PERSON)


def test_an_older_yes_entered_late_is_not_told_as_the_no_that_stands() -> None:
    """Nobody is said to have withdrawn by the paper on which they said Yes."""
    issued = issue(RIGA, staff("no", NOON), on_paper({EMAIL_NEWS: "yes"}, MORNING, EVENING))
    assert issued.receipt.document["decisions"][EMAIL_NEWS]["after"] == State.WITHDRAWN
    assert way(issued) == [
        ("ConsentRefused", EVENING, False, []),
        ("ConsentWithdrawn", EVENING, False, []),
    ]


def test_an_older_no_entered_late_is_not_told_as_the_withdrawal_that_stands() -> None:
    """A refusal before the Yes took nothing back."""
    earlier = [staff("yes", NOON), staff("no", EVENING)]
    issued = issue(RIGA, *earlier, on_paper({EMAIL_NEWS: "no"}, MORNING, NEXT_DAY))
    assert way(issued) == [
        ("ConsentWithdrawn", NEXT_DAY, False, []),
        ("ConsentWithdrawn", NEXT_DAY, False, []),
    ]


def test_a_strangers_claim_is_not_told_as_the_consent_it_found() -> None:
    """Whoever types somebody's address gave nothing: neither the consent, nor its time, nor its
    end.
    """
    issued = issue(
        RIGA, staff("yes", MORNING), a_decision({EMAIL_NEWS: "yes"}, NOON), known=True, now={}
    )
    assert issued.receipt.document["decisions"][EMAIL_NEWS]["confirm_by"]
    assert way(issued) == [
        ("ConsentGiven", NOON, False, []),
        ("ConsentGiven", NOON, False, []),
        ("ConsentUnknown", NEXT_DAY, False, []),
    ]
    graph = expanded(issued)
    lasts = {
        value
        for given in of_type(graph, "ConsentGiven")
        for value in values(given, f"{DPV}hasDuration")
    }
    assert lasts == {f"{DPV}IndeterminateDuration"}


def test_a_yes_that_had_ended_before_it_was_entered_is_not_told_as_its_own_end() -> None:
    """The paper gave the consent; its last day ended it."""
    late = on_paper({"contests.winter_draw": "yes"}, MORNING, "2027-06-01T08:00:00.000Z")
    [ended] = of_type(expanded(issue(RIGA, late, at="2027-06-01T08:00:00.000Z")), "ConsentExpired")
    assert values(ended, f"{DPV}isIndicatedAtTime") == ["2027-06-01T08:00:00.000Z"]


@pytest.mark.parametrize(
    ("earlier", "answer", "known", "told"),
    [
        ([], "yes", False, "ConsentGiven"),
        ([], "yes", True, "ConsentRequested"),
        ([], "no", True, "ConsentRefused"),
        ([], "withdraw", True, "ConsentWithdrawn"),
        (["no"], "withdraw", True, "ConsentRefused"),
        (["yes"], "no", True, "ConsentWithdrawn"),
        (["yes", "no"], "no", True, "ConsentWithdrawn"),
    ],
)
def test_what_an_answer_led_to_is_the_patients_own(
    earlier: list[str], answer: str, told: str, *, known: bool
) -> None:
    """Said by them, when they said it, in the way they said it."""
    before = [staff(said, MORNING) for said in earlier]
    issued = issue(RIGA, *before, a_decision({EMAIL_NEWS: answer}, NOON), known=known)
    assert way(issued)[1] == (told, NOON, True, ["qr"])


def test_a_guardian_is_named_as_one() -> None:
    """A child's consent shows who gave it."""
    graph = expanded(STATES["by a guardian"](RIGA, "lv"))
    by = {values(given, f"{DPV}isIndicatedBy")[0] for given in of_type(graph, "ConsentGiven")}
    assert all(graph[each]["@type"] == [f"{DPV}GuardianOfDataSubject"] for each in by)


def test_all_joint_controllers_and_the_authority_are_parties() -> None:
    """Whom to turn to, and where to complain."""
    graph = expanded(issue(KAUNAS, no(KAUNAS)))
    assert len(of_type(graph, "DataController")) == 6
    [authority] = of_type(graph, "DataProtectionAuthority")
    assert values(authority, f"{DPV}hasName") == ["Valstybinė duomenų apsaugos inspekcija"]


def test_a_clinic_without_address_and_officer_still_writes_every_mandatory_field() -> None:
    """The law does not ask every clinic for either; where it is, its country says."""
    bare = RIGA._replace(
        dpo={}, controllers=tuple(each._replace(address="") for each in RIGA.controllers)
    )
    graph = expanded(issue(bare, yes(bare)))
    [controller] = of_type(graph, "DataController")
    assert values(controller, f"{DPV}hasAddress") == ["LV"]
    assert not of_type(graph, "DataProtectionOfficer")


def test_the_person_is_an_opaque_id() -> None:
    """A receipt shown to somebody gives no contact away."""
    graph = expanded(issue(RIGA, yes(RIGA)))
    [subject] = of_type(graph, "DataSubject")
    assert not {f"{DPV}hasName", f"{DPV}hasContact", f"{DPV}hasAddress"} & subject.keys()


def test_records_can_be_had_without_the_receipt_around_them() -> None:
    """A controller's own register takes the records alone, the parties with them."""
    issued = issue(RIGA, yes(RIGA))
    alone, wrapped = expanded(issued, record=True), expanded(issued)
    assert not of_type(alone, "ConsentReceipt")
    assert records(alone) == records(wrapped)
    assert of_type(alone, "DataController") == of_type(wrapped, "DataController")


def test_a_decision_the_notice_no_longer_knows_still_has_a_whole_record() -> None:
    """Who withdraws everything withdraws what an older notice asked, too."""
    issued = issue(RIGA, a_decision({"old_purpose": "withdraw"}, everything=True))
    graph = expanded(replace(issued, lang="en"))
    [record] = records(graph).values()
    assert not [field for field in (*HEADER, *RECORD) if not record.get(field)]
    [process] = values(record, f"{DPV}hasProcess")
    assert not [field for field in PROCESS if not graph[process].get(field)]
    assert str(record["@id"]).startswith(BASE_URL)
