"""The command that verifies signed receipts, with the portal's published keys or offline."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.errors import Exit
from infra.operator.cli.portal import Portal
from infra.operator.cli.profiles import Profile, normal_url
from infra.operator.cli.receipt_checks import (
    all_right,
    check_files,
    print_checks,
    read_key_set,
    require_key_set,
)

_FILE = click.Path(dir_okay=False, path_type=Path)


@command(
    "verify",
    example="""
    consent verify anna.jws
    consent verify anna.jws --jwks jwks.json
    """,
)
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="FILE...")
@click.option("--jwks", type=_FILE, help="The portal's public keys as a file: works offline.")
@click.option("--url", metavar="URL", help="Portal whose published keys are used, without a login.")
@click.option("--signature", type=_FILE, help="Signature of the one FILE, if that is plain JSON.")
@click.pass_obj
def verify(
    work: Work,
    *,
    files: Sequence[Path],
    jwks: Path | None,
    url: str | None,
    signature: Path | None,
) -> int:
    """Verify signed receipts, and several of one person as a chain.

    The keys are fetched from the portal's /.well-known/jwks.json, or taken from --jwks.
    With --clinic the receipts must be of that clinic.
    """
    keys = read_key_set(jwks) if jwks else _published_keys(work, url)
    checked, chains = check_files(files, keys, signature, work.clinic)
    if work.output.as_json:
        results = [each.described() for each in checked]
        work.output.result({"files": results, "chains": [each.described() for each in chains]})
    else:
        print_checks(checked, chains)
    return Exit.DONE if all_right(checked, chains) else Exit.REFUSED


def _published_keys(work: Work, url: str | None) -> Mapping[str, Any]:
    portal = Portal.of(Profile(normal_url(url)), work.output.say) if url else work.portal
    path = "/.well-known/jwks.json"
    return require_key_set(portal.get(path), portal.profile.url + path)
