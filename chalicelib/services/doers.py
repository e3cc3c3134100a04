"""Who did something at a clinic, by the id that receipts and the audit hold: their name in words."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.domain.api_keys import KeyKind
from chalicelib.domain.staff import MEMBER_PREFIX
from chalicelib.store import bearer_keys, staff
from chalicelib.store.table import Table

BY_STAFF = "staff:"
"""What the actor of a receipt begins with that staff recorded; the rest is an id."""

_OF_KEYS = "key_"


class DoerKind(StrEnum):
    """What somebody is to the clinic."""

    STAFF = "staff"
    """Somebody who signs in to the desk, or a worker with a key."""
    PROGRAM = "program"


@dataclass(frozen=True, slots=True)
class Doer:
    """Who it was. `member` is the joint controller whose key it is, None for the clinic's own."""

    name: str
    kind: DoerKind
    member: str | None = None


def find_doers(table: Table, clinic: str, ids: Collection[str]) -> Mapping[str, Doer]:
    """Give who has these ids, those too whose access has ended; others are left out.

    Four round trips at most, none for no ids.
    """
    members = {each for each in ids if each.startswith(MEMBER_PREFIX)}
    keys = {each for each in ids if each.startswith(_OF_KEYS)}
    found: dict[str, Doer] = {}
    if members:
        for member in staff.named(table, clinic, members).values():
            found[member.id] = Doer(member.name, DoerKind.STAFF)
    if keys:
        for key in bearer_keys.named(table, clinic, keys).values():
            kind = DoerKind.STAFF if key.kind is KeyKind.WORKER else DoerKind.PROGRAM
            found[key.id] = Doer(key.label, kind, key.member)
    return found


def doer_of(document: Mapping[str, object]) -> str:
    """Give the id of the staff who recorded a receipt; "" where the patient decided alone."""
    actor = str(document["actor"])
    if actor.startswith(BY_STAFF):
        return actor.removeprefix(BY_STAFF)
    evidence = document["evidence"]
    return str(evidence.get("staff", "")) if isinstance(evidence, Mapping) else ""
