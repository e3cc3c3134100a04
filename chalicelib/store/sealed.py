"""What is kept sealed of a person, opened: contacts and names, for their owner and for whoever may reach them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from chalicelib.contact import Contact, Kind, initials
from chalicelib.instants import Instant
from chalicelib.receipts import Subject
from chalicelib.store.keys import sealed_key
from chalicelib.store.table import Table
from chalicelib.vault import ClinicKey

_NAME = "name#"


@dataclass(frozen=True, slots=True)
class Revealed:
    """A person's contacts, each with when the portal learnt of it, and the names they gave, oldest first."""

    contacts: Sequence[tuple[Contact, Instant]] = field(repr=False)
    names: Sequence[str] = field(repr=False)

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
    contacts, names = [], []
    for item in table.partition(place.pk, place.sk):
        what = item.sk.removeprefix(place.sk)
        if not what.startswith(_NAME) and what not in person.contacts:  # a guardian's, of whoever decides alone by now
            continue
        plain = key.unseal(person.id, person.salt, what, bytes(item.blob or b""))
        if what.startswith(_NAME):
            names.append((int(what.removeprefix(_NAME)), plain))
        else:
            contacts.append((_contact(key, what, plain), person.contacts.get(what, "")))
    return Revealed(tuple(contacts), tuple(name for _, name in sorted(names)))


def kinds_known(table: Table, key: ClinicKey, person: Subject) -> set[Kind]:
    """Tell which kinds of contact are known of a person: none of somebody new. One round trip for anybody else."""
    return {contact.kind for contact, _ in reveal(table, key, person).contacts} if person.contacts else set()


def _contact(key: ClinicKey, lookup: str, plain: str) -> Contact:
    """Tell of which kind a contact is: the one under which it is found."""
    readings = [Contact(kind, plain) for kind in Kind]
    return next(each for each in readings if key.lookup(each) == lookup)
