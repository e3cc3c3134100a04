"""Lists for a mailing: which of their rows may be written to, asked of the table.

`scrub_list` answers a call with a whole list. A job asks part by part: `scrub_rows` takes the rows
of one, its counts are added up with those of the others, its bytes come behind `list_header`.
Permission is always read strongly consistently, by the resolver that every status call asks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from chalicelib.domain.clinic import Clinic, Question
from chalicelib.domain.consent import State
from chalicelib.domain.contacts import (
    REACHABLE_KINDS,
    Contact,
    ContactKind,
    InvalidContactError,
    normalise,
)
from chalicelib.domain.errors import InvalidInputError, RejectedError
from chalicelib.domain.instants import END_OF_TIME
from chalicelib.domain.lists import OTHER_CONTACT, RESTRICTED, ListCounts, Mode, Target, Unasked
from chalicelib.domain.permission import PermissionResult
from chalicelib.portal import Portal
from chalicelib.presentation.blocklists import BLOCKLISTS, check_blocklist
from chalicelib.presentation.contact_columns import (
    ContactColumn,
    UnclearColumnError,
    find_contact_columns,
)
from chalicelib.presentation.csv_encoding import UnreadableTableError
from chalicelib.presentation.csv_table import (
    Dialect,
    Row,
    append_cells,
    neutral_header,
    neutralise,
    read_table,
)
from chalicelib.receipts.certificates import file_hash
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.list_certificates import Certified, issue_certificate
from chalicelib.services.status import query_subject

MAX_ROWS = 10_000
"""How many rows one call takes; a job takes any number."""

MAX_BYTES = 4_000_000
"""How large a list one call takes: Lambda takes and gives 6 MB at most, and base64 makes a file a
third larger."""

MAX_ANSWER = 4_600_000
PART = 500
"""How many rows are asked about together: five round trips, and what they bring in memory."""

PERMITTED = State.GRANTED.value
"""The reason of a row that is permitted."""

FAULTS = {
    Unasked.UNREADABLE_CONTACT: "has a contact that cannot be read",
    Unasked.NO_CONTACT: "has no contact",
}

ANNOTATIONS = ("permitted", "reason")
"""The columns that `Mode.ANNOTATE` adds."""


class UnknownPurposeError(InvalidInputError):
    """The clinic's notice has no such decision, or the name stands for several of them."""

    def __init__(self, several: Sequence[str] = ()) -> None:
        detail = "The clinic's notice has no such decision."
        if several:
            detail = f"A list is for one decision: write purpose= and one of: {', '.join(several)}."
        super().__init__(detail)


class LongListError(RejectedError):
    """A list is too long for one call."""


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a call says of its list: for which decision, which rows come back, how it is written."""

    purpose: str
    mode: Mode = Mode.PERMITTED
    target: Target | None = None
    column: str | None = None
    delimiter: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class SentList:
    """The body of a call: a file as it came, and what is asked of it."""

    content: bytes
    options: ListOptions
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class ListQuestion:
    """What is asked of every row of a list, and how a row is written."""

    clinic: str
    country: str
    question: Question
    mode: Mode
    target: Target | None
    columns: tuple[ContactColumn, ...]
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class ScrubbedRows:
    """What became of some rows: the bytes of those that go out, and the counts."""

    content: bytes
    counts: ListCounts


@dataclass(frozen=True, slots=True)
class ScrubbedList:
    """The answer to a list: the file that goes out, the counts, the certificate as a JWS."""

    content: bytes
    counts: ListCounts
    certificate: str
    asked: ListQuestion


def scrub_list(portal: Portal, call: AuthorizedCall[SentList]) -> ScrubbedList:
    """Answer a list of up to `MAX_ROWS` rows, with its certificate.

    Raises LongListError, UnreadableTableError, UnclearColumnError, UnknownPurposeError,
    WrongBlocklistError, and SigningUnavailableError: without a certificate nothing is answered.
    """
    sent = call.body
    options = sent.options
    began = portal.clock()
    question = find_question(call.shared, options.purpose)
    table = read_table(sent.content, delimiter=options.delimiter, encoding=options.encoding)
    if len(table.rows) > MAX_ROWS:
        raise LongListError
    asked = ask_of_list(call.shared, question, options, table.dialect)
    header, changed = list_header(asked)
    scrubbed = scrub_rows(portal, asked, table.rows)
    content = header + scrubbed.content
    if len(content) > MAX_ANSWER:
        raise LongListError
    counts = scrubbed.counts
    counts.cells_changed += changed
    certificate = issue_certificate(
        portal,
        Certified(
            call.clinic,
            call.key.member,
            question.id,
            options.mode,
            options.target,
            file_hash(sent.content),
            file_hash(content),
            counts,
            began,
        ),
    )
    portal.table.put_new(call.audit("scrub", listed=certificate.for_audit()))
    return ScrubbedList(content, counts, certificate.signed, asked)


def find_question(clinic: Clinic, purpose: str) -> Question:
    """Give the one decision that a list is for, of those that a key's controller shares."""
    named = clinic.resolve_names(purpose)
    if len(named) != 1:
        raise UnknownPurposeError(named)
    return clinic.questions[named[0]]


