"""Arguments that several commands on notices take: who, which version, why, without asking."""

import argparse
import re

from chalicelib.notices.workflow import MAX_REASON, is_reason
from infra.operator.arguments import add_clinic


def add_author(command: argparse.ArgumentParser) -> None:
    """Add the name of who wrote the text."""
    command.add_argument("--author", required=True, type=_name, help="name of who wrote the text")


def add_approver(command: argparse.ArgumentParser) -> None:
    """Add the name of who reviewed the text and approves it."""
    whom = "name of who reviewed and approves the text; not the author"
    command.add_argument("--approver", required=True, type=_name, help=whom)


def add_version(command: argparse.ArgumentParser) -> None:
    """Add the arguments that name a version of a clinic's notice."""
    add_clinic(command)
    command.add_argument("version", help="the notice's version, such as 1.1")


def add_reason(command: argparse.ArgumentParser) -> None:
    """Add the reason for a MINOR number although more than words change."""
    command.add_argument(
        "--minor-reason",
        type=_reason,
        metavar="WHY",
        help="why a version that changes more than words may have a MINOR number; published with it",
    )


def add_yes(command: argparse.ArgumentParser) -> None:
    """Add the switch that publishes without asking."""
    command.add_argument(
        "--yes",
        action="store_true",
        help="publish without asking; without a terminal nothing is asked anyway",
    )


def fingerprint(typed: str) -> str:
    """Return the digits of a typed sha256; refuse fewer than twelve."""
    if not re.fullmatch(r"[0-9a-f]{12,64}", typed.strip().lower()):
        advice = "give the sha256 that `notice draft` printed, or its first 12 digits at least"
        raise argparse.ArgumentTypeError(advice)
    return typed.strip().lower()


def _name(typed: str) -> str:
    if not typed.strip():
        raise argparse.ArgumentTypeError("a person's name is needed")
    return typed.strip()


def _reason(typed: str) -> str | None:
    if not typed.strip():  # `make publish` always passes one, empty where none is given
        return None
    if not is_reason(typed):
        raise argparse.ArgumentTypeError(f"write one line of at most {MAX_REASON} characters")
    return typed.strip()
