"""The command that rewrites what an earlier version of the portal left in the table.

python -m infra migrate

Today that is one thing: where several people were kept in one item per contact, each gets an item
of their own. The command may run while the portal does, may be stopped at any time and started
again, and does nothing where nothing is left.
"""

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.portal import get_portal
from chalicelib.store import contact_places, people
from chalicelib.store.clinics import Clinics
from chalicelib.store.keys import migration_key
from chalicelib.store.table import BATCH, ConflictError, ContendedError, Table
from chalicelib.store.writes import Put
from infra.operator.arguments import Commands, add_command

ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run: the clinic it is at, how many people it read, how many it rewrote."""

    clinic: str
    people: int
    rewritten: int


def add_to(commands: Commands) -> None:
    """Add the command to a parser's commands."""
    purpose = "rewrite what an earlier version left in the table; safe while the portal runs"
    add_command(commands, "migrate", purpose, _migrate)


def migrate(table: Table, clinics: Clinics) -> Iterator[Progress]:
    """Go through the people of every clinic, from where the last run stopped.

    Yield the progress after every hundred people.
    """
    first, after = _bookmark(table)
    read = rewritten = 0
    for clinic in clinics.all():
        if clinic < first:
            continue
        items = people.iter_items(table, clinic, after=after if clinic == first else "")
        while batch := list(itertools.islice(items, BATCH)):
            for item in batch:
                rewritten += _rewrite(table, clinic, item.sk)
            read += len(batch)
            _keep_bookmark(table, clinic, batch[-1].sk)
            yield Progress(clinic, read, rewritten)
    _keep_bookmark(table, "", "")


def _rewrite(table: Table, clinic: str, subject: str) -> bool:
    """Rewrite one person; return whether there was anything to do."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return contact_places.split(table, clinic, subject)
        except LookupError:  # erased meanwhile
            return False
        except (ConflictError, ContendedError):
            # They, or others under the contact, decided meanwhile.
            if attempt == ATTEMPTS:
                raise ContendedError from None
    return False


def _migrate(_arguments: argparse.Namespace) -> None:
    portal = get_portal()
    done = Progress("", 0, 0)
    for done in migrate(portal.table, portal.clinics):
        counts = f"{done.people} people so far, {done.rewritten} rewritten"
        print(f"{done.clinic}: {counts}", flush=True)
    print(f"Done: {done.people} people, {done.rewritten} rewritten. Nothing is left to rewrite.")


def _bookmark(table: Table) -> tuple[str, str]:
    """Return the clinic and the person after which the last run stopped, or two empty texts."""
    key = migration_key()
    found = table.get([key]).get(key)
    bookmark = json.loads(found.body or "{}") if found else {}
    return bookmark.get("clinic", ""), bookmark.get("after", "")


def _keep_bookmark(table: Table, clinic: str, after: str) -> None:
    bookmark = {"clinic": clinic, "after": after}
    table.put(Put(migration_key(), {"body": json.dumps(bookmark)}))
