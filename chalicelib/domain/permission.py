"""What a clinic's program may do about a subject it names, and by which of the contacts it named.

A subject named by the clinic's number and an e-mail may be known by the number alone. What they
agreed to then says nothing of that e-mail: it may be somebody else's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from chalicelib.domain.consent import (
    NEVER_ASKED,
    AnswerSummary,
    NoticeInForce,
    QuestionId,
    Status,
    resolve,
    strictest,
)
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind
from chalicelib.domain.identity import People, all_subjects
from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject


@dataclass(frozen=True, slots=True)
class PermissionResult:
    """The status of one question for a named subject, and for which contacts it holds."""

    status: Status
    permitted: bool
    """Whether the clinic may do it: it is granted, and can go to a contact of that person.

    What is sent by e-mail or phone is permitted to the one given; where none of that kind was
    given, it is permitted if the person has one of their own.
    """

    holds_for: tuple[ContactKind, ...]


@cache
def _never_answered(known_by: tuple[ContactKind, ...]) -> PermissionResult:
    """Give the result of every question that nobody known by these kinds of contact answered.

    It depends on no notice and no moment, and is one object, so that it is written once.
    """
    return PermissionResult(NEVER_ASKED, permitted=False, holds_for=known_by)


@dataclass(frozen=True, slots=True)
class SubjectQuery:
    """A subject as a call names it: who is known under each contact given, and their answers.

    Whoever only typed a contact and has proven another is not known under it
    (`store.lookup.owners`).
    """

    known: People
    summaries: Mapping[str, Mapping[QuestionId, AnswerSummary]]
    """The summaries of each person, by the person's id, as of the moment asked about."""

    person: Subject | None = None
    """The person who was named by the opaque id; `known` then has that person's own contacts.

    The state is the person's. It is permitted where it holds for a contact of the person too: who
    shares that contact and said No is asked as if the contact had been named.
    """

    @property
    def people(self) -> tuple[Subject, ...]:
        """Everyone who is known under any of the contacts; a person named by id alone."""
        if self.person is not None:
            return (self.person,)
        return all_subjects(self.known)

    def own_kinds(
        self, lookups: Mapping[Contact, str], known_at: Instant
    ) -> tuple[ContactKind, ...]:
        """Give the kinds of contact of which these people had their own, as known at a moment."""
        given = {}
        for contact, group in self.known.items():
            if group:
                given[lookups[contact]] = contact.kind
        found = set()
        for person in self.people:
            for lookup, since in person.contacts.items():
                kind = person.kinds.get(lookup) or given.get(lookup)
                if kind and since <= known_at and person.owns(lookup):
                    found.add(ContactKind(kind))
        return tuple(kind for kind in (ContactKind.REFERENCE, *REACHABLE_KINDS) if kind in found)

    def permissions(
        self, needs: Mapping[QuestionId, frozenset[str]], notice: NoticeInForce, at: Instant
    ) -> dict[QuestionId, PermissionResult]:
        """Give what is permitted of each question, whose Yes `needs` these kinds of contact."""
        answered: set[QuestionId] = set()
        for person in self.people:
            answered |= self.summaries[person.id].keys()
        known_by = tuple(contact.kind for contact, group in self.known.items() if group)
        unasked = _never_answered(known_by)
        results = {}
        for question, kinds in needs.items():
            results[question] = (
                self.permission(question, kinds, notice, at) if question in answered else unasked
            )
        return results

    def permits(
        self, contact: Contact, question: QuestionId, notice: NoticeInForce, at: Instant
    ) -> bool:
        """Tell whether everybody who is known under one of the contacts, and was asked, permits."""
        return self._status(self.known[contact], question, notice, at).permitted

    def permission(
        self, question: QuestionId, needs: frozenset[str], notice: NoticeInForce, at: Instant
    ) -> PermissionResult:
        """Tell whether a question is permitted whose Yes `needs` these kinds of contact."""
        people = self.people
        status = self._status(people, question, notice, at)
        holds_for = tuple(
            contact.kind
            for contact, group in self.known.items()
            if group
            and (group is people or self._status(group, question, notice, at).state is status.state)
        )
        carriers = [kind for kind in REACHABLE_KINDS if kind in needs]
        reaches = all(self._reaches(kind, holds_for) for kind in carriers)
        return PermissionResult(status, status.permitted and reaches, holds_for)

    def _status(
        self,
        people: tuple[Subject, ...],
        question: QuestionId,
        notice: NoticeInForce,
        at: Instant,
    ) -> Status:
        summaries = [self.summaries[person.id].get(question) for person in people]
        return strictest([resolve(summary, notice, at) for summary in summaries or [None]])

    def _reaches(self, kind: ContactKind, holds_for: tuple[ContactKind, ...]) -> bool:
        """Tell whether a message can go by this kind of contact to somebody who permits it."""
        if any(contact.kind is kind for contact in self.known):
            return kind in holds_for
        return any(person.may_have(kind) for person in self.people)
