import base64
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import pytest
from defusedxml import ElementTree

from chalicelib.domain.consent import State
from chalicelib.domain.languages import LANGUAGES
from chalicelib.receipts.formats import fhir
from chalicelib.receipts.formats.issued import IssuedReceipt
from tests.factories import EMAIL_NEWS, MORNING, NOON, SMS_NEWS, a_decision, on_paper
from tests.receipts.formats.fhir_definitions import codings, displays, validate
from tests.receipts.formats.issued import (
    BASE_URL,
    LATER,
    STATES,
    clinic_named,
    everything,
    issue,
    no,
    yes,
)

RIGA, KAUNAS = clinic_named("riga-aesthetics"), clinic_named("kaunas-polyclinics")
DRAW = "contests.winter_draw"
LOINC = {"59284-0": "Patient Consent"}
"""LOINC's own file is licensed; ValueSet consent-category names the code."""

# A language tag is any of BCP 47 and a media type any of BCP 13, which no list holds; our own codes
# are our own; the roles HL7 proposes for R5 have none for a recipient. ActReason has a test of its
# own, below.
BEYOND_THE_LISTS = re.compile(
    rf'Code "\S+" \({BASE_URL}/[a-z-]+/decisions\) not found in value set'
    rf'|Code "({"|".join(LANGUAGES)})" not found in value set'
    r'|Value set "http://hl7.org/fhir/ValueSet/(mimetypes|all-languages)" could not be found\.'
    r'|Value set "http://terminology.hl7.org/ValueSet/v3-PurposeOfUse" could not be found\.'
    r'|Code "IRCP" \(http://terminology.hl7.org/CodeSystem/v3-ParticipationType\) not found in value set'
)

Consent = dict[str, Any]


def each_rule_at_the_root(consent: Consent) -> Iterator[Consent]:
    """Give an R4 Consent once for each of its nested rules, as the root: the validator does not
    look at nested ones.
    """
    yield consent
    for rule in consent["provision"]["provision"]:
        yield {**consent, "provision": rule}


def test_every_receipt_is_a_valid_consent_in_both_releases() -> None:
    """A hospital's FHIR server takes it in, whatever clinic, language and state it comes from."""
    r4 = [
        (name, each)
        for name, issued in everything()
        for each in each_rule_at_the_root(fhir.write_r4(issued))
    ]
    r5 = [(name, fhir.write_r5(issued)) for name, issued in everything()]
    told = validate(r4=[each for _, each in r4], r5=[each for _, each in r5])
    for (name, _), messages in zip([*r4, *r5], [*told["r4"], *told["r5"]], strict=True):
        assert not [each for each in messages if not BEYOND_THE_LISTS.fullmatch(each["message"])], (
            name
        )


def wrongly(consent: Consent, *path: str | int, value: object) -> Consent:
    """Give a copy with something put in the wrong."""
    copy = deepcopy(consent)
    at: Any = copy
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return copy


def test_the_validator_finds_what_is_wrong() -> None:
    """A wrong code, a field of the other release and a missing one would be seen."""
    r4, r5 = fhir.write_r4(issue(RIGA, yes(RIGA))), fhir.write_r5(issue(RIGA, no(RIGA)))
    wrong = {
        "r4": [
            wrongly(r4, "status", value="withdrawn"),
            wrongly(r4, "decision", value="permit"),
            wrongly(r4, "provision", "type", value="allow"),
            wrongly(r4, "verification", 0, value={}),
            {key: value for key, value in r4.items() if key != "scope"},
            wrongly(r4, "patient", "type", value="Organization"),
        ],
        "r5": [
            wrongly(r5, "status", value="proposed"),
            wrongly(r5, "decision", value="allow"),
            wrongly(r5, "scope", value=r4["scope"]),
            wrongly(r5, "verification", 0, "verificationDate", value="2026-11-22"),
            wrongly(r5, "policyBasis", "uri", value="https://example.org"),
            {key: value for key, value in r5.items() if key != "status"},
        ],
    }
    for messages in itertools.chain(*validate(**wrong).values()):
        assert [each for each in messages if each["severity"] == "error"], messages


def test_every_code_of_hl7_exists_and_is_called_what_it_is() -> None:
    """A reader looks a code up and finds what we meant."""
    seen = set()
    for _, issued in everything():
        for coding in codings([fhir.write_r4(issued), fhir.write_r5(issued)]):
            if not coding["system"].startswith(BASE_URL):
                seen.add((coding["system"], coding["code"], coding["display"]))
    for system, code, display in seen:
        known = LOINC if system == "http://loinc.org" else displays(system)
        assert known[code].casefold() == display.casefold()
    assert len(seen) == 7


