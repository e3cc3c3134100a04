"""Who is known under a contact: one item per person and contact, so that no item grows with the number of people.

A contact's partition holds its people in places. Place 0 is the head: it holds the first person,
and counts how many further places were ever given. A person remembers their own places
(`Subject.places`), so that a decision writes every copy of theirs without reading the contacts that
were not asked for. A place that was given up is not given again, except the head's: what is empty
is cleared away by who may delete (`erasures`).

Up to `COPIES` of a person's contacts hold the person; a further one holds a pointer to the roll,
because a transaction takes a hundred writes. Before, one item of a contact held everybody by
subject id (`entries`): it is read as before, and `split` rewrites one person of it.
"""

import itertools
import json
import random
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.domain.subjects import Subject
from chalicelib.store import people as roll
from chalicelib.store.keys import Key, contact_key, open_orders_key, person_key
from chalicelib.store.table import (
    BATCH,
    ConflictError,
    ContendedError,
    DamagedError,
    Item,
    MoveEntry,
    NextNumber,
    Put,
    SetBody,
    Table,
    Write,
)

COPIES = 30
"""How many of a person's contacts hold the person."""

GUESSED = 3
"""How many further places are read with the head before it is known whether there are any: a
family's."""

LISTED = 12
"""With more further places than these they are read by a query, page by page."""

ATTEMPTS = 8
_FIRST_PAUSE = 0.02
_POINTER = '{"on_roll": '

Plan = Callable[[Subject], tuple[Subject, Sequence[Write]] | None]
"""Gives a person as they are to be and what is written with that, or None where nothing is to be
done."""


