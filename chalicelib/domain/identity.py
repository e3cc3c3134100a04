"""Whose a decision is: one of the people known under the contacts given, or somebody new.

A contact may be shared, by a family or by a guardian and their children. Nobody may decide for the
others who share it.
"""

from collections import Counter
from collections.abc import Mapping

from chalicelib.domain.consent import BY_CLINIC, Answer
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind
from chalicelib.domain.decisions import Decision
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.subjects import Subject, best_match

People = Mapping[Contact, tuple[Subject, ...]]
"""Who is known under each of the contacts given, strongest contact first."""

_OF_THE_CHILD = {ContactKind.WARD, ContactKind.REFERENCE}
"""The contacts that mean a child itself, and not the guardian who shares a contact with it."""


class SeveralPeopleError(RejectedError):
    """Staff recorded a Yes under a contact that several people share: it is not clear whose."""


def all_subjects(people: People) -> tuple[Subject, ...]:
    """Give everyone found, each once, strongest contact first."""
    if len(people) == 1:
        return next(iter(people.values()))
    by_id = {}
    for group in people.values():
        for person in group:
            by_id[person.id] = person
    return tuple(by_id.values())


def resolve_subject(
    people: People, decision: Decision, fresh: Subject, named: str | None = None
) -> Subject:
    """Tell whose a decision is.

    It is of the person `named` by id, else of the one whom the contacts mean, else of `fresh`, who
    is new. Raises SeveralPeopleError.
    """
    if named is not None:
        # Whoever was erased meanwhile is not found; what they stop is then kept for `fresh`.
        known = {person.id: person for person in all_subjects(people)}
        return known.get(named) or known.get(fresh.id) or fresh
    if any(contact.kind is ContactKind.WARD for contact in people):
        # A child is found by its name and birth, or by its own number, never by its guardian's
        # e-mail or phone alone.
        found = _limited_to_kinds(people, _OF_THE_CHILD)
        return next(iter(all_subjects(found)), fresh)
    adults = _without_children(people)
    if decision.assurance in BY_CLINIC:
        return _seen_by_staff(adults, decision) or fresh
    return best_match(list(adults.values())) or fresh


def unambiguous(people: People, stored_under: People) -> People:
    """Leave out whoever the contacts given may not mean.

    Of contacts that somebody only typed and never proved, all have to be given. Anybody can type
    Anna's phone beside an e-mail of their own; whichever is proven first, that person is its
    owner's (`Subject.owns`). What Anna decides by her phone alone must not become a stranger's, who
    could read it or undo it.

    `stored_under` is everybody stored under each contact. A child is found by its name and birth,
    which nobody guesses.
    """
    given = Counter(
        person.id
        for contact, group in stored_under.items()
        if contact.kind in REACHABLE_KINDS
        for person in group
    )

    def is_meant(person: Subject) -> bool:
        if person.certain or person.of_age:
            return True
        return given[person.id] >= len(person.typed)

    return {contact: tuple(filter(is_meant, group)) for contact, group in people.items()}


def subjects_to_stop(people: People) -> tuple[Subject, ...]:
    """Give everyone whom a No reaches: all known under the contacts.

    Of a guardian and a child it reaches only the one who is meant.
    """
    if any(contact.kind is ContactKind.WARD for contact in people):
        return all_subjects(_limited_to_kinds(people, {ContactKind.WARD}))
    return all_subjects(_without_children(people))


def _limited_to_kinds(people: People, kinds: set[ContactKind]) -> People:
    return {contact: group for contact, group in people.items() if contact.kind in kinds}


def _without_children(people: People) -> People:
    """Leave out the children found by their guardian's contact; a clinic's number is their own."""
    adults = {}
    for contact, group in people.items():
        if contact.kind is ContactKind.REFERENCE:
            adults[contact] = group
        else:
            adults[contact] = tuple(person for person in group if not person.of_age)
    return adults


def _seen_by_staff(people: People, decision: Decision) -> Subject | None:
    """Tell whom staff mean, who see the patient; None for somebody new.

    A new contact joins the known person. But a number or e-mail that nobody used, beside a known
    phone, may be another member of the family; and so may a second number beside a shared e-mail.
    """
    telling = [group for contact, group in people.items() if contact.kind is not ContactKind.PHONE]
    if telling and not any(telling):
        return None
    candidates = _common(people)
    if len(candidates) > 1 and Answer.YES in decision.answers.values():
        raise SeveralPeopleError
    if not candidates:
        return None
    has_new_number = any(
        contact.kind is ContactKind.REFERENCE and not group for contact, group in people.items()
    )
    if has_new_number and candidates[0].numbered:
        return None
    return candidates[0]


def _common(people: People) -> list[Subject]:
    """Give who is found under every known contact; else who is under the strongest."""
    known = [group for group in people.values() if group]
    if not known:
        return []
    shared = [person for person in known[0] if all(person in group for group in known)]
    return shared or list(known[0])
