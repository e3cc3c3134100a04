"""A person whose record staff open at the desk, to restrict, erase or rectify it.

Somebody is named by the opaque id, never by a contact. Each look is a line of the audit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.domain.contacts import Contact, ContactKind, masked
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant
from chalicelib.domain.retention import proof_until
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.look_up_limits import take_look_up
from chalicelib.store import people
from chalicelib.store.keys.key import is_possible
from chalicelib.store.keys.people import person_key
from chalicelib.store.personal_data import reveal

ID_LENGTH = 12
"""How many characters of a contact's lookup name it in a form."""


@dataclass(frozen=True, slots=True)
class DeskPerson:
    """A person and their contacts, each by an id that a form can bear; none of an erased person."""

    person: Subject
    contacts: Mapping[str, Contact] = field(repr=False)
    unproven: frozenset[str] = frozenset()
    """The ids of those e-mails and phones that were only typed."""

    @property
    def masked(self) -> Mapping[str, str]:
        """The contacts so that their owner knows them; the clinic's own numbers as they are."""
        return {
            name: contact.value if contact.kind is ContactKind.REFERENCE else masked(contact)
            for name, contact in self.contacts.items()
        }

    @property
    def may_lose_one(self) -> bool:
        """Whether a contact can be removed: without any nobody would find the person again."""
        return len(self.person.contacts) > 1


def open_record(portal: Portal, call: AuthorizedCall[EmptyBody], subject: str) -> DeskPerson:
    """Give a person by the opaque id, with their contacts; raise NotFoundError.

    Erased people are given too, without contacts. One look-up of the limit: raises TooManyError.
    """
    key = portal.clinics.key(call.clinic)
    if not is_possible(person_key(call.clinic, subject)):
        raise NotFoundError
    try:
        person = people.person(portal.table, call.clinic, subject)
        known = () if person.erased else reveal(portal.table, key, person).contacts
    except (LookupError, ValueError):  # nobody, or erased in this very moment
        raise NotFoundError from None
    take_look_up(portal, call, call.audit("contacts/record", [person]))
    contacts = {key.lookup(contact)[:ID_LENGTH]: contact for contact, _ in known}
    unproven = frozenset(lookup[:ID_LENGTH] for lookup in person.typed)
    return DeskPerson(person, contacts, unproven)


def proof_if_erased(portal: Portal, clinic: str, person: Subject, now: Instant) -> Instant:
    """Tell until when the proof would be kept of what a person decided, if erased now."""
    published = portal.directory.look_up(clinic).published
    return proof_until(person, published.published, published.clinic.proof_kept, now)
