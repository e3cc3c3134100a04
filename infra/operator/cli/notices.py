"""Commands on what patients read: check a clinic's file, and take a notice to publication."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from chalicelib.notices.document import check as check_document
from chalicelib.notices.document import read_clinic, warnings_of
from chalicelib.presentation.authorities import authorities
from infra.operator.cli.clinic_file import ClinicFile, FileError
from infra.operator.cli.command import Work, group, in_a_terminal
from infra.operator.cli.errors import CommandError, Exit
from infra.operator.cli.files import save
from infra.operator.cli.output import Output, minute

_FILE = click.Path(dir_okay=False, path_type=Path)
SHORT_HASH = 12
"""So many digits of a SHA-256 are enough to name the text that was read."""


@group("clinic")
def clinic() -> None:
    """Check the file that describes a clinic."""


@clinic.subcommand("check", example="consent clinic check my-clinic.yaml")
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="FILE...")
@click.pass_obj
def check(work: Work, *, files: Sequence[Path]) -> int:
    """Check clinics' files: every fault with its line and remedy. No portal is needed."""
    results = [_check(path) for path in files]
    work.show({"files": results}, _print_checked)
    return Exit.REFUSED if any(each["faults"] for each in results) else Exit.DONE


def _check(path: Path) -> dict[str, Any]:
    """Return the faults and warnings of a file, a line each."""
    result: dict[str, Any] = {"file": str(path), "faults": [], "warnings": []}
    try:
        file = ClinicFile.read(path)
        faults = check_document(file.document, authorities())
        result["faults"] = list(file.report(faults))
        result["warnings"] = list(file.report(warnings_of(file.document, _now())))
        if not faults:
            read = read_clinic(file.document)
            result.update(clinic=read.id, version=read.version, languages=list(read.languages))
            for question, reason in read.unconfirmed_reasons.items():
                result["warnings"].append(f"A Yes to {question} counts unconfirmed: {reason}")
    except FileError as error:
        result["faults"] = str(error).splitlines()
    return result


def _print_checked(output: Output, value: Any) -> None:
    for each in value["files"]:
        for fault in each["faults"]:
            output.say(fault, "red")
        for warning in each["warnings"]:
            output.warn(warning)
        if not each["faults"]:
            which = f"{each['clinic']} {each['version']}, {', '.join(each['languages'])}"
            output.line(f"{each['file']}: {which}: ready to publish")


@group("notice")
def notice() -> None:
    """Draft, look at, approve and publish a notice."""


@notice.subcommand("list", example="consent notice list")
@click.pass_obj
def list_notices(work: Work) -> None:
    """List every version, published or not."""
    work.show(work.portal.get(work.portal.clinic_path("notices")), _print_versions)


def _print_versions(output: Output, value: Any) -> None:
    rows = []
    for each in value["notices"]:
        since = minute(each["since"]) or f"planned {each['effective'] or 'for no day yet'}"
        rows.append((each["version"], each["state"], since, each["author"], each["approver"]))
    output.table(
        ("Version", "State", "Since (UTC)", "Author", "Approved by"),
        rows,
        wrapping=("Author", "Approved by"),
    )


@notice.subcommand("draft", example="consent notice draft my-clinic.yaml")
@click.argument("file", type=_FILE)
@click.pass_obj
def draft(work: Work, *, file: Path) -> None:
    """Keep a clinic's file as a draft, complete or not.

    It says what is missing, with lines, and the sha256 by which another person approves it.
    """
    read = ClinicFile.read(file)
    read.refuse_slips()
    path = work.portal.clinic_path("notices")

    def place_of(pointer: str) -> str | None:
        return read.place(pointer.removeprefix("/"))

    answer = work.portal.post(path, read.document, place_of=place_of)
    work.show(answer, lambda output, value: _print_draft(output, value, read))


def _print_draft(output: Output, value: Any, file: ClinicFile) -> None:
    _print_version(output, value)
    output.facts({"Change": value["change"]})
    for fault in value["missing"]:
        output.warn(f"{file.place(fault['place'])}: {fault['problem']}. {fault['remedy']}.")
    for fault in value["warnings"]:
        output.warn(f"{file.place(fault['place'])}: {fault['problem']}. {fault['remedy']}.")
    _warn_unconfirmed(output, value)
    _warn_beyond_words(output, value)


@notice.subcommand("show", example="consent notice show 1.1")
@click.argument("version")
@click.pass_obj
def show(work: Work, *, version: str) -> None:
    """Show a version of the notice.

    Who wrote, approved and published it, and its sha256. With --json the whole document is in the answer.
    """
    path = work.portal.clinic_path("notices", version)
    work.show(work.portal.get(path), _print_version)


