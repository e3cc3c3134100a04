"""Merging two records of one person: what is combined, what is kept, and what is refused."""

import json

import pytest

from chalicelib.domain.consent import State, resolve
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import END_OF_TIME, Instant
from chalicelib.domain.merging import CannotMerge, MergeReason
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.merging import CannotMergeError, Merge, merge
from chalicelib.services.subject_rights import erase, restrict
from chalicelib.store import audit, people
from chalicelib.store.personal_data import reveal
from chalicelib.store.table import UnavailableError
from tests.cast import ANNA, ANNA_PHONE, RIGA, TBILISI
from tests.factories import (
    EMAIL_NEWS,
    EVENING,
    LATER,
    MORNING,
    NEXT_DAY,
    NOON,
    SMS_NEWS,
    a_decision,
    on_paper,
)
from tests.properties.faults import ATTEMPTS, WRITE, Fault, Faults
from tests.services.desk_calls import LASMA, a_call
from tests.services.test_races import ROUNDS, at_once
from tests.store.people import BELLA, assert_unbroken, only_person, signed

YES, NO = {EMAIL_NEWS: "yes"}, {EMAIL_NEWS: "no"}


def survivor(portal: Portal, clinic: str, subject: str) -> str:
    """Give the id of the record that somebody's was merged into, or their own."""
    return people.find_people(portal.table, clinic, [subject])[subject].id


def by_staff(portal: Portal, answers: dict[str, str], at: Instant, *contacts: Contact) -> str:
    """Let staff record a paper form of a moment, and give whose it is."""
    receipt = decisions.record(portal, on_paper(answers, at, NOON), signed(*contacts))
    return str(receipt.document["subject"])


def merged(portal: Portal, staying: str, going: str, at: Instant = NEXT_DAY) -> Subject:
    """Merge two records as somebody at the reception does."""
    body = Merge(staying, going, MergeReason.SAID)
    return merge(portal, a_call(portal, body, at=at))


def state(portal: Portal, contact: Contact, question: str = EMAIL_NEWS) -> tuple[State, bool]:
    """Tell how the one person stands who is known under a contact."""
    person = only_person(portal, RIGA, contact)
    notice = portal.directory.look_up(RIGA).published.in_force
    status = resolve(person.summaries.get(question), notice, LATER)
    return status.state, status.permitted


def chain(portal: Portal, subject: str) -> list[Receipt]:
    """Give the receipts of a record, checked."""
    person = people.person(portal.table, RIGA, subject)
    receipts = portal.receipts.history(RIGA, [person])
    assert_unbroken(receipts)
    assert (person.version, person.head) == (len(receipts), receipts[-1].sha256)
    return receipts


@pytest.mark.parametrize(("first", "last"), [(YES, NO), (NO, YES)])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_latest_word_of_both_counts_whichever_record_stays(
    portal: Portal, first: dict[str, str], last: dict[str, str], *, swapped: bool
) -> None:
    """Anna said one thing by e-mail and later another by phone; every contact now says the latter."""
    one = by_staff(portal, first, MORNING, ANNA)
    other = by_staff(portal, last, "2026-11-22T09:00:00.000Z", ANNA_PHONE)
    staying, going = (other, one) if swapped else (one, other)
    assert merged(portal, staying, going).id == staying
    expected = (State.GRANTED, True) if last == YES else (State.WITHDRAWN, False)
    assert state(portal, ANNA) == state(portal, ANNA_PHONE) == expected
    assert survivor(portal, RIGA, going) == staying


@pytest.mark.parametrize("swapped", [False, True])
def test_a_tie_goes_to_the_stop(portal: Portal, *, swapped: bool) -> None:
    """Two papers of the same moment: sending to somebody who may have said No is the worse
    mistake.
    """
    one, other = by_staff(portal, YES, MORNING, ANNA), by_staff(portal, NO, MORNING, ANNA_PHONE)
    merged(portal, *((other, one) if swapped else (one, other)))
    assert not state(portal, ANNA)[1]


