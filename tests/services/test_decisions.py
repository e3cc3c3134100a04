from dataclasses import replace

import pytest

from chalicelib.domain.consent import State
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.decisions import NoticeChangedError
from chalicelib.store.clinics import UnknownClinicError
from chalicelib.store.receipts import UnknownReceiptError
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, EVENING, MORNING, NOON, SMS_NEWS, a_decision, on_paper
from tests.store.people import assert_unbroken, chain, last_word, only_person, signed, state
from tests.store.test_clinics import publish
from tests.stores import on_both as endpoint  # noqa: F401 - a fixture


def test_a_decision_is_found_by_whom_it_is_about(portal: Portal) -> None:
    """Anna says Yes on her phone in the waiting room; the newsletter program knows it a moment
    later.
    """
    receipt = decisions.record(
        portal, a_decision({EMAIL_NEWS: "yes", SMS_NEWS: "no"}), signed(ANNA)
    )
    assert state(portal, RIGA, ANNA, EMAIL_NEWS) is State.GRANTED
    assert state(portal, RIGA, ANNA, SMS_NEWS) is State.REFUSED
    assert last_word(only_person(portal, RIGA, ANNA)).receipt_id == receipt.id


def test_who_never_decided_is_never_asked(portal: Portal) -> None:
    """No record is no Yes."""
    assert state(portal, RIGA, GIORGI, EMAIL_NEWS) is State.NEVER_ASKED


def test_the_other_clinic_finds_nothing(portal: Portal) -> None:
    """What Anna tells Riga is Riga's business."""
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    assert state(portal, TBILISI, ANNA, EMAIL_NEWS) is State.NEVER_ASKED
    with pytest.raises(UnknownReceiptError):
        portal.receipts.find(TBILISI, receipt.id)
    assert portal.receipts.history(TBILISI, portal.directory.look_up(RIGA, [ANNA]).known()) == []
    with pytest.raises(UnknownClinicError):
        portal.directory.look_up("nowhere-clinic", [ANNA])


def test_a_receipt_is_read_back_byte_for_byte(portal: Portal) -> None:
    """The receipt Anna saved is the one the clinic has."""
    receipt = decisions.record(
        portal, a_decision({EMAIL_NEWS: "yes"}, source="reģistratūra"), signed(ANNA)
    )
    assert portal.receipts.find(RIGA, receipt.id).canonical == receipt.canonical
    with pytest.raises(UnknownReceiptError):
        portal.receipts.find(RIGA, "0" * 32)


def test_each_decision_is_the_next_of_one_chain(portal: Portal) -> None:
    """A year of changes of mind reads like a book, without a torn-out page."""
    for number, answer in enumerate(["yes", "withdraw", "yes", "no", "withdraw"]):
        decision = a_decision({EMAIL_NEWS: answer}, f"2026-11-22T08:15:{number:02}.000Z")
        decisions.record(portal, decision, signed(ANNA, ANNA_PHONE))
    receipts = chain(portal, decision, portal.directory.look_up(RIGA, [ANNA_PHONE]).known())
    assert [receipt.document["decisions"][EMAIL_NEWS]["answer"] for receipt in receipts] == [
        "yes",
        "withdraw",
        "yes",
        "no",
        "withdraw",
    ]


def test_more_than_nine_receipts_stay_in_order(portal: Portal) -> None:
    """The eleventh comes after the tenth and not after the first."""
    for _ in range(11):
        decision = a_decision({EMAIL_NEWS: "withdraw"})
        decisions.record(portal, decision, signed(ANNA))
    assert len(chain(portal, decision, portal.directory.look_up(RIGA, [ANNA]).known())) == 11


def test_a_person_with_two_contacts_is_one_person(portal: Portal) -> None:
    """Anna's e-mail and Anna's phone tell the same, whichever the clinic asks by."""
    decisions.record(
        portal, a_decision({EMAIL_NEWS: "yes", SMS_NEWS: "yes"}), signed(ANNA, ANNA_PHONE)
    )
    person = only_person(portal, RIGA, ANNA, ANNA_PHONE)
    assert len(person.contacts) == 2
    decisions.record(portal, a_decision({SMS_NEWS: "no"}, NOON), signed(ANNA_PHONE, ANNA))
    for contact in (ANNA, ANNA_PHONE):
        assert state(portal, RIGA, contact, SMS_NEWS) is State.WITHDRAWN
        assert state(portal, RIGA, contact, EMAIL_NEWS) is State.GRANTED


def test_staff_find_a_known_person_under_a_new_contact_too(portal: Portal) -> None:
    """Anna gives reception her phone; from then on both find her."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    decisions.record(portal, on_paper({SMS_NEWS: "yes"}, NOON, NOON), signed(ANNA, ANNA_PHONE))
    assert state(portal, RIGA, ANNA_PHONE, SMS_NEWS) is State.GRANTED
    assert only_person(portal, RIGA, ANNA).id == only_person(portal, RIGA, ANNA_PHONE).id


def test_staff_find_a_person_by_the_clinics_own_number(portal: Portal) -> None:
    """The clinic's program asks by the number it already has."""
    number = Contact(ContactKind.REFERENCE, "P-4711")
    decisions.record(portal, on_paper({SMS_NEWS: "yes"}, MORNING, NOON), signed(number, GIORGI))
    assert state(portal, RIGA, number, SMS_NEWS) is State.GRANTED


