"""Two people of a clinic who may be one: found some at a time, matched or left by staff.

All people are gone through in the order of their ids, `PEOPLE` at a time and a few times at most in
one call: the next goes on behind. Nobody reads everybody to see the first of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.contacts import REACHABLE_KINDS, ContactKind, initials, masked
from chalicelib.domain.doubtful_identity import MOST_SHARING, doubtful_pairs
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.store import contacts, distinct_people, people
from chalicelib.store.distinct_people import Ids
from chalicelib.store.personal_data import reveal_contacts, reveal_names

PEOPLE = 100
"""How many people of the list are looked at together."""

ROUNDS = 5
"""How often that is done in one call while nobody is found."""

ENTRIES = 20
"""From how many entries on a page is full."""


@dataclass(frozen=True, slots=True)
class DoubtfulPair:
    """Two people who may be one: by which kinds of contact that both have, and since when."""

    one: Subject
    other: Subject
    kinds: tuple[ContactKind, ...]
    since: Instant

    @property
    def ids(self) -> Ids:
        """Both by their opaque ids, in order."""
        return self.one.id, self.other.id


def find_doubtful(
    portal: Portal, call: AuthorizedCall[EmptyBody], after: str
) -> tuple[list[DoubtfulPair], str | None]:
    """Give pairs of people who may be one, and where the search goes on; None at its end.

    `after` is where it went on before, "" for the beginning. A page may be empty and the search
    not over: it looked at `PEOPLE` times `ROUNDS`. Each pair is found once. Raises UnavailableError.
    """
    entries: list[DoubtfulPair] = []
    more: str | None = after
    for _ in range(ROUNDS):
        found = people.page_of_people(portal.table, call.clinic, more or "", PEOPLE)
        entries += _pairs_of(portal, call.clinic, found)
        more = found[-1].id if len(found) == PEOPLE else None
        if more is None or len(entries) >= ENTRIES:
            break
    looked_at = {person.id for entry in entries for person in (entry.one, entry.other)}
    portal.table.put_new(call.audit("doubtful", sorted(looked_at)))
    return entries, more


@dataclass(frozen=True, slots=True)
class InBrief:
    """As much of a person as a list may tell."""

    name: str = field(repr=False)
    """The first letters of the name; "" where none is known."""

    contacts: tuple[str, ...]
    """The own e-mails and phones, masked."""


def in_brief(
    portal: Portal, call: AuthorizedCall[EmptyBody], pairs: Sequence[DoubtfulPair]
) -> dict[str, InBrief]:
    """Give what a list tells of the people of some pairs, by opaque id."""
    known = {person.id: person for pair in pairs for person in (pair.one, pair.other)}
    key = portal.clinics.key(call.clinic)
    contacts = reveal_contacts(portal.table, key, list(known.values()))
    names = reveal_names(portal.table, key, list(known.values()))
    return {
        subject: InBrief(
            initials(names[subject]) if names[subject] else "",
            tuple(
                masked(contact) for contact in contacts[subject] if contact.kind in REACHABLE_KINDS
            ),
        )
        for subject in known
    }


def leave(portal: Portal, call: AuthorizedCall[EmptyBody], subjects: Sequence[str]) -> None:
    """Keep that two people are two: they are listed no more, whatever else they share.

    Safe to repeat. Raises NotFoundError where they are not two whom the clinic knows.
    """
    one, other = _two_known(portal, call.clinic, subjects)
    mark = distinct_people.distinct_write(call.clinic, (one.id, other.id), call.key.id, call.now)
    portal.table.write([mark, call.audit("doubtful/left", [one, other])])


def _two_known(portal: Portal, clinic: str, subjects: Sequence[str]) -> tuple[Subject, Subject]:
    known = people.find_people(portal.table, clinic, sorted(set(subjects)))
    two = {person.id: person for person in known.values()}  # one, where they were merged
    if len(two) != 2:  # noqa: PLR2004 - a pair
        raise NotFoundError
    one, other = (two[subject] for subject in sorted(two))
    return one, other


def _pairs_of(portal: Portal, clinic: str, found: Sequence[Subject]) -> list[DoubtfulPair]:
    """Give the pairs whose first one is among these people, without those that staff left."""
    own = {person.id for person in found}
    lookups = list(dict.fromkeys(lookup for person in found for lookup in person.contacts))
    known, _ = contacts.read_people(portal.table, clinic, lookups, most=MOST_SHARING)
    pairs: dict[Ids, tuple[Subject, Subject]] = {}
    shared: dict[Ids, list[str]] = {}
    for lookup, stored in known.items():
        if stored.more:
            continue
        for one, other in doubtful_pairs(stored.people, lookup):
            if one.id in own:
                pairs[one.id, other.id] = one, other
                shared.setdefault((one.id, other.id), []).append(lookup)
    left = distinct_people.known_distinct(portal.table, clinic, pairs)
    return [
        _entry(*pairs[ids], lookups) for ids, lookups in sorted(shared.items()) if ids not in left
    ]


def _entry(one: Subject, other: Subject, lookups: Sequence[str]) -> DoubtfulPair:
    kinds = {_kind(one.kinds, other.kinds, lookup) for lookup in lookups}
    since = max(person.contacts[lookup] for person in (one, other) for lookup in lookups)
    return DoubtfulPair(one, other, tuple(kind for kind in ContactKind if kind in kinds), since)


def _kind(one: Mapping[str, str], other: Mapping[str, str], lookup: str) -> ContactKind:
    """Give the kind of a shared contact; of those kept before kinds were told, an e-mail."""
    return ContactKind(one.get(lookup) or other.get(lookup) or ContactKind.EMAIL)
