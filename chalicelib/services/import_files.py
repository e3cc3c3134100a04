"""Imports a file: what the caller says of it, its lines in the form of its source, and the report.

`read_rules` reads what the caller says, `read_lines` the rows of a table, `import_table` does both
rounds. A job that imports a file in parts calls `read_lines` and `services.imports.import_lines`
for each part.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.domain.ages import calendar_day
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, QuestionId
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.import_sources import read_line
from chalicelib.domain.imported_consents import (
    Cells,
    ImportedLine,
    ImportRules,
    LineResult,
    NotImportedError,
    Outcome,
    SourceForm,
    column,
    without_duplicates,
)
from chalicelib.domain.imported_times import zone_named
from chalicelib.domain.instants import Instant
from chalicelib.domain.local_time import ZONES
from chalicelib.portal import Portal
from chalicelib.presentation.contact_columns import UnclearColumnError, find_contact_columns
from chalicelib.presentation.csv_encoding import UnreadableTableError
from chalicelib.presentation.csv_table import Dialect, Row
from chalicelib.services.authorized_call import AuthorizedCall, InvalidBodyError
from chalicelib.services.imports import Import, import_lines

PARAMETERS = (
    *("from", "purpose", "system", "list", "answer", "undated", "tz", "dates", "column"),
    *("ip", "declared_adult", "same_as", "text_sha256", "lang", "confirm"),
)
"""What a caller may say of a file."""

SYSTEMS = {
    SourceForm.MAILCHIMP: "Mailchimp",
    SourceForm.BREVO: "Brevo",
    SourceForm.LISTMONK: "listmonk",
}
IN_UTC = frozenset({SourceForm.MAILCHIMP, SourceForm.LISTMONK})
"""The systems whose exports write times in UTC. Others are read where the clinic is."""

BY_EMAIL_ALONE = frozenset({SourceForm.MAILCHIMP, SourceForm.LISTMONK})
MAX_WORDS = 100
_VERSION = re.compile(r"\d{1,4}\.\d{1,4}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ImportCall:
    """The body of a call that imports a file. Nobody is looked up before its lines are read."""

    dialect: Dialect
    rows: Sequence[Row]
    rules: ImportRules
    dry_run: bool = False
    contacts: tuple[Contact, ...] = ()


@dataclass(slots=True)
class _Sent:
    """What a caller says, and the faults in it."""

    values: Mapping[str, str]
    faults: list[dict[str, str]] = field(default_factory=list)

    def fault(self, name: str, detail: str) -> None:
        """Note a fault of a parameter."""
        self.faults.append({"pointer": f"/{name}", "detail": detail})

    def one_of(self, name: str, allowed: Sequence[str]) -> str | None:
        """Read a word out of a few; None where it is left out."""
        value = self.values.get(name)
        if value is None or value in allowed:
            return value
        self.fault(name, f"One of: {', '.join(allowed)}.")
        return None

    def words(self, name: str) -> str:
        """Read a line of text; "" where it is left out."""
        value = self.values.get(name, "").strip()
        if len(value) <= MAX_WORDS and value.isprintable():
            return value
        self.fault(name, f"At most {MAX_WORDS} printable characters.")
        return ""


def read_rules(
    values: Mapping[str, str], clinic: Clinic, faults: list[dict[str, str]]
) -> ImportRules:
    """Read what a caller says of a file, by `PARAMETERS`; add each fault to `faults`.

    `clinic` has every question it ever asked, as far as the caller's key shares them.
    """
    sent = _Sent(values, faults)
    form = SourceForm(sent.one_of("from", list(SourceForm)) or SourceForm.SHEET)
    if "from" not in values:
        sent.fault("from", f"One of: {', '.join(SourceForm)}.")
    system = sent.words("system") or SYSTEMS.get(form, "")
    if not system:
        sent.fault("system", "The name of the system or file in which it was decided or kept.")
    same_as, text = _vouched(sent)
    answer = sent.one_of("answer", ("yes", "no"))
    return ImportRules(
        form=form,
        system=system,
        zone=_zone(sent, form, clinic),
        questions=_questions(sent, form, clinic),
        list_name=sent.words("list"),
        answer=Answer(answer) if answer else None,
        undated=_day(sent),
        month_first=sent.one_of("dates", ("dmy", "mdy")) == "mdy",
        keep_ip=sent.one_of("ip", ("keep",)) is not None,
        declared_adult=sent.one_of("declared_adult", ("true",)) is not None,
        same_as=same_as,
        text_sha256=text,
        lang=sent.one_of("lang", clinic.languages) or "",
        contact_column=sent.words("column") or None,
        asks=sent.one_of("confirm", ("send",)) is not None,
    )


def _zone(sent: _Sent, form: SourceForm, clinic: Clinic) -> ZoneInfo:
    own = "UTC" if form in IN_UTC else ZONES[clinic.country]
    zone = zone_named(sent.values.get("tz", own))
    if zone is None:
        sent.fault("tz", "A time zone such as Europe/Riga or UTC.")
    return zone or ZoneInfo(own)


def _questions(sent: _Sent, form: SourceForm, clinic: Clinic) -> tuple[QuestionId, ...]:
    names = [name.strip() for name in sent.values.get("purpose", "").split(",") if name.strip()]
    if not names and form is not SourceForm.SHEET:
        sent.fault("purpose", "What the file is about, such as newsletter.email.")
    found: list[QuestionId] = []
    for name in names:
        questions = clinic.resolve_names(name)
        if not questions:
            sent.fault("purpose", "The clinic's notice has no such purpose.")
        found += questions
    for question in found:
        if form in BY_EMAIL_ALONE and ContactKind.PHONE in clinic.questions[question].needs:
            sent.fault("purpose", f"{question} needs a phone: these exports prove e-mails alone.")
    return tuple(dict.fromkeys(found))


def _day(sent: _Sent) -> date | None:
    value = sent.values.get("undated")
    if value is None:
        return None
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", value, re.ASCII)
    day = calendar_day(*found.groups()) if found else None
    if day is None:
        sent.fault("undated", "A day such as 2026-11-15.")
    return day


def _vouched(sent: _Sent) -> tuple[str | None, str | None]:
    """Read the version that the clinic vouches for, and the text by which it can show that.

    Neither is taken without the other: who says that a text asked the same must be able to show it
    (GDPR Art. 7(1)).
    """
    version, text = sent.values.get("same_as"), sent.values.get("text_sha256")
    if (version is None) != (text is None):
        missing = "text_sha256" if text is None else "same_as"
        sent.fault(missing, "same_as and text_sha256 go together: the version, and the old text.")
    if version is not None and not _VERSION.fullmatch(version):
        sent.fault("same_as", "A version of the notice, such as 1.0.")
    if text is not None and not _SHA256.fullmatch(text):
        sent.fault("text_sha256", "64 hexadecimal digits in lower case.")
    return version, text


def check_version(call: AuthorizedCall[Any], rules: ImportRules) -> None:
    """Raise InvalidBodyError where the clinic vouches for a version that is not published."""
    published = {entry.version for entry in call.lookup.published.published}
    if rules.same_as is not None and rules.same_as not in published:
        raise InvalidBodyError.at("/same_as", "No such version was ever published.")


def read_lines(
    dialect: Dialect,
    rows: Iterable[Row],
    rules: ImportRules,
    clinic: Clinic,
    now: Instant,
) -> tuple[list[ImportedLine], list[LineResult]]:
    """Read rows as lines of their source; give those to import, and the results of the others.

    Duplicates are settled among these rows. Raises UnclearColumnError, InvalidBodyError.
    """
    columns = _columns(dialect, rules, clinic)
    lines: list[ImportedLine] = []
    results: list[LineResult] = []
    for row in rows:
        try:
            lines += read_line(_cells(dialect, row, columns), rules, clinic, now)
        except NotImportedError as error:
            fault = row.fault or ""
            results.append(LineResult(row.line, error.outcome, error.reason, fault=fault))
    kept, lost = without_duplicates(lines)
    return kept, [*results, *lost]


def _columns(dialect: Dialect, rules: ImportRules, clinic: Clinic) -> tuple[str, ...]:
    """Name the columns as `Cells` has them: contacts by their kind, questions by their id.

    Raises UnclearColumnError; InvalidBodyError for a column that looks like a question of a purpose
    and is none.
    """
    names = [column(name) for name in dialect.columns]
    for name in names:
        purpose, dot, _ = name.partition(".")
        if dot and clinic.resolve_names(purpose) and name not in clinic.questions:
            detail = f"The clinic's notice has no decision {purpose}.…, which a column names."
            raise InvalidBodyError.at("/columns", detail)
    wanted = [ContactKind.EMAIL]
    if rules.form not in BY_EMAIL_ALONE:
        wanted.append(ContactKind.PHONE)
    try:
        for found in find_contact_columns(dialect.columns, wanted, rules.contact_column):
            names[found.position] = found.kind or ContactKind.EMAIL
    except UnclearColumnError:
        if rules.contact_column is not None or ContactKind.REFERENCE not in names:
            raise
    return tuple(names)


def _cells(dialect: Dialect, row: Row, columns: Sequence[str]) -> Cells:
    if row.fault is not None:
        return Cells(row.line, row.raw, {}, row.fault)
    try:
        texts = dialect.texts(row)
    except UnreadableTableError as error:
        return Cells(row.line, row.raw, {}, str(error))
    cells: dict[str, str] = {}
    for name, text in zip(columns, texts, strict=True):
        cells.setdefault(name, text)
    return Cells(row.line, row.raw.rstrip(b"\r\n"), cells)


REPORT_HEADER = ("line", "outcome", "reason", "detail", "states")
"""The columns of the report as CSV (`report_row`)."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file, or would become of it: each line once, in order."""

    rows: int
    lines: Sequence[LineResult]
    dry_run: bool
    rules: ImportRules

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """How many lines came out in each way."""
        counted = Counter(result.outcome for result in self.lines)
        return {outcome: counted[outcome] for outcome in Outcome}

    @property
    def states(self) -> Mapping[QuestionId, Mapping[str, int]]:
        """How many answers of the lines recorded lead to each state, by question."""
        counted: dict[QuestionId, Counter[str]] = {}
        for result in self.lines:
            for question, state in result.states.items():
                counted.setdefault(question, Counter())[state] += 1
        return {question: dict(counts) for question, counts in sorted(counted.items())}