def test_the_same_act_sent_twice_is_one_receipt(portal: Portal) -> None:
    """A double click, a Lambda retry or a program's Idempotency-Key gives the receipt that is there
    already.
    """
    decision = a_decision({EMAIL_NEWS: "yes"})
    first = decisions.record(portal, decision, signed(ANNA))
    again = decisions.record(
        portal, replace(decision, effective_at=NOON, recorded_at=NOON), signed(ANNA)
    )
    assert again == first
    assert len(chain(portal, decision, portal.directory.look_up(RIGA, [ANNA]).known())) == 1


def test_an_act_sent_twice_after_another_one_still_gives_its_own_receipt(portal: Portal) -> None:
    """A late repetition never undoes what was decided meanwhile."""
    decision = a_decision({EMAIL_NEWS: "yes"})
    first = decisions.record(portal, decision, signed(ANNA))
    decisions.record(portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), signed(ANNA))
    assert decisions.record(portal, decision, signed(ANNA)) == first
    assert state(portal, RIGA, ANNA, EMAIL_NEWS) is State.WITHDRAWN


def test_an_act_sent_twice_gives_its_receipt_though_the_notice_changed_meanwhile(
    portal: Portal,
) -> None:
    """Who lost the answer to a Yes that was stored is not told that nothing was stored."""
    publish(portal)
    decision = a_decision({EMAIL_NEWS: "yes"}, clinic="liepaja-physio")
    first = decisions.record(portal, decision, signed(ANNA))
    publish(portal, NOON, version="1.1")
    assert decisions.record(portal, decision, signed(ANNA)) == first


def test_a_yes_to_a_text_no_longer_in_force_is_not_stored(portal: Portal) -> None:
    """Nobody is held to a text that changed while their page was open."""
    publish(portal)
    publish(portal, NOON, version="1.1")
    with pytest.raises(NoticeChangedError) as caught:
        decisions.record(
            portal, a_decision({EMAIL_NEWS: "yes"}, clinic="liepaja-physio"), signed(ANNA)
        )
    assert caught.value.published.clinic.version == "1.1"
    assert portal.directory.look_up("liepaja-physio", [ANNA]).known() == ()


@pytest.mark.parametrize("answer", ["no", "withdraw"])
def test_a_no_on_an_old_page_counts(portal: Portal, answer: str) -> None:
    """A changed text stands in nobody's way to stop."""
    publish(portal)
    publish(portal, NOON, version="1.1")
    decisions.record(
        portal, a_decision({EMAIL_NEWS: answer}, clinic="liepaja-physio"), signed(ANNA)
    )
    assert state(portal, "liepaja-physio", ANNA, EMAIL_NEWS) in {State.REFUSED, State.WITHDRAWN}


def test_a_major_change_supersedes_what_stands_in_the_table(portal: Portal) -> None:
    """The moment a new use of data is published, the old Yes permits nothing."""
    publish(portal)
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, clinic="liepaja-physio"), signed(ANNA))
    publish(portal, NOON, version="1.1")
    assert state(portal, "liepaja-physio", ANNA, EMAIL_NEWS) is State.GRANTED
    publish(portal, NOON, version="2.0")
    assert state(portal, "liepaja-physio", ANNA, EMAIL_NEWS) is State.SUPERSEDED


def test_a_paper_form_entered_late_is_the_next_receipt_and_not_the_last_word(
    portal: Portal,
) -> None:
    """The chain keeps the order of learning, the state the order of deciding."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), signed(ANNA))
    decision = on_paper({EMAIL_NEWS: "yes"}, MORNING, EVENING)
    late = decisions.record(portal, decision, signed(ANNA))
    assert late.document["version"] == 2
    assert state(portal, RIGA, ANNA, EMAIL_NEWS) is State.WITHDRAWN
    assert len(chain(portal, decision, portal.directory.look_up(RIGA, [ANNA]).known())) == 2


def test_the_history_of_several_is_in_the_order_it_was_recorded(portal: Portal) -> None:
    """Who reads a shared phone's history reads it as it happened."""
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}, MORNING), signed(ANNA, ANNA_PHONE))
    decisions.record(portal, a_decision({SMS_NEWS: "no"}, NOON), signed(GIORGI))
    decisions.record(portal, a_decision({SMS_NEWS: "no"}, EVENING), signed(ANNA, ANNA_PHONE))
    people = portal.directory.look_up(RIGA, [GIORGI, ANNA]).known()
    receipts = portal.receipts.history(RIGA, people)
    assert [receipt.document["recorded_at"] for receipt in receipts] == [MORNING, NOON, EVENING]
    assert_unbroken([receipt for receipt in receipts if receipt.document["recorded_at"] != NOON])


def test_the_history_of_one_person_is_in_the_order_of_the_chain(portal: Portal) -> None:
    """Of two at once the second receipt may carry the earlier time; whoever checks the chain reads
    it in order.
    """
    decisions.record(portal, a_decision({SMS_NEWS: "no"}, NOON), signed(ANNA))
    decision = a_decision({EMAIL_NEWS: "no"}, MORNING)
    decisions.record(portal, decision, signed(ANNA))
    assert len(chain(portal, decision, portal.directory.look_up(RIGA, [ANNA]).known())) == 2
