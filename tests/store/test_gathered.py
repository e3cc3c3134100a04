"""Items that a batch reads together: once, and not for longer than they are good."""

from chalicelib.portal import Portal
from chalicelib.store.gathered import FRESH_SECONDS, Gathered
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.writes import Put
from tests.cast import RIGA, TBILISI


def test_what_was_gathered_is_read_once_and_what_was_not_is_read_when_it_is_asked_for(
    portal: Portal, round_trips: list[str]
) -> None:
    """A batch of receipts takes one trip, and finds what else it needs all the same."""
    known, missing, other = clinic_key(RIGA), clinic_key("nowhere"), clinic_key(TBILISI)
    round_trips.clear()
    gathered = Gathered(portal.table, [known, missing, known])
    assert gathered.get([known, missing]).keys() == {known}
    assert round_trips == ["BatchGetItem"]
    assert gathered.get([known, other]).keys() == {known, other}
    assert round_trips == ["BatchGetItem"] * 2


def test_what_was_gathered_a_while_ago_is_read_anew(portal: Portal) -> None:
    """A batch whose mails take long does not write to somebody who was erased meanwhile."""
    seconds = 0.0
    key = clinic_key("new")
    gathered = Gathered(portal.table, [key], lambda: seconds)
    portal.table.put(Put(key, {"body": "there"}))
    assert gathered.get([key]) == {}
    seconds = FRESH_SECONDS
    assert gathered.get([key]).keys() == {key}
