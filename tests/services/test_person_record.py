"""The record of one person for staff: true, whole, read in few trips, and nobody else's."""

import json
from dataclasses import replace

import pytest

from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.consent import State
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.message_outcomes import Outcome, Reason
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.audit import AuditSearch, search_lines
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.person_record import (
    RECEIPTS,
    History,
    PersonRecord,
    open_record,
    receipt_of,
)
from chalicelib.services.subject_rights import erase, restrict
from chalicelib.store.bounces import mark_undeliverable
from chalicelib.store.keys.people import person_key
from chalicelib.store.keys.receipts import receipt_key
from chalicelib.store.people import dump_person
from chalicelib.store.receipts import receipt_values
from chalicelib.store.writes import Put, Replace
from tests.cast import ANNA, ANNA_PHONE, RIGA, TBILISI
from tests.factories import (
    EMAIL_NEWS,
    EVENING,
    MORNING,
    NEXT_DAY,
    NOON,
    SMS_NEWS,
    a_decision,
    on_paper,
)
from tests.messages.outgoing import Sorting
from tests.store.people import BELLA, only_person, signed

STAFF = "staff_0123456789ab"
TRIPS = 12


def a_call(
    portal: Portal, clinic: str = RIGA, member: str | None = None
) -> AuthorizedCall[EmptyBody]:
    """Give the call of somebody at the desk."""
    lookup = portal.directory.look_up(clinic)
    key = BearerKey(STAFF, clinic, "Līga", ("status:read",), MORNING, member=member)
    shared = portal.clinics.with_all_past_questions(lookup.published)
    shared = shared.limited_to_controller(member)
    return AuthorizedCall(key, EmptyBody(), lookup, NEXT_DAY, shared, "")


def record_of(portal: Portal, subject: str, before: int | None = None) -> PersonRecord:
    """Open the card of somebody."""
    return open_record(portal, a_call(portal), subject, before)


def decide(portal: Portal, answers: dict[str, str], *contacts: Contact, at: str = NOON) -> Receipt:
    """Let somebody with these contacts answer on paper."""
    return decisions.record(portal, on_paper(answers, at, at), signed(*contacts, name="Anna"))


def states(record: PersonRecord) -> dict[str, State]:
    """Tell how a person stands."""
    return {each.question.id: each.result.status.state for each in record.questions}


def test_the_card_says_how_somebody_stands_and_by_which_receipt(portal: Portal) -> None:
    """Each question that is asked, answered or not; contacts in full, proven by staff."""
    receipt = decide(portal, {EMAIL_NEWS: "yes", SMS_NEWS: "no"}, ANNA, ANNA_PHONE)
    record = record_of(portal, receipt.document["subject"])
    told = states(record)
    assert (told[EMAIL_NEWS], told[SMS_NEWS]) == (State.GRANTED, State.REFUSED)
    assert set(told.values()) == {State.GRANTED, State.REFUSED, State.NEVER_ASKED}
    [granted] = [each for each in record.questions if each.question.id == EMAIL_NEWS]
    assert granted.result.status.recorded_answer.receipt_id == receipt.id
    assert [each.contact for each in record.contacts] == [ANNA, ANNA_PHONE]
    assert all(each.proven and not each.undelivered for each in record.contacts)
    assert record.names == ("Anna",)
    assert [each.id for each in record.history.receipts] == [receipt.id]
    assert "anna" not in repr(record).lower()


def test_what_waits_and_what_was_only_typed_is_told_so(portal: Portal) -> None:
    """A Yes on the web waits until the contact confirms it."""
    typed = a_decision({EMAIL_NEWS: "yes"}, NEXT_DAY, confirm=frozenset({EMAIL_NEWS}))
    receipt = decisions.record(portal, typed, signed(ANNA))
    record = record_of(portal, receipt.document["subject"])
    assert [each.question.id for each in record.questions if each.waits] == [EMAIL_NEWS]
    assert [each.proven for each in record.contacts] == [False]


def test_a_joint_controller_sees_its_own_questions_and_receipts_alone(portal: Portal) -> None:
    """A receipt is signed as a whole: what it may not see all of is only counted."""
    receipt = decide(portal, {EMAIL_NEWS: "yes"}, ANNA)
    subject = receipt.document["subject"]
    own = open_record(portal, a_call(portal, member=RIGA), subject)
    assert [each.id for each in own.history.receipts] == [receipt.id]
    other = open_record(portal, a_call(portal, member="another"), subject)
    assert (other.questions, other.history.receipts, other.history.withheld) == ((), (), 1)
    assert not other.messages.by_receipt
    with pytest.raises(NotFoundError):
        receipt_of(portal, a_call(portal, member="another"), subject, receipt.id)


def test_whoever_shares_a_contact_and_said_no_blocks_what_goes_there(portal: Portal) -> None:
    """The card says that the Yes may not be used, as a program is told, and who shares it."""
    yes = decide(portal, {SMS_NEWS: "yes"}, ANNA, ANNA_PHONE)
    no = decide(portal, {SMS_NEWS: "no"}, BELLA, ANNA_PHONE)
    record = record_of(portal, yes.document["subject"])
    [texts] = [each for each in record.questions if each.question.id == SMS_NEWS]
    assert (texts.result.status.state, texts.is_blocked) == (State.GRANTED, True)
    shared = {each.contact: each.shared_with for each in record.contacts}
    assert shared == {ANNA: (), ANNA_PHONE: (no.document["subject"],)}


def test_a_contact_that_bounced_is_marked(portal: Portal) -> None:
    """With why, and since when."""
    receipt = decide(portal, {EMAIL_NEWS: "yes"}, ANNA)
    lookup = portal.clinics.key(RIGA).lookup(ANNA)
    mark_undeliverable(portal.table, RIGA, lookup, "bounce", EVENING)
    [contact] = record_of(portal, receipt.document["subject"]).contacts
    assert contact.undelivered == {"bounce": EVENING}


