"""Reads CSV as Excel and mailing tools write it, and gives every row byte for byte.

A row is broken where it could be read in two ways: another number of cells than the header, a quote
that is not closed, text around a quoted cell, a NUL. Nothing in it is guessed; it is reported with
its lines. Quotes are those of RFC 4180: a cell is quoted as a whole, a quote in it is doubled, and
line ends in it belong to the cell.

`read_table` reads a whole file. For a large one, `recognise` reads the form from its beginning,
`row_aligned` cuts it into ranges of whole rows, and `read_rows` reads one of these.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.presentation.csv_encoding import (
    UTF16,
    Encoding,
    Transcoder,
    UnreadableTableError,
    recognise_encoding,
)

DELIMITERS = {"comma": b",", "semicolon": b";", "tab": b"\t"}
"""The delimiters that are recognised, by the names under which they may be given."""

MAX_ROW = 1024 * 1024
"""How many bytes a row may have. A quote that is not closed would make the whole rest one row."""

MAX_HEADER = 64 * 1024
SAMPLE = 50
"""How many rows are compared to tell which delimiter a file has."""

FORMULA = tuple(each.encode() for each in ("=", "+", "-", "@", "\t", "\r", "\n", *"＝＋－＠"))
"""With what a cell begins that a spreadsheet takes for a formula (OWASP ASVS 5.0, 1.2.10; the wide
signs of East Asian scripts too)."""

_FORMULA_SIGNS = tuple(sign.decode() for sign in FORMULA)
_SEP = re.compile(rb"sep=([,;\t])(?:\r\n|\n|\r)")
"""The line by which Excel is told the delimiter. It is no header."""

_QUOTED = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"')
_LINE_END = re.compile(rb"\r\n|\n|\r")
_CELLS = {
    delimiter: re.compile(
        rb'(?:"([^"]*+(?:""[^"]*+)*+)"|([^"\r\n' + delimiter + rb"]*+))"
        rb"(" + delimiter + rb"|\r\n|\n|\r|\Z)"
    )
    for delimiter in DELIMITERS.values()
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written: needed to read a part of it, and to write more rows like it."""

    encoding: Encoding
    delimiter: bytes
    line_end: bytes
    """That of the header; a file may mix them."""

    columns: tuple[str, ...]
    """The header's cells."""

    header: bytes
    """All bytes before the first row: a byte order mark, a line ``sep=;``, the header."""

    first_line: int
    """The number of the first row's line."""

    def text(self, cell: bytes) -> str:
        """Read a cell; raise UnreadableTableError where it holds what the encoding has not."""
        try:
            return cell.decode(self.encoding.inner)
        except UnicodeDecodeError:
            raise UnreadableTableError(f"is not written in {self.encoding.name}") from None

    def texts(self, row: "Row") -> tuple[str, ...]:
        """Read all cells of a row; errors as `text`."""
        return tuple([self.text(cell) for cell in row.cells])


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its bytes with the line end, its cells, and why it is broken if it is.

    `cells` are without the quotes around them, in the inner encoding (`Dialect.text` reads them); a
    broken row has none. `fault` begins with a verb: "has 3 cells where the header has 5".
    """

    line: int
    """The number of its first line, from 1."""

    lines: int
    """How many lines it has: a quoted cell may hold line ends."""

    raw: bytes
    cells: Sequence[bytes]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A whole file: how it is written, and its rows. Blank lines are no rows."""

    dialect: Dialect
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class RowRange:
    """A range of bytes of a file that holds whole rows: `end` is not part of it.

    Blank lines are no rows.
    """

    start: int
    end: int
    first_line: int
    rows: int


def read_table(
    content: bytes, *, delimiter: str | None = None, encoding: str | None = None
) -> Table:
    """Read a whole file. `delimiter` and `encoding` are those given by name, None to recognise.

    Raises UnreadableTableError where there is no header, or no telling which delimiter.
    """
    found = recognise_encoding([content], encoding)
    dialect = recognise(content, delimiter=delimiter, encoding=found)
    rows = read_rows(content[len(dialect.header) :], dialect, dialect.first_line)
    return Table(dialect, tuple(rows))


def recognise(head: bytes, *, delimiter: str | None = None, encoding: Encoding) -> Dialect:
    """Read from the beginning of a file how it is written. A file's first megabyte is enough.

    Raises UnreadableTableError.
    """
    mark = encoding.mark
    inner = Transcoder(encoding).inward(head[len(mark) : MAX_ROW])
    hint = _SEP.match(inner)
    start = hint.end() if hint else 0
    if delimiter is not None:
        if delimiter not in DELIMITERS:
            raise UnreadableTableError(f"The delimiter is one of: {', '.join(DELIMITERS)}.")
        separator = DELIMITERS[delimiter]
    elif hint:
        separator = hint.group(1)
    else:
        separator = _recognise_delimiter(inner)
    header = next(_split(inner, start, separator, 2 if hint else 1, whole=True), None)
    if header is None or not header.raw.strip():
        raise UnreadableTableError("The first line must be the header: it is blank.", 1)
    if header.fault or len(header.raw) > MAX_HEADER or b"\0" in header.raw:
        raise UnreadableTableError("The header cannot be read.", header.line)
    try:
        columns = tuple(cell.decode(encoding.inner).strip() for cell in header.cells)
    except UnicodeDecodeError:
        reason = f"The header is not written in {encoding.name}."
        raise UnreadableTableError(reason, header.line) from None
    end = _LINE_END.search(header.raw[len(header.raw.rstrip(b"\r\n")) :])
    line_end = end.group() if end else b"\r\n"
    before = encoding.outward(inner[: start + len(header.raw)])
    return Dialect(
        encoding, separator, line_end, columns, mark + before, header.line + header.lines
    )


