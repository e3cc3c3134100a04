"""What staff are to do about contacts: those no message reaches, and those to be removed.

Nothing is taken off the list: an entry counts for as long as the contact is the person's, so that
it goes with the contact that is replaced, removed or erased.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.subjects import Subject
from chalicelib.store import contacts, people
from chalicelib.store.keys.messages import listed_undeliverable_key
from chalicelib.store.keys.people import person_key, removal_request_key
from chalicelib.store.table import Table
from chalicelib.store.withdrawal_orders import MANY
from chalicelib.store.writes import Put

MOST = 100
"""How many marks of contacts one page of the list goes through."""

REMOVAL_REQUEST_TTL = timedelta(days=365)
REMOVAL_REQUEST = "wish"
"""Why a contact is listed that its owner wants removed; else it is the reason of the mark
(`messages`)."""


@dataclass(frozen=True, slots=True)
class WorklistEntry:
    """One contact of one person to see to: of which kind it is, why, and since when."""

    person: Subject
    kind: str
    reason: str
    since: Instant


def request_removal(
    clinic: str, person: Subject, lookup: str, kind: ContactKind, at: Instant
) -> Put:
    """Give the item of somebody who wants a contact removed that their own page cannot remove."""
    over = int((moment(at) + REMOVAL_REQUEST_TTL).timestamp())
    body = {"kind": kind.value, "lookup": lookup, "at": at}
    return Put(
        removal_request_key(clinic, person.id, lookup), {"body": json.dumps(body), "ttl": over}
    )


def removal_requests(table: Table, clinic: str) -> Iterator[WorklistEntry]:
    """Give what patients asked for and is not done yet."""
    place = removal_request_key(clinic, "", "")
    items = table.partition(place.pk, place.sk.partition("#")[0] + "#")
    while batch := list(itertools.islice(items, MOST)):
        keys = [person_key(clinic, item.sk.split("#")[1]) for item in batch]
        found = table.get(keys)
        for item, key in zip(batch, keys, strict=True):
            if key not in found:
                continue
            stored = json.loads(item.body or "")
            person = people.load_person(found[key])
            if stored["lookup"] in person.contacts:
                yield WorklistEntry(person, stored["kind"], REMOVAL_REQUEST, stored["at"])


def undelivered(
    table: Table, clinic: str, after: str = ""
) -> tuple[list[WorklistEntry], str | None]:
    """Give a page of contacts that no message reaches, and its last mark if more follow."""
    items = list(
        itertools.islice(
            table.after_key(listed_undeliverable_key(clinic, "", "").pk, after), MOST + 1
        )
    )
    page = items[:MOST]
    lookups = [item.sk.partition("#")[0] for item in page]
    known, _ = contacts.read_people(table, clinic, list(dict.fromkeys(lookups)), most=MANY)
    entries = []
    for item, lookup in zip(page, lookups, strict=True):
        mark = json.loads(item.body or "")
        for person in known[lookup].people:
            # Only e-mail is reported on, so far; who was kept before kinds were told is known by
            # one.
            kind = person.kinds.get(lookup, ContactKind.EMAIL.value)
            entries.append(WorklistEntry(person, kind, mark["reason"], mark["at"]))
    return entries, page[-1].sk if len(items) > MOST else None
