"""An operator's commands about messages: what could not be sent, and sending it again.

python -m infra messages dead riga-aesthetics
python -m infra messages retry riga-aesthetics
"""

import argparse
from typing import Any

from chalicelib.store import messages
from chalicelib.store.keys import clinic_key
from chalicelib.store.messages import Waiting
from chalicelib.store.table import Table
from chalicelib.wiring import portal


class MessageCommandError(Exception):
    """A command that cannot be carried out; the message says why."""


def add_to(commands: Any) -> None:
    """Add the commands to a parser's commands."""
    told = commands.add_parser("messages", help="what could not be sent").add_subparsers(required=True)
    dead = told.add_parser("dead", help="list what was given up")
    dead.add_argument("clinic")
    dead.set_defaults(run=_dead)
    retry = told.add_parser("retry", help="send again what was given up; what was sent of it stays sent")
    retry.add_argument("clinic")
    retry.set_defaults(run=_retry)


def retry(table: Table, clinic: str) -> int:
    """Put everything a clinic gave up back into the outbox, from where it is sent; tell how much that is."""
    given_up = messages.dead_letters(table, clinic)
    for each in given_up:
        messages.revive(table, each)
    return len(given_up)


def _of(table: Table, clinic: str) -> list[Waiting]:
    if not table.get([clinic_key(clinic)]):
        raise MessageCommandError(f"No clinic “{clinic}” is published.")
    return messages.dead_letters(table, clinic)


def _dead(asked: argparse.Namespace) -> None:
    table = portal().table
    found = _of(table, asked.clinic)
    for each in found:
        unsent = each.unsent
        about = f"receipt {unsent.version}" if unsent.version else "-"
        print(unsent.kind, f"person {unsent.subject}", about, f"{unsent.tries} tries", *_reasons(table, each), sep="\t")
    print(f"{len(found)} given up." if found else "Nothing was given up.")


def _reasons(table: Table, each: Waiting) -> list[str]:
    return [f"{letter}: {state}" for letter, state in messages.states(table, each).items()]


def _retry(asked: argparse.Namespace) -> None:
    table = portal().table
    _of(table, asked.clinic)
    print(f"{retry(table, asked.clinic)} put back; they are sent within minutes.")
