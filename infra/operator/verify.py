"""The command that verifies receipts and certificates of lists offline, by the files and the keys.

consent operator verify receipt.jws --jwks jwks.json
consent operator verify receipt.json --signature receipt.jws --jwks jwks.json
consent operator verify list.csv.certificate.jwt --list list.csv --jwks jwks.json
"""

import argparse
from pathlib import Path

from infra.operator.arguments import Commands, add_command
from infra.operator.cli.errors import CommandError
from infra.operator.cli.list_certificates import (
    check_certificate,
    is_certificate,
    print_certificate,
)
from infra.operator.cli.output import Output
from infra.operator.cli.receipt_checks import check_files, print_checks, read_key_set, read_text


def add_to(commands: Commands) -> None:
    """Add the command to a parser's commands."""
    purpose = "verify signed receipts and certificates of lists without the portal, offline"
    command = add_command(commands, "verify", purpose, run)
    command.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a signed receipt, its JSON, or a certificate",
    )
    command.add_argument(
        "--jwks",
        required=True,
        type=Path,
        metavar="FILE",
        help="the portal's public keys, from its /.well-known/jwks.json",
    )
    command.add_argument(
        "--signature",
        type=Path,
        metavar="FILE",
        help="the signature of the one receipt, where that is unsigned JSON",
    )
    command.add_argument("--clinic", help="id of the clinic that the receipts must be of")
    command.add_argument(
        "--list",
        type=Path,
        metavar="FILE",
        help="the list that a certificate is of; the file beside it otherwise",
    )
    command.set_defaults(offline=True)


def run(arguments: argparse.Namespace) -> int:
    """Verify each file, then the receipts of each person as a chain; return 0 if all is right."""
    jwks = read_key_set(arguments.jwks)
    certificates = [path for path in arguments.files if is_certificate(read_text(path))]
    if arguments.list and arguments.files != certificates[:1]:
        raise CommandError("--list belongs to the one certificate of that list")
    right = True
    for path in certificates:
        checked = check_certificate(path, read_text(path), jwks, arguments.clinic, arguments.list)
        print_certificate(Output(), checked)
        right = right and not checked.faults
    receipts = [path for path in arguments.files if path not in certificates]
    if receipts or not certificates:
        found = check_files(receipts, jwks, arguments.signature, arguments.clinic)
        right = print_checks(*found) and right
    return 0 if right else 1
