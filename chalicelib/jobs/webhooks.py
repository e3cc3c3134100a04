"""Sends deliveries to recipients: at once behind the table's stream, then again by the clock.

Runs in a function of its own, so that a slow recipient keeps back no signature and no patient's
message (docs/decisions/0028-webhooks.md). Recipients are called side by side, each up to
AT_ONCE_EACH times at once; the table is read and written by one thread alone.
"""

import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.webhooks import (
    LONGEST_RETRY_AFTER,
    TRIES,
    DisabledReason,
    WebhookHealth,
    next_try,
)
from chalicelib.messages import webhooks as messages
from chalicelib.messages.webhook_transport import TryResult
from chalicelib.store import webhook_deliveries, webhooks
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import KeysUnavailableError
from chalicelib.store.keys.key import Key
from chalicelib.store.table import ContendedError, Table, UnavailableError
from chalicelib.store.webhook_deliveries import KeptDelivery, QueuedDelivery
from chalicelib.store.webhooks import KeptWebhook, UnknownWebhookError

AT_ONCE = 16
"""How many tries run side by side at most."""

AT_ONCE_EACH = 4
"""How many of them for one recipient."""

PATIENCE = 3
"""After how many failures in a row a recipient is left alone until the next round."""

READ_AHEAD = 25
"""How many deliveries of a recipient are read at once."""

GONE = 410
_ASK_FOR_TIME = frozenset({429, 503})


class Posts(Protocol):
    """What sends one try: over HTTPS, or in a test's own way."""

    def post(self, url: str, content: str, headers: Mapping[str, str]) -> TryResult:
        """Send one try and tell what came of it; raises nothing."""


@dataclass(slots=True)
class WebhookReport:
    """How far a round came."""

    received: int = 0
    failed: int = 0
    whole: bool = True


@dataclass(slots=True)
class _Turn:
    """One recipient in one round: what is left to be sent to it, and how that went."""

    kept: KeptWebhook
    places: Iterator[QueuedDelivery]
    secrets: Sequence[str]
    health: WebhookHealth
    read: deque[tuple[QueuedDelivery, KeptDelivery]] = field(default_factory=deque)
    running: int = 0
    in_a_row: int = 0
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class _Try:
    """One try that runs."""

    turn: _Turn
    place: QueuedDelivery
    kept: KeptDelivery


