"""Daily budgets of messages: how many go out at most for a clinic, to a country, and in all, text messages and e-mails.

They bound what somebody can make the portal send who fills in its forms by program. A day is one of UTC. Word of a stop
has budgets of its own, so that no flood of other messages keeps it back. Why these numbers: docs/decisions/0014.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import Instant, moment

SHARDS = 4
"""In how many items at least a budget is counted, so that two senders seldom meet at one."""

SHARD_TAKES = 2_500
"""How many a day one item counts at most, up to MOST_SHARDS items."""

MOST_SHARDS = 16

NEARLY_SPENT = 0.8
"""From which part of a budget on it is told that it runs out."""

MORNING = timedelta(hours=6)
"""When what waited for a new day is sent: 6:00 UTC is 8:00 in Riga and 10:00 in Tbilisi, and wakes nobody."""

SMS, EMAIL = "sms", "email"


class BudgetSpentError(RejectedError):
    """The day's budget is spent. Nothing was sent. Carries which one, and for how many seconds to wait."""

    def __init__(self, scope: str, seconds: int) -> None:
        super().__init__(scope, seconds)
        self.scope = scope
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget: what it is for, such as ``sms#clinic#riga-aesthetics``, and how many a day."""

    scope: str
    limit: int

    def shares(self) -> tuple[int, ...]:
        """Give how many each of its items may count; together exactly the budget."""
        parts = min(MOST_SHARDS, max(SHARDS, -(-self.limit // SHARD_TAKES)))
        return tuple(self.limit // parts + (part < self.limit % parts) for part in range(parts))

    def is_nearly_spent(self, used: int) -> bool:
        """Tell whether it runs out."""
        return used >= NEARLY_SPENT * self.limit


@dataclass(frozen=True, slots=True)
class Budgets:
    """How many messages a day may go out, as the installation sets them."""

    sms: int = 2_000
    sms_country: int = 1_000
    sms_clinic: int = 300
    mail: int = 40_000
    mail_clinic: int = 10_000

    def budgets_for(self, kind: ContactKind, clinic: str, country: str | None, *, stop: bool) -> Iterator[Budget]:
        """Give the budgets one message counts in; `stop` where it tells of a stop.

        Word of a stop may be as many as all other messages together, and does not ask to which country it goes.
        """
        channel, whole, of_clinic = (
            (EMAIL, self.mail, self.mail_clinic) if kind is ContactKind.EMAIL else (SMS, self.sms, self.sms_clinic)
        )
        channel = f"{channel}-stops" if stop else channel
        yield Budget(f"{channel}#all", whole)
        yield Budget(f"{channel}#clinic#{clinic}", of_clinic)
        if kind is ContactKind.PHONE and not stop:
            yield Budget(f"{channel}#country#{country}", self.sms_country)


def day_of(at: Instant) -> str:
    """Give the day a message counts for."""
    return at[:10]


def seconds_until_morning(at: Instant) -> int:
    """Tell for how many seconds a message waits that found the day's budget spent."""
    now = moment(at)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return int((midnight + timedelta(days=1) + MORNING - now).total_seconds())


def counters_expire_at(at: Instant) -> int:
    """Tell when the counters of a day may be cleared away (epoch seconds): operators look back a month."""
    return int((moment(at) + timedelta(days=31)).timestamp())