def ask_of_list(
    clinic: Clinic, question: Question, options: ListOptions, dialect: Dialect
) -> ListQuestion:
    """Give what is asked of every row; raise UnclearColumnError, WrongBlocklistError."""
    carriers = [kind for kind in REACHABLE_KINDS if kind in question.needs]
    if options.mode is Mode.BLOCKLIST:
        check_blocklist(options.target, carriers)
    if options.mode is Mode.ANNOTATE:
        taken = [name for name in ANNOTATIONS if name in dialect.columns]
        if taken:
            raise UnclearColumnError(
                f"The list has a column {taken[0]} already. Take it out, or write another mode."
            )
    columns = find_contact_columns(dialect.columns, carriers or REACHABLE_KINDS, options.column)
    return ListQuestion(
        clinic.id, clinic.country, question, options.mode, options.target, columns, dialect
    )


def list_header(asked: ListQuestion) -> tuple[bytes, int]:
    """Give what stands before the first row that goes out, and how many of its cells changed."""
    dialect = asked.dialect
    if asked.mode is Mode.BLOCKLIST:
        return BLOCKLISTS[asked.target or Target.MAILCHIMP].header, 0
    if asked.mode is Mode.BROKEN:
        return b"line,lines,fault\r\n", 0
    header, changed = dialect.header, 0
    if asked.target is Target.SPREADSHEET:
        header, changed = neutral_header(dialect)
    if asked.mode is Mode.ANNOTATE:
        header = append_cells(header, ANNOTATIONS, dialect)
    return header, changed


def scrub_rows(portal: Portal, asked: ListQuestion, rows: Iterable[Row]) -> ScrubbedRows:
    """Ask for each row whether its contact may be written to, and write those that go out.

    Rows stay in their order, doubled ones too. Raises UnavailableError, DamagedError.
    """
    counts = ListCounts()
    written: list[bytes] = []
    left = iter(rows)
    while part := list(islice(left, PART)):
        read = [_read_row(asked, row) for row in part]
        permissions = _ask(portal, asked, read)
        for row, contacts, permission in zip(part, read, permissions, strict=True):
            counts.rows += 1
            reason = _count(counts, row, contacts, permission)
            written.append(_write(asked, row, contacts, reason, counts))
    return ScrubbedRows(b"".join(written), counts)


def broken_rows(asked: ListQuestion, rows: Iterable[Row]) -> Iterator[tuple[int, str]]:
    """Give the line of each row for which nothing can be asked, and what is wrong with it."""
    for row in rows:
        read = _read_row(asked, row)
        if isinstance(read, Unasked):
            yield row.line, row.fault or FAULTS[read]


RowContacts = tuple[Contact, ...] | Unasked
"""The contacts of a row, or why nothing can be asked for it."""


