"""A withdrawal by a contact that more people share than one request serves: nobody is left out,
nobody served twice.
"""

import itertools
from collections.abc import Callable

import pytest

from chalicelib.domain.consent import Status, resolve, strictest
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Day, Decision
from chalicelib.domain.instants import END_OF_TIME
from chalicelib.jobs.withdrawal_orders import carry_on
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.decisions import BusyError
from chalicelib.services.subject_rights import erase
from chalicelib.store import people as roll
from chalicelib.store import withdrawal_orders
from chalicelib.store.keys.key import Key
from chalicelib.store.withdrawal_orders import MANY, MOST_OPEN
from tests.cast import ANNA, ANNA_PHONE, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, EVENING, MORNING, NOON, SMS_NEWS, a_decision, on_paper
from tests.policies import under_policy_of
from tests.store.people import BELLA, assert_unbroken, last_word, only_person, signed, state

STOP = {SMS_NEWS: "withdraw"}
RESIDENTS = MANY + 10


def resident(number: int) -> Contact:
    """Give the clinic's own number of one resident."""
    return Contact(ContactKind.REFERENCE, f"R-{number:03}")


def a_care_home(portal: Portal, residents: int = RESIDENTS, clinic: str = RIGA) -> list[str]:
    """Let staff record a Yes of each resident, who all share the home's phone; give their ids."""
    for number in range(residents):
        answers = {SMS_NEWS: "yes", EMAIL_NEWS: "yes"}
        decision = on_paper(answers, MORNING, MORNING, clinic=clinic)
        decisions.record(portal, decision, signed(resident(number), ANNA_PHONE))
    return [only_person(portal, clinic, resident(number)).id for number in range(residents)]


def status(portal: Portal, contact: Contact, at: str = END_OF_TIME) -> Status:
    """Tell how the text messages stand for a contact, as the status API does."""
    lookup = portal.directory.look_up(RIGA, [contact])
    people = lookup.people[contact]
    then = portal.receipts.answers_as_of(RIGA, people, at, at)
    found = lookup.stopped({contact: people}, then, at=at, known_at=at).values()
    when = EVENING if at == END_OF_TIME else at
    return strictest(
        [resolve(each.get(SMS_NEWS), lookup.published.in_force, when) for each in found]
    )


def carried(portal: Portal, out_of_time: Callable[[], bool] = lambda: False) -> None:
    """Carry on what is open, as the clock's round does."""
    with under_policy_of(portal, "catch_up"):
        carry_on(portal, list(withdrawal_orders.open_orders(portal.table)), out_of_time)


def pages(count: int) -> Callable[[], bool]:
    """Give time for so many pages."""
    asked = itertools.count()
    return lambda: next(asked) > count


def versions(portal: Portal, people: list[str]) -> set[int]:
    """Give how many receipts people have; each chain is checked."""
    found = [roll.person(portal.table, RIGA, subject) for subject in people]
    for person in found:
        receipts = portal.receipts.history(RIGA, [person])
        assert_unbroken(receipts)
        assert len(receipts) == person.version
    return {person.version for person in found}


def test_a_stop_for_very_many_counts_at_once_and_reaches_everybody(
    portal: Portal, round_trips: list[str]
) -> None:
    """The request is as quick as for one; whoever asks by this phone is told the truth before all
    are reached.
    """
    people = a_care_home(portal)
    decision = a_decision(STOP, NOON)
    round_trips.clear()
    [first] = withdrawals.withdraw(portal, decision, signed(ANNA_PHONE))
    assert round_trips == ["BatchGetItem", "Query", "TransactWriteItems"]
    assert first.id == decision.receipt_id
    assert withdrawal_orders.is_open(portal.table, RIGA, first.id)
    told = status(portal, ANNA_PHONE)
    assert (told.state, told.permitted, told.since) == ("withdrawn", False, NOON)
    assert status(portal, ANNA_PHONE, MORNING).state == "granted", (
        "and what was true before stays true"
    )
    carried(portal)
    assert not withdrawal_orders.is_open(portal.table, RIGA, first.id)
    assert versions(portal, people) == {2}
    for number in range(RESIDENTS):
        assert state(portal, RIGA, resident(number), SMS_NEWS) == "withdrawn"
        assert state(portal, RIGA, resident(number), EMAIL_NEWS) == "granted"
        assert last_word(only_person(portal, RIGA, resident(number)), SMS_NEWS).effective_at == NOON
    assert portal.directory.look_up(RIGA, [ANNA_PHONE]).stops(ANNA_PHONE) == ()


def test_a_stop_goes_on_where_it_was_interrupted(portal: Portal) -> None:
    """Time runs out after every page."""
    people = a_care_home(portal)
    withdrawals.withdraw(portal, a_decision(STOP, NOON), signed(ANNA_PHONE))
    for _ in range(10):
        carried(portal, pages(1))
    assert not list(withdrawal_orders.open_orders(portal.table))
    assert versions(portal, people) == {2}


