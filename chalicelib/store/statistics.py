"""Counters of what happened: how many answers a day came from which state to which, by source.

They count events, not people: a Yes that waits and is then confirmed counts once as pending and
once as granted. Each receipt is counted once, in the transaction that keeps its signature
(`jobs.signing`, docs/decisions/0019-counting.md).

A day's counts stand in one item for each source and shard; the name of a count is
``question#pg``: the question, and the first letters of the states before and after the answer. So
one answer or eight change one item. Earlier days have an item for each ``question#state#source``;
there a recount still puts its corrections.
"""

from collections import Counter
from collections.abc import Iterable

from chalicelib.domain.consent import State
from chalicelib.domain.receipts import Receipt
from chalicelib.store.keys import (
    COUNT_SHARDS,
    Key,
    count_key,
    counted_key,
    counts_key,
    is_counts_key,
    source_of_counts,
)
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import AddCounts, Put, SetNumber

_STATES = {state.value[0]: state for state in State}
"""The states by their first letters, which are all different."""


def count_of_day(receipt: Receipt) -> Counter[str]:
    """Give what a receipt adds to the counters of its day, by ``question#state#source``."""
    document = receipt.document
    return Counter(
        f"{address}#{entry['after']}#{document['source'] or '-'}"
        for address, entry in document["decisions"].items()
    )


def count_writes(receipts: Iterable[Receipt]) -> list[AddCounts]:
    """Give what receipts add to the counters: one write for each clinic, day and source.

    The shard follows from the first receipt's id, so that two transactions rarely meet in one item.
    """
    items: dict[tuple[str, str, str], Key] = {}
    added: dict[Key, Counter[str]] = {}
    for receipt in receipts:
        document = receipt.document
        place = document["clinic"], document["recorded_at"][:10], document["source"] or "-"
        key = items.setdefault(place, counts_key(*place, int(receipt.id[0], 16) % COUNT_SHARDS))
        counts = added.setdefault(key, Counter())
        for question, entry in document["decisions"].items():
            counts[f"{question}#{entry['before'][0]}{entry['after'][0]}"] += 1
    return [AddCounts(key, counts) for key, counts in added.items() if counts]


def counted_write(receipt: Receipt) -> Put:
    """Give the mark of a receipt that is counted and not signed; a condition that there is none."""
    document = receipt.document
    return Put(counted_key(document["clinic"], receipt.id), {"body": document["recorded_at"]})


def count_unsigned(table: Table, receipt: Receipt) -> bool:
    """Count a receipt that cannot be signed; tell False where it was counted before.

    Raises ContendedError, UnavailableError.
    """
    try:
        table.write([counted_write(receipt), *count_writes([receipt])])
    except ConflictError:
        return False
    return True


def counts(table: Table, clinic: str, day: str) -> dict[str, int]:
    """Give a day's counters by ``question#state#source``."""
    total: Counter[str] = Counter()
    for item in table.partition(count_key(clinic, day, "").pk, ""):
        if not is_counts_key(item.key):
            total[item.sk] += int(item.number or 0)
            continue
        source = source_of_counts(item.key)
        for name, number in item.counts.items():
            question, _, states = name.rpartition("#")
            total[f"{question}#{_STATES[states[1]]}#{source}"] += number
    return dict(total)


def correct(
    table: Table, clinic: str, day: str, what: str, number: int, *, was: int | None
) -> None:
    """Let a day's counters say `number` about ``question#state#source``, where they say `was`.

    The difference is kept in an item of its own. Raises ConflictError where they say something else
    by now. Who counts at the same moment is not in the way, and loses nothing.
    """
    key = count_key(clinic, day, what)
    if counts(table, clinic, day).get(what, 0) != (was or 0):
        raise ConflictError([key])
    found = table.get([key]).get(key)
    corrected = int(found.number or 0) if found else None
    table.write_one(SetNumber(key, (corrected or 0) + number - (was or 0), corrected))
