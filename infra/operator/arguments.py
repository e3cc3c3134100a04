"""What the operator's commands share: how one is added to the parser, and how one stops.

Every command has one sentence of purpose. It stands in the list of commands and in the command's
own `--help`.
"""

import argparse
import os
from collections.abc import Callable
from typing import TypeAlias

from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.table import Table
from infra.operator.cli.errors import CommandError

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse names no other type
"""The place in a parser to which commands are added."""

Run = Callable[[argparse.Namespace], int | None]
"""Carries out a command and returns its exit code; None is 0."""


def add_command(commands: Commands, name: str, purpose: str, run: Run) -> argparse.ArgumentParser:
    """Add a command; return its parser, for its arguments."""
    command = commands.add_parser(name, help=purpose, description=_as_sentence(purpose))
    command.set_defaults(run=run)
    return command


def add_group(commands: Commands, name: str, purpose: str) -> Commands:
    """Add a command that only has commands of its own; return the place for them."""
    group = commands.add_parser(name, help=purpose, description=_as_sentence(purpose))
    return group.add_subparsers(required=True, metavar="COMMAND")


def add_clinic(command: argparse.ArgumentParser) -> None:
    """Add the argument that names a clinic."""
    command.add_argument("clinic", help="the clinic's id, such as riga-aesthetics")


def no_such_clinic(clinic: str) -> CommandError:
    """Return the error for a clinic that is not published."""
    remedy = "Check its id, or publish its file first."
    return CommandError(f"No clinic “{clinic}” is published. {remedy}")


def require_clinic(table: Table, clinic: str) -> None:
    """Raise CommandError unless a clinic is published."""
    if not table.get([clinic_key(clinic)]):
        raise no_such_clinic(clinic)


def key_arn() -> str:
    """Return the KMS key that wraps data keys; raise CommandError where the environment has none."""
    arn = os.environ.get("CLINIC_KEY_ARN", "")
    if not arn:
        reason = "it names the KMS key that wraps data keys. `make deploy` prints it."
        raise CommandError(f"CLINIC_KEY_ARN is not set: {reason}")
    return arn


def _as_sentence(purpose: str) -> str:
    return f"{purpose[0].upper()}{purpose[1:]}."
