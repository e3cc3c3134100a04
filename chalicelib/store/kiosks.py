"""Kiosk tablets in the table, and the codes that pair them.

Nobody whom a request reaches removes anything: a tablet that is revoked stays, marked; what a code
led to is cleared away with its `ttl`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.kiosks import KEPT_FOR, Pairing, Tablet
from chalicelib.store.items import Item
from chalicelib.store.keys.desk import tablet_code_key, tablet_key
from chalicelib.store.keys.key import Key
from chalicelib.store.table import ConflictError, ContendedError, Table, UnavailableError
from chalicelib.store.writes import Put, SetBody

PAIRING = "pairing"


@dataclass(frozen=True, slots=True)
class StoredTablet:
    """A tablet as the table holds it."""

    tablet: Tablet
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredPairing:
    """A code that pairs, as the table holds it."""

    pairing: Pairing
    key: Key
    body: str = field(repr=False)


def of_clinic(table: Table, clinic: str) -> list[StoredTablet]:
    """Give every tablet that was ever paired with a clinic."""
    place = tablet_key(clinic, "")
    return [_stored(item) for item in table.partition(place.pk, place.sk)]


def read(table: Table, clinic: str, tablet: str) -> StoredTablet | None:
    """Give one of a clinic's tablets; None where it has none of this id."""
    place = tablet_key(clinic, tablet)
    found = table.get([place]).get(place)
    return _stored(found) if found else None


def new(tablet: Tablet) -> Put:
    """Give the write of a new tablet."""
    return Put(tablet_key(tablet.clinic, tablet.id), {"body": tablet.stored()})


def changed(stored: StoredTablet, tablet: Tablet) -> SetBody:
    """Give the write by which a tablet is another, if it is as it was read."""
    return SetBody(tablet_key(tablet.clinic, tablet.id), tablet.stored(), stored.body)


def note(table: Table, stored: StoredTablet, tablet: Tablet) -> None:
    """Note when a tablet was seen. No page fails because this does."""
    try:
        table.write_one(changed(stored, tablet))
    except (ConflictError, ContendedError, UnavailableError):
        return


def new_pairing(clinic: str, digest: str, pairing: Pairing) -> Put:
    """Give the write of a code that pairs, by its HMAC."""
    return Put(tablet_code_key(clinic, digest), code_values(pairing.stored(), pairing.until))


def code_values(body: str, until: Instant) -> dict[str, Any]:
    """Give what the item of a code holds: it is cleared away a day after its time."""
    return {"body": body, "ttl": int((moment(until) + KEPT_FOR).timestamp())}


def read_pairing(table: Table, clinic: str, digest: str) -> StoredPairing | None:
    """Give what a code pairs, by its HMAC; None where there is no such code."""
    place = tablet_code_key(clinic, digest)
    found: Mapping[Key, Item] = table.get([place])
    if place not in found:
        return None
    body = found[place].body or ""
    return StoredPairing(Pairing.read(body), place, body)


def taken(stored: StoredPairing, pairing: Pairing) -> SetBody:
    """Give the write by which a code is used up, if nobody used it since it was read."""
    return SetBody(stored.key, pairing.stored(), stored.body)


def _stored(item: Item) -> StoredTablet:
    body = item.body or ""
    return StoredTablet(Tablet.read(body), body)
