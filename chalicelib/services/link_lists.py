"""Personal links for a mailing list: each row byte for byte, and behind it the links of its person.

The columns that are added are what mailing tools put into a mail as merge fields. A row whose
contact cannot be read gets no link and is left out: a mail with an empty link would go out else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.domain.consent import QuestionId
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.lists import Unasked
from chalicelib.portal import Portal
from chalicelib.presentation.contact_columns import ContactColumn, find_contact_columns
from chalicelib.presentation.csv_encoding import UnreadableTableError
from chalicelib.presentation.csv_table import Dialect, Row, append_cells, read_table
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.links import (
    Invitation,
    Invitations,
    PersonalLink,
    make_links,
    opens_own_pages,
)
from chalicelib.services.lists import FAULTS

MAX_LINK_ROWS = 1000
FIRST_BROKEN = 100
"""How many broken rows are told by their lines."""

ADDED = ("url", "unsubscribe_url", "list_unsubscribe", "list_unsubscribe_post")
ADDED_FOR_MANAGERS = "manage_url"
_REACHED_BY = (ContactKind.EMAIL, ContactKind.PHONE)


class LongLinkListError(InvalidInputError):
    """A list for links that has more rows than one call takes."""


class ColumnTakenError(InvalidInputError):
    """A list has a column already that is to be added, such as ``url``."""


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What the links of a list are: their language, what they are about, their life in seconds."""

    lang: str
    questions: tuple[QuestionId, ...]
    expires_in: int
    column: str | None = None
    """The column with the contacts, where its name does not tell."""


@dataclass(frozen=True, slots=True)
class LinkList:
    """The body of a call: a list as it came, and what its links are."""

    content: bytes
    options: LinkOptions
    delimiter: str | None = None
    encoding: str | None = None
    contacts: tuple[Contact, ...] = ()


@dataclass(slots=True)
class LinkedRows:
    """Rows with their links, as they go out, and what became of the others."""

    content: bytes = b""
    rows: int = 0
    linked: int = 0
    broken: dict[Unasked, int] = field(default_factory=dict)
    broken_lines: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LinkedList:
    """The answer to a list: the file with the links, and how it is written."""

    content: bytes
    dialect: Dialect
    linked: LinkedRows


def link_list(portal: Portal, call: AuthorizedCall[LinkList]) -> LinkedList:
    """Make the links of a list of up to `MAX_LINK_ROWS` rows.

    Raises LongLinkListError, ColumnTakenError, UnreadableTableError, UnclearColumnError, and errors
    as `links.make_links`.
    """
    sent = call.body
    table = read_table(sent.content, delimiter=sent.delimiter, encoding=sent.encoding)
    if len(table.rows) > MAX_LINK_ROWS:
        raise LongLinkListError(f"At most {MAX_LINK_ROWS} rows: more go by a job.")
    header = linked_header(call, table.dialect)
    linked = link_rows(portal, call, table.dialect, table.rows, sent.options)
    return LinkedList(header + linked.content, table.dialect, linked)


def linked_header(call: AuthorizedCall[Any], dialect: Dialect) -> bytes:
    """Give what stands before the first row, with the columns added; raise ColumnTakenError."""
    added = _added_columns(call)
    taken = [name for name in added if name in dialect.columns]
    if taken:
        raise ColumnTakenError(f"The list has a column {taken[0]} already: take it out.")
    return append_cells(dialect.header, added, dialect)


def link_rows(
    portal: Portal,
    call: AuthorizedCall[Any],
    dialect: Dialect,
    rows: Sequence[Row],
    options: LinkOptions,
) -> LinkedRows:
    """Make the links of up to `MAX_LINK_ROWS` rows of a list, and write those rows with them.

    With an Idempotency-Key the same rows get the same links: a job gives one for each part. Raises
    UnclearColumnError, and errors as `links.make_links`.
    """
    columns = link_columns(dialect, options)
    linked = LinkedRows(rows=len(rows))
    invited: list[tuple[Row, Invitation]] = []
    for row in rows:
        contact = _contact(row, dialect, columns, call.shared.country)
        if isinstance(contact, Unasked):
            linked.broken[contact] = linked.broken.get(contact, 0) + 1
            if len(linked.broken_lines) < FIRST_BROKEN:
                linked.broken_lines.append(row.line)
            continue
        invited.append((row, _invitation(contact, options)))
    if not invited:
        return linked
    body = Invitations(tuple(invitation for _, invitation in invited))
    made = make_links(portal, replace(call, body=body))
    manages = opens_own_pages(call)
    written = []
    for (row, _), link in zip(invited, made, strict=True):
        cells = _cells(link, call.base_url, manages=manages)
        written.append(append_cells(row.raw, cells, dialect))
    linked.content = b"".join(written)
    linked.linked = len(made)
    return linked


def link_columns(dialect: Dialect, options: LinkOptions) -> tuple[ContactColumn, ...]:
    """Give the columns with the contacts; raise UnclearColumnError."""
    return find_contact_columns(dialect.columns, _REACHED_BY, options.column)


def broken_rows(
    call: AuthorizedCall[Any], dialect: Dialect, rows: Sequence[Row], options: LinkOptions
) -> Iterator[tuple[int, str]]:
    """Give the line of each row that gets no link, and what is wrong with it."""
    columns = link_columns(dialect, options)
    for row in rows:
        contact = _contact(row, dialect, columns, call.shared.country)
        if isinstance(contact, Unasked):
            yield row.line, row.fault or FAULTS[contact]


def _added_columns(call: AuthorizedCall[Any]) -> tuple[str, ...]:
    return (*ADDED, ADDED_FOR_MANAGERS) if opens_own_pages(call) else ADDED


def _contact(
    row: Row, dialect: Dialect, columns: Sequence[ContactColumn], country: str
) -> Contact | Unasked:
    """Read whom a row is of: the first contact of it; or why nobody can tell."""
    if row.fault is not None:
        return Unasked.UNREADABLE_ROW
    for column in columns:
        try:
            typed = dialect.text(row.cells[column.position]).strip()
            if typed:
                kind = column.kind or (ContactKind.EMAIL if "@" in typed else ContactKind.PHONE)
                return normalise(kind, typed, country)
        except (UnreadableTableError, InvalidContactError):
            return Unasked.UNREADABLE_CONTACT
    return Unasked.NO_CONTACT


def _invitation(contact: Contact, options: LinkOptions) -> Invitation:
    return Invitation(
        as_sent={},
        contact=contact,
        name=None,
        lang=options.lang,
        questions=options.questions,
        expires_in=options.expires_in,
    )


def _cells(link: PersonalLink, base: str, *, manages: bool) -> list[str]:
    """Give what is added to a row, in the order of the columns."""
    headers = link.headers(base)
    cells = [link.url(base), link.unsubscribe_url(base), *headers.values()]
    if manages:
        cells.append(link.manage_url(base) or "")
    return cells
