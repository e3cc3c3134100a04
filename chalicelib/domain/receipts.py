"""The receipt of a decision: numbered, immutable, with the hash of the one before.

`decisions.decide` makes them; `chalicelib.receipts` signs them and writes them in other formats.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
