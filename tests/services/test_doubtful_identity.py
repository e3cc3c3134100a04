"""Two people who may be one: who is listed, who is not, and that a word of staff is kept."""

import json

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.errors import NotFoundError
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.doubtful_identity import PEOPLE, ROUNDS, DoubtfulPair, find_doubtful, leave
from chalicelib.services.subject_rights import erase
from chalicelib.store import audit
from tests.cast import ANNA, ANNA_PHONE, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, EVENING, MORNING, NEXT_DAY, a_decision, on_paper
from tests.services.desk_calls import LASMA, a_call
from tests.store.people import BELLA, only_person, signed

YES = {EMAIL_NEWS: "yes"}


def found(portal: Portal, clinic: str = RIGA) -> list[DoubtfulPair]:
    """Give everybody who is listed."""
    entries, more = find_doubtful(portal, a_call(portal, EmptyBody(), clinic=clinic), "")
    assert more is None
    return entries


def by_staff(portal: Portal, *contacts: Contact) -> str:
    """Let staff record a Yes, and give whose it is."""
    receipt = decisions.record(portal, on_paper(YES, MORNING, MORNING), signed(*contacts))
    return str(receipt.document["subject"])


def test_two_people_on_one_phone_are_listed_once(portal: Portal) -> None:
    """A couple's phone, which staff wrote down for both: or one woman with two addresses."""
    anna, bella = by_staff(portal, ANNA, ANNA_PHONE), by_staff(portal, BELLA, ANNA_PHONE)
    [pair] = found(portal)
    assert pair.ids == tuple(sorted((anna, bella)))
    assert pair.kinds == (ContactKind.PHONE,)
    assert found(portal, TBILISI) == []


def test_a_phone_that_both_only_typed_is_doubtful_too(portal: Portal) -> None:
    """Nobody has proven anything yet."""
    for contact in (ANNA, BELLA):
        decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(contact, ANNA_PHONE))
    assert [pair.kinds for pair in found(portal)] == [(ContactKind.PHONE,)]


def test_a_phone_that_one_proved_and_the_other_only_typed_is_the_first_ones(portal: Portal) -> None:
    """A stranger typed it: nothing is to be matched."""
    by_staff(portal, ANNA, ANNA_PHONE)
    decisions.record(portal, a_decision(YES), signed(BELLA, ANNA_PHONE))
    assert found(portal) == []


def test_a_contact_that_many_share_is_a_care_homes(portal: Portal) -> None:
    """Seven people on its phone would be twenty-one questions."""
    for number in range(7):
        by_staff(portal, Contact(ContactKind.EMAIL, f"room{number}@example.org"), ANNA_PHONE)
    assert found(portal) == []


def test_left_once_they_are_listed_no_more_and_the_audit_says_who_left_them(portal: Portal) -> None:
    """They are two people: saying so twice is the same."""
    ids = by_staff(portal, ANNA, ANNA_PHONE), by_staff(portal, BELLA, ANNA_PHONE)
    for subjects in (ids, ids[::-1]):
        leave(portal, a_call(portal, EmptyBody()), subjects)
        assert found(portal) == []
    lines = [line for line in audit.lines_of(portal.table, RIGA, NEXT_DAY) if "/" in line["call"]]
    assert {line["call"] for line in lines} == {"doubtful/left"}
    assert {line["key"] for line in lines} == {LASMA}
    assert ANNA.value not in json.dumps(lines)


def test_nobody_leaves_one_person_an_erased_one_or_another_clinics(portal: Portal) -> None:
    """A made-up id, the same twice, an id of the other clinic: not found."""
    anna, bella = by_staff(portal, ANNA, ANNA_PHONE), by_staff(portal, BELLA, ANNA_PHONE)
    for ids in ((anna, anna), (anna, "0" * 32), (anna,)):
        with pytest.raises(NotFoundError):
            leave(portal, a_call(portal, EmptyBody()), ids)
    with pytest.raises(NotFoundError):
        leave(portal, a_call(portal, EmptyBody(), clinic=TBILISI), (anna, bella))
    erase(portal, RIGA, bella, "key_1", EVENING)
    assert found(portal) == []
    with pytest.raises(NotFoundError):
        leave(portal, a_call(portal, EmptyBody()), (anna, bella))


def test_the_search_goes_on_where_it_stopped_and_finds_each_pair_once(portal: Portal) -> None:
    """Nobody waits while ten thousand people are read."""
    for number in range(PEOPLE * ROUNDS + 20):
        address = Contact(ContactKind.EMAIL, f"patient{number}@example.org")
        # Every fiftieth shares a phone with the one before.
        shares = number % 50 < 2
        phone = Contact(ContactKind.PHONE, f"+371261{number // 50:05d}")
        by_staff(portal, address, *([phone] if shares else []))
    pages, after = [], ""
    while after is not None:
        entries, after = find_doubtful(portal, a_call(portal, EmptyBody()), after)
        pages.append([pair.ids for pair in entries])
    assert len(pages) > 1
    ids = [each for page in pages for each in page]
    assert len(ids) == len(set(ids)) == 11
    assert only_person(portal, RIGA, Contact(ContactKind.EMAIL, "patient0@example.org")).id
