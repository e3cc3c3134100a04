"""The command that counts answers, and how many people stand where."""

from typing import Any

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.output import Output, minute


@command(
    "stats",
    example="""
    consent stats --from 2026-11-01 --group question,state
    consent stats --group day,source --csv > november.csv
    """,
)
@click.option("--from", "first", metavar="DAY", help="First day (UTC); 30 days otherwise.")
@click.option("--to", "last", metavar="DAY", help="Last day; today otherwise.")
@click.option(
    "--group",
    metavar="NAMES",
    help="Any of day, purpose, question, before, state, source, lang, channel, assurance, waited.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print the counts as CSV.")
@click.pass_obj
def stats(
    work: Work, *, first: str | None, last: str | None, group: str | None, as_csv: bool
) -> None:
    """Count answers by day, state and source.

    Each answer once, and beside that how many people stand in each state now. No person is told
    apart.
    """
    path = work.portal.clinic_path("stats")
    query = {"from": first, "to": last, "group": group}
    if as_csv:
        work.output.raw(work.portal.call("GET", path, query={**query, "format": "csv"}).content)
        return
    work.show(work.portal.get(path, query), _print_stats)


def _print_stats(output: Output, value: Any) -> None:
    counts = value["counts"]
    names = [name for name in (counts[0] if counts else ()) if name != "count"]
    rows = [[*[each[name] for name in names], each["count"]] for each in counts]
    output.table((*[name.capitalize() for name in names], "Answers"), rows)
    standing = value["standing"] or {"states": {}, "counted_at": None}
    people = [
        (question, state, count)
        for question, states in standing["states"].items()
        for state, count in states.items()
    ]
    if people:
        output.say(f"People by state, counted {minute(standing['counted_at'])} UTC:")
        output.table(("Decision", "State", "People"), people)
