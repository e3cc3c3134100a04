"""Request units of each deed, item by item: what is written at once, and what follows it.

The portal's own functions run on services in memory (`tests.faults`), so that everything is counted
where botocore's client stands. Behind a deed the stream's function is given every record, until it
leaves none.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from bench.request_units import Index, Meter, Operation, Place, Stored
from chalicelib.domain.api_keys import SCOPES
from chalicelib.notices.edition import make_edition
from infra.build.catalogs import compile_stale
from infra.operator import keys
from tests.cast import RIGA, an_edition, publish_edition
from tests.faults.services import DynamoClient
from tests.faults.world import TABLE, Visitor, World, connect, simulated
from tests.web.client import Answer, Program

BUDGETS = {
    "first decision, 1 answer": 30,
    "first decision, 8 answers": 40,
    "further decision": 30,
    "withdrawal": 40,
    "decision 32, 1 answer": 30,
    "decision 64, 8 answers": 40,
    "staff receipt": 30,
}
"""Write units of a deed with everything behind it."""

ITEM_BY_ITEM = ("first decision, 1 answer", "first decision, 8 answers")
"""Of which deeds each item is printed; build/bench.json has those of all."""

INDEXES: tuple[Index, ...] = ()
"""The table's indexes, as in infra/template.yaml."""

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


@dataclass(frozen=True, slots=True)
class Deed:
    """What one deed counted, at once (`front`) and behind the stream (`behind`)."""

    front: tuple[Operation, ...]
    behind: tuple[Operation, ...]
    trips: int
    trips_behind: int


def run() -> dict[str, Any]:
    """Count each deed, and print what it writes item by item.

    Gives ``{"units": {deed: {"write", "write_front", "write_behind", "read", "round_trips", …,
    "items": [{"where", "key", "bytes", "units"}]}}}``.
    """
    measured = {}
    for name, deed in deeds().items():
        told = _figures(deed)
        if name in BUDGETS:
            told["budget"] = BUDGETS[name]
        _print(name, told)
        measured[name] = told
    return {"units": measured}


def deeds() -> dict[str, Deed]:
    """Carry out each deed in a world of its own making, and count it."""
    compile_stale()
    with simulated("units", datetime(2026, 11, 23, 9, tzinfo=UTC)) as world:
        counter = _Counter(world)
        counter.warm_up()
        return counter.count_all()


