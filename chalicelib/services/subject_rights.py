"""Erasing a person, and restricting what is done with their data (GDPR Art. 17, 18)."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib import log
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.identity import People, SeveralPeopleError, all_subjects
from chalicelib.domain.instants import Instant
from chalicelib.domain.retention import proof_until
from chalicelib.domain.subjects import Subject
from chalicelib.domain.webhooks import EventType
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.store import audit, changes, contact_places, erasures, outbox, people
from chalicelib.store.changes import SubjectEvent
from chalicelib.store.writes import Write


@dataclass(frozen=True, slots=True)
class Erased:
    """Who was erased, and until when the proof is kept of what they decided."""

    subject: str
    proof_until: Instant


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """A call about everything of one subject, or of everyone who shares its contacts."""

    contacts: tuple[Contact, ...]
    everyone: bool
    restricted: bool = False


def erase_all(portal: Portal, call: AuthorizedCall[SubjectRequest]) -> list[Erased]:
    """Erase everybody whom a call of staff is about; raise SeveralPeopleError."""
    erased = []
    for person in resolve(call.lookup.people, everyone=call.body.everyone):
        gone = erase(portal, call.clinic, person.id, call.key.id, call.now)
        if gone is not None:
            erased.append(gone)
    if erased:
        log.count("SubjectErased", len(erased))
    else:
        portal.table.put_new(call.audit("erasures"))
    return erased


def restrict_all(portal: Portal, call: AuthorizedCall[SubjectRequest]) -> list[Subject]:
    """Restrict everybody whom a call of staff is about, or lift that; raise SeveralPeopleError."""
    restricted, by = call.body.restricted, call.key.id
    people = []
    for person in resolve(call.lookup.people, everyone=call.body.everyone):
        found = restrict(portal, call.clinic, person.id, by, call.now, restricted=restricted)
        if found is not None:
            people.append(found)
    if not people:
        portal.table.put_new(call.audit("restrictions"))
    return people


def erase(  # noqa: PLR0917 - whom, by whom, when
    portal: Portal,
    clinic: str,
    subject: str,
    by: str,
    now: Instant,
    recheck: Callable[[Subject], bool] = lambda _: True,
) -> Erased | None:
    """Erase a person at once and for every read; give None where nobody has this id any more.

    `by` is a bearer key's id, "patient" or "portal", for the audit. `recheck` tells of the person,
    as they are stored at that moment, whether they are to be erased. A decision made at the same
    moment is erased too, or becomes a new person's. Safe to repeat.
    Records that were merged into this one are erased before it. Raises UnknownClinicError,
    ContendedError, UnavailableError.
    """
    for other in _merged_into(portal, clinic, subject, recheck):
        erase(portal, clinic, other, by, now)
    published = portal.directory.look_up(clinic).published
    audited = audit.line(clinic, by, "erasures", now, [subject])
    number = secrets.token_hex(16)
    notice = outbox.recipient_notice(clinic, subject, number, EventType.ERASED, now)

    def change(person: Subject) -> tuple[Subject, Instant, Sequence[Write]] | None:
        if person.erased or not recheck(person):
            return None
        until = proof_until(person, published.published, published.clinic.proof_kept, now)
        after, writes = erasures.erasure_writes(clinic, person, until)
        told = changes.event_write(portal.table, clinic, subject, SubjectEvent.ERASED, now)
        return after, until, [*writes, told, notice, audited]

    try:
        after = contact_places.update_person(portal.table, clinic, subject, change)
    except LookupError:
        return None
    return Erased(subject, after.proof_until or now) if after else None


def _merged_into(
    portal: Portal, clinic: str, subject: str, recheck: Callable[[Subject], bool]
) -> tuple[str, ...]:
    """Give the other records of a person who is to be erased."""
    person = people.find_all(portal.table, clinic, [subject]).get(subject)
    if person is None or person.erased or not recheck(person):
        return ()
    return person.merged


def restrict(
    portal: Portal,
    clinic: str,
    subject: str,
    by: str,
    now: Instant,
    *,
    restricted: bool,
    case: str | None = None,
) -> Subject | None:
    """Restrict all processing of a person's data from now on, or lift that; None for nobody.

    Restricting again leaves the day it began. Whoever decided at the same moment stays restricted.
    `case` says why, for the audit (`domain.restrictions`). Errors as `erase`.
    """
    audited = audit.line(clinic, by, "restrictions", now, [subject], about=case)
    kind = EventType.RESTRICTED if restricted else EventType.UNRESTRICTED
    notice = outbox.recipient_notice(clinic, subject, secrets.token_hex(16), kind, now)
    unchanged: Subject | None = None

    def change(person: Subject) -> tuple[Subject, Instant | None, Sequence[Write]] | None:
        nonlocal unchanged
        unchanged = None if person.erased else person
        is_restricted = person.restricted_since is not None
        if person.erased or is_restricted == restricted:
            return None
        event = SubjectEvent.RESTRICTED if restricted else SubjectEvent.UNRESTRICTED
        told = changes.event_write(portal.table, clinic, subject, event, now)
        if restricted:
            return person.restrict(now), None, [told, notice, audited]
        # The next hourly round works out what is due from now on.
        return person.restrict(None), now, [told, notice, audited]

    try:
        changed = contact_places.update_person(portal.table, clinic, subject, change)
    except LookupError:
        return None
    return changed or unchanged


def resolve(people: People, *, everyone: bool) -> list[Subject]:
    """Give whom these contacts name; raise SeveralPeopleError where that may be one of several.

    An e-mail or a number of the clinic tells people who share a phone apart: where one is given and
    nobody is known by it, nobody is named, whoever the phone beside it belongs to. Where one
    contact is one person's and another is another's, it may be one person who is known twice: then
    the caller has to say. `everyone` names all of them.
    """
    unshared = {
        contact: found for contact, found in people.items() if contact.kind is not ContactKind.PHONE
    }
    known = list(all_subjects(people if everyone else unshared or people))
    if everyone or not known:
        return known
    # A contact that nobody has yet leaves open who is named, unless there is one person only.
    deciding = [found for found in people.values() if found or len(known) > 1]
    common = [person for person in known if all(_is_among(person, found) for found in deciding)]
    if len(common) != 1:
        raise SeveralPeopleError
    return common


def _is_among(person: Subject, group: Sequence[Subject]) -> bool:
    return any(other.id == person.id for other in group)
