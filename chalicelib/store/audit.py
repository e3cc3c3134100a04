"""The audit of a clinic: who looked at or changed what, when. Opaque ids, never a contact."""

import heapq
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.domain.instants import Instant
from chalicelib.store.items import Item
from chalicelib.store.keys import audit_key, audit_partitions
from chalicelib.store.table import Table
from chalicelib.store.writes import Put


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
    """Give a clinic's lines of one day (UTC, such as "2026-11-22"), the oldest first.

    They stand in several partitions, so that a clinic whose programs ask very often is not slowed
    down by its audit.
    """
    partitions = (table.partition(pk, "") for pk in audit_partitions(clinic, day))

    def place(item: Item) -> str:
        return item.sk

    for item in heapq.merge(*partitions, key=place):
        yield json.loads(item.body or "")
