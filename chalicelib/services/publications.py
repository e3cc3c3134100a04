"""Records where something of a patient was published, and its take-down once the consent has ended.

What is to be taken down is worked out from the person's answers each time it is asked for. So a
withdrawal, an expiry, a superseding notice and an erasure each open the list at once, however they
came about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.consent import NoticeInForce, QuestionId, Status, resolve
from chalicelib.domain.contacts import Contact
from chalicelib.domain.instants import Instant
from chalicelib.domain.publications import Place, Publication, PublicationState
from chalicelib.domain.subjects import Subject
from chalicelib.messages.rules import Message
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import (
    AuthorizedCall,
    EmptyBody,
    InvalidBodyError,
    UsedForAnotherBodyError,
)
from chalicelib.services.subject_rights import resolve as resolve_people
from chalicelib.store import outbox, people, publications
from chalicelib.store.keys.people import person_key
from chalicelib.store.outbox import OutboxEntry
from chalicelib.store.publications import (
    KeptPublication,
    PublicationChangedError,
    UnknownPublicationError,
)
from chalicelib.store.table import ConflictError
from chalicelib.store.writes import Put

MOST_LOOKED_AT = 1_000
"""How many publications of a clinic `open_take_downs` goes through."""

MOST_PLACES = 100
"""In how many places one publication may stand."""


@dataclass(frozen=True, slots=True)
class NewPublication:
    """A call that records a publication: of whom, under which question, in which places."""

    contacts: tuple[Contact, ...]
    question: QuestionId
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class MorePlaces:
    """A call that adds places to a publication."""

    places: tuple[Place, ...]
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """A call that ticks one place: the day it was taken down there, and who did it."""

    removed_on: str
    removed_by: str
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class PublicationStatus:
    """A publication with how its question stands; `status` is None where the person was erased."""

    publication: Publication
    status: Status | None

    @property
    def state(self) -> PublicationState:
        """What is to be done about it."""
        return self.publication.state(self.status)


@dataclass(frozen=True, slots=True)
class PublicationPage:
    """Publications by their ids; `more` is where the list goes on."""

    entries: Sequence[PublicationStatus]
    more: str | None


def record(portal: Portal, call: AuthorizedCall[NewPublication]) -> PublicationStatus:
    """Record where something of one person was published.

    The same call with the same Idempotency-Key gives the same publication. What was published
    without a consent in force is recorded too: it is to be taken down at once.
    Raises SeveralPeopleError, InvalidBodyError for nobody, UsedForAnotherBodyError.
    """
    key = portal.clinics.key(call.clinic)
    named = resolve_people(call.lookup.people, everyone=False)
    if not named:
        raise InvalidBodyError.at("/subject", "Nobody is known by it.")
    [person] = named
    publication = Publication(
        call.receipt_id(key.receipt_secret()),
        person.id,
        call.body.question,
        call.body.places,
        call.now,
        call.key.id,
    )
    audited = call.audit("publications", [person], about=publication.id)
    try:
        portal.table.write([publications.new_write(key, publication), audited])
    except ConflictError:
        kept = publications.find(portal.table, key, publication.id).publication
        if not _same(kept, publication):
            raise UsedForAnotherBodyError from None
        publication = kept
    return _described(call, publication, person)


def find(portal: Portal, call: AuthorizedCall[EmptyBody], publication: str) -> PublicationStatus:
    """Give one publication; raise UnknownPublicationError."""
    found = _find(portal, call, publication).publication
    person = _person(portal, call.clinic, found.subject)
    named = [person] if person else []
    portal.table.put_new(call.audit("publications/read", named, about=publication))
    return _described(call, found, person)


def find_all(
    portal: Portal, call: AuthorizedCall[EmptyBody], state: PublicationState | None, after: str
) -> PublicationPage:
    """Give a page of publications, only those in a state where one is given.

    A page may be empty though more follow.
    """
    page = _find_page(portal, call, state, after)
    portal.table.put_new(call.audit("publications/list", _subjects(page.entries)))
    return page


def _find_page(
    portal: Portal, call: AuthorizedCall[EmptyBody], state: PublicationState | None, after: str
) -> PublicationPage:
    """Give a page of publications; the audit does not tell of it yet."""
    key = portal.clinics.key(call.clinic)
    found, more = publications.page(portal.table, key, after)
    shared = [each.publication for each in found if _is_shared(call, each.publication)]
    known = _people(portal, call.clinic, {each.subject for each in shared})
    entries = []
    for publication in shared:
        entry = _described(call, publication, known.get(publication.subject))
        if state is None or entry.state is state:
            entries.append(entry)
    return PublicationPage(entries, more)


def _subjects(entries: Sequence[PublicationStatus]) -> list[str]:
    """Tell of whom publications are, by opaque ids; who was erased is left out."""
    return list(dict.fromkeys(each.publication.subject for each in entries if each.status))


def take_downs_after(
    portal: Portal, call: AuthorizedCall[Any], after: str
) -> tuple[Sequence[PublicationStatus], str | None]:
    """Give what is to be taken down of one page of publications, to be counted: not audited."""
    page = _find_page(portal, call, PublicationState.TAKE_DOWN, after)
    return page.entries, page.more


def open_take_downs(portal: Portal, call: AuthorizedCall[EmptyBody]) -> list[PublicationStatus]:
    """Give what is to be taken down, of the first thousand publications of a clinic.

    Until it is, a withdrawal is as little done as one that a recipient has not acknowledged.
    """
    found: list[PublicationStatus] = []
    after: str | None = ""
    looked_at = 0
    while after is not None and looked_at < MOST_LOOKED_AT:
        page = _find_page(portal, call, PublicationState.TAKE_DOWN, after)
        found += page.entries
        after = page.more
        looked_at += publications.PAGE
    portal.table.put_new(call.audit("publications/list", _subjects(found)))
    return found


def add_places(
    portal: Portal, call: AuthorizedCall[MorePlaces], publication: str
) -> PublicationStatus:
    """Add places to a publication; those it has already are left as they are.

    Raises UnknownPublicationError, PublicationChangedError, InvalidBodyError for too many.
    """
    kept = _find(portal, call, publication)
    person = _person(portal, call.clinic, kept.publication.subject)
    before = kept.publication
    known = {(place.where, place.since) for place in before.places}
    new = [place for place in call.body.places if (place.where, place.since) not in known]
    if len(before.places) + len(new) > MOST_PLACES:
        raise InvalidBodyError.at("/places", f"At most {MOST_PLACES} places in all.")
    changed = replace(before, places=(*before.places, *new))
    _keep(portal, call, kept, changed, person, "publications/places")
    return _described(call, changed, person)


def mark_removed(
    portal: Portal, call: AuthorizedCall[Removal], publication: str, number: int
) -> PublicationStatus:
    """Tick one place: it does not stand there any more. Ticked again, the first tick stays.

    When the last place is ticked after the consent has ended, the patient is written to that all
    of it was taken down.
    Raises UnknownPublicationError, UnknownPlaceError, PublicationChangedError.
    """
    kept = _find(portal, call, publication)
    before = kept.publication
    place = before.place(number)
    person = _person(portal, call.clinic, before.subject)
    if not place.stands:
        return _described(call, before, person)
    removal = call.body
    ticked = replace(
        place,
        removed_on=removal.removed_on,
        removed_by=removal.removed_by,
        ticked_at=call.now,
        ticked_with=call.key.id,
    )
    changed = before.with_place(number, ticked)
    was = _described(call, before, person).state
    message: list[Put] = []
    if was is PublicationState.TAKE_DOWN and not changed.stands and person is not None:
        changed = replace(changed, told_at=call.now)
        message = [_message(portal, call, changed, person)]
    _keep(portal, call, kept, changed, person, "publications/removed", message)
    return _described(call, changed, person)


def _keep(  # noqa: PLR0917 - what is kept, in place of what, and what goes with it
    portal: Portal,
    call: AuthorizedCall[Any],
    kept: KeptPublication,
    changed: Publication,
    person: Subject | None,
    deed: str,
    beside: Sequence[Put] = (),
) -> None:
    key = portal.clinics.key(call.clinic)
    audited = call.audit(deed, [person] if person else [], about=changed.id)
    try:
        portal.table.write([publications.change_write(key, kept, changed), *beside, audited])
    except ConflictError:
        raise PublicationChangedError from None


def _message(
    portal: Portal,
    call: AuthorizedCall[Any],
    publication: Publication,
    person: Subject,
) -> Put:
    """Give the item of the outbox by which the patient learns that all was taken down."""
    key = portal.clinics.key(call.clinic)
    kind = Message.TAKEN_DOWN
    number = key.outbox_number(person.id, kind, f"{publication.id}|{publication.told_at}")
    lang = person.lang or call.lookup.published.clinic.default_language
    entry = OutboxEntry(
        kind,
        call.clinic,
        person.id,
        lang,
        person.base or call.base_url,
        addresses=(publication.question,),
        at=call.now,
    )
    return outbox.new_item(key, person.salt, number, entry, ())


def _find(portal: Portal, call: AuthorizedCall[Any], publication: str) -> KeptPublication:
    kept = publications.find(portal.table, portal.clinics.key(call.clinic), publication)
    if not _is_shared(call, kept.publication):
        raise UnknownPublicationError(publication)
    return kept


def _is_shared(call: AuthorizedCall[Any], publication: Publication) -> bool:
    """Tell whether the key's controller shares the question of a publication."""
    return call.key.member is None or publication.question in call.shared.questions


