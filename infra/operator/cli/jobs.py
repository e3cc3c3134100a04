"""Commands on jobs: what is being done with long lists at the portal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from infra.operator.cli.command import Work, group
from infra.operator.cli.errors import CommandError
from infra.operator.cli.kept_jobs import KeptJob
from infra.operator.cli.lists import refuse_same
from infra.operator.cli.long_jobs import carry_out, exit_code, print_faults
from infra.operator.cli.output import Output, minute

_FILE = click.Path(dir_okay=False, path_type=Path)


@group("jobs")
def jobs() -> None:
    """List, show, cancel and resume jobs on long lists."""


@jobs.subcommand("list", example="consent jobs list --limit 20")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many."
)
@click.pass_obj
def list_jobs(work: Work, *, limit: int) -> None:
    """List the jobs that your key made, the newest first."""
    path = work.portal.clinic_path("jobs")
    found = list(work.portal.pages(path, {}, "jobs", limit=limit))
    work.show({"jobs": found}, _print_jobs)


def _print_jobs(output: Output, value: Any) -> None:
    rows = []
    for each in value["jobs"]:
        done = each["rows"]["done"]
        made = minute(each["created_at"])
        rows.append((each["id"], each["kind"], each["state"], made, done, each["faults"]["count"]))
    headings = ("Job", "Kind", "State", "Made (UTC)", "Rows", "Faults")
    output.table(headings, rows, wrapping=("Made (UTC)",))


@jobs.subcommand("show", example="consent jobs show e5dd45ab5e8a52f46a29a8dd208a08e")
@click.argument("number", metavar="ID")
@click.pass_obj
def show(work: Work, *, number: str) -> None:
    """Show how a job stands.

    With the first rows that were not carried out.
    """
    job = work.portal.get(work.portal.clinic_path("jobs", number))
    work.show(job, _print_job)
    if not work.output.as_json:
        print_faults(work, job)


def _print_job(output: Output, job: Any) -> None:
    total = job["rows"]["total"]
    facts = {
        "Job": job["id"],
        "Kind": job["kind"],
        "State": job["state"],
        "Made (UTC)": minute(job["created_at"]),
        "Finished (UTC)": minute(job["finished_at"]),
        "Files until (UTC)": minute(job["expires_at"]),
        "Rows": f"{job['rows']['done']} of {'?' if total is None else total}",
    }
    facts.update({name.capitalize(): str(number) for name, number in job["counts"].items()})
    if job.get("problem"):
        facts["Problem"] = job["problem"]
    output.facts(facts)


@jobs.subcommand("cancel", example="consent jobs cancel e5dd45ab5e8a52f46a29a8dd208a08e")
@click.argument("number", metavar="ID")
@click.pass_obj
def cancel(work: Work, *, number: str) -> None:
    """Cancel a job: it gives no result."""
    job = work.portal.post(work.portal.clinic_path("jobs", number, "cancel"), {})
    kept = KeptJob.find(number)
    if kept:
        kept.forget()
    work.show(job, lambda output, value: output.say(f"The job is {value['state']}."))


@jobs.subcommand("resume", example="consent jobs resume e5dd45ab5e8a52f46a29a8dd208a08e")
@click.argument("number", metavar="ID")
@click.option("--file", "source", type=_FILE, help="Send this file: the first was faulty.")
@click.option("-o", "--output", "target", type=_FILE, help="File to write, if not as before.")
@click.pass_obj
def resume(work: Work, *, number: str, source: Path | None, target: Path | None) -> int:
    """Go on with a job after Ctrl-C or a failure.

    The file is sent if it was not, a failed job goes on where it broke, and the result is saved
    where the first command was told to.
    """
    profile = work.portal.profile
    kept = KeptJob.find(number) or KeptJob(number, profile.url, profile.clinic, None, None)
    if (kept.url, kept.clinic) != (profile.url, profile.clinic):
        message = f"That job is of {kept.clinic} at {kept.url}. Choose its profile."
        raise CommandError(message)
    if source:
        kept = replace(kept, source=str(source.resolve()))
    if target:
        kept = replace(kept, target=str(target.resolve()))
    if kept.source and kept.target:
        refuse_same(kept.source, Path(kept.target))
    job = carry_out(work, kept, again=source is not None)
    work.show(job, lambda output, value: output.say(f"The job is {value['state']}."))
    if not work.output.as_json:
        print_faults(work, job)
        if kept.target:
            work.output.say(f"Saved {kept.target}.")
    return exit_code(job)
