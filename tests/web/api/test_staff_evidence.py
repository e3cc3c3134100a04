"""What staff wrote down of how a decision came about: proven by the receipt, told beside it, gone
with an erasure.
"""

import base64
import json
import re
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.links import LinkScope
from chalicelib.receipts.sd_jwt import split_disclosures
from tests.web.client import Client, Program
from tests.web.disclosed import evidence_of, presented, verified
from tests.web.letterbox import a_token
from tests.web.page_reader import Page, decide
from tests.web.running import RunningPortal

ANNA = {"email": "anna.ozola@example.org"}
EVIDENCE = {
    "form": "A-2026/117 Ozola",
    "witness": "Ilze Krūmiņa, +371 26 123 456",
    "sha256": "ab" * 32,
}
WORDS = ("A-2026/117", "Ilze Kr", "26 123 456")
EVE = Contact(ContactKind.EMAIL, "eve@example.org")
PAPER: dict[str, Any] = {
    "subject": ANNA,
    "decisions": {"testimonials.text": "yes"},
    "channel": "paper",
    "effective_at": "2026-11-10T10:00:00+02:00",
    "evidence": EVIDENCE,
}


_PACKED = re.compile(r"[A-Za-z0-9_-]{40,}")
STOP: dict[str, Any] = {
    "channel": "paper",
    "evidence": EVIDENCE,
    "all": True,
    "effective_at": "2026-11-12T10:00:00+02:00",
}


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give the program of a clinic of its own."""
    return portal.open_clinic()


def test_the_receipt_proves_the_words_and_does_not_say_them(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """Neither to a joint controller's program, nor on paper, nor in any other format; but to
    whoever is given them.
    """
    receipt = program.call("receipts", PAPER).json()
    assert receipt["evidence"].keys() == {"_sd", "sha256"}
    shown = presented(portal, program, receipt["id"])
    assert verified(client, shown) == {**receipt, "evidence": EVIDENCE}
    signed, disclosures = split_disclosures(shown)
    assert signed == program.receipt(receipt["id"], "?format=jws").text
    assert verified(client, f"{signed}~{disclosures[0]}~")["evidence"].keys() == {"form", "sha256"}
    for wanted in ("json", "jws", "kantara", "dpv", "fhir-r4", "fhir-r5", "html"):
        text = program.receipt(receipt["id"], f"?format={wanted}").text
        packed = [
            base64.urlsafe_b64decode(each + "==").decode(errors="ignore")
            for each in _PACKED.findall(text)
        ]
        assert not [word for word in WORDS if word in "\n".join([text, *packed])]
    unpacked = [
        base64.urlsafe_b64decode(each + "==").decode(errors="ignore")
        for each in _PACKED.findall(shown)
    ]
    assert {word for word in WORDS if word in "".join(unpacked)} == set(WORDS), (
        "what is packed would be found"
    )


def test_once_the_person_is_erased_nobody_can_tell_the_words_and_the_receipt_still_proves(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """What was handed out before proves as it did; it is not in our power (GDPR Art. 17(1), 19)."""
    number = program.call("receipts", PAPER).json()["id"]
    before = presented(portal, program, number)
    program.call("erasures", {"subject": ANNA})
    after = program.receipt(number, "?format=sd-jwt")
    assert (after.status, after.text) == (200, f"{split_disclosures(before)[0]}~")
    assert verified(client, after.text)["evidence"] == {"sha256": "ab" * 32}
    assert verified(client, before)["evidence"] == EVIDENCE


def test_whoever_checks_the_receipt_reads_the_words_that_came_with_it(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """An inspector is shown which sheet to look for, and that nobody wrote another number in
    since.
    """
    number = program.call("receipts", PAPER).json()["id"]
    shown = presented(portal, program, number)
    page = Page(client.post("/verify?lang=en", {"receipt": f"{shown[:90]}\n{shown[90:]}"}))
    assert "This receipt is genuine." in page.words
    assert "Form or note in the clinic’s filesA-2026/117 Ozola" in page.words
    assert "Who saw or heard itIlze Krūmiņa, +371 26 123 456" in page.words
    signed, (form, witness) = split_disclosures(shown)
    silent = Page(client.post("/verify?lang=en", {"receipt": signed}))
    assert "This receipt is genuine." in silent.words
    assert "Ozola" not in silent.words
    other = program.call("receipts", {**PAPER, "evidence": {"form": "A-2026/118"}}).json()["id"]
    strange = split_disclosures(presented(portal, program, other))[1][0]
    for altered, told in (
        (f"{signed}~{strange}~", "This is not the receipt that was issued"),
        (f"{signed}~{form}~{form}~", "This is not the receipt that was issued"),
        (f"{signed}~{form}~{witness}", "We could not read this as a receipt"),
    ):
        answer = client.post("/verify?lang=en", {"receipt": altered})
        assert answer.status == 422
        assert told in Page(answer).words


def test_a_patient_takes_the_words_along(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """They are about her (GDPR Art. 15(1)): in the file and in the table, and in the receipt as her
    page gives it.
    """
    number = program.call("receipts", PAPER).json()["id"]
    program.call(
        "receipts",
        {**PAPER, "evidence": {"form": "A-2026/118"}, "decisions": {"testimonials.text": "no"}},
    )
    contact = Contact(ContactKind.EMAIL, ANNA["email"])
    page = f"/manage/{a_token(portal, program.clinic, contact, LinkScope.MANAGE, number)}"
    told = client.get(f"{page}/export/json?lang=en").json()["evidence"]
    assert [(each["receipt"] == number, each["form"]) for each in told] == [
        (True, EVIDENCE["form"]),
        (False, "A-2026/118"),
    ]
    assert told[0]["witness"] == EVIDENCE["witness"]
    table = client.get(f"{page}/export/csv?lang=en").text
    assert f"evidence,form,{EVIDENCE['form']}," in table
    portal.seal()
    own = client.get(f"{page}/receipts/{number}?format=sd-jwt")
    assert (own.status, own.text) == (200, presented(portal, program, number))
    assert own.headers["content-disposition"].endswith('.sd-jwt"')


def test_the_words_stay_with_the_one_they_are_about(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """A stop and a No reach whoever else the contact was typed for: a stranger, who is told neither
    now nor later.
    """
    phone = {"phone": "26123456"}
    decide(
        client,
        program.clinic,
        {"decision.testimonials.text": "yes", "email": "eve@example.org", **phone},
    )
    program.call("withdrawals", {**STOP, "subject": phone})
    program.call("receipts", {**PAPER, "subject": phone, "decisions": {"testimonials.text": "no"}})
    reached = [
        each for each in program.history(email="eve@example.org") if each["channel"] == "paper"
    ]
    assert [each["evidence"] for each in reached] == [{"sha256": "ab" * 32}] * 2
    strange = f"/manage/{a_token(portal, program.clinic, EVE, LinkScope.MANAGE, reached[0]['id'])}"
    for form in ("json", "csv"):
        text = client.get(f"{strange}/export/{form}").text
        assert not [word for word in WORDS if word in text]
    portal.seal()
    assert (
        split_disclosures(client.get(f"{strange}/receipts/{reached[0]['id']}?format=sd-jwt").text)[
            1
        ]
        == ()
    )
    own = [each for each in program.history(**phone) if "_sd" in (each["evidence"] or {})]
    assert [evidence_of(portal, program, each["id"]) for each in own] == [EVIDENCE, EVIDENCE]
    assert {each["subject"] for each in own} == {program.history(**phone)[-1]["subject"]}


def test_of_two_who_share_a_phone_one_has_the_words_and_takes_them_along(
    portal: RunningPortal, program: Program
) -> None:
    """Whose they are the contact alone does not tell; kept twice, they would outlive the erasure of
    either.
    """
    for each in ("bella.ozola@example.org", ANNA["email"]):
        program.call(
            "receipts",
            {**PAPER, "subject": {"email": each, "phone": "26123456"}, "evidence": {"form": "F"}},
        )
    program.call("withdrawals", {**STOP, "subject": {"phone": "26123456"}})
    stopped = [
        each
        for each in program.history(phone="26123456")
        if "withdraw" in json.dumps(each["decisions"])
    ]
    told = {each["subject"]: evidence_of(portal, program, each["id"]) for each in stopped}
    assert sorted(map(len, told.values())) == [1, 3]
    first = next(each for each in stopped if "_sd" in each["evidence"])
    whose = next(each["evidence"] for each in stopped if each is not first)
    assert whose == {"sha256": "ab" * 32}
    program.call("erasures", {"subject": {"phone": "26123456"}, "everyone": True})
    assert [evidence_of(portal, program, each["id"]) for each in stopped] == [
        {"sha256": "ab" * 32}
    ] * 2


def test_what_cannot_be_a_receipt_is_answered_in_words(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """Letters that base64url has not, and a tilde where the other way of writing a signature has
    none.
    """
    shown = presented(portal, program, program.call("receipts", PAPER).json()["id"])
    signed, (form, _) = split_disclosures(shown)
    head, payload, signature = signed.split(".")
    for ending in ("~", f"~{form}~", "~\ud800~", "~ģ~"):
        flat = json.dumps({"protected": head, "payload": payload, "signature": signature + ending})
        for given in (flat, f"{head}.{payload}.{signature}~ģ~"):
            answer = client.post("/verify?lang=en", {"receipt": given})
            assert (answer.status, "We could not read this" in answer.text) == (422, True)
