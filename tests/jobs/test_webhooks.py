"""Recipients hear of every decision that is theirs, once, whatever fails on the way."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from chalicelib.domain.instants import instant, moment
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.webhooks import DisabledReason, Event, EventType, new_delivery
from chalicelib.jobs import after_decision, catch_up, webhooks
from chalicelib.jobs.webhooks import PATIENCE
from chalicelib.messages.webhook_transport import TryResult
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.settings import Settings
from chalicelib.store import audit, outbox, webhook_deliveries
from chalicelib.store import webhooks as recipients
from chalicelib.store.aws import AwsClients
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import Kms
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.keys.webhooks import unacknowledged_key
from chalicelib.store.shown_pages import ShownPages
from chalicelib.store.table import Table, UnavailableError
from chalicelib.store.webhook_deliveries import KeptDelivery
from chalicelib.store.writes import Put
from infra.local.aws import REGION, aws_environment
from tests.cast import (
    ANNA,
    GIORGI,
    RIGA,
    TBILISI,
    Clock,
    FixedKeys,
    an_edition,
    environment,
    publish_edition,
)
from tests.factories import EMAIL_NEWS, NOON, SMS_NEWS, a_decision
from tests.faults.dynamodb import MemoryTable
from tests.faults.services import DynamoClient
from tests.faults.weather import Forecast, ProcessDied, Weather
from tests.faults.world import connect
from tests.keys import OwnKey
from tests.messages.outgoing import in_time, left
from tests.messages.programs import OK, SECRET, URL, Program, a_recipient, rounds, sending
from tests.policies import under_policy_of
from tests.store.people import signed

DOWN = TryResult(500)
SHARED = "data_sharing.skincare_maker"


@contextmanager
def in_memory() -> Iterator[tuple[Portal, Clock, Weather]]:
    """Give a portal on a table in memory, its clock, and what its requests meet."""
    clock, weather = Clock(), Weather()
    with environment(aws_environment("http://127.0.0.1:9")):
        table = Table("memory", region=REGION)
        connect(table, DynamoClient(MemoryTable(), weather))
        store = Clinics(table, FixedKeys(), clock)
        at, key = "2026-11-01T08:00:00.000Z", b"a key".ljust(32, b".")
        publish_edition(table, store, an_edition(RIGA), at, wrapped_key=key)
        yield (
            Portal(
                Settings("memory", REGION, ""),
                table,
                Kms(table.session, REGION),
                store,
                ShownPages(store),
                AwsClients(table.session, REGION),
                clock=clock,
                sleep=lambda _: None,
            ),
            clock,
            weather,
        )


def streamed(portal: Portal, *receipts: Receipt) -> None:
    """Let the stream's function do what follows these decisions."""
    event = {"Records": [left(each) for each in receipts]}
    with under_policy_of(portal, "after_receipt"):
        after_decision.handle(portal.table, event, OwnKey(), in_time)


def anna_says(portal: Portal, answer: str, *questions: str, at: str = NOON) -> Receipt:
    """Let Anna answer, and let the stream tell of it."""
    said = dict.fromkeys(questions or (EMAIL_NEWS,), answer)
    receipt = decisions.record(portal, a_decision(said, at), signed(ANNA))
    streamed(portal, receipt)
    return receipt


def deliveries(portal: Portal, clinic: str = RIGA) -> list[KeptDelivery]:
    """Give all deliveries of a clinic, the oldest first."""
    return list(webhook_deliveries.deliveries_after(portal.table, clinic, ""))


def open_ones(portal: Portal, clinic: str = RIGA) -> list[str]:
    """Give the ids of what nobody acknowledged."""
    return [number for number, _ in webhook_deliveries.unacknowledged(portal.table, clinic, "")]


def queued(portal: Portal, clinic: str = RIGA, name: str = "tool") -> int:
    """Tell how many places a recipient's queue has."""
    return len(list(webhook_deliveries.due_now(portal.table, clinic, name, "9999")))


def test_a_withdrawal_reaches_the_program_signed_and_says_nothing_of_the_person(
    portal: Portal, clock: Clock
) -> None:
    """The mailing tool stops at once, and nobody on the way learns an address."""
    a_recipient(portal)
    program = Program()
    anna_says(portal, "yes")
    receipt = anna_says(portal, "withdraw", at="2026-11-22T13:00:00.000Z")
    assert rounds(portal, program, clock).received == 2
    assert program.types == ["consent.granted", "consent.withdrawn"]
    assert program.urls == [URL, URL]
    assert program.bodies[1] == {
        "type": "consent.withdrawn",
        "timestamp": receipt.document["recorded_at"],
        "data": {
            "receipt_id": receipt.id,
            "version": 2,
            "subject": receipt.document["subject"],
            "questions": [EMAIL_NEWS],
        },
    }
    assert "ozola" not in str(program.bodies) + str(program.headers)
    assert rounds(portal, program, clock, timedelta(days=2)).received == 0
    assert queued(portal) == 0
    assert len(open_ones(portal)) == 2  # taken, and not yet done


