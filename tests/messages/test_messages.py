import io
import json
import re
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from chalicelib import log as journal
from chalicelib.domain.consent import Assurance, Channel
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import NoticeRef
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.links import LinkScope
from chalicelib.domain.rate_limits import MESSAGE
from chalicelib.domain.subjects import Subject
from chalicelib.jobs import catch_up, mail_reports
from chalicelib.jobs.housekeeping import run_housekeeping
from chalicelib.jobs.withdrawal_orders import carry_on
from chalicelib.messages.delivery import Delivery
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.subject_rights import erase, restrict
from chalicelib.store import contact_places, deliveries, link_requests, outbox, withdrawal_orders
from chalicelib.store import people as roll
from chalicelib.store.bounces import mark_undeliverable
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.messages import earlier_undeliverable_key, outbox_key, undeliverable_key
from chalicelib.store.keys.people import person_key
from chalicelib.store.links import open_link
from chalicelib.store.outbox import MAX_TRIES, OutboxEntry
from chalicelib.store.withdrawal_orders import MANY
from chalicelib.store.writes import Put, SetKept
from infra.operator import publish
from infra.operator.messages import retry
from tests.cast import ANNA, ANNA_PHONE, CLINICS, GIORGI, RIGA, TBILISI, publish_edition
from tests.factories import EMAIL_NEWS, MORNING, NOON, SMS_NEWS, a_decision, on_paper
from tests.messages.outgoing import BASE, Sorting, decided, in_time, marks_of, taken
from tests.messages.test_bounces import COMPLAINT, MAIL, bounce
from tests.policies import under_policy_of
from tests.sample_messages import decoded
from tests.store.people import BELLA, STRANGER, signed

PHOTO = "testimonials.photo"
HALF = "2026-11-25T20:16:00.000Z"
"""When half of the seven days from MORNING is over; of acts of one moment each is recorded a little
after the other.
"""


def known_as(portal: Portal, person: Subject, **changed: Any) -> Subject:
    """Write how a person is known: with which contacts only typed."""
    after = replace(person, **changed)
    was, kept = roll.dump_person(person), roll.dump_person(after)
    portal.table.write(
        [
            SetKept(person_key(RIGA, person.id), kept, was),
            *contact_places.copy_writes(RIGA, person, kept, was),
        ]
    )
    return after


def test_a_phone_that_very_many_share_hears_once_of_a_stop_and_each_persons_own_address_of_theirs(
    portal: Portal, post: Sorting
) -> None:
    """Not one text message for each of them, and the one only when everybody has been stopped."""
    staff = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
    emails = [
        Contact(ContactKind.EMAIL, f"resident{number}@example.org") for number in range(MANY + 2)
    ]
    for number, email in enumerate(emails):
        reference = Contact(ContactKind.REFERENCE, f"R-{number}")
        decided(portal, {SMS_NEWS: "yes"}, reference, email, ANNA_PHONE, **staff)
    for letter in list(outbox.due_items(portal.table, "9999")):
        outbox.remove(portal.table, letter)
    withdrawals.withdraw(
        portal, a_decision({SMS_NEWS: "withdraw"}, NOON), replace(signed(ANNA_PHONE), base=BASE)
    )
    post.round()
    assert not post.mails(ANNA_PHONE)
    carry_on(portal, list(withdrawal_orders.open_orders(portal.table)), in_time)
    post.round()
    post.round(timedelta(hours=1))
    assert len(post.mails(ANNA_PHONE)) == 1
    assert "/u/" in post.mails(ANNA_PHONE)[0]["text"]
    assert [len(post.mails(email)) for email in emails] == [1] * len(emails)
    assert not post.waits()


def test_a_decision_is_told_once_however_often_the_stream_repeats_itself(
    portal: Portal, post: Sorting
) -> None:
    """Nobody gets the same letter twice, and every letter is on record with the service's number
    for it.
    """
    receipt = decided(portal, {EMAIL_NEWS: "yes"}, ANNA, ANNA_PHONE)
    other = decided(portal, {EMAIL_NEWS: "yes"}, GIORGI, clinic=TBILISI)
    for _ in range(3):
        post.stream(receipt, other)
    post.round()
    [mail] = post.mails()
    assert (
        decoded(mail["headers"]["From"])
        == "Estētiskās medicīnas klīnika „Sidraba rasa” <consent@example.org>"
    )
    assert mail["headers"]["From"].isascii()
    assert mail["headers"]["Reply-To"] == "info@riga-aesthetics.example.org"
    assert f"{BASE}/{RIGA}/receipts/{receipt.id}" in mail["text"]
    assert "clinic=riga-aesthetics" in mail["headers"]["X-SES-MESSAGE-TAGS"]
    assert post.mails(ANNA_PHONE) == []
    [text] = post.mails(GIORGI)
    assert (text["channel"], text["html"]) == ("sms", None)
    assert post.waits() == 0
    told = outbox.OutboxItem(
        receipt.id,
        OutboxEntry("decided", RIGA, receipt.document["subject"], "lv", ""),
        "",
        b"",
        outbox_key(RIGA, receipt.id),
    )
    assert deliveries.states(portal.table, told) == {"receipt#email": "sent"}


def test_an_item_that_comes_back_after_it_was_told_sends_nothing(
    portal: Portal, post: Sorting
) -> None:
    """A function that dies after sending, before the outbox is cleared, sends nothing again."""
    receipt = decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    key = outbox_key(RIGA, receipt.id)
    item = portal.table.get([key])[key]
    post.stream(receipt)
    portal.table.put(Put(key, {"body": item.body, "blob": item.blob}))
    assert post.round().sent == 0
    assert len(post.mails()) == 1
    assert post.waits() == 0


