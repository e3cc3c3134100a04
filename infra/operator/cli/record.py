"""Commands that record what a patient told staff: a decision, or a withdrawal."""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.output import Output, minute
from infra.operator.cli.subjects import one_subject, subject_options

CHANNELS = ["paper", "phone", "in-person", "letter", "email", "api", "import"]


def _staff_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how and when staff were told."""
    options = [
        click.option(
            "--channel", type=click.Choice(CHANNELS), required=True, help="How the patient told it."
        ),
        click.option(
            "--effective-at",
            metavar="TIME",
            help="When it was said: RFC 3339, or a day; now otherwise.",
        ),
        click.option("--form", metavar="REF", help="Form or note in the clinic's files."),
        click.option("--sha256", metavar="HASH", help="SHA-256 of the form's scan."),
        click.option("--witness", metavar="NAME", help="Who saw or heard it."),
        click.option("--system", metavar="NAME", help="The other system (channel api or import)."),
        click.option("--lang", metavar="LANG", help="Language of the text the patient saw."),
        click.option("--notice-version", metavar="VERSION", help="Version printed on the form."),
        click.option(
            "--idempotency-key",
            metavar="KEY",
            help="The same call with the same key is recorded once.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@command(
    "record",
    example="""
    consent record --email - --yes newsletter.email --no contests \\
      --channel paper --effective-at 2026-11-20 --form "archive 2026/118"
    """,
)
@subject_options
@click.option(
    "--yes", "granted", multiple=True, metavar="DECISION", help="Answered Yes; may be repeated."
)
@click.option(
    "--no", "refused", multiple=True, metavar="DECISION", help="Answered No; may be repeated."
)
@click.option("--name", metavar="NAME", help="The patient's name.")
@_staff_options
@click.pass_obj
def record(
    work: Work,
    /,
    *,
    granted: Sequence[str],
    refused: Sequence[str],
    name: str | None,
    **given: Any,
) -> None:
    """Record a decision that a patient gave to staff.

    On paper, by phone or in person. It is recorded with its true date, and answered with the receipt.
    """
    if not granted and not refused:
        raise click.UsageError(
            "What was decided? Give --yes or --no, with newsletter.email for example."
        )
    answers = dict.fromkeys(granted, "yes") | dict.fromkeys(refused, "no")
    body = {**_said_to_staff(given), "decisions": answers, "name": name}
    _send(work, "receipts", body, given["idempotency_key"])


@command(
    "withdraw",
    example="consent withdraw --phone - --purpose newsletter.sms --channel phone",
)
@subject_options
@click.option(
    "--purpose",
    "purposes",
    multiple=True,
    metavar="DECISION",
    help="What is withdrawn; may be repeated.",
)
@click.option("--all", "everything", is_flag=True, help="Everything.")
@_staff_options
@click.pass_obj
def withdraw(work: Work, /, *, purposes: Sequence[str], everything: bool, **given: Any) -> None:
    """Record that a patient takes a Yes back; it holds at once."""
    if bool(purposes) == everything:
        raise click.UsageError("What is withdrawn? Give --purpose, or --all.")
    body = _said_to_staff(given)
    body.update({"all": True} if everything else {"purposes": list(purposes)})
    _send(work, "withdrawals", body, given["idempotency_key"])


def _said_to_staff(given: dict[str, Any]) -> dict[str, Any]:
    """Return the members that both calls have."""
    evidence = {name: given[name] for name in ("form", "sha256", "witness", "system")}
    told = {name: value for name, value in evidence.items() if value is not None}
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "subject": one_subject(given["email"], given["phone"], given["patient_ref"]),
        "channel": given["channel"],
        "effective_at": given["effective_at"] or moment,
        "evidence": told or None,
        "lang": given["lang"],
        "notice_version": given["notice_version"],
    }


def _send(work: Work, call: str, body: dict[str, Any], idempotency_key: str | None) -> None:
    sent = {name: value for name, value in body.items() if value is not None}
    key = idempotency_key or str(uuid.uuid4())
    answer = work.portal.post(work.portal.clinic_path(call), sent, idempotency_key=key)
    work.show(answer, _print_receipts)


def _print_receipts(output: Output, answer: Any) -> None:
    """Print what the receipt says, as far as this key may know it."""
    rows = []
    for question, entry in answer.get("decisions", {}).items():
        rows.append((question, entry["answer"], entry["before"], entry["after"]))
    if rows:
        output.table(("Decision", "Answer", "Before", "Now"), rows)
    output.say(f"Receipt {answer['id']}, recorded {minute(answer['recorded_at'])} UTC.")
    if answer.get("complete") is False:
        output.say("Very many people share this contact: it holds at once, receipts follow.")