def r4_rules(consent: Consent) -> Mapping[str, str]:
    """Give what an R4 Consent says of each decision: permit or deny."""
    rules = consent["provision"]["provision"]
    return {rule["purpose"][0]["code"]: rule["type"] for rule in rules}


def r5_rules(consent: Consent) -> Mapping[str, str]:
    """Give the same of an R5 Consent: its decision, and the exceptions from it."""
    covered = [each["coding"][0]["code"] for each in consent["category"][1:]]
    other = {"permit": "deny", "deny": "permit"}[consent["decision"]]
    apart = {rule["purpose"][0]["code"] for rule in consent.get("provision", [])}
    return {address: other if address in apart else consent["decision"] for address in covered}


def expected(issued: IssuedReceipt) -> tuple[str, Mapping[str, str]]:
    """Give the status and the rules by the plain words of the task, beside the code that writes
    them.
    """
    now = {address: issued.states.get(address) for address in issued.receipt.document["decisions"]}
    words = {State.GRANTED: "permit", State.REFUSED: "deny", State.WITHDRAWN: "deny"}
    if rules := {address: words[state] for address, state in now.items() if state in words}:
        return "active", rules
    if waiting := [address for address, state in now.items() if state is State.PENDING]:
        return "proposed", dict.fromkeys(waiting, "permit")
    said = issued.receipt.document["decisions"]
    return "inactive", {
        address: "permit" if said[address]["answer"] == "yes" else "deny" for address in said
    }


def test_no_active_consent_permits_what_is_not_granted_now() -> None:
    """Whatever was said and whatever came later, a withdrawn Yes never reads as one (and none is
    left out).
    """
    answers = itertools.product(("yes", "no", "withdraw"), repeat=2)
    later = list(itertools.product((None, *State), repeat=2))
    statuses = set()
    for first, second in answers:
        for states in later:
            now = {
                address: state
                for address, state in zip((EMAIL_NEWS, SMS_NEWS), states, strict=True)
                if state
            }
            issued = issue(RIGA, a_decision({EMAIL_NEWS: first, SMS_NEWS: second}), now=now)
            r4, r5 = fhir.write_r4(issued), fhir.write_r5(issued)
            status, rules = expected(issued)
            assert (r4["status"], r4_rules(r4)) == (status, rules)
            assert (r5["status"], r5_rules(r5)) == (
                "draft" if status == "proposed" else status,
                rules,
            )
            permitted = {address for address, rule in rules.items() if rule == "permit"}
            assert status != "active" or permitted == {a for a in now if now[a] is State.GRANTED}
            statuses.add(status)
    assert statuses == {"active", "proposed", "inactive"}


@pytest.mark.parametrize(
    ("state", "status", "decision"),
    [
        ("granted", "active", "permit"),
        ("refused", "active", "deny"),
        ("mixed", "active", "deny"),
        ("withdrawn", "active", "deny"),
        ("partly expired", "active", "permit"),
        ("expired", "inactive", "permit"),
        ("superseded", "inactive", "permit"),
        ("replaced", "inactive", "permit"),
        ("pending", "proposed", "permit"),
    ],
)
def test_each_state_has_its_status_and_decision(state: str, status: str, decision: str) -> None:
    """A search for active consents finds what is decided now and nothing that is over."""
    issued = STATES[state](RIGA, "lv")
    assert fhir.write_r4(issued)["status"] == status
    written = fhir.write_r5(issued)
    assert (written["status"], written["decision"]) == (
        "draft" if status == "proposed" else status,
        decision,
    )


def test_the_r4_root_rule_carries_no_type_and_every_nested_one_does() -> None:
    """R4 says of the type: “Not permitted in root rule, required in all nested rules”."""
    for name, issued in everything():
        consent = fhir.write_r4(issued)
        assert "type" not in consent["provision"], name
        assert {rule["type"] for rule in consent["provision"]["provision"]} <= {"permit", "deny"}, (
            name
        )
        assert consent["policy"], name  # invariant ppc-1: a policy or a policyRule


