"""Who is known under a contact: one item per person and contact, so that no item grows with people.

A contact's partition holds its people in places. Place 0 is the head: it holds the first person,
and counts how many further places were ever given. A person keeps their own places
(`Subject.places`), so that a decision writes every copy of theirs without reading the contacts it
does not name. How people get their places is in `contact_places`.

A place holds the person, or only points to them in the clinic's list of people (`people`). Before
there were places, one item of a contact held everybody by subject id, in its entries: it is read as
well.
"""

import itertools
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.subjects import Subject
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import contact_key, open_orders_key, person_key
from chalicelib.store.people import kept_in, read_person
from chalicelib.store.table import BATCH, DamagedError, Table
from chalicelib.store.writes import Kept

GUESSED = 3
"""How many further places are read with the head before it is known whether there are any: a
family's."""

LISTED = 12
"""With more further places than these they are read by a query, page by page."""

_POINTER = '{"on_roll": '


@dataclass(frozen=True, slots=True)
class ContactPeople:
    """Who is stored under one contact, and where a further person goes.

    `kept` is how the table holds each of them, by subject id: whoever writes them anew must find
    it unchanged. `number` further places were ever given, `free` tells that the head holds
    nobody, `more` that not everybody was read.
    """

    people: tuple[Subject, ...] = ()
    kept: Mapping[str, Kept] = field(default_factory=dict, repr=False)
    orders: Mapping[str, str] | None = None
    """The withdrawal orders that are open for everybody under it, by number; None where there never
    was one."""

    number: int = 0
    free: bool = True
    more: bool = False

    @property
    def next_place(self) -> int:
        """The place of whoever comes next."""
        return 0 if self.free else self.number + 1


def read_people(
    table: Table,
    clinic: str,
    lookups: Sequence[str],
    beside: Sequence[Key] = (),
    most: int | None = None,
) -> tuple[dict[str, ContactPeople], dict[Key, Item]]:
    """Give who is known under each contact, and the items `beside`.

    A hundred items in a round trip; one round trip where few contacts are asked for and no more
    than a family shares each. Of a contact that very many people share no more than `most` of them
    are read, where a number is given. Raises DamagedError, UnavailableError.
    """
    reader = _Reader(table, clinic, lookups, most)
    reader.want([*beside, *reader.heads])
    while reader.wanted:
        reader.make_trip()
    return {lookup: reader.people_of(lookup) for lookup in lookups}, reader.found


class _Reader:
    """Reads some contacts, trip by trip: keeps what was found, and what is still to be read."""

    def __init__(self, table: Table, clinic: str, lookups: Sequence[str], most: int | None) -> None:
        self.table = table
        self.clinic = clinic
        self.most = most
        self.heads = {contact_key(clinic, lookup): lookup for lookup in lookups}
        self.lookups = {head.pk: lookup for head, lookup in self.heads.items()}
        self.wanted: deque[Key] = deque()
        self.requested: set[Key] = set()
        self.found: dict[Key, Item] = {}
        self.places: dict[str, dict[Key, Item]] = {lookup: {} for lookup in lookups}
        self.more: set[str] = set()

    def want(self, keys: Iterable[Key]) -> None:
        """Read these items with one of the next trips, unless they were read before."""
        for key in keys:
            if key not in self.requested:
                self.requested.add(key)
                self.wanted.append(key)

    def make_trip(self) -> None:
        """Read the next hundred items.

        With the last of them go the items that heads among them often lead to, if all of those fit:
        that saves a round trip.
        """
        batch = [self.wanted.popleft() for _ in range(min(BATCH, len(self.wanted)))]
        heads = [self.heads[key] for key in batch if key in self.heads]
        if not self.wanted and len(batch) + len(heads) * (GUESSED + 1) <= BATCH:
            guesses = [key for head in heads for key in self._guesses(head)]
            batch += [key for key in guesses if key not in self.requested]
            self.requested.update(guesses)
        self._add(self.table.get(batch).values())

    def _guesses(self, lookup: str) -> list[Key]:
        """Give the first places of a contact, and where its open orders are."""
        numbers = range(1, GUESSED + 1)
        places = [contact_key(self.clinic, lookup, number) for number in numbers]
        return [*places, open_orders_key(self.clinic, lookup)]

    def _add(self, items: Iterable[Item]) -> None:
        for item in items:
            key = item.key
            self.found[key] = item
            if key.pk in self.lookups and key.sk.startswith("CONTACT"):
                self.places[self.lookups[key.pk]][key] = item
            if subject := _pointed_to(item.body):
                self.want([person_key(self.clinic, subject)])
            if key in self.heads and item.number:
                self._add_further(self.heads[key], int(item.number))

    def _add_further(self, lookup: str, number: int) -> None:
        """Read the further places of a contact: few by their keys, many by a query."""
        self.want([open_orders_key(self.clinic, lookup)])
        if number > LISTED:
            self._add(self._query_further(lookup))
            return
        numbers = range(1, number + 1)
        self.want(contact_key(self.clinic, lookup, place) for place in numbers)

    def _query_further(self, lookup: str) -> Iterator[Item]:
        """Give the further places of a contact, no more than were asked for."""
        for number, item in enumerate(further_places(self.table, self.clinic, lookup)):
            if number == self.most:
                self.more.add(lookup)
                return
            yield item

    def people_of(self, lookup: str) -> ContactPeople:
        """Give who is known under a contact by what was read."""
        head = self.found.get(contact_key(self.clinic, lookup))
        orders = self.found.get(open_orders_key(self.clinic, lookup))
        held = _held(self.places[lookup].values())
        if head:
            held += head.texts.values()
        people: dict[str, Subject] = {}
        kept: dict[str, Kept] = {}
        for person, as_kept in _read_all(self.clinic, lookup, held, self.found):
            people[person.id] = person
            kept[person.id] = as_kept
        return ContactPeople(
            people=tuple(people[subject] for subject in sorted(people)),
            kept=kept,
            orders=orders.texts if orders else None,
            number=int(head.number or 0) if head else 0,
            free=head is None or kept_in(head) is None,
            more=lookup in self.more,
        )


