"""What is kept sealed of a person: contacts, names, and what staff wrote down as evidence."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from chalicelib.domain.contacts import Contact, ContactKind, initials
from chalicelib.domain.instants import Instant
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import person_key, personal_data_key
from chalicelib.store.table import Item, Put, Table

NAME, ADDRESS, EVIDENCE = "name", "address", "evidence"
"""What is sealed by the receipt it came with; all else is a contact, under its lookup."""


@dataclass(frozen=True, slots=True)
class ContactDetails:
    """A person's contacts, each with when the portal learnt of it, and the names and addresses given, oldest first."""

    contacts: Sequence[tuple[Contact, Instant]] = field(repr=False)
    names: Sequence[str] = field(repr=False)
    addresses: Sequence[PostalAddress] = field(default=(), repr=False)

    @property
    def known(self) -> frozenset[str]:
        """What is known of: ``email``, ``phone``, ``patient_ref``, ``name``, ``address``."""
        kinds = {contact.kind.value for contact, _ in self.contacts}
        given = {NAME: self.names, ADDRESS: self.addresses}
        return frozenset(kinds | {what for what, all_of_it in given.items() if all_of_it})

    @property
    def child(self) -> str:
        """As much of a child's name as its guardian needs; "" where none is known."""
        return initials(self.names[-1]) if self.names else ""


def reveal(table: Table, key: ClinicKey, person: Subject) -> ContactDetails:
    """Open every contact and name of one person that is still theirs; one round trip."""
    place = personal_data_key(key.clinic, person.id, "")
    contacts: list[tuple[Contact, Instant]] = []
    beside: dict[str, dict[int, str]] = {NAME: {}, ADDRESS: {}}
    for item in table.partition(place.pk, place.sk):
        what = item.sk.removeprefix(place.sk)
        kind, by_receipt, version = what.rpartition("#")
        if what in person.contacts:  # any other is a guardian's, of whoever decides alone by now
            contacts.append((_contact(key, what, _opened(key, person, what, item)), person.contacts[what]))
        elif by_receipt and kind in beside:
            beside[kind][int(version)] = _opened(key, person, what, item)
    names, addresses = ([given for _, given in sorted(beside[kind].items())] for kind in (NAME, ADDRESS))
    return ContactDetails(tuple(contacts), tuple(names), tuple(map(PostalAddress.read, addresses)))


def kept_disclosures(table: Table, key: ClinicKey, receipt: Receipt) -> tuple[str, ...]:
    """Open what a receipt vouches for and does not tell (RFC 9901): its disclosures, none after an erasure."""
    subject, what = receipt.document["subject"], f"{EVIDENCE}#{receipt.document['version']}"
    place, beside = person_key(key.clinic, subject), personal_data_key(key.clinic, subject, what)
    found = table.get([place, beside])
    person = Subject.read(json.loads(found[place].body or "")) if place in found else None
    if person is None or person.erased or beside not in found:
        return ()
    return tuple(_opened(key, person, what, found[beside]).split("~"))


def all_kept_disclosures(table: Table, key: ClinicKey, person: Subject) -> dict[int, tuple[str, ...]]:
    """Open what all receipts of a person vouch for and do not tell, by the receipt's version; one round trip."""
    place = personal_data_key(key.clinic, person.id, f"{EVIDENCE}#")
    return {
        int(version): tuple(_opened(key, person, f"{EVIDENCE}#{version}", item).split("~"))
        for item in table.partition(place.pk, place.sk)
        for version in [item.sk.removeprefix(place.sk)]
    }


def encrypted_personal_data(key: ClinicKey, person: Subject, what: str, plain: str) -> Put:
    """Write down what came with the latest receipt of a person and stands outside: `NAME`, `ADDRESS` or `EVIDENCE`."""
    place = f"{what}#{person.version}"
    return Put(
        personal_data_key(key.clinic, person.id, place), {"blob": key.encrypt(person.id, person.salt, place, plain)}
    )


def known_of(table: Table, key: ClinicKey, person: Subject) -> frozenset[str]:
    """Give `ContactDetails.known` of a person: nothing of somebody new. One round trip for anybody else."""
    return reveal(table, key, person).known if person.contacts else frozenset()


def _opened(key: ClinicKey, person: Subject, what: str, item: Item) -> str:
    return key.decrypt(person.id, person.salt, what, bytes(item.blob or b""))


def _contact(key: ClinicKey, lookup: str, plain: str) -> Contact:
    """Tell of which kind a contact is: the one under which it is found."""
    readings = [Contact(kind, plain) for kind in ContactKind]
    return next(each for each in readings if key.lookup(each) == lookup)