def read_rows(chunk: bytes, dialect: Dialect, first_line: int) -> Iterator[Row]:
    """Read a range of whole rows, without the header; `first_line` is the number of its first.

    Raises UnreadableTableError where a row is longer than `MAX_ROW`, or the bytes are no UTF-16.
    """
    encoding = dialect.encoding
    inner = Transcoder(encoding).inward(chunk, whole=True)
    wanted = len(dialect.columns)
    nul = b"\0" in inner
    for row in _split(inner, 0, dialect.delimiter, first_line, whole=True):
        if not row.raw.strip(b"\r\n"):
            continue
        fault = row.fault
        if fault is None and len(row.cells) != wanted:
            fault = f"has {_count(len(row.cells))} where the header has {wanted}"
        if nul and fault is None and b"\0" in row.raw:
            fault = "holds a NUL character"
        raw = encoding.outward(row.raw) if encoding.name in UTF16 else row.raw
        if fault is not None:
            yield Row(row.line, row.lines, raw, (), fault)
        elif raw is row.raw:
            yield row
        else:
            yield Row(row.line, row.lines, raw, row.cells)


def row_aligned(
    blocks: Iterable[bytes], dialect: Dialect, rows: int, most: int = 4 * MAX_ROW
) -> Iterator[RowRange]:
    """Cut a file into ranges of whole rows, each of at most so many rows and about `most` bytes.

    `blocks` are the whole file from its first byte on, in blocks of any size; at most one row more
    than a block is held. The ranges follow one another without a gap from the header to the end.
    """
    encoding = dialect.encoding
    transcoder = Transcoder(encoding)
    skip = len(dialect.header)
    start = end = skip
    first_line = line = dialect.first_line
    held = b""
    count = filled = 0
    for block, last in _with_last(blocks):
        fresh = block[skip:]
        skip -= len(block) - len(fresh)
        held += transcoder.inward(fresh, whole=last)
        read = 0
        for row in _split(held, 0, dialect.delimiter, line, whole=last):
            read += len(row.raw)
            end += len(encoding.outward(row.raw)) if encoding.name in UTF16 else len(row.raw)
            line = row.line + row.lines
            count += 1
            filled += bool(row.raw.strip(b"\r\n"))
            if count == rows or end - start >= most:
                yield RowRange(start, end, first_line, filled)
                start, first_line, count, filled = end, line, 0, 0
        held = held[read:]
    if end > start:
        yield RowRange(start, end, first_line, filled)


def write_rows(rows: Iterable[Sequence[object]]) -> str:
    """Write rows of a table of our own (RFC 4180)."""
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()


def write_row(cells: Iterable[str], dialect: Dialect) -> bytes:
    """Write a row as the file writes its own, in its encoding.

    Raises UnicodeEncodeError for a letter that the encoding has not.
    """
    inner = dialect.delimiter.join([_quoted(cell, dialect) for cell in cells])
    return dialect.encoding.outward(inner + dialect.line_end)


def append_cells(raw: bytes, cells: Sequence[str], dialect: Dialect) -> bytes:
    """Write a row with further cells behind its own, which stay byte for byte.

    The row ends as it did; one without a line end (the last of a file) stays without.
    """
    encoding = dialect.encoding
    kept = encoding.outward(b"\r\n"), encoding.outward(b"\n"), encoding.outward(b"\r")
    end = next((each for each in kept if raw.endswith(each)), b"")
    more = [_quoted(cell, dialect) for cell in cells]
    added = encoding.outward(dialect.delimiter + dialect.delimiter.join(more))
    return raw[: len(raw) - len(end)] + added + end


