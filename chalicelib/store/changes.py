"""A clinic's feed of changes: which receipts were signed, who was restricted or erased, in order.

The feed has a few parts (`keys.FEED_SHARDS`); everything about a person stands in one of them, in
the order of the person's receipts. In each part items are numbered without a gap: whoever appends
writes the number after the last, on condition that nobody did. An item that was there is never
changed, and none comes in before another. So whoever has read up to a number of each part has
missed nothing, and nothing comes late.

An item leads to receipts and holds what is counted of them (`statistics`), but no receipt and no
contact. It is kept for `KEPT`; its number is not given again.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from chalicelib.domain.consent import QuestionId
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.receipts import Receipt, repeats_another
from chalicelib.domain.time_to_confirm import Waited
from chalicelib.store import compact
from chalicelib.store.items import Item
from chalicelib.store.keys.counts import (
    FEED_SHARDS,
    feed_complete_key,
    feed_counted_key,
    feed_key,
    feed_shard,
)
from chalicelib.store.table import Table
from chalicelib.store.writes import Put

READABLE = timedelta(days=365)
"""How far back a program can read."""

KEPT = READABLE + timedelta(days=35)
"""How long an item is kept: DynamoDB takes away what is over within days, in no order."""

MOST_RECEIPTS = 25
"""How many receipts one item leads to."""

ROUND_MARGIN = timedelta(minutes=11)
"""A round is sure to find the receipts recorded this long before it began: by then each is written.

A part of an import records all its lines at the time it began, and may run for ten minutes.
"""

_LONG = 900
"""From how many bytes on an item is kept packed: it is charged by the kilobyte."""

UNKNOWN_SOURCE = "-"
"""How counts name the source of a receipt that has none."""


class SubjectEvent(StrEnum):
    """What the feed tells of a person that no receipt records."""

    RESTRICTED = "restricted"
    UNRESTRICTED = "unrestricted"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class FeedReceipt:
    """One receipt in the feed: whose, which, and what is counted of it.

    `changes` has by question the first letters of the states before and after, such as ``pg``; a
    third says how long a Yes had waited that was confirmed (`Waited`), where that is known.
    """

    subject: str
    version: int
    day: str
    lang: str
    channel: str
    assurance: str
    source: str
    changes: Mapping[str, str]

    @classmethod
    def of(cls, receipt: Receipt, waited: Mapping[QuestionId, Waited]) -> "FeedReceipt":
        """Give how the feed names a receipt.

        What was taken over from another record of the same person was counted there.
        """
        document = receipt.document
        changes = {}
        decided = {} if repeats_another(document) else document["decisions"]
        for question, entry in decided.items():
            states = entry["before"][0] + entry["after"][0]
            changes[question] = states + waited.get(question, "")
        return cls(
            document["subject"],
            document["version"],
            document["recorded_at"][:10],
            document["notice"]["lang"],
            document["channel"],
            document["assurance"],
            document["source"] or UNKNOWN_SOURCE,
            changes,
        )

    def stored(self) -> list[object]:
        """Write it, ready for JSON."""
        about = self.day, self.lang, self.channel, self.assurance, self.source
        return [self.subject, self.version, *about, dict(self.changes)]


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One item of the feed: receipts in their order, or what became of one person."""

    shard: int
    number: int
    at: Instant
    receipts: tuple[FeedReceipt, ...] = ()
    event: SubjectEvent | None = None
    subject: str = ""


def receipt_writes(
    table: Table,
    receipts: Iterable[Receipt],
    at: Instant,
    waits: Mapping[str, Mapping[QuestionId, Waited]] = MappingProxyType({}),
) -> list[Put]:
    """Give the writes that append receipts to the feeds of their clinics, in this order.

    `waits` says by a receipt's id how long each Yes had waited that it confirms.

    A condition of each is that nobody appended meanwhile. A person's receipts are to be given in
    the order of their versions, and after all before them were appended. Raises UnavailableError.
    """
    parts: dict[tuple[str, int], list[object]] = {}
    for receipt in receipts:
        named = FeedReceipt.of(receipt, waits.get(receipt.id, {}))
        part = receipt.document["clinic"], feed_shard(named.subject)
        parts.setdefault(part, []).append(named.stored())
    writes = []
    for (clinic, shard), stored in parts.items():
        number = _last_number(table, clinic, shard, at)
        for start in range(0, len(stored), MOST_RECEIPTS):
            number += 1
            content = {"receipts": stored[start : start + MOST_RECEIPTS]}
            writes.append(_put(clinic, shard, number, at, content))
    return writes


