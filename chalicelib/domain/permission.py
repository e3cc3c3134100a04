"""What a clinic's program may do about a subject that it names, and for which of the contacts it named. Pure.

Who is named by the clinic's number and an e-mail may be known by the number alone. What they agreed to then says
nothing of that e-mail: it may be somebody else's by now, or may always have been.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.domain.consent import AnswerSummary, NoticeInForce, QuestionId, Status, resolve, strictest
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind
from chalicelib.domain.identity import People, all_subjects
from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject


@dataclass(frozen=True, slots=True)
class PermissionResult:
    """How one decision of a named subject stands, and for which kinds of the contacts given that is so.

    `permitted` asks more than the state: what is carried out by e-mail or phone is permitted for the very one given
    alone, and, where none of that kind was given, if the person has one of their own.
    """

    status: Status
    permitted: bool
    holds_for: tuple[ContactKind, ...]


@dataclass(frozen=True, slots=True)
class SubjectQuery:
    """A subject as a call names it: who is known under each contact given, and how each of them stood.

    Whoever only typed a contact and has proven another is not known under it (`store.lookup.owners`).
    """

    known: People
    summaries: Mapping[str, Mapping[QuestionId, AnswerSummary]]

    @property
    def people(self) -> tuple[Subject, ...]:
        """Everyone who is known under any of the contacts."""
        return all_subjects(self.known)

    def own_kinds(self, lookups: Mapping[Contact, str], known_at: Instant) -> tuple[ContactKind, ...]:
        """Give the kinds of contact of which these people were known to have one of their own, without any of them."""
        given = {lookups[contact]: contact.kind for contact, people in self.known.items() if people}
        found = {
            ContactKind(person.kinds.get(lookup) or given[lookup])
            for person in self.people
            for lookup, since in person.contacts.items()
            if since <= known_at and person.owns(lookup) and (lookup in person.kinds or lookup in given)
        }
        return tuple(kind for kind in (ContactKind.REFERENCE, *REACHABLE_KINDS) if kind in found)

    def permission(
        self, address: QuestionId, needs: frozenset[str], notice: NoticeInForce, at: Instant
    ) -> PermissionResult:
        """Tell how a decision stands whose Yes `needs` these kinds of contact."""

        def stands(people: tuple[Subject, ...]) -> Status:
            standings = [self.summaries[person.id].get(address) for person in people] or [None]
            return strictest([resolve(standing, notice, at) for standing in standings])

        status = stands(self.people)
        holds_for = tuple(
            contact.kind for contact, people in self.known.items() if people and stands(people).state is status.state
        )
        carriers = [kind for kind in REACHABLE_KINDS if kind in needs]
        permitted = status.permitted and all(self._reaches(kind, holds_for) for kind in carriers)
        return PermissionResult(status, permitted, holds_for)

    def _reaches(self, kind: ContactKind, holds_for: tuple[ContactKind, ...]) -> bool:
        if any(contact.kind is kind for contact in self.known):
            return kind in holds_for
        return any(person.may_have(kind) for person in self.people)
