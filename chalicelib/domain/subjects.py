"""A data subject (GDPR Art. 4(1)): one person at one clinic, with the current answers and the contacts kept of it.

A clinic's patient is found by contacts (`identity`), decides (`decisions`) and has a chain of receipts (`receipts`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from chalicelib.domain.consent import (
    AnswerSummary,
    QuestionId,
)
from chalicelib.domain.instants import Instant

_STORED_AS = {"summaries": "standings", "page_starts": "fences"}
"""Fields whose stored key is another: items in the table keep the names they were written with."""

_FIELD_OF = {key: name for name, key in _STORED_AS.items()}


@dataclass(frozen=True, slots=True)
class Subject:
    """One person at one clinic, as far as decisions go: an opaque id, the head of the chain, every last word.

    `contacts` are the lookup keys (HMAC) under which the person is found, and when the portal learnt of each; `salt` is
    the part of the contact key that belongs to this person alone.
    """

    id: str
    salt: str
    version: int = 0
    head: str | None = None
    contacts: Mapping[str, Instant] = field(default_factory=dict)
    summaries: Mapping[QuestionId, AnswerSummary] = field(default_factory=dict)
    numbered: bool = False
    """Whether the clinic's own number of this person is among the contacts."""

    of_age: Instant = ""
    """For a child for whom a guardian decided, when it comes of age: another person than who else has the contacts."""

    latest: Instant = ""
    """The latest moment at which any of the words was given."""

    recorded_at: Instant = ""
    """When the head of the chain was recorded."""

    page_starts: tuple[tuple[Instant, Instant], ...] = ()
    """What each page of words begins after, by both clocks: see `timeline`."""

    typed: tuple[str, ...] = ()
    """Of the contacts, the e-mails and phones that somebody only typed: nobody proved that they are this person's."""

    certain: bool = False
    """Whether any contact was ever proven, from itself or by staff."""

    proven_by: str = ""
    """The receipt whose confirmation proved the first: what else was typed on that very form may still be proven."""

    base: str = ""
    """The portal's absolute address as the person last reached it: where messages that nobody asked for lead."""

    lang: str = ""
    """The language the person last chose themself; none where only others spoke for them."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    """Of which kind each contact is; those kept before kinds were told are left out until they are given again."""

    places: Mapping[str, int] = field(default_factory=dict)
    """In which place of each contact the person is kept; those in the first place are left out (`store.contacts`)."""

    pointers: tuple[str, ...] = ()
    """Of very many contacts, those whose place does not hold the person but only says who it is."""

    restricted_since: Instant | None = None
    """Since when all processing is restricted (GDPR Art. 18); None where it is not."""

    proof_until: Instant | None = None
    """For an erased person: until when the receipts are kept, which name nobody any more."""

    def owns(self, lookup: str) -> bool:
        """Tell whether a contact counts as this person's own: it was proven, or none was yet.

        Anybody may have typed somebody else's phone beside an e-mail of their own: once one is proven, the other leads
        nowhere until it is too.
        """
        return lookup in self.contacts and (lookup not in self.typed or not self.certain)

    def may_have(self, kind: str) -> bool:
        """Tell whether one of the person's own contacts is of a kind, or may be: of old ones no kind was kept."""
        return any(self.owns(lookup) and self.kinds.get(lookup, kind) == kind for lookup in self.contacts)

    def prove(self, lookups: Collection[str]) -> Self:
        """Give the person with these contacts proven."""
        left = tuple(lookup for lookup in self.typed if lookup not in lookups)
        return replace(self, typed=left, certain=self.certain or bool(lookups))

    def as_independent(self, contacts: Collection[str]) -> Self:
        """Give who was a child as somebody who decides alone: of what is known only these contacts are their own."""
        return replace(self.without_contacts(self.contacts.keys() - set(contacts)), of_age="", proven_by="")

    def without_contacts(self, gone: Collection[str]) -> Self:
        """Give the person without some of their contacts."""
        kept = {lookup: since for lookup, since in self.contacts.items() if lookup not in gone}
        return replace(
            self,
            contacts=kept,
            typed=tuple(lookup for lookup in self.typed if lookup in kept),
            kinds={lookup: kind for lookup, kind in self.kinds.items() if lookup in kept},
            places={lookup: place for lookup, place in self.places.items() if lookup in kept},
            pointers=tuple(lookup for lookup in self.pointers if lookup in kept),
        )

    @property
    def erased(self) -> bool:
        """Whether the person was erased: no contact leads here, and what was sealed can no longer be read."""
        return self.proof_until is not None

    def restrict(self, since: Instant | None) -> Self:
        """Give the person with all processing restricted, or, by None, no longer."""
        return replace(
            self, restricted_since=since, summaries=with_restriction(self.summaries, restricted=since is not None)
        )

    def erase(self, proof_until: Instant) -> Self:
        """Give what is kept of an erased person: an opaque id and the length and head of the chain."""
        return type(self)(
            id=self.id,
            salt="",
            version=self.version,
            head=self.head,
            recorded_at=self.recorded_at,
            latest=self.latest,
            proof_until=proof_until,
        )

    def stored(self) -> dict[str, Any]:
        """Write the subject, JSON-ready."""
        stored = {_STORED_AS.get(name, name): getattr(self, name) for name in self.__slots__}
        summaries = {question: summary.stored() for question, summary in self.summaries.items()}
        return {**stored, _STORED_AS["summaries"]: summaries}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild a subject from its stored form."""
        fields = {_FIELD_OF.get(key, key): value for key, value in stored.items()}
        summaries = {question: AnswerSummary.read(summary) for question, summary in fields["summaries"].items()}
        restricted = fields.get("restricted_since") is not None
        fields["summaries"] = with_restriction(summaries, restricted=restricted)
        fields["page_starts"] = tuple((latest, recorded_at) for latest, recorded_at in fields["page_starts"])
        fields["typed"] = tuple(fields.get("typed", ()))
        fields["pointers"] = tuple(fields.get("pointers", ()))
        return cls(**fields)


def with_restriction(
    standings: Mapping[QuestionId, AnswerSummary], *, restricted: bool
) -> Mapping[QuestionId, AnswerSummary]:
    """Give somebody's standings with it written on each whether processing is restricted."""
    return {address: replace(standing, restricted=restricted) for address, standing in standings.items()}


def best_match(people: Sequence[Sequence[Subject]]) -> Subject | None:
    """Tell which known person the typed contacts mean, given those found under each, strongest contact first.

    The person found under all of them, or else under the first. A family's phone beside an e-mail nobody has used
    yet is a new person: nobody may speak for the others who share that phone.
    """
    if not people or not people[0]:
        return None
    shared = [each for each in people[0] if all(any(each.id == other.id for other in group) for group in people)]
    return (shared or people[0])[0]