def test_two_senders_at_once_send_one_letter(portal: Portal, post: Sorting) -> None:
    """The stream and the clock's round may meet: one sends, the other leaves it alone."""
    for number in range(5):
        decided(portal, {EMAIL_NEWS: "yes"}, Contact(ANNA.kind, f"anna{number}@example.org"))
    both, found = Barrier(2), list(outbox.due_items(portal.table, post.clock()))

    def carry() -> None:
        both.wait()
        post.delivery.carry(found, in_time)

    senders = [Thread(target=carry) for _ in range(2)]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    post.round()
    assert [
        len(post.mails(Contact(ANNA.kind, f"anna{number}@example.org"))) for number in range(5)
    ] == [1] * 5
    assert post.waits() == 0


def test_what_a_dead_sender_had_taken_is_sent_when_its_time_is_over(
    portal: Portal, post: Sorting
) -> None:
    """A function that dies while sending loses nothing: the next round takes its letter over, and
    not before.
    """
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    [item] = outbox.due_items(portal.table, post.clock())
    assert taken(portal.table, item, "receipt#email", post.clock())
    assert not post.round().whole
    assert post.mails() == []
    assert post.round(deliveries.LEASE).sent == 1
    assert len(post.mails()) == 1


def test_what_cannot_be_sent_now_is_tried_again_later_and_later(
    portal: Portal, post: Sorting
) -> None:
    """A mail service that is away costs time and no letter, and is not asked all the time."""
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    post.office.off = True
    waits = []
    for _ in range(4):
        assert post.round().failed == 1
        [item] = outbox.due_items(portal.table, "9999")
        waits.append((moment(item.entry.due) - moment(post.clock.at)).seconds)
        assert post.round().failed == 0
        post.clock.at = item.entry.due
    assert waits == [60, 120, 240, 480]
    post.office.mend()
    assert post.round().sent == 1
    assert len(post.mails()) == 1
    assert post.waits() == 0


@pytest.mark.parametrize(
    ("code", "status"), [("TooManyRequestsException", 429), ("InternalFailure", 500)]
)
def test_a_busy_service_is_asked_again(
    portal: Portal, post: Sorting, code: str, status: int
) -> None:
    """Throttling is no refusal."""
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    post.office.fail(code, status)
    assert post.round().failed == 1
    post.office.mend()
    assert post.round(timedelta(minutes=1)).sent == 1


def test_what_fails_ten_times_is_set_aside_listed_and_sent_by_hand(
    portal: Portal, post: Sorting
) -> None:
    """Nothing is tried for ever, nothing is forgotten, and what did go out stays out."""
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA, ANNA_PHONE)
    post.round()
    decided(portal, {EMAIL_NEWS: "withdraw"}, ANNA, ANNA_PHONE, at=NOON)
    post.office.fail("InternalFailure", 500, to=ANNA_PHONE.value)
    for _ in range(MAX_TRIES):
        post.round(timedelta(hours=6))
    assert post.waits() == 0
    [dead] = outbox.dead_letters(portal.table, RIGA)
    assert outbox.dead_letters(portal.table, TBILISI) == []
    assert deliveries.states(portal.table, dead) == {
        "withdrawn#email": "sent",
        "withdrawn#phone": "waiting",
    }
    assert len(post.mails()) == 2

    post.office.mend()
    assert retry(portal.table, TBILISI) == 0
    assert retry(portal.table, RIGA) == 1
    assert post.round().sent == 1
    assert len(post.mails()) == 2
    assert len(post.mails(ANNA_PHONE)) == 1
    assert outbox.dead_letters(portal.table, RIGA) == []


def test_what_is_refused_is_set_aside_at_once_and_can_be_sent_by_hand(
    portal: Portal, post: Sorting
) -> None:
    """A letter the service will never take is not tried ten times; once the cause is mended it
    goes.
    """
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    post.office.fail("MessageRejected")
    assert post.round().failed == 1
    [dead] = outbox.dead_letters(portal.table, RIGA)
    assert deliveries.states(portal.table, dead) == {"receipt#email": "refused MessageRejected"}
    post.office.mend()
    retry(portal.table, RIGA)
    assert post.round().sent == 1


def test_one_letter_that_fails_holds_up_no_other(portal: Portal, post: Sorting) -> None:
    """A full service for one, an item nobody can read, a phone network that is away: the others get
    their letters.
    """
    post.office.fail("TooManyRequestsException", 429, to=ANNA.value)
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    for number in range(5):
        phone = Contact(ANNA_PHONE.kind, f"+3712600000{number}")
        post.office.fail("InternalFailure", 500, to=phone.value)
        decided(portal, {SMS_NEWS: "yes"}, phone)
    broken = {"kind": "nonsense", "clinic": RIGA, "subject": "0" * 32, "lang": "lv", "base": ""}
    receipt = decided(portal, {EMAIL_NEWS: "yes"}, STRANGER)
    broken |= {"subject": receipt.document["subject"]}
    portal.table.put(Put(outbox_key(RIGA, "0" * 32), {"body": json.dumps(broken), "blob": b"x"}))
    decided(portal, {EMAIL_NEWS: "yes"}, BELLA)
    tally = post.round()
    assert [len(post.mails(each)) for each in (BELLA, STRANGER, ANNA)] == [1, 1, 0]
    assert tally.sent == 2


def reported(portal: Portal, event: dict[str, Any]) -> None:
    """Let the mail service report what became of a mail to Anna."""
    tags = {**MAIL["tags"], "lookup": [portal.clinics.key(RIGA).lookup(ANNA)]}  # type: ignore[dict-item]
    with under_policy_of(portal, "post_events"):
        mail_reports.handle(portal.table, json.dumps({**event, "mail": {**MAIL, "tags": tags}}))


