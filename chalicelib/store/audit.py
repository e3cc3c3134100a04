"""The audit of a clinic: who looked at or changed what, when. Opaque ids, never a contact."""

import heapq
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from chalicelib.domain.instants import Instant
from chalicelib.store.items import Item
from chalicelib.store.keys.audit import audit_key, audit_partitions
from chalicelib.store.table import Table
from chalicelib.store.writes import Put

READ_AT_ONCE = 200
"""How many lines of a partition are read in one trip where few of them may be needed."""

FIRST, LAST = "0", "~"
"""Before and after every place."""


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A line as it is stored: its place, which is its moment and its own id, and its JSON."""

    place: str
    body: str

    @property
    def told(self) -> dict[str, Any]:
        """What the line tells, as `line` wrote it."""
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def id(self) -> str:
        """The line's own id, sixteen hexadecimal digits."""
        return self.place.rpartition("#")[2]


def line(
    clinic: str,
    by: str,
    what: str,
    at: Instant,
    subjects: Sequence[str],
    *,
    receipt: str | None = None,
    notice: str | None = None,
    links: int | None = None,
    listed: Mapping[str, object] | None = None,
    link: str | None = None,
    link_by: str | None = None,
    about: str | None = None,
) -> Put:
    """Give one line, to be written: `by` is a bearer key's id, "patient", "portal" or "operator".

    `subjects` are opaque ids. `links` says how many personal links were made or revoked: for whom
    is sealed in each. `listed` says what was asked of a list and what was counted. `link` is the id
    of one that was followed, `link_by` the key that made it, or "portal". `about` is the id of
    whatever else was read or changed, such as a bearer key.
    """
    told: dict[str, object] = {
        "key": by,
        "call": what,
        "at": at,
        "subjects": list(subjects),
        "receipt": receipt,
    }
    if notice is not None:
        told["notice"] = notice
    if links is not None:
        told["links"] = links
    if listed is not None:
        told["list"] = dict(listed)
    if link is not None:
        told |= {"link": link, "link_by": link_by}
    if about is not None:
        told["about"] = about
    return Put(audit_key(clinic, at, secrets.token_hex(8)), {"body": json.dumps(told)})


def lines_of(table: Table, clinic: str, day: str) -> Iterator[dict[str, Any]]:
    """Give a clinic's lines of one day (UTC, such as "2026-11-22"), the oldest first."""
    for each in stored_lines(table, clinic, day):
        yield each.told


def stored_lines(table: Table, clinic: str, day: str) -> Iterator["StoredLine"]:
    """Give the same as they are stored.

    They stand in several partitions, so that a clinic whose programs ask very often is not slowed
    down by its audit.
    """
    return _of_day(table, clinic, day, "", LAST)


def lines_between(
    table: Table, clinic: str, first: str, last: str, *, newest_first: bool = False
) -> Iterator["StoredLine"]:
    """Give a clinic's lines whose places are from `first` to `last`, in order.

    Each is an instant, which comes before every line of that instant, or the place of a line, which
    is included.
    """
    days = _days(first, last)
    for day in reversed(days) if newest_first else days:
        yield from _of_day(
            table, clinic, day, first, last, newest_first=newest_first, page=READ_AT_ONCE
        )


def _of_day(
    table: Table,
    clinic: str,
    day: str,
    first: str,
    last: str,
    *,
    newest_first: bool = False,
    page: int | None = None,
) -> Iterator["StoredLine"]:
    bounds = (first or FIRST, last)
    partitions = (
        table.between(pk, *bounds, newest_first=newest_first, page=page)
        for pk in audit_partitions(clinic, day)
    )
    for item in heapq.merge(*partitions, key=_place, reverse=newest_first):
        yield StoredLine(item.sk, item.body or "")


def _place(item: Item) -> str:
    return item.sk


def _days(first: str, last: str) -> list[str]:
    """Give every day (UTC) from that of one instant or place to that of another."""
    day, until = date.fromisoformat(first[:10]), date.fromisoformat(last[:10])
    days = []
    while day <= until:
        days.append(day.isoformat())
        day += timedelta(days=1)
    return days
