"""An upload is cut so that no row is lost, doubled or torn."""

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidInputError
from chalicelib.presentation.csv_table import read_rows
from chalicelib.services import job_plan
from chalicelib.services.job_plan import Cut, cut_upload, read_form, write_form

PIECES = [b'"', b'""', b",", b";", b"\t", b"\r", b"\n", b"\r\n", b"a", b"\xc4\x81", b"\xff", b"\0"]
ANYTHING = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=80).map(b"".join),
    st.binary(max_size=200),
    st.text(alphabet='a,;"\r\nā\t', max_size=120).map(lambda text: text.encode("utf-16")),
)


def cut(content: bytes, block: int, rows: int, most: int) -> Cut:
    """Cut a file that comes in blocks of a size into parts of about `most` bytes."""

    def blocks() -> Iterator[bytes]:
        for start in range(0, len(content), block):
            yield content[start : start + block]

    with pytest.MonkeyPatch.context() as small:
        small.setattr(job_plan, "LEAST_BYTES", most)
        small.setattr(job_plan, "MOST_BYTES", most)
        return cut_upload(blocks, len(content), rows)


@given(
    ANYTHING,
    st.sampled_from([b"", b"email,name\n", b'email;"the\r\nname"\r\n']),
    st.integers(1, 64),
    st.integers(1, 5),
    st.integers(1, 40),
)
def test_the_parts_together_are_the_file(
    content: bytes, header: bytes, block: int, rows: int, most: int
) -> None:
    """Whatever somebody uploads, each byte of it is in one part, and each row is whole in one."""
    content = header + content if header else content
    try:
        made = cut(content, block, rows, most)
    except InvalidInputError:
        reject()
    dialect = read_form(write_form(made.dialect))
    assert dialect == made.dialect
    assert made.sha256 == hashlib.sha256(content).hexdigest()
    parts = [content[each.start : each.end] for each in made.ranges]
    assert dialect.header + b"".join(parts) == content
    whole = list(read_rows(content[len(dialect.header) :], dialect, dialect.first_line))
    apart = []
    for part, each in zip(parts, made.ranges, strict=True):
        read = list(read_rows(part, dialect, each.line))
        assert len(read) == each.rows <= rows
        apart += read
    assert apart == whole
    assert made.rows == len(whole)


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(0, 5))
def test_a_plan_depends_on_the_file_alone(before: bytes, after: bytes, rows: int) -> None:
    """A job that is started again finds the parts that it did before."""
    content = b"email\n" + before + after
    try:
        one, other = cut(content, 7, rows + 1, 20), cut(content, 64, rows + 1, 20)
    except InvalidInputError:
        reject()
    assert one.ranges == other.ranges
