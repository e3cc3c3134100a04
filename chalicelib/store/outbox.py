"""The outbox: what each decision leaves to be told and to be confirmed, written in the decision's own transaction.

The contacts it was said under are kept sealed under the person's own key, until they were written to (`UNSENT#`) or
until nothing waits any more (`WAITS`): erasing the person makes both unreadable.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.domain.consent import Channel
from chalicelib.domain.contacts import Contact, dump_contacts, load_contacts
from chalicelib.domain.instants import moment
from chalicelib.domain.message_outcomes import Reason
from chalicelib.domain.rate_limits import RateLimitCheck
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.store import rate_limits
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import person_key, unsent_key, waits_key
from chalicelib.store.table import Put, Table, Try, Write

TRIES = 5
"""How often the code of one receipt may be guessed: one in two hundred thousand."""


OTHERS, TYPED = "others", "typed"
"""Which of a person's contacts hear of a stop, where not all: those it was not said under, or only those it was."""


def why_nothing_is_left(document: Mapping[str, Any], *, follows: bool, reachable: bool) -> Reason | None:
    """Tell why a decision leaves nothing in the outbox, by its receipt's document; None where it leaves an item.

    `follows` says that it only follows from another decision, `reachable` that a contact was given or is known. What
    was taken over from another system is no news to the patient; a receipt that decides nothing tells of a contact
    (`services.contact_changes`), and has an item of its own kind.
    """
    decisions = document["decisions"]
    if document["channel"] == Channel.IMPORT:
        return Reason.IMPORTED
    if not decisions:
        return Reason.NOTHING_DECIDED
    if follows and all(entry["before"] == entry["after"] for entry in decisions.values()):
        return Reason.NOTHING_CHANGED
    if not reachable:
        return Reason.NOBODY_KNOWN
    return None


def outbox_writes(
    key: ClinicKey, subject: Subject, receipt: Receipt, contacts: Sequence[Contact], base: str, *, to: str = ""
) -> list[Write]:
    """Give the items a receipt leaves: one to be carried out by the post, one more where something waits.

    Without contacts (staff gave the clinic's own number) the post writes to those the person is known under.
    """
    document = receipt.document
    clinic = document["clinic"]
    blob = key.encrypt(subject.id, subject.salt, _named(receipt.id), dump_contacts(contacts))
    body = {
        "kind": "decided",
        "clinic": clinic,
        "subject": subject.id,
        "receipt": receipt.id,
        "version": document["version"],
        "lang": document["notice"]["lang"],
        "base": base,
        "to": to,
    }
    values = {"body": json.dumps(body), "blob": blob}
    writes: list[Write] = [Put(unsent_key(clinic, receipt.id), values)]
    if until := [entry["confirm_by"] for entry in document["decisions"].values() if entry["confirm_by"]]:
        over = int(moment(max(until)).timestamp())
        writes.append(Put(waits_key(clinic, receipt.id), {**values, "number": 0, "ttl": over}))
    return writes


def contacts_of(key: ClinicKey, subject: str, salt: str, receipt: str, sealed: bytes) -> tuple[Contact, ...]:
    """Unseal the contacts of an item that `left` made; raise ValueError where the person was erased since."""
    return load_contacts(key.decrypt(subject, salt, _named(receipt), sealed))


def claimants(table: Table, clinics: Clinics, clinic: str, receipt: str, subject: str) -> tuple[Contact, ...]:
    """Give the contacts with which the claims of a person's receipt can be confirmed; none where nothing waits.

    One round trip, whether or not anything does: the time it takes tells nobody.
    """
    waits, place = waits_key(clinic, receipt), person_key(clinic, subject)
    found = table.get([waits, place])
    if not {waits, place} <= found.keys():
        return ()
    salt = json.loads(found[place].body or "")["salt"]
    try:
        return contacts_of(clinics.key(clinic), subject, salt, receipt, bytes(found[waits].blob or b""))
    except ValueError:  # erased since
        return ()


def try_code(table: Table, key: ClinicKey, receipt: str, phone: Contact | None, guard: RateLimitCheck) -> bool:
    """Count a try at a receipt's code before anybody looks at it; tell False where there were too many, or is no code.

    The post is counted for the visitor's network too, whatever comes of it. Raises TooManyError there, and where too
    many codes sent to this phone were tried, of whatever receipts; ContendedError.
    """
    if phone is not None:
        guessing = replace(guard, guesses=key.lookup(phone))
        if rate_limits.spend(table, key, guessing, [Try(waits_key(key.clinic, receipt), TRIES)]):
            return True
    rate_limits.spend(table, key, guard)
    return False


def _named(receipt: str) -> str:
    return f"unsent#{receipt}"
