"""Personal data, stored encrypted only: contacts, names, addresses, and the evidence of staff."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.contacts import Contact, ContactKind, initials
from chalicelib.domain.instants import Instant
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.store import people
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import person_key, personal_data_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Put

NAME, ADDRESS, EVIDENCE = "name", "address", "evidence"
"""What is sealed by the receipt it came with; all else is a contact, under its lookup."""

_FEW = 8
"""Up to how many receipts of a person the places of names are asked for one by one."""


@dataclass(frozen=True, slots=True)
class ContactDetails:
    """A person's contacts, each with when the portal learnt of it, their names and addresses.

    Names and addresses are those given, oldest first.
    """

    contacts: Sequence[tuple[Contact, Instant]] = field(repr=False)
    names: Sequence[str] = field(repr=False)
    addresses: Sequence[PostalAddress] = field(default=(), repr=False)

    @property
    def known(self) -> frozenset[str]:
        """What is known of: ``email``, ``phone``, ``patient_ref``, ``name``, ``address``."""
        known = {contact.kind.value for contact, _ in self.contacts}
        if self.names:
            known.add(NAME)
        if self.addresses:
            known.add(ADDRESS)
        return frozenset(known)

    @property
    def child(self) -> str:
        """As much of a child's name as its guardian needs; "" where none is known."""
        return initials(self.names[-1]) if self.names else ""


def reveal(table: Table, key: ClinicKey, person: Subject) -> ContactDetails:
    """Decrypt every contact, name and address of one person that is still theirs.

    One round trip.
    """
    place = personal_data_key(key.clinic, person.id, "")
    contacts: list[tuple[Contact, Instant]] = []
    given: dict[str, dict[int, str]] = {NAME: {}, ADDRESS: {}}
    for item in table.partition(place.pk, place.sk):
        what = item.sk.removeprefix(place.sk)
        kind, _, version = what.rpartition("#")
        if what in person.contacts:
            contact = _contact(key, what, _decrypted(key, person, what, item))
            contacts.append((contact, person.contacts[what]))
        elif kind in given:
            given[kind][int(version)] = _decrypted(key, person, what, item)
        # Any other contact is a guardian's, of somebody who decides alone by now.
    names = _oldest_first(given[NAME])
    addresses = [PostalAddress.read(text) for text in _oldest_first(given[ADDRESS])]
    return ContactDetails(tuple(contacts), tuple(names), tuple(addresses))


def reveal_contacts(
    table: Table, key: ClinicKey, people: Sequence[Subject]
) -> dict[str, tuple[Contact, ...]]:
    """Decrypt the own contacts of some people, by subject id; a hundred contacts in a round trip.

    Whoever was erased in this very moment has none.
    """
    places: dict[Key, tuple[Subject, str]] = {}
    for person in people:
        for lookup in person.contacts:
            if person.owns(lookup):
                places[personal_data_key(key.clinic, person.id, lookup)] = person, lookup
    found = table.get(list(places)) if places else {}
    contacts: dict[str, tuple[Contact, ...]] = {person.id: () for person in people}
    for place, (person, lookup) in places.items():
        if place in found:
            contact = _contact(key, lookup, _decrypted(key, person, lookup, found[place]))
            contacts[person.id] += (contact,)
    return contacts


def reveal_names(table: Table, key: ClinicKey, people: Sequence[Subject]) -> dict[str, str]:
    """Decrypt the last name that each of some people gave, by subject id; "" where there is none.

    A hundred places in a round trip: a name may have come with each receipt. One more for whoever
    has very many receipts.
    """
    names: dict[str, str] = {}
    places: dict[Key, tuple[Subject, str]] = {}
    for person in people:
        names[person.id] = ""
        if person.version > _FEW:
            given = _names_of(table, key, person)
            names[person.id] = given[-1] if given else ""
            continue
        for version in range(1, person.version + 1):
            what = f"{NAME}#{version}"
            places[personal_data_key(key.clinic, person.id, what)] = person, what
    found = table.get(list(places)) if places else {}
    for place, (person, what) in places.items():  # in the order of the receipts
        if place in found:
            names[person.id] = _decrypted(key, person, what, found[place])
    return names


def _names_of(table: Table, key: ClinicKey, person: Subject) -> list[str]:
    place = personal_data_key(key.clinic, person.id, f"{NAME}#")
    given = {}
    for item in table.partition(place.pk, place.sk):
        version = item.sk.removeprefix(place.sk)
        given[int(version)] = _decrypted(key, person, f"{NAME}#{version}", item)
    return _oldest_first(given)


