"""The hourly round: who is due a reminder, whose data may be kept no longer.

It reads the index of due times up to now, and those people alone: its work grows with what is due,
not with how many people there are. Then it walks through the people of each clinic of whose notice
another version has come into force (`publication_walk`). Where time runs out the next round goes on
there.
"""

import itertools
import json
from collections import Counter
from dataclasses import dataclass

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import Instant
from chalicelib.domain.message_outcomes import Reason
from chalicelib.jobs.due_people import DueWork
from chalicelib.jobs.publication_walk import walk_where_a_version_began
from chalicelib.portal import Portal
from chalicelib.store.keys.jobs import bookmark_key
from chalicelib.store.keys.key import SHARDS
from chalicelib.store.table import BATCH, Table, UnavailableError
from chalicelib.store.writes import Put


def run_housekeeping(portal: Portal, now: Instant, out_of_time: OutOfTime) -> "HousekeepingRun":
    """Do what is due by now, as far as the time goes, and log how far that was."""
    run = HousekeepingRun(DueWork(portal, now), out_of_time)
    try:
        in_time = run.go_through_due() and walk_where_a_version_began(run.work, out_of_time)
        run.whole = in_time and not run.work.stuck
    except UnavailableError as error:
        run.whole = False
        log.fault(error)
    finally:
        run.log_and_count()
    return run


@dataclass(slots=True)
class HousekeepingRun:
    """One round: what it has done so far, and whether it reached the end."""

    work: DueWork
    out_of_time: OutOfTime
    whole: bool = False

    @property
    def done(self) -> Counter[str]:
        """What was done, by name."""
        return self.work.done

    def go_through_due(self) -> bool:
        """Go through everybody for whom something is due, part by part of the index.

        It begins with the part at which the last round had to stop. Tells False where time ran out.
        """
        table = self.work.portal.table
        first = _read_bookmark(table)
        start = SHARDS.index(first)
        shards = SHARDS[start:] + SHARDS[:start]
        places = itertools.chain.from_iterable(table.due(each, self.work.now) for each in shards)
        while batch := list(itertools.islice(places, BATCH)):
            if self.out_of_time():
                shard = batch[0].sk[0]
                if shard != first:
                    _write_bookmark(table, shard)
                return False
            self.work.do_what_is_due(batch)
        return True

    def log_and_count(self) -> None:
        """Log what was done, and count it."""
        done = self.done
        log.log().info("housekeeping", extra={**done, "whole": self.whole})
        for name in ("reminded", "erased", "deleted", "failed"):
            if done[name]:
                log.count(f"Housekeeping{name.capitalize()}", done[name])
        if done[Reason.NO_ADDRESS]:
            log.count("NoMessage", done[Reason.NO_ADDRESS])
        log.flush()


def _read_bookmark(table: Table) -> str:
    """Give the part of the index at which a round last had to stop; the first where none had."""
    key = bookmark_key()
    found = table.get([key]).get(key)
    # An earlier version kept a clinic and a person there.
    bookmark = json.loads(found.body or "{}") if found else {}
    return str(bookmark.get("shard", SHARDS[0]))


def _write_bookmark(table: Table, shard: str) -> None:
    table.put(Put(bookmark_key(), {"body": json.dumps({"shard": shard})}))