def test_who_hears_of_other_questions_or_of_another_clinic_hears_nothing(
    portal: Portal, clock: Clock
) -> None:
    """A recipient is told what it was allowed, and no more."""
    a_recipient(portal, SMS_NEWS)
    a_recipient(portal, EMAIL_NEWS, clinic=TBILISI, name="theirs")
    a_recipient(portal, EMAIL_NEWS, name="stops", events=(EventType.WITHDRAWN,))
    anna_says(portal, "yes")
    program = Program()
    rounds(portal, program, clock)
    assert program.calls == 0
    assert deliveries(portal, TBILISI) == []


def test_a_receipts_id_is_told_only_to_who_hears_of_every_answer_in_it(
    portal: Portal, clock: Clock
) -> None:
    """With the id its page opens, which shows the other answers too."""
    a_recipient(portal, EMAIL_NEWS)
    a_recipient(portal, EMAIL_NEWS, SMS_NEWS, name="both")
    receipt = anna_says(portal, "yes", EMAIL_NEWS, SMS_NEWS)
    program = Program()
    rounds(portal, program, clock)
    told = {body["data"]["receipt_id"] for body in program.bodies}
    assert told == {None, receipt.id}
    assert {body["data"]["version"] for body in program.bodies} == {1}


def test_the_stream_sends_at_once_what_it_put_into_a_queue(portal: Portal, clock: Clock) -> None:
    """A withdrawal is not five minutes late."""
    a_recipient(portal)
    anna_says(portal, "yes")
    [kept] = deliveries(portal)
    key = webhook_deliveries.queued_place(kept.delivery).key
    record = {
        "eventName": "INSERT",
        "dynamodb": {"Keys": {"pk": {"S": key.pk}, "sk": {"S": key.sk}}},
    }
    program = Program()
    with under_policy_of(portal, "send_webhooks"):
        webhooks.handle(sending(portal, program, clock), {"Records": [record, record]})
    assert program.calls == 1


