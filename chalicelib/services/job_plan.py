"""How an upload is cut into ranges of whole rows, so that each can be read by itself.

The whole file is read block by block: whether a line end stands inside a quoted cell is only known
to whoever has read everything before it. The same pass counts the rows and hashes the file. Where
nothing tells its encoding, all of it is read once before.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.presentation.csv_encoding import Encoding, recognise_encoding
from chalicelib.presentation.csv_table import Dialect, recognise, row_aligned

LEAST_BYTES, MOST_BYTES = 16 * 1024, 256 * 1024
"""How large a part is: a small file is done by several functions at once, a large one by many."""

PARTS_OF_A_SMALL_FILE = 16
HEAD = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Range:
    """A part: its number, its bytes in the upload (`end` not included), its first line."""

    number: int
    start: int
    end: int
    line: int
    rows: int

    def listed(self) -> dict[str, int]:
        """Write it as an entry of the manifest that the state machine reads."""
        return {"n": self.number, "start": self.start, "end": self.end, "line": self.line}

    @classmethod
    def read(cls, listed: Mapping[str, int]) -> "Range":
        """Read an entry of the manifest."""
        return cls(listed["n"], listed["start"], listed["end"], listed["line"], 0)


@dataclass(frozen=True, slots=True)
class Cut:
    """An upload as it was cut: how it is written, its ranges, rows and hash."""

    dialect: Dialect
    ranges: tuple[Range, ...]
    rows: int
    sha256: str


def cut_upload(
    blocks: Callable[[], Iterator[bytes]],
    size: int,
    rows: int,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
) -> Cut:
    """Cut a file into ranges of at most so many rows; `blocks` reads it from its beginning.

    `delimiter` and `encoding` are those given by name. Raises UnreadableTableError where it is no
    table.
    """
    found = recognise_encoding(blocks(), encoding)
    head = b""
    for block in blocks():
        head += block
        if len(head) >= HEAD:
            break
    dialect = recognise(head, delimiter=delimiter, encoding=found)
    digest = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for block in blocks():
            digest.update(block)
            yield block

    most = min(MOST_BYTES, max(LEAST_BYTES, size // PARTS_OF_A_SMALL_FILE))
    ranges = []
    for number, each in enumerate(row_aligned(hashed(), dialect, rows, most)):
        ranges.append(Range(number, each.start, each.end, each.first_line, each.rows))
    return Cut(dialect, tuple(ranges), sum(each.rows for each in ranges), digest.hexdigest())


def write_form(dialect: Dialect) -> bytes:
    """Write how a file is written, for those who read its parts."""
    encoding = dialect.encoding
    values: dict[str, Any] = {
        "encoding": [encoding.name, encoding.assumed, _text(encoding.mark)],
        "delimiter": _text(dialect.delimiter),
        "line_end": _text(dialect.line_end),
        "columns": list(dialect.columns),
        "header": _text(dialect.header),
        "first_line": dialect.first_line,
    }
    return json.dumps(values).encode()


def read_form(written: bytes) -> Dialect:
    """Read what `write_form` wrote."""
    values = json.loads(written)
    name, assumed, mark = values["encoding"]
    return Dialect(
        encoding=Encoding(name, assumed=assumed, mark=_bytes(mark)),
        delimiter=_bytes(values["delimiter"]),
        line_end=_bytes(values["line_end"]),
        columns=tuple(values["columns"]),
        header=_bytes(values["header"]),
        first_line=values["first_line"],
    )


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
