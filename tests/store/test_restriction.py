"""Restricted data is stored and nothing else, for every reader and at every time asked about (GDPR Art. 18)."""

from chalicelib.domain.consent import State, resolve, strictest
from chalicelib.domain.instants import EVER
from chalicelib.portal import Portal
from chalicelib.services.subject_rights import restrict
from chalicelib.store.lookup import Look
from tests.acts import EMAIL_NEWS, EVENING, LATER, MORNING, NEXT_DAY, NOON, SMS_NEWS, an_act, on_paper
from tests.cast import ANNA, ANNA_PHONE, RIGA, TBILISI
from tests.store.people import BELLA, only_person, signed
from tests.store.test_races import ROUNDS, at_once


def restricted(house: Portal, *, so: bool = True) -> None:
    """Let Anna have processing restricted, or not any more."""
    anna = only_person(house, RIGA, ANNA)
    assert restrict(house, RIGA, anna.id, "key_1", EVENING, restricted=so) is not None


def permitted(look: Look, address: str = EMAIL_NEWS) -> tuple[State, bool, bool]:
    """Tell state, whether it permits and whether it is restricted, for all who share a contact."""
    statuses = [resolve(each.standings.get(address), look.published.in_force, LATER) for each in look.known()]
    status = strictest(statuses)
    return status.state, status.permitted, status.restricted


def test_nothing_is_permitted_while_it_lasts_and_the_state_stays_true(house: Portal) -> None:
    """Found under every contact, and over when it is lifted."""
    house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    restricted(house)
    for contact in (ANNA, ANNA_PHONE):
        assert permitted(house.register.look(RIGA, [contact])) == (State.GRANTED, False, True)
    restricted(house, so=False)
    assert permitted(house.register.look(RIGA, [ANNA])) == (State.GRANTED, True, False)


def test_no_other_time_asked_about_lets_it_be_forgotten(house: Portal) -> None:
    """A list drawn up for last week is used today."""
    house.register.record(on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(ANNA))
    house.register.record(on_paper({EMAIL_NEWS: "no"}, EVENING, EVENING), signed(ANNA))
    restricted(house)
    look = house.register.look(RIGA, [ANNA])
    for at, known_at in ((NOON, EVER), (NOON, NOON), (EVER, EVER)):
        [standings] = house.register.standings_at(RIGA, look.known(), at, known_at).values()
        status = resolve(standings[EMAIL_NEWS], look.published.in_force, min(at, NEXT_DAY))
        assert (status.restricted, status.permitted) == (True, False)


def test_what_is_decided_meanwhile_is_recorded_and_lifts_nothing(house: Portal) -> None:
    """A withdrawal stays possible; a Yes to something else does not end the restriction; nor does it go into a page."""
    house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(ANNA))
    restricted(house)
    house.register.record(on_paper({SMS_NEWS: "yes"}, EVENING, NEXT_DAY), signed(ANNA))
    house.register.withdraw(an_act({EMAIL_NEWS: "withdraw"}, NEXT_DAY), signed(ANNA))
    look = house.register.look(RIGA, [ANNA])
    assert permitted(look, SMS_NEWS) == (State.GRANTED, False, True)
    assert permitted(look) == (State.WITHDRAWN, False, True)
    restricted(house, so=False)
    for _ in range(40):
        house.register.record(on_paper({SMS_NEWS: "yes"}, EVENING, LATER), signed(ANNA))
    look = house.register.look(RIGA, [ANNA])
    [standings] = house.register.standings_at(RIGA, look.known(), LATER, EVER).values()
    assert not any(standing.restricted for standing in standings.values())


def test_who_shares_the_phone_is_not_permitted_either(house: Portal) -> None:
    """A message to the phone would reach the one who restricted it."""
    for contact in (ANNA, BELLA):
        house.register.record(on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(contact))
        person = only_person(house, RIGA, contact)
        assert person.version == 1
    house.register.record(an_act({SMS_NEWS: "no"}, NOON), signed(ANNA, ANNA_PHONE))
    restricted(house)
    assert permitted(house.register.look(RIGA, [BELLA])) == (State.GRANTED, True, False)
    assert permitted(house.register.look(RIGA, [ANNA, BELLA])) == (State.GRANTED, False, True)


def test_restricting_again_keeps_the_day_and_another_clinic_restricts_nobody(house: Portal) -> None:
    """Safe to repeat."""
    house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(ANNA))
    anna = only_person(house, RIGA, ANNA)
    assert restrict(house, TBILISI, anna.id, "key_1", NOON, restricted=True) is None
    for at in (NOON, EVENING):
        held = restrict(house, RIGA, anna.id, "key_1", at, restricted=True)
        assert held is not None
        assert held.restricted_since == NOON
    assert only_person(house, RIGA, ANNA).restricted_since == NOON


def test_a_restriction_and_a_decision_at_once_are_both_kept(house: Portal) -> None:
    """Neither writes over the other."""
    house.register.record(an_act({EMAIL_NEWS: "no"}), signed(ANNA))
    anna = only_person(house, RIGA, ANNA)
    for number in range(ROUNDS):
        so = number % 2 == 0
        at_once(
            lambda so=so: restrict(house, RIGA, anna.id, "key_1", EVENING, restricted=so),  # type: ignore[misc]
            lambda: house.register.record(an_act({EMAIL_NEWS: "withdraw"}, NOON), signed(ANNA)),
        )
        now = only_person(house, RIGA, ANNA)
        assert (now.version, now.restricted_since is not None) == (number + 2, so)
