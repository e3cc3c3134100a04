"""Each fault by itself, so that what the random test meets is known to be what it says."""

from collections.abc import Iterator

import pytest

from chalicelib.domain.consent import State
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.decisions import BusyError
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.store.table import UnavailableError
from tests.cast import RIGA
from tests.factories import EMAIL_NEWS, a_decision
from tests.properties.faults import ATTEMPTS, READ, WRITE, Fault, Faults
from tests.store.people import only_person, signed, state


@pytest.fixture
def faults(portal: Portal) -> Iterator[Faults]:
    """Give the way to make the table's client fail."""
    faults = Faults(portal.table.client)
    yield faults
    faults.close()


def somebody(name: str) -> Contact:
    """Give a contact of this test alone."""
    return Contact(ContactKind.EMAIL, f"{name.lower()}@faults.example.org")


@pytest.mark.parametrize("fault", [Fault.LOST_REQUEST, Fault.LOST_REPLY, Fault.THROTTLED])
def test_a_short_fault_is_not_noticed(portal: Portal, faults: Faults, fault: Fault) -> None:
    """A hiccup of the network costs a patient a moment and nothing else."""
    faults.plan(READ, [fault] * (ATTEMPTS - 1))
    faults.plan(WRITE, [fault] * (ATTEMPTS - 1))
    contact = somebody(f"short-{fault.name}")
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(contact))
    assert only_person(portal, RIGA, contact).version == 1


@pytest.mark.parametrize("fault", [Fault.LOST_REQUEST, Fault.THROTTLED])
def test_a_long_fault_is_told_and_nothing_is_stored(
    portal: Portal, faults: Faults, fault: Fault
) -> None:
    """The patient is asked to try again, and what they try again is new."""
    faults.plan(WRITE, [fault] * ATTEMPTS)
    decision, contact = a_decision({EMAIL_NEWS: "yes"}), somebody(f"long-{fault.name}")
    with pytest.raises(UnavailableError):
        decisions.record(portal, decision, signed(contact))
    with pytest.raises(UnknownReceiptError):
        portal.receipts.find(RIGA, decision.receipt_id)
    assert decisions.record(portal, decision, signed(contact)).document["version"] == 1


def test_a_decision_whose_answer_was_lost_is_found_when_it_is_sent_again(
    portal: Portal, faults: Faults
) -> None:
    """The patient presses again and gets the receipt of the first time."""
    faults.plan(WRITE, [Fault.LOST_REPLY] * ATTEMPTS)
    decision, contact = a_decision({EMAIL_NEWS: "yes"}), somebody("lost-reply")
    with pytest.raises(UnavailableError):
        decisions.record(portal, decision, signed(contact))
    stored = portal.receipts.find(RIGA, decision.receipt_id)
    assert decisions.record(portal, decision, signed(contact)) == stored
    assert only_person(portal, RIGA, contact).version == 1
    assert state(portal, RIGA, contact, EMAIL_NEWS) is State.GRANTED


@pytest.mark.parametrize("fault", [Fault.LOST_REQUEST, Fault.LOST_REPLY, Fault.THROTTLED])
def test_a_table_that_cannot_be_read_tells_nothing(
    portal: Portal, faults: Faults, fault: Fault
) -> None:
    """Who asks for a status gets an error and never a guess: nothing known, nothing permitted."""
    faults.plan(READ, [fault] * ATTEMPTS)
    with pytest.raises(UnavailableError):
        portal.directory.look_up(RIGA, [somebody("anybody")])


def test_a_transaction_in_the_way_is_waited_for(portal: Portal, faults: Faults) -> None:
    """Two who decide at the same moment are both served."""
    faults.plan(WRITE, [Fault.CONFLICT] * 7)
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(somebody("patient")))
    assert receipt.document["version"] == 1


def test_when_others_are_in_the_way_for_too_long_nothing_is_stored(
    portal: Portal, faults: Faults
) -> None:
    """The patient is told that it is busy, truthfully."""
    faults.plan(WRITE, [Fault.CONFLICT] * 8)
    decision = a_decision({EMAIL_NEWS: "yes"})
    with pytest.raises(BusyError):
        decisions.record(portal, decision, signed(somebody("busy")))
    with pytest.raises(UnknownReceiptError):
        portal.receipts.find(RIGA, decision.receipt_id)
