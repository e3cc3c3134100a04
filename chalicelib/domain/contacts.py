"""Contacts of a data subject: normal forms of e-mail, phone and patient reference, and the keys that find them.

A contact is never part of a key, an address or a log line: what identifies is its HMAC under the clinic's own key.
"""

import hmac
import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NoReturn

from chalicelib.domain.errors import InvalidInputError

MAX_EMAIL = 254
"""Octets of the longest address that mail can be sent to (RFC 5321, 4.5.3.1.3; erratum 1690 to RFC 3696)."""

MAX_PHONE = 40
"""Characters of a phone number: E.164 has fifteen digits, the rest is for however it is spelled."""

MAX_REFERENCE = 64
_HIDDEN = "•••"


class ContactKind(StrEnum):
    """The ways a clinic knows a patient."""

    EMAIL = "email"
    PHONE = "phone"
    REFERENCE = "patient_ref"
    WARD = "ward"
    """A child, as the guardian who shares a contact with it names it. Nobody can ask for one, and none is kept."""


REACHABLE_KINDS = (ContactKind.EMAIL, ContactKind.PHONE)
"""The contacts by which a patient can be written to."""


class InvalidContactError(InvalidInputError):
    """What was typed is no e-mail address, phone number or reference. Carries the kind, never the value."""

    def __init__(self, kind: ContactKind) -> None:
        super().__init__(kind.value)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact in its normal form: what two spellings of the same address have in common."""

    kind: ContactKind
    value: str

    def __repr__(self) -> str:
        """Keep the value out of tracebacks and logs."""
        return f"Contact({self.kind.value})"


def normalise(kind: ContactKind, typed: str, country: str) -> Contact:
    """Bring what was typed into its normal form; `country` (ISO 3166) reads national phone spellings.

    What is too long is refused before anything reads it: normalising Unicode and checking an address take time that
    grows with the square of the length.
    """
    if kind is ContactKind.EMAIL:
        return Contact(kind, _email(typed))
    if kind is ContactKind.PHONE:
        return Contact(kind, _phone(typed, country))
    return Contact(kind, _reference(typed))


def child_contact(guardian: Contact, name: str, born: date) -> Contact:
    """Give the contact that finds one child again under its guardian's: by its name and day of birth.

    Two spellings of a name are one: case, spaces and what looks alike (NFKC) do not count.
    """
    spelled = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    return Contact(ContactKind.WARD, f"{guardian.kind}:{guardian.value}|{born.isoformat()}|{spelled}")


def dump_contacts(contacts: Iterable[Contact]) -> str:
    """Write contacts in clear, to be sealed at once."""
    return json.dumps([[contact.kind, contact.value] for contact in contacts], ensure_ascii=False)


def load_contacts(plain: str) -> tuple[Contact, ...]:
    """Read contacts that were unsealed."""
    return tuple(Contact(ContactKind(kind), value) for kind, value in json.loads(plain))


def masked(contact: Contact) -> str:
    """Write a contact so that its owner knows it and nobody else can use it: ``a•••@e•••.org``, ``+371 ••• 456``.

    The same whatever is hidden, so that not even its length shows.
    """
    if contact.kind is ContactKind.EMAIL:
        mailbox, _, domain = contact.value.rpartition("@")
        return f"{mailbox[:1]}{_HIDDEN}@{domain[:1]}{_HIDDEN}.{domain.rpartition('.')[2]}"
    if contact.kind is ContactKind.PHONE:
        import phonenumbers  # noqa: PLC0415 - as below

        return f"+{phonenumbers.parse(contact.value).country_code} {_HIDDEN} {contact.value[-3:]}"
    return _HIDDEN


def initials(name: str) -> str:
    """Give as much of a name as tells one child of a family from the other, and says little to anybody else."""
    return f"{name.strip()[:2]}{_HIDDEN}"


def lookup_key(secret: bytes, contact: Contact) -> str:
    """Give the key under which the contact's person is found: HMAC-SHA-256 in hexadecimal."""
    purpose = hmac.digest(secret, b"contact-lookup", "sha256")
    return hmac.new(purpose, f"{contact.kind}:{contact.value}".encode(), "sha256").hexdigest()


def _email(typed: str) -> str:
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - 15 ms that no page view needs

    try:
        address = validate_email(_spelled(ContactKind.EMAIL, typed, MAX_EMAIL), check_deliverability=False)
    except EmailNotValidError:
        _refuse(ContactKind.EMAIL)
    # RFC 5321 lets a mailbox tell cases apart; no mail provider does, and two receipts for one person would be worse.
    # Lower case and no more: folding would turn straße.de into strasse.de, which is somebody else's domain.
    return address.normalized.lower()


def _phone(typed: str, country: str) -> str:
    import phonenumbers  # noqa: PLC0415 - 40 ms that no page view needs

    spelled = _spelled(ContactKind.PHONE, typed, MAX_PHONE)
    if re.search(r"[^\d\s()+./‐-―-]", spelled):
        _refuse(ContactKind.PHONE)
    digits = re.sub(r"\D", "", spelled)
    # As typed; with a trunk prefix the country has given up (8 in Latvia); an international number without its "+".
    for reading in (spelled, digits.removeprefix("8"), digits.removeprefix("0"), f"+{digits.removeprefix('00')}"):
        try:
            number = phonenumbers.parse(reading, country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE:
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return _refuse(ContactKind.PHONE)


def _reference(typed: str) -> str:
    reference = _spelled(ContactKind.REFERENCE, typed, MAX_REFERENCE)
    if not reference or not reference.isprintable():
        _refuse(ContactKind.REFERENCE)
    return reference


def _spelled(kind: ContactKind, typed: str, most: int) -> str:
    """Give a text in the one spelling of Unicode (NFKC), of at most so many characters before and after, trimmed.

    One character may become eighteen (U+FDFA), so that both are counted; of an e-mail address the octets count.
    """
    trimmed = typed.strip()
    if len(trimmed) > most:
        _refuse(kind)
    spelled = unicodedata.normalize("NFKC", trimmed).strip()
    length = len(spelled.encode(errors="replace")) if kind is ContactKind.EMAIL else len(spelled)
    if length > most:
        _refuse(kind)
    return spelled


def _refuse(kind: ContactKind) -> NoReturn:
    raise InvalidContactError(kind) from None
