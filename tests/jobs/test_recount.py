from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.receipts import Receipt
from chalicelib.jobs import after_decision, catch_up, counting, signing
from chalicelib.jobs.counting import Recount, differences, recount
from chalicelib.portal import Portal
from chalicelib.receipts import jws
from chalicelib.services import decisions
from chalicelib.store import signatures
from chalicelib.store.keys import counted_key, receipt_key, unsigned_key
from chalicelib.store.kms_signer import SigningKey
from chalicelib.store.statistics import correct, count_receipt, counts
from chalicelib.store.table import UnavailableError
from chalicelib.store.writes import Put
from infra.build.tools import dynamodb_local
from infra.operator.recount import FIRST_DAY, LAST_DAY, go_through, settle, started
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, NOON, SMS_NEWS, a_decision
from tests.jobs.test_counting import streamed
from tests.keys import OwnKey
from tests.policies import under_policy_of
from tests.properties.faults import READ, WRITE, Fault, Faults
from tests.store.people import meddle, signed

pytestmark = pytest.mark.parametrize(
    "endpoint", [dynamodb_local], ids=["DynamoDBLocal"], indirect=True, scope="session"
)

DAY, NEXT = "2026-11-22", "2026-11-23T09:00:00.000Z"
LATER = "2026-11-25T09:00:00.000Z"
"""When the recount begins: both days are over."""


@pytest.fixture
def faults(portal: Portal) -> Iterator[Faults]:
    """Let requests to DynamoDB fail as planned."""
    made = Faults(portal.table.client)
    yield made
    made.close()


def in_time() -> bool:
    """Tell that there is time enough."""
    return False


def three(portal: Portal) -> list[Receipt]:
    """Let Anna decide on two days, and Giorgi on the first."""
    return [
        decisions.record(portal, a_decision({EMAIL_NEWS: "yes", SMS_NEWS: "no"}), signed(ANNA)),
        decisions.record(portal, a_decision({EMAIL_NEWS: "withdraw"}, NEXT), signed(ANNA)),
        decisions.record(
            portal, a_decision({EMAIL_NEWS: "yes"}, NOON, source=None), signed(GIORGI)
        ),
    ]


TRUE = {
    DAY: {
        "newsletter.email#granted#reception": 1,
        "newsletter.sms#refused#reception": 1,
        "newsletter.email#granted#-": 1,
    },
    NEXT[:10]: {"newsletter.email#withdrawn#reception": 1},
}


def all_counts(portal: Portal) -> dict[str, dict[str, int]]:
    """Give the counters of both days."""
    return {day: counts(portal.table, RIGA, day) for day in TRUE}


def anew(clinic: str = RIGA) -> Recount:
    """Begin a recount of all days."""
    return Recount(clinic, FIRST_DAY, LAST_DAY, LATER)


def handle(portal: Portal, *receipts: Receipt, signer: OwnKey | None = None) -> list[str]:
    """Let the stream's function work on these receipts; give the numbers of the records it wants
    again.
    """
    records = [streamed(receipt) for receipt in receipts]
    for number, record in enumerate(records):
        record["dynamodb"]["SequenceNumber"] = str(100 + number)
    with under_policy_of(portal, "after_receipt"):
        answer = after_decision.handle(portal.table, {"Records": records}, signer, in_time)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_a_recount_finds_what_was_never_counted_and_counts_nothing_twice(portal: Portal) -> None:
    """A number in a report is a number of decisions, whatever the stream forgot."""
    receipts = three(portal)
    assert count_receipt(portal.table, receipts[0])
    state = go_through(portal.table, anew())
    assert (state.people, state.receipts, state.found, state.unreadable) == (2, 3, 2, 0)
    assert all_counts(portal) == TRUE
    assert settle(portal.table, state, lower=True) == (0, [])
    again = go_through(portal.table, anew())
    assert (again.receipts, again.found) == (3, 0)
    assert all_counts(portal) == TRUE
    assert not count_receipt(portal.table, receipts[1])  # the stream comes late
    assert all_counts(portal) == TRUE
    assert counts(portal.table, TBILISI, DAY) == {}


def test_only_the_days_asked_for_are_recounted(portal: Portal) -> None:
    """A replay of one bad hour does not take a night."""
    three(portal)
    state = go_through(portal.table, replace(anew(), first=DAY, last=DAY))
    assert (state.receipts, state.found) == (2, 2)
    assert all_counts(portal) == {DAY: TRUE[DAY], NEXT[:10]: {}}


