"""Daily budgets: how many messages may go out in all, for a clinic, and to a country.

They limit what somebody can make the portal send who fills in its forms by a program. A day is one
of UTC. Messages that confirm a withdrawal have budgets of their own, so that no flood of other
messages keeps them back. docs/decisions/0018 tells why these numbers.
"""

from collections.abc import Iterator
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import Instant, moment

if TYPE_CHECKING:
    from chalicelib.domain.contacts import ContactKind

SHARDS = 4
"""Over how many items a budget is spread at least, so that two senders seldom write to the same."""

SHARD_TAKES = 2_500
"""How many messages a day one item should count at most."""

MOST_SHARDS = 16
"""Over how many items a budget is spread at most, however large it is."""

TELLING_SHARE = 50
"""From which share on one item tells by itself that much is left of its budget."""

NEARLY_SPENT = 0.8
"""From which part of a budget on the operator is warned."""

MORNING = timedelta(hours=6)
"""When messages that waited for a new day go out (UTC): 8:00 in Riga, 10:00 in Tbilisi."""

SMS, EMAIL = "sms", "email"


class BudgetSpentError(RejectedError):
    """A day's budget is spent; nothing was sent. Carries which, and how many seconds to wait."""

    def __init__(self, scope: str, seconds: int) -> None:
        super().__init__(scope, seconds)
        self.scope = scope
        self.seconds = seconds


class Budget(NamedTuple):
    """One budget: what it is for, and how many messages a day."""

    scope: str
    """Such as ``sms#clinic#riga-aesthetics``."""
    limit: int
    kept: int = 0
    """How many of them are not for this message: letters leave half of a day to patients."""

    def shares(self) -> tuple[int, ...]:
        """Give how many messages each of its items may count; together they are the limit."""
        needed = ceil(self.limit / SHARD_TAKES)
        items = min(MOST_SHARDS, max(SHARDS, needed))
        share, rest = divmod(self.limit, items)
        return (share + 1,) * rest + (share,) * (items - rest)

    def has_ample_room(self, used: int, share: int) -> bool:
        """Tell from one item alone whether there is room: half of what it may take is not used.

        `share` is how many messages that item may count. As items are drawn by chance, the budget
        is then neither spent nor nearly so; of small ones one item tells too little.
        """
        return share >= TELLING_SHARE and 2 * used * self.limit < share * (self.limit - self.kept)

    def is_nearly_spent(self, used: int) -> bool:
        """Tell whether the operator is to be warned."""
        return used >= NEARLY_SPENT * self.limit


class Budgets(NamedTuple):
    """How many messages a day may go out, as the installation's settings say."""

    sms: int = 2_000
    sms_country: int = 1_000
    sms_clinic: int = 300
    mail: int = 40_000
    mail_clinic: int = 10_000

    def budgets_for(
        self,
        kind: "ContactKind",
        clinic: str,
        country: str | None,
        *,
        stop: bool,
        letter: bool = False,
    ) -> Iterator[Budget]:
        """Give the budgets in which one message counts.

        `stop` says that it confirms a withdrawal. Of these there may be as many as of all other
        messages together, and to any country. `letter` says that nobody asked for it: such messages
        take half of each budget at most.
        """
        for budget in self._budgets_for(kind, clinic, country, stop=stop):
            yield budget._replace(kept=budget.limit - budget.limit // 2) if letter else budget

    def _budgets_for(
        self, kind: "ContactKind", clinic: str, country: str | None, *, stop: bool
    ) -> Iterator[Budget]:
        from chalicelib.domain.contacts import ContactKind  # noqa: PLC0415 - the first page sends nothing

        by_mail = kind is ContactKind.EMAIL
        channel = EMAIL if by_mail else SMS
        if stop:
            channel = f"{channel}-stops"
        yield Budget(f"{channel}#all", self.mail if by_mail else self.sms)
        yield Budget(f"{channel}#clinic#{clinic}", self.mail_clinic if by_mail else self.sms_clinic)
        if kind is ContactKind.PHONE and not stop:
            yield Budget(f"{channel}#country#{country}", self.sms_country)


def day_of(at: Instant) -> str:
    """Give the day (UTC) in whose budgets a message counts, such as ``2026-11-29``."""
    return at[:10]


def seconds_until_morning(at: Instant) -> int:
    """Tell how many seconds a message waits whose budget for the day is spent."""
    now = moment(at)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = midnight + timedelta(days=1)
    return int((tomorrow + MORNING - now).total_seconds())


def counters_expire_at(at: Instant) -> int:
    """Tell when a day's counters may go (seconds since 1970): operators look back a month."""
    return int((moment(at) + timedelta(days=31)).timestamp())
