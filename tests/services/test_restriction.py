"""Restricted data is stored and nothing else, for every reader and at every time asked about (GDPR
Art. 18).
"""

from chalicelib.domain.consent import State, resolve, strictest
from chalicelib.domain.instants import END_OF_TIME
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.subject_rights import restrict
from chalicelib.store.lookup import Lookup
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
from tests.services.test_races import ROUNDS, at_once
from tests.store.people import BELLA, only_person, signed


def restricted(portal: Portal, *, so: bool = True) -> None:
    """Let Anna have processing restricted, or not any more."""
    anna = only_person(portal, RIGA, ANNA)
    assert restrict(portal, RIGA, anna.id, "key_1", EVENING, restricted=so) is not None


def permitted(lookup: Lookup, address: str = EMAIL_NEWS) -> tuple[State, bool, bool]:
    """Tell state, whether it permits and whether it is restricted, for all who share a contact."""
    statuses = [
        resolve(each.summaries.get(address), lookup.published.in_force, LATER)
        for each in lookup.known()
    ]
    status = strictest(statuses)
    return status.state, status.permitted, status.restricted


def test_nothing_is_permitted_while_it_lasts_and_the_state_stays_true(portal: Portal) -> None:
    """Found under every contact, and over when it is lifted."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    restricted(portal)
    for contact in (ANNA, ANNA_PHONE):
        assert permitted(portal.directory.look_up(RIGA, [contact])) == (State.GRANTED, False, True)
    restricted(portal, so=False)
    assert permitted(portal.directory.look_up(RIGA, [ANNA])) == (State.GRANTED, True, False)


def test_no_other_time_asked_about_lets_it_be_forgotten(portal: Portal) -> None:
    """A list drawn up for last week is used today."""
    decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(ANNA))
    decisions.record(portal, on_paper({EMAIL_NEWS: "no"}, EVENING, EVENING), signed(ANNA))
    restricted(portal)
    lookup = portal.directory.look_up(RIGA, [ANNA])
    for at, known_at in ((NOON, END_OF_TIME), (NOON, NOON), (END_OF_TIME, END_OF_TIME)):
        [standings] = portal.receipts.answers_as_of(RIGA, lookup.known(), at, known_at).values()
        status = resolve(standings[EMAIL_NEWS], lookup.published.in_force, min(at, NEXT_DAY))
        assert (status.restricted, status.permitted) == (True, False)


def test_what_is_decided_meanwhile_is_recorded_and_lifts_nothing(portal: Portal) -> None:
    """A withdrawal stays possible; a Yes to something else does not end the restriction; nor does
    it go into a page.
    """
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    restricted(portal)
    decisions.record(portal, on_paper({SMS_NEWS: "yes"}, EVENING, NEXT_DAY), signed(ANNA))
    withdrawals.withdraw(portal, a_decision({EMAIL_NEWS: "withdraw"}, NEXT_DAY), signed(ANNA))
    lookup = portal.directory.look_up(RIGA, [ANNA])
    assert permitted(lookup, SMS_NEWS) == (State.GRANTED, False, True)
    assert permitted(lookup) == (State.WITHDRAWN, False, True)
    restricted(portal, so=False)
    for _ in range(40):
        decisions.record(portal, on_paper({SMS_NEWS: "yes"}, EVENING, LATER), signed(ANNA))
    lookup = portal.directory.look_up(RIGA, [ANNA])
    [standings] = portal.receipts.answers_as_of(RIGA, lookup.known(), LATER, END_OF_TIME).values()
    assert not any(standing.restricted for standing in standings.values())


def test_who_shares_the_phone_is_not_permitted_either(portal: Portal) -> None:
    """A message to the phone would reach the one who restricted it."""
    for contact in (ANNA, BELLA):
        decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(contact))
        person = only_person(portal, RIGA, contact)
        assert person.version == 1
    decisions.record(portal, a_decision({SMS_NEWS: "no"}, NOON), signed(ANNA, ANNA_PHONE))
    restricted(portal)
    assert permitted(portal.directory.look_up(RIGA, [BELLA])) == (State.GRANTED, True, False)
    assert permitted(portal.directory.look_up(RIGA, [ANNA, BELLA])) == (State.GRANTED, False, True)


def test_restricting_again_keeps_the_day_and_another_clinic_restricts_nobody(
    portal: Portal,
) -> None:
    """Safe to repeat."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    anna = only_person(portal, RIGA, ANNA)
    assert restrict(portal, TBILISI, anna.id, "key_1", NOON, restricted=True) is None
    for at in (NOON, EVENING):
        held = restrict(portal, RIGA, anna.id, "key_1", at, restricted=True)
        assert held is not None
        assert held.restricted_since == NOON
    assert only_person(portal, RIGA, ANNA).restricted_since == NOON


def test_a_restriction_and_a_decision_at_once_are_both_kept(portal: Portal) -> None:
    """Neither writes over the other."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(ANNA))
    anna = only_person(portal, RIGA, ANNA)
    for number in range(ROUNDS):
        so = number % 2 == 0
        at_once(
            lambda so=so: restrict(portal, RIGA, anna.id, "key_1", EVENING, restricted=so),  # type: ignore[misc]
            lambda: decisions.record(
                portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), signed(ANNA)
            ),
        )
        now = only_person(portal, RIGA, ANNA)
        assert (now.version, now.restricted_since is not None) == (number + 2, so)
