"""The receipt of a decision: numbered, immutable, with the hash of the one before.

`decisions.decide` makes them; `chalicelib.receipts` signs them and writes them in other formats. A
receipt's reference is the short form of its id that a person can read aloud.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REFERENCE_DIGITS = 10
"""How many hexadecimal digits of a receipt's id its reference says: 40 bits, in 8 symbols."""

_SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32 (https://www.crockford.com/base32.html): no I, L, O and U."""

_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_REFERENCE_LENGTH = 8
_GROUP = 4
_BITS = 5


@dataclass(frozen=True, slots=True)
class Receipt:
    """One immutable receipt."""

    document: Mapping[str, Any]
    canonical: bytes
    """The document as canonical JSON (RFC 8785): what is hashed and signed."""

    @property
    def id(self) -> str:
        """The receipt's own id."""
        return str(self.document["id"])

    @property
    def sha256(self) -> str:
        """The hash of the receipt, in hexadecimal: the next receipt holds it."""
        return hashlib.sha256(self.canonical).hexdigest()


def repeats_another(document: Mapping[str, Any]) -> bool:
    """Tell whether a receipt takes over another receipt's answers, from a record merged into its
    person's (`domain.merging`): nobody decided anew.
    """
    return "repeats" in (document["evidence"] or {})


def reference(receipt_id: str) -> str:
    """Give the reference of a receipt, such as K7F3-92QD: the first 40 bits of its id.

    Among very many receipts of a clinic two may share one. So it finds a receipt for the clinic's
    staff, and opens no page: whoever has the whole number may see what was said.
    """
    bits = int(receipt_id[:REFERENCE_DIGITS], 16)
    places = range(_BITS * (_REFERENCE_LENGTH - 1), -1, -_BITS)
    symbols = "".join(_SYMBOLS[bits >> place & (len(_SYMBOLS) - 1)] for place in places)
    return f"{symbols[:_GROUP]}-{symbols[_GROUP:]}"


def read_reference(text: str) -> str | None:
    """Give the digits with which the ids of a reference's receipts begin.

    Small letters, spaces and hyphens are forgiven, and O for 0, I and L for 1, as people hear and
    copy them. None for what is no reference.
    """
    symbols = text.upper().translate(_READ_AS)
    if len(symbols) != _REFERENCE_LENGTH or not set(symbols) <= set(_SYMBOLS):
        return None
    bits = 0
    for symbol in symbols:
        bits = bits << _BITS | _SYMBOLS.index(symbol)
    return f"{bits:0{REFERENCE_DIGITS}x}"
