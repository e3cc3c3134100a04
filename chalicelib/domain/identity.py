"""Whose a decision is: which of the people known under the contacts given, or somebody new.

A contact may be shared: by a family, by a guardian and the children it decides for. Nobody may speak for the others.
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


class SeveralPeopleError(RejectedError):
    """Staff recorded a Yes by a contact that several people share, and nothing says whose it is. Nothing was stored."""


def all_subjects(people: People) -> tuple[Subject, ...]:
    """Give everyone found, each once, strongest contact first."""
    return tuple({each.id: each for group in people.values() for each in group}.values())


def resolve_subject(people: People, decision: Decision, fresh: Subject, named: str | None = None) -> Subject:
    """Tell whose an act is: the person `named` by id, else the one the contacts mean, else `fresh`, somebody new.

    Raises SeveralPeopleError.
    """
    if named is not None:
        # Who was erased meanwhile is nobody any more: what should stop is kept for somebody new under these contacts.
        known = {each.id: each for each in all_subjects(people)}
        return known.get(named) or known.get(fresh.id) or fresh
    if any(contact.kind is ContactKind.WARD for contact in people):
        # A child is found by what its guardian said of it, or by its own number; never by its guardian's contact alone.
        found = {
            contact: group
            for contact, group in people.items()
            if contact.kind in {ContactKind.WARD, ContactKind.REFERENCE}
        }
        return next(iter(all_subjects(found)), fresh)
    grown = {contact: _without_children(contact, group) for contact, group in people.items()}
    if decision.assurance not in BY_CLINIC:
        return best_match(list(grown.values())) or fresh
    return _seen_by_staff(grown, decision) or fresh


def unambiguous(people: People, reach: People) -> People:
    """Leave out whoever the contacts given may not mean: of what somebody only typed and never proved, all are needed.

    `reach` is everybody kept under each contact. Anybody can type Anna's phone beside an e-mail of their own. Whichever
    is proven first, that person is its owner's (`Subject.owns`): what Anna said with her phone alone must not have
    become a stranger's, to read or to make undone. A child is found by its name and birth, which are never guessed.
    """
    given = Counter(
        person.id for contact, group in reach.items() if contact.kind in REACHABLE_KINDS for person in group
    )
    return {
        contact: tuple(each for each in group if each.certain or each.of_age or given[each.id] >= len(each.typed))
        for contact, group in people.items()
    }


def subjects_to_stop(people: People) -> tuple[Subject, ...]:
    """Give whom a No reaches beside: everyone known under the contacts, but of a guardian and a child the one alone."""
    if any(contact.kind is ContactKind.WARD for contact in people):
        return all_subjects({contact: group for contact, group in people.items() if contact.kind is ContactKind.WARD})
    return all_subjects({contact: _without_children(contact, group) for contact, group in people.items()})


def _without_children(contact: Contact, group: tuple[Subject, ...]) -> tuple[Subject, ...]:
    """Leave out the children that share a contact with their guardian; a number of the clinic is the child's own."""
    return tuple(each for each in group if not each.of_age or contact.kind is ContactKind.REFERENCE)


def _seen_by_staff(people: People, decision: Decision) -> Subject | None:
    # Staff know whom they see, so a new contact joins the known person; but a number or e-mail nobody used beside a
    # known phone may be another member of the family, and so may a second number beside a shared e-mail.
    telling = {contact: group for contact, group in people.items() if contact.kind is not ContactKind.PHONE}
    if not all(telling.values()) and not any(telling.values()):
        return None
    known = [group for group in people.values() if group]
    shared = [person for person in known[0] if all(person in group for group in known)] if known else []
    candidates = shared or (list(known[0]) if known else [])
    if len(candidates) > 1 and Answer.YES in decision.answers.values():
        raise SeveralPeopleError
    second = any(contact.kind is ContactKind.REFERENCE and not group for contact, group in people.items())
    if not candidates or (second and candidates[0].numbered):
        return None
    return candidates[0]
