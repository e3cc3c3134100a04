from chalicelib.domain.consent import State
from chalicelib.domain.receipts import receipt_id
from chalicelib.portal import Portal
from chalicelib.store.lookup import Signature
from tests.acts import EMAIL_NEWS, EVENING, MORNING, NOON, SMS_NEWS, a_subject, an_act, on_paper
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI
from tests.store.people import BELLA, STRANGER, assert_unbroken, only_person, signed, state

STOP_SMS = {SMS_NEWS: "withdraw"}


def a_family(house: Portal) -> None:
    """Let Anna and Bella, who share a phone, both say Yes, each at reception under her own e-mail."""
    house.register.record(an_act({SMS_NEWS: "yes", EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    house.register.record(an_act({SMS_NEWS: "yes", EMAIL_NEWS: "yes"}), signed(BELLA, ANNA_PHONE))
    house.register.record(on_paper({SMS_NEWS: "yes", EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(BELLA, ANNA_PHONE))


def test_a_withdrawal_counts_at_once_at_this_clinic(house: Portal) -> None:
    """Anna's next message is already not sent; what she said elsewhere stands."""
    for clinic in (RIGA, TBILISI):
        house.register.record(an_act({SMS_NEWS: "yes"}, clinic=clinic), signed(ANNA, ANNA_PHONE))
    receipts = house.register.withdraw(an_act(STOP_SMS, NOON), signed(ANNA_PHONE))
    assert [receipt.document["version"] for receipt in receipts] == [2, 1], "hers, and whoever has only the phone"
    assert state(house, RIGA, ANNA, SMS_NEWS) is State.WITHDRAWN
    assert state(house, TBILISI, ANNA, SMS_NEWS) is State.GRANTED


def test_a_contact_nobody_used_is_withdrawn_and_a_paper_form_from_before_does_not_undo_it(house: Portal) -> None:
    """Giorgi withdraws before his form is typed in; he is not written to."""
    [receipt] = house.register.withdraw(an_act(STOP_SMS, NOON), signed(GIORGI))
    assert receipt.document["version"] == 1
    house.register.record(on_paper({SMS_NEWS: "yes"}, MORNING, EVENING), signed(GIORGI))
    assert state(house, RIGA, GIORGI, SMS_NEWS) is State.WITHDRAWN


def test_the_same_withdrawal_sent_twice_is_one_receipt(house: Portal) -> None:
    """Pressing again changes nothing, whether or not the contact was known."""
    for contact in (ANNA, GIORGI):
        act = an_act(STOP_SMS, NOON)
        first = house.register.withdraw(act, signed(contact))
        assert house.register.withdraw(act, signed(contact)) == first
        assert only_person(house, RIGA, contact).version == 1


def test_a_new_person_under_a_family_phone_decides_for_nobody_else(house: Portal) -> None:
    """Bella's Yes waits to be confirmed, and Anna's e-mail news goes on as she decided."""
    house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    house.register.record(an_act({EMAIL_NEWS: "no", SMS_NEWS: "yes"}, NOON), signed(BELLA, ANNA_PHONE))
    assert state(house, RIGA, ANNA, EMAIL_NEWS) is State.GRANTED
    assert state(house, RIGA, BELLA, EMAIL_NEWS) is State.REFUSED
    assert state(house, RIGA, ANNA_PHONE, SMS_NEWS) is State.PENDING
    assert len(house.register.look(RIGA, [ANNA_PHONE]).known()) == 2


def test_one_no_in_the_family_stops_the_shared_phone_and_no_one_elses_email(house: Portal) -> None:
    """Nobody who shares the phone gets a message somebody there refused."""
    a_family(house)
    house.register.record(an_act({SMS_NEWS: "no"}, NOON), signed(BELLA))
    assert state(house, RIGA, ANNA_PHONE, SMS_NEWS) is State.WITHDRAWN
    assert state(house, RIGA, ANNA, SMS_NEWS) is State.GRANTED


def test_withdrawing_by_a_shared_phone_reaches_everyone_who_shares_it(house: Portal) -> None:
    """“No more messages to this phone” means this phone; each person has a receipt of it in their own chain."""
    a_family(house)
    receipts = house.register.withdraw(an_act(STOP_SMS, NOON), signed(ANNA_PHONE))
    assert len({receipt.document["subject"] for receipt in receipts}) == 2
    for contact in (ANNA, BELLA, ANNA_PHONE):
        assert state(house, RIGA, contact, SMS_NEWS) is State.WITHDRAWN
        assert state(house, RIGA, contact, EMAIL_NEWS) is State.GRANTED
        for person in house.register.look(RIGA, [contact]).known():
            assert_unbroken(house.register.history(RIGA, [person]))


def test_a_withdrawal_that_staff_record_in_the_moment_of_another_receipt_reaches_everyone(house: Portal) -> None:
    """Two desks at once: the later receipt is a millisecond later, and is no other call's."""
    a_family(house)
    for contact in (ANNA, BELLA):
        house.register.record(on_paper({EMAIL_NEWS: "yes"}, NOON, NOON), signed(contact, ANNA_PHONE))
    stop = on_paper(STOP_SMS, NOON, NOON)
    receipts = house.register.withdraw(stop, signed(ANNA_PHONE))
    assert len({receipt.document["subject"] for receipt in receipts}) == 2
    assert [state(house, RIGA, each, SMS_NEWS) for each in (ANNA, BELLA)] == [State.WITHDRAWN] * 2
    assert house.register.withdraw(stop, signed(ANNA_PHONE)) == receipts, "sent again"


def test_a_family_withdrawal_sent_twice_is_one_receipt_each(house: Portal) -> None:
    """A retry in the middle of it finishes it and doubles nothing."""
    a_family(house)
    act = an_act(STOP_SMS, NOON)
    first = house.register.withdraw(act, signed(ANNA_PHONE))
    assert house.register.withdraw(act, signed(ANNA_PHONE)) == first


def test_a_family_withdrawal_sent_again_doubles_nothing_when_somebody_joined_meanwhile(house: Portal) -> None:
    """A repetition gives nobody a second receipt, even when somebody else has come to share the phone."""
    a_family(house)
    act = an_act(STOP_SMS, NOON)
    house.register.withdraw(act, signed(ANNA_PHONE))
    chains = {contact: only_person(house, RIGA, contact).version for contact in (ANNA, BELLA)}
    carl = Signature((STRANGER, ANNA_PHONE), None, a_subject(0))  # an id that sorts before every other
    house.register.record(an_act({SMS_NEWS: "no"}, NOON), carl)
    house.register.withdraw(act, signed(ANNA_PHONE))
    assert {contact: only_person(house, RIGA, contact).version for contact in (ANNA, BELLA)} == chains


def test_withdrawing_with_two_contacts_makes_no_ones_contact_anothers(house: Portal) -> None:
    """Anna stops everything with her e-mail and the family phone; her e-mail stays hers alone."""
    a_family(house)
    house.register.withdraw(an_act(STOP_SMS, NOON), signed(ANNA, ANNA_PHONE))
    assert len(house.register.look(RIGA, [ANNA]).known()) == 1
    assert len(house.register.look(RIGA, [BELLA]).known()) == 1


def test_a_stranger_who_types_annas_email_gains_her_consents_for_no_contact_of_their_own(house: Portal) -> None:
    """A phone whose owner never said Yes is not permitted because Anna said Yes (DESIGN, Identity)."""
    house.register.record(an_act({SMS_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    house.register.record(an_act({SMS_NEWS: "yes"}, NOON), signed(ANNA, GIORGI))
    assert state(house, RIGA, GIORGI, SMS_NEWS) is not State.GRANTED
    assert state(house, RIGA, ANNA, SMS_NEWS) is State.GRANTED


def test_a_stranger_who_types_annas_phone_takes_nothing_from_her(house: Portal) -> None:
    """An unconfirmed Yes beside Anna's phone does not stop the messages she asked for (DESIGN, Identity)."""
    house.register.record(an_act({SMS_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    house.register.record(an_act({SMS_NEWS: "yes"}, NOON), signed(STRANGER, ANNA_PHONE))
    assert state(house, RIGA, ANNA_PHONE, SMS_NEWS) is State.GRANTED


def test_withdrawing_everything_reaches_what_was_asked_under_an_earlier_notice(house: Portal) -> None:
    """Nothing agreed to long ago survives “stop everything”."""
    house.register.record(an_act({"old.purpose": "yes", EMAIL_NEWS: "yes"}), signed(ANNA))
    act = an_act({EMAIL_NEWS: "withdraw"}, NOON, everything=True)
    house.register.withdraw(act, signed(ANNA))
    assert state(house, RIGA, ANNA, "old.purpose") is State.WITHDRAWN


def test_the_receipts_of_a_family_have_ids_of_their_own_made_from_the_first(house: Portal) -> None:
    """The same withdrawal gives the same ids whenever it is repeated."""
    a_family(house)
    act = an_act(STOP_SMS, NOON)
    first, second = house.register.withdraw(act, signed(ANNA_PHONE))
    assert first.id == act.receipt_id
    secret = house.clinics.key(RIGA).receipt_secret()
    assert second.id == receipt_id(secret, act.receipt_id, {"subject": second.document["subject"]})
