"""The command that puts a personal link into every row of a list."""

import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.errors import Exit
from infra.operator.cli.files import save
from infra.operator.cli.lists import ENCODINGS, SHOWN, is_long, read_list, refuse_same
from infra.operator.cli.long_jobs import begin, carry_out, exit_code, print_faults
from infra.operator.cli.output import counted
from infra.operator.cli.subjects import STDIN

MOST_ROWS = 1_000
"""How many rows one call takes; a longer list goes by a job."""

_DAY = 86_400
_MEMBER = re.compile(r"([\w-]+)=(\d+)")
"""A member of a dictionary in a header (RFC 9651) that is a number."""


@command(
    "links",
    example="""
    consent links audience.csv --purpose newsletter.email --lang lv --days 14
    consent links patients.csv --column "Contact" -o with-links.csv
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

    For your own mailing. The rows stay byte for byte; columns are added: url, unsubscribe_url, and
    the values of the headers List-Unsubscribe and List-Unsubscribe-Post. A row without a contact
    that can be read gets no link and is left out, told by its line. More than 1,000 rows or
    4 MB go by a job, which goes on after Ctrl-C.
    """
    content = read_list(file)
    if target is None:
        if file == STDIN:
            raise click.UsageError("Name the file to write: -o FILE.")
        source = Path(file)
        target = source.with_name(f"{source.stem}.links{source.suffix or '.csv'}")
    refuse_same(file, target)
    common = {"lang": lang, "expires_in": days * _DAY, "column": column}
    if by_job or is_long(content, MOST_ROWS):
        if file == STDIN or delimiter or encoding:
            raise click.UsageError("A job needs a FILE, and takes no --delimiter or --encoding.")
        return _by_job(work, Path(file), target, {**common, "purposes": list(purposes)})
    answer = work.portal.call(
        "POST",
        work.portal.clinic_path("links"),
        query={
            **common,
            "purposes": ",".join(purposes) or None,
            "delimiter": delimiter,
            "encoding": encoding,
        },
        data=content,
        headers={"Content-Type": "text/csv", "Idempotency-Key": str(uuid.uuid4())},
    )
    save(target, answer.content)
    lines = answer.headers.get("Consent-Broken-Lines", "")
    report = {
        "output": str(target),
        "links": _numbers(answer.headers["Consent-Links"])["linked"],
        "broken": _numbers(answer.headers.get("Consent-Broken", "")),
        "broken_lines": [int(each) for each in lines.split(",") if each.strip()],
    }
    if work.output.as_json:
        work.output.result(report)
    else:
        _tell(work, report)
    return Exit.IN_PART if report["broken"] else Exit.DONE


def _by_job(work: Work, source: Path, target: Path, wanted: dict[str, Any]) -> int:
    asked = {"kind": "links", **{name: value for name, value in wanted.items() if value}}
    job = carry_out(work, begin(work, asked, source, target))
    made = job["counts"].get("links", 0)
    if work.output.as_json:
        faults = job["faults"]
        told = {"output": str(target), "links": made, "job": job["id"]}
        lines = [each["line"] for each in faults["first"]]
        work.output.result({**told, "broken": faults["count"], "broken_lines": lines})
    else:
        print_faults(work, job)
        work.output.say(f"{counted(made, 'link')}. Saved {target}.", "green")
    return exit_code(job)


def _numbers(header: str) -> dict[str, int]:
    return {name: int(number) for name, number in _MEMBER.findall(header)}


def _tell(work: Work, report: dict[str, Any]) -> None:
    lines = report["broken_lines"]
    if lines:
        shown = ", ".join(map(str, lines[:SHOWN])) + (" …" if len(lines) > SHOWN else "")
        reasons = ", ".join(f"{name} {count}" for name, count in report["broken"].items())
        work.output.warn(f"Left out, without a link: line {shown} ({reasons}).")
    work.output.say(f"{counted(report['links'], 'link')}. Saved {report['output']}.", "green")
