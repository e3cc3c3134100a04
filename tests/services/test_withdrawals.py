from chalicelib.domain.consent import State
from chalicelib.domain.decisions import receipt_id
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.store.lookup import Identification
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI
from tests.factories import (
    EMAIL_NEWS,
    EVENING,
    MORNING,
    NOON,
    SMS_NEWS,
    a_decision,
    a_subject,
    on_paper,
)
from tests.store.people import BELLA, STRANGER, assert_unbroken, only_person, signed, state

STOP_SMS = {SMS_NEWS: "withdraw"}


def a_family(portal: Portal) -> None:
    """Let Anna and Bella, who share a phone, both say Yes, each at reception under her own
    e-mail.
    """
    decisions.record(
        portal, a_decision({SMS_NEWS: "yes", EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE)
    )
    decisions.record(
        portal, a_decision({SMS_NEWS: "yes", EMAIL_NEWS: "yes"}), signed(BELLA, ANNA_PHONE)
    )
    decisions.record(
        portal,
        on_paper({SMS_NEWS: "yes", EMAIL_NEWS: "yes"}, MORNING, MORNING),
        signed(BELLA, ANNA_PHONE),
    )


def test_a_withdrawal_counts_at_once_at_this_clinic(portal: Portal) -> None:
    """Anna's next message is already not sent; what she said elsewhere stands."""
    for clinic in (RIGA, TBILISI):
        decisions.record(
            portal, a_decision({SMS_NEWS: "yes"}, clinic=clinic), signed(ANNA, ANNA_PHONE)
        )
    receipts = withdrawals.withdraw(portal, a_decision(STOP_SMS, NOON), signed(ANNA_PHONE))
    assert [receipt.document["version"] for receipt in receipts] == [2, 1], (
        "hers, and whoever has only the phone"
    )
    assert state(portal, RIGA, ANNA, SMS_NEWS) is State.WITHDRAWN
    assert state(portal, TBILISI, ANNA, SMS_NEWS) is State.GRANTED


def test_a_contact_nobody_used_is_withdrawn_and_a_paper_form_from_before_does_not_undo_it(
    portal: Portal,
) -> None:
    """Giorgi withdraws before his form is typed in; he is not written to."""
    [receipt] = withdrawals.withdraw(portal, a_decision(STOP_SMS, NOON), signed(GIORGI))
    assert receipt.document["version"] == 1
    decisions.record(portal, on_paper({SMS_NEWS: "yes"}, MORNING, EVENING), signed(GIORGI))
    assert state(portal, RIGA, GIORGI, SMS_NEWS) is State.WITHDRAWN


def test_the_same_withdrawal_sent_twice_is_one_receipt(portal: Portal) -> None:
    """Pressing again changes nothing, whether or not the contact was known."""
    for contact in (ANNA, GIORGI):
        decision = a_decision(STOP_SMS, NOON)
        first = withdrawals.withdraw(portal, decision, signed(contact))
        assert withdrawals.withdraw(portal, decision, signed(contact)) == first
        assert only_person(portal, RIGA, contact).version == 1


def test_a_new_person_under_a_family_phone_decides_for_nobody_else(portal: Portal) -> None:
    """Bella's Yes waits to be confirmed, and Anna's e-mail news goes on as she decided."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    decisions.record(
        portal, a_decision({EMAIL_NEWS: "no", SMS_NEWS: "yes"}, NOON), signed(BELLA, ANNA_PHONE)
    )
    assert state(portal, RIGA, ANNA, EMAIL_NEWS) is State.GRANTED
    assert state(portal, RIGA, BELLA, EMAIL_NEWS) is State.REFUSED
    assert state(portal, RIGA, ANNA_PHONE, SMS_NEWS) is State.PENDING
    assert len(portal.directory.look_up(RIGA, [ANNA_PHONE]).known()) == 2


def test_one_no_in_the_family_stops_the_shared_phone_and_no_one_elses_email(portal: Portal) -> None:
    """Nobody who shares the phone gets a message somebody there refused."""
    a_family(portal)
    decisions.record(portal, a_decision({SMS_NEWS: "no"}, NOON), signed(BELLA))
    assert state(portal, RIGA, ANNA_PHONE, SMS_NEWS) is State.WITHDRAWN
    assert state(portal, RIGA, ANNA, SMS_NEWS) is State.GRANTED


def test_withdrawing_by_a_shared_phone_reaches_everyone_who_shares_it(portal: Portal) -> None:
    """“No more messages to this phone” means this phone; each person has a receipt of it in their
    own chain.
    """
    a_family(portal)
    receipts = withdrawals.withdraw(portal, a_decision(STOP_SMS, NOON), signed(ANNA_PHONE))
    assert len({receipt.document["subject"] for receipt in receipts}) == 2
    for contact in (ANNA, BELLA, ANNA_PHONE):
        assert state(portal, RIGA, contact, SMS_NEWS) is State.WITHDRAWN
        assert state(portal, RIGA, contact, EMAIL_NEWS) is State.GRANTED
        for person in portal.directory.look_up(RIGA, [contact]).known():
            assert_unbroken(portal.receipts.history(RIGA, [person]))


def test_a_withdrawal_that_staff_record_in_the_moment_of_another_receipt_reaches_everyone(
    portal: Portal,
) -> None:
    """Two desks at once: the later receipt is a millisecond later, and is no other call's."""
    a_family(portal)
    for contact in (ANNA, BELLA):
        decisions.record(
            portal, on_paper({EMAIL_NEWS: "yes"}, NOON, NOON), signed(contact, ANNA_PHONE)
        )
    stop = on_paper(STOP_SMS, NOON, NOON)
    receipts = withdrawals.withdraw(portal, stop, signed(ANNA_PHONE))
    assert len({receipt.document["subject"] for receipt in receipts}) == 2
    assert [state(portal, RIGA, each, SMS_NEWS) for each in (ANNA, BELLA)] == [State.WITHDRAWN] * 2
    assert withdrawals.withdraw(portal, stop, signed(ANNA_PHONE)) == receipts, "sent again"


def test_a_family_withdrawal_sent_twice_is_one_receipt_each(portal: Portal) -> None:
    """A retry in the middle of it finishes it and doubles nothing."""
    a_family(portal)
    decision = a_decision(STOP_SMS, NOON)
    first = withdrawals.withdraw(portal, decision, signed(ANNA_PHONE))
    assert withdrawals.withdraw(portal, decision, signed(ANNA_PHONE)) == first


def test_a_family_withdrawal_sent_again_doubles_nothing_when_somebody_joined_meanwhile(
    portal: Portal,
) -> None:
    """A repetition gives nobody a second receipt, even when somebody else has come to share the
    phone.
    """
    a_family(portal)
    decision = a_decision(STOP_SMS, NOON)
    withdrawals.withdraw(portal, decision, signed(ANNA_PHONE))
    chains = {contact: only_person(portal, RIGA, contact).version for contact in (ANNA, BELLA)}
    carl = Identification(
        (STRANGER, ANNA_PHONE), None, a_subject(0)
    )  # an id that sorts before every other
    decisions.record(portal, a_decision({SMS_NEWS: "no"}, NOON), carl)
    withdrawals.withdraw(portal, decision, signed(ANNA_PHONE))
    assert {
        contact: only_person(portal, RIGA, contact).version for contact in (ANNA, BELLA)
    } == chains


def test_withdrawing_with_two_contacts_makes_no_ones_contact_anothers(portal: Portal) -> None:
    """Anna stops everything with her e-mail and the family phone; her e-mail stays hers alone."""
    a_family(portal)
    withdrawals.withdraw(portal, a_decision(STOP_SMS, NOON), signed(ANNA, ANNA_PHONE))
    assert len(portal.directory.look_up(RIGA, [ANNA]).known()) == 1
    assert len(portal.directory.look_up(RIGA, [BELLA]).known()) == 1


def test_a_stranger_who_types_annas_email_gains_her_consents_for_no_contact_of_their_own(
    portal: Portal,
) -> None:
    """A phone whose owner never said Yes is not permitted because Anna said Yes (DESIGN,
    Identity).
    """
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}, NOON), signed(ANNA, GIORGI))
    assert state(portal, RIGA, GIORGI, SMS_NEWS) is not State.GRANTED
    assert state(portal, RIGA, ANNA, SMS_NEWS) is State.GRANTED


