"""An operator's command that rewrites what an earlier version of the portal left in the table.

python -m infra migrate

Today that is one thing: people kept in one item per contact that held everybody get an item each. It may run while the
portal does, may be stopped at any time and started again, and does nothing where nothing is left.
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chalicelib.portal import get_portal
from chalicelib.store import contact_places
from chalicelib.store import people as roll
from chalicelib.store.clinics import Clinics
from chalicelib.store.keys import migration_key
from chalicelib.store.table import BATCH, ConflictError, ContendedError, Table
from chalicelib.store.writes import Put

ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it came: at which clinic, how many people it went through, how many of them it rewrote."""

    clinic: str
    people: int
    rewritten: int


def add_to(commands: Any) -> None:
    """Add the command to a parser's commands."""
    migrate_ = commands.add_parser("migrate", help="rewrite what an earlier version left in the table")
    migrate_.set_defaults(run=_migrate)


def migrate(table: Table, clinics: Clinics) -> Iterator[Progress]:
    """Go through everybody on the rolls, from where the last run stopped; tell how far that is, a hundred at a time."""
    begun, after = _bookmark(table)
    people = rewritten = 0
    for clinic in clinics.all():
        if clinic < begun:
            continue
        places = roll.iter_items(table, clinic, after=after if clinic == begun else "")
        while batch := list(itertools.islice(places, BATCH)):
            rewritten += sum(_rewrite(table, clinic, place.sk) for place in batch)
            people += len(batch)
            _mark(table, clinic, batch[-1].sk)
            yield Progress(clinic, people, rewritten)
    _mark(table, "", "")


def _rewrite(table: Table, clinic: str, subject: str) -> bool:
    """Rewrite one person; tell whether there was anything to do."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return contact_places.split(table, clinic, subject)
        except LookupError:  # forgotten just now
            return False
        except (ConflictError, ContendedError):  # they, or others under the contact, decided just now
            if attempt == ATTEMPTS:
                raise ContendedError from None
    return False


def _migrate(_: argparse.Namespace) -> None:
    portal = get_portal()
    done = Progress("", 0, 0)
    for done in migrate(portal.table, portal.clinics):
        print(f"{done.clinic}: {done.people} people so far, {done.rewritten} rewritten", flush=True)
    print(f"Done: {done.people} people, {done.rewritten} rewritten. Nothing is left to rewrite.")


def _bookmark(table: Table) -> tuple[str, str]:
    key = migration_key()
    found = table.get([key]).get(key)
    kept = json.loads(found.body or "{}") if found else {}
    return kept.get("clinic", ""), kept.get("after", "")


def _mark(table: Table, clinic: str, after: str) -> None:
    table.put(Put(migration_key(), {"body": json.dumps({"clinic": clinic, "after": after})}))
