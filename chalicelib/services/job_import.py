"""The kind of job that moves a clinic in: another system's export in, a report of every line out.

What becomes of a line is decided as by the call (`services/import_files.py`). Lines about one
contact are settled within a part; of lines in different parts each is recorded with its own date,
and the later one counts. A line that was recorded is recorded once, however often its part is done.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.imported_consents import ImportRules, Outcome
from chalicelib.domain.jobs import Fault
from chalicelib.presentation.csv_table import Dialect, read_rows, write_rows
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody, InvalidBodyError
from chalicelib.services.import_files import (
    PARAMETERS,
    REPORT_HEADER,
    by_line,
    check_version,
    read_lines,
    read_rules,
    report_row,
)
from chalicelib.services.imports import Import, import_lines
from chalicelib.services.job_kinds import Chunk, JobKind, Task, Work


def check_import(task: Task, dialect: Dialect) -> None:
    """Raise UnclearColumnError, InvalidBodyError for a file that cannot be imported so."""
    call, rules = _asked(task)
    check_version(call, rules)
    read_lines(dialect, (), rules, call.shared, call.now)


def head_of_report(_task: Task, _dialect: Dialect | None) -> Work:
    """Give the header of the report."""
    return Work(write_rows([REPORT_HEADER]).encode(), 0)


def import_part(task: Task, chunk: Chunk) -> Work:
    """Import the lines of a part, and report on each; errors as `import_lines`."""
    dialect = chunk.dialect
    if dialect is None:
        return Work(b"", 0)
    call, rules = _asked(task)
    rows = list(read_rows(chunk.content, dialect, chunk.first_line))
    lines, results = read_lines(dialect, rows, rules, call.shared, call.now)
    how = Import(rules, task.job.parameters.get("dry_run") is True, task.job.created_at)
    results += import_lines(task.portal, call, lines, how)
    told = by_line(results)
    counts = Counter(result.outcome.value for result in told)
    rejected = [each for each in told if each.outcome is Outcome.REJECTED]
    faults = [Fault(each.line, each.detail) for each in rejected]
    report = write_rows(report_row(each) for each in told).encode()
    return Work(report, len(rows), dict(counts), faults)


def values_of(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Give what the maker of the job said of the file, by `PARAMETERS`."""
    return {name: value for name, value in parameters.items() if name in PARAMETERS}


def _asked(task: Task) -> tuple[AuthorizedCall[EmptyBody], ImportRules]:
    """Read what is said of the file by the notice and the key as they are now."""
    call = task.authorize(EmptyBody())
    faults: list[dict[str, str]] = []
    rules = read_rules(values_of(task.job.parameters), call.shared, faults)
    if faults:
        raise InvalidBodyError(faults)
    return call, rules


IMPORT = JobKind(
    scope="imports:write",
    work=import_part,
    head=head_of_report,
    media_type="text/csv",
    file_name="import-report.csv",
    rows=1_000,
    check=check_import,
)
