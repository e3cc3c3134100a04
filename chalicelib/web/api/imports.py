"""The call that moves a clinic in: consents and refusals from another system's export."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.imported_consents import LineResult
from chalicelib.portal import get_portal
from chalicelib.presentation.csv_encoding import UnreadableTableError
from chalicelib.presentation.csv_table import Table, read_table, write_rows
from chalicelib.services.import_files import (
    PARAMETERS,
    REPORT_HEADER,
    ImportCall,
    ImportReport,
    import_table,
    read_rules,
    report_row,
)
from chalicelib.web.api.auth import authorize
from chalicelib.web.api.body_reader import BodyReader, escaped
from chalicelib.web.requests import RawBody, parameters
from chalicelib.web.responses import document, table

MAX_ROWS = 2000
FILE = RawBody("text/csv", 4 * 1024 * 1024)
_OF_THE_FILE = ("delimiter", "encoding", "dry_run")


def import_consents(request: Request, clinic: str) -> Response:
    """Import up to two thousand lines of an export, or tell what would become of each."""
    read = partial(read_import, sent=parameters(request))
    call = authorize(request, clinic, "imports:write", read, raw=FILE)
    report = import_table(get_portal(), call)
    if FILE.media_type in str(request.headers.get("accept", "")).lower():
        rows = [REPORT_HEADER, *map(report_row, report.lines)]
        return table(write_rows(rows), "import-report")
    return document(_describe(report))


def read_import(body: BodyReader, sent: Mapping[str, str]) -> ImportCall:
    """Read a CSV file, and what the address says of it (`sent`)."""
    for name in sorted(sent.keys() - {*PARAMETERS, *_OF_THE_FILE}):
        body.error(f"/{escaped(name)}", "Not known here.")
    values = {name: value for name, value in sent.items() if name in PARAMETERS}
    rules = read_rules(values, body.clinic, body.errors)
    dry_run = sent.get("dry_run", "0")
    if dry_run not in {"0", "1"}:
        body.error("/dry_run", "1 to write nothing, or 0.")
    read = _read_table(body, sent)
    body.check()
    assert read is not None  # noqa: S101 - `check` has raised where there is none
    return ImportCall(read.dialect, read.rows, rules, dry_run == "1")


def _read_table(body: BodyReader, sent: Mapping[str, str]) -> Table | None:
    """Read the file; None, and a fault noted, where it is no table or too long."""
    try:
        read = read_table(body.raw, delimiter=sent.get("delimiter"), encoding=sent.get("encoding"))
    except UnreadableTableError as error:
        where = f"Line {error.line}: " if error.line else ""
        body.error("", f"{where}{error}")
        return None
    if not 1 <= len(read.rows) <= MAX_ROWS:
        body.error("", f"1 to {MAX_ROWS} rows below the header; a larger file goes by a job.")
    return read


def _describe(report: ImportReport) -> dict[str, Any]:
    rules = report.rules
    return {
        "dry_run": report.dry_run,
        "rows": report.rows,
        "system": rules.system,
        "time_zone": str(rules.zone),
        "same_as": rules.same_as,
        "outcomes": report.outcomes,
        "states": report.states,
        "lines": [_describe_line(result) for result in report.lines],
    }


def _describe_line(result: LineResult) -> dict[str, Any]:
    told: dict[str, Any] = {"line": result.line, "outcome": result.outcome}
    if result.states:
        told["states"] = result.states
    if result.reason:
        told |= {"reason": result.reason, "detail": result.detail}
    return told