def test_a_mailbox_that_is_gone_is_left_alone_for_a_month(portal: Portal, post: Sorting) -> None:
    """Each bounce counts from its own day; a mailbox that was mended is found again; the other
    clinic knows nothing.
    """
    reported(portal, bounce("Transient"))
    receipt = decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    assert post.round().sent == 1
    for _ in range(2):
        reported(portal, bounce("Permanent"))
    second = decided(portal, {EMAIL_NEWS: "withdraw"}, ANNA, at=NOON)
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA, clinic=TBILISI)
    assert post.round().sent == 1
    assert len(post.mails()) == 2
    told = outbox.OutboxItem(
        second.id,
        OutboxEntry("decided", RIGA, receipt.document["subject"], "lv", ""),
        "",
        b"",
        outbox_key(RIGA, second.id),
    )
    assert deliveries.states(portal.table, told) == {"withdrawn#email": "skipped bounce"}
    assert post.waits() == 0
    lookup = portal.clinics.key(RIGA).lookup(ANNA)
    first = marks_of(portal.table, RIGA, lookup)["bounce"]
    again = instant(moment(first) + timedelta(days=29))
    assert not mark_undeliverable(portal.table, RIGA, lookup, "bounce", again)
    for days, sent in ((30, 0), (58, 0), (60, 1)):
        post.clock.at = instant(moment(first) + timedelta(days=days))
        decided(portal, {EMAIL_NEWS: "no"}, ANNA, at=post.clock.at)
        assert post.round().sent == sent


def test_who_complains_gets_what_was_asked_for_and_nothing_else(
    portal: Portal, post: Sorting
) -> None:
    """Calling a letter spam keeps nobody from confirming, from their own page, or from hearing of a
    stop.
    """
    due_unasked(portal, post)
    reported(portal, COMPLAINT)
    decided(portal, {PHOTO: "withdraw"}, ANNA, at=HALF)
    portal.table.put_new(
        link_requests.link_request(portal.clinics.key(RIGA), [ANNA], "lv", BASE, HALF)
    )
    for _ in range(2):
        post.round()
    assert ["/undo/" in mail["text"] or "/manage/" in mail["text"] for mail in post.mails()] == [
        True,
        True,
    ]
    assert post.waits() == 0


def test_marks_of_contacts_go_after_a_year(portal: Portal) -> None:
    """A report that comes late may be about somebody who was erased."""
    reported(portal, bounce("Permanent"))
    reported(portal, COMPLAINT)
    lookup = portal.clinics.key(RIGA).lookup(ANNA)
    marks = marks_of(portal.table, RIGA, lookup)
    assert set(marks) == {"bounce", "complaint"}
    for reason, at in marks.items():
        key = undeliverable_key(RIGA, lookup, reason)
        assert portal.table.get([key])[key].ttl == int(
            (moment(at) + timedelta(days=365)).timestamp()
        )


def test_a_mark_from_before_marks_had_a_partition_of_their_own_still_holds(portal: Portal) -> None:
    """Who bounced last week is left alone, and an erasure takes both kinds of marks away."""
    decided(portal, {EMAIL_NEWS: "no"}, ANNA)
    lookup = portal.clinics.key(RIGA).lookup(ANNA)
    earlier = earlier_undeliverable_key(RIGA, lookup, "bounce")
    portal.table.put(Put(earlier, {"body": json.dumps({"reason": "bounce", "at": MORNING})}))
    assert marks_of(portal.table, RIGA, lookup) == {"bounce": MORNING}
    with under_policy_of(portal, "post_events"):
        mark_undeliverable(portal.table, RIGA, lookup, "bounce", HALF)
        mark_undeliverable(portal.table, RIGA, lookup, "complaint", NOON)
    assert marks_of(portal.table, RIGA, lookup) == {"bounce": HALF, "complaint": NOON}
    [anna] = portal.directory.look_up(RIGA, [ANNA]).known()
    assert erase(portal, RIGA, anna.id, "key_1", HALF)
    with under_policy_of(portal, "catch_up"):
        catch_up.clear_erased(portal, in_time)
    assert marks_of(portal.table, RIGA, lookup) == {}


def test_each_contact_gets_a_link_that_confirms_and_nothing_more(
    portal: Portal, post: Sorting
) -> None:
    """The link in a letter opens what the letter is about, for as long as it waits, and for its
    reader alone.
    """
    confirm = frozenset({EMAIL_NEWS, SMS_NEWS})
    receipt = decided(
        portal, {EMAIL_NEWS: "yes", SMS_NEWS: "yes"}, ANNA, ANNA_PHONE, confirm=confirm
    )
    assert post.round().sent == 2
    for contact, address in ((ANNA, EMAIL_NEWS), (ANNA_PHONE, SMS_NEWS)):
        [message] = post.mails(contact)
        [token] = {
            word.rpartition("/")[2]
            for word in message["text"].split()
            if "/confirm/" in word or "/c/" in word
        }
        opened = open_link(portal.table, portal.clinics, token, LinkScope.CONFIRM, NOON)
        assert opened.recipient.contact == contact
        assert (opened.link.receipt, opened.link.addresses) == (receipt.id, (address,))
        assert opened.link.expires_at == receipt.document["decisions"][address]["confirm_by"]


