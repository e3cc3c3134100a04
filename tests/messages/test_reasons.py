"""Whoever got no message: why is logged, counted and kept beside the receipt, and no contact with
it.
"""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib import log as journal
from chalicelib.domain.consent import Assurance, Channel
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.message_outcomes import Reason, why_nothing_is_left
from chalicelib.domain.rate_limits import MESSAGE
from chalicelib.domain.receipts import Receipt
from chalicelib.jobs.housekeeping import run_housekeeping
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.contact_changes import Change, rectify
from chalicelib.services.message_history import WaitingItem, explain
from chalicelib.services.subject_rights import erase
from chalicelib.store import deliveries, erasures, link_requests, outbox
from chalicelib.store.keys.messages import outbox_key
from chalicelib.store.keys.people import confirmed_key, subject_pk
from chalicelib.store.writes import Put
from tests.cast import ANNA, ANNA_PHONE, RIGA
from tests.factories import EMAIL_NEWS, MORNING, NOON, SMS_NEWS, a_decision, on_paper
from tests.messages.outgoing import BASE, Sorting, decided, in_time, taken
from tests.messages.test_bounces import COMPLAINT, bounce
from tests.messages.test_messages import HALF, PHOTO, due_unasked, known_as, reported
from tests.store.people import STRANGER, signed

STAFF = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
WAITS = {"confirm": frozenset({SMS_NEWS})}


@dataclass
class Lines:
    """What was logged of messages, and what was counted."""

    written: list[dict[str, Any]] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)

    def reasons(self, outcome: str = "no_message") -> list[str]:
        """Give the reasons of the lines with an outcome."""
        return [line["reason"] for line in self.written if line.get("outcome") == outcome]


@contextmanager
def logged() -> Iterator[Lines]:
    """Read what is logged and counted meanwhile; that it names no contact is seen to for every
    test.
    """
    handler, text, lines = journal.log().registered_handler, io.StringIO(), Lines()
    journal.metrics().clear_metrics()
    before = handler.setStream(text)  # type: ignore[attr-defined]
    try:
        yield lines
    finally:
        handler.setStream(before)  # type: ignore[attr-defined]
    for contact in (ANNA, ANNA_PHONE, STRANGER):
        assert contact.value not in text.getvalue()
    lines.written += [json.loads(line) for line in text.getvalue().splitlines()]
    for name, metric in journal.metrics().metric_set.items():
        lines.counted[name] = int(sum(metric["Value"]))


def explained(portal: Portal, receipt: Receipt) -> list[tuple[str, str, str, str]]:
    """Give the messages of a receipt as the operator's command reads them: what, to which kind,
    outcome, reason.
    """
    records = explain(portal, RIGA, receipt.id).records
    return [(record.message, record.channel, record.outcome, record.reason) for record in records]


def test_who_was_erased_before_the_message_came(portal: Portal, post: Sorting) -> None:
    """The record stands with the proof, which names nobody, and goes with it."""
    receipt = decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    assert erase(portal, RIGA, receipt.document["subject"], "patient", NOON) is not None
    with logged() as lines:
        post.round()
    assert (lines.reasons(), lines.counted) == (["person_erased"], {"NoMessage": 1})
    assert explained(portal, receipt) == [("", "", "no_message", "person_erased")]
    [line] = lines.written
    assert (line["clinic"], line["subject"], line["version"]) == (
        RIGA,
        receipt.document["subject"],
        1,
    )
    assert receipt.id not in json.dumps(line)
    erasures.delete_person(portal.table, RIGA, receipt.document["subject"])
    assert not list(portal.table.partition(subject_pk(RIGA, receipt.document["subject"]), ""))


def test_of_whom_nothing_is_kept_any_more_nothing_is_written_down(
    portal: Portal, post: Sorting
) -> None:
    """A message that comes after everything was deleted leaves a line in the log, and no trace in
    the table.
    """
    receipt = decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    key = outbox_key(RIGA, receipt.id)
    item = portal.table.get([key])[key]
    erasures.delete_person(portal.table, RIGA, receipt.document["subject"])
    portal.table.put(Put(key, {"body": item.body, "blob": item.blob}))
    with logged() as lines:
        post.round()
    assert (lines.reasons(), lines.counted, post.waits()) == (["person_gone"], {"NoMessage": 1}, 0)
    assert not list(portal.table.partition(subject_pk(RIGA, receipt.document["subject"]), ""))