def test_both_chains_are_kept_and_each_tells_of_the_merge(portal: Portal) -> None:
    """No receipt that there was is another one afterwards; each chain goes on with one that says
    it, by opaque ids and a word.
    """
    one = by_staff(portal, YES, MORNING, ANNA)
    other = by_staff(portal, {SMS_NEWS: "yes"}, MORNING, ANNA_PHONE)
    before = {subject: chain(portal, subject) for subject in (one, other)}
    merged(portal, one, other)
    ours, theirs = chain(portal, one), chain(portal, other)
    assert ours[: len(before[one])] == before[one]
    assert theirs[: len(before[other])] == before[other]
    repeated, told = ours[len(before[one]) :]
    [end] = theirs[len(before[other]) :]
    assert told.document["evidence"] == {"merged_with": other, "merge_reason": "said"}
    assert end.document["evidence"] == {"merged_into": one, "merge_reason": "said"}
    assert repeated.document["evidence"] == {"repeats": before[other][0].id, "merged_with": other}
    for name in ("effective_at", "notice", "channel", "assurance", "actor", "controllers"):
        assert repeated.document[name] == before[other][0].document[name]
    written = json.dumps([receipt.document for receipt in (*ours, *theirs)])
    assert ANNA.value not in written
    assert ANNA_PHONE.value not in written
    lines = audit.lines_of(portal.table, RIGA, NEXT_DAY)
    [line] = [line for line in lines if line["call"] == "merging"]
    assert (line["key"], line["subjects"], line["about"]) == (LASMA, [one, other], other)


def test_every_contact_is_the_persons_own_and_can_be_read(portal: Portal) -> None:
    """Staff vouch that all are hers; a phone that both had stands once."""
    one = by_staff(portal, YES, MORNING, ANNA, ANNA_PHONE)
    other = by_staff(portal, YES, MORNING, BELLA, ANNA_PHONE)
    person = merged(portal, one, other)
    key = portal.clinics.key(RIGA)
    found = {contact for contact, _ in reveal(portal.table, key, person).contacts}
    assert found == {ANNA, ANNA_PHONE, BELLA}
    assert all(person.owns(lookup) for lookup in person.contacts)
    for contact in (ANNA, ANNA_PHONE, BELLA):
        assert only_person(portal, RIGA, contact).id == one
    gone = people.person(portal.table, RIGA, other)
    assert (dict(gone.contacts), dict(gone.summaries)) == ({}, {})
    assert reveal(portal.table, key, gone).contacts == ()


def test_what_was_true_on_a_day_is_combined_too(portal: Portal) -> None:
    """An inspector asks about noon: by what is known now, the other record's Yes counted then."""
    one = by_staff(portal, NO, "2026-11-20T08:00:00.000Z", ANNA)
    other = by_staff(portal, YES, MORNING, ANNA_PHONE)
    person = merged(portal, one, other)
    answers = portal.receipts.answers_as_of(RIGA, [person], EVENING, END_OF_TIME)[one]
    notice = portal.directory.look_up(RIGA).published.in_force
    assert resolve(answers[EMAIL_NEWS], notice, EVENING).permitted
    known_before = portal.receipts.answers_as_of(RIGA, [person], EVENING, EVENING)[one]
    assert not resolve(known_before[EMAIL_NEWS], notice, EVENING).permitted


def test_merging_again_changes_nothing(portal: Portal) -> None:
    """A form sent twice, an answer that never arrived."""
    one, other = by_staff(portal, YES, MORNING, ANNA), by_staff(portal, NO, NOON, ANNA_PHONE)
    merged(portal, one, other)
    before = chain(portal, one), chain(portal, other)
    merged(portal, one, other)
    assert (chain(portal, one), chain(portal, other)) == before


