"""The command that rewrites people whom an earlier version of the portal left in the table.

consent operator migrate
consent operator migrate riga-aesthetics

Three things are done. Where several people were kept in one item per contact, each gets an item of
their own. Where a person was kept as JSON, the person is packed (`store.compact`), in the list of
people and under each contact at once. Where a receipt's place was kept by its whole id alone, it is
kept beside the others with its reference too, so that the reference finds it. What else an earlier
version left of receipts stays as it is: receipts are written once, and the pages of their answers
are read for as long as they are kept.

The command may run while the portal does, may be stopped at any time and started again, and does
nothing where nothing is left.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.portal import get_portal
from chalicelib.store import contact_places, people
from chalicelib.store.clinics import Clinics
from chalicelib.store.items import Item
from chalicelib.store.keys.jobs import migration_key
from chalicelib.store.keys.people import subject_pk
from chalicelib.store.keys.receipts import receipt_id_key
from chalicelib.store.receipts import read_receipt
from chalicelib.store.table import BATCH, ConflictError, ContendedError, Table
from chalicelib.store.writes import Put
from infra.operator.arguments import Commands, add_command, require_clinic

ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a run: the clinic it is at, how many people it read, how many it rewrote.

    `unreadable` people are damaged: they are left as they are.
    """

    clinic: str
    people: int
    rewritten: int
    unreadable: int = 0


def add_to(commands: Commands) -> None:
    """Add the command to a parser's commands."""
    purpose = "rewrite what an earlier version left in the table; safe while the portal runs"
    command = add_command(commands, "migrate", purpose, _migrate)
    command.add_argument("clinic", nargs="?", default="", help="default: every clinic")


def migrate(table: Table, clinics: Clinics, only: str = "") -> Iterator[Progress]:
    """Go through the people of every clinic, or of one, from where the last run stopped.

    Yield the progress after every hundred people.
    """
    first, after = _bookmark(table)
    read = rewritten = unreadable = 0
    for clinic in [only] if only else clinics.all():
        if clinic < first and not only:
            continue
        items = people.iter_items(table, clinic, after=after if clinic == first else "")
        while batch := list(itertools.islice(items, BATCH)):
            for item in batch:
                try:
                    changed = _rewrite(table, clinic, item)
                    rewritten += _place_receipts(table, clinic, item.sk) or changed
                except (ValueError, LookupError, TypeError):
                    unreadable += 1
            read += len(batch)
            _keep_bookmark(table, clinic, batch[-1].sk)
            yield Progress(clinic, read, rewritten, unreadable)
    _keep_bookmark(table, "", "")


def _rewrite(table: Table, clinic: str, item: Item) -> bool:
    """Rewrite one person; return whether there was anything to do."""
    if isinstance(people.kept_in(item), bytes):
        return False
    people.load_person(item)  # raises where it is damaged
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return contact_places.split(table, clinic, item.sk) or contact_places.pack(
                table, clinic, item.sk
            )
        except LookupError:  # removed meanwhile
            return False
        except (ConflictError, ContendedError):
            # They, or others under the contact, decided meanwhile.
            if attempt == ATTEMPTS:
                raise ContendedError from None
    return False


def _place_receipts(table: Table, clinic: str, subject: str) -> bool:
    """Keep the places of a person's receipts by their references; tell whether one was not.

    A place by the whole id stays beside it until the person's proof goes.
    """
    receipts = map(read_receipt, table.partition(subject_pk(clinic, subject), "RECEIPT#"))
    placed = False
    while batch := list(itertools.islice(receipts, BATCH)):
        keys = {receipt_id_key(clinic, receipt.id): receipt for receipt in batch}
        found = table.get(list(keys))
        for key, receipt in keys.items():
            if key not in found:
                place = {"subject": subject, "version": receipt.document["version"]}
                table.put_new(Put(key, {"body": json.dumps(place)}))
                placed = True
    return placed


def _migrate(arguments: argparse.Namespace) -> int:
    portal = get_portal()
    if arguments.clinic:
        require_clinic(portal.table, arguments.clinic)
    done = Progress("", 0, 0)
    for done in migrate(portal.table, portal.clinics, arguments.clinic):
        counts = f"{done.people} people so far, {done.rewritten} rewritten"
        print(f"{done.clinic}: {counts}", flush=True)
    print(f"Done: {done.people} people, {done.rewritten} rewritten.", end=" ")
    if not done.unreadable:
        print("Nothing is left to rewrite.")
        return 0
    print(f"{done.unreadable} could not be read, and are as they were.", file=sys.stderr)
    return 1


def _bookmark(table: Table) -> tuple[str, str]:
    """Return the clinic and the person after which the last run stopped, or two empty texts."""
    key = migration_key()
    found = table.get([key]).get(key)
    bookmark = json.loads(found.body or "{}") if found else {}
    return bookmark.get("clinic", ""), bookmark.get("after", "")


def _keep_bookmark(table: Table, clinic: str, after: str) -> None:
    bookmark = {"clinic": clinic, "after": after}
    table.put(Put(migration_key(), {"body": json.dumps(bookmark)}))
