"""A withdrawal by a contact that more people share than one request serves: nobody is left out, nobody served twice."""

import itertools
from collections.abc import Callable

import pytest

from chalicelib.domain.consent import Status, resolve, strictest
from chalicelib.domain.contacts import Contact, Kind
from chalicelib.domain.instants import EVER
from chalicelib.domain.receipts import Act, Day
from chalicelib.jobs.withdrawal_orders import carry_on
from chalicelib.portal import Portal
from chalicelib.services.subject_rights import erase
from chalicelib.store import people as roll
from chalicelib.store import withdrawal_orders
from chalicelib.store.receipts import BusyError
from chalicelib.store.withdrawal_orders import MANY, MOST_OPEN
from tests.acts import EMAIL_NEWS, EVENING, MORNING, NOON, SMS_NEWS, an_act, on_paper
from tests.cast import ANNA, ANNA_PHONE, RIGA
from tests.roles import held_to
from tests.store.people import BELLA, assert_unbroken, last_word, only_person, signed, state

STOP = {SMS_NEWS: "withdraw"}
RESIDENTS = MANY + 10


def resident(number: int) -> Contact:
    """Give the clinic's own number of one resident."""
    return Contact(Kind.REFERENCE, f"R-{number:03}")


def a_care_home(house: Portal, residents: int = RESIDENTS) -> list[str]:
    """Let staff record a Yes of each resident, who all share the home's phone; give their ids."""
    for number in range(residents):
        act = on_paper({SMS_NEWS: "yes", EMAIL_NEWS: "yes"}, MORNING, MORNING)
        house.register.record(act, signed(resident(number), ANNA_PHONE))
    return [only_person(house, RIGA, resident(number)).id for number in range(residents)]


def status(house: Portal, contact: Contact, at: str = EVER) -> Status:
    """Tell how the text messages stand for a contact, as the status API does."""
    look = house.register.look(RIGA, [contact])
    people = look.people[contact]
    then = house.register.standings_at(RIGA, people, at, at)
    found = look.stopped({contact: people}, then, at=at, known_at=at).values()
    when = EVENING if at == EVER else at
    return strictest([resolve(each.get(SMS_NEWS), look.published.in_force, when) for each in found])


def carried(house: Portal, hurried: Callable[[], bool] = lambda: False) -> None:
    """Carry on what is open, as the clock's round does."""
    with held_to(house, "catch_up"):
        carry_on(house.table, house.clinics, list(withdrawal_orders.open_orders(house.table)), hurried)


def pages(count: int) -> Callable[[], bool]:
    """Give time for so many pages."""
    asked = itertools.count()
    return lambda: next(asked) > count


def versions(house: Portal, people: list[str]) -> set[int]:
    """Give how many receipts people have; each chain is checked."""
    found = [roll.person(house.table, RIGA, subject) for subject in people]
    for person in found:
        receipts = house.register.history(RIGA, [person])
        assert_unbroken(receipts)
        assert len(receipts) == person.version
    return {person.version for person in found}


def test_a_stop_for_very_many_counts_at_once_and_reaches_everybody(house: Portal, round_trips: list[str]) -> None:
    """The request is as quick as for one; whoever asks by this phone is told the truth before all are reached."""
    people = a_care_home(house)
    act = an_act(STOP, NOON)
    round_trips.clear()
    [first] = house.register.withdraw(act, signed(ANNA_PHONE))
    assert round_trips == ["BatchGetItem", "Query", "TransactWriteItems"]
    assert first.id == act.receipt_id
    assert withdrawal_orders.is_open(house.table, RIGA, first.id)
    told = status(house, ANNA_PHONE)
    assert (told.state, told.permitted, told.since) == ("withdrawn", False, NOON)
    assert status(house, ANNA_PHONE, MORNING).state == "granted", "and what was true before stays true"
    carried(house)
    assert not withdrawal_orders.is_open(house.table, RIGA, first.id)
    assert versions(house, people) == {2}
    for number in range(RESIDENTS):
        assert state(house, RIGA, resident(number), SMS_NEWS) == "withdrawn"
        assert state(house, RIGA, resident(number), EMAIL_NEWS) == "granted"
        assert last_word(only_person(house, RIGA, resident(number)), SMS_NEWS).effective_at == NOON
    assert house.register.look(RIGA, [ANNA_PHONE]).stops(ANNA_PHONE) == ()