def test_a_receipt_stays_unsigned_until_its_deliveries_are_written(
    portal: Portal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost between a receipt and its deliveries: what is signed was told."""
    a_recipient(portal)
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, NOON), signed(ANNA))
    other = decisions.record(
        portal, a_decision({EMAIL_NEWS: "yes"}, clinic=TBILISI), signed(GIORGI)
    )

    def away(*_: Any) -> int:
        raise UnavailableError("the table is away")

    with monkeypatch.context() as patched:
        patched.setattr(webhook_deliveries, "write_new", away)
        event = {"Records": [left(receipt), left(other)]}
        again = after_decision.handle(portal.table, event, OwnKey(), in_time)
    assert len(again["batchItemFailures"]) == 1
    assert portal.receipts.issued(RIGA, receipt.id)[1] is None
    assert portal.receipts.issued(TBILISI, other.id)[1] is not None
    with under_policy_of(portal, "catch_up"):
        catch_up.sign_waiting(portal.table, OwnKey(), in_time)
    assert list(outbox.unsigned_items(portal.table)) == []
    program = Program()
    rounds(portal, program, clock)
    assert program.types == ["consent.granted"]


def test_the_streams_repetitions_write_nothing_twice(portal: Portal, clock: Clock) -> None:
    """The same receipt again is the same delivery, also after it was taken and acknowledged."""
    a_recipient(portal)
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, NOON), signed(ANNA))
    event = {"Records": [left(receipt)]}
    for _ in range(3):  # without a signer the item stays, and each round comes to it again
        after_decision.handle(portal.table, event, None, in_time)
        program = Program()
        rounds(portal, program, clock)
    assert len(deliveries(portal)) == 1
    assert deliveries(portal)[0].delivery.tries == 1


def test_what_fails_is_tried_ten_times_in_75_hours_under_one_id(
    portal: Portal, clock: Clock
) -> None:
    """A program that is down over a weekend hears of it all."""
    a_recipient(portal)
    anna_says(portal, "yes")
    program = Program(lambda call: OK if call == 10 else DOWN)
    begun = moment(clock.at)
    while program.calls < 10:
        rounds(portal, program, clock, timedelta(minutes=5))
    lasted = moment(clock.at) - begun
    assert timedelta(hours=75) <= lasted <= timedelta(hours=84)
    assert len({sent["webhook-id"] for sent in program.headers}) == 1
    assert len({sent["webhook-timestamp"] for sent in program.headers}) == 10
    kept = recipients.find(portal.table, RIGA, "tool")
    assert (kept.health.failures, kept.health.disabled_since) == (0, "")
    [told] = deliveries(portal)
    assert (told.delivery.tries, told.delivery.last_status, told.delivery.due) == (10, 200, "")


def test_after_ten_failures_the_recipient_is_disabled_and_keeps_what_it_was_not_told(
    portal: Portal, clock: Clock
) -> None:
    """A withdrawal is never dropped: it waits, unacknowledged, and goes out when the clinic says
    so.
    """
    a_recipient(portal)
    anna_says(portal, "yes")
    program = Program(lambda _: DOWN)
    while not recipients.find(portal.table, RIGA, "tool").health.disabled_since:
        rounds(portal, program, clock, timedelta(minutes=30))
    assert program.calls == 10
    health = recipients.find(portal.table, RIGA, "tool").health
    assert health.disabled_because == DisabledReason.FAILING
    anna_says(portal, "withdraw", at="2026-11-22T13:00:00.000Z")
    rounds(portal, program, clock, timedelta(days=30))
    assert program.calls == 10
    assert len(open_ones(portal)) == queued(portal) == 2
    a_recipient(portal)  # the clinic puts it again
    working = Program()
    rounds(portal, working, clock)
    assert sorted(working.types) == ["consent.granted", "consent.withdrawn"]


def test_a_recipient_that_answers_gone_is_disabled_at_once(portal: Portal, clock: Clock) -> None:
    """410 is a word of its own (Standard Webhooks)."""
    a_recipient(portal)
    anna_says(portal, "yes")
    program = Program(lambda _: TryResult(410))
    rounds(portal, program, clock)
    rounds(portal, program, clock, timedelta(days=1))
    assert program.calls == 1
    health = recipients.find(portal.table, RIGA, "tool").health
    assert health.disabled_because == DisabledReason.GONE
    assert len(open_ones(portal)) == 1


def test_who_asks_for_time_gets_it_and_no_more_than_a_day(portal: Portal, clock: Clock) -> None:
    """Retry-After keeps every delivery to that recipient back, and no other's."""
    a_recipient(portal)
    a_recipient(portal, name="other", url="https://other.example.org/")
    anna_says(portal, "yes")
    busy = Program(lambda call: TryResult(429, retry_after=timedelta(days=9)) if call == 1 else OK)

    class ByUrl:
        def post(self, url: str, content: str, headers: Any) -> TryResult:
            return busy.post(url, content, headers) if url == URL else OK

    def round_(after: timedelta) -> None:
        clock.at = instant(moment(clock.at) + after)
        work = dataclasses.replace(sending(portal, busy, clock), transport=ByUrl())
        work.send_due()

    round_(timedelta())
    anna_says(portal, "withdraw", at="2026-11-22T13:00:00.000Z")
    round_(timedelta(hours=23))
    assert busy.calls == 1
    round_(timedelta(hours=2))
    assert busy.calls == 3
    assert recipients.find(portal.table, RIGA, "other").health.failures == 0


def test_a_recipient_that_is_down_costs_a_round_three_tries(portal: Portal, clock: Clock) -> None:
    """However much waits for it: others are called meanwhile."""
    a_recipient(portal)
    for number in range(20):
        event = Event(EventType.TEST, f"2026-11-22T12:00:{number:02d}.000Z", str(number))
        kept = recipients.find(portal.table, RIGA, "tool").webhook
        webhook_deliveries.write_new(portal.table, [new_delivery(kept, event)])
    program = Program(lambda _: DOWN)
    report = rounds(portal, program, clock)
    assert PATIENCE <= report.failed <= PATIENCE + webhooks.AT_ONCE_EACH
    assert queued(portal) == 20


def test_one_round_sends_all_that_is_due() -> None:
    """Whatever is read ahead is sent too."""
    with in_memory() as (portal, clock, _):
        recipient = a_recipient(portal).webhook
        deliveries_ = [
            new_delivery(recipient, Event(EventType.TEST, NOON, str(number)))
            for number in range(2 * webhooks.READ_AHEAD + 1)
        ]
        webhook_deliveries.write_new(portal.table, deliveries_)
        program = Program()
        sending(portal, program, clock).send_due()
        assert len(program.taken) == len(deliveries_)


def test_a_second_secret_signs_for_a_day(portal: Portal, clock: Clock) -> None:
    """A program changes its secret without missing a call."""
    kept = a_recipient(portal)
    newer = "whsec_" + "QUJD" * 8
    until = instant(moment(clock.at) + timedelta(hours=24))
    rotated = dataclasses.replace(kept.webhook, old_secret_until=until)
    key = portal.clinics.key(RIGA)
    line = audit.line(RIGA, "key_0", "webhooks/rotate", clock.at, [])
    recipients.keep(
        portal.table, key, rotated, [newer, SECRET], was=kept, now=clock.at, audited=line
    )
    secrets = recipients.find(portal.table, RIGA, "tool").secrets(key, clock.at)
    assert secrets == [newer, SECRET]
    program = Program()
    anna_says(portal, "yes")
    rounds(portal, program, clock)
    anna_says(portal, "withdraw", at="2026-11-22T13:00:00.000Z")
    rounds(portal, program, clock, timedelta(hours=25))
    during, later = (sent["webhook-signature"].split() for sent in program.headers)
    assert (len(during), len(later)) == (2, 1)


def test_a_recipient_that_was_taken_away_is_called_no_more(portal: Portal, clock: Clock) -> None:
    """Nor is another of the same name told what was for the one before."""
    kept = a_recipient(portal)
    anna_says(portal, "yes")
    line = audit.line(RIGA, "key_0", "webhooks/delete", clock.at, [])
    recipients.take_away(portal.table, kept, line)
    program = Program()
    rounds(portal, program, clock)
    assert (program.calls, queued(portal)) == (0, 0)
    assert len(open_ones(portal)) == 1


@pytest.mark.parametrize("dies_at", range(6))
@pytest.mark.parametrize("dies_after", [False, True])
def test_wherever_the_process_dies_the_delivery_goes_out(*, dies_at: int, dies_after: bool) -> None:
    """Between receipt, delivery, try and note: it is sent, and twice only where the note of its
    receipt could not be written.
    """
    with in_memory() as (portal, clock, weather):
        a_recipient(portal)
        receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, NOON), signed(ANNA))
        program = Program()
        forecast = Forecast(dies_at=dies_at, dies_after=dies_after)
        with suppress(ProcessDied), weather.during(forecast, Random(1)):  # noqa: S311 - the same each time
            event = {"Records": [left(receipt)]}
            after_decision.handle(portal.table, event, OwnKey(), in_time)
            sending(portal, program, clock).send_due()
        catch_up.sign_waiting(portal.table, OwnKey(), in_time)
        for _ in range(3):
            clock.at = instant(moment(clock.at) + timedelta(hours=1))
            sending(portal, program, clock).send_due()
        assert list(outbox.unsigned_items(portal.table)) == []
        [(number, times)] = program.taken.items()
        assert number == deliveries(portal)[0].delivery.id
        assert times <= 2
        assert queued(portal) == 0