def _read_row(asked: ListQuestion, row: Row) -> RowContacts:
    if row.fault is not None:
        return Unasked.UNREADABLE_ROW
    contacts = []
    for column in asked.columns:
        cell = row.cells[column.position]
        try:
            typed = asked.dialect.text(cell).strip()
            if typed:
                kind = column.kind or _kind_of(typed)
                contacts.append(normalise(kind, typed, asked.country))
        except (UnreadableTableError, InvalidContactError):
            return Unasked.UNREADABLE_CONTACT
    return tuple(contacts) or Unasked.NO_CONTACT


def _kind_of(typed: str) -> ContactKind:
    """Tell what a contact is in a column that may hold both: only an e-mail address has an @."""
    return ContactKind.EMAIL if "@" in typed else ContactKind.PHONE


def _ask(
    portal: Portal, asked: ListQuestion, rows: Sequence[RowContacts]
) -> Iterator[PermissionResult | None]:
    """Give what is permitted for each row, None where nothing was asked."""
    contacts: dict[Contact, None] = {}
    for row in rows:
        if not isinstance(row, Unasked):
            contacts |= dict.fromkeys(row)
    lookup = portal.directory.look_up(asked.clinic, tuple(contacts))
    at = portal.clock()
    summaries = portal.receipts.answers_as_of(
        asked.clinic, lookup.known(), END_OF_TIME, END_OF_TIME
    )
    notice = lookup.published.in_force_at(at, at)
    question = asked.question
    for row in rows:
        if isinstance(row, Unasked):
            yield None
            continue
        subject = query_subject(lookup, row, summaries, at=END_OF_TIME, known_at=END_OF_TIME)
        yield subject.permission(question.id, question.needs, notice, at)


def _count(
    counts: ListCounts, row: Row, contacts: RowContacts, permission: PermissionResult | None
) -> str:
    """Count a row, and give the reason: the state, or why it is not permitted all the same."""
    if isinstance(contacts, Unasked) or permission is None:
        why = contacts if isinstance(contacts, Unasked) else Unasked.NO_CONTACT
        counts.note_broken(row.line, why)
        return why.value
    if permission.permitted:
        counts.permitted += 1
        return PERMITTED
    status = permission.status
    reason = status.state.value
    if status.restricted:
        reason = RESTRICTED
    elif status.permitted:
        reason = OTHER_CONTACT
    counts.refused[reason] += 1
    return reason


def _write(
    asked: ListQuestion, row: Row, contacts: RowContacts, reason: str, counts: ListCounts
) -> bytes:
    """Write a row as the mode wants it; nothing for one that does not go out."""
    permitted = reason == PERMITTED
    if asked.mode is Mode.BROKEN:
        return _write_broken(row, contacts) if isinstance(contacts, Unasked) else b""
    if asked.mode is Mode.BLOCKLIST:
        return b"" if permitted or row.fault else _write_blocked(asked, row, contacts)
    if row.fault or (asked.mode is Mode.PERMITTED and not permitted):
        return b""  # cells cannot be added behind a row whose cells nobody can tell
    raw = row.raw
    if asked.target is Target.SPREADSHEET:
        raw, changed = neutralise(row, asked.dialect)
        counts.cells_changed += changed
    if asked.mode is Mode.ANNOTATE:
        raw = append_cells(raw, ("true" if permitted else "false", reason), asked.dialect)
    return raw


def _write_broken(row: Row, why: Unasked) -> bytes:
    fault = row.fault or FAULTS[why]
    return f'{row.line},{row.lines},"{fault}"\r\n'.encode()


def _write_blocked(asked: ListQuestion, row: Row, contacts: RowContacts) -> bytes:
    """Write the contacts of a row as they stand in the list: so the tool knows them.

    One that cannot be read is written as well: it may not be written to either.
    """
    named: dict[ContactKind, str] = {}
    read = {} if isinstance(contacts, Unasked) else {each.kind: each.value for each in contacts}
    for column in asked.columns:
        try:
            typed = asked.dialect.text(row.cells[column.position]).strip()
        except UnreadableTableError:
            continue
        kind = column.kind or _kind_of(typed)
        # A phone in one form for all countries: a tool knows nothing of the clinic's.
        named[kind] = read.get(kind, typed) if kind is ContactKind.PHONE else typed
    return BLOCKLISTS[asked.target or Target.MAILCHIMP].row(named)
