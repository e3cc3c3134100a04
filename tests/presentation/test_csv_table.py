"""CSV files as people have them: each is read as its program wrote it, and given back unchanged."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.presentation.csv_encoding import UnreadableTableError, recognise_encoding
from chalicelib.presentation.csv_table import (
    MAX_ROW,
    Dialect,
    Row,
    Table,
    append_cells,
    neutralise,
    read_rows,
    read_table,
    recognise,
    row_aligned,
    write_row,
)

MAILCHIMP = (
    '"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,NOTES\n'
    'anna@example.org,Anna,Bērziņa,2,"2025-03-04 09:12:44","said: ""yes, please"""\n'
    'janis@example.org,Jānis,Ozols,5,"2025-03-04 09:12:44",\n'
)
BREVO = "EMAIL;FIRSTNAME;SMS\r\nanna@example.org;Anna;37120000001\r\n;Jānis;37120000002\r\n"
LISTMONK = (
    "uuid,email,name,attributes,status,created_at\n"
    '5a1,anna@example.org,Anna,"{""city"": ""Rīga""}",enabled,2025-01-02 10:00:00+00\n'
)
OUTLOOK = (
    '"First Name","E-mail Address","Notes"\r\n"Anna","anna@example.org","Line one\r\nline two"\r\n'
)
EXCEL_LV = "E-pasts;Vārds;Tālrunis\r\nanna@example.org;Žanna Šķēle;+371 20000001\r\n"
EXCEL_RU = "Телефон;Имя\r\n+371 20000001;Анна Берзиня\r\n+371 20000002;Пётр\r\n"
MAC = "email,name\ranna@example.org,Anna\rjanis@example.org,Janis\r"

SAMPLES = [
    pytest.param(MAILCHIMP.encode(), "utf-8", b",", 6, 2, id="Mailchimp"),
    pytest.param(BREVO.encode(), "utf-8", b";", 3, 2, id="Brevo"),
    pytest.param(LISTMONK.encode(), "utf-8", b",", 6, 1, id="listmonk"),
    pytest.param(OUTLOOK.encode("cp1257"), "utf-8 (assumed)", b",", 3, 1, id="Outlook"),
    pytest.param(codecs.BOM_UTF8 + EXCEL_LV.encode(), "utf-8", b";", 3, 1, id="Excel, CSV UTF-8"),
    pytest.param(
        EXCEL_LV.encode("cp1257"), "windows-1257 (assumed)", b";", 3, 1, id="Excel in Latvia, CSV"
    ),
    pytest.param(
        EXCEL_RU.encode("cp1251"), "windows-1251 (assumed)", b";", 2, 2, id="Excel in Russian, CSV"
    ),
    pytest.param(
        codecs.BOM_UTF16_LE + EXCEL_LV.replace(";", "\t").encode("utf-16-le"),
        "utf-16-le",
        b"\t",
        3,
        1,
        id="Excel, Unicode text",
    ),
    pytest.param(
        codecs.BOM_UTF16_BE + EXCEL_RU.encode("utf-16-be"),
        "utf-16-be",
        b";",
        2,
        2,
        id="UTF-16, the other order",
    ),
    pytest.param(MAC.encode(), "utf-8 (assumed)", b",", 2, 2, id="line ends of an old Mac"),
    pytest.param(
        b"sep=;\r\nemail;name\r\nanna@example.org;Anna, Dr.\r\n",
        "utf-8 (assumed)",
        b";",
        2,
        1,
        id="Excel, with a line that names the delimiter",
    ),
    pytest.param(b"email\nanna@example.org\n", "utf-8 (assumed)", b",", 1, 1, id="one column"),
    pytest.param(
        b'Name;E-mail\n"B; A";a@example.org',
        "utf-8 (assumed)",
        b";",
        2,
        1,
        id="no line end at the end",
    ),
]


@pytest.mark.parametrize(("content", "encoding", "delimiter", "columns", "rows"), SAMPLES)
def test_a_file_is_read_as_the_program_wrote_it_that_exported_it(
    content: bytes, encoding: str, delimiter: bytes, columns: int, rows: int
) -> None:
    """Nobody has to prepare a list before it is cleaned."""
    table = read_table(content)
    dialect = table.dialect
    assumed = " (assumed)" if dialect.encoding.assumed else ""
    assert dialect.encoding.name + assumed == encoding
    assert dialect.delimiter == delimiter
    assert len(dialect.columns) == columns
    assert [row.fault for row in table.rows] == [None] * rows
    assert _bytes(table) == content


def test_a_cell_is_read_without_its_quotes() -> None:
    """A comma, a quote and a line end in a note do not move the address into another column."""
    table = read_table(MAILCHIMP.encode())
    assert _texts(table)[0][5] == 'said: "yes, please"'
    notes = read_table(OUTLOOK.encode())
    assert _texts(notes) == [("Anna", "anna@example.org", "Line one\r\nline two")]
    assert notes.rows[0].lines == 2


