"""An operator's command that counts anew from the receipts: what was lost is found, what is wrong is told and mended.

python -m infra recount riga-aesthetics
python -m infra recount riga-aesthetics --from 2026-11-01 --to 2026-11-30

It may run while the portal counts, be broken off, and be started again: it goes on from where it was.
"""

import argparse
import dataclasses
import json
import re
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.domain.instants import Instant, instant
from chalicelib.jobs.counting import Recount, differences, mend, recount
from chalicelib.portal import get_portal
from chalicelib.store.keys import clinic_key
from chalicelib.store.table import Table

_EVERY_SECONDS = 2.0
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-31"
PROGRESS = Path(".local")


class RecountCommandError(Exception):
    """A command that cannot be carried out; the message says why."""


def add_to(commands: Any) -> None:
    """Add the command to a parser's commands."""
    again = commands.add_parser("recount", help="count from the receipts: find what was lost, compare every day")
    again.add_argument("clinic")
    again.add_argument("--from", dest="first", default=FIRST_DAY, help="the first day, such as 2026-11-01")
    again.add_argument("--to", dest="last", default=LAST_DAY, help="the last day")
    again.add_argument("--lower", action="store_true", help="also lower counters that say more than the receipts")
    again.set_defaults(run=_recount)


def go_through(table: Table, state: Recount, kept: Path | None = None) -> Recount:
    """Go through everybody's receipts, keeping in a file how far it came, if there is one; say so now and then."""
    said = time.monotonic()
    try:
        for _ in recount(table, state):
            if time.monotonic() - said > _EVERY_SECONDS:
                said = time.monotonic()
                print(f"{state.clinic}: {state.people} people, {state.receipts} receipts …", flush=True)
                _keep(state, kept)
    except BaseException:
        _keep(state, kept)
        raise
    return state


def started(clinic: str, first: str, last: str, now: Instant, kept: Path) -> Recount:
    """Give the recount that was broken off, if it was the same; else a new one."""
    if kept.exists():
        before = json.loads(kept.read_text(encoding="utf-8"))
        state = Recount(**{**before, "days": {day: Counter(said) for day, said in before["days"].items()}})
        if (state.first, state.last) == (first, last):
            return state
    return Recount(clinic, first, last, now)


def settle(table: Table, state: Recount, *, lower: bool) -> tuple[int, list[str]]:
    """Mend counters that say less than the receipts of a day that is over; with `lower` those too that say more.

    Gives how many were mended, and a line for every one that was not.
    """
    mended, left = 0, []
    for each in differences(table, state):
        more = (each.was or 0) > each.receipts
        if more and not lower:
            left.append(f"{each.day} {each.what}: {each.was}, and {each.receipts} by the receipts that are still there")
        elif mend(table, state.clinic, each):
            mended += 1
        else:
            left.append(f"{each.day} {each.what}: somebody counted just now. Recount again")
    return mended, left


def _keep(state: Recount, kept: Path | None) -> None:
    if kept is not None:
        kept.parent.mkdir(exist_ok=True)
        told = {each.name: getattr(state, each.name) for each in dataclasses.fields(state)}
        kept.write_text(json.dumps(told), encoding="utf-8")


def _recount(asked: argparse.Namespace) -> int:
    if not (_DAY.fullmatch(asked.first) and _DAY.fullmatch(asked.last) and asked.first <= asked.last):
        raise RecountCommandError("Write days such as 2026-11-01, the first before the last.")
    table = get_portal().table
    if not table.get([clinic_key(asked.clinic)]):
        raise RecountCommandError(f"No clinic “{asked.clinic}” is published.")
    kept = PROGRESS / f"recount-{asked.clinic}.json"
    state = started(asked.clinic, asked.first, asked.last, instant(datetime.now(UTC)), kept)
    if state.after:
        print(f"Goes on from where it was broken off: {state.people} people, {state.receipts} receipts.")
    state = go_through(table, state, kept)
    mended, left = settle(table, state, lower=asked.lower)
    kept.unlink(missing_ok=True)
    for line in left:
        print(line)
    print(
        f"{asked.clinic}: {state.people} people, {state.receipts} receipts of these days. "
        f"{state.found} had not been counted and are now. {mended} counters mended, {len(left)} left as they are."
    )
    if state.unreadable:
        print(
            f"{state.unreadable} receipts cannot be read: `verify-chains {asked.clinic}` tells whose.", file=sys.stderr
        )
    return 1 if state.unreadable else 0
