"""A look into the table: what one round trip finds, and who signs what is decided on it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.consent import BY_CLINIC, AnswerSummary, QuestionId
from chalicelib.domain.contacts import Contact
from chalicelib.domain.decisions import Decision
from chalicelib.domain.identity import People, all_subjects, resolve_subject, unambiguous
from chalicelib.domain.instants import Instant
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.domain.rate_limits import RateLimitCheck
from chalicelib.domain.stops import PendingStop
from chalicelib.domain.subjects import Subject
from chalicelib.store.clinics import Published
from chalicelib.store.contacts import Known
from chalicelib.store.table import Spend


@dataclass(frozen=True, slots=True)
class Lookup:
    """What one look into the table found: the clinic, the bearer key asked for, and who is known under each contact."""

    published: Published
    people: Mapping[Contact, tuple[Subject, ...]]
    lookups: Mapping[Contact, str]
    stored: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the table holds of each person, by subject id: whoever writes on must find it unchanged."""

    stored_under: Mapping[Contact, tuple[Subject, ...]] = field(default_factory=dict)
    """Everybody kept under each contact, who only typed it too: whom it stops something for."""

    known_by: Mapping[str, Known] = field(default_factory=dict, repr=False)
    """What was read of each contact, by its lookup: where somebody new to it goes."""

    more: frozenset[Contact] = frozenset()
    """The contacts of which not everybody was read, because very many people share them."""

    api_key: str | None = None
    spends: tuple[Spend, ...] = ()
    """What a public post takes from its buckets, in the transaction that carries it out."""

    def known_under(self, contact: Contact, known_at: Instant) -> tuple[Subject, ...]:
        """Everyone of whom the portal knew at that moment that they have this contact.

        Where somebody proved it, a child that somebody only named beside it does not count.
        """
        lookup = self.lookups[contact]
        proven = [each for each in self.people[contact] if each.certain and lookup not in each.typed]
        return tuple(each for each in proven or self.people[contact] if each.contacts[lookup] <= known_at)

    def stopped(
        self,
        under: People,
        standings: Mapping[str, Mapping[QuestionId, AnswerSummary]],
        *,
        at: Instant,
        known_at: Instant,
    ) -> Mapping[str, Mapping[QuestionId, AnswerSummary]]:
        """Give people's standings, by id, with what is being stopped for everybody under these contacts."""
        told = dict(standings)
        for contact, people in under.items():
            for stop in self.stops(contact):
                for person in people:
                    if stop.means(person, contact):
                        told[person.id] = stop.with_stop(told[person.id], at=at, known_at=known_at)
        return told

    def stops(self, contact: Contact) -> tuple[PendingStop, ...]:
        """Give the withdrawals that are being carried out for everybody under a contact."""
        orders = self.known_by[self.lookups[contact]].orders or {}
        return tuple(map(PendingStop.read, orders.values()))

    def resolve_subject(self, decision: Decision, identification: "Identification") -> Subject:
        """Tell whose an act is (`identity.meant`): staff know whom they see, whoever else must leave no doubt."""
        if identification.person:
            return resolve_subject(self.stored_under, decision, identification.fresh, identification.person)
        if decision.assurance in BY_CLINIC:
            return resolve_subject(self._likely(), decision, identification.fresh)
        return resolve_subject(self.unambiguous(), decision, identification.fresh)

    def likely_matches(self, contact: Contact) -> tuple[Subject, ...]:
        """Give whom a contact means to whoever knows that it is their own: those without a doubt, if there are any."""
        return self._likely()[contact]

    def _likely(self) -> People:
        return {contact: people or self.people[contact] for contact, people in self.unambiguous().items()}

    def unambiguous(self) -> People:
        """Give whom the contacts mean without a doubt, under each."""
        return unambiguous(self.people, self.stored_under)

    def known(self) -> tuple[Subject, ...]:
        """Everyone found, each once, strongest contact first."""
        return all_subjects(self.people)


@dataclass(frozen=True, slots=True)
class Identification:
    """Who a decision is for: the contacts given, the name if any, and the id and salt for a person nobody knew yet.

    `person` names one of several who share a contact; without it the register tells by the contacts. `base` is the
    absolute address of the portal as the person reached it: where messages about the decision lead.
    """

    contacts: tuple[Contact, ...]
    name: str | None
    fresh: Subject
    person: str | None = None
    base: str = ""
    proves: tuple[Contact, ...] = ()
    """The contacts that this decision proves: it came from there. Staff prove all they give."""

    beside: tuple[Contact, ...] = ()
    """Contacts that were typed beside one that is proven: they are asked to confirm, and become nobody's."""

    parts: tuple[Contact, ...] = ()
    """Contacts that are the person's no longer."""

    joins: bool | None = None
    """Whether the contacts become those of a known person; None leaves it to who decided."""

    follows: bool = False
    """Whether it only follows from a decision just made under the same contacts: told if it changes something."""

    apart: bool = False
    """Whether its contacts are told apart of what was stopped, once it is for everybody who shares them."""

    address: PostalAddress | None = field(default=None, repr=False)
    """Where a letter reaches the person, if that was told."""
    guard: RateLimitCheck | None = None
    """What a public post is held against; its buckets are spent once, by what does not only follow."""


def fresh_subject() -> Subject:
    """Give an id and a salt for a person nobody knows yet: 128 bits each, meaning nothing."""
    return Subject(id=secrets.token_hex(16), salt=secrets.token_hex(16))


def owners(found: Sequence[Subject], lookup: str) -> tuple[Subject, ...]:
    """Give those whose own a contact is.

    Whoever proved it hides those who only typed it, and who has proven another is not found by it: nobody can bring
    another's contact into their own page, or their own No over another's Yes. A child stays with the contact of whoever
    decides for it.
    """
    owners = [each for each in found if not each.of_age and each.certain and lookup not in each.typed]
    grown = owners or [each for each in found if not each.of_age and each.owns(lookup)]
    children = [each for each in found if each.of_age and each.owns(lookup)]
    shown = {person.id for person in (*grown, *children)}
    return tuple(person for person in found if person.id in shown)