def _print_version(output: Output, value: Mapping[str, Any]) -> None:
    output.facts(
        {
            "Version": value["version"],
            "State": value["state"],
            "Effective": value["effective"],
            "In force since": minute(value["since"]) or None,
            "Written by": value["author"],
            "Approved by": value["approver"],
            "SHA-256": value["sha256"],
        }
    )


@notice.subcommand("preview", example="consent notice preview 1.1 --lang lv -o draft-lv.html")
@click.argument("version")
@click.option("--lang", metavar="LANG", help="Language of the pages; the draft's first otherwise.")
@click.option("-o", "--output", "target", type=_FILE, required=True, help="HTML file to write.")
@click.pass_obj
def preview(work: Work, *, version: str, lang: str | None, target: Path) -> None:
    """Save the pages of a version as patients would see them."""
    path = work.portal.clinic_path("notices", version, "preview")
    answer = work.portal.call("GET", path, query={"lang": lang})
    save(target, answer.content)
    result = {"file": str(target), "page_sha256": hashlib.sha256(answer.content).hexdigest()}
    work.show(result, lambda output, value: output.say(f"Saved {value['file']}."))


@notice.subcommand("approve", example="consent notice approve 1.1 --sha256 61237a0fdae9")
@click.argument("version")
@click.option(
    "--sha256",
    required=True,
    metavar="HASH",
    help="Of the text that you have read: 12 digits at least.",
)
@click.option(
    "--minor-reason", metavar="WHY", help="Why more than words may change under a MINOR number."
)
@click.pass_obj
def approve(work: Work, *, version: str, sha256: str, minor_reason: str | None) -> None:
    """Approve a draft, as another person than its author.

    The sha256 is what `notice draft` and the preview show: it names the text you approve.
    """
    path = work.portal.clinic_path("notices", version)
    whole = _whole_hash(work, path, sha256.strip().lower())
    body = {"sha256": whole, **({"minor_reason": minor_reason} if minor_reason else {})}
    answer = work.portal.post(f"{path}/approve", body)
    work.show(answer, _print_approved)


def _whole_hash(work: Work, path: str, typed: str) -> str:
    """Return the whole hash for its first digits; the draft must still be the text that was read."""
    if len(typed) < SHORT_HASH or set(typed) - set("0123456789abcdef"):
        raise click.UsageError(
            "--sha256 takes the hash that `notice draft` shows, 12 digits at least."
        )
    if len(typed) == hashlib.sha256().digest_size * 2:
        return typed
    known: str = work.portal.get(path)["sha256"]
    if not known.startswith(typed):
        raise CommandError(
            "The draft is not the text that was read: its sha256 differs. Read it again."
        )
    return known


def _print_approved(output: Output, value: Any) -> None:
    _print_version(output, value)
    _warn_unconfirmed(output, value)


@notice.subcommand("publish", example="consent notice publish 1.1 --preview")
@click.argument("version")
@click.option("--preview", "only_preview", is_flag=True, help="Only show what it would do.")
@click.option("--yes", is_flag=True, help="Publish without asking.")
@click.pass_obj
def publish(work: Work, *, version: str, only_preview: bool, yes: bool) -> None:
    """Publish an approved draft.

    It is shown first what that ends and changes.
    """
    path = work.portal.clinic_path("notices", version, "publish")
    would = work.portal.post(path, {}, query={"preview": 1})
    if only_preview:
        work.show(would, _print_impact)
        return
    if not yes:
        if not in_a_terminal():
            raise click.UsageError("Nobody can be asked here. Add --yes to publish.")
        _print_impact(Output(), would)
        click.confirm(f"Publish {version}?", abort=True, err=True)
    work.show(work.portal.post(path, {}), _print_version)


def _print_impact(output: Output, value: Any) -> None:
    output.facts(
        {
            "Version": value["version"],
            "Change": value["change"],
            "In force from": minute(value["since"]),
            "People to be asked again": value["people"],
            "Appears": ", ".join(value["appear"]),
            "Disappears": ", ".join(value["disappear"]),
            "Changed": ", ".join(value["changed"]),
            "Never in force": ", ".join(value["overtakes"]),
        }
    )
    ended = value["supersedes"]
    if ended:
        output.table(("Decision", "Consents that end"), list(ended.items()))
    _warn_beyond_words(output, value)


def _warn_unconfirmed(output: Output, value: Any) -> None:
    for each in value.get("unconfirmed", ()):
        output.warn(f"A Yes to {each['decision']} counts unconfirmed: {each['reason']}")


def _warn_beyond_words(output: Output, value: Any) -> None:
    if value.get("beyond_words"):
        output.warn("It changes more than words, so it needs a MAJOR number or a reason:")
    for each in value.get("beyond_words", ()):
        output.say("  " + "  ".join(str(part) for part in each.values() if part))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