class _Counter:
    """A clinic with patients and a program, and a meter at the table."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.meter = Meter(self._read, INDEXES)
        connect(world.portal.table, MeteredClient(world, self.meter))
        _, key = keys.create(world.portal.table, RIGA, "bench", SCOPES)
        self.program = Program(RIGA, key, Visitor())
        questions = an_edition(RIGA).clinic.questions
        self.by_email = [name for name, each in questions.items() if "phone" not in each.needs]
        self.others = [name for name in questions if name not in self.by_email]

    def _read(self, places: Sequence[Place]) -> Mapping[Place, Stored]:
        wanted = {"Keys": [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in places]}
        answer = self.world.table.call("BatchGetItem", {"RequestItems": {TABLE: wanted}})
        items = answer["Responses"][TABLE]
        return {(item["pk"]["S"], item["sk"]["S"]): item for item in items}

    def warm_up(self) -> None:
        """Do everything once: the first of each fills the caches, and keeps the pages as shown."""
        self._post("warm@example.org", self._answers(8))
        self._withdraw("warm@example.org")
        self._ask(1)
        self._staff("warm@example.org")
        self._follow()

    def count_all(self) -> dict[str, Deed]:
        """Count the deeds, each of people of its own."""
        one, eight = self._answers(1), self._answers(8)
        found = {
            "first decision, 1 answer": self._count(lambda: self._post("a@example.org", one)),
            "first decision, 8 answers": self._count(lambda: self._post("b@example.org", eight)),
            "further decision": self._count(lambda: self._post("a@example.org", self._no(one))),
            "withdrawal": self._count(lambda: self._withdraw("a@example.org")),
        }
        for last, answers, title in ((32, one, "1 answer"), (64, eight, "8 answers")):
            email = f"often{last}@example.org"
            for number in range(1, last):
                self._post(email, answers if number % 2 else self._no(answers))
                self._follow()
            post = partial(self._post, email, self._no(answers))
            found[f"decision {last}, {title}"] = self._count(post)
        found["status of 1"] = self._count(lambda: self._ask(1))
        found["status of 100"] = self._count(lambda: self._ask(100))
        found["staff receipt"] = self._count(lambda: self._staff("c@example.org"))
        found["publication"] = self._count(self._publish)
        return found

    def _count(self, act: Callable[[], object]) -> Deed:
        # Another minute, as patients come: token buckets are full again.
        self.world.at += timedelta(minutes=10)
        self._follow()
        self.meter.clear()
        act()
        front, trips = tuple(self.meter.operations), len(self.meter.calls)
        self.meter.clear()
        self._follow()
        return Deed(front, tuple(self.meter.operations), trips, len(self.meter.calls))

    def _follow(self) -> None:
        """Let the stream's function work until it leaves no record."""
        while records := self.world.table.records[:]:
            self.world.table.records.clear()
            self.world.running = "stream"
            self.world.stream(records)
            self.world.running = "api"

    def _answers(self, number: int) -> dict[str, str]:
        """Answer so many questions: Yes to those an e-mail is enough for, No to the others."""
        chosen = dict.fromkeys(self.by_email, "yes") | dict.fromkeys(self.others, "no")
        return {f"decision.{name}": chosen[name] for name in list(chosen)[:number]}

    @staticmethod
    def _no(answers: Mapping[str, str]) -> dict[str, str]:
        return dict.fromkeys(answers, "no")

    def _post(self, email: str, answers: Mapping[str, str]) -> None:
        named = {"name": "Anna Ozola"} if len(answers) > 1 else {}
        self._send("", {**answers, **named, "email": email})

    def _withdraw(self, email: str) -> None:
        self._send("/withdraw", {"email": email, "all": "yes"})

    def _send(self, page: str, form: Mapping[str, str]) -> None:
        """Open a page and send its form; opening it is not counted."""
        self.world.at += timedelta(minutes=10)
        visitor = Visitor()
        opened = visitor.get(f"/{RIGA}{page}").text
        [state, *_] = re.findall(r'name="state" value="([^"]+)"', opened)
        self.meter.clear()
        _expect(visitor.post(f"/{RIGA}{page}", {"state": state, **form}), 303)

    def _ask(self, number: int) -> None:
        emails = ["a@example.org", *(f"p{each}@example.org" for each in range(1, number))]
        subjects = [{"email": email} for email in emails]
        _expect(self.program.call("status", {"subjects": subjects}), 200)

    def _staff(self, email: str) -> None:
        body = {
            "subject": {"email": email},
            "decisions": {"newsletter.email": "yes"},
            "channel": "in-person",
            "effective_at": self.world.instant,
        }
        _expect(self.program.call("receipts", body), 201)

    def _publish(self) -> None:
        """Draft, approve and publish a MAJOR version."""
        edition = an_edition(RIGA)
        document = {**edition.document, "version": "2.0", "effective": "2026-11-24"}
        portal = self.world.portal
        publish_edition(portal.table, portal.clinics, make_edition(document), self.world.instant)


def _expect(answer: Answer, status: int) -> None:
    if answer.status != status:
        raise RuntimeError(f"answered {answer.status} instead of {status}: {answer.text[:200]}")


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
        "items": items,
    }


def _written(operations: Sequence[Operation]) -> list[Operation]:
    return [each for each in operations if each.call not in _READS]


def _read(operations: Sequence[Operation]) -> list[Operation]:
    return [each for each in operations if each.call in _READS]


_READS = {"GetItem", "BatchGetItem", "Query"}


def key_pattern(place: Place) -> str:
    """Give an item's key without what differs from one person, clinic and time to another."""
    patterns = []
    for part in place:
        without_ids = _ID.sub("id", part.replace(RIGA, "clinic"))
        patterns.append(_NUMBER.sub("n", _TIME.sub("time", without_ids)))
    return " | ".join(patterns)


def _print(name: str, told: Mapping[str, Any]) -> None:
    budget = f" (budget {told['budget']})" if "budget" in told else ""
    print(
        f"  {name:<26} {told['write']:>4.0f} write units{budget}: {told['write_front']:.0f} at once, "
        f"{told['write_behind']:.0f} behind; {told['read_front']:g} + {told['read_behind']:g} "
        f"read units; {told['round_trips']} + {told['round_trips_behind']} round trips"
    )
    if name not in ITEM_BY_ITEM:
        return
    for item in told["items"]:
        where = f"{item['where']:<6} {item['kind']:<6} {item['key']:<72}"
        print(f"      {where} {item['bytes']:>6} bytes {item['units']:>3} units")
