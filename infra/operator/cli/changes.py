"""The command that reads the feed of changes."""

import time
from collections.abc import Iterator
from typing import Any

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.output import Output, minute

EVERY_SECONDS = 10.0
"""How long `--follow` waits where nothing is new."""


@command(
    "changes",
    example="""
    consent changes --since "$CURSOR" --json
    consent changes --follow --json | my-program
    """,
)
@click.option(
    "--since", metavar="CURSOR", help="Where the last reading ended; the oldest otherwise."
)
@click.option("--follow", is_flag=True, help="Go on, and print what is new, until Ctrl-C.")
@click.option("--limit", type=click.IntRange(25, 500), help="Receipts in one page.")
@click.pass_obj
def changes(work: Work, *, since: str | None, follow: bool, limit: int | None) -> None:
    """Print every change of a state, in order of each person.

    With --json each change is a line of its own, and after each page a line {"cursor": …}: keep the
    last one, and begin with it the next time. Nothing is missed and nothing comes twice.
    """
    last = since
    try:
        for page in _pages(work, since, limit, follow=follow):
            last = page["cursor"]
            _print_page(work.output, page)
    finally:  # after Ctrl-C too: whoever follows goes on from there
        if last and not work.output.as_json:
            work.output.say(f"Go on with: --since {last}")


def _print_page(output: Output, page: Any) -> None:
    if not output.as_json:
        _print_changes(output, page)
        return
    for entry in page["changes"]:
        output.line_of_json(entry)
    output.line_of_json({"cursor": page["cursor"]})


def _pages(
    work: Work, since: str | None, limit: int | None, *, follow: bool
) -> Iterator[dict[str, Any]]:
    path = work.portal.clinic_path("changes")
    while True:
        page = work.portal.get(path, {"since": since, "limit": limit})
        since = page["cursor"]
        yield page
        if page["more"]:
            continue
        if not follow:
            return
        time.sleep(EVERY_SECONDS)


def _print_changes(output: Output, page: Any) -> None:
    rows = []
    for each in page["changes"]:
        when = minute(each.get("recorded_at") or each.get("effective_at"))
        question = each.get("question") or ", ".join(each.get("questions", ()))
        rows.append((when, each["type"], question, each.get("after"), each.get("subject")))
    if rows:
        output.table(
            ("Recorded (UTC)", "Change", "Decision", "Now", "Person"),
            rows,
            wrapping=("Recorded (UTC)", "Change", "Person"),
        )
