"""What of a day's budgets of messages is used: several counters for each budget.

A message counts once, before it is first taken to be sent. An item is counted only while it is
below its share, so that the shares together are never more than the budget, whoever else sends just
then. One of the items is drawn and read; only where half of its share is used are all read, to tell
what is left and whether the operator is to be warned.
"""

import random
from collections.abc import Mapping, Sequence
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
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.messages import budget_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Count


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """How many messages a budget has let through on a day; of how many, if any was counted."""

    scope: str
    used: int
    most: int | None


@dataclass(frozen=True, slots=True)
class BudgetPart:
    """The item of a budget in which one message is to count, drawn by chance."""

    budget: Budget
    key: Key
    share: int
    """How many messages it may count."""


def draw(budget: Budget, at: Instant) -> BudgetPart:
    """Draw one of a budget's items; its key is to be read strongly consistently."""
    key, share = _draw(list(_shares(budget, at).items()))
    return BudgetPart(budget, key, share)


def count_write(
    table: Table, part: BudgetPart, at: Instant, found: Mapping[Key, Item]
) -> tuple[Count, BudgetUse | None]:
    """Give the write that counts one message in a budget, and the budget where it runs out with it.

    `found` is what was read of the part that was drawn. Where half of what it may take is used, all
    parts are read: one round trip, and the write may be for another. Raises BudgetSpentError.
    """
    budget = part.budget
    used = _number(found.get(part.key))
    if budget.has_ample_room(used, part.share):
        return _count(budget, part.key, part.share, at), None
    shares = _shares(budget, at)
    found = table.get(list(shares))
    spent = {key: _number(found.get(key)) for key in shares}
    free = [(key, share) for key, share in shares.items() if spent[key] < share]
    used = sum(spent.values())
    # Both: the budget may have been made smaller today.
    if not free or used >= budget.limit - budget.kept:
        raise BudgetSpentError(budget.scope, seconds_until_morning(at))
    use = BudgetUse(budget.scope, used + 1, budget.limit)
    near = use if budget.is_nearly_spent(use.used) else None
    return _count(budget, *_draw(free), at), near


def used(table: Table, scope: str, day: str) -> BudgetUse:
    """Tell what of a budget is used on a day, and how large it was at the last message."""
    partition = budget_key(day, scope, 0).pk
    items = list(table.partition(partition, ""))
    most = int(items[-1].body or 0) if items else None
    return BudgetUse(scope, sum(map(_number, items)), most)


def _count(budget: Budget, key: Key, share: int, at: Instant) -> Count:
    return Count(key, share, str(budget.limit), counters_expire_at(at))


def _draw(parts: Sequence[tuple[Key, int]]) -> tuple[Key, int]:
    return random.choice(parts)  # noqa: S311 - only so that senders do not meet at one item


def _shares(budget: Budget, at: Instant) -> dict[Key, int]:
    """Give the items among which a budget of that day is shared out: how many each may count."""
    day = day_of(at)
    return {
        budget_key(day, budget.scope, shard): share for shard, share in enumerate(budget.shares())
    }


def _number(item: Item | None) -> int:
    if item is None or item.number is None:
        return 0
    return int(item.number)
