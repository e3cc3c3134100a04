"""Lists nobody thought of: what comes back is a part of what went in, byte for byte."""

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.presentation.csv_table import read_table
from tests.web.api.test_lists import ANNA, BORIS, CLARA, PHONE, decide, scrub
from tests.web.client import Program
from tests.web.running import RunningPortal

PERMITTED = {ANNA, f" {ANNA.upper()}"}
CONTACTS = st.sampled_from([*PERMITTED, BORIS, CLARA, "eve@example.org", PHONE, "", "what?"])
WORDS = st.text(st.sampled_from('aē;,"\t\r\n =+'), max_size=6)
ROWS = st.lists(st.tuples(WORDS, CONTACTS, WORDS), max_size=12)
WRITTEN = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", ";", "\t"]),
        "lineterminator": st.sampled_from(["\n", "\r\n"]),
        "quoting": st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    }
)
STRAY = st.sampled_from(["", "one cell alone", '"a"b{0}c{0}d', "a{0}b{0}c{0}d", 'x{0}"y'])
NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}


@pytest.fixture(scope="module")
def asked(settled: RunningPortal) -> Program:
    """Give a clinic where Anna agreed and Boris did not."""
    program = settled.open_clinic()
    decide(program, {"newsletter.email": "yes"}, email=ANNA)
    decide(program, {"newsletter.email": "no"}, email=BORIS)
    return program


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, WRITTEN, STRAY)
def test_what_comes_back_is_a_part_of_what_went_in(
    asked: Program, rows: list[tuple[str, str, str]], written: dict[str, str], stray: str
) -> None:
    """Whatever stands in a list, only rows of people who agreed come back, in order, unchanged."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, **written)  # type: ignore[arg-type]
    writer.writerow(["Note", "E-mail", "Other"])
    writer.writerows(rows)
    content = (text.getvalue() + stray.format(written["delimiter"])).encode()
    delimiter = NAMES[written["delimiter"]]
    sent = read_table(content, delimiter=delimiter)
    permitted = scrub(asked, content, delimiter=delimiter)
    expected = [row.raw for row in sent.rows if _cell(row.cells) in PERMITTED]
    assert permitted.body == sent.dialect.header + b"".join(expected)
    back = scrub(asked, content, mode="annotate", delimiter=delimiter).body
    annotated = read_table(back, delimiter=delimiter)
    whole = [row for row in sent.rows if row.fault is None]
    assert [row.cells[:3] for row in annotated.rows] == [row.cells for row in whole]
    said = [row.cells[3] == b"true" for row in annotated.rows]
    assert said == [_cell(row.cells) in PERMITTED for row in whole]


def _cell(cells: object) -> str:
    return cells[1].decode() if isinstance(cells, list) and len(cells) == 3 else ""