def neutral_cell(cell: str) -> str:
    """Give a cell so that a spreadsheet does not run it: an apostrophe before a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_SIGNS) else cell


def neutralise(row: Row, dialect: Dialect) -> tuple[bytes, int]:
    """Write a row so that a spreadsheet runs none of its cells, and count the cells changed.

    A cell that it would take for a formula gets an apostrophe before it, which a spreadsheet shows
    as text. A row in which there is none stays byte for byte.
    """
    changed = 0
    written = []
    for cell in row.cells:
        if cell.startswith(FORMULA):
            changed += 1
            cell = b"'" + cell  # noqa: PLW2901 - the cell as it goes out
        written.append(_quoted_bytes(cell, dialect.delimiter))
    if not changed:
        return row.raw, 0
    encoding = dialect.encoding
    inner = Transcoder(encoding).inward(row.raw, whole=True)
    end = inner[len(inner.rstrip(b"\r\n")) :]
    return encoding.outward(dialect.delimiter.join(written) + end), changed


def neutral_header(dialect: Dialect) -> tuple[bytes, int]:
    """Write the header as `neutralise` writes a row, and count the cells changed."""
    encoding = dialect.encoding
    inner = Transcoder(encoding).inward(dialect.header[len(encoding.mark) :], whole=True)
    *before, row = _split(inner, 0, dialect.delimiter, 1, whole=True)
    written, changed = neutralise(Row(1, 1, encoding.outward(row.raw), row.cells), dialect)
    kept = b"".join([each.raw for each in before])
    return encoding.mark + encoding.outward(kept) + written, changed


def _count(cells: int) -> str:
    return "1 cell" if cells == 1 else f"{cells} cells"


def _quoted(cell: str, dialect: Dialect) -> bytes:
    return _quoted_bytes(cell.encode(dialect.encoding.inner), dialect.delimiter)


def _quoted_bytes(cell: bytes, delimiter: bytes) -> bytes:
    special = (delimiter, b'"', b"\r", b"\n")
    if not any(each in cell for each in special):
        return cell
    return b'"' + cell.replace(b'"', b'""') + b'"'


def _split(
    content: bytes, start: int, delimiter: bytes, line: int, *, whole: bool
) -> Iterator[Row]:
    """Give the rows of a text in the inner encoding, blank lines too.

    Where it is not the `whole` text, a row that may go on is left out at the end. A row that cannot
    be read ends with the line in which that shows; the next row begins there.
    """
    position = start
    lines = iter(content[start:].splitlines(keepends=True))
    size = len(content)
    for text in lines:
        if b'"' not in text:
            end = position + len(text)
            if len(text) > MAX_ROW:
                raise UnreadableTableError(_too_long(line), line)
            if not whole and end == size:
                return  # "\n" may follow its "\r"
            yield Row(line, 1, text, text.rstrip(b"\r\n").split(delimiter))
            position = end
            line += 1
            continue
        cells, end, fault = _read_quoted(content, position, delimiter)
        if end - position > MAX_ROW:
            raise UnreadableTableError(_too_long(line), line)
        if not whole and end == size:
            return
        raw = content[position:end]
        count = len(raw.splitlines())
        for _ in range(count - 1):
            next(lines)
        yield Row(line, count, raw, cells, fault)
        position = end
        line += count


def _too_long(line: int) -> str:
    return (
        f"The row that begins in line {line} has more than {MAX_ROW} bytes: perhaps a quote in it is"
        " not closed."
    )


def _read_quoted(
    content: bytes, start: int, delimiter: bytes
) -> tuple[Sequence[bytes], int, str | None]:
    """Read a row in which there is a quote: its cells, where it ends, and what is wrong with it."""
    cell = _CELLS[delimiter]
    cells: list[bytes] = []
    position = start
    while True:
        found = cell.match(content, position)
        if found is None:
            end, fault = _broken_end(content, position)
            return (), end, fault
        quoted, plain, after = found.groups()
        cells.append(plain if quoted is None else quoted.replace(b'""', b'"'))
        position = found.end()
        if after != delimiter:
            return cells, position, None


def _broken_end(content: bytes, position: int) -> tuple[int, str]:
    """Say where a row ends whose cell at `position` cannot be read, and what is wrong with it."""
    fault = "has a quote within a cell that is not quoted as a whole"
    if content.startswith(b'"', position):
        quoted = _QUOTED.match(content, position)
        if quoted is None:
            return len(content), "has a quote that is not closed"
        position = quoted.end()
    end = _LINE_END.search(content, position)
    return end.end() if end else len(content), fault


def _recognise_delimiter(inner: bytes) -> bytes:
    """Tell the delimiter: under it the header has cells, and the rows have as many.

    A header without any is that of a single column. Raises UnreadableTableError where two fit.
    """
    best: list[bytes] = []
    most: tuple[float, int] = (0, 0)
    for delimiter in DELIMITERS.values():
        fit = _fit(inner, delimiter)
        if fit[1] > 1 and fit >= most:
            best = [*best, delimiter] if fit == most else [delimiter]
            most = fit
    if len(best) > 1:
        raise UnreadableTableError(
            "There is no telling which delimiter the file has: write delimiter= and one of:"
            f" {', '.join(DELIMITERS)}."
        )
    return best[0] if best else b","


def _fit(inner: bytes, delimiter: bytes) -> tuple[float, int]:
    """Give the share of rows with as many cells as the header, and how many that has."""
    cells = fitting = rows = 0
    for row in _split(inner, 0, delimiter, 1, whole=True):
        if not row.raw.strip():
            continue
        if not cells:
            if row.fault:
                return 0, 0
            cells = len(row.cells)
            continue
        rows += 1
        fitting += row.fault is None and len(row.cells) == cells
        if rows == SAMPLE:
            break
    return fitting / rows if rows else 1, cells


def _with_last(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Give each block, and whether it is the last."""
    rest = iter(blocks)
    before = next(rest, b"")
    for block in rest:
        yield before, False
        before = block
    yield before, True