@pytest.mark.parametrize("fault", [Fault.LOST_REQUEST, Fault.LOST_REPLY])
@pytest.mark.parametrize("written", range(4))
def test_what_stopped_in_the_middle_goes_on(portal: Portal, fault: Fault, written: int) -> None:
    """The table is away after some of the writes: nothing is permitted, and again leads to the same."""
    one, other = by_staff(portal, YES, MORNING, ANNA), by_staff(portal, NO, NOON, ANNA_PHONE)
    faults = Faults(portal.table.client)
    faults.plan(WRITE, [None] * written + [fault] * ATTEMPTS)
    if written < 3:
        with pytest.raises(UnavailableError):
            merged(portal, one, other)
    else:
        merged(portal, one, other)
    faults.close()
    assert not permitted_for_all(portal, ANNA) or not written
    assert not permitted_for_all(portal, ANNA_PHONE)
    merged(portal, one, other)
    assert state(portal, ANNA) == state(portal, ANNA_PHONE) == (State.WITHDRAWN, False)
    assert [len(chain(portal, subject)) for subject in (one, other)] == [3, 2]


def permitted_for_all(portal: Portal, contact: Contact) -> bool:
    """Tell whether all who are known under a contact permit the newsletter."""
    lookup = portal.directory.look_up(RIGA, [contact])
    statuses = [
        resolve(person.summaries.get(EMAIL_NEWS), lookup.published.in_force, LATER)
        for person in lookup.known()
    ]
    return all(status.permitted for status in statuses)


def test_what_is_decided_afterwards_is_the_one_persons(portal: Portal) -> None:
    """A withdrawal by the phone stops what the e-mail had; a later Yes counts for both."""
    one = by_staff(portal, YES, MORNING, ANNA)
    other = by_staff(portal, YES, MORNING, ANNA_PHONE)
    merged(portal, one, other)
    withdrawals.withdraw(portal, a_decision({EMAIL_NEWS: "withdraw"}, LATER), signed(ANNA_PHONE))
    assert state(portal, ANNA) == (State.WITHDRAWN, False)
    assert len(chain(portal, other)) == 2


def test_erasing_the_person_erases_both_records(portal: Portal) -> None:
    """No name and no contact of either is left; both chains stay as proof."""
    one = by_staff(portal, YES, MORNING, ANNA)
    other = by_staff(portal, YES, MORNING, ANNA_PHONE)
    merged(portal, one, other)
    assert erase(portal, RIGA, one, LASMA, LATER) is not None
    for subject in (one, other):
        person = people.person(portal.table, RIGA, subject)
        assert (person.erased, person.salt) == (True, "")
        assert chain(portal, subject)
    assert portal.directory.look_up(RIGA, [ANNA, ANNA_PHONE]).known() == ()


def test_a_third_record_can_follow(portal: Portal) -> None:
    """Known three times: the chains of all are found from the one that stays."""
    one, two = by_staff(portal, YES, MORNING, ANNA), by_staff(portal, YES, MORNING, ANNA_PHONE)
    three = by_staff(portal, NO, NOON, BELLA)
    merged(portal, two, three)
    person = merged(portal, one, two)
    assert person.merged == (two, three)
    assert {survivor(portal, RIGA, each) for each in (one, two, three)} == {one}
    assert state(portal, ANNA) == state(portal, BELLA) == (State.WITHDRAWN, False)


def refused(portal: Portal, staying: str, going: str) -> CannotMerge:
    """Give why two records cannot be merged, and check that nothing was stored."""
    before = [people.person(portal.table, RIGA, each) for each in (staying, going)]
    with pytest.raises(CannotMergeError) as error:
        merged(portal, staying, going)
    assert [people.person(portal.table, RIGA, each) for each in (staying, going)] == before
    return error.value.why