def import_table(portal: Portal, call: AuthorizedCall[ImportCall]) -> ImportReport:
    """Import a file, or tell what would become of each of its lines.

    Raises InvalidBodyError, and errors as `imports.import_lines`.
    """
    body = call.body
    check_version(call, body.rules)
    try:
        lines, results = read_lines(body.dialect, body.rows, body.rules, call.shared, call.now)
    except UnclearColumnError as error:
        raise InvalidBodyError.at("/column", str(error)) from None
    how = Import(body.rules, dry_run=body.dry_run)
    results += import_lines(portal, call, lines, how)
    return ImportReport(len(body.rows), by_line(results), body.dry_run, body.rules)


def by_line(results: Iterable[LineResult]) -> list[LineResult]:
    """Give one result for each line, in order: what a line said at two times is told together.

    What was recorded comes first, then what was recorded before.
    """
    order = list(Outcome)
    joined: dict[int, LineResult] = {}
    for result in results:
        other = joined.get(result.line)
        if other is None:
            joined[result.line] = result
            continue
        first = min(other, result, key=lambda each: order.index(each.outcome))
        states = {**other.states, **result.states}
        joined[result.line] = LineResult(
            first.line, first.outcome, first.reason, states, first.other, first.fault
        )
    return [joined[line] for line in sorted(joined)]


def report_row(result: LineResult) -> tuple[str, ...]:
    """Give the cells of a line of the report as CSV; nothing of the file itself is repeated."""
    states = "; ".join(f"{question}={state}" for question, state in result.states.items())
    return (str(result.line), result.outcome, result.reason or "", result.detail, states)
