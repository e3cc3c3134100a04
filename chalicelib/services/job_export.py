"""The kind of job that exports the contacts of all who permit one question, in sixteen parts.

Nothing is uploaded. Each part goes through one of the sixteen parts of the clinic's list of people
(`services/clinic_export.py`) and decides about each person when it comes to them. A job that is
started again does all parts anew: whoever starts it wants what is permitted then.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from chalicelib.domain.consent import QuestionId
from chalicelib.presentation.csv_table import Dialect, neutral_cell, write_rows
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.clinic_export import ExportRow, rows_of_shard
from chalicelib.services.job_kinds import JSON_LINES, Chunk, JobKind, Task, Work
from chalicelib.services.lists import find_question
from chalicelib.store.keys.key import SHARDS

COLUMNS = tuple(each.name for each in fields(ExportRow))
SPREADSHEET = "spreadsheet"


def head_of_export(task: Task, _dialect: Dialect | None) -> Work:
    """Give the header of a CSV; JSON Lines have none."""
    return Work(b"" if _by_lines(task) else write_rows([COLUMNS]).encode(), 0)


def export_shard(task: Task, chunk: Chunk) -> Work:
    """Export one of the sixteen parts of the list of people; errors as `rows_of_shard`."""
    call = task.authorize(EmptyBody())
    question = find_question(call.shared, _purpose(task))
    portal, shard = task.portal, SHARDS[chunk.number]
    written: list[bytes] = []
    count = 0
    for rows in rows_of_shard(portal, task.job.clinic, question, shard):
        if not rows:
            continue
        exported = [row.subject for row in rows]
        portal.table.put_new(call.audit("export", exported, about=question.id))
        written.append(_rows(task, rows))
        count += len(rows)
    return Work(b"".join(written), count, {"exported": count})


def _purpose(task: Task) -> QuestionId:
    purpose: QuestionId = task.job.parameters["purpose"]
    return purpose


def _by_lines(task: Task) -> bool:
    return bool(task.job.parameters.get("format") == JSON_LINES)


def _rows(task: Task, rows: Sequence[ExportRow]) -> bytes:
    """Write rows as the call writes them: what is not known is null, or an empty cell."""
    if _by_lines(task):
        named = [{name: value or None for name, value in asdict(row).items()} for row in rows]
        lines = [json.dumps(each, ensure_ascii=False, separators=(",", ":")) for each in named]
        return "".join(f"{line}\n" for line in lines).encode()
    neutral = task.job.parameters.get("for") == SPREADSHEET
    return write_rows(_cells(asdict(row), neutral=neutral) for row in rows).encode()


def _cells(row: Mapping[str, Any], *, neutral: bool) -> list[str]:
    cells = ["" if row[name] is None else str(row[name]) for name in COLUMNS]
    return [neutral_cell(cell) for cell in cells] if neutral else cells


EXPORT = JobKind(
    scope="export:read",
    work=export_shard,
    head=head_of_export,
    media_type="text/csv",
    file_name="contacts.csv",
    shards=len(SHARDS),
)
