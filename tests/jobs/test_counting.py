from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.receipts import Receipt
from chalicelib.jobs import after_decision
from chalicelib.jobs.counting import count_feeds
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.subject_rights import erase
from chalicelib.store import changes, erasures
from chalicelib.store.keys.audit import audit_key
from chalicelib.store.keys.clinics import notice_key
from chalicelib.store.keys.counts import FEED_SHARDS, feed_counted_key
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import person_key
from chalicelib.store.keys.receipts import receipt_id_key, receipt_key, signature_key
from chalicelib.store.statistics import counts
from tests.cast import ANNA, GIORGI, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, NOON, SMS_NEWS, a_decision
from tests.messages.outgoing import left
from tests.policies import under_policy_of
from tests.store.people import count_unsigned, signed

DAY = "2026-11-22"


def changed_receipt(receipt: Receipt, event: str = "MODIFY") -> dict[str, Any]:
    """Give the record the table's stream sends where a receipt itself was changed."""
    key = receipt_key(RIGA, receipt.document["subject"], receipt.document["version"])
    keys = {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
    image = {**keys, "body": {"S": receipt.canonical.decode()}}
    return {"eventName": event, "dynamodb": {"Keys": keys, "NewImage": image}}


def test_each_decision_is_counted_by_purpose_state_and_source(portal: Portal) -> None:
    """The clinic sees what its posters bring."""
    for contact, source in ((ANNA, "reception"), (GIORGI, None)):
        receipt = decisions.record(
            portal, a_decision({EMAIL_NEWS: "yes", SMS_NEWS: "no"}, source=source), signed(contact)
        )
        assert count_unsigned(portal.table, receipt)
        assert not count_unsigned(portal.table, receipt)
    assert counts(portal.table, RIGA, DAY) == {
        "newsletter.email#granted#reception": 1,
        "newsletter.email#granted#-": 1,
        "newsletter.sms#refused#reception": 1,
        "newsletter.sms#refused#-": 1,
    }
    assert counts(portal.table, TBILISI, DAY) == {}
    assert counts(portal.table, RIGA, "2026-11-23") == {}


def test_a_stream_that_repeats_itself_counts_each_receipt_once(portal: Portal) -> None:
    """A number in a report is a number of decisions, whatever DynamoDB resends."""
    first = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    second = decisions.record(portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), signed(ANNA))
    batch = {"Records": [left(first), left(second), left(first)]}
    for event in (batch, {"Records": [left(second)]}, batch):
        with under_policy_of(portal, "after_receipt"):
            after_decision.handle(portal.table, event, None, lambda: False)
    assert counts(portal.table, RIGA, DAY) == {
        "newsletter.email#granted#reception": 1,
        "newsletter.email#withdrawn#reception": 1,
    }


def test_a_round_out_of_time_within_a_clinic_leaves_the_rest_to_the_next(portal: Portal) -> None:
    """A clinic with very much that is new stops no round, and is counted exactly once."""
    numbers = range(12)
    for number in numbers:
        contact = Contact(ContactKind.EMAIL, f"patient{number}@example.org")
        receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(contact))
        assert count_unsigned(portal.table, receipt)
    marks = [feed_counted_key(RIGA, shard) for shard in range(FEED_SHARDS)]
    parts = sum(number > 0 for number in changes.last_numbers(portal.table, RIGA, NOON))
    assert parts > 1
    for counted in range(parts):
        assert len(portal.table.get(marks)) == counted
        count_feeds(portal, lambda before=counted: len(portal.table.get(marks)) > before)
    assert len(portal.table.get(marks)) == parts
    count_feeds(portal, lambda: False)
    assert counts(portal.table, RIGA, DAY) == {"newsletter.email#granted#reception": len(numbers)}


def test_only_new_receipts_are_counted(portal: Portal) -> None:
    """Other items of the table, and their changes, are no decisions."""
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    other = changed_receipt(receipt, "INSERT")
    after_decision.handle(
        portal.table,
        {"Records": [other, left(receipt, "MODIFY"), left(receipt, "REMOVE")]},
        None,
        lambda: False,
    )
    assert counts(portal.table, RIGA, DAY) == {}


def test_a_receipt_that_is_changed_in_the_table_is_told_at_once(
    portal: Portal, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """No policy of AWS can keep whoever may write a receipt from writing it again; an operator
    hears of it.
    """
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    changed = changed_receipt(receipt)
    place = audit_key(RIGA, NOON, "0" * 16)
    line = {"Keys": {"pk": {"S": place.pk}, "sk": {"S": place.sk}}, "NewImage": {}}
    person = person_key(RIGA, receipt.document["subject"])
    allowed = {"Keys": {"pk": {"S": person.pk}, "sk": {"S": person.sk}}, "NewImage": {}}
    records = [changed, *({"eventName": "MODIFY", "dynamodb": each} for each in (line, allowed))]
    after_decision.handle(portal.table, {"Records": records}, None, lambda: False)
    told = [
        record
        for record in caplog.records
        if record.message == "an item that is written once was changed"
    ]
    assert [record.__dict__["item"] for record in told] == ["RECEIPT#0000000001", place.sk]
    assert '"WrittenOnceChanged":[1.0,1.0]' in capsys.readouterr().out
    assert receipt.id not in repr([record.__dict__ for record in told])
    assert counts(portal.table, RIGA, DAY) == {}


def test_a_receipt_that_is_removed_is_told_and_one_whose_proof_is_over_is_not(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    """What the portal forgets on its day is no alarm; a receipt, a text or an audit line somebody
    takes is.
    """
    first = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    second = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(GIORGI))
    giorgi = second.document["subject"]
    assert erase(portal, RIGA, giorgi, "key_1", NOON)
    taken = [
        receipt_key(RIGA, first.document["subject"], 1),
        audit_key(RIGA, NOON, "0" * 16),
        notice_key(RIGA, "1.0"),
    ]
    over = [
        receipt_key(RIGA, giorgi, 1),
        signature_key(RIGA, giorgi, 1),
        receipt_id_key(RIGA, second.id),
    ]
    records = [
        {"eventName": "REMOVE", "dynamodb": {"Keys": _keys(place)}} for place in (*taken, *over)
    ]
    for gone in (False, True):
        caplog.clear()
        if gone:
            erasures.delete_person(portal.table, RIGA, giorgi)
        after_decision.handle(portal.table, {"Records": records}, None, lambda: False)
        told = [
            each
            for each in caplog.records
            if each.message == "an item that is written once was changed"
        ]
        assert [each.__dict__["item"] for each in told] == [place.sk for place in taken]


def _keys(place: Key) -> dict[str, Any]:
    return {"pk": {"S": place.pk}, "sk": {"S": place.sk}}