def test_a_crash_in_the_middle_of_a_page_doubles_nothing(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has a receipt of the withdrawal gets no second one, and whoever has none gets it."""
    people = a_care_home(portal)
    withdrawals.withdraw(portal, a_decision(STOP, NOON), signed(ANNA_PHONE))
    with monkeypatch.context() as crash:
        crash.setattr(
            withdrawal_orders, "save_progress", lambda *_: None
        )  # served, and never noted
        carried(portal)
        carried(portal)
    carried(portal)
    assert versions(portal, people) == {2}


@pytest.mark.parametrize("when", ["open", "done"])
def test_the_same_stop_sent_again_is_the_same_receipt(portal: Portal, when: str) -> None:
    """A retry neither starts again nor serves anybody twice."""
    people = a_care_home(portal)
    decision = a_decision(STOP, NOON)
    first = withdrawals.withdraw(portal, decision, signed(ANNA_PHONE))
    if when == "done":
        carried(portal)
    assert withdrawals.withdraw(portal, decision, signed(ANNA_PHONE)) == first
    carried(portal)
    assert versions(portal, people) == {2}


def test_who_says_yes_after_the_stop_is_not_stopped_by_it_when_their_turn_comes(
    portal: Portal,
) -> None:
    """The last resident decides again at reception, before the order has reached them."""
    a_care_home(portal)
    withdrawals.withdraw(portal, a_decision(STOP, NOON), signed(ANNA_PHONE))
    last = resident(RESIDENTS - 1)
    decisions.record(portal, on_paper({SMS_NEWS: "yes"}, EVENING, EVENING), signed(last))
    carried(portal)
    assert state(portal, RIGA, last, SMS_NEWS) == "granted"
    assert state(portal, RIGA, resident(RESIDENTS - 2), SMS_NEWS) == "withdrawn"
    versions(portal, [only_person(portal, RIGA, last).id])


def test_who_got_the_first_receipt_gets_no_second_one_whatever_they_said_since(
    portal: Portal,
) -> None:
    """One withdrawal is one receipt for each person, also where its first is no longer their last
    word.
    """
    people = a_care_home(portal)
    [first] = withdrawals.withdraw(portal, a_decision(STOP, NOON), signed(ANNA_PHONE))
    served = people.index(first.document["subject"])
    decisions.record(portal, on_paper({SMS_NEWS: "no"}, EVENING, EVENING), signed(resident(served)))
    carried(portal)
    assert versions(portal, [people[served]]) == {3}
    assert versions(portal, people[:served] + people[served + 1 :]) == {2}


def test_who_is_erased_meanwhile_stays_erased(portal: Portal) -> None:
    """The order makes nobody known again."""
    people = a_care_home(portal)
    withdrawals.withdraw(portal, a_decision(STOP, NOON), signed(ANNA_PHONE))
    erase(portal, RIGA, people[-1], "patient", EVENING)
    carried(portal)
    assert versions(portal, people) == {1, 2}
    assert (
        len(portal.directory.look_up(RIGA, [ANNA_PHONE]).stored_under[ANNA_PHONE]) == RESIDENTS - 1
    )


def test_an_address_nobody_knows_is_kept_as_withdrawn_beside_a_phone_of_very_many(
    portal: Portal,
) -> None:
    """A paper form from before, entered later under that address, does not outlive the word."""
    a_care_home(portal)
    withdrawals.withdraw(portal, a_decision(STOP, NOON), signed(BELLA, ANNA_PHONE))
    carried(portal)
    assert state(portal, RIGA, BELLA, SMS_NEWS) == "withdrawn"
    [bella] = portal.directory.look_up(RIGA, [BELLA]).stored_under[BELLA]
    assert bella.version == 1


def test_a_no_of_one_resident_reaches_all_who_were_asked(portal: Portal) -> None:
    """What stops for a phone stops for everybody who shares it, and for nothing else."""
    a_care_home(portal)
    decision = on_paper({SMS_NEWS: "no", EMAIL_NEWS: "yes"}, NOON, NOON)
    receipt = decisions.answer(portal, decision, signed(resident(3), ANNA_PHONE))
    assert status(portal, ANNA_PHONE).state == "withdrawn"
    assert receipt.document["subject"] == only_person(portal, RIGA, resident(3)).id
    carried(portal)
    for number in range(RESIDENTS):
        person = only_person(portal, RIGA, resident(number))
        assert (person.version, state(portal, RIGA, resident(number), SMS_NEWS)) == (2, "withdrawn")
        assert state(portal, RIGA, resident(number), EMAIL_NEWS) == "granted"


def test_a_click_stops_only_what_is_left_to_stop(portal: Portal) -> None:
    """A mail program that sends its request again and again adds no receipt to anybody's chain."""
    people = a_care_home(portal)

    def click(decision: Decision) -> None:
        lookup = portal.directory.look_up(RIGA, [ANNA_PHONE], most=MANY)
        withdrawals.withdraw(portal, decision, signed(ANNA_PHONE), seen=lookup, left_only=True)
        carried(portal)

    click(a_decision(STOP, NOON))
    click(a_decision(STOP, EVENING))
    assert versions(portal, people) == {2}
    decisions.record(
        portal, on_paper({SMS_NEWS: "yes"}, EVENING, EVENING), signed(resident(RESIDENTS - 1))
    )
    click(a_decision(STOP, "2026-11-22T20:00:00.000Z"))
    assert state(portal, RIGA, resident(RESIDENTS - 1), SMS_NEWS) == "withdrawn"
    assert versions(portal, people[:-1]) == {2}


def test_nobody_piles_up_work_for_a_contact_of_very_many(portal: Portal) -> None:
    """Each open order is a receipt for everybody: beyond a dozen the next one waits until some are
    done.
    """
    a_care_home(portal, MANY + 1)
    for number in range(MOST_OPEN):
        withdrawals.withdraw(
            portal, a_decision(STOP, f"2026-11-22T12:00:{number:02}.000Z"), signed(ANNA_PHONE)
        )
    with pytest.raises(BusyError):
        withdrawals.withdraw(portal, a_decision(STOP, EVENING), signed(ANNA_PHONE))
    carried(portal, pages(4))
    withdrawals.withdraw(portal, a_decision(STOP, EVENING), signed(ANNA_PHONE))


def test_clinics_take_turns_page_by_page(portal: Portal) -> None:
    """No clinic waits for all the orders of another; a clinic's own are done one after the other."""
    first, second = (a_decision(STOP, at) for at in (NOON, EVENING))
    other = a_decision(STOP, NOON, clinic=TBILISI)
    for clinic in (RIGA, TBILISI):
        a_care_home(portal, MANY + 1, clinic)
    for decision in (first, second, other):
        withdrawals.withdraw(portal, decision, signed(ANNA_PHONE))
    places = list(withdrawal_orders.open_orders(portal.table))
    began = {place: _progress(portal, place) for place in places}
    with under_policy_of(portal, "catch_up"):
        carry_on(portal, sorted(places, key=_by_clinic), pages(1))
    moved = [place for place in places if _progress(portal, place) != began[place]]
    assert sorted(map(withdrawal_orders.clinic_of, moved)) == sorted([RIGA, TBILISI])
    carried(portal)
    assert not list(withdrawal_orders.open_orders(portal.table))


def _by_clinic(place: Key) -> bool:
    """Put Riga's orders first."""
    return withdrawal_orders.clinic_of(place) != RIGA


def _progress(portal: Portal, place: Key) -> object:
    """Tell how far an order has come."""
    key = portal.clinics.key(withdrawal_orders.clinic_of(place))
    order = withdrawal_orders.read_order(portal.table, key, place)
    return order and order.progress


def test_somebody_who_cannot_be_served_keeps_the_order_open_and_holds_up_nobody(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never taken for done while a part is open; the clock's round comes back to it."""
    people = a_care_home(portal)
    [first] = withdrawals.withdraw(portal, a_decision(STOP, NOON), signed(ANNA_PHONE))
    record = decisions.record

    def fails(portal: Portal, decision: Decision, signature: object, **more: object) -> object:
        if getattr(signature, "person", "") == people[-1]:
            raise ValueError
        return record(portal, decision, signature, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as broken:
        broken.setattr(decisions, "record", fails)
        carried(portal, pages(8))
    assert withdrawal_orders.is_open(portal.table, RIGA, first.id)
    assert status(portal, ANNA_PHONE).state == "withdrawn"
    carried(portal)
    assert versions(portal, people) == {2}


def test_what_an_order_holds_names_nobody(portal: Portal) -> None:
    """The contacts it is about stand in it sealed, like everywhere."""
    a_care_home(portal)
    withdrawals.withdraw(portal, a_decision(STOP, NOON), signed(ANNA, ANNA_PHONE))
    [place] = withdrawal_orders.open_orders(portal.table)
    item = portal.table.get([place])[place]
    kept = f"{place}{item.body}{bytes(item.blob or b'')!r}"
    assert ANNA.value not in kept
    assert ANNA_PHONE.value[-8:] not in kept


def test_a_stop_of_which_only_the_day_is_known_is_told_so_to_everybody(portal: Portal) -> None:
    """A letter has a date and no time: whoever said Yes on that day is stopped, before and after
    they are reached.
    """
    people = a_care_home(portal)
    day = Day(NOON[:10], f"{NOON[:10]}T21:59:59.999Z")
    decision = on_paper({SMS_NEWS: "withdraw"}, f"{NOON[:10]}T00:00:00.000Z", EVENING, day=day)
    withdrawals.withdraw(portal, decision, signed(ANNA_PHONE))
    assert status(portal, ANNA_PHONE).state == "withdrawn"
    carried(portal)
    assert status(portal, ANNA_PHONE).state == "withdrawn"
    for subject in people:
        [_, stop] = portal.receipts.history(RIGA, [roll.person(portal.table, RIGA, subject)])
        assert stop.document["effective_date"] == day.date