def further_places(table: Table, clinic: str, lookup: str, behind: int = 0) -> Iterator[Item]:
    """Give the places of a contact that hold somebody, in order, after place `behind`."""
    places = table.from_key(contact_key(clinic, lookup, behind + 1), "CONTACT#")
    return (item for item in places if kept_in(item) is not None)


def _held(places: Iterable[Item]) -> list[Kept]:
    """Give what some places hold, without those that hold nobody."""
    return [kept for kept in map(kept_in, places) if kept is not None]


def page_of_people(
    table: Table, clinic: str, lookup: str, behind: int, most: int
) -> tuple[list[tuple[Subject, Kept]], int | None]:
    """Give people of a contact as the table holds them, and the last place that was read.

    Those after place `behind` (-1 for all); None for the place where there are no more.
    """
    if behind < 0:
        place, held = 0, _held_by_head(table, clinic, lookup)
    else:
        items = list(itertools.islice(further_places(table, clinic, lookup, behind), most))
        if not items:
            return [], None
        place = int(items[-1].sk.rpartition("#")[2])
        held = _held(items)
    pointed_to = [subject for subject in map(_pointed_to, held) if subject]
    keys = [person_key(clinic, subject) for subject in pointed_to]
    found = table.get(keys) if keys else {}
    return list(_read_all(clinic, lookup, held, found)), place


def _held_by_head(table: Table, clinic: str, lookup: str) -> list[Kept]:
    key = contact_key(clinic, lookup)
    head = table.get([key]).get(key)
    if head is None:
        return []
    return [*_held([head]), *head.texts.values()]


def _read_all(
    clinic: str, lookup: str, held: Sequence[Kept], found: Mapping[Key, Item]
) -> Iterator[tuple[Subject, Kept]]:
    """Read the people that places hold, each with how the table holds them.

    Left out is who is pointed to and is gone, or has the contact no longer.
    """
    for place in held:
        subject = _pointed_to(place)
        if not subject:
            yield _read(place), place
            continue
        listed = found.get(person_key(clinic, subject))
        kept = kept_in(listed) if listed else None
        if kept is None:
            continue
        person = _read(kept)
        if lookup in person.contacts:
            yield person, kept


def _read(kept: Kept) -> Subject:
    try:
        return read_person(kept)
    except (ValueError, LookupError, TypeError) as error:
        raise DamagedError(type(error).__name__) from error


def pointer(subject: str) -> str:
    """Write what a place holds that only says whose it is."""
    return f'{_POINTER}"{subject}"}}'


def _pointed_to(held: Kept | None) -> str:
    """Give whom a place points to; "" for one that holds the person, or nobody."""
    if not isinstance(held, str) or not held.startswith(_POINTER):
        return ""
    return str(json.loads(held)["on_roll"])
