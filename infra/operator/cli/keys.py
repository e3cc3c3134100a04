"""Commands on the bearer keys of a clinic's workers and programs, by the API."""

from collections.abc import Sequence
from typing import Any

import click

from infra.operator.cli.command import Work, group, in_a_terminal
from infra.operator.cli.output import Output, minute


@group("key")
def key() -> None:
    """List, make, rotate and revoke keys."""


@key.subcommand("list", example="consent key list")
@click.option("--valid", is_flag=True, help="Only those that work now.")
@click.pass_obj
def list_keys(work: Work, *, valid: bool) -> None:
    """List the clinic's keys.

    Those too that ended; no secret is shown.
    """
    found = list(work.portal.pages(work.portal.clinic_path("keys"), {}, "keys"))
    if valid:
        found = [each for each in found if each["state"] == "valid"]
    work.show({"keys": found}, _print_keys)


def _print_keys(output: Output, value: Any) -> None:
    rows = []
    for each in value["keys"]:
        scopes = each["scopes"][0]
        if len(each["scopes"]) > 1:
            scopes += f" and {len(each['scopes']) - 1} more"
        ends = (each["expires_at"] or "never")[:10]
        rows.append((each["id"], each["label"], scopes, each["state"], ends, each["last_used_on"]))
    output.table(
        ("Key", "Label", "Scopes", "State", "Ends", "Last used"), rows, wrapping=("Label", "Scopes")
    )


@key.subcommand(
    "create",
    example="""
    consent key create "Newsletter tool" --scope status:read
    consent key create "Mail tool" --scope status:read | pass insert -m consent
    """,
)
@click.argument("label")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="What it may do; may be repeated.",
)
@click.option(
    "--kind",
    type=click.Choice(["program", "worker"]),
    default="program",
    show_default=True,
    help="Who uses it.",
)
@click.option("--expires-at", metavar="TIME", help="When it ends (RFC 3339); in a year otherwise.")
@click.option("--controller", metavar="ID", help="Joint controller whose questions alone it sees.")
@click.option("--idempotency-key", metavar="KEY", help="The same call with it makes no second key.")
@click.pass_obj
def create(
    work: Work,
    *,
    label: str,
    scopes: Sequence[str],
    kind: str,
    expires_at: str | None,
    controller: str | None,
    idempotency_key: str | None,
) -> None:
    """Make a key and print it on stdout; it is shown only once.

    LABEL says who uses it; the audit names it. The key has no scope that yours lacks.
    """
    body = {"label": label, "kind": kind, "scopes": list(dict.fromkeys(scopes))}
    optional = {"expires_at": expires_at, "controller": controller}
    body.update({name: value for name, value in optional.items() if value})
    path = work.portal.clinic_path("keys")
    made = work.portal.post(path, body, idempotency_key=idempotency_key)
    work.show(made, _print_secret)


@key.subcommand("rotate", example="consent key rotate key_96d7feb65a51 --overlap-hours 48")
@click.argument("number", metavar="KEY")
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, 168),
    help="How long the old secret still works; 24 otherwise.",
)
@click.option("--expires-at", metavar="TIME", help="When the key ends; in a year otherwise.")
@click.pass_obj
def rotate(work: Work, *, number: str, overlap_hours: int | None, expires_at: str | None) -> None:
    """Give a key a new secret, and print that.

    The old one goes on for a while.
    With --overlap-hours 0 the old one ends at once, as for a key that leaked.
    """
    asked = {"overlap_hours": overlap_hours, "expires_at": expires_at}
    body = {name: value for name, value in asked.items() if value is not None}
    path = work.portal.clinic_path("keys", number, "rotate")
    work.show(work.portal.post(path, body), _print_secret)


def _print_secret(output: Output, value: Any) -> None:
    if value["secret"] is None:
        output.warn(f"{value['id']} was made before; its secret is not shown again. Rotate it.")
        return
    output.say(f"{value['id']} for “{value['label']}”, until {minute(value['expires_at'])} UTC.")
    output.say("The key, shown only once:")
    output.line(value["secret"])


@key.subcommand("revoke", example="consent key revoke key_96d7feb65a51")
@click.argument("number", metavar="KEY")
@click.option("--yes", is_flag=True, help="Without asking.")
@click.pass_obj
def revoke(work: Work, *, number: str, yes: bool) -> None:
    """End a key.

    The next call with it is refused, and its links open nothing.
    """
    if not yes and in_a_terminal():
        click.confirm(f"Revoke {number}? Whatever uses it stops working.", abort=True, err=True)
    answer = work.portal.call("DELETE", work.portal.clinic_path("keys", number)).json()
    work.show(answer, lambda output, value: output.say(f"{value['id']} is revoked."))
