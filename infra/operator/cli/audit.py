"""The command that reads the audit: who looked at or changed what, when."""

from typing import Any

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.output import Output


@command("audit", example="consent audit --from 2026-11-22T00:00:00Z --deed status --newest")
@click.option(
    "--from", "begin", metavar="TIME", help="First moment (RFC 3339); 31 days ago otherwise."
)
@click.option("--to", "end", metavar="TIME", help="Moment before which it ends; now otherwise.")
@click.option("--key", metavar="KEY", help="Only what this key did; or patient, portal, operator.")
@click.option("--deed", metavar="DEED", help="Only what is called so, such as status.")
@click.option("--subject", metavar="ID", help="Only about the person with this opaque id.")
@click.option("--newest", is_flag=True, help="The newest first.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="At most so many lines.",
)
@click.pass_obj
def audit(
    work: Work,
    *,
    begin: str | None,
    end: str | None,
    key: str | None,
    deed: str | None,
    subject: str | None,
    newest: bool,
    limit: int,
) -> None:
    """Print who looked at or changed what, when.

    No line holds a contact.
    """
    query = {
        "from": begin,
        "to": end,
        "key": key,
        "deed": deed,
        "subject": subject,
        "order": "newest" if newest else None,
    }
    lines = list(work.portal.pages(work.portal.clinic_path("audit"), query, "lines", limit=limit))
    work.show({"lines": lines}, _print_audit)
    if len(lines) == limit:
        work.output.say(f"There may be more: --limit {limit} was reached.")


def _print_audit(output: Output, value: Any) -> None:
    rows = []
    for each in value["lines"]:
        about = [each["receipt"], each["notice"], each["about"], *each["subjects"][:1]]
        shown = next((str(one) for one in about if one), "")
        more = f" +{len(each['subjects']) - 1}" if len(each["subjects"]) > 1 else ""
        rows.append((each["at"][:19].replace("T", " "), each["key"], each["deed"], shown + more))
    output.table(("At (UTC)", "Who", "Deed", "About"), rows, wrapping=("Deed", "About"))
