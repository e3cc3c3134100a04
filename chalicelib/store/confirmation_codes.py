"""Confirming by a code: the contacts a receipt's claims can be confirmed with, and tries so far.

The contacts are encrypted under the person's own key until nothing waits any more: erasing the
person makes them unreadable.
"""

from chalicelib.domain.contacts import Contact
from chalicelib.domain.rate_limits import RateLimitCheck
from chalicelib.store import people
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import open_claims_key, person_key
from chalicelib.store.outbox import decrypt_contacts
from chalicelib.store.rate_limits import RateLimits
from chalicelib.store.table import Table
from chalicelib.store.writes import Try

TRIES = 5
"""How often the code of one receipt may be guessed: one in two hundred thousand."""


def claimants(
    table: Table, clinics: Clinics, clinic: str, receipt: str, subject: str
) -> tuple[Contact, ...]:
    """Give the contacts with which the claims of a person's receipt can be confirmed.

    Empty where nothing waits. One round trip, whether or not anything does: the time it takes tells
    nobody.
    """
    claims_place, person_place = open_claims_key(clinic, receipt), person_key(clinic, subject)
    found = table.get([claims_place, person_place])
    if claims_place not in found or person_place not in found:
        return ()
    salt = people.load_person(found[person_place]).salt
    encrypted = bytes(found[claims_place].blob or b"")
    try:
        return decrypt_contacts(clinics.key(clinic), subject, salt, receipt, encrypted)
    except ValueError:  # erased since
        return ()


def try_code(
    limits: RateLimits, key: ClinicKey, receipt: str, phone: Contact | None, guard: RateLimitCheck
) -> bool:
    """Count a try at a receipt's code before anybody looks at it.

    Tells False where there were too many, or is no code. The post is counted for the visitor's
    network too, whatever comes of it. Raises TooManyError there, and where too many codes sent to
    this phone were tried, of whatever receipts; ContendedError.
    """
    if phone is not None:
        guesses = guard._replace(guesses=key.lookup(phone))
        one_try = Try(open_claims_key(key.clinic, receipt), TRIES)
        if limits.spend(key, guesses, [one_try]):
            return True
    limits.spend(key, guard)
    return False
