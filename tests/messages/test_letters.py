"""Letters that nobody asked for: a queue of their own, in nobody's way."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.message_budgets import Budgets
from chalicelib.jobs import catch_up
from chalicelib.jobs.housekeeping import run_housekeeping
from chalicelib.messages import delivery
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.message_history import explain
from chalicelib.services.subject_rights import erase
from chalicelib.store import message_budgets, outbox
from chalicelib.store.encryption import KeysUnavailableError
from chalicelib.store.keys.key import SHARDS, shards_from
from chalicelib.store.keys.messages import letter_key
from chalicelib.store.outbox import OutboxEntry, OutboxItem
from infra.operator.messages import retry
from tests.cast import ANNA, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, a_decision
from tests.messages.outgoing import BASE, Sorting, decided, in_time
from tests.policies import under_policy_of
from tests.store.people import BELLA, only_person, signed

HALF = "2026-11-25T20:15:00.000Z"
"""When half of the time to confirm is over."""


def people(number: int) -> list[Contact]:
    """Give e-mail addresses, each another."""
    return [Contact(ContactKind.EMAIL, f"patient{each}@example.org") for each in range(number)]


def remind(portal: Portal, post: Sorting, *contacts: Contact) -> None:
    """Let these say Yes, get the message that asks, and leave it: then a letter reminds them."""
    for contact in contacts:
        decision = a_decision({EMAIL_NEWS: "yes"}, confirm=frozenset({EMAIL_NEWS}))
        decisions.record(portal, decision, replace(signed(contact), base=BASE))
    post.round()
    post.empty()
    post.clock.at = HALF
    with under_policy_of(portal, "housekeeping"):
        run_housekeeping(portal, HALF, in_time)


def letters(portal: Portal) -> list[OutboxItem]:
    """Give the letters that wait."""
    return list(outbox.due_items(portal.table, "9999", letter_key))


def many_letters(portal: Portal, number: int) -> None:
    """Let so many letters of a clinic wait, as items that a round would have to read."""
    entry = OutboxEntry("changed", RIGA, "0" * 32, "lv", BASE)
    items = (
        {
            "PutRequest": {
                "Item": {
                    "pk": {"S": letter_key(RIGA, f"{each:032x}"[::-1]).pk},
                    "sk": {"S": letter_key(RIGA, f"{each:032x}"[::-1]).sk},
                    "body": {"S": entry.stored()},
                    "blob": {"B": b"x"},
                }
            }
        }
        for each in range(number)
    )
    while batch := list(itertools.islice(items, 25)):
        portal.table.client.batch_write_item(RequestItems={portal.settings.table: batch})


@pytest.fixture
def queried(portal: Portal) -> Iterator[list[str]]:
    """List the partitions that are read by a query."""
    partitions: list[str] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        partitions.append(params["ExpressionAttributeValues"][":0"]["S"])

    events = portal.table.client.meta.events
    events.register("provide-client-params.dynamodb.Query", note)
    yield partitions
    events.unregister("provide-client-params.dynamodb.Query", note)


def test_a_confirmation_goes_out_before_ten_thousand_letters_and_reads_none_of_them(
    portal: Portal, post: Sorting, queried: list[str]
) -> None:
    """A patient in the waiting room does not wait for the mailing of a changed notice."""
    many_letters(portal, 10_000)
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA, confirm=frozenset({EMAIL_NEWS}))
    queried.clear()
    catch_up.send_waiting(post.delivery, in_time)
    assert len(post.mails()) == 1
    assert sorted(set(queried)) == [f"UNSENT#{shard}" for shard in SHARDS]
    assert len(queried) == len(SHARDS)


def test_a_round_sends_no_more_letters_than_it_may(portal: Portal, post: Sorting) -> None:
    """The rate is the operator's; what is over it waits for the next round."""
    remind(portal, post, *people(5))
    assert len(letters(portal)) == 5
    with under_policy_of(portal, "catch_up"):
        catch_up.send_letters(post.delivery, 2, in_time)
        assert (len(post.office.messages()), len(letters(portal))) == (2, 3)
        catch_up.send_letters(post.delivery, 2, in_time)
        catch_up.send_letters(post.delivery, 2, in_time)
    assert (len(post.office.messages()), letters(portal)) == (5, [])


def test_letters_leave_half_of_a_days_budget_to_patients(portal: Portal, post: Sorting) -> None:
    """A notice that changed for everybody stops nobody's confirmation until the next morning."""
    small = replace(post.delivery, budgets=Budgets(mail_clinic=5))
    remind(portal, post, *people(4))
    small.carry_letters(in_time, 100)
    assert len(post.office.messages()) == 2
    assert {each.entry.due for each in letters(portal)} == {"2026-11-26T06:00:00.000Z"}
    for contact in (ANNA, BELLA):
        decided(portal, {EMAIL_NEWS: "yes"}, contact, at=HALF, confirm=frozenset({EMAIL_NEWS}))
    small.carry_waiting(in_time)
    assert (len(post.mails(ANNA)), len(post.mails(BELLA))) == (1, 1)
    assert message_budgets.used(portal.table, f"email#clinic#{RIGA}", HALF[:10]).used == 4


