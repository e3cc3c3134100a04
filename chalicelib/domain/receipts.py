"""The receipt of a decision. A person's receipts are numbered, and each names the hash of the one before.

`decisions.decide` makes them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Receipt:
    """One immutable, numbered version of a person's decisions: its document and the canonical bytes of it."""

    document: Mapping[str, Any]
    canonical: bytes

    @property
    def id(self) -> str:
        """The receipt's own id."""
        return str(self.document["id"])

    @property
    def sha256(self) -> str:
        """The hash by which the next receipt names this one, in hexadecimal."""
        return hashlib.sha256(self.canonical).hexdigest()
