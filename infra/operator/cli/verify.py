"""The command that verifies signed receipts, with the portal's published keys or offline."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from infra.operator.cli.command import Work, command
from infra.operator.cli.errors import Exit
from infra.operator.cli.list_certificates import (
    check_certificate,
    is_certificate,
    print_certificate,
)
from infra.operator.cli.portal import Portal
from infra.operator.cli.profiles import Profile, normal_url
from infra.operator.cli.receipt_checks import (
    all_right,
    check_files,
    print_checks,
    read_key_set,
    read_text,
    require_key_set,
)

_FILE = click.Path(dir_okay=False, path_type=Path)


@command(
    "verify",
    example="""
    consent verify anna.jws
    consent verify anna.jws --jwks jwks.json
    consent verify audience.permitted.csv.certificate.jwt
    """,
)
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="FILE...")
@click.option("--jwks", type=_FILE, help="The portal's public keys as a file: works offline.")
@click.option("--url", metavar="URL", help="Portal whose published keys are used, without a login.")
@click.option("--signature", type=_FILE, help="Signature of the one FILE, if that is plain JSON.")
@click.option(
    "--list", "list_file", type=_FILE, help="List of a certificate; LIST.certificate.jwt otherwise."
)
@click.pass_obj
def verify(
    work: Work,
    *,
    files: Sequence[Path],
    jwks: Path | None,
    url: str | None,
    signature: Path | None,
    list_file: Path | None,
) -> int:
    """Verify signed receipts and certificates of lists.

    Several receipts of one person are checked as a chain. A certificate is checked with the list
    beside it: its hash, and whether it is valid still.

    The keys are fetched from the portal's /.well-known/jwks.json, or taken from --jwks.
    With --clinic the receipts must be of that clinic.
    """
    keys = read_key_set(jwks) if jwks else _published_keys(work, url)
    lists = {path for path in files if is_certificate(read_text(path))}
    if list_file and (len(lists) != 1 or len(files) != 1):
        raise click.UsageError("--list belongs to the certificate of that one list.")
    certificates = [
        check_certificate(path, read_text(path), keys, work.clinic, list_file)
        for path in files
        if path in lists
    ]
    receipts = [path for path in files if path not in lists]
    checked, chains = check_files(receipts, keys, signature, work.clinic)
    if work.output.as_json:
        results = [each.described() for each in checked]
        results += [each.described() for each in certificates]
        work.output.result({"files": results, "chains": [each.described() for each in chains]})
    else:
        print_checks(checked, chains)
        for each in certificates:
            print_certificate(work.output, each)
    right = all_right(checked, chains) and not any(each.faults for each in certificates)
    return Exit.DONE if right else Exit.REFUSED


def _published_keys(work: Work, url: str | None) -> Mapping[str, Any]:
    portal = Portal.of(Profile(normal_url(url)), work.output.say) if url else work.portal
    path = "/.well-known/jwks.json"
    return require_key_set(portal.get(path), portal.profile.url + path)