def test_what_cannot_be_merged_is_refused_with_a_reason(portal: Portal) -> None:
    """One record twice, a restricted one, a Yes that waits, one that was merged already."""
    one, other = by_staff(portal, YES, MORNING, ANNA), by_staff(portal, NO, NOON, ANNA_PHONE)
    assert refused(portal, one, one) is CannotMerge.SAME
    for subject in (one, other):
        restrict(portal, RIGA, subject, LASMA, EVENING, restricted=True)
        assert refused(portal, one, other) is CannotMerge.RESTRICTED
        restrict(portal, RIGA, subject, LASMA, EVENING, restricted=False)
    waits = decisions.record(
        portal, a_decision(YES, NOON, confirm=frozenset({EMAIL_NEWS})), signed(BELLA)
    ).document["subject"]
    assert refused(portal, one, waits) is CannotMerge.WAITS
    merged(portal, one, other)
    third = by_staff(portal, YES, MORNING, Contact(ContactKind.EMAIL, "third@example.org"))
    assert refused(portal, third, other) is CannotMerge.MERGED
    assert refused(portal, other, third) is CannotMerge.MERGED


def test_a_childs_record_goes_into_nobodys(portal: Portal) -> None:
    """A guardian's e-mail leads to both; they stay two."""
    mother = by_staff(portal, YES, MORNING, ANNA)
    child = decisions.record(
        portal,
        on_paper(YES, MORNING, NOON, of_age="2035-01-01T00:00:00.000Z", actor="guardian"),
        signed(Contact(ContactKind.WARD, "email:anna|2017-01-01|elza"), ANNA_PHONE),
    ).document["subject"]
    assert refused(portal, mother, child) is CannotMerge.CHILD
    assert refused(portal, child, mother) is CannotMerge.CHILD


def test_nobody_merges_an_erased_record_or_another_clinics(portal: Portal) -> None:
    """Not found, and nothing is written."""
    one, other = by_staff(portal, YES, MORNING, ANNA), by_staff(portal, NO, NOON, ANNA_PHONE)
    with pytest.raises(NotFoundError):
        merge(portal, a_call(portal, Merge(one, other, MergeReason.SAID), clinic=TBILISI))
    with pytest.raises(NotFoundError):
        merged(portal, one, "0" * 32)
    erase(portal, RIGA, other, LASMA, EVENING)
    with pytest.raises(NotFoundError):
        merged(portal, one, other)
    assert len(chain(portal, one)) == 1


def test_what_was_corrected_is_not_taken_over(portal: Portal) -> None:
    """An entry of the other record was wrong, and its chain says so: it counts here no more either."""
    one = by_staff(portal, NO, "2026-11-20T08:00:00.000Z", ANNA)
    wrong = decisions.record(portal, on_paper(YES, NOON, NOON), signed(ANNA_PHONE))
    right = on_paper(NO, MORNING, EVENING, evidence={"form": "F-17", "corrects": wrong.id})
    decisions.record(portal, right, signed(ANNA_PHONE))
    merged(portal, one, str(wrong.document["subject"]))
    assert not state(portal, ANNA)[1]
    repeated = {(each.document["evidence"] or {}).get("repeats") for each in chain(portal, one)}
    assert wrong.id not in repeated


def test_who_decides_at_the_same_moment_is_heard(portal: Portal) -> None:
    """A No by the phone while staff merge: before, between or after, it is the latest word."""
    for number in range(ROUNDS):
        address = Contact(ContactKind.EMAIL, f"race{number}@example.org")
        phone = Contact(ContactKind.PHONE, f"+3712610000{number}")
        one = by_staff(portal, YES, MORNING, address)
        other = by_staff(portal, YES, MORNING, phone)
        at_once(
            lambda one=one, other=other: merged(portal, one, other),
            lambda phone=phone: withdrawals.withdraw(
                portal, a_decision({EMAIL_NEWS: "withdraw"}, EVENING), signed(phone)
            ),
        )
        merged(portal, one, other)
        assert state(portal, address) == state(portal, phone) == (State.WITHDRAWN, False)
