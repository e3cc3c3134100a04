"""An operator's commands about messages: what waits, what could not be sent, sending it again, what a day may bring.

python -m infra messages waiting riga-aesthetics
python -m infra messages dead riga-aesthetics
python -m infra messages retry riga-aesthetics
python -m infra messages budgets
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.contacts import REACHABLE_KINDS
from chalicelib.domain.instants import instant
from chalicelib.domain.message_budgets import day_of
from chalicelib.portal import Portal, get_portal
from chalicelib.store import message_budgets, messages
from chalicelib.store.keys import clinic_key
from chalicelib.store.message_budgets import BudgetUse
from chalicelib.store.messages import OutboxItem
from chalicelib.store.table import Table


class MessageCommandError(Exception):
    """A command that cannot be carried out; the message says why."""


def add_to(commands: Any) -> None:
    """Add the commands to a parser's commands."""
    told = commands.add_parser("messages", help="what waits, what could not be sent, what a day may bring")
    told = told.add_subparsers(required=True)
    waiting = told.add_parser("waiting", help="list what is still to be sent, and from when on it is tried")
    waiting.add_argument("clinic")
    waiting.set_defaults(run=_waiting)
    dead = told.add_parser("dead", help="list what was given up")
    dead.add_argument("clinic")
    dead.set_defaults(run=_dead)
    retry = told.add_parser("retry", help="send again what was given up; what was sent of it stays sent")
    retry.add_argument("clinic")
    retry.set_defaults(run=_retry)
    daily = told.add_parser("budgets", help="show how many messages went out on a day, of how many")
    daily.add_argument("--day", help="a day of UTC, such as 2026-11-22; today if left out")
    daily.set_defaults(run=_budgets)


def retry(table: Table, clinic: str) -> int:
    """Put everything a clinic gave up back into the outbox, from where it is sent; tell how much that is."""
    given_up = messages.dead_letters(table, clinic)
    for each in given_up:
        messages.requeue(table, each)
    return len(given_up)


def spent(portal: Portal, day: str) -> Iterator[BudgetUse]:
    """Tell of every budget what was used on a day: in all, of each country, of each clinic; word of a stop apart.

    How large a budget is, is told as it was when the last message counted in it, else as it is set here.
    """
    limits = portal.settings.budgets
    texted = {
        clinic: portal.directory.look_up(clinic).published.clinic.text_message_countries
        for clinic in portal.clinics.all()
    }
    scopes = {
        budget.scope: budget.limit
        for clinic, countries in sorted(texted.items())
        for kind in REACHABLE_KINDS
        for country in countries
        for stop in (False, True)
        for budget in limits.budgets_for(kind, clinic, country, stop=stop)
    }
    for scope, most in sorted(scopes.items()):
        found = message_budgets.used(portal.table, scope, day)
        yield BudgetUse(scope, found.used, most if found.most is None else found.most)


def _known(table: Table, clinic: str) -> None:
    if not table.get([clinic_key(clinic)]):
        raise MessageCommandError(f"No clinic “{clinic}” is published.")


def _waiting(asked: argparse.Namespace) -> None:
    table = get_portal().table
    _known(table, asked.clinic)
    found = list(messages.waiting_of(table, asked.clinic))
    for each in found:
        unsent = each.entry
        due = f"not before {unsent.due}" if unsent.due else "due"
        print(unsent.kind, f"person {unsent.subject}", due, f"{unsent.tries} tries", sep="\t")
    print(f"{len(found)} to be sent." if found else "Nothing waits.")


def _budgets(asked: argparse.Namespace) -> None:
    portal = get_portal()
    day = asked.day or day_of(instant(datetime.now(UTC)))
    for each in spent(portal, day):
        print(each.scope, f"{each.used} of {each.most}", sep="\t")


def _dead(asked: argparse.Namespace) -> None:
    table = get_portal().table
    _known(table, asked.clinic)
    found = messages.dead_letters(table, asked.clinic)
    for each in found:
        unsent = each.entry
        about = f"receipt {unsent.version}" if unsent.version else "-"
        print(unsent.kind, f"person {unsent.subject}", about, f"{unsent.tries} tries", *_reasons(table, each), sep="\t")
    print(f"{len(found)} given up." if found else "Nothing was given up.")


def _reasons(table: Table, each: OutboxItem) -> list[str]:
    return [f"{letter}: {state}" for letter, state in messages.states(table, each).items()]


def _retry(asked: argparse.Namespace) -> None:
    table = get_portal().table
    _known(table, asked.clinic)
    print(f"{retry(table, asked.clinic)} put back; they are sent within minutes.")