def test_a_consent_ends_when_it_says() -> None:
    """A server that never asks again stops on the right day."""
    issued = issue(RIGA, a_decision({DRAW: "yes", "contests.autumn_photo": "yes"}))
    r4, r5 = fhir.write_r4(issued), fhir.write_r5(issued)
    ends = {
        rule["purpose"][0]["code"]: rule["period"]["end"] for rule in r4["provision"]["provision"]
    }
    assert ends == {
        DRAW: "2027-01-31T22:00:00.000Z",
        "contests.autumn_photo": "2027-03-31T21:00:00.000Z",
    }
    assert r4["provision"]["period"] == {"start": MORNING, "end": ends["contests.autumn_photo"]}
    assert r5["period"] == {
        "start": MORNING,
        "end": ends[DRAW],
    }  # one period for all: the first to end
    apart = fhir.write_r5(issue(RIGA, a_decision({DRAW: "yes", EMAIL_NEWS: "no"})))
    assert apart["provision"][0]["period"]["end"] == ends[DRAW]
    assert "end" not in apart["period"]  # the No does not end


def test_what_has_no_end_has_none_in_the_period() -> None:
    """A No, and a Yes until it is taken back, are not cut short by another's date."""
    consent = fhir.write_r4(
        issue(RIGA, a_decision({DRAW: "yes", EMAIL_NEWS: "yes", SMS_NEWS: "no"}))
    )
    assert consent["provision"]["period"] == {"start": MORNING}
    ends = {
        rule["purpose"][0]["code"]: "end" in rule["period"]
        for rule in consent["provision"]["provision"]
    }
    assert ends == {DRAW: True, EMAIL_NEWS: False, SMS_NEWS: False}


def test_an_expired_rule_is_gone_while_others_stand() -> None:
    """After the draw, the news go on and the draw does not."""
    consent = fhir.write_r4(STATES["partly expired"](RIGA, "en"))
    assert DRAW not in r4_rules(consent)
    assert r4_rules(consent)[EMAIL_NEWS] == "permit"


def test_the_narrative_tells_everything_in_the_language_and_is_xhtml() -> None:
    """A person reads the same as a program, in any viewer."""
    for name, issued in everything():
        for consent in (fhir.write_r4(issued), fhir.write_r5(issued)):
            div = ElementTree.fromstring(consent["text"]["div"])
            assert div.tag == "{http://www.w3.org/1999/xhtml}div", name
            assert div.attrib["lang"] == consent["language"] == issued.lang
            text = "".join(div.itertext())
            assert issued.clinic.name[issued.lang] in text, name
            for address in issued.receipt.document["decisions"]:
                question = issued.clinic.questions[address]
                assert question.purpose.title[issued.lang] in text, name


def test_a_narrative_escapes_what_a_clinic_writes() -> None:
    """A clinic's name with a sign in it breaks no reader."""
    odd = RIGA._replace(name=dict.fromkeys(RIGA.languages, "<b>A & B</b>"))
    issued = issue(odd, yes(odd), lang="en")
    div = ElementTree.fromstring(fhir.write_r4(issued)["text"]["div"])
    assert "<b>A & B</b>" in "".join(div.itertext())


def test_the_patient_is_an_opaque_id_and_nothing_else() -> None:
    """Who finds the file does not learn whose it is."""
    issued = issue(RIGA, yes(RIGA))
    subject = issued.receipt.document["subject"]
    who = {
        "type": "Patient",
        "identifier": {"system": f"{BASE_URL}/riga-aesthetics/subjects", "value": subject},
    }
    r4, r5 = fhir.write_r4(issued), fhir.write_r5(issued)
    assert (r4["patient"], r4["performer"]) == (who, [who])
    assert (r5["subject"], r5["grantor"]) == (who, [who])


def test_joint_controllers_are_all_named_and_the_leading_one_manages() -> None:
    """Six organisations, one of them to turn to."""
    consent = fhir.write_r5(issue(KAUNAS, yes(KAUNAS)))
    assert (
        len(consent["controller"])
        == len(fhir.write_r4(issue(KAUNAS, yes(KAUNAS)))["organization"])
        == 6
    )
    assert [each["display"] for each in consent["manager"]] == [KAUNAS.lead.name]


def test_a_guardian_performs_for_the_patient() -> None:
    """Who decided for a child is told apart from the child."""
    consent = fhir.write_r4(STATES["by a guardian"](RIGA, "lv"))
    assert consent["performer"] == [{"type": "RelatedPerson", "display": "guardian"}]
    assert consent["patient"]["type"] == "Patient"


def test_only_what_was_confirmed_or_witnessed_is_verified() -> None:
    """Who only claimed an address is not taken for its owner."""
    claimed = fhir.write_r4(issue(RIGA, yes(RIGA)))
    witnessed = fhir.write_r5(issue(RIGA, on_paper({EMAIL_NEWS: "yes"}, MORNING, NOON)))
    assert claimed["verification"] == [{"verified": False}]
    assert witnessed["verification"][0]["verified"]
    assert witnessed["verification"][0]["verificationDate"] == [NOON]


