"""A day's budgets in the table: few reads while much is left, exact where they run out."""

import contextlib

import pytest

from chalicelib.domain.message_budgets import Budget, BudgetSpentError
from chalicelib.portal import Portal
from chalicelib.store import message_budgets
from chalicelib.store.message_budgets import BudgetUse
from chalicelib.store.table import Table
from tests.factories import MORNING

TEXTS = Budget("sms#clinic#riga-aesthetics", 300)


def count(table: Table, budget: Budget) -> BudgetUse | None:
    """Count one message, as its sender does; give the budget where it runs out."""
    part = message_budgets.draw(budget, MORNING)
    write, near = message_budgets.count_write(table, part, MORNING, table.get([part.key]))
    table.write_one(write)
    return near


def used(portal: Portal) -> int:
    """Tell how many messages were counted."""
    return message_budgets.used(portal.table, TEXTS.scope, MORNING[:10]).used


def test_a_message_of_a_quiet_day_reads_one_item(portal: Portal, round_trips: list[str]) -> None:
    """What is counted for each message costs the clinic as little as can be."""
    for _ in range(20):
        round_trips.clear()
        assert count(portal.table, TEXTS) is None
        assert round_trips == ["BatchGetItem", "UpdateItem"]
    assert used(portal) == 20


def test_a_budget_lets_through_what_it_says_and_warns_from_four_fifths_on(portal: Portal) -> None:
    """Items are drawn by chance, and yet no message is refused that has room, and none is too
    many.
    """
    warned = []
    for number in range(1, TEXTS.limit + 1):
        near = count(portal.table, TEXTS)
        if near is not None:
            assert near.used == number
            warned.append(number)
    with pytest.raises(BudgetSpentError):
        count(portal.table, TEXTS)
    assert used(portal) == TEXTS.limit
    # By chance one item may lag so far behind the others that a message of these does not warn.
    assert 240 <= warned[0] < 260
    assert len(warned) >= 50


def test_letters_leave_half_of_a_budget_to_patients(portal: Portal) -> None:
    """Ten thousand reminders keep no code from anybody."""
    letters = TEXTS._replace(kept=TEXTS.limit // 2)
    half = TEXTS.limit // 2
    for _ in range(half):
        count(portal.table, letters)
    for _ in range(3):  # by chance one item may lag so far behind that one more goes
        with contextlib.suppress(BudgetSpentError):
            count(portal.table, letters)
    assert half <= used(portal) <= half + 1
    assert count(portal.table, TEXTS) is None


def test_a_small_budget_is_read_whole(portal: Portal, round_trips: list[str]) -> None:
    """Of few messages one item tells too little: the warning comes exactly at four fifths."""
    small = TEXTS._replace(limit=10)
    warned = [near.used for _ in range(10) if (near := count(portal.table, small)) is not None]
    assert warned == [8, 9, 10]
    assert round_trips.count("BatchGetItem") == 20


def test_a_budget_that_was_made_smaller_today_is_spent(portal: Portal) -> None:
    """An operator who stops a flood stops it at once."""
    for _ in range(200):
        count(portal.table, TEXTS)
    with pytest.raises(BudgetSpentError):
        count(portal.table, TEXTS._replace(limit=100))
