"""Whose word counts for whom: people known twice, families, claims, and pages sent again."""

from dataclasses import replace

import pytest

from chalicelib.domain.consent import State
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.identity import SeveralPeopleError
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA
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
from tests.store.people import BELLA, STRANGER, only_person, signed, state

NUMBER, OTHER_NUMBER = (Contact(ContactKind.REFERENCE, f"P-{each}") for each in (1, 2))


def test_a_no_reaches_a_person_who_is_known_twice(portal: Portal) -> None:
    """Known once by phone and once by e-mail, Anna says No with both: both stop."""
    decisions.answer(portal, a_decision({SMS_NEWS: "yes"}), signed(ANNA_PHONE))
    decisions.answer(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    both = a_decision({SMS_NEWS: "no", EMAIL_NEWS: "no"}, NOON)
    decisions.answer(portal, both, signed(ANNA, ANNA_PHONE))
    assert state(portal, RIGA, ANNA_PHONE, SMS_NEWS) is State.WITHDRAWN
    assert state(portal, RIGA, ANNA, EMAIL_NEWS) is State.WITHDRAWN
    decisions.answer(portal, both, signed(ANNA, ANNA_PHONE))
    people = portal.directory.look_up(RIGA, [ANNA, ANNA_PHONE]).known()
    assert sorted(person.version for person in people) == [2, 2]


def test_a_claim_does_not_lift_the_no_it_stands_over(portal: Portal) -> None:
    """A daughter's withdrawal keeps the family's phone silent, whoever types Yes afterwards."""
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    decisions.record(
        portal, on_paper({SMS_NEWS: "yes"}, MORNING, MORNING), signed(BELLA, ANNA_PHONE)
    )
    withdrawals.withdraw(portal, a_decision({SMS_NEWS: "withdraw"}, NOON), signed(BELLA))
    assert state(portal, RIGA, ANNA_PHONE, SMS_NEWS) is State.WITHDRAWN
    for contacts in ((ANNA_PHONE,), (BELLA, ANNA_PHONE), (STRANGER, ANNA_PHONE)):
        decisions.answer(portal, a_decision({SMS_NEWS: "yes"}, EVENING), signed(*contacts))
        assert state(portal, RIGA, ANNA_PHONE, SMS_NEWS) is not State.GRANTED


def test_two_numbers_of_the_clinic_on_one_phone_are_two_people(portal: Portal) -> None:
    """A mother's Yes is not her child's."""
    decisions.record(
        portal, on_paper({SMS_NEWS: "no"}, MORNING, MORNING), signed(OTHER_NUMBER, ANNA_PHONE)
    )
    decisions.record(portal, on_paper({SMS_NEWS: "yes"}, NOON, NOON), signed(NUMBER, ANNA_PHONE))
    assert state(portal, RIGA, OTHER_NUMBER, SMS_NEWS) is State.REFUSED
    assert state(portal, RIGA, NUMBER, SMS_NEWS) is State.GRANTED


def test_a_paper_signed_before_an_unconfirmed_claim_confirms_it(portal: Portal) -> None:
    """Signed in the morning, tapped at noon, entered in the evening: it counts."""
    decisions.answer(portal, a_decision({EMAIL_NEWS: "yes"}), signed(GIORGI))
    decisions.answer(portal, a_decision({SMS_NEWS: "yes"}, EVENING), signed(GIORGI))
    assert state(portal, RIGA, GIORGI, SMS_NEWS) is State.PENDING
    decisions.record(portal, on_paper({SMS_NEWS: "yes"}, NOON, NEXT_DAY), signed(GIORGI))
    assert state(portal, RIGA, GIORGI, SMS_NEWS) is State.GRANTED


def test_a_paper_from_before_a_no_does_not_confirm_a_later_claim(portal: Portal) -> None:
    """No at noon, an unconfirmed Yes in the evening: a form from the morning revives nothing."""
    decisions.answer(portal, a_decision({SMS_NEWS: "no"}, NOON), signed(GIORGI))
    decisions.answer(portal, a_decision({SMS_NEWS: "yes"}, EVENING), signed(GIORGI))
    decisions.record(portal, on_paper({SMS_NEWS: "yes"}, MORNING, NEXT_DAY), signed(GIORGI))
    assert state(portal, RIGA, GIORGI, SMS_NEWS) is State.PENDING


def test_a_no_under_an_unconfirmed_claim_is_not_forgotten(portal: Portal) -> None:
    """A proven No from the afternoon outlives the morning's paper, though somebody tapped Yes in
    the evening.
    """
    decisions.answer(portal, a_decision({EMAIL_NEWS: "no"}), signed(GIORGI))
    decisions.answer(portal, a_decision({SMS_NEWS: "yes"}, EVENING), signed(GIORGI))
    decisions.record(portal, on_paper({SMS_NEWS: "no"}, NOON, NEXT_DAY), signed(GIORGI))
    decisions.record(portal, on_paper({SMS_NEWS: "yes"}, MORNING, NEXT_DAY), signed(GIORGI))
    assert state(portal, RIGA, GIORGI, SMS_NEWS) is State.PENDING


def test_a_double_click_that_looked_before_either_wrote_is_one_receipt(portal: Portal) -> None:
    """Two requests of one tap see the same state; the second finds the first one's receipt."""
    decisions.answer(portal, a_decision({EMAIL_NEWS: "yes"}), signed(GIORGI))
    for answer, again in (("no", decisions.answer), ("withdraw", withdrawals.withdraw)):
        decision, seen = (
            a_decision({SMS_NEWS: answer}, NOON),
            portal.directory.look_up(RIGA, [GIORGI]),
        )
        again(portal, decision, signed(GIORGI), seen=seen)
        version = only_person(portal, RIGA, GIORGI).version
        again(portal, decision, signed(GIORGI), seen=seen)
        assert only_person(portal, RIGA, GIORGI).version == version


def test_a_mixed_page_sent_again_stops_what_was_allowed_since_and_starts_nothing(
    portal: Portal,
) -> None:
    """Yes to e-mail and No to SMS, sent again from an open page after reception recorded a Yes to
    SMS.
    """
    decisions.answer(portal, a_decision({EMAIL_NEWS: "no"}), signed(GIORGI))
    mixed = {EMAIL_NEWS: "yes", SMS_NEWS: "no"}
    page = a_decision(mixed, NOON)
    decisions.answer(portal, page, signed(GIORGI))
    decisions.record(portal, on_paper({SMS_NEWS: "yes"}, EVENING, EVENING), signed(GIORGI))
    decisions.answer(
        portal, a_decision(mixed, NEXT_DAY, receipt_id=page.receipt_id), signed(GIORGI)
    )
    assert state(portal, RIGA, GIORGI, SMS_NEWS, NEXT_DAY) is State.WITHDRAWN
    assert state(portal, RIGA, GIORGI, EMAIL_NEWS, NEXT_DAY) is State.PENDING


def test_a_yes_that_staff_record_by_a_shared_phone_alone_is_nobodys(portal: Portal) -> None:
    """Reception is asked whose Yes it is; nobody's withdrawal is lifted by chance."""
    decisions.record(
        portal, on_paper({SMS_NEWS: "yes"}, MORNING, MORNING), signed(ANNA, ANNA_PHONE)
    )
    decisions.record(
        portal, on_paper({SMS_NEWS: "yes"}, MORNING, MORNING), signed(BELLA, ANNA_PHONE)
    )
    withdrawals.withdraw(portal, a_decision({SMS_NEWS: "withdraw"}, NOON), signed(BELLA))
    with pytest.raises(SeveralPeopleError):
        decisions.answer(portal, on_paper({SMS_NEWS: "yes"}, EVENING, EVENING), signed(ANNA_PHONE))
    assert state(portal, RIGA, BELLA, SMS_NEWS) is State.WITHDRAWN


def test_a_second_number_beside_a_shared_e_mail_is_another_person(portal: Portal) -> None:
    """A parent's address serves the child too."""
    decisions.record(portal, on_paper({EMAIL_NEWS: "no"}, MORNING, MORNING), signed(NUMBER, ANNA))
    decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, NOON, NOON), signed(OTHER_NUMBER, ANNA))
    assert state(portal, RIGA, NUMBER, EMAIL_NEWS) is State.REFUSED