@dataclass(frozen=True, slots=True)
class ContactPeople:
    """Who is kept under one contact, by subject id; and where a further person goes.

    `number` further places were ever given, `free` tells that the head holds nobody, `more` that
    not everybody was read. `texts` are the people as the table holds them: whoever writes on must
    find them unchanged.
    """

    people: tuple[Subject, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    orders: Mapping[str, str] | None = None
    """The withdrawal orders open for everybody under it, by number; None where there never was
    one."""

    number: int = 0
    free: bool = True
    more: bool = False

    @property
    def next_place(self) -> int:
        """The place of whoever comes next."""
        return 0 if self.free else self.number + 1


def read_people(
    table: Table, clinic: str, lookups: Sequence[str], beside: Sequence[Key] = (), most: int | None = None
) -> tuple[dict[str, ContactPeople], dict[Key, Item]]:
    """Give who is known under each contact, and the items `beside`, a hundred items in a round trip.

    One round trip where few contacts are asked for and no more than a family shares each. Of a
    contact that very many people share no more than `most` of them are read, where that is said.
    Raises DamagedError, UnavailableError.
    """
    reading = _Reading(table, clinic, lookups, most)
    reading.want([*beside, *reading.heads])
    while reading.wanted:
        reading.make_trip()
    return {lookup: reading.known(lookup) for lookup in lookups}, reading.found


class _Reading:
    """One look at some contacts, trip by trip: what was found, and what is still to be asked for."""

    def __init__(self, table: Table, clinic: str, lookups: Sequence[str], most: int | None) -> None:
        self.table = table
        self.clinic = clinic
        self.most = most
        self.heads = {contact_key(clinic, lookup): lookup for lookup in lookups}
        self.lookups = {head.pk: lookup for head, lookup in self.heads.items()}
        self.wanted: deque[Key] = deque()
        self.asked: set[Key] = set()
        self.found: dict[Key, Item] = {}
        self.places: dict[str, dict[Key, Item]] = {lookup: {} for lookup in lookups}
        self.more: set[str] = set()

    def want(self, keys: Iterable[Key]) -> None:
        """Ask for items with one of the next trips."""
        for key in keys:
            if key not in self.asked:
                self.asked.add(key)
                self.wanted.append(key)

    def make_trip(self) -> None:
        """Read the next hundred; with the last of them, where there is room, what they may turn out to announce."""
        batch = [self.wanted.popleft() for _ in range(min(BATCH, len(self.wanted)))]
        guessed = [key for head in batch if head in self.heads for key in self._guessed(self.heads[head])]
        guessed = [key for key in guessed if key not in self.asked]
        if not self.wanted and len(batch) + len(guessed) <= BATCH:
            self.asked.update(guessed)
            batch += guessed
        self._take(self.table.get(batch).values())

    def _guessed(self, lookup: str) -> list[Key]:
        places = [contact_key(self.clinic, lookup, place) for place in range(1, GUESSED + 1)]
        return [*places, open_orders_key(self.clinic, lookup)]

    def _take(self, items: Iterable[Item]) -> None:
        for item in items:
            self.found[item.key] = item
            if item.pk in self.lookups and item.sk.startswith("CONTACT"):
                self.places[self.lookups[item.pk]][item.key] = item
            if pointed := _pointed(item.body or ""):
                self.want([person_key(self.clinic, pointed)])
            if item.key in self.heads and item.number:
                self._go_on(self.heads[item.key], int(item.number))

    def _go_on(self, lookup: str, number: int) -> None:
        self.want([open_orders_key(self.clinic, lookup)])
        if number <= LISTED:
            self.want(contact_key(self.clinic, lookup, place) for place in range(1, number + 1))
        else:
            self._take(self._listed(lookup))

    def _listed(self, lookup: str) -> Iterator[Item]:
        """Give the further places of a contact, no more than were asked for."""
        for number, item in enumerate(further_places(self.table, self.clinic, lookup)):
            if number == self.most:
                self.more.add(lookup)
                return
            yield item

    def known(self, lookup: str) -> ContactPeople:
        """Give who is known under a contact by what was read."""
        head = self.found.get(contact_key(self.clinic, lookup))
        orders = self.found.get(open_orders_key(self.clinic, lookup))
        texts = [item.body for item in self.places[lookup].values() if item.body]
        texts += head.texts.values() if head else ()
        people = {person.id: (person, text) for person, text in _people(self.clinic, lookup, texts, self.found)}
        return ContactPeople(
            people=tuple(person for _, (person, _) in sorted(people.items())),
            texts={subject: text for subject, (_, text) in people.items()},
            orders=orders.texts if orders else None,
            number=int(head.number or 0) if head else 0,
            free=head is None or not head.body,
            more=lookup in self.more,
        )


def further_places(table: Table, clinic: str, lookup: str, behind: int = 0) -> Iterator[Item]:
    """Give the places of a contact that hold somebody, in order, after place `behind`."""
    places = table.from_key(contact_key(clinic, lookup, behind + 1), "CONTACT#")
    return (item for item in places if item.body)


def page_of_people(
    table: Table, clinic: str, lookup: str, behind: int, most: int
) -> tuple[list[tuple[Subject, str]], int | None]:
    """Give people of a contact as the table holds them, after place `behind` (-1 for all), and the last place read.

    None for the place where there are no more.
    """
    if behind < 0:
        head = table.get([contact_key(clinic, lookup)]).get(contact_key(clinic, lookup))
        items, place = [head] if head else [], 0
        texts = [text for item in items for text in (item.body, *item.texts.values()) if text]
    else:
        items = list(itertools.islice(further_places(table, clinic, lookup, behind), most))
        if not items:
            return [], None
        place = int(items[-1].sk.rpartition("#")[2])
        texts = [item.body or "" for item in items]
    on_roll = [person_key(clinic, pointed) for pointed in map(_pointed, texts) if pointed]
    return list(_people(clinic, lookup, texts, table.get(on_roll) if on_roll else {})), place


def _people(clinic: str, lookup: str, texts: Sequence[str], found: Mapping[Key, Item]) -> Iterator[tuple[Subject, str]]:
    """Read the people that places hold; who is pointed to and is gone, or has the contact no longer, is left out."""
    for text in texts:
        pointed = _pointed(text)
        on_roll = found.get(person_key(clinic, pointed)) if pointed else None
        kept = (on_roll.body if on_roll else None) if pointed else text
        if kept is None:
            continue
        try:
            person = Subject.read(json.loads(kept))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise DamagedError(type(error).__name__) from error
        if not pointed or lookup in person.contacts:
            yield person, kept


def pointer(subject: str) -> str:
    """Write what a place holds that only says whose it is."""
    return f'{_POINTER}"{subject}"}}'


def _pointed(text: str) -> str:
    """Give whom a place points to; "" for one that holds the person."""
    return str(json.loads(text)["on_roll"]) if text.startswith(_POINTER) else ""


def place_key(clinic: str, person: Subject, lookup: str) -> Key:
    """Give the place of one of a person's contacts that holds, or points to, them."""
    return contact_key(clinic, lookup, person.places.get(lookup, 0))


def copy_writes(clinic: str, before: Subject, after: str | None, was: str) -> list[Write]:
    """Write a person anew beside each contact that holds them, or, by None, take them away there.

    What points to them stays: whoever follows it finds them, or nobody, on the roll.
    """
    copies = [lookup for lookup in before.contacts if lookup not in before.pointers]
    return [SetBody(place_key(clinic, before, lookup), after, was=was) for lookup in copies]


def with_places(before: Subject, after: Subject, known: Mapping[str, ContactPeople]) -> Subject:
    """Give a person with a place in each contact that is new to them; `known` is what was read of those."""
    new = [lookup for lookup in after.contacts if lookup not in before.contacts]
    room = max(0, COPIES - (len(before.contacts) - len(before.pointers)))
    given = {lookup: known[lookup].next_place for lookup in new}
    return replace(
        after,
        places={**before.places, **{lookup: place for lookup, place in given.items() if place}},
        pointers=(*before.pointers, *new[room:]),
    )


def new_place_writes(clinic: str, before: Subject, after: Subject, stored: str) -> list[Write]:
    """Write a person into the places that `placed` gave; somebody who took one of them first is a conflict."""
    made: list[Write] = []
    for lookup in after.contacts:
        if lookup not in before.contacts:
            body = pointer(after.id) if lookup in after.pointers else stored
            number = after.places.get(lookup, 0)
            if number:
                made.append(NextNumber(contact_key(clinic, lookup), number))
            made.append(SetBody(contact_key(clinic, lookup, number), body, was=None))
    return made


def vacate_write(clinic: str, before: Subject, lookup: str, was: str) -> Write:
    """Take a person out of the place of one contact."""
    kept = pointer(before.id) if lookup in before.pointers else was
    return SetBody(place_key(clinic, before, lookup), None, was=kept)


def update_person(
    table: Table, clinic: str, subject: str, plan: Plan, *, pause: Callable[[float], None] = time.sleep
) -> Subject | None:
    """Change how a person is kept, provided that nobody decided for them meanwhile: else it is planned anew.

    Who is erased by it is taken away beside their contacts. Gives the changed person, or None where
    nothing was to be done. Raises LookupError for nobody, ContendedError when others kept getting
    in first.
    """
    key = person_key(clinic, subject)
    for attempt in range(ATTEMPTS):
        if attempt:
            pause(_FIRST_PAUSE * 2**attempt * (0.5 + random.random() / 2))  # noqa: S311 - spreads retries
        was = table.get([key])[key].body or ""
        before = Subject.read(json.loads(was))
        planned = plan(before)
        if planned is None:
            return None
        after, writes = planned
        stored = roll.dump_person(after)
        copies = copy_writes(clinic, before, None if after.erased else stored, was)
        try:
            table.write([SetBody(key, stored, was=was), *copies, *writes])
        except ConflictError as conflict:
            if concerns_contacts(conflict.keys):
                split(table, clinic, subject)
        except ContendedError:
            continue
        else:
            return after
    raise ContendedError


def concerns_contacts(keys: Collection[Key]) -> bool:
    """Tell whether any of these is a place of a contact."""
    return any(key.sk.startswith("CONTACT") for key in keys)


def split(table: Table, clinic: str, subject: str) -> bool:
    """Give a person kept in items that hold everybody places of their own; tell False where nothing was to be done.

    All copies at once, so that they stay equal. Raises LookupError for nobody, ConflictError where
    somebody wrote meanwhile, ContendedError.
    """
    key = person_key(clinic, subject)
    was = table.get([key])[key].body or ""
    person = Subject.read(json.loads(was))
    heads = {lookup: contact_key(clinic, lookup) for lookup in person.contacts}
    found = table.get(list(heads.values()))
    old = {lookup: found[head] for lookup, head in heads.items() if head in found and subject in found[head].texts}
    if not old:
        return False
    known = {lookup: ContactPeople(number=int(head.number or 0), free=not head.body) for lookup, head in old.items()}
    others = {lookup: since for lookup, since in person.contacts.items() if lookup not in old}
    after = with_places(replace(person, contacts=others), person, known)
    stored = roll.dump_person(after)
    writes = copy_writes(clinic, replace(person, contacts=others), stored, was)
    for lookup, head in old.items():
        body = pointer(subject) if lookup in after.pointers else stored
        number = after.places.get(lookup)
        taken = {"number": number} if number else {"body": body}
        writes.append(MoveEntry(head.key, subject, head.texts[subject], **taken))
        if number:
            writes.append(Put(contact_key(clinic, lookup, number), {"body": body}))
    table.write([SetBody(key, stored, was=was), *writes])
    return True
