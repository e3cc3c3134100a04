"""What of a day's budgets of messages is used: several counters for each budget.

A message counts once, before it is first taken to be sent. An item is counted only while it is
below its share, so that the shares together are never more than the budget, whoever else sends just
then.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.instants import Instant
from chalicelib.domain.message_budgets import (
    Budget,
    BudgetSpentError,
    counters_expire_at,
    day_of,
    seconds_until_morning,
)
from chalicelib.store.items import Item
from chalicelib.store.keys import Key, budget_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Count


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """How many messages a budget has let through on a day; of how many, if any was counted."""

    scope: str
    used: int
    most: int | None


def keys_of(budgets: Iterable[Budget], at: Instant) -> list[Key]:
    """Give the keys of the items in which these budgets count, to be read strongly consistently."""
    keys: list[Key] = []
    for budget in budgets:
        keys += _keys(budget, at)
    return keys


def count_writes(
    budgets: Sequence[Budget], at: Instant, found: Mapping[Key, Item]
) -> tuple[list[Count], list[BudgetUse]]:
    """Give the writes that count one message in each budget, and which budgets run out with it.

    Raises BudgetSpentError for the first that is spent.
    """
    writes: list[Count] = []
    near: list[BudgetUse] = []
    for budget in budgets:
        spent = {key: _number(found.get(key)) for key in _keys(budget, at)}
        shares = dict(zip(spent, budget.shares(), strict=True))
        free = [key for key, share in shares.items() if spent[key] < share]
        used = sum(spent.values())
        # Both: the budget may have been made smaller today.
        if not free or used >= budget.limit - budget.kept:
            raise BudgetSpentError(budget.scope, seconds_until_morning(at))
        key = random.choice(free)  # noqa: S311 - only so that senders do not meet at one item
        writes.append(Count(key, shares[key], str(budget.limit), counters_expire_at(at)))
        if budget.is_nearly_spent(used + 1):
            near.append(BudgetUse(budget.scope, used + 1, budget.limit))
    return writes, near


def used(table: Table, scope: str, day: str) -> BudgetUse:
    """Tell what of a budget is used on a day, and how large it was at the last message."""
    partition = budget_key(day, scope, 0).pk
    items = list(table.partition(partition, ""))
    most = int(items[-1].body or 0) if items else None
    return BudgetUse(scope, sum(map(_number, items)), most)


def _keys(budget: Budget, at: Instant) -> list[Key]:
    """Give the keys of the items among which a budget of that day is shared out."""
    day = day_of(at)
    shards = range(len(budget.shares()))
    return [budget_key(day, budget.scope, shard) for shard in shards]


def _number(item: Item | None) -> int:
    if item is None or item.number is None:
        return 0
    return int(item.number)
