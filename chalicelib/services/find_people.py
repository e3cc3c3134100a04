"""Finding people for the clinic's desk, by whatever somebody types, pastes or scans into one field.

A text may be several things at once: eight digits are a phone number, a clinic's own number of a
patient and a receipt's reference. So it is looked up as everything it can be, and all whom it leads
to are given. Erased people are found by a receipt alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.contacts import (
    MAX_EMAIL,
    Contact,
    ContactKind,
    InvalidContactError,
    initials,
    masked,
    normalise,
)
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt, read_reference
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.receipts.errors import NotAReceiptError
from chalicelib.receipts.printed_code import read_printed_code
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.look_up_limits import take_look_up
from chalicelib.store.lookup import Lookup
from chalicelib.store.people import find_all
from chalicelib.store.personal_data import reveal_contacts, reveal_names
from chalicelib.store.receipts import UnknownReceiptError

MOST = 25
"""Of how many people who share a contact the list tells; of more it says that there are more."""

_NUMBER = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_HYPHEN_AND_SPACE = str.maketrans(dict.fromkeys("- "))


@dataclass(frozen=True, slots=True)
class SoughtPerson:
    """What was typed, as everything that it can be; `reason` is why somebody looks, where told."""

    sought: tuple[Contact, ...] = field(default=(), repr=False)
    reference: str | None = None
    """What the ids of the receipts with this reference begin with."""

    receipt: str | None = None
    """The number of one receipt."""

    contacts: tuple[Contact, ...] = ()
    """What a call is to look up by itself: nothing, for `find` reads no more than `MOST`."""


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """One of those found, as a list may tell of them: who they are cannot be read from it."""

    person: Subject
    contacts: tuple[str, ...] = ()
    """The own contacts, masked."""

    name: str = field(default="", repr=False)
    """The first letters of the name; "" where none is known."""

    since: Instant = ""
    """Since when the clinic knows them here."""

    certain: bool = True
    """Whether what was typed is theirs: proven, or nobody has proven anything of them yet."""


@dataclass(frozen=True, slots=True)
class FoundPeople:
    """Whom a text led to; `more` tells that even more people share the contact."""

    people: tuple[FoundPerson, ...]
    more: bool = False

    @property
    def only(self) -> Subject | None:
        """The one found; None for nobody, or several."""
        return self.people[0].person if len(self.people) == 1 and not self.more else None


def read_sought(typed: str, clinic: Clinic) -> SoughtPerson:
    """Read what was typed, pasted or scanned.

    A receipt's code and the address in its QR code hold the receipt's number. A code of another
    clinic leads to nobody here.
    """
    with suppress(NotAReceiptError):
        code = read_printed_code(typed)
        return SoughtPerson(receipt=code.receipt if code.clinic == clinic.code else None)
    text = typed.strip()
    number = _NUMBER.search(text.lower() if "/" in text else text.translate(_HYPHEN_AND_SPACE))
    if number is not None:
        return SoughtPerson(receipt=number[0])
    if len(text) > MAX_EMAIL:
        return SoughtPerson()
    found = []
    for kind in (ContactKind.EMAIL, ContactKind.PHONE, ContactKind.REFERENCE):
        if kind is ContactKind.EMAIL and "@" not in text:
            continue
        with suppress(InvalidContactError):
            found.append(normalise(kind, text, clinic.country))
    return SoughtPerson(tuple(found), reference=read_reference(text))


def find(portal: Portal, call: AuthorizedCall[SoughtPerson], reason: str = "") -> FoundPeople:
    """Find whom the text can mean; one line in the audit says who was found, and why, where told.

    Nothing is found by a receipt that the call's controller may not see. Six round trips at most,
    and those of the limit. Raises TooManyError.
    """
    sought = call.body
    lookup = portal.directory.look_up(call.clinic, sought.sought, most=MOST + 1)
    by_contact = _by_contact(lookup)
    receipts = [each for each in _receipts(portal, call) if call.may_see(each)]
    subjects = dict.fromkeys(str(receipt.document["subject"]) for receipt in receipts)
    by_receipt = find_all(portal.table, call.clinic, [*subjects]) if subjects else {}
    people = {**by_receipt, **by_contact}
    shown = dict(list(people.items())[:MOST])
    take_look_up(portal, call, call.audit("people/find", [*shown], about=reason or None))
    more = len(people) > len(shown) or bool(lookup.partly_read)
    return FoundPeople(tuple(_described(portal, call, lookup, shown)), more)


def _by_contact(lookup: Lookup) -> dict[str, Subject]:
    """Give everybody kept under the contacts, whose own one is first."""
    own = {person.id: person for person in lookup.known()}
    others = {each.id: each for group in lookup.stored_under.values() for each in group}
    return {**own, **others}


def _receipts(portal: Portal, call: AuthorizedCall[SoughtPerson]) -> Iterable[Receipt]:
    sought = call.body
    with suppress(UnknownReceiptError):
        if sought.receipt is not None:
            return [portal.receipts.find(call.clinic, sought.receipt)]
        if sought.reference is not None:
            found = portal.receipts.issued_with_reference(call.clinic, sought.reference)
            return [receipt for receipt, _ in found]
    return []


def _described(
    portal: Portal,
    call: AuthorizedCall[SoughtPerson],
    lookup: Lookup,
    people: Mapping[str, Subject],
) -> list[FoundPerson]:
    """Tell of each what tells them apart; one who is found alone is shown elsewhere."""
    if len(people) == 1:
        return [FoundPerson(person) for person in people.values()]
    alive = [person for person in people.values() if not person.erased]
    key = portal.clinics.key(call.clinic)
    contacts = reveal_contacts(portal.table, key, alive)
    names = reveal_names(portal.table, key, alive)
    typed = [lookup.lookups[contact] for contact in lookup.people]
    described = []
    for person in people.values():
        name = names.get(person.id, "")
        one = FoundPerson(
            person,
            contacts=tuple(map(masked, _reachable(contacts.get(person.id, ())))),
            name=initials(name) if name else "",
            since=min(person.contacts.values(), default=person.recorded_at),
            certain=_is_certain(person, typed),
        )
        described.append(one)
    return described


def _reachable(contacts: Sequence[Contact]) -> list[Contact]:
    return [contact for contact in contacts if contact.kind is not ContactKind.REFERENCE]


def _is_certain(person: Subject, typed: Sequence[str]) -> bool:
    """Tell whether the contact that led to a person is their own."""
    under = [lookup for lookup in typed if lookup in person.contacts]
    return not under or any(person.owns(lookup) for lookup in under)
