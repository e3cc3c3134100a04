"""In which encoding a CSV file is written: told by its byte order mark, or recognised.

Excel writes "CSV UTF-8" with a mark, "Unicode text" as UTF-16, and plain "CSV" in the code page of
the machine's country: Windows-1257 in Latvia and Lithuania, Windows-1251 where Russian is set.
"""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.domain.errors import InvalidInputError

UTF16 = ("utf-16-le", "utf-16-be")
CODE_PAGES = {"windows-1257": "cp1257", "windows-1251": "cp1251", "windows-1252": "cp1252"}
"""Code pages by the names that IANA has for them. The last is never assumed, only given."""

NAMES = ("utf-8", *UTF16, *CODE_PAGES)
"""The encodings that may be given by name."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HIGH = re.compile(rb"[\xc0-\xff]+")
"""The letters of both code pages that ASCII has not."""

_ENOUGH = 10
"""How many characters of UTF-8 must be whole for one that is not: a file with a broken line."""


class UnreadableTableError(InvalidInputError):
    """The file is no table that can be read; the message says why, for a person.

    `line` is where, None for the whole file.
    """

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the letters of a file are written.

    A file is taken apart in its `inner` form, in which delimiters, quotes and line ends are the
    bytes of ASCII: its own form, or UTF-8 for UTF-16. Both ways lose nothing.
    """

    name: str
    """Such as "utf-8", "utf-16-le", "windows-1257": what a charset parameter takes."""

    assumed: bool
    """Whether nothing in the file tells for certain."""

    mark: bytes = b""
    """The byte order mark at the beginning of the file."""

    @property
    def inner(self) -> str:
        """The codec of the inner form."""
        return "utf-8" if self.name in UTF16 else CODE_PAGES.get(self.name, self.name)

    def outward(self, inner: bytes) -> bytes:
        """Give bytes of the inner form as the file writes them."""
        if self.name not in UTF16:
            return inner
        return inner.decode("utf-8", "surrogatepass").encode(self.name, "surrogatepass")


class Transcoder:
    """Brings a file into its inner form, block by block."""

    def __init__(self, encoding: Encoding) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        if encoding.name in UTF16:
            self._decoder = codecs.getincrementaldecoder(encoding.name)("surrogatepass")

    def inward(self, block: bytes, *, whole: bool = False) -> bytes:
        """Give a block in the inner form; `whole` where nothing follows.

        Raises UnreadableTableError for half a character at the end.
        """
        if self._decoder is None:
            return block
        try:
            return self._decoder.decode(block, whole).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise UnreadableTableError("The file ends within a character of UTF-16.") from None


def recognise_encoding(blocks: Iterable[bytes], given: str | None = None) -> Encoding:
    """Tell the encoding of a file from all of it, given in blocks of any size.

    A byte order mark decides, then what was `given` by name. Without both it is UTF-8 if it can be,
    else a code page, and says that it is assumed. Raises UnreadableTableError for another name.
    """
    if given is not None and given.lower() not in NAMES:
        raise UnreadableTableError(f"The encoding is one of: {', '.join(NAMES)}.")
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    guess = _Guess()
    first = True
    for block in blocks:
        if first and block:
            first = False
            for mark, name in _MARKS:
                if block.startswith(mark):
                    return Encoding(name, assumed=False, mark=mark)
            if given is not None:
                return Encoding(given.lower(), assumed=False)
        guess.add(block, decoder)
    guess.add(b"", decoder, whole=True)
    return guess.encoding()


class _Guess:
    """What was counted in a file without a mark."""

    def __init__(self) -> None:
        self.beyond_ascii = self.broken = self.alone = self.together = 0

    def add(self, block: bytes, decoder: codecs.IncrementalDecoder, *, whole: bool = False) -> None:
        """Count in a further block. One that is ASCII costs next to nothing."""
        if block.isascii() and not whole:
            pending, _ = decoder.getstate()
            if not pending:
                return
        text = decoder.decode(block, whole)
        broken = text.count("\N{REPLACEMENT CHARACTER}")
        self.broken += broken
        self.beyond_ascii += len(text) - len(text.encode("ascii", "ignore")) - broken
        for run in _HIGH.findall(block):
            if len(run) == 1:
                self.alone += 1
            else:
                self.together += len(run)

    def encoding(self) -> Encoding:
        """Tell what it is: in Russian words letters beyond ASCII stand together, in Latvian and
        Lithuanian ones alone.
        """
        if not self.broken:
            return Encoding("utf-8", assumed=not self.beyond_ascii)
        if self.beyond_ascii > _ENOUGH * self.broken:
            return Encoding("utf-8", assumed=True)
        cyrillic = self.together > self.alone
        return Encoding("windows-1251" if cyrillic else "windows-1257", assumed=True)