def _oldest_first(by_version: Mapping[int, str]) -> list[str]:
    return [by_version[version] for version in sorted(by_version)]


def kept_disclosures(table: Table, key: ClinicKey, receipt: Receipt) -> tuple[str, ...]:
    """Decrypt what a receipt vouches for and does not tell (RFC 9901): its disclosures.

    None after an erasure.
    """
    subject = receipt.document["subject"]
    what = f"{EVIDENCE}#{receipt.document['version']}"
    person_place = person_key(key.clinic, subject)
    evidence_place = personal_data_key(key.clinic, subject, what)
    found = table.get([person_place, evidence_place])
    if person_place not in found or evidence_place not in found:
        return ()
    person = people.load_person(found[person_place])
    if person.erased:
        return ()
    return tuple(_decrypted(key, person, what, found[evidence_place]).split("~"))


def disclosures_of(
    table: Table, key: ClinicKey, receipts: Sequence[Receipt], known: Mapping[str, Subject]
) -> dict[str, tuple[str, ...]]:
    """Decrypt the disclosures of some receipts, by receipt id, as `kept_disclosures` does for one.

    `known` are their people who are not erased, by subject id. A hundred in a round trip.
    """
    places: dict[Key, tuple[Receipt, Subject, str]] = {}
    for receipt in receipts:
        person = known.get(receipt.document["subject"])
        if person is not None:
            what = f"{EVIDENCE}#{receipt.document['version']}"
            places[personal_data_key(key.clinic, person.id, what)] = receipt, person, what
    found = table.get(list(places)) if places else {}
    disclosures: dict[str, tuple[str, ...]] = {}
    for place, item in found.items():
        receipt, person, what = places[place]
        disclosures[receipt.id] = tuple(_decrypted(key, person, what, item).split("~"))
    return disclosures


def all_kept_disclosures(
    table: Table, key: ClinicKey, person: Subject
) -> dict[int, tuple[str, ...]]:
    """Decrypt the disclosures of all receipts of a person, by the receipt's version.

    One round trip.
    """
    place = personal_data_key(key.clinic, person.id, f"{EVIDENCE}#")
    disclosures: dict[int, tuple[str, ...]] = {}
    for item in table.partition(place.pk, place.sk):
        version = item.sk.removeprefix(place.sk)
        text = _decrypted(key, person, f"{EVIDENCE}#{version}", item)
        disclosures[int(version)] = tuple(text.split("~"))
    return disclosures


def kept_disclosures_of(
    table: Table, key: ClinicKey, person: Subject, versions: Sequence[int]
) -> dict[int, tuple[str, ...]]:
    """Decrypt the disclosures of some receipts of a person, by the receipt's version.

    A hundred in a round trip; those that are not kept are left out.
    """
    places = {
        personal_data_key(key.clinic, person.id, f"{EVIDENCE}#{version}"): version
        for version in versions
    }
    found = table.get(list(places)) if places else {}
    disclosures = {}
    for place, item in found.items():
        what = f"{EVIDENCE}#{places[place]}"
        disclosures[places[place]] = tuple(_decrypted(key, person, what, item).split("~"))
    return disclosures


def encrypted_personal_data(key: ClinicKey, person: Subject, what: str, plain: str) -> Put:
    """Write what came with the latest receipt of a person: `NAME`, `ADDRESS` or `EVIDENCE`."""
    place = f"{what}#{person.version}"
    blob = key.encrypt(person.id, person.salt, place, plain)
    return Put(personal_data_key(key.clinic, person.id, place), {"blob": blob})


def known_of(table: Table, key: ClinicKey, person: Subject) -> frozenset[str]:
    """Give `ContactDetails.known` of a person: nothing of somebody new.

    One round trip for anybody else.
    """
    if not person.contacts:
        return frozenset()
    return reveal(table, key, person).known


def _decrypted(key: ClinicKey, person: Subject, what: str, item: Item) -> str:
    encrypted = bytes(item.blob or b"")
    return key.decrypt(person.id, person.salt, what, encrypted)


def _contact(key: ClinicKey, lookup: str, plain: str) -> Contact:
    """Give a contact with its kind, which is not stored: the one under which it is found."""
    for kind in ContactKind:
        contact = Contact(kind, plain)
        if key.lookup(contact) == lookup:
            return contact
    raise LookupError(lookup)
