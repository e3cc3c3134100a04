"""What is sealed of a person: contacts and names, readable with that person's key alone."""

from chalicelib.contact import Contact, Kind
from chalicelib.receipts import Subject
from chalicelib.store.table import Table, sealed_key
from chalicelib.vault import ClinicKey


def kinds_known(table: Table, key: ClinicKey, person: Subject) -> set[Kind]:
    """Tell which kinds of contact are known of a person: none of somebody new. One round trip.

    A sealed contact stands under its lookup, which its kind is part of: that tells what it is.
    """
    if not person.contacts:
        return set()
    kinds = set()
    place = sealed_key(key.clinic, person.id, "")
    for item in table.partition(place.pk, place.sk):
        what = item.sk.removeprefix(place.sk)
        if what in person.contacts and item.blob is not None:
            value = key.unseal(person.id, person.salt, what, item.blob)
            kinds |= {kind for kind in Kind if key.lookup(Contact(kind, value)) == what}
    return kinds
