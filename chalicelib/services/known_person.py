"""Somebody whose record staff have open, as far as recording what they say needs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.consent import QuestionId, State, Status, resolve
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, masked
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.subjects import Subject
from chalicelib.domain.submission import KnownDetails
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.look_up_limits import take_look_up
from chalicelib.store.people import find_people
from chalicelib.store.personal_data import NAME, ContactDetails, reveal

_STOPPABLE = frozenset({State.GRANTED, State.PENDING, State.EXPIRED, State.SUPERSEDED})
"""The states of a question whose last answer, or claim, is a Yes."""


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A person by the opaque id, how they stand, and what is known of them."""

    subject: Subject
    statuses: Mapping[QuestionId, Status]
    details: ContactDetails = field(repr=False)
    proven: tuple[Contact, ...] = field(repr=False)
    """The e-mails and phones that somebody proved to be theirs, the strongest first."""

    @property
    def id(self) -> str:
        """The opaque id."""
        return self.subject.id

    @property
    def name(self) -> str:
        """The name given last; "" where none is known."""
        return self.details.names[-1] if self.details.names else ""

    @property
    def masked(self) -> tuple[str, ...]:
        """The e-mails and phones, so that their owner knows them and nobody else."""
        return tuple(
            masked(contact)
            for contact, _ in self.details.contacts
            if contact.kind in REACHABLE_KINDS
        )

    @property
    def known(self) -> KnownDetails:
        """What a form need not ask for. Of a child the contacts are its guardian's."""
        contacts = tuple(contact for contact, _ in self.details.contacts)
        return KnownDetails(
            contacts,
            name=NAME in self.details.known,
            address=bool(self.details.addresses),
        )

    @property
    def to_stop(self) -> tuple[QuestionId, ...]:
        """The questions of which something is left to stop."""
        return tuple(
            question for question, status in self.statuses.items() if status.state in _STOPPABLE
        )


def open_person(portal: Portal, call: AuthorizedCall[Any], subject: str) -> KnownPerson:
    """Give a person by the opaque id, as one look-up of the member of staff.

    Raises NotFoundError, also for another clinic's person and for somebody erased, and errors as
    `take_look_up`. Five round trips.
    """
    person = find_people(portal.table, call.clinic, [subject]).get(subject)
    if person is None:
        raise NotFoundError
    take_look_up(portal, call, call.audit("status", [person]))
    key = portal.clinics.key(call.clinic)
    details = reveal(portal.table, key, person)
    in_force = call.lookup.published.in_force
    statuses = {
        question: resolve(person.summaries[question], in_force, call.now)
        for question in call.shared.questions
        if question in person.summaries
    }
    reachable = [contact for contact, _ in details.contacts if contact.kind in REACHABLE_KINDS]
    proven = [contact for contact in reachable if key.lookup(contact) not in person.typed]
    proven.sort(key=lambda contact: REACHABLE_KINDS.index(contact.kind))
    return KnownPerson(person, statuses, details, tuple(proven))
