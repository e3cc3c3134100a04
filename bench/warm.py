"""What the portal adds to its requests to DynamoDB, once a process is warm.

Each deed is carried out in this process, and then the requests it made to DynamoDB are made once
more by a bare botocore client, in turn. The copy of the requests goes to a table of its own that
began as a copy of the portal's: each condition finds there what the portal's found. Compared is the
time of this process on a processor, which leaves the emulator out, as the median of the ratios of
all pairs; the wall times are compared beside it.

Decisions per second at one connection stand beside those of a raw record: one transaction of five
small items on the same emulator, in turn with the decisions. Each decision's own requests are made
raw in the same turn: how long those take is the emulator's part, and no code of the portal's
makes decisions faster than that.
"""

import json
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from itertools import count
from typing import Any

import botocore.session
from botocore import xform_name

from bench.roundtrips import TABLE, PortalClient, portal_client
from infra.local.aws import REGION
from infra.local.template import create_table

COPY = "portal-bench-copy"
RAW = "portal-bench-raw"
BUDGET = {"page": 1.3, "decision": 1.4, "status of 1": 1.3, "status of 100": 1.6}
"""Times the processor time of the same requests made raw."""

RATE_BUDGET = 0.7
"""How many decisions there are for one raw record of five items, at one connection."""

ROUNDS = {"page": 150, "decision": 100, "status of 1": 150, "status of 100": 40}
_WARM = 10
_EVENT_BEFORE_REQUEST = "provide-client-params.dynamodb"

Deed = Callable[[], None]
Request = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one deed: of this process on a processor, and by the wall."""

    processor: float
    wall: float


def run() -> dict[str, Any]:
    """Measure all deeds and print the medians.

    Gives ``{"warm": {deed: {"ratio", "wall_ratio", "portal_ms", "raw_ms", "budget"}, "rate": …}}``.
    """
    with portal_client() as client:
        replay = _Replay(client.dynamodb)
        measured = {}
        deeds: dict[str, Iterator[Deed]] = {
            "page": _pages(client),
            "decision": _decisions(client),
            "status of 1": _status(client, 1),
            "status of 100": _status(client, 100),
        }
        for name, prepared in deeds.items():
            with _without_metrics():
                pairs = _measure(prepared, ROUNDS[name], replay)
            measured[name] = _compare(name, pairs)
        with _without_metrics():
            times = _measure_rate(_decisions(client, "rate"), replay)
        rate = _compare_rate(times)
    return {"warm": {**measured, "rate": rate}}


def _without_metrics() -> redirect_stdout[StringIO]:
    """Keep away the line that the portal writes when it has counted a hundred decisions."""
    return redirect_stdout(StringIO())


def _measure(deeds: Iterator[Deed], rounds: int, replay: "_Replay") -> list[tuple[Times, Times]]:
    pairs = []
    for number in range(_WARM + rounds):
        deed = next(deeds)
        replay.catch_up()  # with what the deed needed before it could begin
        ours = _timed(deed)
        requests = replay.recorded()
        raw = _timed(lambda requests=requests: replay.make(requests))  # type: ignore[misc]
        if number >= _WARM:
            pairs.append((ours, raw))
    return pairs


def _compare(name: str, pairs: Sequence[tuple[Times, Times]]) -> dict[str, Any]:
    ratio = statistics.median(ours.processor / raw.processor for ours, raw in pairs)
    wall = statistics.median(ours.wall / raw.wall for ours, raw in pairs)
    portal_ms = statistics.median(ours.processor for ours, _ in pairs) * 1000
    raw_ms = statistics.median(raw.processor for _, raw in pairs) * 1000
    print(f"  {name:<14} {ratio:.2f} × raw on the processor (budget {BUDGET[name]}),", end=" ")
    print(f"{wall:.2f} × by the wall; {portal_ms:.2f} ms and {raw_ms:.2f} ms")
    return {
        "ratio": round(ratio, 2),
        "wall_ratio": round(wall, 2),
        "portal_ms": round(portal_ms, 2),
        "raw_ms": round(raw_ms, 2),
        "budget": BUDGET[name],
    }


def _timed(deed: Deed) -> Times:
    wall, processor = time.perf_counter(), time.process_time()
    deed()
    return Times(time.process_time() - processor, time.perf_counter() - wall)


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds by the wall of one decision, of its own requests made raw, and of raw records."""

    decision: float
    read: float
    write: float
    five_items: float
    ten_items: float

    @property
    def requests(self) -> float:
        """The decision's requests alone."""
        return self.read + self.write


def _measure_rate(deeds: Iterator[Deed], replay: "_Replay") -> Sequence[Turn]:
    """Measure decisions and raw records in turn."""
    turns = []
    for number in range(ROUNDS["decision"]):
        deed = next(deeds)
        replay.catch_up()
        ours = _timed(deed).wall
        made = replay.recorded()
        spent = {"read": 0.0, "write": 0.0}
        for request in made:
            kind = "read" if request[0] == "BatchGetItem" else "write"
            spent[kind] += _timed(lambda request=request: replay.make([request])).wall  # type: ignore[misc]
        five = _timed(lambda number=number: replay.record(number, 5)).wall  # type: ignore[misc]
        ten = _timed(lambda number=number: replay.record(number, 10)).wall  # type: ignore[misc]
        turns.append(Turn(ours, spent["read"], spent["write"], five, ten))
    return turns


