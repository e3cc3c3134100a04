"""The portal on a table with very many people: what each deed reads and writes at every size.

    python -m bench.scale [PEOPLE …]        100000 1000000 by default

Complete people (`copies`) are written into DynamoDB Local's own file. Some are looked over through
the portal. Then the deeds are done there and counted: what is flat costs the same at every size. The
figures are written to build/scale.json. A million people take some ten gigabytes of disk while it
runs.
"""

import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import botocore.session

from bench.copies import Copier, Original, Table, counters, email_of, taken
from bench.local_table import Row, RowWriter, row_of
from bench.request_units import Meter, Place, Stored, is_read
from bench.units import table_indexes
from bench.visits import CLINIC, EMAIL_NEWS, Visits, expect
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.jobs import housekeeping
from chalicelib.jobs.counting import count_feeds
from chalicelib.receipts import sd_jwt
from chalicelib.receipts.chain import verify_chain
from chalicelib.store import personal_data, signatures, statistics
from chalicelib.store.keys.counts import count_request_key
from chalicelib.store.writes import Delete
from infra.build.bundle import ROOT
from infra.build.catalogs import compile_stale
from infra.build.tools import LOCAL, dynamodb_local
from infra.local.aws import REGION, aws_environment
from tests.cast import an_edition, create_table, environment
from tests.faults.services import PortalCalls
from tests.faults.world import TABLE, World, connect, simulated

SIZES = (100_000, 1_000_000)
FOLDER = LOCAL / "scale"
DAY = datetime(2026, 11, 23, 9, tzinfo=UTC)

ORIGINALS = 16
"""How many originals there are of each kind: as many as the table has shards."""

DUE = 5
"""How many people the round finds due: their Yes waits for four days by now."""

SECONDS = 120
"""After how many seconds the round is stopped where it is not done."""

CHECKED = 24
"""How many copies are looked over."""

_SAID_EVERY = 50_000
_DUE_FROM = 90_000_000

Deed = Callable[[], object]


def main(sizes: Sequence[int]) -> int:
    """Write people and measure, from nobody to each size; write build/scale.json."""
    figures = run([0, *sizes], FOLDER)
    kept = ROOT / "build" / "scale.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(figures, indent=1) + "\n")
    _say("written to build/scale.json")
    return 0


