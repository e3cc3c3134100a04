"""Commands that ask: the status of people, the history of one, and a receipt."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from infra.operator.cli.command import Work, command, group
from infra.operator.cli.errors import CommandError, Exit
from infra.operator.cli.files import save
from infra.operator.cli.output import Output
from infra.operator.cli.subjects import (
    Named,
    many_subjects,
    one_subject,
    place_in_file,
    subject_options,
)

AT_ONCE = 100
"""How many people the API is asked about in one call."""

TEXT_FORMATS = {"json", "jws", "sd-jwt", "kantara", "dpv", "fhir-r4", "fhir-r5", "html"}
FORMATS = sorted(TEXT_FORMATS | {"pdf"})


@command(
    "status",
    example="""
    consent status --email anna@example.org --purpose newsletter.email
    consent status contacts.txt --json > answers.json
    """,
)
@click.argument("file", required=False)
@subject_options
@click.option("--purpose", "purposes", multiple=True, help="Only this one; may be repeated.")
@click.option("--at", metavar="TIME", help="What was true then (RFC 3339).")
@click.option("--known-at", metavar="TIME", help="As it was known then.")
@click.option("--changed-since", metavar="TIME", help="Say what is another now than then.")
@click.option("--require", is_flag=True, help="Exit with 1 unless everything asked is permitted.")
@click.pass_obj
def status(
    work: Work,
    *,
    file: str | None,
    email: str | None,
    phone: str | None,
    patient_ref: str | None,
    purposes: Sequence[str],
    at: str | None,
    known_at: str | None,
    changed_since: str | None,
    require: bool,
) -> int:
    """Ask what is permitted for one person or many.

    FILE has a contact a line: an e-mail, a phone, or ref: and the clinic's own number. With - it
    is stdin, so that no contact stands in the shell's history. Each look-up is audited.
    """
    named = many_subjects(email, phone, patient_ref, file)
    asked = {
        "purposes": list(purposes) or None,
        "at": at,
        "known_at": known_at,
        "changed_since": changed_since,
    }
    question = {name: value for name, value in asked.items() if value is not None}
    answer: dict[str, Any] = {"results": []}
    for people in _batches(named):
        body = {**question, "subjects": [each.subject for each in people]}
        path = work.portal.clinic_path("status")
        got = work.portal.post(path, body, place_of=place_in_file(people))
        answer = {**got, "results": answer["results"] + got["results"]}
    work.show(answer, lambda output, value: _print_status(output, value, named))
    if require and not all(_all_permitted(result) for result in answer["results"]):
        return Exit.REFUSED
    unread = [result for result in answer["results"] if "error" in result]
    if not unread:
        return Exit.DONE
    return Exit.REFUSED if len(unread) == len(named) else Exit.IN_PART


def _batches(named: list[Named]) -> Iterator[list[Named]]:
    for start in range(0, len(named), AT_ONCE):
        yield named[start : start + AT_ONCE]


def _all_permitted(result: Any) -> bool:
    decisions = result.get("decisions") or {}
    return bool(decisions) and all(each["permitted"] for each in decisions.values())


def _print_status(output: Output, answer: Any, named: Sequence[Named]) -> None:
    several = len(named) > 1
    rows: list[tuple[Any, ...]] = []
    for each, result in zip(named, answer["results"], strict=True):
        whom = next(iter(each.subject.values()))
        if "error" in result:
            place = f"{each.place}: " if each.place else ""
            output.warn(f"{place}{result['error']['detail']} Nothing is permitted.")
            continue
        for question, found in result["decisions"].items():
            notes = " (restricted)" if found["restricted"] else ""
            notes += " (changed)" if found.get("changed") else ""
            since = found["since_date"] or (found["since"] or "")[: len("2026-11-29")]
            told = (question, found["state"] + notes, found["permitted"], since)
            rows.append((whom, *told) if several else (*told, found["channel"]))
    headings = ("Decision", "State", "Permitted", "Since (UTC)")
    if several:
        output.table(("Contact", *headings), rows, wrapping=("Contact",))
    else:
        output.table((*headings, "Channel"), rows, wrapping=("Channel",))


@command("history", example="consent history --patient-ref P-10482")
@subject_options
@click.pass_obj
def history(work: Work, *, email: str | None, phone: str | None, patient_ref: str | None) -> None:
    """List every receipt of one person, oldest first."""
    body: dict[str, Any] = {"subject": one_subject(email, phone, patient_ref)}
    receipts: list[Any] = []
    withheld = 0
    while True:
        page = work.portal.post(work.portal.clinic_path("history"), body)
        receipts += page["receipts"]
        withheld += page.get("withheld", 0)
        if "cursor" not in page:
            break
        body["cursor"] = page["cursor"]
    answer = {"receipts": receipts, **({"withheld": withheld} if withheld else {})}
    work.show(answer, _print_history)


def _print_history(output: Output, answer: Any) -> None:
    rows = []
    for receipt in answer["receipts"]:
        answers = [f"{name}: {entry['answer']}" for name, entry in receipt["decisions"].items()]
        when = receipt.get("effective_date") or receipt["effective_at"][: len("2026-11-29")]
        rows.append((receipt["version"], when, ",\n".join(answers), receipt["id"]))
    output.table(("No.", "Decided", "Answers", "Receipt"), rows, wrapping=("Answers",))
    if not rows:
        output.say("There is no receipt: nobody is known by this contact.")
    if answer.get("withheld"):
        output.warn(
            f"{answer['withheld']} more hold decisions that this key's controller does not share."
        )


@group("receipt")
def receipt() -> None:
    """Get a receipt, signed or as a document."""


@receipt.subcommand(
    "get", example="consent receipt get c4045aadd4e249d0ec32169232b4ee77 --format jws -o anna.jws"
)
@click.argument("number", metavar="ID")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="json",
    help="What it is written as.",
    show_default=True,
)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; stdout otherwise.",
)
@click.pass_obj
def get_receipt(work: Work, *, number: str, form: str, target: Path | None) -> None:
    """Get one receipt.

    ID is the `receipt_id` of a status. A receipt that waits to be signed is asked for again.
    """
    path = work.portal.clinic_path("receipts", number)
    answer = work.portal.call("GET", path, query={"format": form})
    if target is not None:
        save(target, answer.content)
        work.output.say(f"Saved {target}.")
        return
    if form not in TEXT_FORMATS and sys.stdout.isatty():
        raise CommandError(
            f"A {form} is nothing to read in a terminal. Name a file: -o receipt.{form}."
        )
    work.output.raw(answer.content)
    if sys.stdout.isatty():
        click.echo()
