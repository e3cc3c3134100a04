"""The feed of changes: every receipt once, in order for each person, numbered without a gap."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.receipts import Receipt
from chalicelib.jobs import after_decision, catch_up, signing
from chalicelib.jobs.counting import count_feeds
from chalicelib.portal import Portal
from chalicelib.receipts import jws
from chalicelib.services import decisions, withdrawals
from chalicelib.services.subject_rights import erase
from chalicelib.store import changes, outbox
from chalicelib.store.changes import FeedItem, SubjectEvent, complete_until, read_part
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.keys.counts import FEED_SHARDS, feed_key, feed_shard
from chalicelib.store.keys.receipts import receipt_key
from chalicelib.store.keys.webhooks import webhook_key
from chalicelib.store.statistics import counts
from chalicelib.store.withdrawal_orders import MANY
from chalicelib.store.writes import AddCounts
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, MORNING, NOON, SMS_NEWS, a_decision, on_paper
from tests.keys import OwnKey
from tests.messages.outgoing import left
from tests.policies import under_policy_of
from tests.store.people import meddle, signed

DAY = "2026-11-22"


def in_time() -> bool:
    """Tell that there is time enough."""
    return False


def somebody(number: int) -> Contact:
    """Give a contact nobody has used."""
    return Contact(ContactKind.EMAIL, f"patient{number}@example.org")


def decide(portal: Portal, contact: Contact, answer: str = "yes") -> Receipt:
    """Record an answer."""
    return decisions.record(portal, a_decision({EMAIL_NEWS: answer}, NOON), signed(contact))


def sign(portal: Portal, *receipts: Receipt, signer: OwnKey | None = None) -> None:
    """Let the stream's function do what follows these receipts."""
    records = [left(receipt) for receipt in receipts]
    with under_policy_of(portal, "after_receipt"):
        after_decision.handle(portal.table, {"Records": records}, signer or OwnKey(), in_time)


def feed(portal: Portal, clinic: str = RIGA) -> list[FeedItem]:
    """Give everything in a clinic's feed; each part is numbered without a gap."""
    found: list[FeedItem] = []
    for shard in range(FEED_SHARDS):
        items = list(read_part(portal.table, clinic, shard, 0))
        assert [item.number for item in items] == list(range(1, len(items) + 1))
        found += items
    return found


def told(items: Sequence[FeedItem], subject: str) -> list[int]:
    """Give the versions of a person's receipts as the feed tells them."""
    return [
        receipt.version for item in items for receipt in item.receipts if receipt.subject == subject
    ]


def test_a_receipt_brings_those_before_it(portal: Portal) -> None:
    """The stream may come to a person's second decision first; the feed tells them in order."""
    first, second, third = (decide(portal, ANNA, answer) for answer in ("yes", "no", "yes"))
    subject = first.document["subject"]
    sign(portal, second)
    assert told(feed(portal), subject) == [1, 2]
    sign(portal, third, first)
    sign(portal, second)
    assert told(feed(portal), subject) == [1, 2, 3]
    assert sum(counts(portal.table, RIGA, DAY).values()) == 3


def test_without_a_signer_they_come_in_order_too(portal: Portal) -> None:
    """Where nothing signs, the mark of a receipt that is counted says that it is in the feed."""
    receipts = [decide(portal, ANNA, answer) for answer in ("yes", "no", "yes", "no")]
    for order in ([receipts[2]], [receipts[3], receipts[0]], receipts):
        records = [left(receipt) for receipt in order]
        with under_policy_of(portal, "after_receipt"):
            after_decision.handle(portal.table, {"Records": records}, None, in_time)
    assert told(feed(portal), receipts[0].document["subject"]) == [1, 2, 3, 4]


def test_a_damaged_receipt_holds_up_none_behind_it(portal: Portal) -> None:
    """What nobody can read is told to operators, and to no program."""
    first, second = decide(portal, ANNA), decide(portal, ANNA, "no")
    subject = first.document["subject"]
    meddle(portal, receipt_key(RIGA, subject, 1), "{")
    sign(portal, second)
    assert told(feed(portal), subject) == [2]