def run(sizes: Sequence[int], folder: Path, originals: int = ORIGINALS) -> dict[str, Any]:
    """Measure at each size; the folder is removed before and after.

    `originals` is how many people of each kind decide before they are copied.

    Gives ``{"people": {size: {"items_a_person", "bytes_a_person", "deeds": {deed: {"round_trips",
    "bytes", "read", "write", "seconds"}}}}}``.
    """
    compile_stale()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with simulated("scale", DAY) as world:
            return {"people": _Scale(world, folder, originals).measure_all(sizes)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class NotWholeError(Exception):
    """Somebody who was written into the file is not as a person of the portal's own is."""


class LocalClient(PortalCalls):
    """botocore's client of DynamoDB Local, with a meter before it."""

    _request_signer = None

    def __init__(self, client: Any) -> None:
        self.client = client
        self.meta = client.meta
        self.meter = Meter(self._items, table_indexes())

    def _items(self, places: Sequence[Place]) -> Mapping[Place, Stored]:
        wanted = {"Keys": [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in places]}
        answer = self.client.batch_get_item(RequestItems={TABLE: wanted})
        return {(item["pk"]["S"], item["sk"]["S"]): item for item in answer["Responses"][TABLE]}

    def _make_api_call(self, operation: str, sent: Mapping[str, Any]) -> Mapping[str, Any]:
        call = partial(self.client._make_api_call, operation, sent)  # noqa: SLF001 - where PynamoDB calls it
        return self.meter.count(operation, sent, call)


class _Scale:
    """One clinic, first in memory where the originals decide, then in DynamoDB Local's file."""

    def __init__(self, world: World, folder: Path, originals: int) -> None:
        self.world = world
        self.folder = folder
        self.visits = Visits(world)
        self.visits.warm_up()
        document = {**an_edition(CLINIC).document, "version": "2.0", "effective": "2026-12-24"}
        expect(self.visits.program.call("notices", document), 201)
        # Which walks once through everybody, for a version that is new and for the draft's count.
        world.run_housekeeping()
        self.base = self._everything()
        self.due = self._original("due@example.org", [self._claim])
        self.world.at = DAY + timedelta(days=4)
        self.originals = list(self._make_originals(originals))
        self.people = 0
        self.rng = random.Random("scale")  # noqa: S311 - which people are asked about

    def measure_all(self, sizes: Sequence[int]) -> dict[str, Any]:
        """Measure at each size, one after the other in the same table."""
        self.copiers = [Copier(each, self.world.portal, CLINIC) for each in self.originals]
        with dynamodb_local(self.folder) as url:
            create_table(url, TABLE)
        self._write(map(row_of, self.base.values()))
        measured = {}
        for size in sizes:
            begun = time.monotonic()
            rows, content = self._write_people(size)
            took = time.monotonic() - begun
            with self._portal_on_file() as client:
                self._look_over()
                deeds = self._measure(client)
            measured[str(size)] = {
                "items_a_person": round(rows / size, 1) if size else 0,
                "bytes_a_person": round(content / size) if size else 0,
                "seconds_to_write": round(took),
                "deeds": deeds,
            }
            _print(size, measured[str(size)])
        return measured

    def _everything(self) -> Table:
        """Give what the table in memory holds that lasts."""
        passing = ("LIMIT#", "BUDGET#")
        return {
            place: item
            for place, item in self.world.table.items()
            if not any(part in place[0] for part in passing)
        }

    def _make_originals(self, times: int) -> Iterator[Original]:
        """Let people decide, some of each kind. Most answer one question once."""
        visits, one, eight = self.visits, self.visits.answers(1), self.visits.answers(8)
        desk = {EMAIL_NEWS: "yes"}
        at_desk: Callable[[str], object] = partial(visits.staff, answers=desk)
        kinds: list[list[Callable[[str], object]]] = [
            *([[at_desk]] * 4),
            [lambda email: visits.staff(email, eight)],
            [self._claim],
            [lambda email: visits.staff(email, eight), visits.withdraw],
            [
                at_desk,
                lambda email: visits.post(email, dict.fromkeys(one, "no")),
                lambda email: visits.post(email, eight),
            ],
        ]
        for number, kind in enumerate(kinds * times):
            yield self._original(f"original{number:03d}@example.org", kind)

    def _claim(self, email: str) -> None:
        """Let somebody say Yes who does not confirm it: after half the time they are reminded."""
        self.visits.post(email, self.visits.answers(8))

    def _original(self, email: str, acts: Sequence[Callable[[str], object]]) -> Original:
        """Let somebody decide, and take what is kept of them."""
        before = dict(self.world.table.items())
        for act in acts:
            act(email)
            self.visits.follow()
        count_feeds(self.world.portal, lambda: False)  # as the hourly round does
        after = dict(self.world.table.items())
        return taken(self.world.portal, CLINIC, email, before, after)

    def _write(self, rows: Iterator[Row]) -> int:
        writer = RowWriter(self.folder, TABLE)
        try:
            return writer.write(rows)
        finally:
            writer.close()

    def _write_people(self, size: int) -> tuple[int, int]:
        """Write people up to a number; give how many items and bytes were written of so many."""
        content = 0
        begun, first = time.monotonic(), self.people

        def rows() -> Iterator[Row]:
            nonlocal content
            for number in range(self.people, size):
                for row in self.copiers[number % len(self.copiers)].copy(number):
                    content += row[2]
                    yield row
                self.people = number + 1
                if not self.people % _SAID_EVERY:
                    rate = (self.people - first) / (time.monotonic() - begun)
                    _say(f"    {self.people:,} people, {rate:,.0f} a second")
            due = Copier(self.due, self.world.portal, CLINIC)
            for number in range(DUE):
                yield from due.copy(_DUE_FROM + size + number)
            lived = Counter(number % len(self.originals) for number in range(self.people))
            copies = [(self.originals[each], times) for each, times in lived.items()]
            yield from map(row_of, counters(copies, self.base))

        _say(f"  writing {size:,} people …")
        written = self._write(rows())
        share = size / (size - first) if size else 0
        return round(written * share), round(content * share)

    @contextmanager
    def _portal_on_file(self) -> Iterator[LocalClient]:
        """Let the portal work on DynamoDB Local; in a new process, as it were."""
        with dynamodb_local(self.folder) as url, environment(aws_environment(url)):
            session = botocore.session.get_session()
            client = LocalClient(session.create_client("dynamodb", REGION))
            self.world.start()
            connect(self.world.portal.table, client)  # type: ignore[arg-type]
            yield client

    def _look_over(self) -> None:
        """Look some copies over: status, chain, signatures, contacts; raise NotWholeError."""
        for number in self.rng.sample(range(self.people), min(CHECKED, self.people)):
            self._look_over_one(number)
        if self.people:
            _say(f"  {min(CHECKED, self.people)} of them read through the portal: whole")

    def _look_over_one(self, number: int) -> None:
        original, email = self.originals[number % len(self.originals)], email_of(number)
        portal = self.world.portal
        key = portal.clinics.key(CLINIC)
        contact = Contact(ContactKind.EMAIL, email)
        [person] = portal.directory.look_up(CLINIC, [contact]).stored_under[contact]
        receipts = portal.receipts.history(CLINIC, [person])
        verify_chain(receipts)
        _require(person.head == receipts[-1].sha256, "the chain ends with the last receipt")
        _require(len(receipts) == len(original.receipts), "each receipt is there")
        jwks = signatures.jwks(portal.table)
        for receipt in receipts:
            _, signed = portal.receipts.issued(CLINIC, receipt.id)
            proven = sd_jwt.verify(signed or "", jwks)
            _require(proven.canonical == receipt.canonical, "the signature is the receipt's")
        [(known, _)] = personal_data.reveal(portal.table, key, person).contacts
        _require(known == contact, "the contact can be read")
        states = {
            question: entry["after"]
            for each in receipts
            for question, entry in each.document["decisions"].items()
        }
        told = self.visits.program.states(email=email)
        _require({name: told[name] for name in states} == states, "the answers hold")

    def _measure(self, client: LocalClient) -> dict[str, Any]:
        """Do each deed and count it."""
        visits, world = self.visits, self.world
        known = [email_of(number) for number in self._some(100) or range(100)]
        longest = self._copy_of(max(self.originals, key=lambda each: len(each.receipts)))
        visits.post("first.of.process@example.org", visits.answers(1))
        visits.ask(known[:1])
        # The preview at the size before asked for a count: one more walk, which is no round's work.
        world.portal.table.write_one(Delete(count_request_key(CLINIC)))
        deeds: dict[str, Deed] = {
            "page": visits.open_page,
            "decision": visits.ready_post(f"new{self.people}@example.org", visits.answers(1)),
            "status of 1": lambda: visits.ask(known[:1]),
            "status of 100": lambda: visits.ask(known),
            "history": lambda: visits.program.history(email=longest),
            "housekeeping round": self._round,
            "preview": self._preview,
            "list of contacts to see to": partial(self._list, "contacts/worklist"),
            "list of notices": partial(self._list, "notices"),
            "counts of a day": lambda: statistics.counts(
                world.portal.table, CLINIC, world.instant[:10]
            ),
        }
        return {name: _cost(client.meter, deed) for name, deed in deeds.items()}

    def _some(self, number: int) -> list[int]:
        return self.rng.sample(range(self.people), min(number, self.people))

    def _copy_of(self, original: Original) -> str:
        number = self.originals.index(original)
        return email_of(number)

    def _round(self) -> None:
        """Let the hourly round work until it is done, or time is up."""
        until = time.monotonic() + SECONDS
        world = self.world
        done = housekeeping.run_housekeeping(
            world.portal, world.instant, lambda: time.monotonic() > until
        )
        if not done.whole:
            _say(f"  the round was stopped after {SECONDS} seconds: {dict(done.done)}")

    def _preview(self) -> None:
        expect(self.visits.program.call("notices/2.0/publish?preview=1", {}), 200)

    def _list(self, what: str) -> None:
        expect(self.visits.program.get(what), 200)


def _say(text: str) -> None:
    """Tell how far it came; the portal's own log is taken from the standard output."""
    print(text, file=sys.stderr, flush=True)


def _require(holds: bool, what: str) -> None:  # noqa: FBT001 - what holds is what it is called with
    if not holds:
        raise NotWholeError(f"a copy is not whole: it does not hold that {what}")


def _cost(meter: Meter, deed: Deed) -> dict[str, float]:
    """Do a deed; give its round trips, bytes read, units, and the seconds on this machine."""
    meter.clear()
    begun = time.monotonic()
    deed()
    return {
        "round_trips": len(meter.calls),
        "bytes": sum(each.size for each in meter.operations if is_read(each)),
        "read": meter.read,
        "write": meter.written,
        "seconds": round(time.monotonic() - begun, 2),
    }


def _print(size: int, told: Mapping[str, Any]) -> None:
    kilobytes = told["bytes_a_person"] / 1024
    _say(
        f"  at {size:,} people ({told['items_a_person']} items and {kilobytes:.1f} KB each, "
        f"written in {told['seconds_to_write']} s):"
    )
    for deed, cost in told["deeds"].items():
        _say(
            f"    {deed:<28} {cost['round_trips']:>6} round trips {cost['bytes']:>12,} bytes "
            f"{cost['read']:>9g} read and {cost['write']:>4g} write units {cost['seconds']:>7.2f} s"
        )


if __name__ == "__main__":
    sys.exit(main([int(each) for each in sys.argv[1:]] or SIZES))