def event_write(table: Table, clinic: str, subject: str, event: SubjectEvent, at: Instant) -> Put:
    """Give the write that appends what became of a person, for the transaction that does it.

    A condition is that nobody appended meanwhile. Raises UnavailableError.
    """
    shard = feed_shard(subject)
    number = _last_number(table, clinic, shard, at) + 1
    return _put(clinic, shard, number, at, {"event": event, "subject": subject})


def read_part(
    table: Table, clinic: str, shard: int, behind: int, most: int | None = None
) -> Iterator[FeedItem]:
    """Give the items of one part behind a number, in order, strongly consistently."""
    first = feed_key(clinic, shard, behind)
    for item in table.after_key(first.pk, first.sk, most):
        yield _read(shard, item)


def last_numbers(table: Table, clinic: str, now: Instant) -> tuple[int, ...]:
    """Give the last number of each part: whoever reads on from there reads what comes from now."""
    return tuple(_last_numbers(table, clinic, range(FEED_SHARDS), now))


def note_complete(table: Table, now: Instant, behind: Iterable[str]) -> None:
    """Note that every receipt recorded before a round began is in its clinic's feed.

    The round began at `now` and went through all that waited; at the clinics `behind` something
    was left, or is still to come.
    """
    key = feed_complete_key()
    noted = _noted(table)
    left = {clinic: noted["behind"].get(clinic, noted["until"]) for clinic in behind}
    until = instant(moment(now) - ROUND_MARGIN)
    body = json.dumps({"until": until, "behind": left})
    table.put(Put(key, {"body": body}))


def complete_until(table: Table, clinic: str) -> Instant | None:
    """Give until when every receipt recorded at a clinic is in its feed; None where that is
    unknown.
    """
    noted = _noted(table)
    return noted["behind"].get(clinic, noted["until"]) or None


def _noted(table: Table) -> dict[str, Any]:
    key = feed_complete_key()
    found = table.get([key]).get(key)
    noted: dict[str, Any] = json.loads(found.body or "") if found else {"until": "", "behind": {}}
    return noted


def _last_number(table: Table, clinic: str, shard: int, at: Instant) -> int:
    return _last_numbers(table, clinic, [shard], at)[0]


def _last_numbers(table: Table, clinic: str, shards: Sequence[int], at: Instant) -> list[int]:
    """Give the last numbers of parts; where all items are over, the last that was counted.

    Items behind the last one found may be gone before it where it is over: all were counted.
    """
    last = {shard: table.last_item(feed_key(clinic, shard, 0).pk) for shard in shards}
    over = {shard: feed_counted_key(clinic, shard) for shard in shards if _is_over(last[shard], at)}
    counted = table.get(list(over.values())) if over else {}
    numbers = []
    for shard in shards:
        item = last[shard]
        mark = counted.get(over[shard]) if shard in over else None
        in_feed = int(item.sk) if item else 0
        numbers.append(max(in_feed, int(mark.number or 0) if mark else 0))
    return numbers


def _is_over(item: Item | None, at: Instant) -> bool:
    return item is None or int(item.ttl or 0) <= moment(at).timestamp()


def _put(clinic: str, shard: int, number: int, at: Instant, content: Mapping[str, object]) -> Put:
    text = compact.dump({"at": at, **content})
    over = int((moment(at) + KEPT).timestamp())
    kept = {"body": text} if len(text) < _LONG else {"blob": compact.pack(text)}
    return Put(feed_key(clinic, shard, number), {**kept, "ttl": over})


def _read(shard: int, item: Item) -> FeedItem:
    text = item.body or compact.unpack(bytes(item.blob or b""))
    stored = json.loads(text)
    number = int(item.sk)
    if "event" in stored:
        event = SubjectEvent(stored["event"])
        return FeedItem(shard, number, stored["at"], event=event, subject=stored["subject"])
    receipts = tuple(FeedReceipt(*each) for each in stored["receipts"])
    return FeedItem(shard, number, stored["at"], receipts)
