"""Commands on what the function behind the table's stream gave up after its retries.

consent operator failures list
consent operator failures replay

The queue holds pointers into the stream, not the records, and the stream keeps records for one day.
Nothing is lost by that: every receipt and message keeps a mark in the table until it is done, and
the scheduled job finds the marks. A replay does the same at once, recounts the days that the
pointers name, and then empties the queue.
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
from infra.operator.arguments import Commands, add_command, add_group
from infra.operator.cli.errors import CommandError
from infra.operator.recount import go_through, settle, signer_of

_HIDDEN_SECONDS = 900
_PEEK_SECONDS = 5


@dataclass(frozen=True)
class GivenUp:
    """A batch of the stream that was given up, as Lambda describes it.

    When its first and last record came in, how many there are, why, and how often it was tried.
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
        """Read a message of the queue; raise ValueError, KeyError or TypeError for any other."""
        body = json.loads(message["Body"])
        batch = body["DDBStreamBatchInfo"]
        request = body.get("requestContext", {})
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
    """The queue in SQS to which Lambda sends what it gave up."""

    def __init__(self, client: Any, url: str) -> None:
        """Take an SQS client and the URL of the queue."""
        self._client = client
        self._url = url

    def given_up(self, seconds: int) -> Iterator[GivenUp | None]:
        """Yield every message of the queue once; None for one that cannot be read.

        The messages stay in the queue, hidden from other readers for so many seconds.
        """
        seen: set[str] = set()
        while True:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=seconds,
                WaitTimeSeconds=1,
            )
            found = answer.get("Messages", [])
            new = [message for message in found if message["MessageId"] not in seen]
            if not new:
                return
            for message in new:
                seen.add(message["MessageId"])
                yield _read(message)

    def delete(self, done: GivenUp) -> None:
        """Delete a message from the queue."""
        self._client.delete_message(QueueUrl=self._url, ReceiptHandle=done.handle)


def _read(message: dict[str, Any]) -> GivenUp | None:
    try:
        return GivenUp.read(message)
    except (ValueError, KeyError, TypeError):
        return None


def add_to(commands: Commands) -> None:
    """Add the commands to a parser's commands."""
    purpose = "list or repeat what the function behind the table's stream gave up"
    group = add_group(commands, "failures", purpose)
    add_command(group, "list", "list what was given up; changes nothing", _list)
    purpose = "count and sign now what was given up, and delete it from the queue"
    add_command(group, "replay", purpose, _replay)


def replay(
    portal: Portal, queue: FailureQueue, now: Instant
) -> tuple[list[GivenUp], list[Recount], SigningReport]:
    """Count and sign what waits, recount the days the pointers name, and empty the queue.

    Return the pointers, the recounts, and what was counted and signed. Messages that cannot be read
    stay in the queue. What is to be sent to patients has marks of its own: the scheduled job sends
    it within minutes.
    """
    found = queue.given_up(_HIDDEN_SECONDS)
    pointers = [pointer for pointer in found if pointer is not None]
    tally = _count_and_sign(portal)
    recounts = _recount_days(portal, pointers, now) if pointers else []
    for pointer in pointers:
        queue.delete(pointer)
    return pointers, recounts, tally


def _count_and_sign(portal: Portal) -> SigningReport:
    *_, tally = signing.sign_waiting(portal.table, signer_of(portal), lambda: False)
    return tally


def _recount_days(portal: Portal, pointers: list[GivenUp], now: Instant) -> list[Recount]:
    """Recount at every clinic the days on which the records of these batches came in."""
    # A record comes in shortly after its receipt was written, which may be the day before.
    earliest = min(moment(pointer.first) for pointer in pointers)
    first = instant(earliest - timedelta(hours=1))[:10]
    last = max(pointer.last for pointer in pointers)[:10]
    recounts = []
    for clinic in portal.clinics.all():
        state = go_through(portal.table, Recount(clinic, first, last, now), portal.signer)
        settle(portal.table, state, lower=False)
        recounts.append(state)
    return recounts


def _instant(at: str) -> Instant:
    return instant(datetime.fromisoformat(at))


def _queue(portal: Portal) -> FailureQueue:
    url = os.environ.get("FAILURES_QUEUE", "")
    if not url:
        raise CommandError("FAILURES_QUEUE is not set: `make deploy` prints it.")
    return FailureQueue(portal.aws.client("sqs"), url)


def _list(_arguments: argparse.Namespace) -> None:
    found = list(_queue(get_portal()).given_up(_PEEK_SECONDS))
    for pointer in found:
        if pointer is None:
            print("A message that is no pointer into the stream.", file=sys.stderr)
            continue
        period = f"{pointer.first} to {pointer.last}"
        size, tries = f"{pointer.size} records", f"{pointer.tries} tries"
        print(period, size, pointer.reason, tries, sep="\t")
    print(f"{len(found)} in the queue." if found else "Nothing was given up.")


def _replay(_arguments: argparse.Namespace) -> int:
    portal = get_portal()
    now = instant(datetime.now(UTC))
    pointers, recounts, tally = replay(portal, _queue(portal), now)
    counted = tally.counted + sum(recount.found for recount in recounts)
    outcome = f"{counted} receipts counted, {tally.signed} signed, {tally.failed} failed"
    print(f"{len(pointers)} replayed: {outcome}.")
    print("Messages to patients that wait are sent within minutes.")
    return 1 if tally.failed else 0
