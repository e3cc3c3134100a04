"""Confirming by a code: with which contacts the claims of a receipt can be confirmed, and how often that was tried.

The contacts are encrypted under the person's own key until nothing waits any more: erasing the
person makes them unreadable.
"""

import json
from dataclasses import replace

from chalicelib.domain.contacts import Contact
from chalicelib.domain.rate_limits import RateLimitCheck
from chalicelib.store import rate_limits
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import open_claims_key, person_key
from chalicelib.store.outbox import decrypt_contacts
from chalicelib.store.table import Table, Try

TRIES = 5
"""How often the code of one receipt may be guessed: one in two hundred thousand."""


def claimants(table: Table, clinics: Clinics, clinic: str, receipt: str, subject: str) -> tuple[Contact, ...]:
    """Give the contacts with which the claims of a person's receipt can be confirmed; none where nothing waits.

    One round trip, whether or not anything does: the time it takes tells nobody.
    """
    waits, place = open_claims_key(clinic, receipt), person_key(clinic, subject)
    found = table.get([waits, place])
    if not {waits, place} <= found.keys():
        return ()
    salt = json.loads(found[place].body or "")["salt"]
    try:
        return decrypt_contacts(clinics.key(clinic), subject, salt, receipt, bytes(found[waits].blob or b""))
    except ValueError:  # erased since
        return ()


def try_code(table: Table, key: ClinicKey, receipt: str, phone: Contact | None, guard: RateLimitCheck) -> bool:
    """Count a try at a receipt's code before anybody looks at it; tell False where there were too many, or is no code.

    The post is counted for the visitor's network too, whatever comes of it. Raises TooManyError
    there, and where too many codes sent to this phone were tried, of whatever receipts;
    ContendedError.
    """
    if phone is not None:
        guessing = replace(guard, guesses=key.lookup(phone))
        if rate_limits.spend(table, key, guessing, [Try(open_claims_key(key.clinic, receipt), TRIES)]):
            return True
    rate_limits.spend(table, key, guard)
    return False
