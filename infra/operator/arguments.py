"""How the operator's commands are added to the parser, and the error by which they stop.

Every command has one sentence of purpose. It stands in the list of commands and in the command's
own `--help`.
"""

import argparse
from collections.abc import Callable
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse names no other type
"""The place in a parser to which commands are added."""

Run = Callable[[argparse.Namespace], int | None]
"""Carries out a command and returns its exit code; None is 0."""


class CommandError(Exception):
    """A command cannot be carried out; the message says why, and what to do."""


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


def _as_sentence(purpose: str) -> str:
    return f"{purpose[0].upper()}{purpose[1:]}."