def test_what_staff_enter_by_the_clinics_own_number_is_told_to_those_known(
    portal: Portal, post: Sorting
) -> None:
    """A form found in a drawer is entered by its number; the patient learns of it all the same."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    post.round()
    person = portal.directory.look_up(RIGA, [ANNA]).known()[0]
    decision = on_paper({EMAIL_NEWS: "withdraw"}, NOON, NOON)
    signature = signed()
    decisions.record(
        portal,
        decision,
        type(signature)((), None, signature.fresh, person=person.id),
        seen=portal.directory.look_up(RIGA, [ANNA]),
    )
    assert post.round().sent == 2
    assert "/undo/" in post.mails()[-1]["text"]
    assert "/u/" in post.mails(ANNA_PHONE)[-1]["text"]


def test_a_person_who_was_erased_is_written_to_no_more(portal: Portal, post: Sorting) -> None:
    """With the person's key gone nothing in the outbox can be read, and nothing is tried for
    ever.
    """
    receipt = decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    key = Key(f"CLINIC#{RIGA}#ROLL#{receipt.document['subject'][0]}", receipt.document["subject"])
    person = roll.load_person(portal.table.get([key])[key])
    kept = roll.dump_person(replace(person, salt="00" * 16))
    portal.table.put(Put(key, roll.kept_values(kept)))
    assert post.round().sent == 0
    assert post.waits() == 0


def due_unasked(portal: Portal, post: Sorting) -> None:
    """Let Anna be told three things nobody asked for, and the post be late."""
    for answers, more in (
        ({SMS_NEWS: "yes"}, {}),
        ({EMAIL_NEWS: "yes"}, {"confirm": frozenset({EMAIL_NEWS})}),
        ({PHOTO: "yes"}, {"endings": {PHOTO: "P7D"}}),
    ):
        decision = a_decision(answers, assurance=Assurance.STAFF_WITNESSED, **more)
        decisions.record(portal, decision, replace(signed(ANNA), base=BASE))
    post.round()
    ready = publish.make_edition(
        {**publish.read_file(CLINICS / f"{RIGA}.yaml").document, "version": "1.1"}
    )
    assert publish_edition(portal.table, portal.clinics, ready, "2026-11-22T20:00:00.000Z")
    post.clock.at = HALF
    assert run_housekeeping(portal, HALF, in_time).done["reminded"] == 3
    post.empty()


def test_other_things_are_told_in_the_same_way(portal: Portal, post: Sorting) -> None:
    """A reminder, an end that is near, a changed notice: each has its letter, and one click stops
    what it is about.
    """
    due_unasked(portal, post)
    assert post.round().sent == 3
    about = set()
    for mail in post.mails():
        token = mail["headers"]["List-Unsubscribe"].strip("<>").rpartition("/")[2]
        opened = open_link(
            portal.table, portal.clinics, token, LinkScope.UNSUBSCRIBE, "2029-11-01T00:00:00.000Z"
        )
        about.add(opened.link.addresses)
    assert about == {(EMAIL_NEWS,), (PHOTO,), (SMS_NEWS, PHOTO)}
    assert sum("tikai formulējums" in mail["text"] for mail in post.mails()) == 1


def test_a_guardian_is_told_once_that_the_young_person_decides_from_now_on(
    portal: Portal, post: Sorting
) -> None:
    """With questions to pass on, in the language the guardian chose last, and no link that would
    answer or renew.
    """
    of_age = "2026-12-05T22:00:00.000Z"
    known = replace(signed(Contact(ContactKind.REFERENCE, "P-1"), ANNA), base=BASE)
    guarded = {"of_age": of_age, "actor": "guardian", "assurance": Assurance.CONTACT_CONFIRMED}
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, **in_language("lv", **guarded)), known)
    decisions.record(portal, a_decision({PHOTO: "no"}, NOON, **in_language("ru", **guarded)), known)
    post.round()
    post.empty()
    post.clock.at = "2026-12-01T00:00:00.000Z"
    assert [
        run_housekeeping(portal, post.clock.at, in_time).done["reminded"] for _ in range(2)
    ] == [
        1,
        0,
    ]
    assert post.round().sent == 1
    [mail] = post.mails()
    assert mail["headers"]["Content-Language"] == "ru"
    assert set(re.findall(rf"{BASE}/(\S+)", mail["text"])) == {
        f"{RIGA}?lang=ru",
        mail["headers"]["List-Unsubscribe"].strip("<>").removeprefix(f"{BASE}/"),
    }


def test_what_nobody_asked_for_is_judged_again_when_it_is_sent(
    portal: Portal, post: Sorting
) -> None:
    """Who answered since the round is not reminded, not told of an end, and not asked to look at
    what they refused.
    """
    due_unasked(portal, post)
    decided(portal, {EMAIL_NEWS: "withdraw", PHOTO: "withdraw", SMS_NEWS: "no"}, ANNA, at=HALF)
    assert post.round().sent == 1
    assert ["/undo/" in mail["text"] for mail in post.mails()] == [True]
    assert post.waits() == 0


def test_whoever_had_processing_restricted_since_the_round_is_told_nothing_unasked(
    portal: Portal, post: Sorting
) -> None:
    """Restricted data is only stored (GDPR Art. 18(2)), also while the post is late."""
    due_unasked(portal, post)
    person = portal.directory.look_up(RIGA, [ANNA]).known()[0]
    assert restrict(portal, RIGA, person.id, "staff", HALF, restricted=True)
    assert post.round().sent == 0
    assert post.waits() == 0


def test_what_nobody_can_read_is_set_aside_and_kept_as_it_was(
    portal: Portal, post: Sorting
) -> None:
    """A damaged item is found by an operator and holds up nobody's letters."""
    kept = '{"kind": "decided", "surprise": 1}'
    portal.table.put(Put(outbox_key(RIGA, "0" * 32), {"body": kept, "blob": b"x"}))
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    assert post.round().sent == 1
    [dead] = outbox.dead_letters(portal.table, RIGA)
    assert (dead.body, dead.encrypted, dead.entry.clinic) == (kept, b"x", RIGA)
    assert retry(portal.table, RIGA) == 1
    assert [each.body for each in outbox.due_items(portal.table, NOON)] == [kept]


def test_without_an_address_to_send_from_everything_waits(portal: Portal, post: Sorting) -> None:
    """A clinic whose mail is not set up yet loses nothing it has to tell."""
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    silent = Delivery(portal.table, portal.clinics, None, BASE, now=post.clock)
    catch_up.send_waiting(silent, in_time)
    assert post.waits() == 1
    assert post.round().sent == 1


