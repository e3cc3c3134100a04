"""What is kept sealed of a person: contacts, names, and what staff wrote down as evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.contact import Contact, Kind, initials
from chalicelib.instants import Instant
from chalicelib.receipts import Subject
from chalicelib.store.keys import sealed_key
from chalicelib.store.table import Put, Table
from chalicelib.vault import ClinicKey

NAME, EVIDENCE = "name", "evidence"
"""What is sealed by the receipt it came with; all else is a contact, under its lookup."""


@dataclass(frozen=True, slots=True)
class Revealed:
    """A person's contacts, each with when the portal learnt of it, and the names they gave, oldest first."""

    contacts: Sequence[tuple[Contact, Instant]] = field(repr=False)
    names: Sequence[str] = field(repr=False)
    disclosures: Mapping[int, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """What each receipt, by its version, vouches for and does not tell (RFC 9901)."""

    @property
    def known(self) -> frozenset[str]:
        """What is known of: ``email``, ``phone``, ``patient_ref``, ``name``."""
        return frozenset({contact.kind.value for contact, _ in self.contacts} | ({"name"} if self.names else set()))

    @property
    def child(self) -> str:
        """As much of a child's name as its guardian needs; "" where none is known."""
        return initials(self.names[-1]) if self.names else ""


def reveal(table: Table, key: ClinicKey, person: Subject) -> Revealed:
    """Open everything sealed of one person that is still theirs; one round trip."""
    place = sealed_key(key.clinic, person.id, "")
    contacts: list[tuple[Contact, Instant]] = []
    told: dict[str, dict[int, str]] = {NAME: {}, EVIDENCE: {}}
    for item in table.partition(place.pk, place.sk):
        what = item.sk.removeprefix(place.sk)
        kind, by_receipt, version = what.rpartition("#")
        if not by_receipt and what not in person.contacts:  # a guardian's, of whoever decides alone by now
            continue
        plain = key.unseal(person.id, person.salt, what, bytes(item.blob or b""))
        if by_receipt:
            told[kind][int(version)] = plain
        else:
            contacts.append((_contact(key, what, plain), person.contacts[what]))
    names = tuple(name for _, name in sorted(told[NAME].items()))
    return Revealed(tuple(contacts), names, {at: tuple(each.split("~")) for at, each in told[EVIDENCE].items()})


def sealed_beside(key: ClinicKey, person: Subject, what: str, plain: str) -> Put:
    """Write down what came with the latest receipt of a person and stands outside of it: `NAME` or `EVIDENCE`."""
    place = f"{what}#{person.version}"
    return Put(sealed_key(key.clinic, person.id, place), {"blob": key.seal(person.id, person.salt, place, plain)})


def kinds_known(table: Table, key: ClinicKey, person: Subject) -> set[Kind]:
    """Tell which kinds of contact are known of a person: none of somebody new. One round trip for anybody else."""
    return {contact.kind for contact, _ in reveal(table, key, person).contacts} if person.contacts else set()


def _contact(key: ClinicKey, lookup: str, plain: str) -> Contact:
    """Tell of which kind a contact is: the one under which it is found."""
    readings = [Contact(kind, plain) for kind in Kind]
    return next(each for each in readings if key.lookup(each) == lookup)
