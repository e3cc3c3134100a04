"""Commands on recipients that are told of decisions, and on what they were told."""

from collections.abc import Sequence
from typing import Any

import click

from infra.operator.cli.command import Work, group, in_a_terminal
from infra.operator.cli.output import Output, minute

_DAY = 86_400
_HOUR = 3_600


@group("webhook")
def webhook() -> None:
    """Set up recipients that are told of decisions."""


@webhook.subcommand("list", example="consent webhook list")
@click.pass_obj
def list_webhooks(work: Work) -> None:
    """List the recipients, and how sending to each goes."""
    work.show(work.portal.get(work.portal.clinic_path("webhooks")), _print_webhooks)


def _print_webhooks(output: Output, value: Any) -> None:
    rows = []
    for each in value["webhooks"]:
        state = "valid"
        if each["disabled_since"]:
            state = f"disabled: {each['disabled_because']}"
        elif each["failures_in_a_row"]:
            state = f"{each['failures_in_a_row']} failures"
        where = each["url"] or each["email"]
        rows.append((each["name"], where, ", ".join(each["purposes"]), state))
    headings = ("Name", "Where", "Decisions", "State")
    output.table(headings, rows, wrapping=("Where", "Decisions", "State"))


@webhook.subcommand(
    "set",
    example="consent webhook set news --url https://tool.example/hook --purpose newsletter",
)
@click.argument("name")
@click.option("--url", metavar="URL", help="https address that is called.")
@click.option("--mail-to", metavar="ADDRESS", help="Instead: who acknowledges on a page.")
@click.option(
    "--purpose",
    "purposes",
    multiple=True,
    metavar="DECISION",
    help="What it hears of; may be repeated.",
)
@click.option("--recipient", metavar="OPTION", help="Option of data_sharing that stands for it.")
@click.option(
    "--event", "events", multiple=True, metavar="EVENT", help="Only this; may be repeated."
)
@click.pass_obj
def set_webhook(
    work: Work,
    *,
    name: str,
    url: str | None,
    mail_to: str | None,
    purposes: Sequence[str],
    recipient: str | None,
    events: Sequence[str],
) -> None:
    """Keep a recipient, new or changed.

    A new secret is printed once.
    """
    if bool(url) == bool(mail_to):
        raise click.UsageError("Give --url, or --mail-to for a recipient without a program.")
    asked = {
        "url": url,
        "email": mail_to,
        "purposes": list(purposes),
        "recipient": recipient,
        "events": list(events),
    }
    body = {each: value for each, value in asked.items() if value}
    path = work.portal.clinic_path("webhooks", name)
    work.show(work.portal.call("PUT", path, json=body).json(), _print_secret)


@webhook.subcommand("rotate", example="consent webhook rotate news")
@click.argument("name")
@click.pass_obj
def rotate(work: Work, *, name: str) -> None:
    """Give a recipient a new secret; for a day both sign."""
    path = work.portal.clinic_path("webhooks", name, "rotate")
    work.show(work.portal.post(path, {}), _print_secret)


def _print_secret(output: Output, value: Any) -> None:
    output.say(f"{value['name']} is told of {', '.join(value['purposes'])}.")
    if value["secret"]:
        output.say("Its secret, shown only once:")
        output.line(value["secret"])
    elif value["url"]:
        again = f"`consent webhook rotate {value['name']}` gives another."
        output.say(f"Its secret was shown before: {again}")


@webhook.subcommand("test", example="consent webhook test news")
@click.argument("name")
@click.pass_obj
def test(work: Work, *, name: str) -> None:
    """Send a recipient a test event."""
    answer = work.portal.post(work.portal.clinic_path("webhooks", name, "test"), {})
    work.show(answer, lambda output, value: output.say(f"In its queue: {value['id']}"))


@webhook.subcommand("remove", example="consent webhook remove news")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Without asking.")
@click.pass_obj
def remove(work: Work, *, name: str, yes: bool) -> None:
    """Take a recipient away: it is told nothing more."""
    if not yes and in_a_terminal():
        click.confirm(f"Remove {name}? It is told nothing more.", abort=True, err=True)
    answer = work.portal.call("DELETE", work.portal.clinic_path("webhooks", name)).json()
    work.show(answer, lambda output, value: output.say(f"{value['name']} is removed."))


@group("deliveries")
def deliveries() -> None:
    """List, acknowledge and repeat what recipients were told."""


@deliveries.subcommand("list", example="consent deliveries list --open")
@click.option(
    "--open", "unacknowledged", is_flag=True, help="Only what no recipient has said to be done."
)
@click.option("--recipient", metavar="NAME", help="Only of this recipient.")
@click.option("--since", metavar="TIME", help="Only events from then on (RFC 3339).")
@click.option(
    "--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most so many."
)
@click.pass_obj
def list_deliveries(
    work: Work, *, unacknowledged: bool, recipient: str | None, since: str | None, limit: int
) -> None:
    """List what recipients were told, the oldest first."""
    query = {
        "acknowledged": "false" if unacknowledged else None,
        "recipient": recipient,
        "since": since,
    }
    path = work.portal.clinic_path("deliveries")
    found = list(work.portal.pages(path, query, "deliveries", limit=limit))
    work.show({"deliveries": found}, _print_deliveries)


def _print_deliveries(output: Output, value: Any) -> None:
    rows = [
        (each["id"], each["recipient"], each["type"], _age(each), _stands(each))
        for each in value["deliveries"]
    ]
    headings = ("Delivery", "Recipient", "Event", "Age", "Stands")
    output.table(headings, rows, wrapping=("Recipient", "Event", "Stands"))


def _age(delivery: Any) -> str:
    seconds = delivery["age_seconds"]
    if seconds >= _DAY:
        return f"{seconds // _DAY} d"
    return f"{seconds // _HOUR} h" if seconds >= _HOUR else f"{seconds // 60} min"


def _stands(delivery: Any) -> str:
    if delivery["acknowledged_at"]:
        return "done"
    if delivery["received_at"]:
        return "received"
    if delivery["next_try"]:
        return f"try {delivery['tries'] + 1} at {minute(delivery['next_try'])}"
    return "failed" if delivery["tries"] else "waits"


@deliveries.subcommand("acknowledge", example="consent deliveries acknowledge msg_019ad3b2c5f07c9e")
@click.argument("numbers", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def acknowledge(work: Work, *, numbers: Sequence[str]) -> None:
    """Say that what was told is done, not merely received."""
    _each(work, numbers, "acknowledge", "is done")


@deliveries.subcommand("redeliver", example="consent deliveries redeliver msg_019ad3b2c5f07c9e")
@click.argument("numbers", nargs=-1, required=True, metavar="ID...")
@click.pass_obj
def redeliver(work: Work, *, numbers: Sequence[str]) -> None:
    """Tell it again, under the same id, with ten tries more."""
    _each(work, numbers, "redeliver", "is in the queue")


def _each(work: Work, numbers: Sequence[str], deed: str, said: str) -> None:
    changed = []
    for number in numbers:
        path = work.portal.clinic_path("deliveries", number, deed)
        changed.append(work.portal.post(path, {}))
        if not work.output.as_json:
            work.output.say(f"{number} {said}.")
    if work.output.as_json:
        work.output.result({"deliveries": changed})
