"""Where something was published: which of it is to be taken down."""

import pytest

from chalicelib.domain.consent import State, Status
from chalicelib.domain.publications import (
    Place,
    Publication,
    PublicationState,
    UnknownPlaceError,
    dump_places,
    load_places,
)
from tests.factories import MORNING

WEB = Place("https://clinic.example.org/reviews/17", "2026-03-01", "Web editor")
LEAFLET = Place("Brochure, reception", "2026-03-15", "Ilze", "2026-11-20", "Ilze", MORNING, "key_1")


def published(*places: Place) -> Publication:
    """Give a publication in these places."""
    return Publication("p1", "s1", "testimonials.photo", places, MORNING, "key_1")


@pytest.mark.parametrize("state", State)
def test_only_a_consent_in_force_lets_it_stand(state: State) -> None:
    """Whatever ended the consent, what still stands somewhere is to be taken down."""
    due = published(WEB, LEAFLET).state(Status(state, MORNING, None))
    granted = state is State.GRANTED
    assert due is (PublicationState.PUBLISHED if granted else PublicationState.TAKE_DOWN)


def test_a_restricted_or_erased_person_is_not_shown_any_longer() -> None:
    """GDPR Art. 17 and 18 end the publication as a withdrawal does."""
    restricted = Status(State.GRANTED, MORNING, None, restricted=True)
    assert published(WEB).state(restricted) is PublicationState.TAKE_DOWN
    assert published(WEB).state(None) is PublicationState.TAKE_DOWN


def test_what_stands_nowhere_is_removed_whatever_the_consent() -> None:
    """Nobody has to do anything about it any more."""
    for status in (None, Status(State.GRANTED, MORNING, None)):
        assert published(LEAFLET).state(status) is PublicationState.REMOVED


def test_places_are_numbered_from_one() -> None:
    """A number that is none names nothing."""
    both = published(WEB, LEAFLET)
    assert (both.place(1), both.place(2)) == (WEB, LEAFLET)
    for number in (-1, 0, 3):
        with pytest.raises(UnknownPlaceError):
            both.place(number)


def test_places_are_read_as_they_were_written() -> None:
    """Nothing of a place is lost, in any script."""
    georgian = Place("ბროშურა, რეგისტრატურა", "2026-03-15", "ნინო")
    assert load_places(dump_places((WEB, LEAFLET, georgian))) == (WEB, LEAFLET, georgian)
