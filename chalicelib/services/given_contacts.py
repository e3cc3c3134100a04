"""The contacts given with a decision: which become the person's, and which count as proven."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from chalicelib.domain.consent import BY_CLINIC, Assurance
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind
from chalicelib.domain.decisions import Decision
from chalicelib.domain.guardians import becomes_independent
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.lookup import Identification, Lookup
from chalicelib.store.personal_data import reveal

MOST_PEOPLE = 20
"""How many may claim a contact. Beyond, only staff can add a person: nobody can fill it up for the
others."""


def become_theirs(decision: Decision, identification: Identification, person: Subject) -> bool:
    """Tell whether the contacts given with a decision become the person's.

    They do for somebody new. Of a known person they do if `joins` says so; without it, unless the
    contacts were only typed or the person is named by id. Otherwise a stranger's contact would lead
    to a known person's Yes, and a withdrawal would join contacts.
    """
    if not person.version:
        return True
    if identification.joins is not None:
        return identification.joins
    return decision.assurance is not Assurance.SELF_ASSERTED and identification.person is None


def independent_if_grown(
    portal: Portal, decision: Decision, lookup: Lookup, person: Subject
) -> Subject:
    """Give a child that decides alone from now on without its guardian's contacts.

    Anybody else is given as they are.
    Their own are those given now, and the clinic's numbers of them. One round trip more for who
    grew up.
    """
    if not becomes_independent(lookup.published.clinic, person.of_age, decision):
        return person
    key = portal.clinics.key(decision.clinic)
    stored = [contact for contact, _ in reveal(portal.table, key, person).contacts]
    numbers = [key.lookup(contact) for contact in stored if contact.kind is ContactKind.REFERENCE]
    return person.as_independent({*lookup.lookups.values(), *numbers})


def contacts_to_store(
    identification: Identification, lookup: Lookup, receipt: Receipt
) -> list[Contact]:
    """Give the contacts under which a person is found from now on, unless too many claim one."""
    given = [
        contact for contact in identification.contacts if contact not in identification.also_typed
    ]
    # By a contact alone there comes one new person at most: whoever gives it again is the same.
    claimed = (
        receipt.document["assurance"] == Assurance.SELF_ASSERTED
        and len(identification.contacts) > 1
    )
    if not claimed:
        return given
    crowded = {
        contact for contact, people in lookup.stored_under.items() if len(people) >= MOST_PEOPLE
    }
    if not crowded:
        return given
    # A child is kept under its guardian's contact or not at all: a withdrawal by that contact must
    # find it.
    return [
        contact
        for contact in given
        if contact not in crowded and contact.kind is not ContactKind.WARD
    ]


def with_contacts(
    before: Subject, after: Subject, given: Mapping[str, Contact], base: str
) -> Subject:
    """Give a person after a decision with the contacts given, by lookup, and those of before.

    What is new of e-mails and phones is only typed, until somebody proves it.
    """
    kinds = {lookup: contact.kind.value for lookup, contact in given.items()}
    typed = [
        lookup
        for lookup, contact in given.items()
        if contact.kind in REACHABLE_KINDS and lookup not in before.contacts
    ]
    numbered = any(contact.kind is ContactKind.REFERENCE for contact in given.values())
    return replace(
        after,
        contacts={**dict.fromkeys(given, after.recorded_at), **before.contacts},
        numbered=before.numbered or numbered,
        kinds={**before.kinds, **kinds},
        typed=(*before.typed, *typed),
        base=base or before.base,
    )


def with_proof(
    key: ClinicKey,
    person: Subject,
    identification: Identification,
    given: Sequence[Contact],
    receipt: Receipt,
) -> Subject:
    """Give a person with the contacts proven that a decision proves.

    All those given, where the clinic vouches for them.
    """
    by_clinic = receipt.document["assurance"] in BY_CLINIC
    proving = given if by_clinic else identification.proves
    proven = {key.lookup(contact) for contact in proving} & person.contacts.keys()
    if not proven:
        return person
    claim = (receipt.document["evidence"] or {}).get("confirms", "")
    return replace(person, proven_by=person.proven_by or claim).prove(proven)
