import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.domain.receipts import Receipt
from chalicelib.jobs import after_decision, catch_up, counting, signing
from chalicelib.jobs.counting import Recount, count_feeds, differences, recount
from chalicelib.portal import Portal
from chalicelib.receipts import jws
from chalicelib.services import decisions
from chalicelib.store import outbox
from chalicelib.store.keys.counts import count_key, earlier_count_key
from chalicelib.store.keys.key import SHARDS
from chalicelib.store.keys.messages import outbox_key
from chalicelib.store.keys.receipts import counted_key, receipt_key, unsigned_key
from chalicelib.store.signer import (
    SigningKey,
    SigningUnavailableError,
)
from chalicelib.store.statistics import correct, counts
from chalicelib.store.table import UnavailableError
from chalicelib.store.writes import Put
from infra.operator.recount import FIRST_DAY, LAST_DAY, go_through, settle, started
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, NOON, SMS_NEWS, a_decision
from tests.keys import OwnKey
from tests.messages.outgoing import left
from tests.policies import under_policy_of
from tests.properties.faults import READ, WRITE, Fault, Faults
from tests.store.people import BELLA, count_unsigned, meddle, signed

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


def signed_of(portal: Portal, receipts: list[Receipt]) -> list[str | None]:
    """Give each receipt's signed form, None for one that waits."""
    return [portal.receipts.issued(RIGA, receipt.id)[1] for receipt in receipts]


def unsigned(portal: Portal) -> set[str]:
    """Give the ids of the receipts that wait."""
    return {each.number for each in outbox.unsigned_items(portal.table)}


def handle(portal: Portal, *receipts: Receipt, signer: OwnKey | None = None) -> list[str]:
    """Let the stream's function work on these receipts; give the numbers of the records it wants
    again.
    """
    records = [left(receipt) for receipt in receipts]
    for number, record in enumerate(records):
        record["dynamodb"]["SequenceNumber"] = str(100 + number)
    with under_policy_of(portal, "after_receipt"):
        answer = after_decision.handle(portal.table, {"Records": records}, signer, in_time)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


@pytest.mark.parametrize("signs", [True, False])
def test_a_recount_finds_what_was_never_counted_and_counts_nothing_twice(
    portal: Portal, *, signs: bool
) -> None:
    """A number in a report is a number of decisions, whatever the stream forgot."""
    receipts, signer = three(portal), OwnKey() if signs else None
    meddle(portal, outbox_key(RIGA, receipts[2].id), None)  # nothing leads to it any more
    assert handle(portal, receipts[0], signer=signer) == []
    state = go_through(portal.table, anew(), signer)
    assert (state.people, state.receipts, state.found, state.unreadable) == (2, 3, 2, 0)
    assert all_counts(portal) == TRUE
    assert settle(portal.table, state, lower=True) == (0, [])
    again = go_through(portal.table, anew(), signer)
    assert (again.receipts, again.found) == (3, 0)
    assert all_counts(portal) == TRUE
    assert handle(portal, *receipts, signer=signer) == []  # the stream comes late
    assert all_counts(portal) == TRUE
    assert counts(portal.table, TBILISI, DAY) == {}
    assert (None in signed_of(portal, receipts)) is not signs


def test_only_the_days_asked_for_are_recounted(portal: Portal) -> None:
    """A replay of one bad hour does not take a night."""
    three(portal)
    state = go_through(portal.table, replace(anew(), first=DAY, last=DAY), OwnKey())
    assert (state.receipts, state.found) == (2, 2)
    assert all_counts(portal) == {DAY: TRUE[DAY], NEXT[:10]: {}}


def test_the_portal_counts_while_a_recount_runs(portal: Portal) -> None:
    """Nobody has to close the portal to recount."""
    receipts, signer = three(portal), OwnKey()
    state = anew()
    for number, _ in enumerate(recount(portal.table, state, signer)):
        handle(portal, *receipts[number:], signer=signer)
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, LATER), signed(ANNA_PHONE))
    assert settle(portal.table, state, lower=True) == (0, [])
    assert all_counts(portal) == TRUE


