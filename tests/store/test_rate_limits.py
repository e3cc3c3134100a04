"""Token buckets in the table: what they cost, what they refuse, and that nobody gets around them
together.
"""

import itertools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.consent import State
from chalicelib.domain.contacts import Contact
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.rate_limits import (
    CLINIC,
    CONTACT,
    RANGE,
    RateLimit,
    RateLimitCheck,
    TooManyError,
    address_range,
    contact_subjects,
    withdrawal_subjects,
)
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.store.keys.limits import bucket_key
from chalicelib.store.lookup import Identification
from chalicelib.store.rate_limits import RateLimits
from chalicelib.store.table import ContendedError
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, EVENING, MORNING, NOON, SMS_NEWS, a_decision
from tests.store.people import BELLA, signed, state

_numbers = itertools.count()


def a_guard(
    deed: str, whom: Sequence[str] = (), at: Instant = NOON, address: str = ""
) -> RateLimitCheck:
    """Hold a post against a guard; from a network of its own unless it is named, and with a shard
    of its own.
    """
    number = next(_numbers)
    return RateLimitCheck(
        deed, whom, address_range(address or f"10.{number >> 8}.{number & 255}.1"), number, at
    )


def consenting(*contacts: Contact, at: Instant = NOON, address: str = "") -> Identification:
    """Sign a consent form as the page does."""
    return replace(
        signed(*contacts), guard=a_guard("consent", contact_subjects(contacts), at, address)
    )


def withdrawing(
    *contacts: Contact, what: Sequence[str] = (EMAIL_NEWS,), at: Instant = NOON
) -> Identification:
    """Sign a withdrawal as the page does."""
    return replace(
        signed(*contacts), guard=a_guard("withdraw", withdrawal_subjects(contacts, what), at)
    )


def spend(portal: Portal, guard: RateLimitCheck, clinic: str = RIGA) -> bool:
    """Carry out a post that does nothing else; tell whether there was room."""
    while True:
        try:
            return portal.limits.spend(portal.clinics.key(clinic), guard)
        except TooManyError:
            return False
        except ContendedError:
            continue


def later(at: Instant, milliseconds: int) -> Instant:
    """Give a moment after another."""
    return instant(moment(at) + timedelta(milliseconds=milliseconds))


def kept(portal: Portal) -> list[str]:
    """Give every item of the table as DynamoDB keeps it."""
    items = portal.table.client.scan(TableName=portal.settings.table, ConsistentRead=True)["Items"]
    return sorted(json.dumps(item, sort_keys=True, default=str) for item in items)


def test_a_post_that_is_counted_costs_no_round_trip_more(
    portal: Portal, round_trips: list[str]
) -> None:
    """Four buckets are read with the look and spent with the receipt."""
    portal.directory.look_up(RIGA)
    for identification in (consenting(BELLA, ANNA_PHONE), consenting(ANNA)):
        round_trips.clear()
        decisions.answer(portal, a_decision({EMAIL_NEWS: "yes"}), identification)
        assert round_trips == ["BatchGetItem", "TransactWriteItems"]
    for contact in (ANNA, GIORGI):
        round_trips.clear()
        withdrawals.withdraw(portal, a_decision({EMAIL_NEWS: "withdraw"}), withdrawing(contact))
        assert round_trips == ["BatchGetItem", "TransactWriteItems"]


def test_what_is_refused_reads_once_and_writes_nothing(
    portal: Portal, round_trips: list[str]
) -> None:
    """However hard somebody knocks, no item of the table becomes hot by it."""
    for _ in range(CONTACT.burst):
        decisions.answer(portal, a_decision({EMAIL_NEWS: "no"}), consenting(ANNA))
    before = kept(portal)
    round_trips.clear()
    with pytest.raises(TooManyError) as refused:
        decisions.answer(portal, a_decision({EMAIL_NEWS: "no"}), consenting(ANNA))
    assert round_trips == ["BatchGetItem"]
    assert kept(portal) == before
    assert refused.value.seconds == CONTACT.interval / 1000
    decisions.answer(portal, a_decision({EMAIL_NEWS: "no"}), consenting(GIORGI))
    decisions.answer(portal, a_decision({EMAIL_NEWS: "no"}, clinic=TBILISI), consenting(ANNA))
    decisions.answer(
        portal, a_decision({EMAIL_NEWS: "no"}), consenting(ANNA, at=later(NOON, CONTACT.interval))
    )