def test_what_is_logged_names_nobody(portal: Portal, post: Sorting) -> None:
    """Whoever reads the log learns what went out, not to whom."""
    receipt = decided(portal, {EMAIL_NEWS: "yes", PHOTO: "no"}, ANNA)
    post.office.fail("MessageRejected", to=BELLA.value)
    decided(portal, {EMAIL_NEWS: "yes"}, BELLA)
    handler, log = journal.log().registered_handler, io.StringIO()
    before = handler.setStream(log)  # type: ignore[attr-defined]
    post.stream(receipt)
    post.round()
    handler.setStream(before)  # type: ignore[attr-defined]
    written = log.getvalue()
    assert '"outcome":"sent"' in written
    assert '"outcome":"refused"' in written
    for secret in (ANNA.value, BELLA.value, "anna", receipt.id, "/manage/", "/m/"):
        assert secret not in written


def test_nothing_in_the_outbox_tells_whom_it_is_for(portal: Portal) -> None:
    """Whoever reads the table finds no address in what waits to be sent."""
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    [item] = outbox.due_items(portal.table, NOON)
    assert b"anna" not in item.encrypted
    assert "anna" not in item.body


def test_who_asks_for_a_link_gets_their_own_and_nobody_else_gets_anything(
    portal: Portal, post: Sorting
) -> None:
    """One message for each person known under the contact; none, and nothing left behind, where
    nobody is.
    """
    key = portal.clinics.key(RIGA)
    for number in ("P-1", "P-2"):
        staff = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
        decided(portal, {EMAIL_NEWS: "yes"}, Contact(ContactKind.REFERENCE, number), ANNA, **staff)
    decided(portal, {EMAIL_NEWS: "yes"}, GIORGI, clinic=TBILISI)
    post.round()
    before = len(post.mails())
    for given in ((ANNA,), (STRANGER,), (GIORGI,)):
        portal.table.put_new(link_requests.link_request(key, given, "lv", BASE, NOON))
    wishes = list(outbox.due_items(portal.table, "9999"))
    for _ in range(3):
        post.round()
    assert post.waits() == 0
    own = [
        re.findall(r"/manage/([A-Za-z0-9_-]{32})", mail["text"])[0]
        for mail in post.mails()[before:]
    ]
    people = [
        open_link(portal.table, portal.clinics, each, LinkScope.MANAGE, post.clock()).link.subject
        for each in own
    ]
    known = portal.directory.look_up(RIGA, [ANNA]).known()
    assert sorted(map(str, people)) == sorted(person.id for person in known)
    assert (len(known), post.mails(STRANGER)) == (2, [])
    assert len(post.mails(GIORGI)) == 1, "he is known elsewhere"
    [wish] = [each for each in wishes if each.contacts(key, each.entry.subject) == [ANNA]]
    link_requests.expand_link_request(
        portal.table, key, wish, {ANNA: known}
    )  # again, by a function that died before it was done
    post.round()
    assert len(post.mails()) == before + 2


def test_what_nobody_asked_for_is_told_by_the_same_post_once(portal: Portal, post: Sorting) -> None:
    """The hourly round leaves a reminder where half of the time is over; it goes out with a link
    that confirms.
    """
    decision = a_decision({EMAIL_NEWS: "yes"}, confirm=frozenset({EMAIL_NEWS}))
    decisions.record(portal, decision, replace(signed(ANNA), base=BASE))
    post.clock.at = "2026-11-25T20:15:00.000Z"
    for _ in range(2):
        run_housekeeping(portal, post.clock.at, in_time)
        assert post.round().whole
    confirm, reminder = post.mails()
    assert f"{BASE}/confirm/" in confirm["text"]
    assert f"{BASE}/confirm/" in reminder["text"]
    assert "List-Unsubscribe" in reminder["headers"]
    assert post.waits() == 0


def test_nothing_is_sent_to_whoever_was_erased_before_the_post_came(
    portal: Portal, post: Sorting
) -> None:
    """What waits in the outbox is unreadable from that moment, and goes without a word."""
    receipt = decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    assert erase(portal, RIGA, receipt.document["subject"], "patient", NOON) is not None
    post.stream(receipt)
    assert post.round().failed == 0
    assert (post.mails(), post.waits()) == ([], 0)


def test_a_phone_that_somebody_types_again_and_again_rings_five_times(
    portal: Portal, post: Sorting
) -> None:
    """Text messages cost money, and the nerves of whoever has the number; being told of a stop is
    never left out.
    """
    yes = {SMS_NEWS: "yes"}
    for number in range(MESSAGE.burst + 3):
        decided(portal, yes, ANNA_PHONE, at=f"2026-11-22T08:{15 + number:02d}:00.000Z")
        post.round()
    assert len(post.mails(ANNA_PHONE)) == MESSAGE.burst
    staff = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
    decided(portal, yes, ANNA_PHONE, at="2026-11-22T09:00:00.000Z", **staff)
    decided(portal, {SMS_NEWS: "withdraw"}, ANNA_PHONE, at="2026-11-22T09:01:00.000Z")
    post.round()
    assert "/u/" in post.mails(ANNA_PHONE)[-1]["text"]


A_QUARTER = timedelta(milliseconds=MESSAGE.interval)


