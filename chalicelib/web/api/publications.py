"""Calls about where something of a patient was published, and its take-down."""

from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.consent import QuestionId
from chalicelib.domain.identity import SeveralPeopleError
from chalicelib.domain.local_time import local_day
from chalicelib.domain.publications import Place, PublicationState
from chalicelib.portal import get_portal
from chalicelib.services import publications
from chalicelib.services.publications import (
    MOST_PLACES,
    MorePlaces,
    NewPublication,
    PublicationStatus,
    Removal,
)
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.body_reader import BodyReader, is_word
from chalicelib.web.api.cursors import cursor_for, cursor_sent
from chalicelib.web.api.errors import (
    UNKNOWN_STATE,
    WHOSE_DECISION,
    RefusedError,
)
from chalicelib.web.requests import mount, query
from chalicelib.web.responses import document

SCOPE = "receipts:write"
MAX_WHERE, MAX_WHO = 500, 100
_PLACE = ("where", "since", "remover")


def create_publication(request: Request, clinic: str) -> Response:
    """Record where something of a patient was published."""
    call = authorize(request, clinic, SCOPE, read_publication)
    try:
        made = publications.record(get_portal(), call)
    except SeveralPeopleError:
        raise RefusedError(WHOSE_DECISION) from None
    address = f"{mount(request)}/v1/clinics/{clinic}/publications/{made.publication.id}"
    return document(_describe(made), 201, {"Location": address})


def list_publications(request: Request, clinic: str) -> Response:
    """List publications, a hundred at a time; `?state=take_down` gives what is to be taken down."""
    call = authorize(request, clinic, SCOPE, no_body)
    page = publications.find_all(get_portal(), call, _state(request), cursor_sent(request))
    answer: dict[str, Any] = {"publications": [_describe(entry) for entry in page.entries]}
    if page.more is not None:
        answer["cursor"] = cursor_for(page.more)
    return document(answer)


def get_publication(request: Request, clinic: str, publication: str) -> Response:
    """Give one publication."""
    call = authorize(request, clinic, SCOPE, no_body)
    return document(_describe(publications.find(get_portal(), call, publication)))


def add_publication_places(request: Request, clinic: str, publication: str) -> Response:
    """Add places to a publication."""
    call = authorize(request, clinic, SCOPE, read_places)
    return document(_describe(publications.add_places(get_portal(), call, publication)))


def tick_place(request: Request, clinic: str, publication: str, place: str) -> Response:
    """Tick a place: it was taken down there."""
    call = authorize(request, clinic, SCOPE, read_removal)
    number = int(place) if place.isascii() and place.isdigit() else 0
    return document(_describe(publications.mark_removed(get_portal(), call, publication, number)))


def read_publication(body: BodyReader) -> NewPublication:
    """Read a call that records a publication."""
    body.only("subject", "purpose", "places")
    return NewPublication(body.about(), _read_question(body), _read_places(body))


def read_places(body: BodyReader) -> MorePlaces:
    """Read a call that adds places."""
    body.only("places")
    return MorePlaces(_read_places(body))


def read_removal(body: BodyReader) -> Removal:
    """Read a call that ticks a place; without a day it was taken down today."""
    body.only("removed_on", "removed_by")
    today = local_day(body.now, body.clinic.country)
    removed_on = today
    if body.has("removed_on"):
        removed_on = body.day("/removed_on", body.sent["removed_on"], "The day it was taken down")
    who = _read_line(body, "/removed_by", body.sent.get("removed_by"), MAX_WHO)
    return Removal(removed_on, who)


def _read_places(body: BodyReader) -> tuple[Place, ...]:
    places = []
    for number, value in enumerate(body.items("places", MOST_PLACES, "places")):
        pointer = f"/places/{number}"
        if not isinstance(value, dict) or not value.keys() <= set(_PLACE):
            body.error(pointer, f"An object with {', '.join(_PLACE)}.")
            continue
        where = _read_line(body, f"{pointer}/where", value.get("where"), MAX_WHERE)
        since = body.day(f"{pointer}/since", value.get("since"), "Since when it stands there")
        who = _read_line(body, f"{pointer}/remover", value.get("remover"), MAX_WHO)
        places.append(Place(where, since, who))
    return tuple(places)


def _read_question(body: BodyReader) -> QuestionId:
    """Read the one question under which something was published."""
    name = body.sent.get("purpose")
    named = body.clinic.resolve_names(name) if isinstance(name, str) and is_word(name) else ()
    if len(named) == 1:
        return named[0]
    body.error("/purpose", 'One decision of the clinic, such as "testimonials.photo".')
    return ""


def _read_line(body: BodyReader, pointer: str, value: object, most: int) -> str:
    """Read a line of text: a place, or who is in charge of it."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > most or not text.isprintable():
        body.error(pointer, f"A line of 1 to {most} printable characters.")
    return text


def _state(request: Request) -> PublicationState | None:
    given = query(request, "state")
    if given is None:
        return None
    if given not in list(PublicationState):
        raise RefusedError(UNKNOWN_STATE, known=", ".join(PublicationState))
    return PublicationState(given)


def _describe(entry: PublicationStatus) -> dict[str, Any]:
    publication, status = entry.publication, entry.status
    places = []
    for number, place in enumerate(publication.places, 1):
        places.append(
            {
                "number": number,
                "where": place.where,
                "since": place.since,
                "remover": place.remover,
                "removed_on": place.removed_on,
                "removed_by": place.removed_by,
            }
        )
    take_down = entry.state is PublicationState.TAKE_DOWN
    return {
        "id": publication.id,
        "subject": publication.subject,
        "purpose": publication.question,
        "state": entry.state,
        "consent": status.state if status else "erased",
        "take_down_since": status.since if take_down and status else None,
        "recorded_at": publication.recorded_at,
        "patient_told_at": publication.told_at,
        "places": places,
    }
