"""Finds a clinic and the people known under contacts, in one round trip, and tells whom a decision
is for.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.consent import BY_CLINIC, AnswerSummary, QuestionId
from chalicelib.domain.contacts import Contact
from chalicelib.domain.decisions import Decision
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.identity import People, all_subjects, resolve_subject, unambiguous
from chalicelib.domain.instants import Instant
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.domain.rate_limits import RateLimitCheck
from chalicelib.domain.stops import PendingStop
from chalicelib.domain.subjects import Subject
from chalicelib.store import contacts as contacts_of
from chalicelib.store.clinics import Clinics, Published
from chalicelib.store.contacts import ContactPeople
from chalicelib.store.items import Item
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import person_key
from chalicelib.store.keys.programs import api_key_key
from chalicelib.store.people import kept_in, read_person
from chalicelib.store.rate_limits import RateLimits, Taking
from chalicelib.store.table import Table
from chalicelib.store.writes import Kept


@dataclass(frozen=True, slots=True)
class Lookup:
    """What one lookup found: the clinic, a bearer key, and who is known under each contact."""

    published: Published
    people: Mapping[Contact, tuple[Subject, ...]]
    lookups: Mapping[Contact, str]
    kept: Mapping[str, Kept] = field(default_factory=dict, repr=False)
    """How the table holds each person, by subject id: whoever writes on must find it unchanged."""

    stored_under: Mapping[Contact, tuple[Subject, ...]] = field(default_factory=dict)
    """Everybody kept under each contact, who only typed it too: whom it stops something for."""

    known_by: Mapping[str, ContactPeople] = field(default_factory=dict, repr=False)
    """What was read of each contact, by its lookup: where somebody new to it goes."""

    partly_read: frozenset[Contact] = frozenset()
    """The contacts of which not everybody was read, because very many people share them."""

    api_key: str | None = None
    api_key_used: int | None = None
    """On which day the bearer key was last used, as `bearer_keys.was_used_on` reads it."""

    person: Subject | None = None
    """Who was asked for by their id, where a lookup named somebody; None for nobody."""

    taking: Taking = field(default_factory=Taking)
    """What a public post takes from its buckets, in the transaction that carries it out."""

    def known_under(self, contact: Contact, known_at: Instant) -> tuple[Subject, ...]:
        """Everyone of whom the portal knew at that moment that they have this contact.

        Where somebody proved it, a child that somebody only named beside it does not count.
        """
        lookup, people = self.lookups[contact], self.people[contact]
        proven = [person for person in people if person.certain and lookup not in person.typed]
        having = proven or people
        return tuple(person for person in having if person.contacts[lookup] <= known_at)

    def stopped(
        self,
        under: People,
        standings: Mapping[str, Mapping[QuestionId, AnswerSummary]],
        *,
        at: Instant,
        known_at: Instant,
    ) -> Mapping[str, Mapping[QuestionId, AnswerSummary]]:
        """Give people's answers, by id, with what is being stopped for everybody under contacts."""
        stops = [(contact, stop) for contact in under for stop in self.stops(contact)]
        if not stops:
            return standings
        told = dict(standings)
        for contact, stop in stops:
            for person in under[contact]:
                if stop.reaches(person, contact):
                    told[person.id] = stop.with_stop(told[person.id], at=at, known_at=known_at)
        return told

    def stops(self, contact: Contact) -> tuple[PendingStop, ...]:
        """Give the withdrawals that are being carried out for everybody under a contact."""
        orders = self.known_by[self.lookups[contact]].orders or {}
        return tuple(map(PendingStop.read, orders.values()))

    def resolve_subject(self, decision: Decision, identification: "Identification") -> Subject:
        """Tell whose a decision is (`identity.resolve_subject`).

        Staff know whom they see; who decides otherwise is found only where the contacts leave no
        doubt. Raises NotFoundError where somebody read by their id is there no longer.
        """
        fresh = identification.fresh
        if identification.by_id:
            if self.person is None or self.person.id != identification.person:
                raise NotFoundError
            return self.person
        if identification.person:
            return resolve_subject(self.stored_under, decision, fresh, identification.person)
        people = self._likely() if decision.assurance in BY_CLINIC else self.unambiguous()
        return resolve_subject(people, decision, fresh)

    def likely_matches(self, contact: Contact) -> tuple[Subject, ...]:
        """Give whom a contact means to whoever knows that it is their own.

        Those whom it means without a doubt, if there are any; else everyone whose own it is.
        """
        return self._likely()[contact]

    def _likely(self) -> People:
        likely = {}
        for contact, people in self.unambiguous().items():
            likely[contact] = people or self.people[contact]
        return likely

    def unambiguous(self) -> People:
        """Give whom the contacts mean without a doubt, under each."""
        return unambiguous(self.people, self.stored_under)

    def known(self) -> tuple[Subject, ...]:
        """Everyone found, each once, strongest contact first."""
        return all_subjects(self.people)


