"""What each deed writes, item by item: counted on the portal's own functions."""

import re

import pytest

from bench.request_units import is_read
from bench.units import BUDGETS, BUDGETS_BEHIND, LOG_BUDGET, Deed, deeds, key_pattern, table_indexes
from chalicelib.settings import BY_WRAPPED_KEY


@pytest.fixture(scope="module")
def counted() -> dict[str, Deed]:
    """Count every deed once."""
    return deeds()


def test_a_decision_is_counted_with_what_follows_it(counted: dict[str, Deed]) -> None:
    """The receipt is written at once, its signature and its message behind."""
    deed = counted["first decision, 1 answer"]
    front = {key_pattern(each.place) for each in deed.front}
    behind = {key_pattern(each.place) for each in deed.behind}
    assert "CLINIC#clinic#SUBJECT#id | RECEIPT#n" in front
    assert "CLINIC#clinic#SUBJECT#id | SIGNATURE#n" in behind
    assert any("LETTER#id" in pattern for pattern in behind)


def test_a_decision_asks_kms_once_and_not_at_all_where_a_wrapped_key_signs(
    counted: dict[str, Deed],
) -> None:
    """That is all the difference: what is written and read is the same."""
    by_wrapped_key = deeds(BY_WRAPPED_KEY)
    for name in ("first decision, 1 answer", "first decision, 8 answers", "withdrawal"):
        kms, wrapped = counted[name], by_wrapped_key[name]
        assert (kms.kms, wrapped.kms) == (1, 0)
        assert [each.units for each in kms.behind] == [each.units for each in wrapped.behind]


def test_reading_a_status_writes_its_audit_line_alone(counted: dict[str, Deed]) -> None:
    """Asking for a hundred costs one write: who asked."""
    written = [each for each in counted["status of 100"].front if each.call == "PutItem"]
    [line] = [key_pattern(each.place) for each in written]
    assert re.sub(r"#\d \|", "#shard |", line) == "CLINIC#clinic#AUDIT#time#shard | time#id"
    assert not counted["status of 100"].behind


@pytest.mark.parametrize("name", BUDGETS)
def test_a_deed_writes_no_more_than_its_budget(counted: dict[str, Deed], name: str) -> None:
    """What a decision costs a clinic does not creep up."""
    deed = counted[name]
    written = sum(each.units for each in (*deed.front, *deed.behind) if not is_read(each))
    assert written <= BUDGETS[name]


@pytest.mark.parametrize("name", BUDGETS_BEHIND)
def test_what_follows_a_deed_reads_no_more_than_its_budget(
    counted: dict[str, Deed], name: str
) -> None:
    """What is read once behind a decision is not read again, nor in more trips than it takes."""
    deed, (units, trips) = counted[name], BUDGETS_BEHIND[name]
    assert sum(each.units for each in deed.behind if is_read(each)) <= units
    assert deed.trips_behind <= trips


def test_a_decision_leaves_few_bytes_in_the_log(counted: dict[str, Deed]) -> None:
    """A request, a receipt, a message and what was counted: the log is paid for by the byte."""
    assert counted["first decision, 8 answers"].log <= LOG_BUDGET


def test_a_due_time_is_counted_in_its_index(counted: dict[str, Deed]) -> None:
    """A Yes that waits will be due a reminder: its entry in the index is a write of its own."""
    [index] = table_indexes()
    kinds = [each.kind for each in counted["first decision, 1 answer"].front]
    assert kinds.count(index.name) == 1


def test_what_is_counted_and_told_costs_no_more_than_counting(counted: dict[str, Deed]) -> None:
    """The feed of changes takes the place of counters: two units, for eight answers too."""
    for name in ("first decision, 1 answer", "first decision, 8 answers", "staff receipt"):
        behind = [each for each in counted[name].behind if not is_read(each)]
        assert [each.units for each in behind if "#FEED#" in each.place[0]] == [2]
        assert not [each for each in behind if "#COUNT#" in each.place[0]]
