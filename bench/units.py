"""Request units of each deed, item by item: what is written at once, and what follows it.

The portal's own functions run on services in memory (`tests.faults`), so that everything is counted
where botocore's client stands. Behind a deed the stream's function is given every record, until it
leaves none.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bench.request_units import Index, Meter, Operation, Place, Stored, is_read
from bench.visits import CLINIC, EMAIL_NEWS, Visits
from chalicelib.settings import BY_KMS, BY_WRAPPED_KEY
from chalicelib.store.keys.counts import FEED_SHARDS
from infra.build.catalogs import compile_stale
from infra.local.template import template
from tests.faults.services import DynamoClient
from tests.faults.world import TABLE, World, connect, simulated

BUDGETS = {
    "first decision, 1 answer": 30,
    "first decision, 8 answers": 32,
    "further decision": 29,
    "withdrawal": 22,
    "decision 32, 1 answer": 30,
    "decision 64, 8 answers": 30,
    "staff receipt": 25,
}
"""Write units of a deed with everything behind it."""

BUDGETS_BEHIND = {
    "first decision, 1 answer": (11.5, 11),
    "first decision, 8 answers": (11.5, 11),
    "further decision": (12.5, 11),
    "withdrawal": (8, 5),
    "staff receipt": (11.5, 11),
}
"""Read units and round trips of what follows a deed."""

ITEM_BY_ITEM = ("first decision, 1 answer", "first decision, 8 answers")
"""Of which deeds each item is printed; build/bench.json has those of all."""

LOG_BUDGET = 1_500
"""Bytes that a decision and what follows it may leave in the log."""

LINE_BYTES = 26
"""What CloudWatch counts of each line beside its text."""

_ID = re.compile(r"[0-9a-f]{12,64}")
_NUMBER = re.compile(r"\b\d{6,10}\b")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(T[0-9:.]+Z)?")


class MeteredClient(DynamoClient):
    """The client of the table in memory, with a meter before it."""

    def __init__(self, world: World, meter: Meter) -> None:
        super().__init__(world.table, world.weather)
        self._meter = meter

    def _make_api_call(self, operation: str, sent: Mapping[str, Any]) -> Mapping[str, Any]:
        call = super()._make_api_call
        return self._meter.count(operation, sent, lambda: call(operation, sent))


class CountedClient:
    """A client of another service that counts what it is asked."""

    def __init__(self, client: Any) -> None:
        self.calls = 0
        self._client = client

    def __getattr__(self, name: str) -> Any:
        """Count one call, and let the client answer it."""
        self.calls += 1
        return getattr(self._client, name)


@dataclass(frozen=True, slots=True)
class Deed:
    """What one deed counted, at once (`front`) and behind the stream (`behind`)."""

    front: tuple[Operation, ...]
    behind: tuple[Operation, ...]
    trips: int
    trips_behind: int
    kms: int = 0
    """How often KMS was asked behind it."""

    mails: int = 0
    log: int = 0
    """Bytes in the log of the deed and what follows it, as CloudWatch counts them."""


def run() -> dict[str, Any]:
    """Count each deed, and print what it writes item by item.

    Gives ``{"units": {deed: {"write", "write_front", "write_behind", "read", "round_trips", …,
    "items": [{"where", "key", "bytes", "units"}]}}}``; `kms_wrapped` is how often KMS is asked where a
    wrapped key signs.
    """
    measured = {}
    by_wrapped_key = deeds(BY_WRAPPED_KEY)
    for name, deed in deeds().items():
        told = _figures(deed) | {"kms_wrapped": by_wrapped_key[name].kms}
        if name in BUDGETS:
            told["budget"] = BUDGETS[name]
        _print(name, told)
        measured[name] = told
    return {"units": measured}


def deeds(signing: str = BY_KMS) -> dict[str, Deed]:
    """Carry out each deed in a world of its own making, where receipts are signed so; count it."""
    compile_stale()
    with simulated("units", datetime(2026, 11, 23, 9, tzinfo=UTC), signing) as world:
        return _Counter(world).count_all()


class _Counter:
    """The visits to a clinic, and a meter at its table."""

    def __init__(self, world: World) -> None:
        self.visits = Visits(world)
        self.meter = Meter(partial(_items_of, world), table_indexes())
        self.kms = CountedClient(world.kms)
        connect(world.portal.table, MeteredClient(world, self.meter))
        world.portal.kms._client = self.kms  # noqa: SLF001 - where botocore's client stands
        self.visits.warm_up()
        self._begin_feeds()

    def count_all(self) -> dict[str, Deed]:
        """Count the deeds, each of people of its own."""
        visits = self.visits
        one, eight = visits.answers(1), visits.answers(8)
        a, b = "a@example.org", "b@example.org"
        found = {
            "first decision, 1 answer": self._count(visits.ready_post(a, one)),
            "first decision, 8 answers": self._count(visits.ready_post(b, eight)),
            "further decision": self._count(visits.ready_post(a, _no(one))),
            "withdrawal": self._count(visits.ready_withdrawal(a)),
        }
        for last, answers, title in ((32, one, "1 answer"), (64, eight, "8 answers")):
            email = f"often{last}@example.org"
            for number in range(1, last):
                visits.post(email, answers if number % 2 else _no(answers))
                visits.follow()
            ready = visits.ready_post(email, _no(answers))
            found[f"decision {last}, {title}"] = self._count(ready)
        hundred = [a, *(f"p{each}@example.org" for each in range(1, 100))]
        visits.ask([a])  # the first call of a day also notes that its key was used
        found["status of 1"] = self._count(lambda: visits.ask([a]))
        found["status of 100"] = self._count(lambda: visits.ask(hundred))
        desk = partial(visits.staff, "c@example.org", {EMAIL_NEWS: "yes"})
        found["staff receipt"] = self._count(desk)
        found["publication"] = self._count(visits.publish)
        return found

    def _begin_feeds(self) -> None:
        """Let some people decide, so that each part of the clinic's feed has begun.

        The first receipt of a part takes a read more, once in the life of a clinic.
        """
        for number in range(4 * FEED_SHARDS):
            self.visits.post(f"begin{number}@example.org", self.visits.answers(1))
        self.visits.follow()

    def _count(self, act: Callable[[], None]) -> Deed:
        """Carry out one deed, then what follows it."""
        self.visits.follow()
        self.meter.clear()
        log = self.visits.world.log
        logged = log.bytes + LINE_BYTES * log.lines
        act()
        front, trips = tuple(self.meter.operations), len(self.meter.calls)
        self.meter.clear()
        asked, mails = self.kms.calls, len(self.visits.world.messages.deliveries)
        self.visits.follow()
        return Deed(
            front,
            tuple(self.meter.operations),
            trips,
            len(self.meter.calls),
            self.kms.calls - asked,
            len(self.visits.world.messages.deliveries) - mails,
            log.bytes + LINE_BYTES * log.lines - logged,
        )


def table_indexes() -> list[Index]:
    """Give the indexes that infra/template.yaml gives the table."""
    table = template()["Resources"]["Table"]["Properties"]
    found = []
    for index in table.get("GlobalSecondaryIndexes", ()):
        if index["Projection"] != {"ProjectionType": "KEYS_ONLY"}:
            raise NotImplementedError(f"the index {index['IndexName']} projects more than keys")
        found.append(Index(index["IndexName"], *(e["AttributeName"] for e in index["KeySchema"])))
    return found


def _no(answers: Mapping[str, str]) -> dict[str, str]:
    return dict.fromkeys(answers, "no")


def _items_of(world: World, places: Sequence[Place]) -> Mapping[Place, Stored]:
    """Read items of the table in memory."""
    wanted = {"Keys": [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in places]}
    answer = world.table.call("BatchGetItem", {"RequestItems": {TABLE: wanted}})
    return {(item["pk"]["S"], item["sk"]["S"]): item for item in answer["Responses"][TABLE]}


def _figures(deed: Deed) -> dict[str, Any]:
    front, behind = _written(deed.front), _written(deed.behind)
    units = sum(each.units for each in front), sum(each.units for each in behind)
    read = [sum(each.units for each in _read(part)) for part in (deed.front, deed.behind)]
    items = [
        {
            "where": where,
            "kind": each.kind,
            "key": key_pattern(each.place),
            "bytes": each.size,
            "units": each.units,
        }
        for where, part in (("front", front), ("behind", behind))
        for each in part
    ]
    return {
        "write": sum(units),
        "write_front": units[0],
        "write_behind": units[1],
        "read_front": read[0],
        "read_behind": read[1],
        "bytes_read": sum(each.size for each in _read(deed.front)),
        "round_trips": deed.trips,
        "round_trips_behind": deed.trips_behind,
        "kms": deed.kms,
        "mails": deed.mails,
        "log_bytes": deed.log,
        "items": items,
    }


def _written(operations: Sequence[Operation]) -> list[Operation]:
    return [each for each in operations if not is_read(each)]


def _read(operations: Sequence[Operation]) -> list[Operation]:
    return [each for each in operations if is_read(each)]


def key_pattern(place: Place) -> str:
    """Give an item's key without what differs from one person, clinic and time to another."""
    patterns = []
    for part in place:
        without_ids = _ID.sub("id", part.replace(CLINIC, "clinic"))
        patterns.append(_NUMBER.sub("n", _TIME.sub("time", without_ids)))
    return " | ".join(patterns)


def _print(name: str, told: Mapping[str, Any]) -> None:
    budget = f" (budget {told['budget']})" if "budget" in told else ""
    print(
        f"  {name:<26} {told['write']:>4.0f} write units{budget}: {told['write_front']:.0f} at once, "
        f"{told['write_behind']:.0f} behind; {told['read_front']:g} + {told['read_behind']:g} "
        f"read units; {told['round_trips']} + {told['round_trips_behind']} round trips; "
        f"{told['kms']} times KMS ({told['kms_wrapped']} with a wrapped key), "
        f"{told['mails']} messages; {told['log_bytes']} bytes of log"
    )
    if name not in ITEM_BY_ITEM:
        return
    for item in told["items"]:
        where = f"{item['where']:<6} {item['kind']:<6} {item['key']:<72}"
        print(f"      {where} {item['bytes']:>6} bytes {item['units']:>3} units")
