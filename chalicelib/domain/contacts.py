"""Contacts: the normal form of an e-mail, phone or patient number, and how it is found.

A contact never stands in clear in a stored key, an address or a log line. It is found by its HMAC
under the clinic's own key (`lookup_key`), and stored encrypted.
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
"""Octets of the longest e-mail address (RFC 5321, 4.5.3.1.3; erratum 1690 to RFC 3696)."""

MAX_PHONE = 40
"""Characters of a phone number as typed: E.164 has fifteen digits, the rest is for spelling."""

MAX_REFERENCE = 64
"""Characters of a clinic's own number of a patient."""

_HIDDEN = "•••"

_PLAIN_EMAIL = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
    r"@(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+(?:[A-Za-z]{2}|[Cc][Oo][Mm]|[Nn][Ee][Tt]|[Oo][Rr][Gg])"
)
"""Addresses that `email_validator` takes as they are. Top-level names of other lengths are left to
it: names that are reserved are among them (RFC 6761). So are two hyphens in a row (Punycode)."""

_PLAIN_LENGTH = 64
"""Characters of a plain address: no part of it can be too long."""


class ContactKind(StrEnum):
    """By what a clinic knows a patient."""

    EMAIL = "email"
    PHONE = "phone"
    REFERENCE = "patient_ref"
    """The clinic's own number of the patient."""

    WARD = "ward"
    """A child under its guardian's contact (`child_contact`): never asked by, never stored."""


REACHABLE_KINDS = (ContactKind.EMAIL, ContactKind.PHONE)
"""The contacts to which a message can go."""


class InvalidContactError(InvalidInputError):
    """What was typed is not a contact of this kind. Carries the kind, never what was typed."""

    def __init__(self, kind: ContactKind) -> None:
        super().__init__(kind.value)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact in its normal form: two spellings of the same address are one contact."""

    kind: ContactKind
    value: str

    def __repr__(self) -> str:
        """Keep the value out of tracebacks and logs."""
        return f"Contact({self.kind.value})"


def normalise(kind: ContactKind, typed: str, country: str) -> Contact:
    """Bring what was typed into its normal form; raise InvalidContactError.

    A phone without a country code is read as one of `country` (ISO 3166). What is too long is
    refused before it is parsed, because that takes time that grows with the square of the length.
    """
    if kind is ContactKind.EMAIL:
        return Contact(kind, _email(typed))
    if kind is ContactKind.PHONE:
        return Contact(kind, _phone(typed, country))
    return Contact(kind, _reference(typed))


def child_contact(guardian: Contact, name: str, born: date) -> Contact:
    """Give the contact that finds a child under its guardian's, by its name and day of birth.

    Case, spaces and characters that look alike (NFKC) make no difference to a name.
    """
    spelled = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    return Contact(
        ContactKind.WARD, f"{guardian.kind}:{guardian.value}|{born.isoformat()}|{spelled}"
    )


def dump_contacts(contacts: Iterable[Contact]) -> str:
    """Write contacts in clear, to be encrypted at once."""
    pairs = [[contact.kind, contact.value] for contact in contacts]
    return json.dumps(pairs, ensure_ascii=False)


def load_contacts(plain: str) -> tuple[Contact, ...]:
    """Read contacts that were decrypted."""
    pairs = json.loads(plain)
    return tuple(Contact(ContactKind(kind), value) for kind, value in pairs)


def masked(contact: Contact) -> str:
    """Write a contact so that its owner knows it and nobody else can use it.

    Such as ``a•••@e•••.org`` and ``+371 ••• 456``. The dots do not show how much they hide.
    """
    if contact.kind is ContactKind.EMAIL:
        mailbox, _, domain = contact.value.rpartition("@")
        _, _, top_level = domain.rpartition(".")
        return f"{mailbox[:1]}{_HIDDEN}@{domain[:1]}{_HIDDEN}.{top_level}"
    if contact.kind is ContactKind.PHONE:
        import phonenumbers  # noqa: PLC0415 - as below

        country_code = phonenumbers.parse(contact.value).country_code
        return f"+{country_code} {_HIDDEN} {contact.value[-3:]}"
    return _HIDDEN


def initials(name: str) -> str:
    """Give the first two letters of a name: enough to tell the children of one family apart."""
    return f"{name.strip()[:2]}{_HIDDEN}"


def lookup_key(secret: bytes, contact: Contact) -> str:
    """Give the key under which the contact's person is found: HMAC-SHA-256 in hexadecimal."""
    key = hmac.digest(secret, b"contact-lookup", "sha256")
    value = f"{contact.kind}:{contact.value}".encode()
    return hmac.digest(key, value, "sha256").hex()


def _email(typed: str) -> str:
    trimmed = typed.strip()
    if len(trimmed) <= _PLAIN_LENGTH and _PLAIN_EMAIL.fullmatch(trimmed):
        return trimmed.lower()  # most addresses, in a fiftieth of the time
    return validated_email(typed)


def validated_email(typed: str) -> str:
    """Give the normal form of an e-mail address of any kind; raise InvalidContactError."""
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - 15 ms

    try:
        address = validate_email(
            _spelled(ContactKind.EMAIL, typed, MAX_EMAIL), check_deliverability=False
        )
    except EmailNotValidError:
        _refuse(ContactKind.EMAIL)
    # By RFC 5321 upper and lower case may be different mailboxes; no mail provider does that.
    # Not `casefold`: that turns straße.de into strasse.de, which is somebody else's domain.
    return address.normalized.lower()


def _phone(typed: str, country: str) -> str:
    import phonenumbers  # noqa: PLC0415 - 40 ms that no page view needs

    spelled = _spelled(ContactKind.PHONE, typed, MAX_PHONE)
    if re.search(r"[^\d\s()+./‐-―-]", spelled):
        _refuse(ContactKind.PHONE)
    digits = re.sub(r"\D", "", spelled)
    readings = (
        spelled,
        digits.removeprefix("8"),  # a trunk prefix that Latvia has given up
        digits.removeprefix("0"),
        f"+{digits.removeprefix('00')}",  # an international number without its "+"
    )
    for reading in readings:
        try:
            number = phonenumbers.parse(reading, country)
        except phonenumbers.NumberParseException:
            continue
        reason = phonenumbers.is_possible_number_with_reason(number)
        if reason == phonenumbers.ValidationResult.IS_POSSIBLE:
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return _refuse(ContactKind.PHONE)


def _reference(typed: str) -> str:
    reference = _spelled(ContactKind.REFERENCE, typed, MAX_REFERENCE)
    if not reference or not reference.isprintable():
        _refuse(ContactKind.REFERENCE)
    return reference


def _spelled(kind: ContactKind, typed: str, most: int) -> str:
    """Give a text trimmed and in one spelling of Unicode (NFKC); refuse what is too long.

    It is measured before and after: one character can become eighteen (U+FDFA). Of an e-mail
    address the octets count.
    """
    trimmed = typed.strip()
    if len(trimmed) > most:
        _refuse(kind)
    spelled = unicodedata.normalize("NFKC", trimmed).strip()
    length = len(spelled)
    if kind is ContactKind.EMAIL:
        length = len(spelled.encode(errors="replace"))
    if length > most:
        _refuse(kind)
    return spelled


def _refuse(kind: ContactKind) -> NoReturn:
    raise InvalidContactError(kind) from None
