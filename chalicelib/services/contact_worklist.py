"""Contacts that staff must check: no message reaches them, or a patient wants them removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.store import worklist
from chalicelib.store.personal_data import reveal
from chalicelib.store.worklist import WorklistEntry


@dataclass(frozen=True, slots=True)
class WorklistPage:
    """A page of the list, by opaque ids: no contact stands in it.

    `references` are the clinic's own numbers of its people; `more` is where the list goes on.
    """

    entries: Sequence[WorklistEntry]
    references: Mapping[str, str | None]
    more: str | None


def read_worklist(portal: Portal, call: AuthorizedCall[EmptyBody], after: str) -> WorklistPage:
    """Give a page of the list; the first (`after` is "") begins with what patients want removed."""
    found, more = worklist.undelivered(portal.table, call.clinic, after)
    wishes = () if after else worklist.removal_requests(portal.table, call.clinic)
    entries = [*wishes, *found]
    people = {entry.person.id: entry.person for entry in entries}
    references = {}
    for person in people.values():
        if person.numbered:
            references[person.id] = _reference(portal, call.clinic, person)
    portal.table.put_new(call.audit("contacts/worklist", list(people.values())))
    return WorklistPage(entries, references, more)


def _reference(portal: Portal, clinic: str, person: Subject) -> str | None:
    """Give the clinic's own number of a person; None for whoever was erased in this very moment."""
    try:
        contacts = reveal(portal.table, portal.clinics.key(clinic), person).contacts
    except ValueError:
        return None
    for contact, _ in contacts:
        if contact.kind is ContactKind.REFERENCE:
            return contact.value
    return None