def test_an_item_whose_receipt_is_not_there(portal: Portal, post: Sorting) -> None:
    """Somebody must look: the portal takes no receipt away."""
    receipt = decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    key = outbox_key(RIGA, receipt.id)
    item = portal.table.get([key])[key]
    body = json.dumps({**json.loads(item.body or ""), "version": 7})
    portal.table.put(Put(key, {"body": body, "blob": item.blob}))
    with logged() as lines:
        post.round()
    assert (lines.reasons(), post.waits()) == (["receipt_gone"], 0)
    assert explained(portal, receipt) == [("", "", "no_message", "receipt_gone")]


def test_contacts_whose_key_is_gone(portal: Portal, post: Sorting) -> None:
    """A damaged person is told from one who was erased."""
    receipt = decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    [anna] = portal.directory.look_up(RIGA, [ANNA]).known()
    known_as(portal, anna, salt="00" * 16)
    with logged() as lines:
        post.round()
    assert (lines.reasons(), post.waits()) == (["contacts_unreadable"], 0)
    assert explained(portal, receipt) == [("", "", "no_message", "contacts_unreadable")]


def test_a_reminder_that_is_not_due_any_more(portal: Portal, post: Sorting) -> None:
    """Whoever answered since is not reminded; the reminder is explained with the receipt that it
    was about.
    """
    due_unasked(portal, post)
    with logged() as lines:
        decided(portal, {EMAIL_NEWS: "withdraw", PHOTO: "withdraw", SMS_NEWS: "no"}, ANNA, at=HALF)
        post.round()
    assert lines.reasons() == ["not_due_any_more"] * 3
    [anna] = portal.directory.look_up(RIGA, [ANNA]).known()
    kept = [explained(portal, receipt) for receipt in portal.receipts.history(RIGA, [anna])]
    unsent = [
        [record[0] for record in records if record[3] == "not_due_any_more"] for records in kept
    ]
    assert [sorted(kinds) for kinds in unsent] == [[], ["reminder"], ["changed", "expiring"], []]


def test_a_withdrawal_of_what_nobody_agreed_to(portal: Portal, post: Sorting) -> None:
    """It may be a stranger's address: no message, and the operator reads why."""
    receipt = decided(portal, {EMAIL_NEWS: "withdraw"}, ANNA)
    with logged() as lines:
        post.round()
    assert (lines.reasons(), lines.counted) == (["nothing_ended"], {"NoMessage": 1})
    assert explained(portal, receipt) == [("", "", "no_message", "nothing_ended")]


def test_a_contact_that_was_only_typed_of_a_person_who_proved_another(
    portal: Portal, post: Sorting
) -> None:
    """Who types Anna's phone beside an e-mail of their own makes nobody hear of it by that
    phone.
    """
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA, ANNA_PHONE, **STAFF)
    [anna] = portal.directory.look_up(RIGA, [ANNA]).known()
    known_as(portal, anna, certain=True, typed=(portal.clinics.key(RIGA).lookup(ANNA_PHONE),))
    post.round()
    given = replace(signed(ANNA_PHONE), person=anna.id)
    receipt = decisions.record(portal, a_decision({PHOTO: "no"}, NOON), given)
    with logged() as lines:
        post.round()
    assert lines.reasons() == ["not_their_own_contact"]
    assert explained(portal, receipt) == [("", "", "no_message", "not_their_own_contact")]


def test_a_patient_who_is_known_by_the_clinics_number_alone(portal: Portal, post: Sorting) -> None:
    """The first form left nothing in the outbox, the second an item that found nobody: both are
    explained.
    """
    number = Contact(ContactKind.REFERENCE, "P-1")
    first = decided(portal, {EMAIL_NEWS: "yes"}, number, **STAFF)
    with logged() as lines:
        second = decided(portal, {EMAIL_NEWS: "no"}, number, at=NOON, **STAFF)
        post.round()
    assert lines.reasons() == ["nobody_known"]
    assert explained(portal, second) == [("", "", "no_message", "nobody_known")]
    assert explained(portal, first) == []
    decided(portal, {PHOTO: "no"}, number, ANNA, at="2026-11-22T13:00:00.000Z", **STAFF)
    assert explain(portal, RIGA, first.id).nothing is Reason.NOBODY_KNOWN, "as it was then"


def test_a_reminder_that_no_contact_can_follow(portal: Portal, post: Sorting) -> None:
    """News by e-mail are confirmed from an e-mail; who gave a phone alone is asked by nobody."""
    act = a_decision({EMAIL_NEWS: "yes"}, confirm=frozenset({EMAIL_NEWS}))
    receipt = decisions.record(portal, act, replace(signed(ANNA_PHONE), base=BASE))
    post.round()
    assert run_housekeeping(portal, HALF, in_time).done["reminded"] == 1
    post.clock.at = HALF
    with logged() as lines:
        post.round()
    assert lines.reasons() == ["no_contact_that_confirms"]
    assert ("reminder", "", "no_message", "no_contact_that_confirms") in explained(portal, receipt)