def test_a_restriction_and_an_erasure_are_told(portal: Portal) -> None:
    """Of an erased person nothing is shown but the proof, and until when it is kept."""
    receipt = decide(portal, {EMAIL_NEWS: "yes"}, ANNA)
    subject = receipt.document["subject"]
    restrict(portal, RIGA, subject, "key_1", EVENING, restricted=True)
    record = record_of(portal, subject)
    assert record.person.restricted_since == EVENING
    assert not any(each.result.permitted for each in record.questions)
    erase(portal, RIGA, subject, "key_1", NEXT_DAY)
    gone = record_of(portal, subject)
    assert gone == PersonRecord(gone.person, history=History((receipt,)))
    assert gone.person.proof_until


def test_messages_are_told_of_each_receipt_sent_or_not_and_why(post: Sorting) -> None:
    """As `consent operator messages list` tells of one: the same words for each."""
    portal = post.portal
    sent = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    post.stream(sent)
    waiting = decide(portal, {EMAIL_NEWS: "no"}, ANNA, at=EVENING)
    messages = record_of(portal, sent.document["subject"]).messages
    assert messages.whole
    [record] = messages.by_receipt[sent.id].records
    assert (record.outcome, record.channel) == (Outcome.SENT, "email")
    [item] = messages.by_receipt[waiting.id].waiting
    assert (item.tries, item.given_up) == (0, False)
    by_number = Contact(ContactKind.REFERENCE, "K-1402")
    unreachable = decide(portal, {EMAIL_NEWS: "no"}, by_number)
    told = record_of(portal, unreachable.document["subject"]).messages
    assert told.by_receipt[unreachable.id].nothing is Reason.NOBODY_KNOWN


def test_every_opening_is_in_the_audit(portal: Portal) -> None:
    """By the opaque id alone."""
    subject = decide(portal, {EMAIL_NEWS: "yes"}, ANNA).document["subject"]
    record_of(portal, subject)
    search = AuditSearch(MORNING, "2026-12-01T00:00:00.000Z", deed="people/card")
    [line] = search_lines(portal.table, RIGA, search).lines
    assert (line.told["key"], line.told["subjects"]) == (STAFF, [subject])


def test_nobody_and_the_other_clinics_person_are_not_found(portal: Portal) -> None:
    """Nor a receipt that is somebody else's."""
    receipt = decide(portal, {EMAIL_NEWS: "yes"}, ANNA)
    other = decide(portal, {EMAIL_NEWS: "yes"}, BELLA)
    subject = receipt.document["subject"]
    assert receipt_of(portal, a_call(portal), subject, receipt.id).receipt == receipt
    for clinic, person in ((TBILISI, subject), (RIGA, "0" * 32), (RIGA, "x"), (RIGA, "")):
        with pytest.raises(NotFoundError):
            open_record(portal, a_call(portal, clinic), person)
    for clinic, number in ((TBILISI, receipt.id), (RIGA, other.id), (RIGA, "0" * 32)):
        with pytest.raises(NotFoundError):
            receipt_of(portal, a_call(portal, clinic), subject, number)


def test_sixty_receipts_cost_as_many_round_trips_as_one(
    portal: Portal, round_trips: list[str]
) -> None:
    """A card is as quick for who has decided often."""
    decide(portal, {EMAIL_NEWS: "yes"}, ANNA)
    subject = only_person(portal, RIGA, ANNA).id
    counted = []
    for more in (0, 59):
        for number in range(more):
            answer = "no" if number % 2 else "yes"
            decide(portal, {EMAIL_NEWS: answer}, ANNA)
        call = a_call(portal)
        round_trips.clear()
        open_record(portal, call, subject)
        counted.append(len(round_trips))
    assert counted[0] == counted[1] <= TRIPS, round_trips


def very_long_chain(portal: Portal, receipts: int) -> Subject:
    """Give somebody with so many receipts, of which the last 45 and the first are in the table."""
    first = decide(portal, {EMAIL_NEWS: "yes"}, ANNA)
    person = replace(only_person(portal, RIGA, ANNA), version=receipts)
    for version in range(receipts - 44, receipts + 1):
        document = {**first.document, "version": version, "id": f"{version:032x}"}
        receipt = Receipt(document, json.dumps(document).encode())
        key = receipt_key(RIGA, person.id, version)
        portal.table.put_new(Put(key, receipt_values(key, receipt, {})))
    portal.table.put(Replace(person_key(RIGA, person.id), {"blob": dump_person(person)}))
    return person


def test_ten_thousand_receipts_are_paged_and_the_rest_is_not_read(
    portal: Portal, round_trips: list[str]
) -> None:
    """Twenty at a time, to the first and back; a number that is none gives the newest."""
    person = very_long_chain(portal, 10_000)
    call = a_call(portal)
    round_trips.clear()
    history = open_record(portal, call, person.id).history
    assert len(round_trips) <= TRIPS
    versions = [receipt.document["version"] for receipt in history.receipts]
    assert versions == list(range(10_000, 10_000 - RECEIPTS, -1))
    assert (history.newer, history.older) == (None, 9_981)
    second = record_of(portal, person.id, history.older).history
    assert [second.receipts[0].document["version"], second.older] == [9_980, 9_961]
    assert second.newer is not None
    assert record_of(portal, person.id, second.newer).history == history
    last = record_of(portal, person.id, 2).history
    assert [receipt.document["version"] for receipt in last.receipts] == [1]
    assert (last.newer, last.older) == (22, None)
    for number in (-1, 0, 1, 10_001, 10**12):
        assert record_of(portal, person.id, number).history == history
