"""A year of counts is read in a few round trips, wherever its days were kept."""

from datetime import date, timedelta

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.store import statistics
from chalicelib.store.keys.counts import count_key, counted_since_key, earlier_count_key, tally_key
from chalicelib.store.writes import AddCounts, Put
from tests.cast import RIGA, TBILISI
from tests.factories import EMAIL_NEWS, NOON, a_decision
from tests.store.people import count_unsigned, signed

LAST = date(2026, 11, 22)
YEAR = [(LAST - timedelta(days=day)).isoformat() for day in range(366)]
WAYS = [(lang, "qr", "self-asserted", place) for lang in ("lv", "ru") for place in ("desk", "-")]


def fill_a_year(portal: Portal) -> None:
    """Count one answer a day in each of four ways."""
    for day in YEAR:
        for way in WAYS:
            portal.table.write_one(AddCounts(tally_key(RIGA, day, way), {f"{EMAIL_NEWS}#ng": 1}))


def test_a_year_is_read_in_a_few_round_trips(portal: Portal, round_trips: list[str]) -> None:
    """The page of counters does not wait for 366 queries."""
    fill_a_year(portal)
    portal.table.put_new(Put(counted_since_key(RIGA), {"body": "2025-01-01"}))
    round_trips.clear()
    found = statistics.tallies(portal.table, RIGA, YEAR)
    assert len(round_trips) <= 12, round_trips
    assert sum(each.number for each in found) == len(YEAR) * len(WAYS)
    assert statistics.tallies(portal.table, TBILISI, YEAR[:9]) == []


def test_only_the_days_that_are_asked_for_are_counted(portal: Portal) -> None:
    """The day before and the day after belong to other periods."""
    fill_a_year(portal)
    [day] = {each.day for each in statistics.tallies(portal.table, RIGA, YEAR[7:8])}
    assert day == YEAR[7]
    assert {each.day for each in statistics.tallies(portal.table, RIGA, YEAR[3:9:2])} == set(
        YEAR[3:9:2]
    )


def test_days_that_were_kept_apart_are_read_as_long_as_there_are_any(
    portal: Portal, round_trips: list[str]
) -> None:
    """What was counted before the update stays, and costs a query a day until a year is over."""
    old, new = YEAR[20], YEAR[1]
    earlier = earlier_count_key(RIGA, old, "+#lv#qr#self-asserted#desk")
    portal.table.write_one(AddCounts(earlier, {f"{EMAIL_NEWS}#ng": 3}))
    portal.table.write_one(AddCounts(tally_key(RIGA, new, WAYS[0]), {f"{EMAIL_NEWS}#ng": 2}))
    portal.table.put_new(Put(counted_since_key(RIGA), {"body": YEAR[18]}))
    round_trips.clear()
    found = statistics.tallies(portal.table, RIGA, YEAR, began=YEAR[21])
    assert {(each.day, each.number) for each in found} == {(old, 3), (new, 2)}
    assert len(round_trips) <= 12, round_trips


def test_the_first_round_notes_until_when_days_were_kept_apart(portal: Portal) -> None:
    """It is noted once, also where nothing is to be counted."""
    for now in (NOON, "2027-01-01T00:00:00.000Z"):
        assert list(statistics.count_feed(portal.table, RIGA, now)) == []
    found = portal.table.get([counted_since_key(RIGA)])
    assert [item.body for item in found.values()] == [NOON[:10]]


@pytest.mark.parametrize("counted", [False, True])
def test_an_operators_correction_stands_beside_the_counts(portal: Portal, *, counted: bool) -> None:
    """A day says what the receipts say, whether it was counted or is still in the feed."""
    contact = Contact(ContactKind.EMAIL, "anna@example.org")
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(contact))
    assert count_unsigned(portal.table, receipt)
    if counted:
        assert sum(statistics.count_feed(portal.table, RIGA, NOON)) == 1
    day, what = receipt.document["recorded_at"][:10], "newsletter.email#granted#reception"
    statistics.correct(portal.table, RIGA, day, what, 5, was=1)
    assert statistics.counts(portal.table, RIGA, day) == {what: 5}
    assert count_key(RIGA, day, what) in portal.table.get([count_key(RIGA, day, what)])
