"""The command that brings in consents and refusals which another system recorded."""

from pathlib import Path
from typing import Any

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.errors import Exit
from infra.operator.cli.lists import ENCODINGS, is_long, read_list, refuse_same
from infra.operator.cli.long_jobs import begin, carry_out, exit_code, print_faults
from infra.operator.cli.output import Output, counted
from infra.operator.cli.subjects import STDIN

SYSTEMS = ["mailchimp", "brevo", "listmonk", "sheet"]
_SHOWN = 20
MOST_ROWS = 2_000
"""How many rows one call takes; a longer file goes by a job."""


@command(
    "import",
    example="""
    consent import in.csv --from mailchimp --purpose newsletter.email --dry-run
    consent import out.csv --from mailchimp --purpose newsletter.email --answer no
    """,
)
@click.argument("file")
@click.option(
    "--from",
    "origin",
    type=click.Choice(SYSTEMS),
    required=True,
    help="Whose export it is; sheet is any other table.",
)
@click.option("--purpose", metavar="DECISIONS", help="What the file is about, with commas between.")
@click.option("--dry-run", is_flag=True, help="Only tell what would become of each line.")
@click.option(
    "--answer", type=click.Choice(["yes", "no"]), help="What lines say that do not say it."
)
@click.option("--undated", metavar="DAY", help="Day that counts for lines without one.")
@click.option("--system", metavar="NAME", help="The system as receipts name it; a sheet needs it.")
@click.option("--list", "audience", metavar="NAME", help="The audience or list.")
@click.option("--tz", metavar="ZONE", help="Time zone of times that name none.")
@click.option(
    "--dates", type=click.Choice(["dmy", "mdy"]), help="How days with the year last are written."
)
@click.option("--same-as", metavar="VERSION", help="Notice that says what the text read then said.")
@click.option(
    "--text-sha256", metavar="HASH", help="SHA-256 of the text read then; with --same-as."
)
@click.option("--declared-adult", is_flag=True, help="Everybody declared the age the notice asks.")
@click.option("--keep-ip", is_flag=True, help="Take over network addresses, encrypted.")
@click.option("--confirm", is_flag=True, help="Write to those whose Yes waits, to confirm it.")
@click.option("--lang", metavar="LANG", help="Language of messages about the answers.")
@click.option(
    "--column", metavar="NAME", help="Column with the contacts, if its name does not tell."
)
@click.option(
    "--delimiter", type=click.Choice(["comma", "semicolon", "tab"]), help="If there is no telling."
)
@click.option("--encoding", type=click.Choice(ENCODINGS), help="If the one assumed is wrong.")
@click.option("--job", "by_job", is_flag=True, help="By a job, however short the file is.")
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Of a job, file for the report of every line; FILE.report.csv otherwise.",
)
@click.pass_obj
def import_file(
    work: Work, /, *, file: str, by_job: bool, target: Path | None, **given: Any
) -> int:
    """Bring in the consents and refusals of another system (CSV).

    Each line becomes a receipt with its true date. What was said here since goes on counting, and
    the same line is recorded once, so a broken import is simply run again. Try --dry-run first.
    More than 2,000 lines or 4 MB go by a job, which goes on after Ctrl-C.
    """
    content = read_list(file)
    dry_run = given.pop("dry_run")
    said = {
        "declared_adult": "true" if given.pop("declared_adult") else None,
        "ip": "keep" if given.pop("keep_ip") else None,
        "confirm": "send" if given.pop("confirm") else None,
        "from": given.pop("origin"),
        "list": given.pop("audience"),
        **given,
    }
    if by_job or is_long(content, MOST_ROWS):
        if file == STDIN:
            raise click.UsageError("A job needs a FILE.")
        return _by_job(work, Path(file), target, {**said, "dry_run": dry_run})
    report = work.portal.call(
        "POST",
        work.portal.clinic_path("imports"),
        query={**said, "dry_run": "1" if dry_run else None},
        data=content,
        headers={"Content-Type": "text/csv"},
    ).json()
    work.show(report, _print_report)
    return Exit.IN_PART if report["outcomes"]["rejected"] else Exit.DONE


def _by_job(work: Work, source: Path, target: Path | None, said: dict[str, Any]) -> int:
    target = target or source.with_name(f"{source.stem}.report.csv")
    refuse_same(source, target)
    asked = {"kind": "import", **{name: value for name, value in said.items() if value}}
    job = carry_out(work, begin(work, asked, source, target))
    work.show({"output": str(target), "job": job["id"], "outcomes": job["counts"]}, _print_outcomes)
    if not work.output.as_json:
        print_faults(work, job)
        work.output.say(f"Saved {target}: what became of every line.", "green")
        _say_if_dry(work.output, dry_run=bool(said["dry_run"]))
    return exit_code(job)


def _print_outcomes(output: Output, report: Any) -> None:
    rows = [(name, count) for name, count in report["outcomes"].items() if count]
    output.table(("Outcome", "Lines"), rows)


def _say_if_dry(output: Output, *, dry_run: bool) -> None:
    if dry_run:
        output.say("Nothing was recorded: this was a dry run.", "green")


def _print_report(output: Output, report: Any) -> None:
    _print_outcomes(output, report)
    states = [
        (question, state, count)
        for question, counts in report["states"].items()
        for state, count in counts.items()
    ]
    if states:
        output.table(("Decision", "State", "Lines"), states)
    rejected = [each for each in report["lines"] if each["outcome"] == "rejected"]
    if rejected:
        output.warn(f"{counted(len(rejected), 'line')} rejected:")
    for each in rejected[:_SHOWN]:
        output.say(f"  line {each['line']}: {each.get('detail') or each.get('reason')}")
    if len(rejected) > _SHOWN:
        output.say("  … --json lists all.")
    _say_if_dry(output, dry_run=report["dry_run"])
