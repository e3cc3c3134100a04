"""The kind of job that makes personal links: a list in, the same rows with their links out.

Every row that names a person gets five further columns. A row that cannot be read, or names nobody,
is left out and told as a fault. A part that is done twice makes the same links.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.jobs import Fault
from chalicelib.presentation.contact_columns import ContactColumn, find_contact_columns
from chalicelib.presentation.csv_encoding import UnreadableTableError
from chalicelib.presentation.csv_table import Dialect, Row, append_cells, read_rows
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.job_kinds import Chunk, JobKind, Task, Work
from chalicelib.services.links import Invitation, Invitations, PersonalLink, make_links

COLUMNS = (
    "consent_url",
    "unsubscribe_url",
    "list_unsubscribe",
    "list_unsubscribe_post",
    "links_expire_at",
)
AT_ONCE = 1_000
"""How many links one call makes."""

_KINDS = (ContactKind.EMAIL, ContactKind.PHONE, ContactKind.REFERENCE)
NO_CONTACT = "has no contact"
UNREADABLE_CONTACT = "has a contact that cannot be read"


def check_links(task: Task, dialect: Dialect) -> None:
    """Raise UnclearColumnError where no column has the contacts."""
    _columns(task, dialect)


def head_of_links(_task: Task, dialect: Dialect | None) -> bytes:
    """Give the header of the upload with the further columns."""
    return append_cells(dialect.header, COLUMNS, dialect) if dialect else b""


def work_on_links(task: Task, chunk: Chunk) -> Work:
    """Make the links of a part, a thousand in a call; errors as `make_links`."""
    dialect = chunk.dialect
    if dialect is None:
        return Work(b"", 0)
    columns = _columns(task, dialect)
    call = task.authorize(EmptyBody())
    read: list[tuple[Row, Invitation]] = []
    faults: list[Fault] = []
    count = 0
    for row in read_rows(chunk.content, dialect, chunk.first_line):
        count += 1
        invitation = _read(task, call, row, dialect, columns)
        if isinstance(invitation, str):
            faults.append(Fault(row.line, invitation))
        else:
            read.append((row, invitation))
    output = b"".join(
        _make(task, read[start : start + AT_ONCE], dialect)
        for start in range(0, len(read), AT_ONCE)
    )
    return Work(output, count, {"links": len(read)}, faults)


def _make(task: Task, rows: Sequence[tuple[Row, Invitation]], dialect: Dialect) -> bytes:
    invitations = Invitations(tuple(invitation for _, invitation in rows))
    plan = task.job.plan.id if task.job.plan else ""
    name = f"{task.job.id}|{plan}|{rows[0][0].line}"
    made = make_links(task.portal, task.authorize(invitations, idempotency_key=name))
    written = []
    for (row, _), link in zip(rows, made, strict=True):
        cells = _cells(link, task.job.base_url)
        written.append(append_cells(_ended(row.raw, dialect), cells, dialect))
    return b"".join(written)


def _ended(raw: bytes, dialect: Dialect) -> bytes:
    """Give a row with a line end: the last of a file may have none."""
    ends = [dialect.encoding.outward(end) for end in (b"\n", b"\r")]
    if any(raw.endswith(end) for end in ends):
        return raw
    return raw + dialect.encoding.outward(dialect.line_end)


def _cells(made: PersonalLink, base: str) -> tuple[str, ...]:
    """Write what a mailing tool puts into a message and its headers (RFC 2369, RFC 8058)."""
    link = made.link
    unsubscribe = f"{base}/unsubscribe/{made.unsubscribe}"
    return (
        f"{base}/{link.clinic}?t={made.ask}&lang={link.lang}",
        unsubscribe,
        f"<{unsubscribe}>",
        "List-Unsubscribe=One-Click",
        link.expires_at,
    )


def _columns(task: Task, dialect: Dialect) -> tuple[ContactColumn, ...]:
    return find_contact_columns(dialect.columns, _KINDS, task.job.parameters.get("column"))


def _read(
    task: Task,
    call: AuthorizedCall[EmptyBody],
    row: Row,
    dialect: Dialect,
    columns: Sequence[ContactColumn],
) -> Invitation | str:
    """Read whom a row is for: by the first of its contacts; or say what is wrong with it."""
    if row.fault:
        return row.fault
    parameters: Mapping[str, Any] = task.job.parameters
    for column in columns:
        try:
            written = dialect.text(row.cells[column.position]).strip()
        except UnreadableTableError as error:
            return str(error)
        if not written:
            continue
        kind = column.kind or (ContactKind.EMAIL if "@" in written else ContactKind.PHONE)
        try:
            contact: Contact = normalise(kind, written, call.shared.country)
        except InvalidContactError:
            return UNREADABLE_CONTACT
        questions = tuple(parameters.get("purposes", ()))
        lang, seconds = str(parameters["lang"]), int(parameters["expires_in"])
        return Invitation({kind.value: written}, contact, None, lang, questions, seconds)
    return NO_CONTACT


LINKS = JobKind(
    scope="links:write",
    work=work_on_links,
    head=head_of_links,
    media_type="text/csv",
    file_name="links.csv",
    rows=5_000,
    check=check_links,
)