def test_a_stop_goes_on_where_it_was_interrupted(house: Portal) -> None:
    """Time runs out after every page."""
    people = a_care_home(house)
    house.register.withdraw(an_act(STOP, NOON), signed(ANNA_PHONE))
    for _ in range(10):
        carried(house, pages(1))
    assert not list(withdrawal_orders.open_orders(house.table))
    assert versions(house, people) == {2}


def test_a_crash_in_the_middle_of_a_page_doubles_nothing(house: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a receipt of the withdrawal gets no second one, and whoever has none gets it."""
    people = a_care_home(house)
    house.register.withdraw(an_act(STOP, NOON), signed(ANNA_PHONE))
    with monkeypatch.context() as crash:
        crash.setattr(withdrawal_orders, "keep", lambda *_: None)  # served, and never noted
        carried(house)
        carried(house)
    carried(house)
    assert versions(house, people) == {2}


@pytest.mark.parametrize("when", ["open", "done"])
def test_the_same_stop_sent_again_is_the_same_receipt(house: Portal, when: str) -> None:
    """A retry neither starts again nor serves anybody twice."""
    people = a_care_home(house)
    act = an_act(STOP, NOON)
    first = house.register.withdraw(act, signed(ANNA_PHONE))
    if when == "done":
        carried(house)
    assert house.register.withdraw(act, signed(ANNA_PHONE)) == first
    carried(house)
    assert versions(house, people) == {2}


def test_who_says_yes_after_the_stop_is_not_stopped_by_it_when_their_turn_comes(house: Portal) -> None:
    """The last resident decides again at reception, before the order has reached them."""
    a_care_home(house)
    house.register.withdraw(an_act(STOP, NOON), signed(ANNA_PHONE))
    last = resident(RESIDENTS - 1)
    house.register.record(on_paper({SMS_NEWS: "yes"}, EVENING, EVENING), signed(last))
    carried(house)
    assert state(house, RIGA, last, SMS_NEWS) == "granted"
    assert state(house, RIGA, resident(RESIDENTS - 2), SMS_NEWS) == "withdrawn"
    versions(house, [only_person(house, RIGA, last).id])


def test_who_got_the_first_receipt_gets_no_second_one_whatever_they_said_since(house: Portal) -> None:
    """One withdrawal is one receipt for each person, also where its first is no longer their last word."""
    people = a_care_home(house)
    [first] = house.register.withdraw(an_act(STOP, NOON), signed(ANNA_PHONE))
    served = people.index(first.document["subject"])
    house.register.record(on_paper({SMS_NEWS: "no"}, EVENING, EVENING), signed(resident(served)))
    carried(house)
    assert versions(house, [people[served]]) == {3}
    assert versions(house, people[:served] + people[served + 1 :]) == {2}


def test_who_is_erased_meanwhile_stays_erased(house: Portal) -> None:
    """The order makes nobody known again."""
    people = a_care_home(house)
    house.register.withdraw(an_act(STOP, NOON), signed(ANNA_PHONE))
    erase(house, RIGA, people[-1], "patient", EVENING)
    carried(house)
    assert versions(house, people) == {1, 2}
    assert len(house.register.look(RIGA, [ANNA_PHONE]).reach[ANNA_PHONE]) == RESIDENTS - 1


def test_an_address_nobody_knows_is_kept_as_withdrawn_beside_a_phone_of_very_many(house: Portal) -> None:
    """A paper form from before, entered later under that address, does not outlive the word."""
    a_care_home(house)
    house.register.withdraw(an_act(STOP, NOON), signed(BELLA, ANNA_PHONE))
    carried(house)
    assert state(house, RIGA, BELLA, SMS_NEWS) == "withdrawn"
    [bella] = house.register.look(RIGA, [BELLA]).reach[BELLA]
    assert bella.version == 1


def test_a_no_of_one_resident_reaches_all_who_were_asked(house: Portal) -> None:
    """What stops for a phone stops for everybody who shares it, and for nothing else."""
    a_care_home(house)
    act = on_paper({SMS_NEWS: "no", EMAIL_NEWS: "yes"}, NOON, NOON)
    receipt = house.register.answer(act, signed(resident(3), ANNA_PHONE))
    assert status(house, ANNA_PHONE).state == "withdrawn"
    assert receipt.document["subject"] == only_person(house, RIGA, resident(3)).id
    carried(house)
    for number in range(RESIDENTS):
        person = only_person(house, RIGA, resident(number))
        assert (person.version, state(house, RIGA, resident(number), SMS_NEWS)) == (2, "withdrawn")
        assert state(house, RIGA, resident(number), EMAIL_NEWS) == "granted"


def test_a_click_stops_only_what_is_left_to_stop(house: Portal) -> None:
    """A mail program that sends its request again and again adds no receipt to anybody's chain."""
    people = a_care_home(house)

    def click(act: Act) -> None:
        look = house.register.look(RIGA, [ANNA_PHONE], most=MANY)
        house.register.withdraw(act, signed(ANNA_PHONE), seen=look, left_only=True)
        carried(house)

    click(an_act(STOP, NOON))
    click(an_act(STOP, EVENING))
    assert versions(house, people) == {2}
    house.register.record(on_paper({SMS_NEWS: "yes"}, EVENING, EVENING), signed(resident(RESIDENTS - 1)))
    click(an_act(STOP, "2026-11-22T20:00:00.000Z"))
    assert state(house, RIGA, resident(RESIDENTS - 1), SMS_NEWS) == "withdrawn"
    assert versions(house, people[:-1]) == {2}


def test_nobody_piles_up_work_for_a_contact_of_very_many(house: Portal) -> None:
    """Each open order is a receipt for everybody: beyond a dozen the next one waits until some are done."""
    a_care_home(house, MANY + 1)
    for number in range(MOST_OPEN):
        house.register.withdraw(an_act(STOP, f"2026-11-22T12:00:{number:02}.000Z"), signed(ANNA_PHONE))
    with pytest.raises(BusyError):
        house.register.withdraw(an_act(STOP, EVENING), signed(ANNA_PHONE))
    carried(house, pages(4))
    house.register.withdraw(an_act(STOP, EVENING), signed(ANNA_PHONE))


def test_somebody_who_cannot_be_served_keeps_the_order_open_and_holds_up_nobody(
    house: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never taken for done while a part is open; the clock's round comes back to it."""
    people = a_care_home(house)
    [first] = house.register.withdraw(an_act(STOP, NOON), signed(ANNA_PHONE))
    record = type(house.register).record

    def fails(register: object, act: Act, signature: object, **more: object) -> object:
        if getattr(signature, "person", "") == people[-1]:
            raise ValueError
        return record(register, act, signature, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as broken:
        broken.setattr(type(house.register), "record", fails)
        carried(house, pages(8))
    assert withdrawal_orders.is_open(house.table, RIGA, first.id)
    assert status(house, ANNA_PHONE).state == "withdrawn"
    carried(house)
    assert versions(house, people) == {2}


def test_what_an_order_holds_names_nobody(house: Portal) -> None:
    """The contacts it is about stand in it sealed, like everywhere."""
    a_care_home(house)
    house.register.withdraw(an_act(STOP, NOON), signed(ANNA, ANNA_PHONE))
    [place] = withdrawal_orders.open_orders(house.table)
    item = house.table.get([place])[place]
    kept = f"{place}{item.body}{bytes(item.blob or b'')!r}"
    assert ANNA.value not in kept
    assert ANNA_PHONE.value[-8:] not in kept


def test_a_stop_of_which_only_the_day_is_known_is_told_so_to_everybody(house: Portal) -> None:
    """A letter has a date and no time: whoever said Yes on that day is stopped, before and after they are reached."""
    people = a_care_home(house)
    day = Day(NOON[:10], f"{NOON[:10]}T21:59:59.999Z")
    act = on_paper({SMS_NEWS: "withdraw"}, f"{NOON[:10]}T00:00:00.000Z", EVENING, day=day)
    house.register.withdraw(act, signed(ANNA_PHONE))
    assert status(house, ANNA_PHONE).state == "withdrawn"
    carried(house)
    assert status(house, ANNA_PHONE).state == "withdrawn"
    for subject in people:
        [_, stop] = house.register.history(RIGA, [roll.person(house.table, RIGA, subject)])
        assert stop.document["effective_date"] == day.date