def test_whoever_stops_eight_things_one_by_one_is_told_of_all_eight(
    portal: Portal, post: Sorting
) -> None:
    """Five at once, the others as soon as there is room again: each of them can be undone."""
    staff = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
    addresses = [*portal.directory.look_up(RIGA).published.clinic.questions][:8]
    decided(portal, dict.fromkeys(addresses, "yes"), ANNA, **staff)
    post.round()
    post.empty()
    for address in addresses:
        decided(portal, {address: "withdraw"}, ANNA, at=NOON)
        post.round()
    assert (len(post.mails()), post.waits()) == (MESSAGE.burst, 3)
    post.round(timedelta(minutes=5))
    assert [each.entry.tries for each in outbox.due_items(portal.table, "9999")] == [0] * 3
    told = [(post.round(A_QUARTER).sent, post.waits()) for _ in range(3)]
    assert told == [(1, 2), (1, 1), (1, 0)]
    opened = [re.findall(r"/undo/([A-Za-z0-9_-]{32})", mail["text"]) for mail in post.mails()]
    links = [
        open_link(portal.table, portal.clinics, token, LinkScope.UNDO, post.clock()).link
        for [token] in opened
    ]
    assert {address for link in links for address in link.addresses} == set(addresses)


def test_a_strangers_forms_do_not_keep_annas_own_confirmation_from_her(
    portal: Portal, post: Sorting
) -> None:
    """It comes as soon as there is room; what was asked again meanwhile is asked once."""
    confirm = frozenset({SMS_NEWS})
    for _ in range(MESSAGE.burst + 6):
        decided(portal, {SMS_NEWS: "yes"}, ANNA_PHONE, confirm=confirm)
        post.round()
    own = decided(
        portal,
        {SMS_NEWS: "yes", PHOTO: "yes"},
        ANNA_PHONE,
        confirm=frozenset({SMS_NEWS, PHOTO}),
        at=NOON,
    )
    post.round()
    assert len(post.mails(ANNA_PHONE)) == MESSAGE.burst
    assert post.round(A_QUARTER).sent == 1
    [token] = re.findall(r"/c/([A-Za-z0-9_-]{32})", post.mails(ANNA_PHONE)[-1]["text"])
    assert (
        open_link(portal.table, portal.clinics, token, LinkScope.CONFIRM, post.clock()).link.receipt
        == own.id
    )
    assert (post.round(A_QUARTER).sent, post.waits()) == (0, 0)


def test_a_form_that_another_contact_answers_takes_nobodys_confirmation_away(
    portal: Portal, post: Sorting
) -> None:
    """Eve asks for the same with Anna's e-mail beside a phone of her own: Anna's phone is asked all
    the same.
    """
    eve, yes = Contact(ContactKind.PHONE, "+37129999999"), {SMS_NEWS: "yes"}
    confirm = {"confirm": frozenset({SMS_NEWS})}
    decided(portal, yes, ANNA, ANNA_PHONE, **confirm)
    decided(portal, yes, ANNA, eve, at=NOON, **confirm)
    post.round()
    assert ["/c/" in message["text"] for message in post.mails(ANNA_PHONE)] == [True]
    assert ["/c/" in message["text"] for message in post.mails(eve)] == [True]


def test_only_a_contact_of_the_persons_own_is_led_to_the_receipt(
    portal: Portal, post: Sorting
) -> None:
    """Whoever is asked about somebody else's form reads in the mail what it asks, and nothing else
    of that form.
    """
    staff = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
    number = Contact(ContactKind.REFERENCE, "P-1")
    person = decided(portal, {PHOTO: "no"}, number, ANNA_PHONE, **staff).document["subject"]
    decision = a_decision({EMAIL_NEWS: "yes"}, NOON, confirm=frozenset({EMAIL_NEWS}))
    beside = {"person": person, "also_typed": (STRANGER,)}
    receipt = decisions.record(portal, decision, replace(signed(ANNA_PHONE, STRANGER), **beside))
    own = decided(portal, {EMAIL_NEWS: "yes"}, ANNA, confirm=frozenset({EMAIL_NEWS}))
    post.round()
    [mail] = post.mails(STRANGER)
    assert "/confirm/" in mail["text"]
    assert receipt.id not in mail["text"] + mail["html"]
    [mail] = post.mails()
    assert f"/receipts/{own.id}" in mail["text"]


def test_a_confirmation_whose_time_is_over_or_that_was_given_is_not_asked_for(
    portal: Portal, post: Sorting
) -> None:
    """What waited too long leads nowhere; what was confirmed by another link needs no second."""
    confirm, phones = (
        frozenset({SMS_NEWS}),
        (ANNA_PHONE, Contact(ContactKind.PHONE, "+37129999999")),
    )
    for phone in phones:
        decided(portal, {SMS_NEWS: "yes"}, phone, confirm=confirm)
    late = {"assurance": Assurance.CONTACT_CONFIRMED, "at": NOON}
    decided(portal, {SMS_NEWS: "yes"}, phones[1], **late)
    post.clock.at = "2026-11-29T09:00:00.000Z"
    post.round()
    assert ["/c/" in mail["text"] for phone in phones for mail in post.mails(phone)] == [False]
    assert post.waits() == 0


def test_news_of_what_was_said_waits_a_day_for_room_and_no_longer(
    portal: Portal, post: Sorting
) -> None:
    """Nobody's phone rings for days because of what a stranger typed in an hour."""
    post.clock.at = MORNING
    for _ in range(MESSAGE.burst + 3):
        decided(portal, {SMS_NEWS: "no"}, ANNA_PHONE)
        post.round()
    assert (post.round(A_QUARTER).sent, post.waits()) == (1, 2)
    post.clock.at = instant(moment(MORNING) + timedelta(hours=25))
    post.stream(
        *[
            decided(portal, {SMS_NEWS: "no"}, ANNA_PHONE, at=post.clock.at)
            for _ in range(MESSAGE.burst)
        ]
    )
    assert (post.round().sent, post.waits()) == (0, 0)
    assert len(post.mails(ANNA_PHONE)) == 2 * MESSAGE.burst + 1