def test_the_portal_counts_while_a_recount_runs(portal: Portal) -> None:
    """Nobody has to close the portal to recount."""
    receipts = three(portal)
    state = anew()
    for number, _ in enumerate(recount(portal.table, state)):
        for receipt in receipts[number:]:
            count_receipt(portal.table, receipt)
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, LATER), signed(ANNA_PHONE))
    assert settle(portal.table, state, lower=True) == (0, [])
    assert all_counts(portal) == TRUE


def test_counters_that_are_wrong_are_told_and_mended_on_days_that_are_over(portal: Portal) -> None:
    """What somebody changed in the table by hand is set right from the receipts; today's counters
    are left alone.
    """
    for receipt in three(portal):
        count_receipt(portal.table, receipt)
    correct(portal.table, RIGA, DAY, "newsletter.email#granted#-", 0, was=1)
    correct(portal.table, RIGA, DAY, "newsletter.sms#refused#reception", 7, was=1)
    state = go_through(portal.table, anew())
    mended, left = settle(portal.table, state, lower=False)
    assert mended == 1
    assert left == [
        f"{DAY} newsletter.sms#refused#reception: 7, and 1 by the receipts that are still there"
    ]
    assert settle(portal.table, state, lower=True) == (1, [])
    assert all_counts(portal) == TRUE
    correct(portal.table, RIGA, DAY, "newsletter.email#granted#-", 5, was=1)
    same_day = replace(anew(), began=f"{DAY}T23:59:00.000Z", days={})
    go_through(portal.table, same_day)
    assert differences(portal.table, same_day) == []


def test_a_counter_that_moves_meanwhile_is_left_to_the_next_recount(portal: Portal) -> None:
    """A correction never swallows a decision."""
    for receipt in three(portal):
        count_receipt(portal.table, receipt)
    correct(portal.table, RIGA, DAY, "newsletter.email#granted#-", 0, was=1)
    [wrong] = differences(portal.table, go_through(portal.table, anew()))
    correct(portal.table, RIGA, DAY, "newsletter.email#granted#-", 3, was=0)
    assert not counting.mend(portal.table, RIGA, wrong)
    assert counts(portal.table, RIGA, DAY)["newsletter.email#granted#-"] == 3


def test_a_recount_that_was_broken_off_goes_on_where_it_was(
    portal: Portal, faults: Faults, tmp_path: Path
) -> None:
    """A clinic with very many patients does not begin from the start because a connection broke."""
    three(portal)
    kept = tmp_path / "recount.json"
    state = anew()
    rest = recount(portal.table, state)
    next(rest)
    faults.plan(READ, [Fault.LOST_REQUEST] * 200)
    with pytest.raises(UnavailableError):
        go_through(portal.table, state, kept)
    faults.clear()
    resumed = started(RIGA, FIRST_DAY, LAST_DAY, LATER, kept)
    assert (resumed.people, resumed.after) == (1, state.after)
    assert resumed.after
    resumed = go_through(portal.table, resumed, kept)
    assert (resumed.people, resumed.receipts) == (2, 3)
    assert resumed.days == {day: Counter(said) for day, said in TRUE.items()}
    assert all_counts(portal) == TRUE
    assert started(RIGA, DAY, DAY, LATER, kept).after == ""  # another recount begins anew


def test_a_receipt_that_cannot_be_read_is_told_and_the_others_are_counted(portal: Portal) -> None:
    """What somebody damaged holds up nothing."""
    receipts = three(portal)
    document = receipts[0].document
    meddle(portal, receipt_key(RIGA, document["subject"], 1), "{")
    state = go_through(portal.table, anew())
    assert (state.found, state.unreadable) == (2, 1)


def test_a_conflict_on_one_counter_is_tried_again_inside(portal: Portal, faults: Faults) -> None:
    """Two functions that count the same purpose at once do not send a whole batch back."""
    receipts = three(portal)
    faults.plan(WRITE, [Fault.CONFLICT, Fault.CONFLICT])
    assert handle(portal, *receipts) == []
    assert all_counts(portal) == TRUE


def test_one_record_that_conflicts_again_and_again_fails_alone(
    portal: Portal, faults: Faults
) -> None:
    """Of twenty-five decisions one is sent again, and no other is counted, signed or told later for
    it.
    """
    receipts, signer = three(portal), OwnKey()
    faults.plan(WRITE, [Fault.CONFLICT] * counting.ATTEMPTS)
    assert handle(portal, *receipts, signer=signer) == ["100"]
    assert {each.receipt for each in signatures.waiting(portal.table)} == {receipts[0].id}
    assert handle(portal, receipts[0], signer=signer) == []
    assert all_counts(portal) == TRUE
    assert not list(signatures.waiting(portal.table))