@pytest.mark.parametrize("codec", ["cp1257", "utf-16-le", "utf-8"])
def test_letters_of_a_name_are_read_in_each_encoding(codec: str) -> None:
    """A name can be shown, and be compared."""
    mark = codecs.BOM_UTF16_LE if codec == "utf-16-le" else b""
    table = read_table(mark + EXCEL_LV.encode(codec))
    assert _texts(table)[0][1] == "Žanna Šķēle"
    assert table.dialect.columns[2] == "Tālrunis"


BROKEN = [
    pytest.param(b"a@x.org,A,B\n", "has 3 cells where the header has 2", 1, id="a cell too many"),
    pytest.param(b"a@x.org\n", "has 1 cell where the header has 2", 1, id="a cell too few"),
    pytest.param(
        b'a@x.org,5" nail\n',
        "has a quote within a cell that is not quoted as a whole",
        1,
        id="a quote in an unquoted cell",
    ),
    pytest.param(
        b'"a@x.org"b,A\n',
        "has a quote within a cell that is not quoted as a whole",
        1,
        id="text behind a quoted cell",
    ),
    pytest.param(b"a@x.org,A\0\n", "holds a NUL character", 1, id="a NUL"),
    pytest.param(
        b'a@x.org,"A\nB"C\n',
        "has a quote within a cell that is not quoted as a whole",
        2,
        id="over two lines",
    ),
]


@pytest.mark.parametrize(("broken", "fault", "lines"), BROKEN)
def test_a_broken_row_is_reported_by_its_line_and_the_others_are_read(
    broken: bytes, fault: str, lines: int
) -> None:
    """One bad line costs one line, and nobody has to look for it."""
    table = read_table(b"email,name\nx@x.org,X\n" + broken + b"y@x.org,Y\n")
    found = table.rows[1]
    assert (found.line, found.lines, found.fault) == (3, lines, fault)
    assert found.cells == ()
    last = table.rows[2]
    assert (last.line, last.raw, last.fault) == (3 + lines, b"y@x.org,Y\n", None)


def test_a_quote_that_is_not_closed_makes_the_rest_one_broken_row() -> None:
    """What stands behind an open quote may be one cell or many rows: it is not guessed."""
    table = read_table(b'email,name\nx@x.org,X\n"a@x.org,A\nb@x.org,B\n')
    assert [row.fault for row in table.rows] == [None, "has a quote that is not closed"]
    assert (table.rows[1].line, table.rows[1].lines) == (3, 2)


def test_a_row_without_end_is_refused_with_its_line() -> None:
    """An open quote in a large file says where it is, and holds no memory."""
    content = b'email,name\nx@x.org,"' + b"a,b\n" * MAX_ROW
    with pytest.raises(UnreadableTableError, match="line 2 ") as refused:
        read_table(content)
    assert refused.value.line == 2
    dialect = recognise(content[:1000], encoding=recognise_encoding([content]))
    blocks = [content[at : at + 65536] for at in range(0, len(content), 65536)]
    with pytest.raises(UnreadableTableError, match="line 2 "):
        list(row_aligned(blocks, dialect, 1000))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "blank"),
        (b"\n", "blank"),
        (b"\n\nemail\n", "blank"),
        (b'"email,name\n', "header cannot be read"),
        (b"em\0ail\n", "header cannot be read"),
        (b"E-mail;Name, given\na@x.org;B, A\n", "which delimiter"),
    ],
)
def test_a_file_without_a_header_to_read_is_refused(content: bytes, reason: str) -> None:
    """What cannot be read is not taken for a list of nobody."""
    with pytest.raises(UnreadableTableError, match=reason):
        read_table(content)


def test_what_is_given_by_name_is_not_recognised() -> None:
    """Whoever knows better says so."""
    content = b"E-mail;Name, given\na@x.org;B, A\n"
    table = read_table(content, delimiter="semicolon")
    assert table.dialect.columns == ("E-mail", "Name, given")
    table = read_table("vārds\nŽ\n".encode("cp1257"), encoding="windows-1251")
    assert not table.dialect.encoding.assumed
    with pytest.raises(UnreadableTableError, match="comma, semicolon, tab"):
        read_table(content, delimiter="pipe")
    with pytest.raises(UnreadableTableError, match="windows-1257"):
        read_table(content, encoding="klingon")


def test_a_file_in_utf_8_with_one_broken_letter_stays_utf_8() -> None:
    """One bad byte does not turn every name in the list into another."""
    content = EXCEL_LV.encode() * 9 + "\xff;B;C\r\n".encode("latin-1")
    table = read_table(content)
    assert table.dialect.encoding.name == "utf-8"
    with pytest.raises(UnreadableTableError, match="not written in utf-8"):
        table.dialect.texts(table.rows[-1])


def test_half_a_character_is_refused() -> None:
    """A download that broke off is noticed."""
    with pytest.raises(UnreadableTableError, match="within a character"):
        read_table(codecs.BOM_UTF16_LE + "email\n".encode("utf-16-le") + b"a")


