"""Where something of a patient was published, such as a testimonial or a photo, and its take-down.

Whoever agreed to be shown may withdraw that (GDPR Art. 7(3)), and what was published then has to
be taken down in each place where it stands. A place is ticked by whoever took it down there.
"""

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from chalicelib.domain.consent import QuestionId, Status
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant


class UnknownPlaceError(NotFoundError):
    """The publication names no place of this number."""


class PublicationState(StrEnum):
    """What is to be done about a publication."""

    PUBLISHED = "published"
    """It may stay: the consent is in force."""

    TAKE_DOWN = "take_down"
    """The consent is not in force, and it still stands somewhere."""

    REMOVED = "removed"
    """It stands nowhere any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place where something was published.

    `where` is a web address or words such as "Brochure of 2026, reception". `since` and
    `removed_on` are days (YYYY-MM-DD). `remover` says who is to take it down, `removed_by` who did.
    `ticked_at` is when the portal was told of it, `ticked_with` by which bearer key.
    """

    where: str
    since: str
    remover: str
    removed_on: str | None = None
    removed_by: str | None = None
    ticked_at: Instant | None = None
    ticked_with: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it still stands there."""
        return self.removed_on is None


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published of one person, for one question, and in which places.

    `told_at` is when the person was last written to that all of it was taken down. Places are
    numbered from 1, in the order in which they were named.
    """

    id: str
    subject: str
    question: QuestionId
    places: tuple[Place, ...]
    recorded_at: Instant
    recorded_with: str
    told_at: Instant | None = None

    @property
    def stands(self) -> bool:
        """Whether it still stands anywhere."""
        return any(place.stands for place in self.places)

    def state(self, status: Status | None) -> PublicationState:
        """Tell what is to be done about it; a status of None is that of somebody who was erased."""
        if not self.stands:
            return PublicationState.REMOVED
        if status is not None and status.permitted:
            return PublicationState.PUBLISHED
        return PublicationState.TAKE_DOWN

    def place(self, number: int) -> Place:
        """Give a place by its number; raise UnknownPlaceError."""
        if not 1 <= number <= len(self.places):
            raise UnknownPlaceError(number)
        return self.places[number - 1]

    def with_place(self, number: int, place: Place) -> "Publication":
        """Give the publication with another entry for one of its places."""
        self.place(number)
        places = (*self.places[: number - 1], place, *self.places[number:])
        return replace(self, places=places)


def dump_places(places: tuple[Place, ...]) -> str:
    """Write places as JSON; what is empty is left out."""
    return json.dumps([_without_empty(asdict(place)) for place in places], ensure_ascii=False)


def _without_empty(values: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def load_places(written: str) -> tuple[Place, ...]:
    """Read what `dump_places` wrote."""
    return tuple(Place(**place) for place in json.loads(written))
