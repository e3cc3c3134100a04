"""Confirming by a code: the contacts a receipt's claims can be confirmed with, and tries so far.

They are kept (`asked_write`) just before the message goes out that asks, unless it asks the one
e-mail that the person has; until then the receipt's item of the outbox holds them. They are
encrypted under the person's own key until nothing waits any more: erasing the person makes them
unreadable.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import moment
from chalicelib.domain.rate_limits import RateLimitCheck
from chalicelib.domain.subjects import Subject
from chalicelib.store import people
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys.messages import outbox_key
from chalicelib.store.keys.people import open_claims_key, person_key
from chalicelib.store.outbox import decrypt_contacts, encrypt_contacts
from chalicelib.store.personal_data import reveal
from chalicelib.store.rate_limits import RateLimits
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import Put, Try

TRIES = 5
"""How often the code of one receipt may be guessed: one in two hundred thousand."""


def claimants(
    table: Table, clinics: Clinics, clinic: str, receipt: str, subject: str
) -> tuple[Contact, ...] | None:
    """Give the contacts with which the claims of a person's receipt can be confirmed.

    Empty where none are kept: nothing waits, or the one e-mail was asked by which the person was
    known. None where the person is erased. One round trip, whether or not anything waits: the time
    it takes tells nobody.
    """
    places = (open_claims_key(clinic, receipt), outbox_key(clinic, receipt))
    person_place = person_key(clinic, subject)
    found = table.get([*places, person_place])
    if person_place not in found:
        return None
    person = people.load_person(found[person_place])
    if person.erased:
        return None
    for place in places:
        encrypted = found[place].blob if place in found else None
        if encrypted:
            return _decrypted(clinics.key(clinic), person, receipt, bytes(encrypted))
    return ()


def asked_contacts(
    table: Table, clinics: Clinics, clinic: str, receipt: str, person: Subject
) -> Sequence[Contact]:
    """Give the contacts that were asked to confirm the claims of a person's receipt.

    Those that are kept; else the one e-mail of the person, whom a mail asked. Empty where they have
    several by now, or none.
    """
    kept = claimants(table, clinics, clinic, receipt, person.id)
    if kept is None or kept:
        return kept or ()
    known = reveal(table, clinics.key(clinic), person).contacts
    emails = [contact for contact, _ in known if contact.kind is ContactKind.EMAIL]
    return emails if len(emails) == 1 else ()


def asked_write(
    key: ClinicKey, person: Subject, document: Mapping[str, Any], asked: Sequence[Contact]
) -> Put | None:
    """Give the write that keeps who is asked to confirm, before a message goes out that asks.

    `document` is that of the receipt. None where that can be told without it: only one e-mail is
    asked, the only one that the person has (`asked_contacts`). Whoever gets a text message may type
    its code, and the tries are counted there.
    """
    until = [answer["confirm_by"] for answer in document["decisions"].values()]
    last = max(filter(None, until), default=None)
    if last is None or not asked or _is_the_only_email(key, person, asked):
        return None
    encrypted = encrypt_contacts(key, person.id, person.salt, document["id"], asked)
    values = {"blob": encrypted, "number": 0, "ttl": int(moment(last).timestamp())}
    return Put(open_claims_key(key.clinic, document["id"]), values)


def keep_asked(table: Table, write: Put | None) -> None:
    """Carry out `asked_write`, unless it was before: tries at a code are not begun anew."""
    if write is None:
        return
    with contextlib.suppress(ConflictError):
        table.write_one(write)


def try_code(
    limits: RateLimits, key: ClinicKey, receipt: str, phone: Contact | None, guard: RateLimitCheck
) -> bool:
    """Count a try at a receipt's code before anybody looks at it.

    Tells False where there were too many, or is no code, or before one went out. The post is
    counted for the visitor's network too, whatever comes of it. Raises TooManyError there, and
    where too many codes sent to this phone were tried, of whatever receipts; ContendedError.
    """
    if phone is not None:
        guesses = guard._replace(guesses=key.lookup(phone))
        one_try = Try(open_claims_key(key.clinic, receipt), TRIES)
        if limits.spend(key, guesses, [one_try]):
            return True
    limits.spend(key, guard)
    return False


def _decrypted(
    key: ClinicKey, person: Subject, receipt: str, encrypted: bytes
) -> tuple[Contact, ...] | None:
    try:
        return decrypt_contacts(key, person.id, person.salt, receipt, encrypted)
    except ValueError:  # being erased
        return None


def _is_the_only_email(key: ClinicKey, person: Subject, asked: Sequence[Contact]) -> bool:
    emails = [
        lookup
        for lookup in person.contacts
        # Old ones lack their kind.
        if person.kinds.get(lookup, ContactKind.EMAIL) == ContactKind.EMAIL
    ]
    return len(emails) == 1 and [key.lookup(contact) for contact in asked] == emails
