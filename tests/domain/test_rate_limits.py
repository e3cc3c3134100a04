from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.rate_limits import (
    CLINIC,
    CONTACT,
    RANGE,
    SHARDS,
    RateLimit,
    RateLimitCheck,
    TooManyError,
    address_range,
    clinic_limit,
    contact_subjects,
    refuse_while_waiting,
    withdrawal_subjects,
)
from tests.cast import ANNA, ANNA_PHONE, GIORGI
from tests.factories import EMAIL_NEWS, MORNING, SMS_NEWS

rules = st.builds(RateLimit, burst=st.integers(1, 8), interval=st.integers(1, 50))
gaps = st.lists(st.integers(0, 120), max_size=60)


def passed(rule: RateLimit, moments: list[int]) -> list[int]:
    """Give the moments at which a request passed one bucket."""
    arrival, through = None, []
    for now in moments:
        if not rule.wait(arrival, now):
            arrival = (
                now + rule.interval
                if rule.is_full(arrival, now)
                else (arrival or 0) + rule.interval
            )
            through.append(now)
    return through


@given(rules, gaps)
def test_one_number_counts_like_a_bucket_of_tokens(rule: RateLimit, waits: list[int]) -> None:
    """So many at once and one more per interval: exact to the millisecond."""
    moments = [sum(waits[: count + 1]) for count in range(len(waits))]
    tokens, last, through = Fraction(rule.burst), 0, []
    for now in moments:
        tokens = min(Fraction(rule.burst), tokens + Fraction(now - last, rule.interval))
        last = now
        if tokens >= 1:
            tokens -= 1
            through.append(now)
    assert passed(rule, moments) == through


@given(rules, st.lists(st.integers(0, 400), max_size=60))
def test_no_window_lets_more_through_than_the_rule_says(
    rule: RateLimit, moments: list[int]
) -> None:
    """The limit holds for every window, and when the clocks of several processes differ."""
    through = passed(rule, moments)
    for start in through:
        for end in through:
            inside = [now for now in through if start <= now <= end]
            assert len(inside) <= rule.burst + max(0, end - start) / rule.interval


@given(rules, gaps)
def test_who_waits_as_long_as_was_said_gets_through(rule: RateLimit, waits: list[int]) -> None:
    """And one millisecond less is too early: the answer's Retry-After is the truth."""
    arrival, now = rule.burst * rule.interval + 1000, 1000 + sum(waits)
    wait = rule.wait(arrival, now)
    assert rule.wait(arrival, now + wait) == 0
    assert not wait or rule.wait(arrival, now + wait - 1) == 1


def test_the_longest_wait_is_told_in_whole_seconds_and_minutes() -> None:
    """Nobody is sent away for half a minute to be sent away again."""
    refuse_while_waiting([0, 0])
    with pytest.raises(TooManyError) as refused:
        refuse_while_waiting([0, 60_001, 1])
    assert (refused.value.seconds, refused.value.minutes) == (61, 2)


def test_a_waiting_room_may_answer_at_once() -> None:
    """Allowed: sixty people on one address, a clinic's busiest day, a dozen changes of mind."""
    assert (CONTACT.burst, RANGE.burst, CLINIC.burst * SHARDS) == (12, 60, 640)
    assert (CONTACT.interval, RANGE.interval, 1000 / CLINIC.interval * SHARDS) == (
        60_000,
        2_000,
        64,
    )


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:77:1::9", "2001:db8:77::/48"),
        ("2001:db8:77:ffff::", "2001:db8:77::/48"),
        ("::ffff:192.0.2.9", "192.0.2.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", "unknown"),
        ("203.0.113.7, 10.0.0.1", "unknown"),
    ],
)
def test_a_range_is_what_one_visitor_can_change_at_will(address: str, expected: str) -> None:
    """A household's IPv6 network holds more addresses than there are patients; it counts as one."""
    assert address_range(address) == expected


def test_one_kind_of_post_never_uses_up_the_room_of_another() -> None:
    """A flood of consent forms closes no way to stop."""

    def named(action: str) -> set[str]:
        contacts = contact_subjects([ANNA, ANNA_PHONE])
        check = RateLimitCheck(action, contacts, "192.0.2.0/24", 3, MORNING)
        return {*check.buckets(), check.clinic_bucket}

    assert len(named("consent")) == 4
    assert not named("consent") & named("withdraw")


def test_only_the_very_same_withdrawal_shares_its_room() -> None:
    """Another decision or another contact is another bucket.

    The order they were typed in is none.
    """
    every = {
        withdrawal_subjects(contacts, addresses)
        for contacts in ([ANNA], [GIORGI], [ANNA, GIORGI])
        for addresses in ([EMAIL_NEWS], [SMS_NEWS], [EMAIL_NEWS, SMS_NEWS])
    }
    assert len(every) == 9
    assert withdrawal_subjects([GIORGI, ANNA], [SMS_NEWS, EMAIL_NEWS]) in every


@given(rules, st.integers(0, 900), st.integers(0, 900))
def test_the_tokens_that_are_there_are_those_one_may_take(
    rule: RateLimit, arrival: int, now: int
) -> None:
    """Who takes several at once finds as many as who takes one after the other."""
    there = rule.tokens(arrival, now)
    one_by_one, moved = 0, arrival
    while not rule.wait(moved, now):
        moved = (now if rule.is_full(moved, now) else moved) + rule.interval
        one_by_one += 1
    assert there == one_by_one
    assert rule.tokens(None, now) == rule.burst


@pytest.mark.parametrize("per_second", [1, 16, 64, 250, 999])
def test_a_clinic_may_be_larger_or_smaller(per_second: int) -> None:
    """Its shards together take about as many a second as the operator said, and ten seconds' worth
    of them at once; each holds at least a whole block.
    """
    rule = clinic_limit(per_second)
    assert 1000 / rule.interval * SHARDS == pytest.approx(per_second, rel=0.05)
    assert rule.burst * SHARDS == pytest.approx(per_second * 10, rel=0.3, abs=16)
    assert rule.burst >= 1
