"""Limits on what the public may store or have sent: token buckets, each kept as one number.

The number is the bucket's *theoretical arrival time*: when the next request would come if all came evenly. A request
moves it on by one interval; it may run ahead of the clock by `burst` intervals and no further. That is the generic cell
rate algorithm (ITU-T I.371, Annex A; ATM Forum TM 4.1, 4.4.2) in its virtual scheduling form, and it is exactly a token
bucket of `burst` tokens refilled one per interval. Why these buckets and numbers: docs/decisions/0008-limits.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from math import ceil

from chalicelib.domain.consent import QuestionId
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import Instant, moment


class TooManyError(RejectedError):
    """A bucket is empty. Nothing was stored. Carries how many whole seconds to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    @property
    def minutes(self) -> int:
        """The wait in whole minutes, for words."""
        return ceil(self.seconds / 60)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many at once, and after how many milliseconds there is room for one more."""

    burst: int
    interval: int

    def is_full(self, arrival: int | None, now: int) -> bool:
        """Tell whether a bucket (its arrival time, None for a new one) is untouched at `now`."""
        return arrival is None or arrival <= now

    def wait(self, arrival: int | None, now: int) -> int:
        """Tell for how many milliseconds there is no room for one more; 0 where there is."""
        return 0 if arrival is None else max(0, arrival - self.latest(now))

    def latest(self, now: int) -> int:
        """Give the latest arrival time that still leaves room for one more."""
        return now + (self.burst - 1) * self.interval


CONTACT = RateLimit(burst=12, interval=60_000)
RANGE = RateLimit(burst=60, interval=2_000)
"""A whole waiting room may stand behind one address."""
CLINIC = RateLimit(burst=40, interval=250)
"""One of a clinic's shards: all together 640 at once, and 64 a second for ever."""

MESSAGE = RateLimit(burst=5, interval=900_000)
"""Messages of one kind to one contact: whoever types a stranger's phone again and again has it ring five times."""

ANYWHERE_PHONE = RateLimit(burst=10, interval=1_800_000)
"""Text messages to one phone, of whatever kinds and clinics: somebody may type it into the forms of all of them."""

ANYWHERE_EMAIL = RateLimit(burst=40, interval=600_000)
"""E-mails to one address, of whatever kinds and clinics."""

CODE = RateLimit(burst=10, interval=3_600_000)
"""Guesses at the codes sent to one phone, of whatever receipts: a new form is no way to more of them."""

SHARDS = 16
"""In how many items a clinic's bucket lies, so that none of them takes every write."""


@dataclass(frozen=True, slots=True)
class RateLimitCheck:
    """What one public post is held against. `deed` names the kind of post: none can use up the room of another.

    `whom` names, each for a bucket of its own, who or what it is about; `shard` is one of SHARDS, chosen at random;
    `guesses` names the bucket of what is guessed at, if anything is.
    """

    action: str
    subjects: Sequence[str]
    range: str
    shard: int
    at: Instant
    guesses: str | None = None

    @property
    def now(self) -> int:
        """The moment of the post, in milliseconds since 1970."""
        return milliseconds(self.at)

    def buckets(self) -> Mapping[str, RateLimit]:
        """Give the rule of every bucket the post takes one from, by its name, which may stand in no key as it is."""
        return {
            **{f"{self.action}|contact|{each}": CONTACT for each in self.subjects},
            **({f"code|{self.guesses}": CODE} if self.guesses else {}),
            f"{self.action}|range|{self.range}": RANGE,
            f"{self.action}|clinic|{self.shard}": CLINIC,
        }


def milliseconds(at: Instant) -> int:
    """Write a moment as a bucket counts: milliseconds since 1970."""
    return round(moment(at).timestamp() * 1000)


def contact_subjects(contacts: Iterable[Contact]) -> tuple[str, ...]:
    """Name contacts for a bucket each."""
    return tuple(f"{contact.kind}:{contact.value}" for contact in contacts)


def withdrawal_subjects(contacts: Iterable[Contact], addresses: Iterable[QuestionId]) -> tuple[str, ...]:
    """Name a withdrawal for one bucket: these contacts and these decisions, together.

    So a withdrawal is refused only right after the very same one was carried out, again and again: whoever uses up
    the room for it has each time done what the patient wants.
    """
    return ("|".join([*sorted(contact_subjects(contacts)), *sorted(set(addresses))]),)


def address_range(address: str) -> str:
    """Give the range that counts as one visitor: IPv4 /24, IPv6 /48 (what one customer is given: RFC 6177).

    An address that is none belongs to a range of its own kind, so that leaving it out wins nothing.
    """
    try:
        given = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    given = getattr(given, "ipv4_mapped", None) or given
    return str(ip_network((given, 24 if given.version == 4 else 48), strict=False))  # noqa: PLR2004 - the versions


def refuse_while_waiting(waits: Iterable[int]) -> None:
    """Refuse (TooManyError) where one of these waits, in milliseconds, is not over; it tells the longest."""
    wait = max(waits, default=0)
    if wait:
        raise TooManyError(ceil(wait / 1000))
