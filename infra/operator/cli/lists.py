"""The command that cleans a list for a mailing, and what all commands on lists share.

A list that fits into one call goes by that; a longer one by a job. Contacts are in files and never
in the command line.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.errors import CommandError, Exit
from infra.operator.cli.files import save
from infra.operator.cli.list_certificates import (
    certificate_facts,
    certificate_file,
    require_certificate,
    save_certificate,
    statement_of,
)
from infra.operator.cli.long_jobs import begin, carry_out
from infra.operator.cli.output import Output
from infra.operator.cli.subjects import STDIN

MOST_BYTES = 4_000_000
"""What one call takes of any list; a longer one goes by a job."""

MOST_ROWS = 10_000
"""How many rows one call of `scrub` takes."""

SHOWN = 20
"""How many broken lines are named; the mode `broken` lists all."""

MODES = ["permitted", "annotate", "blocklist", "broken"]
TARGETS = ["mailchimp", "hubspot", "brevo", "listmonk", "spreadsheet"]
ENCODINGS = ["utf-8", "utf-16-le", "utf-16-be", "windows-1257", "windows-1251", "windows-1252"]


@command(
    "scrub",
    example="""
    consent scrub audience.csv --purpose newsletter.email
    consent scrub all.csv --purpose newsletter.email --mode blocklist --for brevo
    """,
)
@click.argument("file")
@click.option("--purpose", required=True, metavar="DECISION", help="What the mailing is for.")
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default="permitted",
    show_default=True,
    help="Which rows come back.",
)
@click.option(
    "--for", "target_tool", type=click.Choice(TARGETS), help="Tool of a blocklist; or spreadsheet."
)
@click.option(
    "-o",
    "--output",
    "target",
    metavar="FILE",
    help="File to write, - for stdout; LIST.permitted.csv otherwise.",
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
def scrub(
    work: Work,
    *,
    file: str,
    purpose: str,
    mode: str,
    target_tool: str | None,
    target: str | None,
    column: str | None,
    delimiter: str | None,
    encoding: str | None,
    by_job: bool,
) -> int:
    """Keep of a mailing list (CSV) who may be written to.

    Every row is compared with the consents, and comes back byte for byte. A row that cannot be read
    is never permitted, and told with its line. The signed certificate is checked and saved beside
    the list, as FILE.certificate.jwt; it says until when the list may be used. FILE may be - for
    stdin. More than 10,000 rows or 4 MB go by a job, which goes on after Ctrl-C.
    """
    content = read_list(file)
    query = {
        "purpose": purpose,
        "mode": mode,
        "for": target_tool,
        "column": column,
        "delimiter": delimiter,
        "encoding": encoding,
    }
    saved = _target(file, target, mode, target_tool)
    if by_job or is_long(content, MOST_ROWS):
        return _scrub_by_job(work, file, query, saved)
    answer = work.portal.call(
        "POST",
        work.portal.clinic_path("scrub"),
        query=query,
        data=content,
        headers={"Content-Type": "text/csv"},
    )
    signed = answer.headers["Consent-Certificate"]
    sha256 = hashlib.sha256(answer.content).hexdigest()
    certificate = require_certificate(work, signed, sha256)
    lines = [
        int(each)
        for each in answer.headers.get("Consent-Broken-Lines", "").split(",")
        if each.strip()
    ]
    report = {
        "output": str(saved) if saved else None,
        "certificate": None,
        "broken_lines": lines,
        "signed": signed,
        "statement": certificate.document,
    }
    if saved is None:
        work.output.raw(answer.content)
    else:
        save(saved, answer.content)
        report["certificate"] = str(save_certificate(signed, saved))
    _tell(work, report)
    return Exit.DONE


def is_long(content: bytes, most_rows: int) -> bool:
    """Tell whether a list is more than one call takes; line ends in cells count as rows."""
    return len(content) > MOST_BYTES or content.count(b"\n") > most_rows


def _scrub_by_job(work: Work, file: str, query: dict[str, Any], saved: Path | None) -> int:
    if file == STDIN or saved is None:
        raise click.UsageError("So long a list needs a FILE, and a file to write: -o FILE.")
    asked = {"kind": "scrub", **{name: value for name, value in query.items() if value}}
    job = carry_out(work, begin(work, asked, Path(file), saved))
    report = {
        "job": job["id"],
        "output": str(saved),
        "certificate": str(certificate_file(saved)),
        "broken_lines": [each["line"] for each in job["faults"]["first"]],
        "signed": job["certificate"],
        "statement": statement_of(job["certificate"]),
    }
    _tell(work, report)
    return Exit.DONE


def _tell(work: Work, report: dict[str, Any]) -> None:
    if work.output.as_json and report["output"]:
        work.output.result(report)
    else:
        _print_report(work.output, report)


def read_list(file: str) -> bytes:
    """Return the bytes of a list, from a file or stdin."""
    if file == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read ({error.strerror}).") from error


def refuse_same(file: str | Path, target: Path) -> None:
    """Raise click.UsageError where a result would be saved over the file that it is made from."""
    if file != STDIN and target.resolve() == Path(file).resolve():
        raise click.UsageError("The result would take the place of the list. Name another -o FILE.")


def _target(file: str, target: str | None, mode: str, tool: str | None) -> Path | None:
    """Return where the list is saved, None for stdout; never over the list that was given."""
    if target == STDIN or (target is None and file == STDIN):
        return None
    if target is not None:
        chosen = Path(target)
    else:
        source = Path(file)
        kind = f"{mode}-{tool}" if tool else mode
        chosen = source.with_name(f"{source.stem}.{kind}{source.suffix or '.csv'}")
    refuse_same(file, chosen)
    return chosen


def _print_report(output: Output, report: Any) -> None:
    """Say what came of a list, on stderr: the list itself may be on stdout."""
    told = report["statement"]
    for name, value in certificate_facts(told).items():
        output.say(f"{name + ':':<19}{value}")
    if report["broken_lines"]:
        lines = report["broken_lines"]
        shown = ", ".join(map(str, lines[:SHOWN])) + (" …" if len(lines) > SHOWN else "")
        output.warn(f"Not readable, and so not permitted: line {shown}.")
    if report["output"]:
        output.say(f"Saved {report['output']} and {report['certificate']}.", "green")
    else:
        output.warn("The certificate was checked, and not saved: the list went to stdout.")
