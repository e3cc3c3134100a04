"""The command that saves a clinic's QR codes for print and screen."""

from pathlib import Path

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.errors import CommandError
from infra.operator.cli.files import save

FORMS = ["svg", "png"]


@command("poster", example="consent poster signup --lang lv --source desk -o signup.svg")
@click.argument("kind", type=click.Choice(["signup", "withdraw"]))
@click.option("--lang", metavar="LANG", help="Language of the page it leads to.")
@click.option("--source", metavar="NAME", help="Where it hangs; receipts name it.")
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write: .svg or .png.",
)
@click.pass_obj
def poster(
    work: Work, *, kind: str, lang: str | None, source: str | None, target: Path | None
) -> None:
    """Save a clinic's QR code; without -o print its address. No key is needed."""
    profile = work.portal.profile
    if not profile.clinic:
        raise CommandError("No clinic is chosen. Add --clinic ID, or run `consent login`.")
    form = target.suffix.removeprefix(".").lower() if target else FORMS[0]
    if form not in FORMS:
        raise click.UsageError(f"-o takes a file that ends in {' or '.join(FORMS)}.")
    path = f"/{profile.clinic}/qr/{kind}.{form}"
    answer = work.portal.call("GET", path, query={"lang": lang, "src": source})
    if target:
        save(target, answer.content)
    result = {"url": answer.url, "file": str(target) if target else None}
    if work.output.as_json:
        work.output.result(result)
    elif target:
        work.output.say(f"Saved {target}.")
    else:
        work.output.line(answer.url)