def _compare_rate(turns: Sequence[Turn]) -> dict[str, Any]:
    ratio = statistics.median(turn.five_items / turn.decision for turn in turns)
    bound = statistics.median(turn.five_items / turn.requests for turn in turns)
    a_second = 1 / statistics.median(turn.decision for turn in turns)
    raw_a_second = 1 / statistics.median(turn.five_items for turn in turns)
    names = ("decision", "read", "write", "five_items", "ten_items")
    each = {
        f"{name}_ms": round(statistics.median(getattr(turn, name) for turn in turns) * 1000, 2)
        for name in names
    }
    print(
        f"  decisions      {a_second:.0f} a second at one connection, {raw_a_second:.0f}", end=" "
    )
    print(f"raw records of five items: {ratio:.2f} (at least {RATE_BUDGET});", end=" ")
    print(f"{bound:.2f} for the same requests made raw")
    print(f"                 {', '.join(f'{name} {value}' for name, value in each.items())}")
    return {
        "decisions_a_second": round(a_second),
        "raw_records_a_second": round(raw_a_second),
        "ratio": round(ratio, 2),
        "bound": round(bound, 2),
        **each,
        "budget": RATE_BUDGET,
    }


class _Replay:
    """Makes the portal's requests once more, by a bare botocore client, on a copy of its table."""

    def __init__(self, portal: Any) -> None:
        self._client = botocore.session.get_session().create_client("dynamodb", REGION)
        self._requests: list[Request] = []
        for table in (COPY, RAW):
            create_table(self._client, table)
        for page in self._client.get_paginator("scan").paginate(TableName=TABLE):
            for item in page["Items"]:
                self._client.put_item(TableName=COPY, Item=item)
        portal.meta.events.register(_EVENT_BEFORE_REQUEST, self._record)

    def _record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self._requests.append((model.name, dict(params)))

    def recorded(self) -> list[Request]:
        """Give the requests since the last time, for the copy of the table."""
        made = self._requests
        self._requests = []
        return [(name, _for_the_copy(params)) for name, params in made]

    def make(self, requests: Sequence[Request]) -> None:
        """Make requests; what the portal read or wrote is read or written in the copy."""
        for name, params in requests:
            # What failed for the portal fails here too.
            with suppress(self._client.exceptions.ConditionalCheckFailedException):
                getattr(self._client, xform_name(name))(**params)

    def catch_up(self) -> None:
        """Make every request recorded so far."""
        self.make(self.recorded())

    def record(self, number: int, parts: int) -> None:
        """Write so many new small items in one transaction."""
        items = []
        for part in range(parts):
            item = {
                "pk": {"S": f"PERSON#{number}#{parts}"},
                "sk": {"S": f"PART#{part}"},
                "body": {"S": "x" * 400},
            }
            put = {
                "TableName": RAW,
                "Item": item,
                "ConditionExpression": "attribute_not_exists(pk)",
            }
            items.append({"Put": put})
        self._client.transact_write_items(TransactItems=items)


def _for_the_copy(params: dict[str, Any]) -> dict[str, Any]:
    """Name the copy of the table where a request names the portal's."""
    text = json.dumps(params, default=lambda value: {"bytes": value.hex()})
    renamed = text.replace(f'"{TABLE}"', f'"{COPY}"')
    return dict(json.loads(renamed, object_hook=_with_bytes))


def _with_bytes(value: dict[str, Any]) -> Any:
    return bytes.fromhex(value["bytes"]) if value.keys() == {"bytes"} else value


def _pages(client: PortalClient) -> Iterator[Deed]:
    while True:
        event = client.form_event("GET", "", {})
        yield lambda event=event: _expect(client, event, 200)  # type: ignore[misc]


def _decisions(client: PortalClient, prefix: str = "p") -> Iterator[Deed]:
    """Decide one question, each for a person of its own, by a form that was just opened."""
    for number in count():
        page = client.answer(client.form_event("GET", "", {}), 200)
        state = re.findall(r'name="state" value="([^"]+)"', page)[0]
        form = {
            "state": state,
            "decision.newsletter.email": "yes",
            "email": f"{prefix}{number}@example.org",
        }
        event = client.form_event("POST", "", form)
        # Each from an address of its own: one address may decide thirty times a minute.
        event["requestContext"]["identity"] = {"sourceIp": f"10.{number // 256}.{number % 256}.1"}
        yield lambda event=event: _expect(client, event, 303)  # type: ignore[misc]


def _status(client: PortalClient, subjects: int) -> Iterator[Deed]:
    """Ask for the status of people who decided just before."""
    body = {"subjects": [{"email": f"p{number}@example.org"} for number in range(subjects)]}
    event = client.api_event("/status", body)
    while True:
        yield lambda: _expect(client, event, 200)


def _expect(client: PortalClient, event: dict[str, Any], status: int) -> None:
    client.answer(event, status)
