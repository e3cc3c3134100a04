"""The command that saves the contacts of everybody who permits one decision."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.files import writing
from infra.operator.cli.output import counted
from infra.operator.cli.progress import Bar, bar

PAGE = 1_000
"""How many people the portal goes through for a page."""


@dataclass(slots=True)
class Exported:
    """What was saved: how many contacts, and where the changes were before the first page."""

    contacts: int = 0
    changes_cursor: str = ""


@command(
    "export",
    example="""
    consent export --purpose newsletter.email -o newsletter.csv
    consent export --purpose newsletter.sms --format jsonl -o sms.jsonl
    """,
)
@click.option("--purpose", required=True, metavar="DECISION", help="What the mailing is for.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl"]),
    default="csv",
    show_default=True,
    help="How rows are written.",
)
@click.option("--spreadsheet", is_flag=True, help="Of CSV: no cell is run as a formula.")
@click.option(
    "-o",
    "--output",
    "target",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.",
)
@click.pass_obj
def export(work: Work, *, purpose: str, form: str, spreadsheet: bool, target: Path) -> None:
    """Save the contacts of everybody who permits one decision.

    Whoever is in the file permits it when the page was made. It tells where the changes were
    before: `consent changes --since` goes on from there, so that nobody is missed.
    """
    query = {
        "purpose": purpose,
        "limit": PAGE,
        "format": form,
        "for": "spreadsheet" if spreadsheet else None,
    }
    done = Exported()
    with bar(work.output, "Contacts", unit="rows") as shown, writing(target) as file:
        for page in _pages(work, query, done, shown):
            file.write(page)
    if work.output.as_json:
        told = {"output": str(target), "contacts": done.contacts}
        work.output.result({**told, "changes_cursor": done.changes_cursor})
        return
    work.output.say(f"{counted(done.contacts, 'contact')}. Saved {target}.", "green")
    work.output.say(f"Changes from here on: consent changes --since {done.changes_cursor}")


def _pages(work: Work, query: dict[str, Any], done: Exported, shown: Bar) -> Iterator[bytes]:
    """Yield the pages as they are to be written: of CSV the header once."""
    path = work.portal.clinic_path("export")
    cursor = None
    while True:
        answer = work.portal.call("GET", path, query={**query, "cursor": cursor})
        done.changes_cursor = done.changes_cursor or answer.headers["Changes-Cursor"]
        if query["format"] == "csv":
            rows = list(csv.reader(io.StringIO(answer.content.decode(), newline="")))
            done.contacts += max(len(rows) - 1, 0)
            yield answer.content if cursor is None else _without_header(answer.content)
        else:
            done.contacts += len(answer.content.splitlines())
            yield answer.content
        shown.update(done.contacts)
        cursor = answer.headers.get("Next-Cursor")
        if not cursor:
            return


def _without_header(page: bytes) -> bytes:
    return page.partition(b"\n")[2]
