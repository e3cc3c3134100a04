"""The code in a short address, ``/q/{code}``: what a QR code holds, and what people type.

It names a clinic by its own short code, what the address leads to, and perhaps the language and the
place where it hangs: ``ra-s``, ``ra-s-lv``, ``ra-w-desk``, ``ra-w-lv-desk``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from chalicelib.domain.consent import SOURCE

SIGN_UP, WITHDRAW = "signup", "withdraw"
LETTERS: Mapping[str, str] = MappingProxyType({SIGN_UP: "s", WITHDRAW: "w"})
"""What an address can lead to, with its letter in the code."""

_LIKE_A_LANGUAGE = re.compile(r"[a-z]{2}(?:-.*)?")
_CODE = re.compile(
    r"(?P<clinic>[a-z0-9]{2,4})-(?P<letter>[sw])"
    rf"(?:-(?P<lang>[a-z]{{2}})?(?:-(?P<source>{SOURCE.pattern}))?|-(?P<alone>{SOURCE.pattern}))?"
)


@dataclass(frozen=True, slots=True)
class ShortAddress:
    """Where a short address leads, in which language, and where it was found."""

    clinic: str
    """The clinic's short code: two to four letters or digits."""
    kind: str
    """`SIGN_UP` or `WITHDRAW`."""
    lang: str | None = None
    """The page's language; None for the one of whoever opens it."""
    source: str | None = None

    @property
    def code(self) -> str:
        """The code that `read` reads.

        A source alone that could be taken for a language has two hyphens before it.
        """
        parts = [self.clinic, LETTERS[self.kind]]
        if self.lang:
            parts.append(self.lang)
        elif self.source and _LIKE_A_LANGUAGE.fullmatch(self.source):
            parts.append("")
        if self.source:
            parts.append(self.source)
        return "-".join(parts)


def read(code: str) -> ShortAddress | None:
    """Read a code as it was scanned or typed, in capitals too; None for what is none.

    Codes printed earlier have two hyphens before every source that has no language before it.
    """
    parts = _CODE.fullmatch(code.lower())
    if parts is None:
        return None
    kind = next(kind for kind, letter in LETTERS.items() if letter == parts["letter"])
    return ShortAddress(parts["clinic"], kind, parts["lang"], parts["source"] or parts["alone"])
