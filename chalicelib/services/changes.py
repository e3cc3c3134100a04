"""The changes feed: every change of a state at a clinic, in order for each person.

A program that missed a webhook, or takes none, reads on from where it was. What it reads are
receipts, and what no receipt records: that somebody was erased, or restricted, and that a notice
ended the consents given before. A Yes that ends by itself is told beforehand: each change has
`expires_at`. No contact stands in it: `status` answers for an opaque id, and the export gives the
contact of whoever may be written to.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import QuestionId, State, major
from chalicelib.domain.cursors import (
    CursorTooOldError,
    UnknownCursorError,
    read_cursor,
    write_cursor,
)
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.receipts import Receipt
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.store import changes
from chalicelib.store.changes import KEPT, MOST_RECEIPTS, READABLE, FeedItem
from chalicelib.store.clinics import Published
from chalicelib.store.keys.counts import FEED_SHARDS
from chalicelib.store.keys.receipts import receipt_key
from chalicelib.store.receipts import read_receipt

LEAST_LIMIT, DEFAULT_LIMIT, MOST_LIMIT = MOST_RECEIPTS, 100, 500
"""How many receipts one page may be limited to."""

_KIND = "changes"

Entry = Mapping[str, Any]
"""One change, as the API tells it."""


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """How far a program has read: the last number of each part, and the version it knows of."""

    numbers: tuple[int, ...]
    version: str
    at: Instant

    def written(self, secret: bytes) -> str:
        """Write it as a cursor."""
        place = {"n": self.numbers, "v": self.version, "t": self.at}
        return write_cursor(secret, _KIND, place)

    @classmethod
    def read(cls, secret: bytes, cursor: str, now: Instant) -> "FeedPlace":
        """Read a cursor; raise UnknownCursorError, CursorTooOldError."""
        place = read_cursor(secret, _KIND, cursor)
        numbers = tuple(place["n"])
        if len(numbers) != FEED_SHARDS:
            raise UnknownCursorError
        if place["t"] < instant(moment(now) - READABLE):
            raise CursorTooOldError
        return cls(numbers, place["v"], place["t"])


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """Changes in order, and where it goes on.

    `more` tells that there are more now. Every receipt recorded until `complete_until` is in this
    page, in one before, or in one that follows at once; None where that is unknown.
    """

    entries: Sequence[Entry]
    cursor: str
    more: bool
    complete_until: Instant | None


def read_changes(
    portal: Portal, call: AuthorizedCall[EmptyBody], since: str | None, limit: int
) -> ChangesPage:
    """Give the changes behind a cursor; without one, all that can still be read.

    The key of one joint controller is told the questions that one shares. Raises
    UnknownCursorError, CursorTooOldError, UnavailableError.
    """
    clinic, table = call.clinic, portal.table
    secret = portal.clinics.key(clinic).cursor_secret()
    published = call.lookup.published
    if since is None:
        place = FeedPlace((0,) * FEED_SHARDS, published.in_force.version, call.now)
    else:
        place = FeedPlace.read(secret, since, call.now)
    # Before the feed: a receipt that is signed meanwhile may be in it and is not promised.
    until = changes.complete_until(table, clinic)
    # What is gone and follows a younger cursor could be read no more when that was given.
    strict = place.at < instant(moment(call.now) - (KEPT - READABLE))
    items, more = _next_items(portal, clinic, place.numbers, limit, strict=strict)
    entries = _entries(portal, call, items)
    version = place.version
    if not more:
        entries += _superseding(published, call.shared, version)
        version = published.in_force.version
    numbers = list(place.numbers)
    for item in items:
        numbers[item.shard] = item.number
    told = dict.fromkeys(entry["subject"] for entry in entries if "subject" in entry)
    table.put_new(call.audit("changes", list(told)))
    cursor = FeedPlace(tuple(numbers), version, call.now).written(secret)
    return ChangesPage(entries, cursor, more, until)


def current_cursor(portal: Portal, published: Published, now: Instant) -> str:
    """Give the cursor from which a program reads what changes from now on."""
    clinic = published.clinic.id
    numbers = changes.last_numbers(portal.table, clinic, now)
    secret = portal.clinics.key(clinic).cursor_secret()
    return FeedPlace(numbers, published.in_force.version, now).written(secret)


def _next_items(
    portal: Portal, clinic: str, behind: Sequence[int], limit: int, *, strict: bool
) -> tuple[list[FeedItem], bool]:
    """Give the next items of all parts, with as many receipts as fit, and whether there are more.

    Each part is read in its order; between them what was appended first comes first.
    """
    parts = [
        _read_part(portal, clinic, shard, number, limit, strict=strict)
        for shard, number in enumerate(behind)
    ]
    page: list[FeedItem] = []
    receipts = 0
    for item in heapq.merge(*parts, key=lambda item: item.at):
        receipts += max(1, len(item.receipts))
        if page and receipts > limit:
            return page, True
        page.append(item)
    return page, False


def _read_part(
    portal: Portal, clinic: str, shard: int, behind: int, limit: int, *, strict: bool
) -> Iterator[FeedItem]:
    """Read a part on, one item more than a page can have.

    If `strict`, raises CursorTooOldError where what follows is there no longer. What is over is
    taken away in no order.
    """
    expected = behind + 1
    for item in changes.read_part(portal.table, clinic, shard, behind, limit + 1):
        if strict and behind and item.number != expected:
            raise CursorTooOldError
        expected = item.number + 1
        yield item


def _entries(
    portal: Portal, call: AuthorizedCall[EmptyBody], items: Sequence[FeedItem]
) -> list[Entry]:
    """Write what the items lead to; receipts whose proof is over are there no longer."""
    clinic = call.clinic
    places = [
        receipt_key(clinic, receipt.subject, receipt.version)
        for item in items
        for receipt in item.receipts
    ]
    found = portal.table.get(places) if places else {}
    entries: list[Entry] = []
    for item in items:
        if item.event is not None:
            entries.append(
                {"type": f"subject.{item.event}", "subject": item.subject, "recorded_at": item.at}
            )
        for receipt in item.receipts:
            stored = found.get(receipt_key(clinic, receipt.subject, receipt.version))
            if stored is not None:
                entries += _of_receipt(read_receipt(stored), call.shared)
    return entries


def _of_receipt(receipt: Receipt, shared: Clinic) -> list[Entry]:
    """Write what a receipt says of each question that the key's controller shares."""
    document = receipt.document
    about = {
        "subject": document["subject"],
        "receipt_id": document["id"],
        "version": document["version"],
        "recorded_at": document["recorded_at"],
    }
    if not document["decisions"]:
        return [{"type": "contact.changed", **about}]
    entries: list[Entry] = []
    for question, decided in document["decisions"].items():
        if question not in shared.questions:
            continue
        own = {
            "question": question,
            "before": decided["before"],
            "after": decided["after"],
            "effective_at": document["effective_at"],
            "expires_at": decided["expires_at"],
            "confirm_by": decided["confirm_by"],
            "notice_version": document["notice"]["version"],
        }
        entries.append({"type": _type_of(decided), **about, **own})
    return entries


def _type_of(decided: Mapping[str, Any]) -> str:
    """Say what a change is, as webhooks say it: what ended counts more than what began."""
    if decided["after"] == State.GRANTED:
        return "consent.granted"
    if decided["before"] == State.GRANTED or decided["after"] == State.WITHDRAWN:
        return "consent.withdrawn"
    return "consent.changed"


def _superseding(published: Published, shared: Clinic, known: str) -> list[Entry]:
    """Tell of a MAJOR version that came into force since a program read on with another."""
    notice = published.in_force
    if notice.major == major(known):
        return []
    questions: list[QuestionId] = sorted(shared.questions)
    return [
        {
            "type": "notice.superseded",
            "notice_version": notice.version,
            "effective_at": notice.major_since,
            "questions": questions,
        }
    ]