def _described(
    call: AuthorizedCall[Any], publication: Publication, person: Subject | None
) -> PublicationStatus:
    status = None
    if person is not None:
        in_force = call.lookup.published.in_force
        status = _status(person, publication.question, in_force, call.now)
    return PublicationStatus(publication, status)


def _status(person: Subject, question: QuestionId, in_force: NoticeInForce, now: Instant) -> Status:
    return resolve(person.summaries.get(question), in_force, now)


def _person(portal: Portal, clinic: str, subject: str) -> Subject | None:
    """Give a person; None where they were erased."""
    return _people(portal, clinic, {subject}).get(subject)


def _people(portal: Portal, clinic: str, subjects: set[str]) -> Mapping[str, Subject]:
    """Give those of these people who were not erased, by id."""
    keys = [person_key(clinic, subject) for subject in sorted(subjects)]
    known = {}
    for item in portal.table.get(keys).values():
        person = people.load_person(item)
        if not person.erased:
            known[person.id] = person
    return known


def _same(kept: Publication, asked: Publication) -> bool:
    """Tell whether a publication was recorded by a call with the same body."""
    places = kept.places[: len(asked.places)]
    named = [(place.where, place.since, place.remover) for place in places]
    wanted = [(place.where, place.since, place.remover) for place in asked.places]
    return (kept.subject, kept.question, named) == (asked.subject, asked.question, wanted)