def test_ten_thousand_events_at_a_program_that_fails_every_third_time() -> None:
    """None is lost, none is taken twice under the same id, and their order can be told by their
    versions.
    """
    people, versions = 100, 100
    with in_memory() as (portal, clock, _):
        recipient = a_recipient(portal).webhook
        events = []
        for version in range(1, versions + 1):
            at = instant(moment(NOON) + timedelta(seconds=version))
            for person in range(people):
                kind = EventType.GRANTED if version % 2 else EventType.WITHDRAWN
                name = f"{person:032x}"
                events.append(
                    Event(kind, at, f"{name}-{version}", name, "", version, (EMAIL_NEWS,))
                )
        for start in range(0, len(events), 100):
            page = [new_delivery(recipient, event) for event in events[start : start + 100]]
            webhook_deliveries.write_new(portal.table, page)
        program = Program(lambda call: DOWN if call % 3 == 0 else OK)
        began = clock.at
        busy = False
        while queued(portal):
            # Rounds come every five minutes; those in which nothing is due are left out here.
            clock.at = instant(moment(clock.at) + timedelta(minutes=5 if busy else 60))
            report = sending(portal, program, clock).send_due()
            busy = report.received + report.failed > 0
        assert len(program.taken) == people * versions
        assert set(program.taken.values()) == {1}
        assert moment(clock.at) - moment(began) < timedelta(hours=75)
        told: dict[str, set[int]] = {}
        for body in program.bodies:
            told.setdefault(body["data"]["subject"], set()).add(body["data"]["version"])
        assert all(seen == set(range(1, versions + 1)) for seen in told.values())
        assert Counter(each.delivery.received_at != "" for each in deliveries(portal)) == {
            True: people * versions
        }