@pytest.mark.parametrize(
    ("rule", "guard"),
    [
        (RANGE, lambda at: a_guard("link", (), at)._replace(range="192.0.2.0/24")),
        (CLINIC, lambda at: a_guard("link", (), at)._replace(shard=3)),
        (CONTACT, lambda at: a_guard("link", contact_subjects([ANNA]), at)),
    ],
)
def test_each_bucket_refuses_by_itself_and_fills_again(
    portal: Portal, rule: RateLimit, guard: type[RateLimitCheck]
) -> None:
    """One network, one shard of a clinic, one contact: as many at once as the rule says, then one
    per interval.
    """
    assert [spend(portal, guard(NOON)) for _ in range(rule.burst + 2)] == [
        *[True] * rule.burst,
        False,
        False,
    ]
    assert not spend(portal, guard(later(NOON, rule.interval - 1)))
    assert [spend(portal, guard(later(NOON, 2 * rule.interval))) for _ in range(3)] == [
        True,
        True,
        False,
    ]
    assert spend(portal, guard(NOON), TBILISI), "the other clinic's are its own"


def test_a_withdrawal_that_is_refused_has_just_been_carried_out(portal: Portal) -> None:
    """Who uses up the room for Anna's withdrawal has done what she wants; nothing else of hers is
    in the way.
    """
    decisions.answer(
        portal, a_decision({EMAIL_NEWS: "yes", SMS_NEWS: "yes"}, MORNING), signed(ANNA)
    )
    for _ in range(CONTACT.burst):
        withdrawals.withdraw(portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), withdrawing(ANNA))
    with pytest.raises(TooManyError):
        withdrawals.withdraw(portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), withdrawing(ANNA))
    assert state(portal, RIGA, ANNA, EMAIL_NEWS) is not State.GRANTED
    for _ in range(CONTACT.burst):
        decisions.answer(portal, a_decision({EMAIL_NEWS: "no"}, NOON), consenting(ANNA))
    withdrawals.withdraw(
        portal, a_decision({SMS_NEWS: "withdraw"}, NOON), withdrawing(ANNA, what=[SMS_NEWS])
    )
    assert state(portal, RIGA, ANNA, SMS_NEWS) is not State.GRANTED


def test_a_post_that_reaches_several_people_is_counted_once(portal: Portal) -> None:
    """A mother who stops for the whole family on one phone has not tried three times."""
    for contact in (ANNA, BELLA):
        decisions.answer(portal, a_decision({SMS_NEWS: "no"}, MORNING), signed(contact, ANNA_PHONE))
    identification = withdrawing(ANNA_PHONE, what=[SMS_NEWS])
    receipts = withdrawals.withdraw(
        portal, a_decision({SMS_NEWS: "withdraw"}, NOON), identification
    )
    assert len(receipts) == 3, "both of them, and whoever has the phone alone"
    decisions.answer(
        portal, a_decision({SMS_NEWS: "no"}, NOON), replace(identification, fresh=signed().fresh)
    )
    guard = identification.guard
    assert guard is not None
    key = portal.clinics.key(RIGA)
    places = [bucket_key(RIGA, key.bucket(name)) for name in guard.buckets()]
    found = portal.table.get(places)
    assert [found[each].number for each in places] == [
        guard.now + 2 * rule.interval for rule in guard.buckets().values()
    ]
    clinics = bucket_key(RIGA, key.bucket(guard.clinic_bucket))
    # One for the first post, a block of two for the second.
    assert portal.table.get([clinics])[clinics].number == guard.now + 3 * CLINIC.interval


def test_the_same_form_again_is_not_counted_again(portal: Portal) -> None:
    """An impatient finger uses up nothing."""
    decision = a_decision({EMAIL_NEWS: "no"})
    receipts = {
        decisions.answer(portal, decision, consenting(ANNA)).id for _ in range(CONTACT.burst + 5)
    }
    assert receipts == {decision.receipt_id}
    decisions.answer(portal, a_decision({EMAIL_NEWS: "no"}), consenting(ANNA))


