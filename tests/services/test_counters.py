"""The counters of a period: what is added up, by which weeks and months, at what cost."""

import itertools
from datetime import date, timedelta

import pytest

from chalicelib.domain.api_keys import SCOPES, BearerKey
from chalicelib.domain.consent import State
from chalicelib.domain.withdrawal_reasons import WithdrawalReason
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.counters import Counters, Period, Share, read_counters, steps_of
from chalicelib.store import withdrawal_reasons
from chalicelib.store.keys.counts import counted_since_key, tally_key
from chalicelib.store.writes import AddCounts, Put
from tests.cast import RIGA
from tests.factories import EMAIL_NEWS, NOON, SMS_NEWS

TODAY = date.fromisoformat(NOON[:10])
MOST_ROUND_TRIPS = 20


def a_call(portal: Portal) -> AuthorizedCall[EmptyBody]:
    """Ask as somebody of the clinic."""
    lookup = portal.directory.look_up(RIGA, [])
    key = BearerKey("key_1", RIGA, "a test", tuple(SCOPES), NOON)
    shared = portal.clinics.with_all_past_questions(lookup.published)
    return AuthorizedCall(key, EmptyBody(), lookup, NOON, shared, "https://portal.example.org")


def read(portal: Portal, period: Period, *, hide_small: bool = False) -> Counters:
    """Read the counters of a period that ends at noon."""
    return read_counters(portal, a_call(portal), period, hide_small=hide_small)


def add(portal: Portal, ago: int, about: tuple[str, ...], **counts: int) -> None:
    """Count answers of some days ago: the name of each count has "_" for "." and "#"."""
    day = (TODAY - timedelta(days=ago)).isoformat()
    portal.table.write_one(AddCounts(tally_key(RIGA, day, about), counts))


AT_THE_DESK = ("lv", "qr", "self-asserted", "desk")
BY_LINK = ("ru", "email-link", "contact-confirmed", "-")


@pytest.mark.parametrize(
    ("period", "number", "first"),
    [(Period.FOUR_WEEKS, 4, 27), (Period.QUARTER, 13, 90)],
)
def test_weeks_end_today_and_leave_no_day_out(period: Period, number: int, first: int) -> None:
    """A week is seven days, the last ends today."""
    steps = steps_of(period, TODAY)
    assert len(steps) == number
    assert (steps[0].first, steps[-1].last) == (TODAY - timedelta(days=first), TODAY)
    days = [step.first + timedelta(days=day) for step in steps for day in range(7)]
    assert days == [steps[0].first + timedelta(days=day) for day in range(7 * number)]


@pytest.mark.parametrize("today", [TODAY, date(2028, 2, 29), date(2026, 12, 31), date(2027, 1, 1)])
def test_a_year_is_twelve_months_with_this_one(today: date) -> None:
    """Months follow each other, and the last ends today."""
    steps = steps_of(Period.YEAR, today)
    assert len(steps) == 12
    assert steps[-1].last == today
    for before, after in itertools.pairwise(steps):
        assert before.last + timedelta(days=1) == after.first
        assert after.first.day == 1
    assert (today - steps[0].first).days < 366


def test_answers_are_added_up_by_week_where_they_changed_something(portal: Portal) -> None:
    """A Yes said twice is one change; what waits is no Yes yet."""
    add(portal, 0, AT_THE_DESK, **{f"{EMAIL_NEWS}#ng": 2, f"{EMAIL_NEWS}#gg": 7})
    add(portal, 8, AT_THE_DESK, **{f"{EMAIL_NEWS}#gw": 1, f"{SMS_NEWS}#np": 3})
    add(portal, 28, AT_THE_DESK, **{f"{EMAIL_NEWS}#nr": 9})
    found = read(portal, Period.FOUR_WEEKS)
    assert found.over_time == {
        EMAIL_NEWS: {
            State.GRANTED: [0, 0, 0, 2],
            State.REFUSED: [0, 0, 0, 0],
            State.WITHDRAWN: [0, 0, 1, 0],
        }
    }
    assert found.sources == [Share(("desk", "qr"), 13)]
    assert not found.is_empty


def test_how_soon_people_confirm_is_told_with_those_who_did_not(portal: Portal) -> None:
    """What was confirmed before it was measured is told apart, and not guessed."""
    add(portal, 3, AT_THE_DESK, **{f"{EMAIL_NEWS}#np": 10})
    add(portal, 2, BY_LINK, **{f"{EMAIL_NEWS}#pgm": 4, f"{EMAIL_NEWS}#pgd": 1})
    assert [(each.name[0], each.number) for each in read(portal, Period.FOUR_WEEKS).confirmed] == [
        ("minute", 4),
        ("hour", 0),
        ("day", 1),
        ("later", 0),
        ("not_yet", 5),
    ]
    add(portal, 1, BY_LINK, **{f"{EMAIL_NEWS}#pg": 2})
    assert read(portal, Period.FOUR_WEEKS).confirmed[-2:] == [
        Share(("unknown",), 2),
        Share(("not_yet",), 3),
    ]


def test_small_numbers_of_languages_and_reasons_can_be_hidden(portal: Portal) -> None:
    """Four withdrawals of one reason are four people somebody may know."""
    add(portal, 1, AT_THE_DESK, **{f"{EMAIL_NEWS}#ng": 5})
    add(portal, 1, BY_LINK, **{f"{EMAIL_NEWS}#ng": 4})
    for number in range(9):
        reason = WithdrawalReason.LEFT if number < 4 else WithdrawalReason.TOO_MANY
        assert withdrawal_reasons.count(portal.table, RIGA, reason, f"mark{number}", NOON)
    assert not withdrawal_reasons.count(portal.table, RIGA, WithdrawalReason.LEFT, "mark8", NOON)
    shown = read(portal, Period.FOUR_WEEKS)
    hidden = read(portal, Period.FOUR_WEEKS, hide_small=True)
    assert shown.languages == [Share(("lv",), 5), Share(("ru",), 4)]
    assert shown.reasons == [Share(("too_many",), 5), Share(("left",), 4)]
    assert hidden.languages == [Share(("lv",), 5), Share(("ru",), None)]
    assert hidden.reasons == [Share(("too_many",), 5), Share(("left",), None)]


def test_a_year_costs_few_round_trips(portal: Portal, round_trips: list[str]) -> None:
    """Nobody waits at the desk for 366 queries."""
    for ago in range(366):
        add(portal, ago, AT_THE_DESK, **{f"{EMAIL_NEWS}#ng": 1})
        add(portal, ago, BY_LINK, **{f"{EMAIL_NEWS}#gw": 1})
    portal.table.put_new(Put(counted_since_key(RIGA), {"body": "2025-01-01"}))
    call = a_call(portal)
    round_trips.clear()
    found = read_counters(portal, call, Period.YEAR, hide_small=False)
    assert len(round_trips) <= MOST_ROUND_TRIPS, round_trips
    days = (TODAY - found.steps[0].first).days + 1
    assert sum(found.over_time[EMAIL_NEWS][State.WITHDRAWN]) == days
    assert len(found.over_time[EMAIL_NEWS][State.GRANTED]) == 12