def test_counters_that_are_wrong_are_told_and_mended_on_days_that_are_over(portal: Portal) -> None:
    """What somebody changed in the table by hand is set right from the receipts; today's counters
    are left alone.
    """
    signer = OwnKey()
    assert handle(portal, *three(portal), signer=signer) == []
    correct(portal.table, RIGA, DAY, "newsletter.email#granted#-", 0, was=1)
    correct(portal.table, RIGA, DAY, "newsletter.sms#refused#reception", 7, was=1)
    state = go_through(portal.table, anew(), signer)
    mended, left = settle(portal.table, state, lower=False)
    assert mended == 1
    assert left == [
        f"{DAY} newsletter.sms#refused#reception: 7, and 1 by the receipts that are still there"
    ]
    assert settle(portal.table, state, lower=True) == (1, [])
    assert all_counts(portal) == TRUE
    correct(portal.table, RIGA, DAY, "newsletter.email#granted#-", 5, was=1)
    same_day = replace(anew(), began=f"{DAY}T23:59:00.000Z", days={})
    go_through(portal.table, same_day, signer)
    assert differences(portal.table, same_day) == []


def test_a_counter_that_moves_meanwhile_is_left_to_the_next_recount(portal: Portal) -> None:
    """A correction never swallows a decision."""
    signer = OwnKey()
    assert handle(portal, *three(portal), signer=signer) == []
    correct(portal.table, RIGA, DAY, "newsletter.email#granted#-", 0, was=1)
    [wrong] = differences(portal.table, go_through(portal.table, anew(), signer))
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
    signer = OwnKey()
    rest = recount(portal.table, state, signer)
    next(rest)
    faults.plan(READ, [Fault.LOST_REQUEST] * 200)
    with pytest.raises(UnavailableError):
        go_through(portal.table, state, signer, kept)
    faults.clear()
    resumed = started(RIGA, FIRST_DAY, LAST_DAY, LATER, kept)
    assert (resumed.people, resumed.after) == (1, state.after)
    assert resumed.after
    resumed = go_through(portal.table, resumed, signer, kept)
    assert (resumed.people, resumed.receipts) == (2, 3)
    assert resumed.days == {day: Counter(said) for day, said in TRUE.items()}
    assert all_counts(portal) == TRUE
    assert started(RIGA, DAY, DAY, LATER, kept).after == ""  # another recount begins anew


def test_a_receipt_that_cannot_be_read_is_told_and_the_others_are_counted(portal: Portal) -> None:
    """What somebody damaged holds up nothing."""
    receipts = three(portal)
    document = receipts[0].document
    meddle(portal, receipt_key(RIGA, document["subject"], 1), "{")
    signer = Failing()
    signer.refused = jws.signing_input(jws.header(signer.key.jwk), receipts[1].canonical)
    state = go_through(portal.table, anew(), signer)
    assert (state.receipts, state.found, state.unreadable) == (1, 1, 2)
    assert differences(portal.table, state) == [], "what was not counted is no difference"
    assert go_through(portal.table, anew(), OwnKey()).found == 1


def test_a_recount_ends_where_the_key_service_is_away_and_goes_on_later(portal: Portal) -> None:
    """No counter is set right by receipts that are counted once more with their signature."""
    three(portal)
    state = anew()
    with pytest.raises(SigningUnavailableError):
        go_through(portal.table, state, OwnKey(away=True))
    assert (state.receipts, state.days) == (0, {})
    assert go_through(portal.table, state, OwnKey()).found == 3
    assert all_counts(portal) == TRUE


def test_a_conflict_on_one_counter_is_tried_again_inside(portal: Portal, faults: Faults) -> None:
    """Two functions that count the same purpose at once do not send a whole batch back."""
    receipts = three(portal)
    faults.plan(WRITE, [Fault.CONFLICT, Fault.CONFLICT])
    assert handle(portal, *receipts) == []
    assert all_counts(portal) == TRUE


