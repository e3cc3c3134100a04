"""Which two of a clinic's people may be one: they share a contact, and it does not tell whose it is.

Where one of them proved the contact and the other only typed it, it is the first one's
(`Subject.owns`). Where both proved it, or neither did, they may be a family with one phone, or one
person who is known twice. Only staff can tell.
"""

from collections.abc import Sequence
from itertools import combinations

from chalicelib.domain.contacts import REACHABLE_KINDS
from chalicelib.domain.subjects import Subject

MOST_SHARING = 6
"""How many may share a contact and still be looked at: more are a care home's or a firm's."""

Pair = tuple[Subject, Subject]
"""Two people, by opaque id."""


def may_be_one(one: Subject, other: Subject, lookup: str) -> bool:
    """Tell whether two people who have a contact may be one.

    A child is never the one who decides for it, and children of one family are several.
    """
    if one.id == other.id or one.of_age or other.of_age:
        return False
    if lookup not in one.contacts or lookup not in other.contacts:
        return False
    kinds = {person.kinds.get(lookup, REACHABLE_KINDS[0].value) for person in (one, other)}
    if not kinds & {kind.value for kind in REACHABLE_KINDS}:
        return False
    return _proved(one, lookup) == _proved(other, lookup)


def doubtful_pairs(people: Sequence[Subject], lookup: str) -> list[Pair]:
    """Give those who may be one, of all who are known under a contact; none where many share it."""
    if len(people) > MOST_SHARING:
        return []
    ordered = sorted(people, key=lambda person: person.id)
    return [pair for pair in combinations(ordered, 2) if may_be_one(*pair, lookup)]


def _proved(person: Subject, lookup: str) -> bool:
    return person.certain and lookup not in person.typed
