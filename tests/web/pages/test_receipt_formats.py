"""A receipt in every format, by the API: what a clinic's programs, a hospital's server and an
inspector are given.
"""

import hashlib
import json

import pytest

from chalicelib.receipts.formats.registry import FORMATS
from tests.cast import RIGA, TBILISI
from tests.web.client import Client
from tests.web.letterbox import confirmed
from tests.web.page_reader import decide, receipt_number
from tests.web.running import RunningPortal

YES = {
    "decision.newsletter.email": "yes",
    "decision.testimonials.text": "no",
    "email": "anna.ozola@example.org",
}
MEDIA = {
    "json": "application/json",
    "jws": "application/jose",
    "sd-jwt": "application/sd-jwt",
    "kantara": "application/json",
    "dpv": "application/ld+json",
    "fhir-r4": "application/fhir+json; fhirVersion=4.0",
    "fhir-r5": "application/fhir+json; fhirVersion=5.0",
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
}


@pytest.mark.parametrize("wanted", FORMATS)
def test_a_receipt_comes_in_every_format(
    client: Client, portal: RunningPortal, wanted: str
) -> None:
    """With its media type, and a tag that is the hash of the bytes; and never with the contact."""
    program = portal.open_clinic()
    number = receipt_number(confirmed(client, portal, program.clinic, YES))
    portal.seal()
    answer = program.receipt(number, f"?format={wanted}")
    assert answer.status == 200
    assert answer.headers["content-type"] == MEDIA[wanted]
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.body).hexdigest()}"'
    assert b"anna.ozola" not in answer.body
    if "json" in MEDIA[wanted]:
        assert number in json.dumps(answer.json())


def test_each_language_of_the_notice_can_be_had_and_no_other(
    client: Client, portal: RunningPortal
) -> None:
    """An inspector reads the Georgian receipt in English; nobody gets a language the notice was not
    written in.
    """
    program = portal.program(TBILISI)
    said = {"decision.newsletter.sms": "yes", "phone": "555 77 88 99"}
    number = receipt_number(confirmed(client, portal, TBILISI, said))
    titles = {
        lang: program.receipt(number, f"?format=kantara&lang={lang}").json()["services"][0][
            "purposes"
        ][0]["purpose"]
        for lang in ("ka", "en", "ru")
    }
    assert len(set(titles.values())) == 3
    assert program.receipt(number, "?format=kantara").json()["language"] == "ka"
    assert program.receipt(number, "?format=kantara&lang=lv").status == 400


def test_a_withdrawn_consent_is_active_and_permitted_in_no_format(
    client: Client, portal: RunningPortal
) -> None:
    """The receipt of the Yes tells what has become of it, whenever it is asked for (gICS#5)."""
    program = portal.open_clinic()
    given = receipt_number(
        confirmed(client, portal, program.clinic, {**YES, "decision.testimonials.text": ""})
    )
    [granted] = program.receipt(given, "?format=fhir-r4").json()["provision"]["provision"]
    assert granted["type"] == "permit"
    assert program.receipt(given, "?format=fhir-r5").json()["decision"] == "permit"
    stop = client.post(
        f"/{program.clinic}/withdraw",
        {"email": "anna.ozola@example.org", "purpose": "newsletter.email"},
    )
    stopped = receipt_number(stop)
    assert program.receipt(given, "?format=fhir-r4").json()["status"] == "inactive"
    assert program.receipt(given, "?format=fhir-r5").json()["status"] == "inactive"
    assert program.receipt(given, "?format=kantara").status == 406
    withdrawn = program.receipt(stopped, "?format=fhir-r4").json()
    assert withdrawn["status"] == "active"
    assert {rule["type"] for rule in withdrawn["provision"]["provision"]} == {"deny"}
    assert program.receipt(stopped, "?format=fhir-r5").json()["decision"] == "deny"


def test_what_kantara_cannot_say_is_told_instead_of_guessed(
    client: Client, portal: RunningPortal
) -> None:
    """The form has no word for No: a program gets a reason, never a receipt of a consent that was
    refused.
    """
    program = portal.open_clinic()
    number = receipt_number(
        decide(
            client, program.clinic, {"decision.newsletter.email": "no", "email": "x@example.org"}
        )
    )
    answer = program.receipt(number, "?format=kantara")
    assert answer.status == 406
    assert answer.json()["detail"].endswith(".")


def test_a_receipt_that_waits_to_be_signed_comes_in_every_format_but_the_signed_one(
    client: Client, portal: RunningPortal
) -> None:
    """Signing may be away for a while, and nothing else waits for it."""
    program = portal.open_clinic()
    number = receipt_number(confirmed(client, portal, program.clinic, YES))
    told = {wanted: program.receipt(number, f"?format={wanted}").status for wanted in FORMATS}
    assert told == {**dict.fromkeys(FORMATS, 200), "jws": 409, "sd-jwt": 409}


@pytest.mark.parametrize("wanted", FORMATS)
def test_another_clinics_receipt_is_not_found_in_any_format(
    client: Client, portal: RunningPortal, wanted: str
) -> None:
    """Whatever is asked for, with a key of one's own."""
    number = receipt_number(decide(client, RIGA, YES))
    assert portal.program(TBILISI).receipt(number, f"?format={wanted}").status == 404
