"""How many messages of a kind, and of all kinds, reach one contact."""

from datetime import timedelta
from random import Random

import pytest

from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.rate_limits import (
    ANYWHERE_EMAIL,
    ANYWHERE_PHONE,
    MESSAGE,
    MESSAGE_BESIDE_FIRST,
    RateLimit,
    TooManyError,
    milliseconds,
)
from chalicelib.messages.quotas import MessageQuotas
from chalicelib.portal import Portal
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.limits import bucket_key, shared_bucket_key
from tests.cast import RIGA
from tests.factories import MORNING

ANYWHERE = shared_bucket_key("contact")
KINDS = [bucket_key(RIGA, kind) for kind in ("confirm", "receipt")]


def sent(portal: Portal, of_all: RateLimit, own: Key, now: Instant) -> bool:
    """Count a message of a kind; tell whether there was room for it."""
    limits = {ANYWHERE: of_all, own: MESSAGE_BESIDE_FIRST}
    quotas = MessageQuotas(limits, [], now, ANYWHERE)
    try:
        quotas.count(portal.table, portal.table.get(quotas.keys))
    except TooManyError:
        return False
    return True


class Bucket:
    """A bucket that counts everything, for comparison."""

    def __init__(self, rule: RateLimit) -> None:
        self.rule = rule
        self.arrival: int | None = None

    def has_room(self, now: int) -> bool:
        """Tell whether one more may go."""
        return not self.rule.wait(self.arrival, now)

    def take(self, now: int) -> None:
        """Count one."""
        self.arrival = max(self.arrival or 0, now) + self.rule.interval


@pytest.mark.parametrize("of_all", [ANYWHERE_EMAIL, ANYWHERE_PHONE], ids=["e-mail", "phone"])
@pytest.mark.parametrize("seed", range(3))
def test_no_more_of_a_kind_get_through_than_if_each_were_counted(
    portal: Portal, of_all: RateLimit, seed: int
) -> None:
    """A phone rings no more often for the write that is saved, however messages come."""
    rng, at = Random(seed), moment(MORNING)  # noqa: S311 - a walk, no secret
    whole, kinds = Bucket(of_all), {kind: Bucket(MESSAGE) for kind in KINDS}
    refused = 0
    for _ in range(150):
        at += timedelta(minutes=rng.choice([0, 0, 0, 0, 0, 1, 5, 14, 15, 31]))
        own = rng.choice(KINDS)
        now = milliseconds(instant(at))
        if not sent(portal, of_all, own, instant(at)):
            refused += 1
            continue
        for bucket in (whole, kinds[own]):
            assert bucket.has_room(now)
            bucket.take(now)
    assert refused


def test_five_of_a_kind_go_at_once_and_then_one_in_a_quarter_of_an_hour(portal: Portal) -> None:
    """Whoever asks five times for a link gets five, as before the first was counted elsewhere."""
    own = KINDS[0]
    for minutes, room in [(0, 5), (14, 0), (15, 1), (30, 1)]:
        now = instant(moment(MORNING) + timedelta(minutes=minutes))
        going = [sent(portal, ANYWHERE_EMAIL, own, now) for _ in range(room + 1)]
        assert going == [True] * room + [False]


def test_a_message_to_somebody_whom_none_reached_lately_is_one_write(
    portal: Portal, round_trips: list[str]
) -> None:
    """Nearly every message: what is saved is a write, and what of the second is read."""
    round_trips.clear()
    assert sent(portal, ANYWHERE_EMAIL, KINDS[0], MORNING)
    assert round_trips == ["BatchGetItem", "UpdateItem"]
    round_trips.clear()
    assert sent(portal, ANYWHERE_EMAIL, KINDS[0], MORNING)
    assert round_trips == ["BatchGetItem", "UpdateItem", "UpdateItem"]
