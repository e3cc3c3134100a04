"""Erasing and restricting by API: who may, who is meant, what is left to prove."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.instants import instant
from chalicelib.receipts.jws import verify
from chalicelib.services.subject_rights import erase
from chalicelib.store import signatures
from chalicelib.store.clinics import UnknownClinicError
from tests.cast import RIGA, TBILISI
from tests.web.client import Answer, Client, Program
from tests.web.page_reader import Page, decide, receipt_number
from tests.web.running import RunningPortal

ANNA = "anna.ozola@example.org"
BELLA = "bella.ozola@example.org"
PHONE = "26123456"


def erasing(program: Program, *, everyone: bool = False, **subject: str) -> Answer:
    """Ask for an erasure."""
    return program.call(
        "erasures", {"subject": subject, **({"everyone": True} if everyone else {})}
    )


def restricting(program: Program, *, restricted: bool = True, **subject: str) -> Answer:
    """Ask for a restriction, or for its end."""
    return program.call("restrictions", {"subject": subject, "restricted": restricted})


def told(program: Program, **subject: str) -> dict[str, Any]:
    """Tell what status says of the newsletter by e-mail."""
    answer = program.call("status", {"subjects": [subject], "purposes": ["newsletter.email"]})
    decisions: dict[str, dict[str, Any]] = answer.json()["results"][0]["decisions"]
    return decisions["newsletter.email"]


def on_paper(program: Program, answer: str = "yes", **subject: str) -> dict[str, Any]:
    """Let staff record a decision, which counts at once."""
    body = {"subject": subject, "decisions": {"newsletter.email": answer}, "channel": "in-person"}
    sent = program.call("receipts", {**body, "effective_at": instant(datetime.now(UTC))})
    assert sent.status == 201, sent.text
    receipt: dict[str, Any] = sent.json()
    return receipt


def test_erasing_takes_effect_at_once_and_leaves_the_proof(
    client: Client, portal: RunningPortal
) -> None:
    """Nobody is found by contact; the receipt opens, is checked and verifies as before, and names
    nobody.
    """
    program = portal.open_clinic()
    form = {
        "decision.newsletter.email": "no",
        "email": ANNA,
        "phone": PHONE,
        "name": "Anna Ozoliņa",
    }
    number = receipt_number(decide(client, program.clinic, form))
    portal.seal()
    jws = program.receipt(number, "?format=jws").text
    subject = program.receipt(number).json()["subject"]
    answer = erasing(program, email=ANNA)
    assert answer.status == 200
    [done] = answer.json()["erased"]
    assert done["subject"] == subject
    assert int(done["proof_until"][:4]) - datetime.now(UTC).year == 3
    assert (
        told(program, email=ANNA)["state"] == told(program, phone=PHONE)["state"] == "never_asked"
    )
    assert program.history(email=ANNA) == program.history(phone=PHONE) == []
    assert program.receipt(number, "?format=jws").text == jws
    assert verify(jws, signatures.jwks(portal.table)).document == program.receipt(number).json()
    page = client.get(f"/{program.clinic}/receipts/{number}?lang=en")
    code = next(link for link in Page(page).links if "/verify?code=" in link)
    assert (
        client.get(code.removeprefix(client.mount)).status
        == client.post("/verify", {"receipt": jws}).status
        == 200
    )
    for format_ in ("dpv", "fhir-r4", "fhir-r5", "pdf", "html"):
        assert program.receipt(number, f"?format={format_}").status == 200
    assert program.receipt(number, "?format=kantara").status == 406, (
        "it tells only of consents that are in force"
    )


def test_erasing_again_erases_nobody_and_is_no_error(portal: RunningPortal) -> None:
    """A program that was cut off sends it again."""
    program = portal.open_clinic()
    on_paper(program, email=ANNA)
    assert len(erasing(program, email=ANNA).json()["erased"]) == 1
    again = erasing(program, email=ANNA)
    assert (again.status, again.json()) == (200, {"erased": []})


def test_after_the_erasure_the_patient_is_new_to_the_portal(
    client: Client, portal: RunningPortal
) -> None:
    """No one is locked out: what is decided afterwards begins a chain of its own."""
    program = portal.open_clinic()
    first = on_paper(program, email=ANNA)
    erasing(program, email=ANNA)
    second = receipt_number(
        decide(client, program.clinic, {"decision.newsletter.email": "no", "email": ANNA})
    )
    receipt = program.receipt(second).json()
    assert (receipt["version"], receipt["previous"]) == (1, None)
    assert receipt["subject"] != first["subject"]
    assert [each["id"] for each in program.history(email=ANNA)] == [second]


def test_people_who_share_a_phone_are_told_apart_or_all_meant(portal: RunningPortal) -> None:
    """Nobody is erased by mistake; `everyone` says that all are meant."""
    program = portal.open_clinic()
    subjects = {
        email: on_paper(program, email=email, phone=PHONE)["subject"] for email in (ANNA, BELLA)
    }
    refused = erasing(program, phone=PHONE)
    assert (refused.status, refused.json()["title"]) == (409, "Whose data is it?")
    assert erasing(program, phone=PHONE, email="nobody@example.org").json() == {"erased": []}
    assert (
        erasing(program, phone=PHONE, email=ANNA).json()["erased"][0]["subject"] == subjects[ANNA]
    )
    assert erasing(program, phone=PHONE, email=ANNA).json() == {"erased": []}, (
        "sent again, Bella is not meant"
    )
    assert told(program, phone=PHONE)["permitted"]
    on_paper(program, email=ANNA, phone=PHONE)
    assert len(erasing(program, everyone=True, phone=PHONE).json()["erased"]) == 2
    assert told(program, email=BELLA)["state"] == "never_asked"


def test_contacts_of_two_people_mean_neither(portal: RunningPortal) -> None:
    """An e-mail of one and a number of another is a slip, not an order."""
    program = portal.open_clinic()
    on_paper(program, email=ANNA)
    on_paper(program, "no", patient_ref="P-1")
    assert erasing(program, email=ANNA, patient_ref="P-1").status == 409
    assert told(program, email=ANNA)["permitted"]


@pytest.mark.parametrize("call", ["erasures", "restrictions"])
def test_somebody_known_by_e_mail_and_by_phone_apart_is_not_half_erased(
    portal: RunningPortal, call: str
) -> None:
    """Two people to the portal, perhaps one in life: staff are asked, and `everyone` means both."""
    program = portal.open_clinic()
    known = {
        on_paper(program, email=ANNA)["subject"],
        on_paper(program, "no", phone=PHONE)["subject"],
    }
    body = {
        "subject": {"email": ANNA, "phone": PHONE},
        **({"restricted": True} if call == "restrictions" else {}),
    }
    refused = program.call(call, body)
    assert (refused.status, "known apart" in refused.json()["detail"]) == (409, True)
    assert told(program, email=ANNA)["permitted"]
    done = program.call(call, {**body, "everyone": True}).json()[
        "erased" if call == "erasures" else "subjects"
    ]
    assert {each["subject"] for each in done} == known
    assert not told(program, email=ANNA)["permitted"]


def test_restricting_permits_nothing_at_any_time_and_keeps_the_truth(portal: RunningPortal) -> None:
    """The state stays, the use stops; a receipt written meanwhile keeps it, and lifting ends it."""
    program = portal.open_clinic()
    receipt = on_paper(program, email=ANNA)
    [done] = restricting(program, email=ANNA).json()["subjects"]
    assert (done["subject"], done["restricted_since"] is not None) == (receipt["subject"], True)
    assert restricting(program, email=ANNA).json()["subjects"] == [done], (
        "again keeps the day it began"
    )
    now = told(program, email=ANNA)
    assert (now["state"], now["permitted"], now["restricted"]) == ("granted", False, True)
    for when in (
        {"at": receipt["effective_at"]},
        {"known_at": receipt["recorded_at"]},
        {"at": "2036-01-01T00:00:00Z"},
    ):
        asked = {"subjects": [{"email": ANNA}], "purposes": ["newsletter.email"], **when}
        then = program.call("status", asked).json()["results"][0]["decisions"]["newsletter.email"]
        assert (then["permitted"], then["restricted"]) == (False, True)
    assert program.receipt(receipt["id"], "?format=fhir-r4").json()["status"] != "active"
    on_paper(program, email=ANNA)
    assert not told(program, email=ANNA)["permitted"]
    restricting(program, email=ANNA, restricted=False)
    now = told(program, email=ANNA)
    assert (now["permitted"], now["restricted"]) == (True, False)
    assert program.receipt(now["receipt_id"], "?format=fhir-r4").json()["status"] == "active"


def test_a_restricted_patient_can_withdraw(client: Client, portal: RunningPortal) -> None:
    """Stopping is always possible (GDPR Art. 7(3))."""
    program = portal.open_clinic()
    on_paper(program, email=ANNA)
    restricting(program, email=ANNA)
    assert client.post(f"/{program.clinic}/withdraw", {"email": ANNA, "all": "yes"}).status == 303
    assert told(program, email=ANNA)["state"] == "withdrawn"


@pytest.mark.parametrize("call", ["erasures", "restrictions"])
def test_another_clinic_another_scope_and_a_stranger_change_nothing(
    portal: RunningPortal, call: str
) -> None:
    """Erasing needs a key of this clinic that may."""
    program = portal.program(RIGA)
    on_paper(program, email=ANNA)
    body = {"subject": {"email": ANNA}, **({"restricted": True} if call == "restrictions" else {})}
    reader = Program(RIGA, portal.new_key(RIGA, "status:read", "receipts:write"))
    refused = [
        Program(RIGA, portal.program(TBILISI).key),
        reader,
        Program(RIGA, "cpk_guess"),
        Program(RIGA, None),
    ]
    before = portal.items()
    assert [each.call(call, body).status for each in refused] == [404, 403, 401, 401]
    assert portal.items() == before
    empty = {"erasures": {"erased": []}, "restrictions": {"restricted": True, "subjects": []}}
    assert portal.program(TBILISI).call(call, body).json() == empty[call]
    assert told(program, email=ANNA)["permitted"]


@pytest.mark.parametrize(
    ("call", "body", "places"),
    [
        ("erasures", {}, ["/subject"]),
        (
            "erasures",
            {"subject": {"email": "x"}, "everyone": "yes"},
            ["/subject/email", "/everyone"],
        ),
        ("erasures", {"subject": {"email": ANNA}, "restricted": True}, ["/restricted"]),
        ("restrictions", {"subject": {"email": ANNA}}, ["/restricted"]),
        ("restrictions", {"subject": {"email": ANNA}, "restricted": None}, ["/restricted"]),
    ],
)
def test_a_body_with_faults_changes_nothing(
    portal: RunningPortal, call: str, body: dict[str, Any], places: list[str]
) -> None:
    """Each fault is named by its place."""
    answer = portal.program(RIGA).call(call, body)
    assert answer.status == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == places


def test_each_call_leaves_an_audit_line_with_opaque_ids_alone(portal: RunningPortal) -> None:
    """Who erased whom, and when, can be shown to an inspector who is told the id by the receipt."""
    program = portal.open_clinic()
    receipt = on_paper(program, email=ANNA)
    for _ in range(2):
        restricting(program, email=ANNA)
        erasing(program, email=ANNA)
    lines = portal.audit(program.clinic)
    assert ANNA not in json.dumps(lines)
    erased = [line["subjects"] for line in lines if line["call"] == "erasures"]
    assert sorted(erased) == [[], [receipt["subject"]]]
    assert {line["key"] for line in lines} == {receipt["actor"].removeprefix("staff:")}


def test_a_patients_page_erases_by_the_same_door(portal: RunningPortal) -> None:
    """By the id its link holds; a clinic that does not exist has nobody."""
    program = portal.open_clinic()
    subject = on_paper(program, email=ANNA)["subject"]
    now = instant(datetime.now(UTC))
    done = erase(portal.in_process, program.clinic, subject, "patient", now)
    assert done is not None
    assert done.subject == subject
    assert told(program, email=ANNA)["state"] == "never_asked"
    assert (
        erase(
            portal.in_process, program.clinic, hashlib.sha256(b"").hexdigest()[:32], "patient", now
        )
        is None
    )
    with pytest.raises(UnknownClinicError):
        erase(portal.in_process, "nobody", subject, "patient", now)