def test_the_payload_verifies_with_the_receivers_library(portal: Portal, clock: Clock) -> None:
    """Whoever has a library of Standard Webhooks needs nothing of ours."""
    a_recipient(portal)
    anna_says(portal, "yes")
    clock.at = instant(datetime.now(UTC))  # the library compares with the machine's clock
    program = Program()
    rounds(portal, program, clock)
    [sent], [body] = program.headers, program.bodies
    content = json.dumps(body, separators=(",", ":"))
    assert Verifier(SECRET).verify(content, dict(sent)) == body


def test_a_recipient_that_its_clinic_mended_during_a_round_stays_enabled(
    portal: Portal, clock: Clock
) -> None:
    """What its old address answered says nothing of the new one."""
    a_recipient(portal)
    anna_says(portal, "yes")

    def mended_meanwhile(_: int) -> TryResult:
        a_recipient(portal, url="https://mended.example.org/")
        return TryResult(410)

    sending(portal, Program(mended_meanwhile), clock).send_due()
    assert recipients.find(portal.table, RIGA, "tool").health.disabled_since == ""
    working = Program()
    rounds(portal, working, clock, timedelta(days=2))
    assert working.urls == ["https://mended.example.org/"]


def test_a_recipient_is_disabled_before_its_delivery_begins_to_count_anew(
    portal: Portal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies in between does not grant a dead program ten tries more."""
    a_recipient(portal)
    anna_says(portal, "yes")

    def dies(*_: Any, **__: Any) -> None:
        raise ProcessDied

    with monkeypatch.context() as patched, suppress(ProcessDied):
        patched.setattr(webhook_deliveries, "note_failed", dies)
        rounds(portal, Program(lambda _: TryResult(410)), clock)
    health = recipients.find(portal.table, RIGA, "tool").health
    assert health.disabled_because == DisabledReason.GONE


def test_what_waited_beside_gets_ten_tries_too_when_the_recipient_is_enabled(
    portal: Portal, clock: Clock
) -> None:
    """The first failure after an outage does not disable a program that was mended."""
    recipient = a_recipient(portal).webhook
    anna_says(portal, "yes")
    program = Program(lambda _: DOWN)
    rounds(portal, program, clock, timedelta(minutes=10))
    later = new_delivery(recipient, Event(EventType.TEST, clock.at, "later"))
    webhook_deliveries.write_new(portal.table, [later])
    while not recipients.find(portal.table, RIGA, "tool").health.disabled_since:
        rounds(portal, program, clock, timedelta(minutes=30))
    assert max(kept.delivery.failed for kept in deliveries(portal)) == 9
    a_recipient(portal, now=clock.at)
    rounds(portal, program, clock, timedelta(days=2))
    assert [kept.delivery.failed for kept in deliveries(portal)] == [1, 1]
    assert recipients.find(portal.table, RIGA, "tool").health.disabled_since == ""


def test_acknowledged_again_a_delivery_that_stayed_listed_is_listed_no_more(
    portal: Portal, clock: Clock
) -> None:
    """A process that died between record and mark leaves nothing that cannot be healed."""
    a_recipient(portal)
    anna_says(portal, "yes")
    [kept] = deliveries(portal)
    line = audit.line(RIGA, "key_0", "deliveries/acknowledge", clock.at, [])
    webhook_deliveries.acknowledge(portal.table, kept, "key_0", clock.at, line)
    mark = unacknowledged_key(RIGA, kept.delivery.id)
    portal.table.put(Put(mark, {"body": "tool"}))  # as if it had not come so far
    [kept] = deliveries(portal)
    again = audit.line(RIGA, "key_1", "deliveries/acknowledge", clock.at, [])
    done = webhook_deliveries.acknowledge(portal.table, kept, "key_1", clock.at, again)
    assert done.acknowledged_by == "key_0"
    assert open_ones(portal) == []


def test_only_where_none_was_ever_named_no_recipient_is_looked_for(portal: Portal) -> None:
    """A decision at most clinics costs a trip less, and one of before is asked all the same."""
    place = clinic_key(RIGA)
    head = portal.table.get([place])[place]
    assert recipients.never_named(head)
    assert not recipients.never_named(None)
    a_recipient(portal)
    assert not recipients.never_named(portal.table.get([place])[place])
    portal.table.put(Put(place, {"body": head.body, "blob": head.blob}))
    assert not recipients.never_named(portal.table.get([place])[place])