def test_a_no_that_staff_record_reaches_everyone_under_the_contacts(portal: Portal) -> None:
    """What a family's phone should not get, it does not get, by whichever contact is asked."""
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(BELLA))
    decisions.answer(portal, on_paper({SMS_NEWS: "no"}, NOON, NOON), signed(BELLA, ANNA_PHONE))
    assert state(portal, RIGA, ANNA, SMS_NEWS) is State.WITHDRAWN


def test_a_withdrawal_page_sent_again_after_a_new_yes_stops_that_too(portal: Portal) -> None:
    """The page says "it has stopped", and so it has."""
    stop = a_decision({SMS_NEWS: "withdraw"}, NOON)
    decisions.answer(portal, a_decision({SMS_NEWS: "yes"}), signed(GIORGI))
    withdrawals.withdraw(portal, stop, signed(GIORGI))
    decisions.record(portal, on_paper({SMS_NEWS: "yes"}, EVENING, EVENING), signed(GIORGI))
    assert state(portal, RIGA, GIORGI, SMS_NEWS) is State.GRANTED
    again = a_decision({SMS_NEWS: "withdraw"}, NEXT_DAY, receipt_id=stop.receipt_id)
    withdrawals.withdraw(portal, again, signed(GIORGI))
    assert state(portal, RIGA, GIORGI, SMS_NEWS, NEXT_DAY) is State.WITHDRAWN


def test_an_idempotency_key_used_for_another_patient_writes_nothing(portal: Portal) -> None:
    """A program's mistake does not stop somebody else's messages."""
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}), signed(GIORGI))
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}), signed(ANNA_PHONE))
    stop = on_paper({SMS_NEWS: "withdraw"}, NOON, NOON)
    withdrawals.withdraw(portal, stop, signed(GIORGI))
    withdrawals.withdraw(portal, replace(stop, recorded_at=EVENING), signed(ANNA_PHONE))
    assert state(portal, RIGA, ANNA_PHONE, SMS_NEWS) is State.GRANTED
