"""What happened, per day, purpose and state: counted from the stream, each receipt once."""

from collections import Counter

from chalicelib.receipts import Receipt
from chalicelib.store.keys import count_key, counted_key
from chalicelib.store.table import Add, ConflictError, Put, Table, Write


def count_receipt(table: Table, receipt: Receipt) -> bool:
    """Count a receipt's decisions; tell False where it was counted before (streams repeat themselves)."""
    document = receipt.document
    clinic, day = document["clinic"], document["recorded_at"][:10]
    tally = Counter(
        f"{address}#{entry['after']}#{document['source'] or '-'}" for address, entry in document["decisions"].items()
    )
    mark: list[Write] = [Put(counted_key(clinic, receipt.id), {"body": document["recorded_at"]})]
    try:
        table.write([*mark, *(Add(count_key(clinic, day, what), amount) for what, amount in tally.items())])
    except ConflictError:
        return False
    return True


def counts(table: Table, clinic: str, day: str) -> dict[str, int]:
    """Give a day's counters by ``address#state#source``."""
    return {item.sk: int(item.number or 0) for item in table.partition(count_key(clinic, day, "").pk, "")}