def test_what_waits_for_room_at_one_contact_holds_up_no_other(
    portal: Portal, post: Sorting
) -> None:
    """Her mailbox hears of it at once, and once; a mailbox that refuses is set aside when the phone
    was told.
    """
    staff = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
    for number in range(MESSAGE.burst):
        decided(portal, {SMS_NEWS: "yes"}, ANNA_PHONE, at=MORNING, **staff)
        decided(
            portal, {SMS_NEWS: "withdraw"}, ANNA_PHONE, at=f"2026-11-22T08:{20 + number}:00.000Z"
        )
    for _ in range(2):
        post.round()
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA, ANNA_PHONE, at=NOON, **staff)
    post.round()
    post.empty()
    post.office.fail("MessageRejected", to=ANNA.value)
    decided(portal, {EMAIL_NEWS: "withdraw"}, ANNA, ANNA_PHONE, at=NOON)
    post.round()
    assert (len(post.mails()), len(post.mails(ANNA_PHONE)), post.waits()) == (0, 0, 1)
    post.round(A_QUARTER)
    assert (len(post.mails(ANNA_PHONE)), post.waits()) == (1, 0)
    [dead] = outbox.dead_letters(portal.table, RIGA)
    assert deliveries.states(portal.table, dead)["withdrawn#email"] == "refused MessageRejected"


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_a_phone_beside_somebody_elses_email_rings_whatever_they_had_agreed_to(
    portal: Portal, post: Sorting, answer: str
) -> None:
    """Eve learns nothing from whether she is asked to confirm."""
    staff = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
    decided(portal, {SMS_NEWS: answer}, ANNA, ANNA_PHONE, **staff)
    eve = Contact(ContactKind.PHONE, "+37129999999")
    decided(portal, {SMS_NEWS: "yes"}, ANNA, eve, at=NOON)
    post.round()
    assert ["/c/" in message["text"] for message in post.mails(eve)] == [True]


def test_a_withdrawal_is_told_to_every_contact_of_the_person_not_only_to_the_one_typed(
    portal: Portal, post: Sorting
) -> None:
    """Whoever withdraws in Anna's name with her phone alone is found out by her mailbox; no
    stranger's hears of it.
    """
    other, number = (
        Contact(ANNA.kind, "anna.work@example.org"),
        Contact(ContactKind.REFERENCE, "P-1"),
    )
    staff = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
    for given in ((number, ANNA, ANNA_PHONE), (number, other), (number, STRANGER)):
        decided(portal, {EMAIL_NEWS: "yes"}, *given, **staff)
    person = portal.directory.look_up(RIGA, [ANNA]).known()[0]
    known_as(portal, person, certain=True, typed=(portal.clinics.key(RIGA).lookup(STRANGER),))
    post.round()
    decided(portal, {EMAIL_NEWS: "withdraw"}, ANNA_PHONE, at=NOON)
    for _ in range(3):
        post.round()
    told = [
        [word in mail["text"] for mail in post.mails(each)].count(True)
        for each, word in ((ANNA, "/undo/"), (other, "/undo/"), (ANNA_PHONE, "/u/"))
    ]
    assert told == [1, 1, 1]
    assert not [mail for mail in post.mails(STRANGER) if "/undo/" in mail["text"]]


def in_language(lang: str, **changed: Any) -> dict[str, Any]:
    """Give an act said in a language, on a page or by staff."""
    return {"notice": NoticeRef("1.0", lang, "ab" * 32), **changed}


@pytest.mark.parametrize(
    "own", [{}, {"assurance": Assurance.CONTACT_CONFIRMED}], ids=["typed first", "confirmed"]
)
def test_whoever_chose_a_language_hears_in_it_of_what_others_did(
    portal: Portal, post: Sorting, own: dict[str, Any]
) -> None:
    """Neither staff, who said none, nor a stranger on a page in another language choose for the
    patient.
    """
    if own:
        decided(portal, {PHOTO: "no"}, ANNA, **in_language("en"))
    decided(portal, {EMAIL_NEWS: "yes", SMS_NEWS: "yes"}, ANNA, **in_language("ru", **own))
    post.round()
    staff = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
    decided(portal, {SMS_NEWS: "withdraw"}, ANNA, at=NOON, **in_language("lv", **staff))
    decided(portal, {PHOTO: "yes"}, ANNA, at=NOON, **in_language("lv", **staff))
    decided(portal, {EMAIL_NEWS: "withdraw"}, ANNA, at=NOON, **in_language("en"))
    post.empty()
    post.round()
    assert [mail["headers"]["Content-Language"] for mail in post.mails()] == ["ru"] * 3
    links = [re.findall(r"/undo/([A-Za-z0-9_-]{32})", mail["text"]) for mail in post.mails()]
    opened = [
        open_link(portal.table, portal.clinics, token, LinkScope.UNDO, NOON).link
        for [token] in filter(None, links)
    ]
    assert [link.lang for link in opened] == ["ru", "ru"]


def test_an_answer_to_ones_own_form_is_in_the_language_of_the_form(
    portal: Portal, post: Sorting
) -> None:
    """Whoever changes the language is answered in the new one at once, and believed once the
    contact has confirmed.
    """
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA, **in_language("ru"))
    decided(portal, {PHOTO: "yes"}, ANNA, at=NOON, **in_language("en"))
    post.round()
    assert sorted(mail["headers"]["Content-Language"] for mail in post.mails()) == ["en", "ru"]


def test_a_language_the_clinic_does_not_speak_any_more_is_not_spoken(
    portal: Portal, post: Sorting
) -> None:
    """Then the receipt's own is, as good as any."""
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA, **in_language("ka"))
    decided(portal, {EMAIL_NEWS: "withdraw"}, ANNA, at=NOON, **in_language("en"))
    post.round()
    assert sorted(mail["headers"]["Content-Language"] for mail in post.mails()) == ["en", "lv"]