def test_a_confirmation_whose_time_is_over_or_that_was_given(portal: Portal, post: Sorting) -> None:
    """What waited too long, and what was confirmed by another link, are told apart."""
    other = Contact(ContactKind.PHONE, "+37129999999")
    late = decided(portal, {SMS_NEWS: "yes"}, ANNA_PHONE, **WAITS)
    given = decided(portal, {SMS_NEWS: "yes"}, other, **WAITS)
    decided(portal, {SMS_NEWS: "yes"}, other, at=NOON, assurance=Assurance.CONTACT_CONFIRMED)
    with logged() as lines:
        post.round()
    assert lines.reasons() == ["answered_since"]
    assert explained(portal, given) == [("confirm", "phone", "no_message", "answered_since")]
    assert explained(portal, late) == [("confirm", "phone", "sent", "")]
    waits = decided(portal, {SMS_NEWS: "yes"}, Contact(ContactKind.PHONE, "+37128888888"), **WAITS)
    post.clock.at = "2026-11-29T09:00:00.000Z"
    with logged() as lines:
        post.round()
    assert lines.reasons() == ["time_over"]
    assert explained(portal, waits) == [("confirm", "phone", "no_message", "time_over")]


def test_a_form_that_a_later_one_repeats(portal: Portal, post: Sorting) -> None:
    """Forms sent again and again are one message, and the earlier ones say so."""
    first = decided(portal, {SMS_NEWS: "yes"}, ANNA_PHONE, **WAITS)
    second = decided(portal, {SMS_NEWS: "yes"}, ANNA_PHONE, at=NOON, **WAITS)
    with logged() as lines:
        post.round()
    assert lines.reasons() == ["later_form_asks"]
    assert explained(portal, first) == [("confirm", "phone", "no_message", "later_form_asks")]
    assert explained(portal, second) == [("confirm", "phone", "sent", "")]


def test_a_reminder_of_what_the_contact_confirmed_as_somebody_else(
    portal: Portal, post: Sorting
) -> None:
    """Two people share a phone; one of them confirmed, and the phone is not reminded for the
    other.
    """
    claim = decisions.record(
        portal, a_decision({SMS_NEWS: "yes"}, **WAITS), replace(signed(ANNA_PHONE), base=BASE)
    )
    other = decided(
        portal, {PHOTO: "no"}, Contact(ContactKind.REFERENCE, "P-2"), ANNA_PHONE, **STAFF
    )
    subject, confirmer = claim.document["subject"], other.document["subject"]
    assert subject != confirmer
    portal.table.put(Put(confirmed_key(RIGA, subject, claim.id, confirmer), {"body": "{}"}))
    post.round()
    run_housekeeping(portal, HALF, in_time)
    post.clock.at = HALF
    with logged() as lines:
        post.round()
    assert lines.reasons() == ["confirmed_elsewhere"]
    assert ("reminder", "phone", "no_message", "confirmed_elsewhere") in explained(portal, claim)


def test_a_contact_that_another_item_writes_to(portal: Portal, post: Sorting) -> None:
    """Of a stop for very many people the contact hears once, when it is done; each person's own
    contacts at once.
    """
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA, ANNA_PHONE, **STAFF)
    post.round()
    apart = replace(signed(ANNA_PHONE), base=BASE, informed_by_order=True)
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), apart)
    with logged() as lines:
        post.round()
    assert lines.reasons() == ["another_item"]
    assert sorted(explained(portal, receipt)) == [
        ("withdrawn", "email", "sent", ""),
        ("withdrawn", "phone", "no_message", "another_item"),
    ]


def test_a_phone_that_takes_no_text_messages(portal: Portal, post: Sorting) -> None:
    """A phone from abroad decides like any other; why it got nothing is kept, whatever LOG_LEVEL
    hides.
    """
    receipt = decided(portal, {PHOTO: "no"}, Contact(ContactKind.PHONE, "+447911123456"))
    with logged() as lines:
        post.round()
    assert (lines.reasons("skipped"), lines.counted) == (
        ["no_text_messages"],
        {"MessageSkipped": 1},
    )
    assert explained(portal, receipt) == [("receipt", "phone", "skipped", "no_text_messages")]


