"""Rate limits: how often the public may store something or have a message sent. Token buckets.

A bucket is kept as one number, its *theoretical arrival time*: when the next request would come if
all came evenly. Each request moves it on by one interval; it may be ahead of the clock by `burst`
intervals at most. This is the generic cell rate algorithm (ITU-T I.371, Annex A; ATM Forum TM 4.1,
4.4.2), and the same as a bucket of `burst` tokens that gets a new one each interval.
docs/decisions/0008-limits.md tells why these buckets and these numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from chalicelib.domain.consent import QuestionId
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import Instant, moment

if TYPE_CHECKING:
    from chalicelib.domain.contacts import Contact


class TooManyError(RejectedError):
    """A rate limit is reached. Nothing was stored. Carries how many whole seconds to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    @property
    def minutes(self) -> int:
        """The wait in whole minutes, rounded up."""
        return ceil(self.seconds / 60)


class RateLimit(NamedTuple):
    """How many requests at once, and after how many milliseconds one more.

    In all methods `arrival` is the number kept of a bucket (None for a new one) and `now` the time,
    in milliseconds since 1970.
    """

    burst: int
    interval: int

    def is_full(self, arrival: int | None, now: int) -> bool:
        """Tell whether all tokens are there, so that the bucket need not be kept."""
        return arrival is None or arrival <= now

    def wait(self, arrival: int | None, now: int) -> int:
        """Tell how many milliseconds to wait for the next token; 0 where there is one."""
        if arrival is None:
            return 0
        return max(0, arrival - self.latest(now))

    def latest(self, now: int, amount: int = 1) -> int:
        """Give the latest arrival time at which there are still so many tokens."""
        return now + (self.burst - amount) * self.interval

    def tokens(self, arrival: int | None, now: int) -> int:
        """Tell how many tokens there are."""
        if arrival is None or arrival <= now:
            return self.burst
        return max(0, (self.latest(now) - arrival) // self.interval + 1)

    @property
    def refills_in(self) -> int:
        """In how many milliseconds an empty bucket is full again."""
        return self.burst * self.interval


CONTACT = RateLimit(burst=12, interval=60_000)
"""Requests of one kind about one contact."""

RANGE = RateLimit(burst=60, interval=2_000)
"""Requests of one kind from one range of addresses: a whole waiting room may share one address."""

MESSAGE = RateLimit(burst=5, interval=900_000)
"""Messages of one kind to one contact: a stranger's phone can be made to ring five times."""

MESSAGE_BESIDE_FIRST = MESSAGE._replace(burst=MESSAGE.burst - 1)
"""The same where the first of them is counted elsewhere: in the bucket of all messages to the
contact, which was full. That refills no faster, so this one was full as well."""

ANYWHERE_PHONE = RateLimit(burst=10, interval=1_800_000)
"""Text messages to one phone, of all kinds and clinics together."""

ANYWHERE_EMAIL = RateLimit(burst=40, interval=900_000)
"""E-mails to one address, of all kinds and clinics together."""

CODE = RateLimit(burst=10, interval=3_600_000)
"""Guesses at the codes sent to one phone, for all receipts together: a new form gives no more."""

TABLET_CODES = RateLimit(burst=12, interval=60_000)
"""Codes typed at one kiosk tablet, or from one network that pairs one."""

CLINIC_CODES = RateLimit(burst=60, interval=10_000)
"""Codes typed at all of a clinic's tablets together: of a million, 120 in a code's ten minutes."""

AGAIN = RateLimit(burst=1, interval=60_000)
"""How often the messages that ask to confirm one receipt may be sent again: once a minute."""

AGAIN_A_DAY = RateLimit(burst=4, interval=21_600_000)
"""The same over a day: four at once, and one more every six hours."""

STAFF_LOOK_UPS = RateLimit(burst=120, interval=10_000)
"""Look-ups of people by one member of staff: to find somebody and open the card are two, to record
for them two more. A busy reception has room; a stolen session reads sixty records before somebody
is told."""

SHARDS = 16
"""Over how many items a clinic's bucket is spread, so that no item takes every write."""

CLINIC_POSTS_PER_SECOND = 64
"""Requests of one kind at one clinic, unless the installation says otherwise."""

CLINIC_SECONDS_AT_ONCE = 10
"""For how many seconds' worth of them there is room at once."""

BLOCK = 8
"""How many tokens of a clinic's bucket one process takes at once at most."""


def clinic_limit(per_second: int) -> RateLimit:
    """Give the limit of one shard of a clinic that takes so many requests of a kind a second."""
    interval = round(1000 * SHARDS / per_second)
    return RateLimit(max(1, CLINIC_SECONDS_AT_ONCE * 1000 // interval), interval)


CLINIC = clinic_limit(CLINIC_POSTS_PER_SECOND)
"""Requests of one kind in one of a clinic's shards: in all 640 at once, and 64 a second."""


class RateLimitCheck(NamedTuple):
    """One request of the public, for which several buckets must each have a token."""

    action: str
    """The kind of request: each has buckets of its own, so that none uses up another's."""
    subjects: Sequence[str]
    """Whom or what it is about, with a bucket each."""
    range: str
    """Where it comes from (`address_range`)."""
    shard: int
    """Which of the clinic's SHARDS counts it: chosen at random."""
    at: Instant
    guesses: str | None = None
    """The bucket of what is guessed at, where something is."""
    again: str | None = None
    """The receipt whose messages are sent again, where some are."""
    typed_at: str | None = None
    """The tablet or network at which a code of the clinic's desk is typed, where one is."""

    @property
    def now(self) -> int:
        """The moment of the request, in milliseconds since 1970."""
        return milliseconds(self.at)

    def buckets(self) -> Mapping[str, RateLimit]:
        """Give the limit of each bucket that is asked for a token, by name, but the clinic's.

        The names contain contacts, so that they are hashed before they are stored.
        """
        limits = {f"{self.action}|contact|{subject}": CONTACT for subject in self.subjects}
        if self.guesses:
            limits[f"code|{self.guesses}"] = CODE
        if self.again:
            limits[f"again|minute|{self.again}"] = AGAIN
            limits[f"again|day|{self.again}"] = AGAIN_A_DAY
        if self.typed_at:
            limits[f"{self.action}|tablet|{self.typed_at}"] = TABLET_CODES
            limits[f"{self.action}|tablets"] = CLINIC_CODES
        limits[f"{self.action}|range|{self.range}"] = RANGE
        return limits

    @property
    def clinic_bucket(self) -> str:
        """The name of the clinic's bucket."""
        return f"{self.action}|clinic|{self.shard}"


def milliseconds(at: Instant) -> int:
    """Give a moment in milliseconds since 1970, as buckets count."""
    return round(moment(at).timestamp() * 1000)


def contact_subjects(contacts: "Iterable[Contact]") -> tuple[str, ...]:
    """Give the subjects of a request about contacts: a bucket for each contact."""
    return tuple(f"{contact.kind}:{contact.value}" for contact in contacts)


def withdrawal_subjects(
    contacts: "Iterable[Contact]", question_ids: Iterable[QuestionId]
) -> tuple[str, ...]:
    """Give the subject of a withdrawal: one bucket for these contacts with these questions.

    So a withdrawal is rejected only after the very same one was carried out several times: nobody
    can keep a patient from stopping something that is not stopped yet.
    """
    names = sorted(contact_subjects(contacts))
    questions = sorted(set(question_ids))
    return ("|".join([*names, *questions]),)


def address_range(address: str) -> str:
    """Give the range of addresses that counts as one visitor: IPv4 /24, IPv6 /48.

    A /48 is what one customer gets (RFC 6177). All that is no address shares one range, so that to
    leave it out gains nothing.
    """
    try:
        given = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    given = getattr(given, "ipv4_mapped", None) or given
    bits = 24 if given.version == 4 else 48  # noqa: PLR2004 - the versions
    return str(ip_network((given, bits), strict=False))


def refuse_while_waiting(waits: Iterable[int]) -> None:
    """Raise TooManyError with the longest of these waits, in milliseconds, unless all are 0."""
    wait = max(waits, default=0)
    if wait:
        raise TooManyError(ceil(wait / 1000))