def test_a_wish_reaches_only_people_whose_own_the_contact_is(portal: Portal, post: Sorting) -> None:
    """Eve typed Anna's e-mail beside one that is proven hers: Anna's mailbox opens nothing of
    Eve.
    """
    decided(portal, {EMAIL_NEWS: "yes"}, STRANGER)
    person = portal.directory.look_up(RIGA, [STRANGER]).known()[0]
    staff = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
    decided(portal, {EMAIL_NEWS: "yes"}, STRANGER, ANNA_PHONE, at=NOON, **staff)
    person = portal.directory.look_up(RIGA, [STRANGER]).known()[0]
    known_as(portal, person, certain=True, typed=(portal.clinics.key(RIGA).lookup(ANNA_PHONE),))
    post.round()
    post.empty()
    for contact in (ANNA_PHONE, STRANGER):
        portal.table.put_new(
            link_requests.link_request(portal.clinics.key(RIGA), [contact], "lv", BASE, NOON)
        )
    for _ in range(2):
        post.round()
    assert ([len(post.mails(each)) for each in (ANNA_PHONE, STRANGER)], post.waits()) == ([0, 1], 0)


def test_a_wish_under_a_number_with_very_many_people_rings_five_times(
    portal: Portal, post: Sorting
) -> None:
    """Whoever made them up can neither ring a phone all night nor hold up the post."""
    for number in range(12):
        decided(portal, {PHOTO: "no"}, Contact(ANNA.kind, f"x{number}@example.org"), ANNA_PHONE)
    portal.table.put_new(
        link_requests.link_request(portal.clinics.key(RIGA), [ANNA_PHONE], "lv", BASE, NOON)
    )
    for _ in range(2):
        post.round()
    assert (len(post.mails(ANNA_PHONE)), post.waits()) == (5, 0)


def test_once_somebody_has_proven_a_number_nobody_else_is_linked_to_it(
    portal: Portal, post: Sorting
) -> None:
    """Made-up people under Anna's phone get her no message, and themselves none."""
    for number in range(3):
        decided(portal, {PHOTO: "no"}, Contact(ANNA.kind, f"x{number}@example.org"), ANNA_PHONE)
    staff = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}
    anna = decided(portal, {EMAIL_NEWS: "yes"}, ANNA, ANNA_PHONE, **staff).document["subject"]
    portal.table.put_new(
        link_requests.link_request(portal.clinics.key(RIGA), [ANNA_PHONE], "lv", BASE, NOON)
    )
    for _ in range(2):
        post.round()
    own = [re.findall(r"/m/([A-Za-z0-9_-]{32})", mail["text"]) for mail in post.mails(ANNA_PHONE)]
    opened = [
        open_link(portal.table, portal.clinics, token, LinkScope.MANAGE, NOON).link.subject
        for [token] in own
        if token
    ]
    assert opened == [anna]


def test_a_wish_is_shared_out_without_a_post_and_gone_within_a_day(
    portal: Portal, post: Sorting
) -> None:
    """The clinic's key alone reads a wish; what it becomes is readable as long as the person is not
    erased.
    """
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    wish = link_requests.link_request(portal.clinics.key(RIGA), [ANNA], "lv", BASE, NOON)
    assert wish.values["ttl"] == int((moment(NOON) + timedelta(days=1)).timestamp())
    portal.table.put_new(wish)
    catch_up.send_waiting(
        Delivery(portal.table, portal.clinics, None, BASE, now=post.clock), in_time
    )
    assert sorted(each.entry.kind for each in outbox.due_items(portal.table, NOON)) == [
        "decided",
        "link",
    ]
    assert post.mails() == []


def test_a_wish_that_cannot_be_shared_out_is_not_set_aside(portal: Portal, post: Sorting) -> None:
    """Set aside it would be kept for ever, with a contact that the clinic's key reads."""
    portal.table.put_new(
        link_requests.link_request(portal.clinics.key(RIGA), [ANNA], "lv", BASE, NOON)
    )
    [wish] = outbox.due_items(portal.table, NOON)
    outbox.move_to_dead_letters(portal.table, wish)
    assert (outbox.dead_letters(portal.table, RIGA), post.waits()) == ([], 0)


def test_erasing_takes_away_wishes_and_links_that_were_not_sent(
    portal: Portal, post: Sorting
) -> None:
    """Neither in the outbox nor among what was given up is anything left of somebody who was
    erased.
    """
    key = portal.clinics.key(RIGA)
    for contact in (ANNA, BELLA):
        decided(portal, {EMAIL_NEWS: "yes"}, contact)
        post.round()
        post.office.fail("MessageRejected")
        portal.table.put_new(link_requests.link_request(key, [contact], "lv", BASE, NOON))
        for _ in range(2):
            post.round()
        post.office.mend()
    for contact in (ANNA, BELLA):
        portal.table.put_new(link_requests.link_request(key, [contact], "lv", BASE, NOON))
    Delivery(portal.table, portal.clinics, None, BASE, now=post.clock).carry_waiting(in_time)
    for contact in (ANNA, BELLA):
        portal.table.put_new(
            link_requests.link_request(key, [contact, ANNA_PHONE], "lv", BASE, NOON)
        )
    assert (len(outbox.dead_letters(portal.table, RIGA)), post.waits()) == (2, 4)
    person = portal.directory.look_up(RIGA, [ANNA]).known()[0]
    assert erase(portal, RIGA, person.id, "patient", NOON) is not None
    with under_policy_of(portal, "catch_up"):
        catch_up.clear_erased(portal, in_time)
    [dead] = outbox.dead_letters(portal.table, RIGA)
    waiting = {each.entry.kind: each for each in outbox.due_items(portal.table, "9999")}
    assert (post.waits(), set(waiting)) == (2, {"link", "wanted"})
    assert person.id not in {dead.entry.subject, waiting["link"].entry.subject}
    wish = waiting["wanted"]
    assert wish.contacts(key, wish.entry.subject) == [BELLA, ANNA_PHONE]
