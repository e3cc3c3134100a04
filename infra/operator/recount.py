"""The command that counts again from the receipts: it finds lost ones and corrects counters.

consent operator recount riga-aesthetics
consent operator recount riga-aesthetics --from 2026-11-01 --to 2026-11-30

It may run while the portal counts. Stopped and started again, it goes on from where it was.
"""

import argparse
import dataclasses
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path

from chalicelib.domain.instants import Instant
from chalicelib.jobs.counting import Recount, differences, mend, recount
from chalicelib.portal import Portal, get_portal
from chalicelib.store import signatures
from chalicelib.store.signer import Signer
from chalicelib.store.table import Table
from infra.operator.arguments import (
    Commands,
    add_clinic,
    add_command,
    require_clinic,
)
from infra.operator.cli.errors import CommandError

_EVERY_SECONDS = 2.0
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-31"
PROGRESS = Path(".local")


def add_to(commands: Commands) -> None:
    """Add the command to a parser's commands."""
    purpose = "count a clinic's receipts again, count the lost ones, and correct the daily counters"
    command = add_command(commands, "recount", purpose, _recount)
    add_clinic(command)
    command.add_argument(
        "--from",
        dest="first",
        metavar="DAY",
        default=FIRST_DAY,
        help="the first day to count, such as 2026-11-01; default: the first there is",
    )
    command.add_argument(
        "--to",
        dest="last",
        metavar="DAY",
        default=LAST_DAY,
        help="the last day to count; default: the last there is",
    )
    command.add_argument(
        "--lower",
        action="store_true",
        help="also lower counters that show more than the receipts still in the table",
    )


def signer_of(portal: Portal) -> Signer | None:
    """Return what signs; raise CommandError where the portal signs and this command could not.

    A portal that signs counts each receipt with its signature, and in no other way.
    """
    if portal.signer is None and signatures.jwks(portal.table)["keys"]:
        raise CommandError("SIGNING_KEY is not set: receipts are counted as they are signed.")
    return portal.signer


def go_through(
    table: Table, state: Recount, signer: Signer | None, kept: Path | None = None
) -> Recount:
    """Count everybody's receipts, and print the progress every two seconds.

    The progress is saved in the file `kept`, if one is given, so that `started` can go on from it.
    """
    printed = time.monotonic()
    try:
        for _ in recount(table, state, signer):
            if time.monotonic() - printed > _EVERY_SECONDS:
                printed = time.monotonic()
                counts = f"{state.people} people, {state.receipts} receipts"
                print(f"{state.clinic}: {counts} …", flush=True)
                _save(state, kept)
    except BaseException:
        _save(state, kept)
        raise
    return state


def started(clinic: str, first: str, last: str, now: Instant, kept: Path) -> Recount:
    """Return the recount that was stopped, if it was of the same days; else a new one."""
    if kept.exists():
        saved = json.loads(kept.read_text(encoding="utf-8"))
        saved["days"] = {day: Counter(counts) for day, counts in saved["days"].items()}
        state = Recount(**saved)
        if (state.first, state.last) == (first, last):
            return state
    return Recount(clinic, first, last, now)


def settle(table: Table, state: Recount, *, lower: bool) -> tuple[int, list[str]]:
    """Raise counters that show less than the receipts of a day that is over.

    With `lower`, counters that show more are lowered, too. Return how many were corrected, and a
    line for each that was not.
    """
    corrected = 0
    left = []
    for difference in differences(table, state):
        place = f"{difference.day} {difference.what}"
        more = (difference.was or 0) > difference.receipts
        if more and not lower:
            by_receipts = f"{difference.receipts} by the receipts that are still there"
            left.append(f"{place}: {difference.was}, and {by_receipts}")
        elif mend(table, state.clinic, difference):
            corrected += 1
        else:
            left.append(f"{place}: the portal counted meanwhile. Recount again")
    return corrected, left


def _save(state: Recount, kept: Path | None) -> None:
    if kept is None:
        return
    kept.parent.mkdir(exist_ok=True)
    content = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    kept.write_text(json.dumps(content), encoding="utf-8")


def _recount(arguments: argparse.Namespace) -> int:
    clinic, first, last = arguments.clinic, arguments.first, arguments.last
    if not (_DAY.fullmatch(first) and _DAY.fullmatch(last) and first <= last):
        raise CommandError("Write days such as 2026-11-01, the first before the last.")
    portal = get_portal()
    table = portal.table
    require_clinic(table, clinic)
    kept = PROGRESS / f"recount-{clinic}.json"
    state = started(clinic, first, last, portal.clock(), kept)
    if state.after:
        counts = f"{state.people} people, {state.receipts} receipts"
        print(f"Goes on from where it was stopped: {counts}.")
    state = go_through(table, state, signer_of(portal), kept)
    corrected, left = settle(table, state, lower=arguments.lower)
    kept.unlink(missing_ok=True)
    _print_result(state, corrected, left)
    return 1 if state.unreadable else 0


def _print_result(state: Recount, corrected: int, left: list[str]) -> None:
    for line in left:
        print(line)
    print(
        f"{state.clinic}: {state.people} people, {state.receipts} receipts of these days.",
        f"{state.found} had not been counted and are now.",
        f"{corrected} counters corrected, {len(left)} left as they are.",
    )
    if state.unreadable:
        command = f"verify-chains {state.clinic}"
        message = f"{state.unreadable} receipts cannot be read: `{command}` lists whose."
        print(message, file=sys.stderr)
