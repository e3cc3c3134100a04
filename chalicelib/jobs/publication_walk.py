"""The walk through all people of a clinic, once for each version of its notice that comes into force.

A new version makes messages due to people whose due times were worked out before it was published,
and may keep proof for another time. So everybody is looked at once, a hundred at a time, in as many
hourly rounds as it takes: what is due is done, and the due time worked out anew. Until then nothing
is permitted wrongly: states follow from the notice in force, not from the walk.

A clinic that was never walked through is walked through too: so people stored before there were due
times get theirs.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Self

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.notice_versions import entry_at
from chalicelib.jobs.due_people import DueWork
from chalicelib.store import people
from chalicelib.store.clinics import histories
from chalicelib.store.keys import walk_key
from chalicelib.store.table import BATCH, Item, Table
from chalicelib.store.writes import Put

RULES = 1
"""Raise it with a change of the code that makes something due at another time (such as an age of
the law): then everybody is walked through once more."""

SETTLED = timedelta(minutes=1)
"""How long a version is in force before its walk begins: a decision that was read before, under the
version before, is written by then."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How far the walk for one version came."""

    version: str
    rules: int
    after: str = ""
    """The last person looked at."""
    done: bool = False

    @classmethod
    def read(cls, item: Item) -> Self:
        """Read it from its item."""
        return cls(**json.loads(item.body or "{}"))


def walk_where_a_version_began(work: DueWork, out_of_time: OutOfTime) -> bool:
    """Walk on through each clinic whose version in force was not walked through yet.

    A clinic for which nothing can be done now is left to the next round. Tells False where time
    ran out. Raises UnavailableError.
    """
    table = work.portal.table
    kept = walks(table)
    settled = instant(moment(work.now) - SETTLED)
    for clinic, history in sorted(histories(table, work.portal.clinics.all()).items()):
        walk = Walk(entry_at(history, settled).version, RULES)
        before = kept.get(clinic)
        if before is not None and replace(before, after="", done=False) == walk:
            walk = before
        if not walk.done and not _walk_on(work, clinic, walk, out_of_time):
            return False
    return True


def walks(table: Table) -> Mapping[str, Walk]:
    """Give how far the last walk through each clinic came."""
    prefix = walk_key("")
    found = table.partition(prefix.pk, prefix.sk)
    return {item.sk.removeprefix(prefix.sk): Walk.read(item) for item in found}


def _walk_on(work: DueWork, clinic: str, walk: Walk, out_of_time: OutOfTime) -> bool:
    """Go on with a walk; tell False where time ran out."""
    table = work.portal.table
    everybody = people.iter_items(table, clinic, after=walk.after)
    while batch := list(itertools.islice(everybody, BATCH)):
        if out_of_time():
            return False
        if not work.attend_to(clinic, batch):
            return True
        walk = replace(walk, after=batch[-1].sk)
        _keep(table, clinic, walk)
    _keep(table, clinic, replace(walk, after="", done=True))
    log.log().info("walked", clinic=clinic, version=walk.version)
    return True


def _keep(table: Table, clinic: str, walk: Walk) -> None:
    table.put(Put(walk_key(clinic), {"body": json.dumps(asdict(walk))}))