def test_a_paper_form_entered_late_counts_from_when_it_was_signed() -> None:
    """Two clocks: the day of the signature, in the clinic's own time, and the moment of entry."""
    late = on_paper({EMAIL_NEWS: "yes"}, "2026-11-21T22:30:00.000Z", NOON)
    issued = issue(RIGA, late)
    assert fhir.write_r4(issued)["dateTime"] == "2026-11-21T22:30:00.000Z"
    assert fhir.write_r5(issued)["date"] == "2026-11-22"  # after midnight in Riga
    assert fhir.write_r5(issued)["sourceAttachment"][0]["creation"] == NOON


def test_the_signed_receipt_is_inside_once_it_is_signed() -> None:
    """The resource proves itself; until then it says where the receipt is."""
    signed, waiting = issue(RIGA, yes(RIGA)), issue(RIGA, yes(RIGA), jws=None)
    source = fhir.write_r4(signed)["sourceAttachment"]
    assert base64.b64decode(source["data"]).decode() == signed.jws
    assert "data" not in fhir.write_r4(waiting)["sourceAttachment"]
    assert source["url"].endswith(f"/v1/clinics/riga-aesthetics/receipts/{signed.receipt.id}")


@pytest.mark.parametrize(
    ("answers", "seen"),
    [
        ({EMAIL_NEWS: "yes"}, True),
        ({EMAIL_NEWS: "withdraw", SMS_NEWS: "no"}, True),
        ({EMAIL_NEWS: "withdraw"}, False),
    ],
)
def test_a_page_is_named_as_seen_only_where_one_was_answered(
    answers: dict[str, str], *, seen: bool
) -> None:
    """A withdrawal may be sent without the page; an address of one would say that it was read."""
    policy = fhir.write_r4(issue(RIGA, a_decision(answers)))["policy"]
    assert [each["uri"] for each in policy[1:]] == [
        f"{BASE_URL}/riga-aesthetics/shown/{'ab' * 32}"
    ] * seen


def test_who_receives_the_data_stands_in_the_rule() -> None:
    """Sharing is disclosing, to a named recipient."""
    consent = fhir.write_r4(
        issue(RIGA, a_decision({"data_sharing.skin_institute": "yes"}), lang="en")
    )
    [rule] = consent["provision"]["provision"]
    assert rule["actor"][0]["reference"] == {"display": "To the Northern Skin Institute"}
    assert rule["action"][0]["coding"][0]["code"] == "disclose"


@pytest.mark.parametrize(
    ("answers", "marketing"),
    [
        ({EMAIL_NEWS: "yes", SMS_NEWS: "yes"}, {EMAIL_NEWS, SMS_NEWS}),
        ({EMAIL_NEWS: "no", SMS_NEWS: "no"}, {EMAIL_NEWS, SMS_NEWS}),
        ({EMAIL_NEWS: "yes", SMS_NEWS: "no"}, set()),
        ({EMAIL_NEWS: "yes"}, set()),
    ],
)
def test_a_yes_to_one_channel_does_not_read_as_a_yes_to_marketing(
    answers: dict[str, str], marketing: set[str]
) -> None:
    """HL7's broad word stands where the whole purpose is decided alike: purposes in one rule mean
    any of them.
    """
    consent = fhir.write_r4(issue(RIGA, a_decision(answers)))
    told = {
        rule["purpose"][0]["code"]
        for rule in consent["provision"]["provision"]
        if "HMARKT" in [purpose["code"] for purpose in rule["purpose"]]
    }
    assert told == marketing


def test_a_decision_the_notice_no_longer_knows_is_still_written() -> None:
    """Who withdraws everything withdraws what an older notice asked, too."""
    decision = a_decision({"old_purpose": "withdraw", EMAIL_NEWS: "withdraw"}, everything=True)
    r4 = fhir.write_r4(issue(RIGA, decision))
    assert r4_rules(r4) == {EMAIL_NEWS: "deny", "old_purpose": "deny"}
    assert "old_purpose" in r4["text"]["div"]


def test_the_same_receipt_gives_the_same_bytes() -> None:
    """Written twice, compared by anyone."""
    issued = STATES["expired"](RIGA, "ru")
    assert issued.at == LATER
    for write in (fhir.write_r4, fhir.write_r5):
        assert json.dumps(write(issued)) == json.dumps(write(issued))