def test_blank_lines_are_no_rows() -> None:
    """An empty line at the end is nobody."""
    table = read_table(b"email,name\n\na@x.org,A\n\r\n\n")
    assert [(row.line, row.raw) for row in table.rows] == [(3, b"a@x.org,A\n")]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
CELLS = st.lists(st.lists(CELL, min_size=3, max_size=3), max_size=8)
ENCODINGS = st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"])
SEPARATORS = st.sampled_from(["comma", "semicolon", "tab"])


@given(CELLS, ENCODINGS, SEPARATORS, st.integers(1, 40), st.integers(1, 4))
def test_every_part_of_a_file_holds_what_the_whole_holds(
    cells: list[list[str]], codec: str, separator: str, block: int, rows: int
) -> None:
    """A list of a million rows is read in parts, and says the same."""
    dialect = _dialect(codec, separator)
    content = dialect.header + b"".join(write_row(each, dialect) for each in cells)
    table = read_table(content, delimiter=separator)
    assert _bytes(table) == content
    assert _texts(table) == [tuple(each) for each in cells]
    blocks = [content[at : at + block] for at in range(0, len(content), block)]
    read: list[Row] = []
    at = len(dialect.header)
    for part in row_aligned(blocks, dialect, rows):
        assert part.start == at
        found = list(read_rows(content[part.start : part.end], dialect, part.first_line))
        assert len(found) <= rows
        read += found
        at = part.end
    assert at == len(content)
    assert read == list(table.rows)


LINES = st.lists(
    st.text(st.sampled_from('ab,;"\n\r\t ē@'), max_size=10).map(str.encode), max_size=12
)


@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.integers(1, 9))
def test_rows_are_what_came_in_whatever_came_in(lines: list[bytes], end: bytes, block: int) -> None:
    """No byte of a list is lost, doubled or moved, however badly it is written."""
    content = b"a,b\n" + end.join(lines)
    table = read_table(content, delimiter="comma")
    kept = b"".join(row.raw for row in table.rows)
    assert kept.translate(None, b"\r\n") == content[4:].translate(None, b"\r\n")
    for row in table.rows:
        assert row.raw in content
        assert row.fault is not None or len(row.cells) == 2
    blocks = [content[at : at + block] for at in range(0, len(content), block)]
    read: list[Row] = []
    for part in row_aligned(blocks, table.dialect, 2):
        read += read_rows(content[part.start : part.end], table.dialect, part.first_line)
    assert read == list(table.rows)


@given(CELLS, ENCODINGS, SEPARATORS)
def test_cells_are_added_behind_a_row_that_stays_byte_for_byte(
    cells: list[list[str]], codec: str, separator: str
) -> None:
    """An annotated list without its two last columns is the list that came in."""
    dialect = _dialect(codec, separator)
    content = dialect.header + b"".join(write_row(each, dialect) for each in cells)
    table = read_table(content, delimiter=separator)
    written = [append_cells(row.raw, ["true", 'a;"b",\tc'], dialect) for row in table.rows]
    header = append_cells(dialect.header, ["permitted", "reason"], dialect)
    again = read_table(header + b"".join(written), delimiter=separator)
    assert [each[:3] for each in _texts(again)] == [tuple(each) for each in cells]
    assert {each[3:] for each in _texts(again)} <= {("true", 'a;"b",\tc')}


def test_a_row_without_a_line_end_gets_none() -> None:
    """The last row of a file ends as it did."""
    table = read_table(b"a,b\n1,2")
    assert append_cells(table.rows[0].raw, ["x"], table.dialect) == b"1,2,x"


@pytest.mark.parametrize(
    ("raw", "written", "changed"),
    [
        (b"+37120000001,Anna\n", b"'+37120000001,Anna\n", 1),
        (b'"=1+1","@a, b"\r\n', b"'=1+1,\"'@a, b\"\r\n", 2),
        (b'"-1",A\n', b"'-1,A\n", 1),
        (b'"\ta",A\n', b"'\ta,A\n", 1),
        (b'"\ra",A\n', b'"\'\ra",A\n', 1),
        ("＝1,A\n".encode(), "'＝1,A\n".encode(), 1),
        (b'"a@x.org","A"\n', b'"a@x.org","A"\n', 0),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_becomes_text(
    raw: bytes, written: bytes, changed: int
) -> None:
    """A phone number, and a formula that somebody wrote as their name, are shown and not run."""
    table = read_table(b"a,b\n" + raw)
    assert neutralise(table.rows[0], table.dialect) == (written, changed)


def _dialect(codec: str, separator: str) -> Dialect:
    marks = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    delimiter = {"comma": ",", "semicolon": ";", "tab": "\t"}[separator]
    header = marks.get(codec, b"") + delimiter.join("abc").encode(codec) + "\r\n".encode(codec)
    encoding = recognise_encoding([header])
    return recognise(header, delimiter=separator, encoding=encoding)


def _bytes(table: Table) -> bytes:
    return table.dialect.header + b"".join(row.raw for row in table.rows)


def _texts(table: Table) -> list[tuple[str, ...]]:
    return [table.dialect.texts(row) for row in table.rows]