def test_a_letter_given_up_is_listed_and_goes_back_into_its_queue(
    portal: Portal, post: Sorting
) -> None:
    """An operator finds letters where other messages are found, and sends them again."""
    remind(portal, post, ANNA)
    [letter] = letters(portal)
    receipt = letter.entry.receipt or ""
    assert [each.number for each in outbox.items_of(portal.table, RIGA)] == [letter.number]
    assert [each.kind for each in explain(portal, RIGA, receipt).waiting] == ["reminder"]
    post.office.fail("MessageRejected")
    post.round()
    post.office.mend()
    assert (letters(portal), len(outbox.dead_letters(portal.table, RIGA))) == ([], 1)
    assert retry(portal.table, RIGA) == 1
    assert [each.key for each in letters(portal)] == [letter.key]
    assert outbox.dead_letters(portal.table, RIGA) == []
    assert post.round().sent == 1


def test_a_letter_that_waited_before_there_was_a_queue_of_their_own_is_sent(
    portal: Portal, post: Sorting
) -> None:
    """An update of the portal loses nothing that waits."""
    remind(portal, post, ANNA)
    names = {"TableName": portal.settings.table}
    [letter] = letters(portal)
    place = {"pk": {"S": letter.key.pk}, "sk": {"S": letter.key.sk}}
    item = portal.table.client.get_item(**names, Key=place)["Item"]
    portal.table.client.delete_item(**names, Key=place)
    item["pk"] = {"S": letter.key.pk.replace("UNASKED", "UNSENT")}
    portal.table.client.put_item(**names, Item=item)
    assert (post.round().sent, post.waits()) == (1, 0)


def test_erasing_takes_away_a_letter_that_waits(portal: Portal, post: Sorting) -> None:
    """Nothing is kept ready for somebody who was erased."""
    remind(portal, post, ANNA, BELLA)
    person = only_person(portal, RIGA, ANNA)
    assert erase(portal, RIGA, person.id, "patient", HALF) is not None
    with under_policy_of(portal, "catch_up"):
        catch_up.clear_erased(portal, in_time)
    [left] = letters(portal)
    assert left.entry.subject == only_person(portal, RIGA, BELLA).id


def test_a_round_stops_in_time_among_items_that_are_not_due(portal: Portal, post: Sorting) -> None:
    """Ten thousand messages that wait for the morning keep no round from ending."""
    many_letters(portal, 40)
    for item in letters(portal):
        outbox.postpone(portal.table, item, "2027-01-01T00:00:00.000Z", 0)
    asked = itertools.count(1)
    report = post.delivery.carry_letters(lambda: next(asked) > 10, 100)
    assert (report.sent, report.whole) == (0, False)
    assert next(asked) < 20


def test_each_round_begins_at_another_shard(portal: Portal) -> None:
    """What is last in one round is first in another."""
    firsts = [
        catch_up.first_shard(f"2026-11-23T{9 + n // 12:02}:{n % 12 * 5:02}:00.000Z")
        for n in range(16)
    ]
    assert sorted(shards_from(first)[0] for first in firsts) == sorted(SHARDS)
    assert all(sorted(shards_from(first)) == sorted(SHARDS) for first in firsts)
    assert list(outbox.due_items(portal.table, "9999", first=firsts[0])) == []


def test_a_clinic_with_thousands_of_messages_lets_another_have_its_turn(
    portal: Portal,
) -> None:
    """The second clinic's one message does not wait behind all of the first's."""
    key = letter_key(RIGA, "0")
    busy = [_item(RIGA, str(n), key) for n in range(3 * delivery.AT_ONCE)]
    in_turn = list(delivery._in_turn([*busy, _item(TBILISI, "x", key)]))  # noqa: SLF001 - the order alone
    assert [each.number for each in in_turn].index("x") == delivery.AT_ONCE
    assert len(in_turn) == len(busy) + 1
    assert portal.table


def test_a_clinic_whose_key_cannot_be_had_holds_up_no_other(portal: Portal, post: Sorting) -> None:
    """What KMS refuses for one clinic is that clinic's alone."""
    for number in range(4):
        decided(portal, {EMAIL_NEWS: "yes"}, people(4)[number], clinic=TBILISI)
    for contact in people(2):
        decided(portal, {EMAIL_NEWS: "yes"}, contact)
    clinics = _WithoutKey(portal.clinics, TBILISI)
    report = replace(post.delivery, clinics=clinics).carry_waiting(in_time)
    assert (report.sent, report.whole) == (2, False)
    assert post.round().sent == 4


def test_a_part_of_a_round_that_fails_stops_no_other_and_is_told(portal: Portal) -> None:
    """Where orders cannot be carried on, messages go out; the round still counts as failed."""
    done: list[str] = []

    def fails() -> None:
        raise ValueError("orders")

    with pytest.raises(ValueError, match="orders"):
        catch_up.run_all([fails, lambda: done.append("messages"), lambda: done.append("letters")])
    assert done == ["messages", "letters"]
    assert portal.table


class _WithoutKey:
    """Clinics of which one has a key that cannot be unwrapped now."""

    def __init__(self, clinics: Any, clinic: str) -> None:
        self._clinics, self._clinic = clinics, clinic

    def key(self, clinic: str) -> Any:
        if clinic == self._clinic:
            raise KeysUnavailableError
        return self._clinics.key(clinic)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clinics, name)


def _item(clinic: str, number: str, key: Any) -> OutboxItem:
    entry = OutboxEntry("changed", clinic, "0" * 32, "lv", BASE)
    return OutboxItem(number, entry, json.dumps({}), b"", key)
