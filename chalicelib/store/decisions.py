"""The writes of one decision, carried out in one transaction: all of them or none.

Each function here gives the writes of one part, in the order they are sent. What a decision does is
computed before (`domain.decisions`, `services.decisions`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind
from chalicelib.domain.instants import Instant
from chalicelib.domain.message_outcomes import why_nothing_is_left
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.store import contact_places, pages, people
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys.people import person_key, personal_data_key
from chalicelib.store.keys.receipts import receipt_id_key, receipt_key
from chalicelib.store.lookup import Identification, Lookup
from chalicelib.store.outbox import (
    OTHERS,
    outbox_write,
    unsigned_write,
)
from chalicelib.store.personal_data import ADDRESS, EVIDENCE, NAME, encrypted_personal_data
from chalicelib.store.receipts import receipt_values
from chalicelib.store.writes import NOT_DUE, Put, Replace, SetKept, Write


def outbox_writes_for(
    key: ClinicKey,
    identification: Identification,
    lookup: Lookup,
    subject: Subject,
    receipt: Receipt,
) -> list[Write]:
    """Give what a decision leaves in the outbox, with the contacts it was made under.

    Every decision leaves something: its receipt is to be counted and signed.
    """
    given = _reachable_contacts(identification, lookup)
    reachable = bool(given or subject.contacts)
    nothing = why_nothing_is_left(
        receipt.document,
        follows=identification.follows,
        reachable=reachable,
        asks=identification.asks_to_confirm,
    )
    if nothing:
        version = receipt.document["version"]
        return [unsigned_write(key.clinic, receipt.document["subject"], version, receipt.id)]
    to = OTHERS if identification.informed_by_order else ""
    return [outbox_write(key, subject, receipt, given, identification.base, to=to)]


def _reachable_contacts(identification: Identification, lookup: Lookup) -> list[Contact]:
    """Give the e-mails and phones given with a decision.

    Of a person named by id, without those under which only others are known.
    """
    given = [contact for contact in identification.contacts if contact.kind in REACHABLE_KINDS]
    if identification.person in {None, identification.fresh.id}:
        return given
    theirs = []
    for contact in given:
        known = {person.id for person in lookup.stored_under[contact]}
        if not known or identification.person in known:
            theirs.append(contact)
    return theirs


@dataclass(frozen=True, slots=True)
class PersonalData:
    """What was given with a decision and is stored encrypted only.

    `contacts` are by their lookups; `disclosures` are what the receipt vouches for and does not
    tell (RFC 9901).
    """

    contacts: Mapping[str, Contact] = field(repr=False)
    name: str | None = field(repr=False)
    address: PostalAddress | None = field(repr=False)
    disclosures: Sequence[str] = field(repr=False)


def decision_writes(
    key: ClinicKey,
    lookup: Lookup,
    before: Subject,
    *,
    after: Subject,
    receipt: Receipt,
    given: PersonalData,
    due: Instant | None,
) -> list[Write]:
    """Give what one decision writes, in five parts.

    `before` is the person as the decision found them, `after` as it leaves them, with their
    contacts. `due` is when something is due for them next; None for never.
    """
    clinic = lookup.published.clinic.id
    times = (receipt.document["effective_at"], receipt.document["recorded_at"])
    after, page_writes = pages.with_times(clinic, before, after, times)
    after = contact_places.with_places(before, after, lookup.known_by)
    return [
        *_receipt_writes(clinic, before, after, receipt),
        *_person_writes(clinic, lookup, before, after, due),
        *page_writes,
        *_new_contact_writes(key, before, after, given.contacts),
        *_personal_data_writes(key, after, given),
    ]


def _receipt_writes(clinic: str, before: Subject, after: Subject, receipt: Receipt) -> list[Write]:
    """Write the receipt, and its place by its id."""
    place = json.dumps({"subject": after.id, "version": after.version})
    key = receipt_key(clinic, after.id, after.version)
    return [
        Put(key, receipt_values(key, receipt, before.summaries)),
        Put(receipt_id_key(clinic, receipt.id), {"body": place}),
    ]


def _person_writes(
    clinic: str, lookup: Lookup, before: Subject, after: Subject, due: Instant | None
) -> list[Write]:
    """Write the person into the clinic's list of people and under each of their contacts.

    Only over the person as they were read: where somebody erased or restricted them meanwhile
    nothing is written.
    """
    kept, was = people.dump_person(after), lookup.kept.get(after.id)
    writes: list[Write] = [SetKept(person_key(clinic, after.id), kept, was, due=due or NOT_DUE)]
    if was is not None:
        writes += contact_places.copy_writes(clinic, before, kept, was)
    return [*writes, *contact_places.new_place_writes(clinic, before, after, kept)]


def _new_contact_writes(
    key: ClinicKey, before: Subject, after: Subject, given: Mapping[str, Contact]
) -> list[Write]:
    """Write each contact that is new to the person, encrypted.

    What finds a child is not written: its guardian's contact is stored already, and nobody needs a
    day of birth again.
    """
    writes: list[Write] = []
    for lookup, contact in given.items():
        if lookup not in before.contacts and contact.kind is not ContactKind.WARD:
            blob = key.encrypt(after.id, after.salt, lookup, contact.value)
            # It may have been theirs before, so that there is an item already.
            writes.append(Replace(personal_data_key(key.clinic, after.id, lookup), {"blob": blob}))
    return writes


def _personal_data_writes(key: ClinicKey, after: Subject, given: PersonalData) -> list[Write]:
    """Write the name, the address and the evidence that came with a decision, encrypted."""
    plain: dict[str, str] = {}
    if after.contacts:  # who is found by no contact is written to by no name
        plain[NAME] = given.name or ""
        plain[ADDRESS] = given.address.plain() if given.address else ""
    # What staff wrote down belongs to the receipt, whoever it is of.
    plain[EVIDENCE] = "~".join(given.disclosures)
    return [encrypted_personal_data(key, after, what, text) for what, text in plain.items() if text]


def detach_contacts(lookup: Lookup, before: Subject, after: Subject) -> list[Write]:
    """Take from a person the contacts that are theirs no longer, and overwrite them."""
    clinic = lookup.published.clinic.id
    writes: list[Write] = []
    for number in before.contacts:
        if number not in after.contacts:
            writes.append(
                contact_places.vacate_write(clinic, before, number, lookup.kept[before.id])
            )
            writes.append(Replace(personal_data_key(clinic, before.id, number), {}))
    return writes