def test_one_record_that_conflicts_again_and_again_fails_alone(
    portal: Portal, faults: Faults
) -> None:
    """Of twenty-five decisions one is sent again, and nobody else's is counted, signed or told
    later for it. The next of the same person waits for it: the feed tells them in their order.
    """
    receipts, signer = three(portal), OwnKey()
    faults.plan(WRITE, [Fault.CONFLICT] * (1 + signing.ATTEMPTS))  # all at once, then the first
    assert handle(portal, *receipts, signer=signer) == ["100", "101"]
    assert [each is None for each in signed_of(portal, receipts)] == [True, True, False]
    assert handle(portal, *receipts[:2], signer=signer) == []
    assert all_counts(portal) == TRUE
    assert None not in signed_of(portal, receipts)


def test_a_record_that_can_never_be_counted_is_not_asked_for_again(portal: Portal) -> None:
    """What is dead holds up nobody behind it: the others of its batch are counted and signed at
    once.
    """
    receipts, signer = three(portal), OwnKey()
    meddle(portal, receipt_key(RIGA, receipts[0].document["subject"], 1), "{")
    records = [left(receipt) for receipt in receipts]
    with under_policy_of(portal, "after_receipt"):
        answer = after_decision.handle(portal.table, {"Records": records}, signer, in_time)
    assert answer == {"batchItemFailures": []}
    assert receipts[0].id in unsigned(portal)
    assert None not in signed_of(portal, receipts[1:])


@pytest.mark.parametrize("signs", [True, False])
def test_what_the_stream_lost_is_counted_by_the_clocks_round(
    portal: Portal, *, signs: bool
) -> None:
    """Nothing depends on the failure queue: each receipt's own item leads to it."""
    receipts = three(portal)
    signer = OwnKey() if signs else None
    with under_policy_of(portal, "catch_up"):
        catch_up.sign_waiting(portal.table, signer, in_time)
        catch_up.sign_waiting(portal.table, signer, in_time)
    assert all_counts(portal) == TRUE
    assert bool(unsigned(portal)) is not signs
    marks = portal.table.get([counted_key(RIGA, receipt.id) for receipt in receipts])
    assert len(marks) == (0 if signs else 3)


def test_a_receipt_is_signed_and_counted_at_once_or_neither(portal: Portal, faults: Faults) -> None:
    """That it is signed says that it is counted: nobody would come back to count it."""
    receipts = three(portal)
    faults.plan(WRITE, [Fault.CONFLICT] * (1 + signing.ATTEMPTS * 2))
    with under_policy_of(portal, "catch_up"):
        first = list(signing.sign_waiting(portal.table, OwnKey(), in_time))[-1]
    assert (first.signed, first.counted, first.failed) == (0, 0, 2)
    assert len(first.left) == 3
    assert set(signed_of(portal, receipts)) == {None}
    assert all_counts(portal) == {day: {} for day in TRUE}
    faults.clear()
    with under_policy_of(portal, "catch_up"):
        second = list(signing.sign_waiting(portal.table, OwnKey(), in_time))[-1]
    assert (second.signed, second.counted) == (3, 3)
    assert all_counts(portal) == TRUE


def test_a_lost_answer_counts_nothing_twice(portal: Portal, faults: Faults) -> None:
    """A transaction that was carried out and not answered, three times, is found signed."""
    receipts, signer = three(portal), OwnKey()
    faults.plan(WRITE, [Fault.LOST_REPLY] * 3)
    assert handle(portal, *receipts, signer=signer) == []
    assert all_counts(portal) == TRUE
    assert None not in signed_of(portal, receipts)


def test_a_round_stops_counting_when_its_time_is_over_or_the_table_is_away(
    portal: Portal, faults: Faults
) -> None:
    """What waits behind it in the same round, the messages, keeps its time."""
    three(portal)
    with under_policy_of(portal, "catch_up"):
        late = list(signing.sign_waiting(portal.table, OwnKey(), lambda: True))[-1]
    assert (late.counted, late.whole) == (0, False)
    for contact in (ANNA_PHONE, BELLA):
        decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, LATER), signed(contact))
    faults.plan(WRITE, [Fault.LOST_REQUEST] * 200)
    with under_policy_of(portal, "catch_up"):
        away = list(signing.sign_waiting(portal.table, OwnKey(), in_time))[-1]
    assert (away.counted, away.whole) == (0, False)
    faults.clear()
    with under_policy_of(portal, "catch_up"):
        assert list(signing.sign_waiting(portal.table, OwnKey(), in_time))[-1].counted == 5
    assert all_counts(portal) == TRUE


