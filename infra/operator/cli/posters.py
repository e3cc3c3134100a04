"""The command that saves a clinic's codes, posters, cards, stickers and slide."""

from pathlib import Path

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.errors import CommandError
from infra.operator.cli.files import save

FORMS = {
    "signup": ("svg", "png", "pdf"),
    "withdraw": ("svg", "png", "pdf"),
    "both": ("pdf",),
    "card": ("pdf",),
    "stickers": ("pdf",),
    "screen": ("svg",),
}
"""What can be saved of each; a picture has the code alone, a PDF is a sheet to print."""


@command(
    "poster", example="consent poster signup --lang lv,ru --source desk --size a5 -o signup.pdf"
)
@click.argument("kind", type=click.Choice(list(FORMS)))
@click.option("--lang", metavar="LANGS", help="Up to three languages, joined by commas.")
@click.option("--source", metavar="NAME", help="Where it hangs; receipts name it.")
@click.option("--size", type=click.Choice(["a4", "a5"]), help="Of a poster; a4 if left out.")
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write: .pdf for a sheet, .svg or .png for a code alone.",
)
@click.pass_obj
def poster(
    work: Work,
    *,
    kind: str,
    lang: str | None,
    source: str | None,
    size: str | None,
    target: Path | None,
) -> None:
    """Save a clinic's poster, card, stickers, slide or code.

    Without -o it prints the address. No key is needed.
    """
    profile = work.portal.profile
    if not profile.clinic:
        raise CommandError("No clinic is chosen. Add --clinic ID, or run `consent login`.")
    forms = FORMS[kind]
    form = target.suffix.removeprefix(".").lower() if target else forms[0]
    if form not in forms:
        raise click.UsageError(f"-o takes a file that ends in {' or '.join(forms)}.")
    path = f"/{profile.clinic}/qr/{kind}.{form}"
    query = {"size": size, "lang": lang, "src": source}
    answer = work.portal.call("GET", path, query=query)
    if target:
        save(target, answer.content)
    result = {"url": answer.url, "file": str(target) if target else None}
    if work.output.as_json:
        work.output.result(result)
    elif target:
        work.output.say(f"Saved {target}.")
    else:
        work.output.line(answer.url)
