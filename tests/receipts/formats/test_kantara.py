import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import State
from chalicelib.receipts.errors import FormatCannotExpressError
from chalicelib.receipts.formats import kantara
from tests.factories import MORNING, NOON, a_decision, on_paper
from tests.receipts.formats.issued import (
    LATER,
    STATES,
    clinic_named,
    clinics,
    every_other,
    everything,
    issue,
    yes,
)

SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parent / "kantara-1.1.schema.json").read_text())
)
RIGA, TBILISI = clinic_named("riga-aesthetics"), clinic_named("tbilisi-ultrasound")


def test_every_receipt_with_a_consent_in_force_is_a_valid_kantara_receipt() -> None:
    """Another program that knows the Kantara form reads ours, whatever clinic and language it comes
    from.
    """
    written = 0
    for name, issued in everything():
        try:
            document = kantara.write(issued)
        except FormatCannotExpressError:
            assert State.GRANTED not in issued.states.values(), name
            continue
        assert not [
            error.message for error in SCHEMA.iter_errors(json.loads(json.dumps(document)))
        ], name
        assert document["language"] == issued.lang
        written += 1
    assert written > len(clinics())


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "KI-CR-v1.0.0"},
        {"consentTimestamp": "1510592400"},
        {"consentTimestamp": 1.5},
        {"spiCat": "health"},
        {"piiControllers": []},
        {"services": [{"service": "A clinic", "purposes": [{"purpose": "News"}]}]},
    ],
)
def test_the_schema_refuses_what_the_specification_does(wrong: dict[str, object]) -> None:
    """A slip in the format would be seen."""
    document = kantara.write(issue(RIGA, yes(RIGA)))
    assert SCHEMA.is_valid(document)
    assert not SCHEMA.is_valid(document | wrong)
    assert not SCHEMA.is_valid({key: value for key, value in document.items() if key not in wrong})


def test_a_disclosure_without_a_name_is_refused_by_the_schema() -> None:
    """Who receives the data is never left out."""
    document = kantara.write(issue(RIGA, a_decision({"data_sharing.skin_institute": "yes"})))
    [purpose] = document["services"][0]["purposes"]
    assert purpose["thirdPartyDisclosure"]
    del purpose["thirdPartyName"]
    assert not SCHEMA.is_valid(document)


@pytest.mark.parametrize(
    "state", ["refused", "withdrawn", "expired", "superseded", "pending", "replaced"]
)
@pytest.mark.parametrize("clinic", clinics(), ids=lambda clinic: clinic.id)
def test_what_is_no_consent_in_force_has_no_kantara_receipt(clinic: Clinic, state: str) -> None:
    """The form cannot say No, so it says nothing rather than something that reads as a Yes."""
    with pytest.raises(FormatCannotExpressError, match=r"^A Kantara consent receipt .*\.$"):
        kantara.write(STATES[state](clinic, clinic.default_language))


def test_only_the_purposes_granted_stand_in_it() -> None:
    """Whoever reads it does not take a No for a Yes."""
    issued = issue(RIGA, every_other(RIGA))
    [service] = kantara.write(issued)["services"]
    granted = [address for place, address in enumerate(RIGA.questions) if place % 2 == 0]
    assert [purpose["purposeCategory"][-1] for purpose in service["purposes"]] == granted
    assert service["service"] == RIGA.name["lv"]


def test_what_ended_since_is_left_out() -> None:
    """Read again after the prize draw, the receipt no longer speaks of it."""
    now = {"newsletter.email": State.GRANTED, "contests.winter_draw": State.EXPIRED}
    issued = issue(RIGA, a_decision(dict.fromkeys(now, "yes")), now=now, at=LATER)
    [service] = kantara.write(issued)["services"]
    assert [purpose["purposeCategory"] for purpose in service["purposes"]] == [
        ["6 - Marketing", "newsletter.email"]
    ]


def test_it_says_when_and_how_and_until_when() -> None:
    """A form signed on paper in the morning counts from the morning."""
    issued = issue(RIGA, on_paper({"contests.winter_draw": "yes"}, MORNING, NOON), lang="en")
    document = kantara.write(issued)
    [purpose] = document["services"][0]["purposes"]
    assert document["consentTimestamp"] == 1795335300
    assert document["collectionMethod"] == "paper"
    assert purpose["termination"].startswith(f"{RIGA.purposes[2].retention['en']} – 2027-01-31")
    assert (
        document["policyUrl"] == "https://consent.example.org/riga-aesthetics/notices/1.0?lang=en"
    )


def test_sensitive_data_is_told_where_explicit_consent_was_asked() -> None:
    """News by e-mail are no health data; a published review is."""
    news = kantara.write(issue(TBILISI, a_decision({"newsletter.sms": "yes"})))
    review = kantara.write(
        issue(TBILISI, a_decision({"testimonials.text": "yes", "newsletter.sms": "yes"}))
    )
    assert (news["sensitive"], news["spiCat"]) == (False, [])
    assert (review["sensitive"], review["spiCat"]) == (True, [TBILISI.purposes[2].data["ka"]])


def test_a_phone_that_a_controller_does_not_give_is_the_one_shared() -> None:
    """The form wants a phone of every controller; the data protection officer answers for all."""
    silent = RIGA._replace(controllers=(RIGA.controllers[0]._replace(phone=""),))
    [controller] = kantara.write(issue(silent, yes(silent)))["piiControllers"]
    assert controller["phone"] == RIGA.dpo["phone"]
    assert controller["email"] == RIGA.controllers[0].email


def test_a_clinic_without_address_and_officer_writes_a_valid_receipt() -> None:
    """The law does not ask every clinic for either."""
    bare = RIGA._replace(
        dpo={}, controllers=tuple(each._replace(address="") for each in RIGA.controllers)
    )
    document = kantara.write(issue(bare, yes(bare)))
    assert not [error.message for error in SCHEMA.iter_errors(json.loads(json.dumps(document)))]
    assert document["piiControllers"][0]["address"] == {"addressCountry": "LV"}
    assert document["piiControllers"][0]["contact"] == RIGA.lead.name