def test_a_stranger_who_types_annas_phone_takes_nothing_from_her(portal: Portal) -> None:
    """An unconfirmed Yes beside Anna's phone does not stop the messages she asked for (DESIGN,
    Identity).
    """
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}, NOON), signed(STRANGER, ANNA_PHONE))
    assert state(portal, RIGA, ANNA_PHONE, SMS_NEWS) is State.GRANTED


def test_withdrawing_everything_reaches_what_was_asked_under_an_earlier_notice(
    portal: Portal,
) -> None:
    """Nothing agreed to long ago survives “stop everything”."""
    decisions.record(portal, a_decision({"old.purpose": "yes", EMAIL_NEWS: "yes"}), signed(ANNA))
    decision = a_decision({EMAIL_NEWS: "withdraw"}, NOON, everything=True)
    withdrawals.withdraw(portal, decision, signed(ANNA))
    assert state(portal, RIGA, ANNA, "old.purpose") is State.WITHDRAWN


def test_the_receipts_of_a_family_have_ids_of_their_own_made_from_the_first(portal: Portal) -> None:
    """The same withdrawal gives the same ids whenever it is repeated."""
    a_family(portal)
    decision = a_decision(STOP_SMS, NOON)
    first, second = withdrawals.withdraw(portal, decision, signed(ANNA_PHONE))
    assert first.id == decision.receipt_id
    secret = portal.clinics.key(RIGA).receipt_secret()
    assert second.id == receipt_id(
        secret, decision.receipt_id, {"subject": second.document["subject"]}
    )
