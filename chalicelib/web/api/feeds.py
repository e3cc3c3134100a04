"""Calls by which a clinic's programs read on: the changes feed, and the export of contacts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from chalice.app import Request, Response

from chalicelib.portal import get_portal
from chalicelib.presentation.csv_table import neutral_cell, write_rows
from chalicelib.services import clinic_export
from chalicelib.services.changes import DEFAULT_LIMIT, LEAST_LIMIT, MOST_LIMIT, read_changes
from chalicelib.services.clinic_export import ExportPage, ExportRow, SubjectsToExport, export_page
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.body_reader import BodyReader
from chalicelib.web.api.errors import INVALID_LIMIT, UNKNOWN_CHOICE, RefusedError
from chalicelib.web.requests import query
from chalicelib.web.responses import JSON, BinaryResponse, compact_json, document

CSV, JSON_LINES = "text/csv", "application/jsonl"
FORMATS: Mapping[str, str] = {"json": JSON, "csv": CSV, "jsonl": JSON_LINES}
"""The words of `format`, and the media types that `Accept` may name instead."""

MAX_SUBJECTS = 100
_SPREADSHEET = "spreadsheet"


def list_changes(request: Request, clinic: str) -> Response:
    """List the changes of a clinic behind a cursor, in order for each person."""
    call = authorize(request, clinic, "status:read", no_body)
    limit = read_limit(request, LEAST_LIMIT, DEFAULT_LIMIT, MOST_LIMIT)
    page = read_changes(get_portal(), call, query(request, "since"), limit)
    return document(
        {
            "changes": page.entries,
            "cursor": page.cursor,
            "more": page.more,
            "complete_until": page.complete_until,
        }
    )


def export_contacts(request: Request, clinic: str) -> Response:
    """Give a page of the contacts that may be written to for one decision."""
    call = authorize(request, clinic, "export:read", no_body)
    media_type = read_format(request)
    target = query(request, "for")
    if target not in {None, _SPREADSHEET}:
        raise RefusedError(UNKNOWN_CHOICE, name="for", known=_SPREADSHEET)
    purpose = query(request, "purpose") or ""
    limit = read_limit(request, 1, clinic_export.DEFAULT_LIMIT, clinic_export.MOST_LIMIT)
    page = export_page(get_portal(), call, purpose, query(request, "cursor"), limit)
    if media_type == JSON:
        return document(_described(page), headers={"Cache-Control": "no-store"})
    rows = [_with_names(row) for row in page.rows]
    if media_type == CSV:
        names = [each.name for each in fields(ExportRow)]
        return _answer_rows(page, write_csv(names, rows, neutral=target is not None), CSV)
    lines = "".join(f"{compact_json(row)}\n" for row in rows)
    return _answer_rows(page, lines, JSON_LINES)


def export_subjects(request: Request, clinic: str) -> Response:
    """Give the contacts of some people, of those alone who may be written to for one decision."""
    call = authorize(request, clinic, "export:read", read_subjects)
    rows = clinic_export.export_subjects(get_portal(), call)
    contacts = [_with_names(row) for row in rows]
    return document({"contacts": contacts}, headers={"Cache-Control": "no-store"})


def read_subjects(body: BodyReader) -> SubjectsToExport:
    """Read a call for some people's contacts: the decision, and their opaque ids."""
    body.only("purpose", "subjects")
    purpose = body.sent.get("purpose")
    if not isinstance(purpose, str) or not purpose:
        body.error("/purpose", "One decision, such as newsletter.email.")
    ids = []
    for number, subject in enumerate(body.items("subjects", MAX_SUBJECTS, "subjects")):
        contacts, subject_id = body.named_subject(f"/subjects/{number}", subject)
        if contacts:
            body.error(f"/subjects/{number}", "An object with subject_id alone.")
        ids.append(subject_id)
    body.check()
    return SubjectsToExport(str(purpose), tuple(ids))


def _described(page: ExportPage) -> dict[str, Any]:
    told: dict[str, Any] = {
        "purpose": page.question,
        "contacts": [_with_names(row) for row in page.rows],
        "changes_cursor": page.changes_cursor,
    }
    if page.cursor is not None:
        told["cursor"] = page.cursor
    return told


def _with_names(row: ExportRow) -> dict[str, Any]:
    """Write a row by names; what is not known is null."""
    return {name: value or None for name, value in asdict(row).items()}


def _answer_rows(page: ExportPage, text: str, media_type: str) -> Response:
    """Answer with rows; where they go on stands in the headers."""
    headers = {"Changes-Cursor": page.changes_cursor, "Cache-Control": "no-store"}
    if page.cursor is not None:
        headers["Next-Cursor"] = page.cursor
    charset = "; charset=utf-8; header=present" if media_type == CSV else ""
    return BinaryResponse(text.encode(), {"Content-Type": f"{media_type}{charset}", **headers})


def write_csv(
    names: Sequence[str], rows: Sequence[Mapping[str, Any]], *, neutral: bool = False
) -> str:
    """Write rows as CSV (RFC 4180) with a header.

    `neutral` puts an apostrophe before what a spreadsheet would run as a formula, such as "+371…".
    """
    written = [names]
    for row in rows:
        cells = ["" if row[name] is None else str(row[name]) for name in names]
        written.append([neutral_cell(cell) for cell in cells] if neutral else cells)
    return write_rows(written)


def read_format(request: Request) -> str:
    """Give the media type to answer with: by `format`, else the first of `Accept` that is known."""
    written = query(request, "format")
    if written is not None:
        if written not in FORMATS:
            raise RefusedError(UNKNOWN_CHOICE, name="format", known=", ".join(FORMATS))
        return FORMATS[written]
    accepted = str(request.headers.get("accept", ""))
    for part in accepted.split(","):
        media_type = part.partition(";")[0].strip().lower()
        if media_type in FORMATS.values():
            return media_type
    return JSON


def read_limit(request: Request, least: int, default: int, most: int) -> int:
    """Read how many entries a page may have; raise RefusedError for any other number."""
    written = query(request, "limit")
    if written is None:
        return default
    if not (written.isascii() and written.isdigit() and least <= int(written[:9]) <= most):
        raise RefusedError(INVALID_LIMIT, least=least, most=most)
    return int(written)
