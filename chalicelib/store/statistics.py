"""Counters of what happened: how many answers a day came to which state, by question and source.

They count events, not people: a Yes that waits and is then confirmed counts once as pending and
once as granted. `jobs.counting` counts each receipt once (docs/decisions/0019-counting.md).
"""

from collections import Counter

from chalicelib.domain.receipts import Receipt
from chalicelib.store.keys import count_key, counted_key
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import Add, Put, SetNumber, Write


def count_of_day(receipt: Receipt) -> Counter[str]:
    """Give what a receipt adds to the counters of its day, by ``question#state#source``."""
    document = receipt.document
    return Counter(
        f"{address}#{entry['after']}#{document['source'] or '-'}"
        for address, entry in document["decisions"].items()
    )


def count_receipt(table: Table, receipt: Receipt) -> bool:
    """Count a receipt's decisions; tell False where it was counted before.

    Raises ContendedError, UnavailableError.
    """
    document = receipt.document
    clinic, day = document["clinic"], document["recorded_at"][:10]
    mark: list[Write] = [Put(counted_key(clinic, receipt.id), {"body": document["recorded_at"]})]
    added = [
        Add(count_key(clinic, day, what), amount) for what, amount in count_of_day(receipt).items()
    ]
    try:
        table.write([*mark, *added])
    except ConflictError:
        return False
    return True


def counts(table: Table, clinic: str, day: str) -> dict[str, int]:
    """Give a day's counters by ``question#state#source``."""
    partition = count_key(clinic, day, "").pk
    counters = table.partition(partition, "")
    return {counter.sk: int(counter.number or 0) for counter in counters}


def correct(
    table: Table, clinic: str, day: str, what: str, number: int, *, was: int | None
) -> None:
    """Set a counter that still says `was` (None: is not there).

    Raises ConflictError where it says something else.
    """
    table.write([SetNumber(count_key(clinic, day, what), number, was)])
