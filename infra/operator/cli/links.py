"""The command that puts a personal link into every row of a list."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from chalicelib.domain.contacts import ContactKind
from chalicelib.presentation.contact_columns import (
    ContactColumn,
    UnclearColumnError,
    find_contact_columns,
)
from chalicelib.presentation.csv_encoding import UnreadableTableError
from chalicelib.presentation.csv_table import Dialect, Row, append_cells, read_table
from infra.operator.cli.command import Work, command
from infra.operator.cli.errors import CommandError, Exit, ProblemError
from infra.operator.cli.files import writing
from infra.operator.cli.lists import ENCODINGS, read_list
from infra.operator.cli.long_jobs import begin, carry_out, exit_code
from infra.operator.cli.output import counted
from infra.operator.cli.progress import Bar, bar
from infra.operator.cli.subjects import STDIN

AT_ONCE = 1_000
"""How many links the API makes in one call."""

BY_CALLS = 10_000
"""A longer list goes by a job."""

COLUMNS = (
    "consent_url",
    "unsubscribe_url",
    "list_unsubscribe",
    "list_unsubscribe_post",
    "links_expire_at",
)
"""The columns that are added. Merge fields of mailing tools: docs/clinics.md."""

_KINDS = (ContactKind.EMAIL, ContactKind.PHONE, ContactKind.REFERENCE)
_POINTER = "/links/"
_SHOWN = 20
_DAY = 86_400


@dataclass(slots=True)
class Made:
    """What came of a list: how many links, and the rows that got none, by line."""

    links: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """A row and the link that is asked for it."""

    row: Row
    link: dict[str, Any]


@command(
    "links",
    example="""
    consent links audience.csv --purpose newsletter.email --lang lv --days 14
    consent links patients.csv --column "Patient no." -o with-links.csv
    """,
)
@click.argument("file")
@click.option(
    "--purpose",
    "purposes",
    multiple=True,
    metavar="DECISION",
    help="What the links ask about; may be repeated.",
)
@click.option("--lang", metavar="LANG", help="Language of the pages; the clinic's own otherwise.")
@click.option(
    "--days",
    type=click.IntRange(1, 366),
    default=30,
    show_default=True,
    help="How long the links start something.",
)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; LIST.links.csv otherwise.",
)
@click.option(
    "--column", metavar="NAME", help="Column with the contacts, if its name does not tell."
)
@click.option(
    "--delimiter", type=click.Choice(["comma", "semicolon", "tab"]), help="If there is no telling."
)
@click.option("--encoding", type=click.Choice(ENCODINGS), help="If the one assumed is wrong.")
@click.option("--job", "by_job", is_flag=True, help="By a job, however short the list is.")
@click.pass_obj
def links(
    work: Work,
    *,
    file: str,
    purposes: Sequence[str],
    lang: str | None,
    days: int,
    target: Path | None,
    column: str | None,
    delimiter: str | None,
    encoding: str | None,
    by_job: bool,
) -> int:
    """Put a personal link into every row of a list (CSV).

    For your own mailing. The rows stay byte for byte; five columns are added: consent_url, unsubscribe_url, the values
    of the headers List-Unsubscribe and List-Unsubscribe-Post, and when the links end. A row
    without a contact that can be read gets no link and is left out, told by its line.
    """
    content = read_list(file)
    if target is None:
        if file == STDIN:
            raise click.UsageError("Name the file to write: -o FILE.")
        source = Path(file)
        target = source.with_name(f"{source.stem}.links{source.suffix or '.csv'}")
    common = {"lang": lang, "purposes": list(purposes) or None, "expires_in": days * _DAY}
    wanted = {name: value for name, value in common.items() if value is not None}
    try:
        table = read_table(content, delimiter=delimiter, encoding=encoding)
        columns = find_contact_columns(table.dialect.columns, _KINDS, column)
    except (UnreadableTableError, UnclearColumnError) as error:
        raise CommandError(f"{file}: {_with_options(str(error))}") from error
    as_recognised = delimiter is None and encoding is None  # a job takes neither
    if by_job or (len(table.rows) > BY_CALLS and as_recognised):
        if file == STDIN or not as_recognised:
            raise click.UsageError("A job needs a FILE, and takes no --delimiter or --encoding.")
        return _by_job(work, Path(file), target, {**wanted, "column": column})
    made = Made()
    asked = list(_asked(table.rows, table.dialect, columns, wanted, made))
    with bar(work.output, "Links", unit="rows") as shown, writing(target) as saved:
        saved.write(append_cells(table.dialect.header, COLUMNS, table.dialect))
        for block in _make(work, asked, table.dialect, made, shown):
            saved.write(block)
    _report(work, made, target)
    return Exit.IN_PART if made.faults else Exit.DONE


def _by_job(work: Work, source: Path, target: Path, wanted: dict[str, Any]) -> int:
    asked = {"kind": "links", **{name: value for name, value in wanted.items() if value}}
    job = carry_out(work, begin(work, asked, source, target))
    faults = [(each["line"], each["reason"]) for each in job["faults"]["first"]]
    made = Made(job["counts"].get("links", 0), faults)
    _report(work, made, target, job["faults"]["count"], job["id"])
    return exit_code(job)


def _with_options(advice: str) -> str:
    """Return advice that names a parameter of the API with the option of the same name."""
    for name in ("column", "delimiter", "encoding"):
        advice = advice.replace(f"write {name}=", f"add --{name}").replace(
            f"Write {name}=", f"Add --{name}"
        )
        advice = advice.replace(f"{name}=", f"--{name}")
    return advice


def _asked(
    rows: Sequence[Row],
    dialect: Dialect,
    columns: Sequence[ContactColumn],
    wanted: dict[str, Any],
    made: Made,
) -> Iterator[Asked]:
    """Yield what is asked for each row that names somebody; note the others as faults."""
    for row in rows:
        contact = None if row.fault else _contact(row, dialect, columns)
        if contact is None:
            made.faults.append((row.line, row.fault or "has no contact"))
            continue
        yield Asked(row, {**contact, **wanted})


def _contact(row: Row, dialect: Dialect, columns: Sequence[ContactColumn]) -> dict[str, str] | None:
    """Return the first contact of a row."""
    for column in columns:
        try:
            written = dialect.text(row.cells[column.position]).strip()
        except UnreadableTableError:
            return None
        if written:
            kind = column.kind or (ContactKind.EMAIL if "@" in written else ContactKind.PHONE)
            return {kind.value: written}
    return None


def _make(
    work: Work, asked: Sequence[Asked], dialect: Dialect, made: Made, shown: Bar
) -> Iterator[bytes]:
    """Ask for the links, a thousand in a call; yield the rows with theirs."""
    for start in range(0, len(asked), AT_ONCE):
        group = asked[start : start + AT_ONCE]
        for each, link in _call(work, group, made):
            made.links += 1
            yield append_cells(_ended(each.row.raw, dialect), _cells(link), dialect)
        shown.update(start + len(group), len(asked))


def _call(work: Work, group: Sequence[Asked], made: Made) -> Iterator[tuple[Asked, Any]]:
    """Make the links of a group; rows whose contact the portal cannot read are left out of it."""
    path = work.portal.clinic_path("links")
    while group:
        try:
            answer = work.portal.post(path, {"links": [each.link for each in group]})
        except ProblemError as refused:
            unread = _unread(refused)
            if not unread:
                raise
            for number, detail in sorted(unread.items()):
                made.faults.append((group[number].row.line, detail))
            group = [each for number, each in enumerate(group) if number not in unread]
            continue
        yield from zip(group, answer["links"], strict=True)
        return


def _unread(refused: ProblemError) -> dict[int, str]:
    """Return which links of a call are refused for their contact; none where it is for anything else."""
    unread: dict[int, str] = {}
    for fault in refused.problem.get("errors") or ():
        number, _, member = str(fault.get("pointer", "")).removeprefix(_POINTER).partition("/")
        if not number.isdigit() or (member and member not in {kind.value for kind in _KINDS}):
            return {}
        unread.setdefault(int(number), str(fault.get("detail", "cannot be read")))
    return unread


def _cells(link: Any) -> tuple[str, ...]:
    headers = link["headers"]
    return (
        link["url"],
        link["unsubscribe_url"],
        headers["List-Unsubscribe"],
        headers["List-Unsubscribe-Post"],
        link["expires_at"],
    )


def _ended(raw: bytes, dialect: Dialect) -> bytes:
    """Return a row with a line end: the last of a file may have none."""
    if raw.endswith((dialect.encoding.outward(b"\n"), dialect.encoding.outward(b"\r"))):
        return raw
    return raw + dialect.encoding.outward(dialect.line_end)


def _report(
    work: Work, made: Made, target: Path, count: int | None = None, job: str | None = None
) -> None:
    """Tell what came of a list; `count` is how many faults there are where not all are known."""
    made.faults.sort()
    count = len(made.faults) if count is None else count
    if work.output.as_json:
        faults = [{"line": line, "reason": reason} for line, reason in made.faults]
        told = {"output": str(target), "links": made.links, "faults": faults}
        work.output.result({**told, "fault_count": count, "job": job})
        return
    if count:
        is_are = "is" if count == 1 else "are"
        work.output.warn(f"{counted(count, 'row')} got no link and {is_are} left out:")
    for line, reason in made.faults[:_SHOWN]:
        work.output.say(f"  line {line}: {reason}")
    if count > _SHOWN:
        more = f"consent jobs show {job} --json" if job else "--json"
        work.output.say(f"  … {more} tells of all.")
    work.output.say(f"{counted(made.links, 'link')}. Saved {target}.", "green")
