"""A recipient's program in tests: it answers as a test says, and remembers what it took."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import Any

from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.webhooks import EventType, Webhook
from chalicelib.jobs.webhooks import WebhookReport, WebhookSending
from chalicelib.messages.webhook_transport import TryResult
from chalicelib.portal import Portal
from chalicelib.store import audit, webhooks
from chalicelib.store.webhooks import KeptWebhook
from tests.cast import RIGA, Clock
from tests.policies import under_policy_of

URL = "https://hooks.example.org/consents"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OK = TryResult(200)

Answers = Callable[[int], TryResult]
"""What the program answers to its first call, its second, and so on."""


@dataclass
class Program:
    """A program that is called in the place of HTTPS."""

    answers: Answers = lambda _: OK
    calls: int = 0
    urls: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    """How often it took each id."""
    _lock: Lock = field(default_factory=Lock)

    def post(self, url: str, content: str, headers: Mapping[str, str]) -> TryResult:
        """Take one call."""
        with self._lock:
            self.calls += 1
            result = self.answers(self.calls)
            self.urls.append(url)
            self.headers.append(headers)
            self.bodies.append(json.loads(content))
            if result.received:
                self.taken[headers["webhook-id"]] += 1
            return result

    @property
    def types(self) -> list[str]:
        """The types of what it was sent, in order."""
        return [body["type"] for body in self.bodies]


def a_recipient(
    portal: Portal,
    *questions: str,
    clinic: str = RIGA,
    name: str = "tool",
    url: str = URL,
    email: str = "",
    events: tuple[EventType, ...] = (),
    now: Instant = Clock.at,
) -> KeptWebhook:
    """Keep a recipient as its clinic's call does."""
    before = [
        each for each in webhooks.of_clinic(portal.table, clinic) if each.webhook.name == name
    ]
    kept = before[0] if before else None
    webhook = Webhook(
        clinic,
        name,
        url,
        email,
        questions or ("newsletter.email",),
        "",
        events,
        made=f"{name}-{clinic}",
        salt="ab" * 16,
        created_at=now,
    )
    line = audit.line(clinic, "key_0123456789ab", "webhooks/put", now, [])
    key = portal.clinics.key(clinic)
    webhooks.keep(portal.table, key, webhook, [SECRET], was=kept, now=now, audited=line)
    return webhooks.find(portal.table, clinic, name)


def rounds(
    portal: Portal, program: Program, clock: Clock, after: timedelta = timedelta()
) -> WebhookReport:
    """Let some time pass, then let the clock's round send what is due."""
    clock.at = instant(moment(clock.at) + after)
    with under_policy_of(portal, "send_webhooks"):
        return sending(portal, program, clock).send_due()


def sending(portal: Portal, program: Program, clock: Callable[[], Instant]) -> WebhookSending:
    """Give what sends to a program."""
    return WebhookSending(
        portal.table, portal.clinics, program, clock, lambda: False, luck=lambda: 0.5
    )
