"""Imports on a table: how many round trips they cost, and what happens when others write too."""

from typing import Any

from chalicelib.domain.consent import State
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.imported_consents import Outcome
from chalicelib.domain.instants import instant, moment
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.store import audit
from tests.cast import ANNA, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, EVENING, NEXT_DAY, SMS_NEWS, on_paper
from tests.importing import bring_in
from tests.store.people import assert_unbroken, only_person, signed, state

HEADER = "email,date,consent,evidence"


def a_file(number: int) -> str:
    """Write a list of so many people, each with a form."""
    lines = [f"p{each}@example.org,2025-03-01,yes,Form {each}" for each in range(number)]
    return "\n".join([HEADER, *lines, ""])


def test_a_hundred_lines_cost_a_tenth_of_a_round_trip_each(
    portal: Portal, round_trips: list[str]
) -> None:
    """Two thousand lines fit into the 29 seconds of a call."""
    bring_in(portal, f"{HEADER}\nfirst@example.org,2025-03-01,yes,x\n")
    round_trips.clear()
    told = bring_in(portal, a_file(99))
    assert {each.outcome for each in told} == {Outcome.RECORDED}
    assert len(round_trips) <= 14, round_trips
    assert round_trips.count("TransactWriteItems") <= 9
    round_trips.clear()
    again = bring_in(portal, a_file(99))
    assert {each.outcome for each in again} == {Outcome.ALREADY}
    assert "TransactWriteItems" not in round_trips
    assert len(round_trips) <= 6


def test_each_person_has_an_unbroken_chain_and_every_look_is_in_the_audit(portal: Portal) -> None:
    """What is written together is each person's own all the same."""
    bring_in(portal, a_file(30))
    bring_in(portal, a_file(30).replace(",yes,", ",no,").replace("2025", "2026"))
    for number in range(30):
        contact = Contact(ContactKind.EMAIL, f"p{number}@example.org")
        person = only_person(portal, RIGA, contact)
        receipts = portal.receipts.history(RIGA, [person])
        assert_unbroken(receipts)
        assert len(receipts) == 2
        assert state(portal, RIGA, contact, EMAIL_NEWS) is State.WITHDRAWN
        assert state(portal, TBILISI, contact, EMAIL_NEWS) is State.NEVER_ASKED
    lines = list(audit.lines_of(portal.table, RIGA, EVENING[:10]))
    assert [(line["call"], len(line["subjects"])) for line in lines] == [("import", 30)] * 2


def test_who_decides_in_the_middle_of_an_import_loses_nothing(portal: Portal) -> None:
    """A transaction that is refused for one of its people is carried out person by person."""
    bring_in(portal, a_file(20))
    p7 = Contact(ContactKind.EMAIL, "p7@example.org")
    writing = portal.table.write
    done = []

    def meanwhile(writes: Any) -> None:
        if not done:
            done.append(True)
            stop = on_paper({EMAIL_NEWS: "no"}, EVENING, EVENING)
            decisions.record(portal, stop, signed(p7))
        writing(writes)

    portal.table.write = meanwhile  # type: ignore[method-assign]
    try:
        told = bring_in(portal, a_file(20).replace("2025", "2026"), NEXT_DAY)
    finally:
        del portal.table.write
    assert {each.outcome for each in told} == {Outcome.RECORDED}
    assert state(portal, RIGA, p7, EMAIL_NEWS, NEXT_DAY) is State.WITHDRAWN, "his No is later"
    receipts = portal.receipts.history(RIGA, [only_person(portal, RIGA, p7)])
    assert_unbroken(receipts)
    assert [each.document["channel"] for each in receipts] == ["import", "paper", "import"]


def test_a_part_of_a_job_done_twice_tells_the_same_and_writes_nothing(portal: Portal) -> None:
    """A job that broke off goes on; its figures are those of one run."""
    first = bring_in(portal, a_file(12), since=EVENING)
    second = bring_in(portal, a_file(12), instant(moment(NEXT_DAY)), since=EVENING)
    assert second == first
    third = bring_in(portal, a_file(12), NEXT_DAY, since=NEXT_DAY)
    assert {each.outcome for each in third} == {Outcome.ALREADY}
    assert {each.line for each in third} == {each.line for each in first}


def test_two_answers_of_a_person_in_one_file_are_two_receipts(portal: Portal) -> None:
    """Lines of the same person do not stand in each other's way."""
    file = (
        "email,phone,date,newsletter.email,newsletter.sms,evidence\n"
        "anna.ozola@example.org,,2025-03-01,yes,,Form 1\n"
        "anna.ozola@example.org,26123456,2025-04-01,,yes,Form 2\n"
        "anna.ozola@example.org,,2025-05-01,no,,\n"
    )
    told = bring_in(portal, file, purpose="")
    assert [each.outcome for each in told] == [
        Outcome.DUPLICATE,
        Outcome.RECORDED,
        Outcome.RECORDED,
    ]
    assert state(portal, RIGA, ANNA, EMAIL_NEWS) is State.REFUSED
    phone = Contact(ContactKind.PHONE, "+37126123456")
    assert state(portal, RIGA, phone, SMS_NEWS) is State.GRANTED
