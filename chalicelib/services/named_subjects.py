"""Subjects that a call names by the opaque id, as receipts, webhooks and the changes name them.

Somebody named so is asked about by all contacts that are their own: what others who share one of
them refused counts as if the contact had been named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.consent import AnswerSummary, QuestionId
from chalicelib.domain.contacts import Contact
from chalicelib.domain.identity import People
from chalicelib.domain.instants import END_OF_TIME, Instant
from chalicelib.domain.permission import SubjectQuery
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.store.lookup import Lookup
from chalicelib.store.people import find_people
from chalicelib.store.personal_data import reveal_contacts


@dataclass(frozen=True, slots=True)
class NamedSubjects:
    """Some people by opaque id, their own contacts, and who is known under each of these."""

    people: Mapping[str, Subject]
    contacts: Mapping[str, tuple[Contact, ...]] = field(repr=False)
    lookup: Lookup

    def known(self, subject: str, known_at: Instant) -> People:
        """Give who is known under each contact that is this person's own."""
        known = {}
        own = self.people[subject].id  # another's, where a record was merged into it
        for contact in self.contacts.get(own, ()):
            group = self.lookup.known_under(contact, known_at)
            if any(person.id == own for person in group):
                known[contact] = group
        return known

    def everybody(self) -> tuple[Subject, ...]:
        """Give everybody whose answers count: these people, and who shares a contact with them."""
        found = {person.id: person for person in self.people.values()}
        for contacts in self.contacts.values():
            for contact in contacts:
                found |= {each.id: each for each in self.lookup.people[contact]}
        return tuple({**found, **{each.id: each for each in self.people.values()}}.values())


def find_subjects(portal: Portal, clinic: str, subjects: Sequence[str]) -> NamedSubjects:
    """Read people by opaque id, as `find_named` does; whom nobody knows is left out."""
    return find_named(portal, clinic, find_people(portal.table, clinic, subjects))


def find_named(portal: Portal, clinic: str, people: Mapping[str, Subject]) -> NamedSubjects:
    """Decrypt the own contacts of some people, and read who is known under each of these."""
    key = portal.clinics.key(clinic)
    contacts = reveal_contacts(portal.table, key, list(people.values()))
    named = dict.fromkeys(contact for own in contacts.values() for contact in own)
    return NamedSubjects(people, contacts, portal.directory.look_up(clinic, list(named)))


def query_named(
    portal: Portal,
    clinic: str,
    named: NamedSubjects,
    *,
    at: Instant = END_OF_TIME,
    known_at: Instant = END_OF_TIME,
) -> dict[str, SubjectQuery]:
    """Give of each of these people what `SubjectQuery.permissions` is asked of, by subject id.

    `at` is the moment asked about, `known_at` the moment whose knowledge counts.
    """
    everybody = named.everybody()
    summaries = portal.receipts.answers_as_of(clinic, everybody, at, known_at)
    queries = {}
    for subject, person in named.people.items():
        under = named.known(subject, known_at)
        stopped = _stopped(named, person, under, summaries, at, known_at)
        queries[subject] = SubjectQuery(under, stopped, person)
    return queries


def _stopped(  # noqa: PLR0917 - whose answers, and as of when
    named: NamedSubjects,
    person: Subject,
    under: People,
    summaries: Mapping[str, Mapping[QuestionId, AnswerSummary]],
    at: Instant,
    known_at: Instant,
) -> Mapping[str, Mapping[QuestionId, AnswerSummary]]:
    """Give people's answers with what is being stopped for everybody under these contacts."""
    known: dict[str, Mapping[QuestionId, AnswerSummary]] = {person.id: summaries[person.id]}
    for group in under.values():
        known |= {other.id: summaries[other.id] for other in group}
    return named.lookup.stopped(under, known, at=at, known_at=known_at)