def test_two_who_sign_at_once_append_everything_once(portal: Portal) -> None:
    """Many functions of the stream meet in one feed; nothing is lost, doubled or out of order."""
    receipts = [
        decide(portal, somebody(number % 8), "yes" if number < 8 else "no") for number in range(24)
    ]
    by_turns = [receipts[::2], receipts[1::2], receipts[::-1]]
    start = threading.Barrier(len(by_turns))

    def work(mine: Sequence[Receipt]) -> None:
        wanted = {receipt.id for receipt in mine}
        items = [each for each in outbox.unsigned_items(portal.table) if each.number in wanted]
        signer = OwnKey()
        start.wait()
        for item in items:
            signing.ReceiptSigning(portal.table, signer, in_time).sign_items([item])

    with ThreadPoolExecutor(len(by_turns)) as threads:
        list(threads.map(work, by_turns))
    list(signing.sign_waiting(portal.table, OwnKey(), in_time))
    items = feed(portal)
    for number in range(8):
        subject = receipts[number].document["subject"]
        assert told(items, subject) == [1, 2, 3]
    assert sum(counts(portal.table, RIGA, DAY).values()) == 24
    count_feeds(portal, in_time)
    assert sum(counts(portal.table, RIGA, DAY).values()) == 24


def test_more_than_a_batch_of_one_person_comes_in_order(portal: Portal) -> None:
    """A key service that was away for a day leaves many receipts of one person."""
    receipts = [decide(portal, ANNA, "no" if number % 2 else "yes") for number in range(60)]
    sign(portal, receipts[-1])
    assert told(feed(portal), receipts[0].document["subject"]) == list(range(1, 61))


def test_those_behind_one_that_cannot_be_signed_now_wait_for_it(portal: Portal) -> None:
    """A service that fails for a moment does not change the order."""
    first, second = decide(portal, ANNA), decide(portal, ANNA, "no")
    other = decide(portal, GIORGI)
    signer = OwnKey()
    signer.refused = jws.signing_input(jws.header(signer.key.jwk), first.canonical)
    sign(portal, first, second, other, signer=signer)
    items = feed(portal)
    assert told(items, first.document["subject"]) == []
    assert told(items, other.document["subject"]) == [1]
    sign(portal, second)
    assert told(feed(portal), first.document["subject"]) == [1, 2]


def test_an_erasure_is_in_the_feed_with_itself(portal: Portal) -> None:
    """Whoever is erased is told once, in the transaction that erases them."""
    receipt = decide(portal, ANNA)
    sign(portal, receipt)
    subject = receipt.document["subject"]
    for _ in range(2):
        erase(portal, RIGA, subject, "key_1", NOON)
    [event] = [item for item in feed(portal) if item.event]
    assert (event.event, event.subject, event.shard) == (
        SubjectEvent.ERASED,
        subject,
        feed_shard(subject),
    )
    assert feed(portal, TBILISI) == []


def test_until_when_the_feed_is_complete_is_told_by_the_last_round(portal: Portal) -> None:
    """A program relies on it: what was recorded until then is there."""
    assert complete_until(portal.table, RIGA) is None
    first = decide(portal, ANNA)
    begun = instant(moment(NOON) + timedelta(hours=1))
    with under_policy_of(portal, "catch_up"):
        catch_up.sign_waiting(portal.table, OwnKey(), in_time, 0, begun)
    until = instant(moment(begun) - changes.ROUND_MARGIN)
    assert complete_until(portal.table, RIGA) == until
    assert told(feed(portal), first.document["subject"]) == [1]
    signer = OwnKey()
    second = decide(portal, ANNA, "no")
    signer.refused = jws.signing_input(jws.header(signer.key.jwk), second.canonical)
    later = instant(moment(begun) + timedelta(minutes=5))
    catch_up.sign_waiting(portal.table, signer, in_time, 0, later)
    assert complete_until(portal.table, RIGA) == until, "one was left"
    assert complete_until(portal.table, TBILISI) == instant(moment(later) - changes.ROUND_MARGIN)
    catch_up.sign_waiting(portal.table, OwnKey(), lambda: True, 0, later)
    assert complete_until(portal.table, RIGA) == until, "a round that did not come to the end"
    catch_up.sign_waiting(portal.table, OwnKey(), in_time, 0, later)
    assert complete_until(portal.table, RIGA) == instant(moment(later) - changes.ROUND_MARGIN)


