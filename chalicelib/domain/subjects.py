"""Subjects: one person at one clinic (a data subject, GDPR Art. 4(1)), as the portal keeps them.

A `Subject` knows the person's contacts, the summary of their answers to each question, and how far
their chain of receipts reaches. It names nobody: contacts are kept as lookup keys (HMAC), names and
addresses elsewhere and encrypted (`store.personal_data`). `identity` finds the subject of a
decision.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from chalicelib.domain.consent import AnswerSummary, QuestionId
from chalicelib.domain.instants import Instant, full, short
from chalicelib.domain.stored_answers import read_answers, stored_answers

_AS_THEY_ARE = (
    "id",
    "salt",
    "version",
    "head",
    "base",
    "lang",
    "proven_by",
    "numbered",
    "certain",
    "times",
    "merged_into",
)
_TIMES = ("latest", "recorded_at", "of_age", "restricted_since", "proof_until")
_LISTS = ("typed", "pointers")
"""Which fields are stored as they are, as instants, and as lists of contacts; the others stand in
`Subject.stored`."""

_EARLIER_NAMES = {"standings": "summaries", "fences": "page_starts"}
"""What an earlier version called two of the fields."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One person at one clinic. Contacts stand in it by their lookup keys only."""

    id: str
    """An opaque id."""
    salt: str
    """This person's own part of the key that encrypts their contacts; erasure destroys it."""
    version: int = 0
    """The number of the last receipt; 0 before the first."""
    head: str | None = None
    """The hash of the last receipt."""
    contacts: Mapping[str, Instant] = field(default_factory=dict)
    """The contacts under which the person is found, and when the portal learnt of each."""
    summaries: Mapping[QuestionId, AnswerSummary] = field(default_factory=dict)
    """What matters of the answers to each question."""
    numbered: bool = False
    """Whether the clinic's own number of this person is among the contacts."""

    of_age: Instant = ""
    """For a child for whom a guardian decided: when it comes of age. "" for anybody else.

    The guardian, and other children under the same contact, are other subjects.
    """

    latest: Instant = ""
    """The latest moment at which any of the answers was given."""

    recorded_at: Instant = ""
    """When the last receipt was recorded."""

    page_starts: tuple[tuple[Instant, Instant], ...] = ()
    """After which two times each page of receipts begins (`store.timeline`)."""

    times: str = ""
    """When the last receipts were given and recorded: those that no page holds yet
    (`store.timeline`)."""

    voids: tuple[tuple[int, Instant], ...] = ()
    """The numbers of receipts that were wrong entries, each with when its correction was recorded
    (`domain.corrections`)."""

    typed: tuple[str, ...] = ()
    """The e-mails and phones among the contacts that somebody typed and nobody has proven."""

    certain: bool = False
    """Whether any contact was ever proven, from the contact itself or by staff."""

    proven_by: str = ""
    """The receipt whose confirmation proved the first contact.

    The other contacts typed on that very form may still be proven.
    """

    base: str = ""
    """The portal's absolute address as the person last reached it: messages lead there."""

    lang: str = ""
    """The language the person last chose; "" where only others decided for them."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    """The kind of each contact; unknown for those stored before kinds were kept."""

    places: Mapping[str, int] = field(default_factory=dict)
    """In which place of each contact the person is kept, if not the first (`store.contacts`)."""

    pointers: tuple[str, ...] = ()
    """Contacts whose place holds only the person's id: for people with very many contacts."""

    restricted_since: Instant | None = None
    """Since when all processing is restricted (GDPR Art. 18); None where it is not."""

    proof_until: Instant | None = None
    """For an erased person: until when their receipts are kept."""

    merged: tuple[str, ...] = ()
    """The ids of other records of the same person that were merged into this one, whose chains are
    kept (`domain.merging`)."""

    merged_into: str = ""
    """The id of the record that this one was merged into; it has no contacts and no answers."""

    def owns(self, lookup: str) -> bool:
        """Tell whether a contact counts as this person's own: it is proven, or none is yet.

        Anybody may type somebody else's phone beside an e-mail of their own. Once one of the two is
        proven, the other leads nowhere until it is proven too.
        """
        if lookup not in self.contacts:
            return False
        return lookup not in self.typed or not self.certain

    def may_have(self, kind: str) -> bool:
        """Tell whether an own contact of the person is, or may be, of a kind: old ones lack it."""
        own = [lookup for lookup in self.contacts if self.owns(lookup)]
        return any(self.kinds.get(lookup, kind) == kind for lookup in own)

    def prove(self, lookups: Collection[str]) -> Self:
        """Give the person with these contacts proven."""
        typed = tuple(lookup for lookup in self.typed if lookup not in lookups)
        return replace(self, typed=typed, certain=self.certain or bool(lookups))

    def as_independent(self, contacts: Collection[str]) -> Self:
        """Give a former child as a person who decides alone, to whom only these contacts belong."""
        others = self.contacts.keys() - set(contacts)
        return replace(self.without_contacts(others), of_age="", proven_by="")

    def without_contacts(self, removed: Collection[str]) -> Self:
        """Give the person without some of their contacts."""
        kept = {lookup: since for lookup, since in self.contacts.items() if lookup not in removed}
        kinds = {lookup: kind for lookup, kind in self.kinds.items() if lookup in kept}
        places = {lookup: place for lookup, place in self.places.items() if lookup in kept}
        return replace(
            self,
            contacts=kept,
            typed=tuple(lookup for lookup in self.typed if lookup in kept),
            kinds=kinds,
            places=places,
            pointers=tuple(lookup for lookup in self.pointers if lookup in kept),
        )

    @property
    def erased(self) -> bool:
        """Whether the person was erased: no contact leads here, and what was encrypted is lost."""
        return self.proof_until is not None

    def restrict(self, since: Instant | None) -> Self:
        """Give the person with processing restricted since a moment; by None, not restricted."""
        summaries = with_restriction(self.summaries, restricted=since is not None)
        return replace(self, restricted_since=since, summaries=summaries)

    def erase(self, proof_until: Instant) -> Self:
        """Give what is kept of an erased person: the id, and the length and head of the chain."""
        return type(self)(
            id=self.id,
            salt="",
            version=self.version,
            head=self.head,
            recorded_at=self.recorded_at,
            latest=self.latest,
            proof_until=proof_until,
            merged=self.merged,
            merged_into=self.merged_into,
        )

    def with_merged(self, other: Self) -> Self:
        """Give the person with another record of theirs merged in; its contacts are all proven."""
        ids = (*self.merged, other.id, *other.merged)
        return replace(self, merged=tuple(dict.fromkeys(ids))).prove(list(self.contacts))

    def stored(self) -> dict[str, Any]:
        """Write the subject, ready for JSON: what says nothing is left out.

        A contact is ``[lookup, since, kind, place]``; the other lists of contacts name them by
        their place in that one.
        """
        order = {lookup: number for number, lookup in enumerate(self.contacts)}
        contacts = [
            [lookup, short(since), self.kinds.get(lookup, ""), self.places.get(lookup, 0)]
            for lookup, since in self.contacts.items()
        ]
        said = {name: getattr(self, name) for name in _AS_THEY_ARE}
        said |= {name: short(getattr(self, name) or "") for name in _TIMES}
        said |= {name: [order.get(each, each) for each in getattr(self, name)] for name in _LISTS}
        starts = [[short(latest), short(first)] for latest, first in self.page_starts]
        voids = [[version, short(corrected)] for version, corrected in self.voids]
        said |= {"contacts": contacts, "page_starts": starts, "merged": list(self.merged)}
        said["voids"] = voids
        kept = {name: value for name, value in said.items() if value}
        return {**kept, "answers": stored_answers(self.summaries)}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild a subject from its stored form, or from the one an earlier version wrote.

        Raise ValueError, TypeError or LookupError where it is neither.
        """
        if "standings" in stored:
            return cls(**_read_earlier(stored))
        fields = {name: stored[name] for name in _AS_THEY_ARE if name in stored}
        fields.setdefault("salt", "")
        fields |= {name: full(stored[name]) for name in _TIMES if name in stored}
        contacts = stored.get("contacts", ())
        fields["merged"] = tuple(stored.get("merged", ()))
        for name in _LISTS:
            fields[name] = tuple(
                contacts[each][0] if isinstance(each, int) else each
                for each in stored.get(name, ())
            )
        summaries: Mapping[QuestionId, AnswerSummary] = read_answers(stored["answers"])
        if "restricted_since" in stored:
            summaries = with_restriction(summaries, restricted=True)
        return cls(
            **fields,
            contacts={lookup: full(since) for lookup, since, _, _ in contacts},
            kinds={lookup: kind for lookup, _, kind, _ in contacts if kind},
            places={lookup: place for lookup, _, _, place in contacts if place},
            page_starts=tuple(
                (full(latest), full(first)) for latest, first in stored.get("page_starts", ())
            ),
            voids=tuple(
                (version, full(corrected)) for version, corrected in stored.get("voids", ())
            ),
            summaries=summaries,
        )


def _read_earlier(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Give a subject's fields from the form that was written before answers were stored short."""
    fields = {_EARLIER_NAMES.get(name, name): value for name, value in stored.items()}
    restricted = fields.get("restricted_since") is not None
    summaries = {}
    for question, summary in fields["summaries"].items():
        summaries[question] = AnswerSummary.read(summary)
    fields["summaries"] = with_restriction(summaries, restricted=restricted)
    fields["page_starts"] = tuple(tuple(start) for start in fields["page_starts"])
    fields["typed"] = tuple(fields.get("typed", ()))
    fields["pointers"] = tuple(fields.get("pointers", ()))
    return fields


def with_restriction(
    summaries: Mapping[QuestionId, AnswerSummary], *, restricted: bool
) -> Mapping[QuestionId, AnswerSummary]:
    """Give summaries that each say whether the person's processing is restricted."""
    return {
        question: summary._replace(restricted=restricted) for question, summary in summaries.items()
    }


def best_match(people: Sequence[Sequence[Subject]]) -> Subject | None:
    """Tell which known person several contacts mean; None for somebody new.

    `people` are those found under each contact, strongest contact first. The person found under all
    of them is meant, or else the first found under the strongest. Where nobody is found under that
    one, it is somebody new: a family's phone beside an e-mail that nobody has used yet must not let
    one speak for the others who share the phone.
    """
    if not people or not people[0]:
        return None
    strongest, *others = people
    ids_of_others = [{person.id for person in group} for group in others]
    shared = [person for person in strongest if all(person.id in ids for ids in ids_of_others)]
    return (shared or strongest)[0]
