"""The code of a receipt on paper: its id, the start of its SHA-256 and the clinic's short code."""

import re
from dataclasses import dataclass

from chalicelib.receipts.chain import ChainLink
from chalicelib.receipts.errors import NotAReceiptError

MAX_CODE = 1000
"""How long a text may be that is searched for a code: its whole address, and words around it."""

_SHA256_DIGITS = 16
"""How many hexadecimal digits of the SHA-256 are printed: 64 bits."""

_CODE = re.compile(
    rf"""
    (?<![0-9a-f])
    (?P<receipt>[0-9a-f]{{32}}) -?
    (?P<sha256>[0-9a-f]{{{_SHA256_DIGITS}}}) -?
    (?P<clinic>[a-z0-9]{{2,4}})
    (?![a-z0-9])
    """,
    re.VERBOSE,
)
_SPACES = " \t\r\n\xa0\xad\u200b"
_DASHES = "‐‑‒–—−"
_SPACES_AND_DASHES = str.maketrans(dict.fromkeys(_SPACES) | dict.fromkeys(_DASHES, "-"))
"""Removes spaces (also invisible ones) and makes every dash a hyphen."""


@dataclass(frozen=True, slots=True)
class PrintedCode:
    """What the code says: the clinic's short code, the receipt's id, the start of its SHA-256."""

    clinic: str
    receipt: str
    sha256: str

    def matches(self, receipt: ChainLink) -> bool:
        """Tell whether a receipt is the one that was printed, as far as 64 bits of a hash tell."""
        same_id: bool = receipt.document["id"] == self.receipt
        return same_id and receipt.sha256.startswith(self.sha256)


def printed_code(clinic_code: str, receipt: ChainLink) -> str:
    """Give the code of a receipt."""
    return f"{receipt.document['id']}-{receipt.sha256[:_SHA256_DIGITS]}-{clinic_code}"


def read_printed_code(typed: str) -> PrintedCode:
    """Read a code as people type or paste it; raise NotAReceiptError.

    In capitals, with spaces, other dashes or none, with a word before it and a full stop behind,
    or as part of the whole address.
    """
    if len(typed) > MAX_CODE:
        raise NotAReceiptError("This is no code of a printed receipt.")
    found = _CODE.search(typed.translate(_SPACES_AND_DASHES).lower())
    if found is None:
        raise NotAReceiptError("This is no code of a printed receipt.")
    return PrintedCode(found["clinic"], found["receipt"], found["sha256"])