def test_what_recipients_could_not_be_told_is_not_said_to_be_complete(portal: Portal) -> None:
    """A receipt waits unsigned for its deliveries: it is not in the feed."""
    decide(portal, ANNA)
    portal.table.write([AddCounts(clinic_key(RIGA), {"number": 1})])  # as whoever names one does
    meddle(portal, webhook_key(RIGA, "tool"), "{")
    with under_policy_of(portal, "catch_up"):
        catch_up.sign_waiting(portal.table, OwnKey(), in_time, 0, NOON)
    assert feed(portal) == []
    assert complete_until(portal.table, RIGA) is None
    assert complete_until(portal.table, TBILISI) == instant(moment(NOON) - changes.ROUND_MARGIN)


def test_while_an_order_is_open_its_clinics_feed_is_not_complete(portal: Portal) -> None:
    """Each of very many gets a receipt as of when they were stopped, in a later round."""
    for number in range(MANY + 1):
        resident = Contact(ContactKind.REFERENCE, f"R-{number}")
        yes = on_paper({SMS_NEWS: "yes"}, MORNING, MORNING)
        decisions.record(portal, yes, signed(resident, ANNA_PHONE))
    withdrawals.withdraw(portal, a_decision({SMS_NEWS: "withdraw"}, NOON), signed(ANNA_PHONE))
    begun = instant(moment(NOON) + timedelta(hours=1))
    until = instant(moment(begun) - changes.ROUND_MARGIN)
    with under_policy_of(portal, "catch_up"):
        catch_up.sign_waiting(portal.table, OwnKey(), in_time, 0, begun)
        assert complete_until(portal.table, RIGA) is None
        assert complete_until(portal.table, TBILISI) == until
        catch_up.carry_orders(portal, in_time)
        catch_up.sign_waiting(portal.table, OwnKey(), in_time, 0, begun)
    assert complete_until(portal.table, RIGA) == until


def test_a_number_is_never_given_again(portal: Portal) -> None:
    """When a year is over and all its items are gone, a cursor leads to no other's change."""
    receipt = decide(portal, ANNA)
    sign(portal, receipt)
    shard = feed_shard(receipt.document["subject"])
    count_feeds(portal, in_time)
    meddle(portal, feed_key(RIGA, shard, 1), None)  # as DynamoDB does when its time is over
    assert changes.last_numbers(portal.table, RIGA, NOON)[shard] == 1
    sign(portal, decide(portal, ANNA, "no"))
    [item] = read_part(portal.table, RIGA, shard, 0)
    assert item.number == 2
    assert sum(counts(portal.table, RIGA, DAY).values()) == 2


def test_a_number_is_not_given_again_while_earlier_items_wait_to_go(portal: Portal) -> None:
    """What is over goes in no order: the last item may be gone before those ahead of it."""
    for answer in ("yes", "no"):
        receipt = decide(portal, ANNA, answer)
        sign(portal, receipt)
    shard = feed_shard(receipt.document["subject"])
    count_feeds(portal, in_time)
    meddle(portal, feed_key(RIGA, shard, 2), None)
    signed_at = datetime.now(UTC)
    over = instant(signed_at + changes.KEPT + timedelta(days=1))
    assert changes.last_numbers(portal.table, RIGA, over)[shard] == 2
    [write] = changes.receipt_writes(portal.table, [receipt], over)
    assert write.key == feed_key(RIGA, shard, 3)