def test_a_record_that_can_never_be_counted_is_not_asked_for_again(portal: Portal) -> None:
    """What is dead holds up nobody behind it: the others of its batch are counted and signed at
    once.
    """
    receipts, signer = three(portal), OwnKey()
    dead: dict[str, Any] = streamed(receipts[0])
    dead["dynamodb"]["NewImage"]["body"]["S"] = "{"
    records = [dead, *map(streamed, receipts[1:])]
    with under_policy_of(portal, "after_receipt"):
        answer = after_decision.handle(portal.table, {"Records": records}, signer, in_time)
    assert answer == {"batchItemFailures": []}
    assert {each.receipt for each in signatures.waiting(portal.table)} == {receipts[0].id}


@pytest.mark.parametrize("signs", [True, False])
def test_what_the_stream_lost_is_counted_by_the_clocks_round(
    portal: Portal, *, signs: bool
) -> None:
    """Nothing depends on the failure queue: a receipt that waits to be signed is counted first."""
    receipts = three(portal)
    signer = OwnKey() if signs else None
    with under_policy_of(portal, "catch_up"):
        catch_up.sign_waiting(portal.table, signer, in_time)
        catch_up.sign_waiting(portal.table, signer, in_time)
    assert all_counts(portal) == TRUE
    assert bool(list(signatures.waiting(portal.table))) is not signs
    assert counted_key(RIGA, receipts[0].id) in portal.table.get(
        [counted_key(RIGA, receipts[0].id)]
    )


def test_a_receipt_is_not_signed_before_it_is_counted(portal: Portal, faults: Faults) -> None:
    """With the signature its mark goes: nobody would come back to count it."""
    three(portal)
    faults.plan(WRITE, [Fault.CONFLICT] * (counting.ATTEMPTS * 3))
    with under_policy_of(portal, "catch_up"):
        first = list(signing.sign_waiting(portal.table, OwnKey(), in_time))[-1]
    assert (first.signed, first.counted, first.failed) == (0, 0, 3)
    faults.clear()
    with under_policy_of(portal, "catch_up"):
        second = list(signing.sign_waiting(portal.table, OwnKey(), in_time))[-1]
    assert (second.signed, second.counted) == (3, 3)
    assert all_counts(portal) == TRUE


def test_a_round_stops_counting_when_its_time_is_over_or_the_table_is_away(
    portal: Portal, faults: Faults
) -> None:
    """What waits behind it in the same round, the messages, keeps its time."""
    three(portal)
    with under_policy_of(portal, "catch_up"):
        late = signing.count_waiting(portal.table, lambda: True)
    assert (late.counted, late.whole) == (1, False)
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, LATER), signed(ANNA_PHONE))
    faults.plan(WRITE, [Fault.LOST_REQUEST] * 200)
    for number in range(4):
        portal.table.put(Put(unsigned_key(RIGA, f"{number}" * 32), {"body": "{}"}))
    with under_policy_of(portal, "catch_up"):
        away = signing.count_waiting(portal.table, in_time)
    assert (away.counted, away.whole) == (0, False)
    faults.clear()
    with under_policy_of(portal, "catch_up"):
        assert signing.count_waiting(portal.table, in_time).counted == 3
    assert all_counts(portal) == TRUE


class Failing(OwnKey):
    """A key that breaks on one receipt in a way nobody thought of."""

    def sign(self, key: SigningKey, message: bytes) -> bytes:
        """Sign, unless it is that one."""
        if message == self.refused:
            raise RuntimeError("nobody thought of this")
        return super().sign(key, message)


def test_whatever_is_wrong_with_one_receipt_or_mark_the_others_are_signed_and_told(
    portal: Portal,
) -> None:
    """One item that somebody damaged, or that breaks the signer, holds up nobody else, in no
    round.
    """
    receipts = three(portal)
    signer = Failing()
    signer.refused = jws.signing_input(jws.header(signer.key.jwk), receipts[0].canonical)
    meddle(portal, unsigned_key(RIGA, receipts[1].id), "{")
    with under_policy_of(portal, "catch_up"):
        tally = list(signing.sign_waiting(portal.table, signer, in_time))[-1]
    assert (tally.signed, tally.failed, tally.whole) == (1, 2, True)
    assert {each.receipt for each in signatures.waiting(portal.table)} == {
        receipts[0].id,
        receipts[1].id,
    }
    assert handle(portal, *receipts, signer=signer) == []
    assert portal.receipts.issued(RIGA, receipts[1].id)[1] is not None
    assert all_counts(portal) == TRUE