def test_buckets_hold_no_contact_and_no_address_and_go_when_they_are_full_again(
    portal: Portal,
) -> None:
    """Who reads the table learns neither who came nor from where; the items clear themselves
    away.
    """
    decisions.answer(
        portal, a_decision({EMAIL_NEWS: "no"}), consenting(ANNA, address="203.0.113.77")
    )
    buckets = [each for each in kept(portal) if "#LIMIT#" in each]
    assert len(buckets) == 3
    for each in buckets:
        assert not [
            said for said in ("203.0", "anna", "consent", "contact", "range") if said in each
        ]
        item = json.loads(each)
        assert int(item["ttl"]["N"]) * 1000 > int(item["number"]["N"]) + 60 * CONTACT.interval / 2
        assert set(item) == {"pk", "sk", "number", "ttl"}


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    offsets=st.lists(st.integers(0, 5 * CONTACT.interval), min_size=30, max_size=60),
    ordered=st.booleans(),
)
def test_no_window_lets_more_through_however_many_spend_at_once(
    portal: Portal, offsets: list[int], *, ordered: bool
) -> None:
    """Eight processes with clocks that differ take from one bucket: never more than burst and
    refill together.
    """
    whom = (f"example {next(_numbers)}",)
    guards = [
        a_guard("link", whom, later(EVENING, each))
        for each in (sorted(offsets) if ordered else offsets)
    ]
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda guard: spend(portal, guard), guards))
    through = sorted(guard.now for guard, room in zip(guards, told, strict=True) if room)
    for guard, room in zip(
        guards, told, strict=True
    ):  # in whatever order: who is refused met an empty bucket
        assert (
            room or len(through) + (through[-1] - guard.now) / CONTACT.interval > CONTACT.burst - 1
        )
    for first, start in enumerate(through):
        for last, end in enumerate(through[first:], first):
            assert last - first + 1 <= CONTACT.burst + (end - start) / CONTACT.interval


def another_process(portal: Portal) -> RateLimits:
    """Give the limits of a process that holds nothing."""
    return RateLimits(portal.table)


def taken(portal: Portal, guard: RateLimitCheck) -> int:
    """Tell how many tokens were taken of a clinic's shard that was full at that moment."""
    place = bucket_key(RIGA, portal.clinics.key(RIGA).bucket(guard.clinic_bucket))
    item = portal.table.get([place])[place]
    return (int(item.number or 0) - guard.now) // CLINIC.interval


def test_a_busy_process_pays_for_its_clinic_once_in_eight_posts(portal: Portal) -> None:
    """A clinic's bucket is one write for eight decisions, and none of a process that comes once."""
    key, writes = portal.clinics.key(RIGA), []
    guards = [a_guard("consent")._replace(shard=5) for _ in range(31)]
    for guard in guards:
        found = portal.table.get(portal.limits.keys_of(guard, key))
        taking = portal.limits.taking(guard, key, found)
        portal.table.write(taking.writes)
        taking.done()
        writes.append([each.amount for each in taking.writes if each.rule == CLINIC])
    assert list(itertools.chain(*writes)) == [1, 2, 4, 8, 8, 8]
    assert taken(portal, guards[0]) == 31
    assert another_process(portal).spend(key, guards[0])
    assert taken(portal, guards[0]) == 32


def test_what_a_process_holds_of_a_clinic_is_void_when_the_bucket_would_be_full_again(
    portal: Portal,
) -> None:
    """However many processes there are, a clinic gets its rate, and its burst once more at most."""
    key, guard = portal.clinics.key(RIGA), a_guard("consent")._replace(shard=6)
    for _ in range(4):  # one, two, four: three are left of the last block
        portal.limits.spend(key, guard)
    assert taken(portal, guard) == 7
    just = guard._replace(at=later(guard.at, CLINIC.refills_in - 1))
    portal.limits.spend(key, just)
    assert taken(portal, guard) == 7
    over = guard._replace(at=later(guard.at, CLINIC.refills_in))
    portal.limits.spend(key, over)
    assert taken(portal, over) == 1, "two were void, and who did not use a block takes one again"


def test_a_post_whose_transaction_failed_leaves_its_process_nothing(portal: Portal) -> None:
    """Only what was paid for is held."""
    key, guard = portal.clinics.key(RIGA), a_guard("consent")._replace(shard=7)
    portal.limits.spend(key, guard)
    found = portal.table.get(portal.limits.keys_of(guard, key))
    assert another_process(portal).spend(key, guard)
    portal.limits.taking(guard, key, found)  # and its transaction is never written
    assert portal.limits.spend(key, guard)
    assert taken(portal, guard) == 1 + 1 + 2


def test_processes_together_take_no_more_than_a_shard_holds(portal: Portal) -> None:
    """Blocks are paid for before they are used: ten processes get what one would get."""
    key = portal.clinics.key(RIGA)
    processes = [another_process(portal) for _ in range(10)]
    through = 0
    for _ in range(12):
        for process in processes:
            try:
                through += process.spend(key, a_guard("consent")._replace(shard=8))
            except TooManyError:
                continue
    assert through <= CLINIC.burst
    assert through > CLINIC.burst // 2
