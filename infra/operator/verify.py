"""The command that verifies receipts offline, with nothing but the files and the public keys.

consent operator verify receipt.jws --jwks jwks.json
consent operator verify receipt.json --signature receipt.jws --jwks jwks.json
"""

import argparse
from pathlib import Path

from infra.operator.arguments import Commands, add_command
from infra.operator.cli.receipt_checks import check_files, print_checks, read_key_set


def add_to(commands: Commands) -> None:
    """Add the command to a parser's commands."""
    purpose = "verify signed receipts without the portal, offline"
    command = add_command(commands, "verify", purpose, run)
    command.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a signed receipt, or its JSON"
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
    command.set_defaults(offline=True)


def run(arguments: argparse.Namespace) -> int:
    """Verify each file, then the receipts of each person as a chain; return 0 if all is right."""
    jwks = read_key_set(arguments.jwks)
    found = check_files(arguments.files, jwks, arguments.signature, arguments.clinic)
    return 0 if print_checks(*found) else 1