def test_a_message_that_is_not_worth_waiting_for(portal: Portal, post: Sorting) -> None:
    """That answers were saved is no news after a day; a contact that has got so many hears no more
    of it.
    """
    old = decided(portal, {SMS_NEWS: "no"}, ANNA_PHONE, at=MORNING)
    post.clock.at = instant(moment(MORNING) + timedelta(hours=25))
    post.stream(
        *[
            decided(portal, {SMS_NEWS: "no"}, ANNA_PHONE, at=post.clock.at)
            for _ in range(MESSAGE.burst)
        ]
    )
    with logged() as lines:
        post.round()
    assert (lines.reasons("skipped"), lines.counted) == (["too_many"], {"MessageSkipped": 1})
    assert explained(portal, old) == [("receipt", "phone", "skipped", "too_many")]


def test_a_contact_that_bounced_or_complained(portal: Portal, post: Sorting) -> None:
    """A mailbox that is gone gets nothing, who complained nothing unasked."""
    due_unasked(portal, post)
    reported(portal, COMPLAINT)
    with logged() as lines:
        post.round()
    assert lines.reasons("skipped") == ["complaint"] * 3
    reported(portal, bounce("Permanent"))
    receipt = decided(portal, {PHOTO: "withdraw"}, ANNA, at=HALF)
    with logged() as lines:
        post.round()
    assert lines.reasons("skipped") == ["bounce"]
    assert explained(portal, receipt) == [("withdrawn", "email", "skipped", "bounce")]


def test_a_bounce_that_may_pass_leaves_a_line(portal: Portal) -> None:
    """The mail went out and did not come: its number at SES leads from the record to the line."""
    with logged() as lines:
        reported(portal, bounce("Transient"))
    [line] = lines.written
    assert (line["message"], line["reason"]) == ("mail report ignored", "passing_bounce")
    assert (line["clinic"], line["message_id"]) == (RIGA, "0102018f-1")


def test_a_link_that_nobody_known_asked_for(portal: Portal, post: Sorting) -> None:
    """A request under an unknown contact leads nowhere, and so do those beyond what one request
    reaches.
    """
    key = portal.clinics.key(RIGA)
    portal.table.put_new(link_requests.link_request(key, [STRANGER], "lv", BASE, NOON))
    with logged() as lines:
        post.round()
    assert (lines.reasons(), lines.counted) == (["nobody_known"], {"NoMessage": 1})
    for number in range(link_requests.MAX_SUBJECTS_PER_REQUEST + 2):
        decided(
            portal, {PHOTO: "no"}, Contact(ContactKind.EMAIL, f"x{number}@example.org"), ANNA_PHONE
        )
    post.round()
    portal.table.put_new(link_requests.link_request(key, [ANNA_PHONE], "lv", BASE, NOON))
    with logged() as lines:
        post.round()
    [line] = [line for line in lines.written if line.get("outcome") == "no_message"]
    assert (line["reason"], line["people"]) == ("too_many_people", 2)


def test_a_reminder_whose_links_would_lead_nowhere(portal: Portal, post: Sorting) -> None:
    """Who was entered by a program only, at a portal without an address, is counted each day and
    explained.
    """
    receipt = decided(portal, {SMS_NEWS: "yes"}, ANNA_PHONE, **WAITS)
    post.round()
    with logged() as lines:
        done = run_housekeeping(replace(portal, clock=lambda: HALF), HALF, in_time).done
    assert (done["no_address"], done["reminded"]) == (1, 0)
    assert [line["no_address"] for line in lines.written if line["message"] == "housekeeping"] == [
        1
    ]
    records = explain(replace(portal, clock=lambda: HALF), RIGA, receipt.id).records
    assert [(record.message, record.reason) for record in records][-1] == ("reminder", "no_address")


def test_a_message_that_failed_and_is_needed_no_more(portal: Portal, post: Sorting) -> None:
    """The record says at last why it was not sent, and not for ever that it waits."""
    receipt = decided(portal, {SMS_NEWS: "yes"}, ANNA_PHONE, **WAITS)
    post.office.off = True
    post.round()
    assert explained(portal, receipt) == [("confirm", "phone", "waiting", "")]
    [item] = explain(portal, RIGA, receipt.id).waiting
    assert (item.kind, item.tries, item.given_up) == ("decided", 1, False)
    decided(portal, {SMS_NEWS: "withdraw"}, ANNA_PHONE, at=NOON)
    post.office.mend()
    post.round(timedelta(minutes=2))
    assert explained(portal, receipt) == [("confirm", "phone", "no_message", "answered_since")]
    assert not explain(portal, RIGA, receipt.id).waiting