def test_receipts_that_waited_under_the_marks_of_before_are_counted_and_signed_once(
    portal: Portal,
) -> None:
    """An update of the portal loses no receipt, counts none again, and leaves no mark behind."""
    receipts = three(portal)
    for receipt in receipts:
        document = receipt.document
        place = {"subject": document["subject"], "version": document["version"]}
        mark = Put(unsigned_key(RIGA, receipt.id), {"body": json.dumps(place)})
        assert portal.table.put_new(mark)
    assert count_unsigned(portal.table, receipts[0])  # as it was counted then, before it was signed
    for receipt in receipts[:2]:  # their messages were sent before
        meddle(portal, outbox_key(RIGA, receipt.id), None)
    with under_policy_of(portal, "catch_up"):
        catch_up.sign_waiting(portal.table, OwnKey(), in_time)
    assert all_counts(portal) == TRUE
    assert None not in signed_of(portal, receipts)
    assert unsigned(portal) == set()
    marks = [unsigned_key("", shard).pk for shard in SHARDS]
    assert not [item for pk in marks for item in portal.table.partition(pk, "")]


def test_counters_of_earlier_days_are_read_beside_those_of_now(portal: Portal) -> None:
    """A month's numbers do not begin with the update that changed how they are kept."""
    receipts, signer = three(portal), OwnKey()
    earlier = earlier_count_key(RIGA, DAY, "newsletter.email#granted#reception")
    portal.table.put_new(Put(earlier, {"number": 4}))
    assert handle(portal, *receipts, signer=signer) == []
    expected = {**TRUE[DAY], "newsletter.email#granted#reception": 5}
    assert counts(portal.table, RIGA, DAY) == expected


def test_the_hourly_round_counts_what_the_feed_has_new_once(portal: Portal) -> None:
    """A thousand decisions of an hour change the counters of their day as one would."""
    receipts, signer = three(portal), OwnKey()
    assert handle(portal, *receipts, signer=signer) == []
    pk = count_key(RIGA, DAY, "").pk
    assert list(portal.table.partition(pk, DAY)) == [], "nothing but the feed is written"
    for _ in range(2):
        with under_policy_of(portal, "housekeeping"):
            count_feeds(portal, in_time)
        found = {item.sk: item.counts for item in portal.table.partition(pk, DAY)}
        assert found == {
            f"{DAY}#+#lv#qr#self-asserted#-": {"newsletter.email#ng": 1},
            f"{DAY}#+#lv#qr#self-asserted#reception": {
                "newsletter.email#ng": 1,
                "newsletter.sms#nr": 1,
            },
        }
        assert all_counts(portal) == TRUE


def test_a_count_that_is_answered_nothing_is_counted_once(portal: Portal, faults: Faults) -> None:
    """Whether the transaction was carried out is told by how far it came."""
    receipts, signer = three(portal), OwnKey()
    assert handle(portal, *receipts, signer=signer) == []
    for fault in (Fault.LOST_REPLY, Fault.CONFLICT, Fault.LOST_REQUEST):
        faults.plan(WRITE, [fault] * 3)
        with contextlib.suppress(UnavailableError), under_policy_of(portal, "housekeeping"):
            count_feeds(portal, in_time)
        assert all_counts(portal) == TRUE
        faults.clear()
    with under_policy_of(portal, "housekeeping"):
        count_feeds(portal, in_time)
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
    meddle(portal, outbox_key(RIGA, receipts[1].id), "{")
    with under_policy_of(portal, "catch_up"):
        tally = list(signing.sign_waiting(portal.table, signer, in_time))[-1]
    assert (tally.signed, tally.failed, tally.whole) == (1, 1, True)
    assert [each is None for each in signed_of(portal, receipts)] == [True, True, False]
    assert handle(portal, *receipts, signer=OwnKey()) == []
    assert go_through(portal.table, anew(), OwnKey()).found == 1  # to which its item leads no more
    assert None not in signed_of(portal, receipts)
    assert all_counts(portal) == TRUE
