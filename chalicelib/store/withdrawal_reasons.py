"""How often each reason for a withdrawal was given, by day: numbers alone, about nobody.

Beside them stands for an hour that a page was answered, by an HMAC of its receipt's number: so one
withdrawal counts once, however often its form is sent.
"""

from collections import Counter

from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.withdrawal_reasons import ASKED_FOR, WithdrawalReason
from chalicelib.store.keys.counts import reason_count_key, reason_mark_key
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import AddCounts, Put


def count(table: Table, clinic: str, reason: WithdrawalReason, mark: str, now: Instant) -> bool:
    """Count a reason; tell False where the page of that mark was answered before.

    Four write units, in one transaction. Raises ContendedError, UnavailableError.
    """
    over = int((moment(now) + 2 * ASKED_FOR).timestamp())
    answered = Put(reason_mark_key(clinic, mark), {"ttl": over})
    try:
        table.write([answered, AddCounts(reason_count_key(clinic, now[:10]), {reason: 1})])
    except ConflictError:
        return False
    return True


def totals(table: Table, clinic: str, first: str, last: str) -> Counter[WithdrawalReason]:
    """Give how often each reason was given from one day to another, both included.

    One round trip for each megabyte: a year is some 40 kilobytes.
    """
    total: Counter[WithdrawalReason] = Counter()
    begin, end = reason_count_key(clinic, first), reason_count_key(clinic, last)
    for item in table.between(begin.pk, begin.sk, end.sk):
        for name, number in item.counts.items():
            total[WithdrawalReason(name)] += number
    return total
