"""Receipts asked for by the reference that a patient reads aloud."""

from typing import Any

from chalicelib.domain.receipts import reference
from chalicelib.services import decisions
from chalicelib.store.lookup import Identification, fresh_subject
from tests.cast import ANNA, GIORGI, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, a_decision
from tests.web.client import Client, Program
from tests.web.page_reader import decide, receipt_number
from tests.web.running import RunningPortal


def asked(program: Program, number: str) -> tuple[int, Any]:
    """Ask for a receipt; give the status and what was answered."""
    answer = program.receipt(number)
    return answer.status, answer.json()


def test_staff_find_a_receipt_by_its_reference(client: Client, portal: RunningPortal) -> None:
    """A patient on the phone reads eight symbols, and the clinic sees what was said."""
    program = portal.open_clinic()
    sent = {"email": ANNA.value, f"decision.{EMAIL_NEWS}": "yes"}
    number = receipt_number(decide(client, program.clinic, sent))
    told = reference(number)
    for typed in (told, told.lower(), told.replace("-", ""), number):
        status, receipt = asked(program, typed)
        assert (status, receipt["id"]) == (200, number)
    other = portal.open_clinic(TBILISI)
    assert asked(other, told)[0] == 404


def test_two_receipts_with_one_reference_are_told_apart(portal: RunningPortal) -> None:
    """The clinic learns that there are two, and asks for the one of that day."""
    program = portal.open_clinic(RIGA)
    ids = [f"77de3489a2{number:022x}" for number in (1, 2)]
    for number, contact in zip(ids, (ANNA, GIORGI), strict=True):
        decision = a_decision({EMAIL_NEWS: "no"}, receipt_id=number, clinic=program.clinic)
        decisions.record(
            portal.in_process, decision, Identification((contact,), None, fresh_subject())
        )
    status, problem = asked(program, reference(ids[0]))
    assert (status, problem["title"]) == (409, "Several receipts")
    assert {each["id"] for each in problem["receipts"]} == set(ids)
    assert all(each["recorded_at"] and each["effective_at"] for each in problem["receipts"])
    assert asked(program, ids[1])[1]["id"] == ids[1]
