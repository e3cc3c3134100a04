"""Scans of signed paper forms: which files are taken, told by their first bytes.

What a browser says a file is, its name and its ending count for nothing: they come from whoever
sends it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Self

from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.instants import Instant

MAX_SCAN = 4_000_000
"""How large a scan may be, in bytes. A function takes and gives 6 MB at most (Lambda quotas), and
a file goes in and out in Base64: 4/3 of its size, with the rest of the form."""

_BEGINNINGS: Mapping[bytes, str] = {
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"%PDF-": "application/pdf",
}
"""What a file of each type begins with: ISO 10918-1, B.1.1.3; ISO 15948, 5.2; ISO 32000-1, 7.5.2."""

ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "application/pdf": "pdf"}
"""How a file of each type is named when it is saved."""


class NoScanError(InvalidInputError):
    """A file that is no scan: `problem` is ``scan_large`` or ``scan_type``."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Scan:
    """A file that was taken as the scan of a form."""

    content: bytes = field(repr=False)
    media_type: str
    sha256: str

    @property
    def id(self) -> str:
        """The scan's id beside its person: half of its hash, so that sent twice it is one."""
        return self.sha256[:32]


@dataclass(frozen=True, slots=True)
class KeptScan:
    """What the table holds of a scan: of which receipt it is, when and by whom it was given."""

    id: str
    media_type: str
    size: int
    sha256: str
    receipt: str
    at: Instant
    by: str
    """The id of the member of staff."""

    def stored(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read it from JSON."""
        return cls(**json.loads(stored))


def read_scan(content: bytes) -> Scan:
    """Take a file as a scan; raise NoScanError for one that is too large or of another type."""
    if len(content) > MAX_SCAN:
        raise NoScanError("scan_large")
    return Scan(content, media_type_of(content), hashlib.sha256(content).hexdigest())


def media_type_of(content: bytes) -> str:
    """Tell a file's type by its first bytes; raise NoScanError."""
    for beginning, media_type in _BEGINNINGS.items():
        if content.startswith(beginning):
            return media_type
    raise NoScanError("scan_type")
