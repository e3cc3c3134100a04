"""Round trips to DynamoDB, counted where they leave the client: what keeps a page quick and a
clinic's bill small.
"""

import itertools
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.api_keys import digest
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import END_OF_TIME, Instant, instant, moment
from chalicelib.domain.links import short_code
from chalicelib.domain.rate_limits import RateLimitCheck
from chalicelib.domain.receipts import Receipt
from chalicelib.portal import Portal
from chalicelib.receipts.sd_jwt import disclosed_texts
from chalicelib.services import confirmation, decisions, withdrawals
from chalicelib.store import compact, confirmation_codes, timeline
from chalicelib.store import people as roll
from chalicelib.store.personal_data import kept_disclosures
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA
from tests.factories import EMAIL_NEWS, EVENING, MORNING, NOON, SMS_NEWS, a_decision, on_paper
from tests.store.people import BELLA, only_person, signed


def test_one_look_finds_clinic_people_and_key(portal: Portal, round_trips: list[str]) -> None:
    """A status question about one person is one read, consistent with the last decision."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    round_trips.clear()
    portal.directory.look_up(RIGA, [ANNA, ANNA_PHONE], api_key_digest=digest("cpk_any"))
    assert round_trips == ["BatchGetItem"]


def test_a_decision_costs_one_read_and_one_write_for_new_and_old_patients(
    portal: Portal, round_trips: list[str]
) -> None:
    """The waiting-room form is as quick for who comes back."""
    portal.directory.look_up(RIGA)
    for answer in ("yes", "withdraw"):
        round_trips.clear()
        decisions.record(
            portal, a_decision({EMAIL_NEWS: answer}), signed(ANNA, ANNA_PHONE, name="Anna")
        )
        assert round_trips == ["BatchGetItem", "TransactWriteItems"]


def test_a_decision_on_what_was_just_seen_is_one_write(
    portal: Portal, round_trips: list[str]
) -> None:
    """The API looks once, for the key and the person together."""
    seen = portal.directory.look_up(RIGA, [ANNA])
    round_trips.clear()
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA), seen=seen)
    assert round_trips == ["TransactWriteItems"]


def test_a_withdrawal_costs_the_same_whether_or_not_the_contact_is_known(
    portal: Portal, round_trips: list[str]
) -> None:
    """Nobody can tell from the time it takes who is a patient."""
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}), signed(ANNA_PHONE))
    for contact in (ANNA_PHONE, GIORGI):
        round_trips.clear()
        withdrawals.withdraw(portal, a_decision({SMS_NEWS: "withdraw"}, NOON), signed(contact))
        assert round_trips == ["BatchGetItem", "TransactWriteItems"]


def asked_by_text(portal: Portal) -> Receipt:
    """Let Anna say a Yes by her phone that waits, and keep that a text message asks for it."""
    decision = a_decision({SMS_NEWS: "yes"}, confirm=frozenset({SMS_NEWS}))
    receipt = decisions.record(portal, decision, signed(ANNA_PHONE))
    person, key = only_person(portal, RIGA, ANNA_PHONE), portal.clinics.key(RIGA)
    asked = confirmation_codes.asked_write(key, person, receipt.document, [ANNA_PHONE])
    confirmation_codes.keep_asked(portal.table, asked)
    return receipt


def test_a_limit_on_codes_costs_one_read(portal: Portal, round_trips: list[str]) -> None:
    """The try has to be written anyway; what limits it is read once and written with it."""
    receipt = asked_by_text(portal)
    key, guard = portal.clinics.key(RIGA), RateLimitCheck("code", (), "10.0.0.0/24", 1, NOON)
    round_trips.clear()
    assert confirmation_codes.try_code(portal.limits, key, receipt.id, ANNA_PHONE, guard)
    assert round_trips == ["BatchGetItem", "TransactWriteItems"]


def test_confirming_by_code_reads_its_receipt_once(portal: Portal, round_trips: list[str]) -> None:
    """The receipt in two reads, who may confirm, the try, and who is known under the phone."""
    receipt = asked_by_text(portal)
    code = short_code(portal.clinics.key(RIGA).link_secret(), receipt.id, ANNA_PHONE)
    guard = RateLimitCheck("code", (), "10.0.0.0/24", 1, NOON)
    round_trips.clear()
    found = confirmation.confirmation_by_code(portal, RIGA, receipt.id, code, guard)
    assert found is not None
    assert found.receipt == receipt
    reads = round_trips.count("BatchGetItem")
    assert (reads, len(round_trips)) == (5, 6)


def test_a_status_of_a_hundred_people_is_two_reads(portal: Portal, round_trips: list[str]) -> None:
    """A whole mailing list is checked before it is sent."""
    people = [Contact(ContactKind.EMAIL, f"patient{number}@example.org") for number in range(98)]
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(BELLA))
    round_trips.clear()
    lookup = portal.directory.look_up(
        RIGA, [ANNA, *people, BELLA], api_key_digest=digest("cpk_any")
    )
    assert round_trips == ["BatchGetItem", "BatchGetItem"]
    assert len(lookup.people) == 100
    assert [len(found) for found in lookup.people.values()] == [1, *[0] * 98, 1]


def test_a_receipt_is_two_reads(portal: Portal, round_trips: list[str]) -> None:
    """The receipt page opens quickly."""
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    round_trips.clear()
    portal.receipts.find(RIGA, receipt.id)
    assert round_trips == ["BatchGetItem", "BatchGetItem"]


def test_what_a_receipt_vouches_for_is_one_read_more_and_one_write_with_the_decision(
    portal: Portal, round_trips: list[str]
) -> None:
    """However much staff wrote down of the same person before."""
    portal.directory.look_up(RIGA)
    for at in (MORNING, NOON):
        round_trips.clear()
        receipt = decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, at, at), signed(ANNA))
        assert round_trips == ["BatchGetItem", "TransactWriteItems"]
    round_trips.clear()
    assert disclosed_texts(kept_disclosures(portal.table, portal.clinics.key(RIGA), receipt)) == {
        "form": "F-17"
    }
    assert round_trips == ["BatchGetItem"]


@pytest.mark.parametrize("receipts", [1, 10, 100])
def test_another_time_is_two_reads_more_however_long_the_history(
    portal: Portal, round_trips: list[str], receipts: int
) -> None:
    """Who decided a hundred times is as quick to ask about as who decided once: one page tells the
    receipt that holds the answer, and most people need no page.
    """
    for number in range(receipts):
        decision = on_paper({EMAIL_NEWS: ("yes", "no")[number % 2]}, _minute(number), EVENING)
        decisions.record(portal, decision, signed(ANNA))
    people = portal.directory.look_up(RIGA, [ANNA]).known()
    sizes: list[int] = []

    def weigh(parsed: dict[str, Any], **_: Any) -> None:
        sizes.append(len(json.dumps(parsed["Responses"], default=bytes.hex)))

    portal.table.client.meta.events.register("after-call.dynamodb.BatchGetItem", weigh)
    for at in {0, receipts // 2, receipts - 1}:
        round_trips.clear()
        told = portal.receipts.answers_as_of(RIGA, people, _minute(at), END_OF_TIME)
        last = told[people[0].id][EMAIL_NEWS].last
        assert last is not None
        assert (last.effective_at, last.version) == (_minute(at), at + 1)
        assert len(round_trips) <= (1 if receipts <= timeline.HELD else 2)
    portal.table.client.meta.events.unregister("after-call.dynamodb.BatchGetItem", weigh)
    assert max(sizes, default=0) < 5000


def test_a_flood_of_receipts_makes_nobodys_entry_grow_and_forgets_nothing(
    portal: Portal, round_trips: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops things by Anna's address all day long must not make her too long to be written
    (DynamoDB: 400 KB).

    What was true on any day, as known on any other, is told as by hearing every receipt again; late
    papers included.
    """
    monkeypatch.setattr(timeline, "RECEIPTS", 2)
    monkeypatch.setattr(timeline, "KEPT", 3)
    sizes, receipts = [], []
    for number in range(40):
        late = number % 5 == 4
        at, entered = _minute(number // 3 if late else number), _minute(number)
        answer = {EMAIL_NEWS: ("yes", "no", "withdraw")[number % 3]}
        receipts.append(decisions.record(portal, on_paper(answer, at, entered), signed(ANNA)))
        person = portal.directory.look_up(RIGA, [ANNA]).known()[0]
        sizes.append(len(compact.unpack(roll.dump_person(person))))
    assert max(sizes[30:]) <= max(sizes[8:12]) + 10
    [anna] = portal.directory.look_up(RIGA, [ANNA]).known()
    documents = [receipt.document for receipt in receipts]
    for at, known in itertools.product(map(_minute, range(0, 40, 3)), repeat=2):
        round_trips.clear()
        then = portal.receipts.answers_as_of(RIGA, [anna], at, known)[anna.id]
        heard = [each for each in documents if was_true(each, at, known)]
        assert then == timeline.with_answers({}, heard), (at, known)
        assert len(round_trips) <= 7, "twenty pages are halved five times"


def was_true(document: Mapping[str, Any], at: Instant, known_at: Instant) -> bool:
    """Tell whether a receipt was given by a time, and known at another."""
    return bool(document["effective_at"] <= at and document["recorded_at"] <= known_at)


def _minute(number: int) -> str:
    return instant(moment(MORNING) + timedelta(minutes=number))
