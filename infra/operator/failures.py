"""An operator's commands about what the function behind the table's stream gave up.

python -m infra failures list
python -m infra failures replay

The queue holds pointers into the stream, not what they point at, and the stream forgets after a day. Nothing is lost by
that: every receipt and message keeps a mark in the table until it is done, and the clock's round goes by the marks.
A replay does the same at once, recounts the days the pointers name, and then empties the queue.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.jobs import signing
from chalicelib.jobs.counting import Recount
from chalicelib.jobs.signing import SigningReport
from chalicelib.portal import Portal, get_portal
from infra.operator.recount import go_through, settle

_HIDDEN_SECONDS = 900
_PEEK_SECONDS = 5


class FailuresCommandError(Exception):
    """A command that cannot be carried out; the message says why."""


@dataclass(frozen=True)
class GivenUp:
    """A batch of the stream that was given up: when its records came in, how many, why, how often it was tried.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """

    message: str
    handle: str
    first: Instant
    last: Instant
    size: int
    reason: str
    tries: int

    @classmethod
    def read(cls, message: dict[str, Any]) -> "GivenUp":
        """Read a message of the queue; raise ValueError, KeyError or TypeError for what is none of these."""
        body = json.loads(message["Body"])
        batch, request = body["DDBStreamBatchInfo"], body.get("requestContext", {})
        return cls(
            message["MessageId"],
            message["ReceiptHandle"],
            _instant(batch["approximateArrivalOfFirstRecord"]),
            _instant(batch["approximateArrivalOfLastRecord"]),
            int(batch["batchSize"]),
            str(request.get("condition", "")),
            int(request.get("approximateInvokeCount", 0)),
        )


class FailureQueue:
    """The queue, by its address."""

    def __init__(self, client: Any, url: str) -> None:
        """Take boto3's client of SQS, and where the queue is."""
        self._client = client
        self._url = url

    def given_up(self, seconds: int) -> Iterator[GivenUp | None]:
        """Give what is in the queue, each once, hidden from others for so long; None for what cannot be read."""
        seen: set[str] = set()
        while True:
            asked = {"QueueUrl": self._url, "MaxNumberOfMessages": 10, "VisibilityTimeout": seconds}
            found = self._client.receive_message(**asked, WaitTimeSeconds=1).get("Messages", [])
            new = [each for each in found if each["MessageId"] not in seen]
            if not new:
                return
            for each in new:
                seen.add(each["MessageId"])
                try:
                    yield GivenUp.read(each)
                except (ValueError, KeyError, TypeError):
                    yield None

    def drop(self, done: GivenUp) -> None:
        """Take a message out of the queue."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=done.handle)


def add_to(commands: Any) -> None:
    """Add the commands to a parser's commands."""
    told = commands.add_parser("failures", help="what the function behind the stream gave up").add_subparsers(
        required=True
    )
    told.add_parser("list", help="list it; nothing is changed").set_defaults(run=_list)
    again = "do from the table what it points at, and take it out of the queue"
    told.add_parser("replay", help=again).set_defaults(run=_replay)


def replay(portal: Portal, queue: FailureQueue, now: Instant) -> tuple[list[GivenUp], list[Recount], SigningReport]:
    """Count and sign what waits, recount the days of every pointer at every clinic, and empty the queue.

    Gives the pointers, the recounts, and what was counted and signed. What cannot be read stays in the queue. What is
    to be told keeps its own mark, and is sent by the clock's round within minutes.
    """
    pointers = [each for each in queue.given_up(_HIDDEN_SECONDS) if each is not None]
    if portal.signer is None:
        tally = signing.count_waiting(portal.table, lambda: False)
    else:
        *_, tally = signing.sign_waiting(portal.table, portal.signer, lambda: False)
    recounts = []
    if pointers:
        # A record comes in moments after its receipt was written down, which may be the day before.
        first = instant(min(moment(each.first) for each in pointers) - timedelta(hours=1))[:10]
        last = max(each.last for each in pointers)[:10]
        for clinic in portal.clinics.all():
            state = go_through(portal.table, Recount(clinic, first, last, now))
            settle(portal.table, state, lower=False)
            recounts.append(state)
    for each in pointers:
        queue.drop(each)
    return pointers, recounts, tally


def _instant(at: str) -> Instant:
    return instant(datetime.fromisoformat(at))


def _queue(portal: Portal) -> FailureQueue:
    url = os.environ.get("FAILURES_QUEUE", "")
    if not url:
        raise FailuresCommandError("FAILURES_QUEUE is not set: `make deploy` prints it.")
    return FailureQueue(portal.aws.client("sqs"), url)


def _list(_asked: argparse.Namespace) -> None:
    found = list(_queue(get_portal()).given_up(_PEEK_SECONDS))
    for each in found:
        if each is None:
            print("A message that is no pointer into the stream.", file=sys.stderr)
        else:
            print(f"{each.first} to {each.last}", f"{each.size} records", each.reason, f"{each.tries} tries", sep="\t")
    print(f"{len(found)} in the queue." if found else "Nothing was given up.")


def _replay(_asked: argparse.Namespace) -> int:
    portal = get_portal()
    pointers, recounts, tally = replay(portal, _queue(portal), instant(datetime.now(UTC)))
    found = tally.counted + sum(each.found for each in recounts)
    print(f"{len(pointers)} replayed: {found} receipts counted, {tally.signed} signed, {tally.failed} failed.")
    print("What is to be told is sent within minutes.")
    return 1 if tally.failed else 0