@dataclass(slots=True)
class WebhookSending:
    """Sends what is due to recipients that have a program.

    `luck` gives numbers from 0 to 1, by which waits are spread.
    """

    table: Table
    clinics: Clinics
    transport: Posts
    now: Callable[[], Instant]
    out_of_time: OutOfTime
    luck: Callable[[], float] = random.random
    report: WebhookReport = field(default_factory=WebhookReport)

    def send_new(self, places: Sequence[QueuedDelivery]) -> WebhookReport:
        """Send deliveries that were put into their queues just now."""
        by_recipient: dict[tuple[str, str], list[QueuedDelivery]] = {}
        now = self.now()
        for place in places:
            if place.due <= now:
                by_recipient.setdefault((place.clinic, place.webhook), []).append(place)
        turns = [
            self._turn(clinic, name, iter(theirs))
            for (clinic, name), theirs in by_recipient.items()
        ]
        return self._send([turn for turn in turns if turn is not None])

    def send_due(self) -> WebhookReport:
        """Send all that is due, of all clinics."""
        turns = []
        for clinic, name in webhooks.listed(self.table):
            due = webhook_deliveries.due_now(self.table, clinic, name, self.now())
            turn = self._turn(clinic, name, due)
            if turn is not None:
                turns.append(turn)
        return self._send(turns)

    def _turn(self, clinic: str, name: str, places: Iterator[QueuedDelivery]) -> _Turn | None:
        """Give a recipient its turn; None for one that gets nothing now."""
        try:
            kept = webhooks.find(self.table, clinic, name)
            if not kept.webhook.url or not kept.health.may_be_tried(self.now()):
                return None
            secrets = kept.secrets(self.clinics.key(clinic), self.now())
        except UnknownWebhookError:
            self._clear(places)
            return None
        except (KeysUnavailableError, UnavailableError) as error:
            log.log().info("webhooks left", clinic=clinic, error=type(error).__name__)
            self.report.whole = False
            return None
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one recipient, the others are called
            log.fault(error)
            return None
        return _Turn(kept, places, secrets, kept.health)

    def _clear(self, places: Iterator[QueuedDelivery]) -> None:
        """Empty the queue of a recipient that was taken away; its deliveries stay told."""
        for place in places:
            if self.out_of_time():
                return
            webhook_deliveries.drop_place(self.table, place)

    def _send(self, turns: Sequence[_Turn]) -> WebhookReport:
        """Send until nothing is left, or the time is over."""
        running: dict[Future[TryResult], _Try] = {}
        waiting = deque(turns)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while True:
                self._start(pool, waiting, running)
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._settle(running.pop(future), future.result())
        self._note_health(turns)
        return self.report

    def _start(
        self,
        pool: ThreadPoolExecutor,
        waiting: deque[_Turn],
        running: dict[Future[TryResult], _Try],
    ) -> None:
        """Start as many tries as there is room for, of each recipient in turn."""
        idle = 0
        while waiting and len(running) < AT_ONCE and idle < len(waiting):
            if self.out_of_time():
                self.report.whole = False
                waiting.clear()
                return
            turn = waiting.popleft()
            if turn.stopped:
                continue
            if turn.running >= AT_ONCE_EACH:
                waiting.append(turn)
                idle += 1
                continue
            started = self._next_try(turn)
            if started is None:
                continue
            idle = 0
            turn.running += 1
            waiting.append(turn)
            running[self._submit(pool, started)] = started

    def _submit(self, pool: ThreadPoolExecutor, started: _Try) -> "Future[TryResult]":
        delivery = started.kept.delivery
        content = messages.payload(delivery)
        headers = messages.headers(delivery, content, started.turn.secrets, self.now())
        return pool.submit(self.transport.post, started.turn.kept.webhook.url, content, headers)

    def _next_try(self, turn: _Turn) -> _Try | None:
        """Take the next delivery of a recipient that is really to be tried; None for the end."""
        try:
            while True:
                if not turn.read and not self._read_ahead(turn):
                    return None
                place, kept = turn.read.popleft()
                enabled_at = turn.kept.health.enabled_at
                taken = webhook_deliveries.claim(self.table, kept, self.now(), enabled_at)
                if taken is not None:
                    return _Try(turn, place, taken)
        except (ContendedError, UnavailableError) as error:
            self._leave(turn, error)
            return None

    def _read_ahead(self, turn: _Turn) -> bool:
        """Read the next deliveries of a recipient; drop places that lead to nothing."""
        while True:
            places = list(itertools.islice(turn.places, READ_AHEAD))
            if not places:
                return False
            clinic = turn.kept.webhook.clinic
            found = webhook_deliveries.read_many(
                self.table, clinic, [place.delivery for place in places]
            )
            for place in places:
                kept = found.get(place.delivery)
                if kept is None or not kept.stands_at(place, turn.kept.webhook.made):
                    webhook_deliveries.drop_place(self.table, place)
                else:
                    turn.read.append((place, kept))
            if turn.read:
                return True

    def _settle(self, tried: _Try, result: TryResult) -> None:
        """Note what came of a try, and go on, or leave the recipient alone."""
        turn, delivery = tried.turn, tried.kept.delivery
        turn.running -= 1
        try:
            if result.received:
                self._note_received(tried, result)
            else:
                self._note_failed(tried, result)
        except (ContendedError, UnavailableError) as error:
            # The lease ends by itself, and a round tries it again: under the same id.
            self._leave(turn, error)
        log.log().info(
            "webhook",
            clinic=delivery.clinic,
            webhook=delivery.webhook,
            delivery=delivery.id,
            tries=delivery.tries,
            status=result.status,
            error=result.error or None,
        )
        log.count("WebhookReceived" if result.received else "WebhookFailed")

    def _note_received(self, tried: _Try, result: TryResult) -> None:
        turn, now = tried.turn, self.now()
        webhook_deliveries.note_received(self.table, tried.kept, tried.place, result.status, now)
        turn.in_a_row = 0
        turn.health = replace(turn.health, last_success=now, failures=0, not_before="")
        self.report.received += 1

    def _note_failed(self, tried: _Try, result: TryResult) -> None:
        turn, now = tried.turn, self.now()
        failed = tried.kept.delivery.failed + 1
        disabled = _why_disabled(result, failed)
        turn.health = replace(turn.health, failures=turn.health.failures + 1)
        if disabled:
            self._disable(turn, disabled)
        # A recipient that is disabled keeps what it was not told: that goes out when its clinic
        # enables it again, with ten tries more for each, however often it failed before.
        webhook_deliveries.note_failed(
            self.table,
            tried.kept,
            tried.place,
            status=result.status,
            error=result.error,
            failed=0 if disabled else failed,
            due=next_try(failed, now, result.retry_after, self.luck()),
        )
        self.report.failed += 1
        turn.in_a_row += 1
        if result.retry_after is not None and result.status in _ASK_FOR_TIME:
            asked = min(result.retry_after, LONGEST_RETRY_AFTER)
            turn.health = replace(turn.health, not_before=instant(moment(now) + asked))
            turn.stopped = True
        if turn.in_a_row >= PATIENCE:
            turn.stopped = True

    def _disable(self, turn: _Turn, because: DisabledReason) -> None:
        """Disable a recipient at once, before the delivery that did it gets its ten tries anew."""
        turn.stopped = True
        tried = replace(turn.health, disabled_since=self.now(), disabled_because=because.value)
        turn.health = webhooks.note_health(self.table, turn.kept, tried)
        turn.kept = replace(turn.kept, health=turn.health)
        if not turn.health.disabled_since:
            return  # its clinic changed it meanwhile
        log.log().warning(
            "webhook disabled",
            clinic=turn.kept.webhook.clinic,
            webhook=turn.kept.webhook.name,
            reason=because.value,
        )
        log.count("WebhookDisabled")

    def _leave(self, turn: _Turn, error: Exception) -> None:
        """Leave a recipient to the next round: the table would not take a write."""
        turn.stopped = True
        self.report.whole = False
        webhook = turn.kept.webhook
        log.log().info(
            "webhooks left",
            clinic=webhook.clinic,
            webhook=webhook.name,
            error=type(error).__name__,
        )

    def _note_health(self, turns: Iterable[_Turn]) -> None:
        for turn in turns:
            if turn.health == turn.kept.health:
                continue
            try:
                webhooks.note_health(self.table, turn.kept, turn.health)
            except (ContendedError, UnavailableError) as error:
                self._leave(turn, error)


def handle(sending: WebhookSending, event: Mapping[str, Any]) -> None:
    """Send what a batch of the stream's records put into queues; without records, all that is
    due.
    """
    try:
        records = event.get("Records")
        report = sending.send_due() if records is None else sending.send_new(_places(records))
        log.log().info(
            "webhooks", received=report.received, failed=report.failed, whole=report.whole
        )
    finally:
        log.flush()


def _places(records: Iterable[Mapping[str, Any]]) -> list[QueuedDelivery]:
    places = []
    for record in records:
        names = record["dynamodb"]["Keys"]
        place = webhook_deliveries.read_place(Key(names["pk"]["S"], names["sk"]["S"]))
        if place is not None and record["eventName"] == "INSERT":
            places.append(place)
    return places


def _why_disabled(result: TryResult, failed: int) -> DisabledReason | None:
    if result.status == GONE:
        return DisabledReason.GONE
    return DisabledReason.FAILING if failed >= TRIES else None
