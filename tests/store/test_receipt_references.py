"""Receipts found by the short reference that patients read aloud."""

import json
from collections.abc import Mapping

import pytest

from chalicelib.domain.receipts import Receipt, read_reference, reference
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.receipt_copies import find_receipt, find_receipts
from chalicelib.store.keys.receipts import earlier_receipt_id_key, receipt_id_key
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.store.writes import Delete, Put
from infra.operator.migration import Progress, migrate
from tests.cast import ANNA, GIORGI, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, NOON, a_decision
from tests.store.people import signed

FIRST, SECOND = "99de3489a2" + "1" * 22, "99de3489a2" + "2" * 22
OTHER = "99de3489a3" + "1" * 22
YES, NO = {EMAIL_NEWS: "yes"}, {EMAIL_NEWS: "no"}


def kept_as_before(portal: Portal, receipt: Receipt) -> None:
    """Keep the place of a receipt by its whole id alone, as before there were references."""
    now, before = (
        receipt_id_key(RIGA, receipt.id),
        earlier_receipt_id_key(RIGA, receipt.id),
    )
    place = portal.table.get([now])[now].body
    portal.table.write([Put(before, {"body": place}), Delete(now, over=True)])


def found(portal: Portal, number: str, clinic: str = RIGA) -> list[str]:
    """Give the ids of the receipts that a number or reference finds."""
    return [each.receipt.id for each in find_receipts(portal, clinic, number)]


def test_a_reference_finds_its_receipt_and_no_other(portal: Portal) -> None:
    """Staff whom a patient calls type eight symbols instead of thirty-two."""
    anna = decisions.record(portal, a_decision(YES, receipt_id=FIRST), signed(ANNA))
    decisions.record(portal, a_decision(YES, receipt_id=OTHER), signed(GIORGI))
    assert found(portal, reference(anna.id)) == [FIRST]
    assert found(portal, "k7f3 92d2") == [FIRST]
    assert found(portal, FIRST) == [FIRST]


def test_receipts_that_share_a_reference_are_all_found_the_oldest_first(portal: Portal) -> None:
    """Nobody is told of another patient's receipt as if it were theirs."""
    decisions.record(portal, a_decision(YES, NOON, receipt_id=FIRST), signed(ANNA))
    decisions.record(portal, a_decision(YES, receipt_id=SECOND), signed(GIORGI))
    assert found(portal, "K7F3-92D2") == [SECOND, FIRST]
    assert found(portal, FIRST) == [FIRST]


def test_another_clinics_receipt_is_not_found(portal: Portal) -> None:
    """A reference means a receipt of the clinic that is asked."""
    decisions.record(portal, a_decision(YES, receipt_id=FIRST), signed(ANNA))
    with pytest.raises(UnknownReceiptError):
        find_receipts(portal, TBILISI, "K7F3-92D2")
    with pytest.raises(UnknownReceiptError):
        find_receipts(portal, RIGA, "0000-0000")


@pytest.mark.parametrize("number", [FIRST, "K7F3-92D2"])
def test_a_receipt_is_found_in_two_round_trips(
    portal: Portal, round_trips: list[str], number: str
) -> None:
    """A reference costs no more than a whole number."""
    decisions.record(portal, a_decision(YES, receipt_id=FIRST), signed(ANNA))
    portal.clinics.version(RIGA, "1.0")
    round_trips.clear()
    portal.receipts.issued(RIGA, number) if number == FIRST else (
        portal.receipts.issued_with_reference(RIGA, read_reference(number) or "")
    )
    assert len(round_trips) == 2


def test_a_receipt_of_before_there_were_references_is_found_by_its_number(portal: Portal) -> None:
    """An update takes no receipt from a patient who kept its number."""
    receipt = decisions.record(portal, a_decision(YES, receipt_id=FIRST), signed(ANNA))
    kept_as_before(portal, receipt)
    assert find_receipt(portal, RIGA, FIRST).receipt == receipt
    with pytest.raises(UnknownReceiptError):
        find_receipts(portal, RIGA, "K7F3-92D2")


@pytest.mark.parametrize("said", [YES, NO])
def test_a_decision_sent_again_after_the_update_is_still_one_receipt(
    portal: Portal, said: Mapping[str, str]
) -> None:
    """A form whose answer was lost while the portal was updated counts once."""
    decision = a_decision(said, receipt_id=FIRST)
    receipt = decisions.record(portal, decision, signed(ANNA))
    kept_as_before(portal, receipt)
    assert decisions.record(portal, decision, signed(ANNA)) == receipt
    person = portal.directory.look_up(RIGA, [ANNA]).stored_under[ANNA][0]
    assert person.version == 1


def test_the_operators_command_lets_references_find_what_was_there_before(portal: Portal) -> None:
    """After an update a patient's reference works for their old receipts too; a second run does
    nothing.
    """
    receipt = decisions.record(portal, a_decision(YES, receipt_id=FIRST), signed(ANNA))
    second = decisions.record(portal, a_decision(NO, NOON, receipt_id=SECOND), signed(ANNA))
    for each in (receipt, second):
        kept_as_before(portal, each)
    *_, last = migrate(portal.table, portal.clinics)
    assert last == Progress(RIGA, 1, 1)
    assert found(portal, "K7F3-92D2") == [FIRST, SECOND]
    place = receipt_id_key(RIGA, SECOND)
    assert json.loads(portal.table.get([place])[place].body or "") == {
        "subject": receipt.document["subject"],
        "version": 2,
    }
    *_, again = migrate(portal.table, portal.clinics)
    assert again == Progress(RIGA, 1, 0)
