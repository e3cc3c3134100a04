"""A question that the notice no longer asks: what was said to it still stands, can be looked up,
and can be stopped.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.instants import instant
from chalicelib.domain.local_time import local_day, local_midnight
from tests.web.client import Client, Program
from tests.web.page_reader import decide
from tests.web.running import RunningPortal

ANNA = {"email": "anna.ozola@example.org"}
SMS = "newsletter.sms"


def without_sms(document: dict[str, Any]) -> None:
    """Ask for the newsletter by e-mail alone."""
    [newsletter] = [each for each in document["purposes"] if each["id"] == "newsletter"]
    newsletter["options"] = [each for each in newsletter["options"] if each["id"] != "sms"]


def ago(**past: float) -> str:
    """Give a moment that is over."""
    return (datetime.now(UTC) - timedelta(**past)).isoformat(timespec="milliseconds")


def on_paper(program: Program, answer: str, **more: object) -> int:
    """Record what Anna signed; give the status."""
    subject = {**ANNA, "phone": "26 123 456"}
    body = {
        "subject": subject,
        "decisions": {SMS: answer},
        "channel": "paper",
        "evidence": {"form": "F-1"},
        **more,
    }
    return program.call("receipts", body).status


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give a clinic where Anna agreed to text messages, which it then stopped asking about."""
    program = portal.open_clinic()
    assert on_paper(program, "yes", effective_at=ago(days=3)) == 201
    portal.republish(program.clinic, "1.1", without_sms)
    return program


def test_it_is_told_by_status_and_by_every_format_alike(program: Program) -> None:
    """One resolver, one answer: a program is not told Yes here and nothing there."""
    assert program.states(**ANNA)[SMS] == "granted"
    [receipt] = program.history(**ANNA)
    assert program.receipt(receipt["id"], "?format=fhir-r5").json()["decision"] == "permit"
    body = {"subjects": [ANNA], "purposes": ["newsletter"], "at": ago(days=1)}
    told = program.call("status", body).json()["results"][0]["decisions"]
    assert told[SMS]["state"] == "granted"


@pytest.mark.parametrize("said", [{"purposes": ["newsletter"]}, {"purposes": [SMS]}, {"all": True}])
def test_staff_can_stop_it(program: Program, said: dict[str, object]) -> None:
    """By its purpose, by its own name, or with everything."""
    body = {"subject": ANNA, "channel": "phone", "effective_at": ago(minutes=1), **said}
    assert program.call("withdrawals", body).status == 201
    assert program.states(**ANNA)[SMS] == "withdrawn"


def test_the_patient_can_stop_it(client: Client, program: Program) -> None:
    """With everything, or by a page that was opened when it was still asked."""
    assert client.post(f"/{program.clinic}/withdraw", {**ANNA, "purpose": SMS}).status == 303
    assert program.states(**ANNA)[SMS] == "withdrawn"


def test_a_form_of_the_earlier_version_can_still_be_entered(program: Program) -> None:
    """What Anna signed is checked against the text she signed, not against today's."""
    assert on_paper(program, "no", effective_at=ago(days=2), notice_version="1.0") == 201
    assert program.states(**ANNA)[SMS] == "withdrawn"
    assert on_paper(program, "yes", effective_at=ago(), notice_version="1.1") == 422


def test_everything_withdrawn_outlives_a_form_about_what_was_not_asked_that_day(
    portal: RunningPortal, program: Program
) -> None:
    """Bella stopped everything while text messages were not asked about; a form from before turns
    up later.
    """
    bella = {"patient_ref": "P-2"}
    stop = {"subject": bella, "all": True, "channel": "phone", "effective_at": ago(days=1)}
    assert program.call("withdrawals", stop).status == 201
    portal.republish(program.clinic, "1.2")
    written = {**bella, "phone": "26 555 123"}
    assert (
        on_paper(program, "yes", subject=written, effective_at=ago(days=2), notice_version="1.0")
        == 201
    )
    assert program.states(**bella)[SMS] == "withdrawn"


def test_a_form_signed_on_the_day_its_version_came_may_bear_an_earlier_hour(
    portal: RunningPortal, program: Program
) -> None:
    """The form asks for a date; who enters it need not know the minute of publication."""
    portal.republish(program.clinic, "1.2")
    midnight = local_midnight(local_day(instant(datetime.now(UTC)), "LV"), "LV")
    said = {
        "decisions": {"newsletter.email": "yes"},
        "effective_at": midnight,
        "notice_version": "1.2",
    }
    assert on_paper(program, "yes", **said) == 201


def test_whose_a_contact_was_is_asked_by_what_was_known(portal: RunningPortal) -> None:
    """A phone that became Anna's today was nobody's yesterday, whatever she had agreed to by
    then.
    """
    program = portal.open_clinic()
    person, phone = {"patient_ref": "P-7"}, {"phone": "26 999 123"}
    yes = {"decisions": {SMS: "yes"}, "channel": "in-person", "effective_at": ago(days=1)}
    assert (
        program.call("receipts", {"subject": {**person, "phone": "26 111 222"}, **yes}).status
        == 201
    )
    before = program.call("status", {"subjects": [phone]}).json()["known_at"]
    both = {
        "subject": {**person, **phone},
        "decisions": {"newsletter.email": "no"},
        "channel": "in-person",
    }
    assert program.call("receipts", {**both, "effective_at": ago()}).status == 201
    assert program.states(**phone)[SMS] == "granted"
    told = program.call("status", {"subjects": [phone], "known_at": before}).json()["results"][0][
        "decisions"
    ]
    assert told[SMS] == {
        **dict.fromkeys(told[SMS]),
        "state": "never_asked",
        "permitted": False,
        "holds_for": [],
        "restricted": False,
    }


def test_a_strangers_claim_takes_nothing_from_the_receipt_of_a_no(
    client: Client, portal: RunningPortal
) -> None:
    """The rule that denies stays active until the contact itself has said otherwise."""
    program = portal.open_clinic()
    decide(client, program.clinic, {"decision.newsletter.email": "no", **ANNA})
    [refused] = program.history(**ANNA)
    decide(client, program.clinic, {"decision.newsletter.email": "yes", **ANNA})
    assert program.states(**ANNA)["newsletter.email"] == "pending"
    written = program.receipt(refused["id"], "?format=fhir-r4").json()
    assert (written["status"], [rule["type"] for rule in written["provision"]["provision"]]) == (
        "active",
        ["deny"],
    )