def test_what_was_given_up_is_explained_as_well(portal: Portal, post: Sorting) -> None:
    """A refused mail has the service's own word for it, and says that it can be sent again."""
    receipt = decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    post.office.fail("MessageRejected")
    post.round()
    assert explained(portal, receipt) == [("receipt", "email", "refused", "MessageRejected")]
    assert explain(portal, RIGA, receipt.id).waiting == [
        WaitingItem("decided", "", 0, given_up=True)
    ]


def test_a_decision_that_leaves_nothing_says_why_by_the_function_that_decided(
    portal: Portal,
) -> None:
    """No item is written for these, so nothing is recorded: the receipt itself tells the reason."""
    imported = decided(
        portal, {EMAIL_NEWS: "yes"}, ANNA, channel=Channel.IMPORT, assurance=Assurance.IMPORTED
    )
    assert explain(portal, RIGA, imported.id).nothing is Reason.IMPORTED
    alone = decided(portal, {EMAIL_NEWS: "yes"}, Contact(ContactKind.REFERENCE, "P-9"), **STAFF)
    document = alone.document
    assert why_nothing_is_left(document, follows=False, reachable=False) is Reason.NOBODY_KNOWN
    assert (
        why_nothing_is_left({**document, "decisions": {}}, follows=False, reachable=True)
        is Reason.NOTHING_DECIDED
    )
    repeated = decisions.record(portal, on_paper({PHOTO: "no"}, MORNING, NOON), signed(ANNA))
    again = replace(signed(ANNA), follows=True)
    same = decisions.record(portal, on_paper({PHOTO: "no"}, MORNING, NOON), again)
    assert (
        why_nothing_is_left(same.document, follows=True, reachable=True) is Reason.NOTHING_CHANGED
    )
    assert explain(portal, RIGA, same.id).nothing is Reason.NOTHING_CHANGED
    assert [item.kind for item in explain(portal, RIGA, repeated.id).waiting] == ["decided"]


def test_a_reason_costs_one_write_alone_before_its_item_is_removed(
    portal: Portal, post: Sorting, round_trips: list[str]
) -> None:
    """A process that dies between leaves the item: the next round gives the same reason."""
    decided(portal, {EMAIL_NEWS: "withdraw"}, ANNA)
    items = [each.now_signed() for each in outbox.due_items(portal.table, NOON)]
    round_trips.clear()
    post.delivery.carry(items, in_time)
    assert round_trips[-2:] == ["PutItem", "DeleteItem"]
    assert "TransactWriteItems" not in round_trips


def test_the_message_to_a_contact_that_was_removed_is_explained_by_the_receipt_of_that(
    portal: Portal, post: Sorting
) -> None:
    """The receipt decides nothing, and still a message belongs to it: the old contact hears that it
    was removed.
    """
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA, ANNA_PHONE, **STAFF)
    post.round()
    lookup = portal.directory.look_up(RIGA, [ANNA_PHONE])
    [anna] = lookup.known()
    receipt = rectify(portal, a_decision({}, NOON, **STAFF), Change(ANNA_PHONE), anna, lookup, BASE)
    assert explain(portal, RIGA, receipt.id).waiting == [
        WaitingItem("removed", "", 0, given_up=False)
    ]
    post.round()
    assert explained(portal, receipt) == [("removed", "phone", "sent", "")]


def test_a_reason_waits_for_whoever_is_sending_the_message_just_now(
    portal: Portal, post: Sorting
) -> None:
    """Two functions meet: what the one sends is not overwritten by why the other would not."""
    receipt = decided(portal, {SMS_NEWS: "yes"}, ANNA_PHONE, **WAITS)
    [item] = outbox.due_items(portal.table, post.clock())
    assert taken(portal.table, item, "confirm#phone", post.clock())
    decided(portal, {SMS_NEWS: "withdraw"}, ANNA_PHONE, at=NOON)
    assert not post.round().whole
    assert explained(portal, receipt) == [("confirm", "phone", "sending", "")]
    post.round(deliveries.LEASE)
    assert explained(portal, receipt) == [("confirm", "phone", "no_message", "answered_since")]


def test_a_message_that_was_sent_stays_sent_whatever_is_decided_later(
    portal: Portal, post: Sorting
) -> None:
    """An item that comes back after its message went out records nothing over it."""
    receipt = decided(portal, {SMS_NEWS: "yes"}, ANNA_PHONE, **WAITS)
    key = outbox_key(RIGA, receipt.id)
    item = portal.table.get([key])[key]
    post.round()
    decided(portal, {SMS_NEWS: "withdraw"}, ANNA_PHONE, at=NOON)
    portal.table.put(Put(key, {"body": item.body, "blob": item.blob}))
    post.round()
    assert explained(portal, receipt) == [("confirm", "phone", "sent", "")]
    assert post.waits() == 0