class Directory:
    """Finds the people who are known under contacts, together with their clinic."""

    def __init__(self, table: Table, clinics: Clinics, limits: RateLimits | None = None) -> None:
        self._table = table
        self._clinics = clinics
        self._limits = limits or RateLimits(table)

    def look_up(
        self,
        clinic: str,
        contacts: Sequence[Contact] = (),
        *,
        api_key_digest: str | None = None,
        guard: RateLimitCheck | None = None,
        most: int | None = None,
        person: str | None = None,
    ) -> Lookup:
        """Read the clinic, the people of contacts, a bearer key and token buckets in one go.

        Of a contact that very many people share no more than `most` of them are read, where a
        number is given. `person` is the id of somebody to read too, whatever contacts they have.
        Raises UnknownClinicError, and TooManyError where one of the buckets is empty.
        """
        lookups = {contact: self._clinics.key(clinic).lookup(contact) for contact in contacts}
        keys: list[Key] = [clinic_key(clinic)]
        if api_key_digest is not None:
            keys.append(api_key_key(api_key_digest))
        if person:
            keys.append(person_key(clinic, person))
        if guard is not None:
            keys += self._limits.keys_of(guard, self._clinics.key(clinic))
        known_by, found = contacts_of.read_people(
            self._table, clinic, list(lookups.values()), keys, most
        )
        key_item = found.get(api_key_key(api_key_digest)) if api_key_digest is not None else None
        everybody = {contact: known_by[lookup].people for contact, lookup in lookups.items()}
        kept: dict[str, Kept] = {}
        for known in known_by.values():
            kept |= known.kept
        named, named_kept = _listed(found.get(person_key(clinic, person)) if person else None)
        if named is not None:
            kept[named.id] = named_kept
        published = self._clinics.published(clinic, found.get(clinic_key(clinic)))
        return Lookup(
            published=published,
            people={
                contact: owners(people, lookups[contact]) for contact, people in everybody.items()
            },
            stored_under=everybody,
            lookups=lookups,
            kept=kept,
            known_by=known_by,
            partly_read=frozenset(
                contact for contact, lookup in lookups.items() if known_by[lookup].more
            ),
            api_key=key_item.body if key_item else None,
            api_key_used=key_item.number if key_item else None,
            person=named,
            taking=self._limits.taking(guard, self._clinics.key(clinic), found)
            if guard
            else Taking(),
        )

    def api_key(self, digest: str) -> str | None:
        """Read a bearer key's record by its digest; None where there is no such key.

        One round trip.
        """
        key = api_key_key(digest)
        found = self._table.get([key]).get(key)
        return found.body if found else None


@dataclass(frozen=True, slots=True)
class Identification:
    """Who a decision is for: the contacts and name given, and who it is if nobody knew them yet.

    `person` names one of several who share a contact; without it the contacts tell. `base` is the
    absolute address of the portal as the person reached it: where messages about the decision lead.
    """

    contacts: tuple[Contact, ...]
    name: str | None
    fresh: Subject
    person: str | None = None
    base: str = ""
    by_id: bool = False
    """Whether `person` is read by that id: staff have their record open, and it may have no
    contact."""

    proves: tuple[Contact, ...] = ()
    """The contacts that this decision proves: it came from there. Staff prove all they give."""

    also_typed: tuple[Contact, ...] = ()
    """Contacts that were typed beside one that is proven: they are asked to confirm, and become
    nobody's."""

    detaches: tuple[Contact, ...] = ()
    """Contacts that are the person's no longer."""

    joins: bool | None = None
    """Whether the contacts become those of a known person; None leaves it to who decided."""

    merges: Subject | None = None
    """Another record of the same person, which this one takes in (`services.merging`)."""

    merges_into: str = ""
    """The id of the record that takes this one in: it gives up its contacts and its answers."""

    follows: bool = False
    """Whether it only follows from a decision just made under the same contacts: told if it changes
    something."""

    informed_by_order: bool = False
    """Whether its contacts are told apart of what was stopped, once it is for everybody who shares
    them."""

    asks_to_confirm: bool = False
    """Whether an imported Yes that waits is asked about: an import tells nobody of anything else."""

    address: PostalAddress | None = field(default=None, repr=False)
    """Where a letter reaches the person, if that was told."""
    guard: RateLimitCheck | None = None
    """The rate limits of a public post; its buckets are spent once, by what does not only
    follow."""


def fresh_subject() -> Subject:
    """Give an id and a salt for a person nobody knows yet: 128 bits each, meaning nothing."""
    return Subject(id=secrets.token_hex(16), salt=secrets.token_hex(16))


def _listed(place: Item | None) -> tuple[Subject | None, Kept]:
    """Give who stands in a place of the list of people, and how the table holds them.

    Whoever was erased, or merged into another record, is nobody.
    """
    kept = (kept_in(place) if place else None) or ""
    person = read_person(kept) if kept else None
    gone = person is None or person.erased or person.merged_into
    return (None, "") if gone else (person, kept)


def owners(found: Sequence[Subject], lookup: str) -> tuple[Subject, ...]:
    """Give those whose own a contact is.

    Whoever proved it hides those who only typed it, and who has proven another is not found by it:
    nobody can bring another's contact into their own page, or their own No over another's Yes. A
    child stays with the contact of whoever decides for it.
    """
    adults = [person for person in found if not person.of_age]
    proven = [person for person in adults if person.certain and lookup not in person.typed]
    own = proven or [person for person in adults if person.owns(lookup)]
    own += [person for person in found if person.of_age and person.owns(lookup)]
    shown = {person.id for person in own}
    return tuple(person for person in found if person.id in shown)
