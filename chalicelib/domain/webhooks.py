"""Recipients of word about decisions, and what each was sent: events, deliveries, tries. Pure.

A recipient is a program that is called (Standard Webhooks) or a person who gets an e-mail. It hears
of changed answers to its questions. Whom a patient's data was disclosed to also hears that it was
rectified, restricted or erased (GDPR Art. 19).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self

from chalicelib.domain.consent import QuestionId, State
from chalicelib.domain.instants import Instant, instant, moment

MOST_WEBHOOKS = 50
"""How many recipients one clinic may have."""

OLD_SECRET_HOLDS = timedelta(hours=24)
"""How long the secret before a rotation still signs beside the new one."""

WAITS = tuple(timedelta(minutes=minutes) for minutes in (5, 25, 90, 120, 300, 600, 840, 1080, 1440))
"""How long a delivery waits after each failed try but the last: ten tries over 75 hours."""

CLINIC_TOLD_AGAIN = timedelta(days=1)
"""How long after a mail that a recipient is disabled its clinic gets the next."""

TRIES = len(WAITS) + 1
"""How often a delivery is tried before its recipient is disabled."""

JITTER = 0.1
"""By which part a wait is longer at most, so that deliveries that failed together part."""

LONGEST_RETRY_AFTER = timedelta(hours=24)
"""How long a recipient may ask to be left alone (Retry-After)."""

LEASE = timedelta(seconds=60)
"""How long whoever tries a delivery has it alone; longer than a try can take."""


class EventType(StrEnum):
    """What a recipient is told."""

    GRANTED = "consent.granted"
    WITHDRAWN = "consent.withdrawn"
    CHANGED = "consent.changed"
    """Another change: refused where nothing was granted, or waiting to be confirmed."""

    RECTIFIED = "contact.rectified"
    RESTRICTED = "subject.restricted"
    UNRESTRICTED = "subject.unrestricted"
    ERASED = "subject.erased"
    TEST = "test"


ARTICLE_19 = frozenset(
    {EventType.RECTIFIED, EventType.RESTRICTED, EventType.UNRESTRICTED, EventType.ERASED}
)
"""What is told to whoever a person's data was disclosed to."""

SUBSCRIBABLE = tuple(each for each in EventType if each is not EventType.TEST)
"""What a recipient can be limited to."""


_RECTIFYING = {"contact_added", "contact_removed", "merged_with", "merged_into"}
"""What the evidence of a receipt has that changes the contacts of a person."""


class DisabledReason(StrEnum):
    """Why nothing is sent to a recipient any more."""

    GONE = "gone"
    """It answered 410."""

    FAILING = "failing"
    """One delivery failed in every try."""

    REFUSED = "refused"
    """The mail service does not take mails to its address."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A recipient: a program with a `url`, or a person with an `email`; the other is ""."""

    clinic: str
    name: str
    url: str
    email: str
    questions: tuple[QuestionId, ...]
    recipient: str
    """The option of data sharing that stands for it; "" for a recipient of the clinic's own."""
    events: tuple[EventType, ...]
    """What it hears of; none for everything."""
    made: str
    """Random, of this recipient alone: another of the same name later is another recipient."""
    salt: str
    """Of the key that encrypts its secrets, in hexadecimal."""
    created_at: Instant
    old_secret_until: Instant = ""
    """Until when the secret before the last rotation signs, too."""
    base: str = ""
    """Where the portal was called when it was put: the links in its mails lead there, unless the
    portal has an address of its own."""

    def stored(self) -> str:
        """Write it as JSON, to be kept."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read what was kept; raise ValueError or TypeError for what is none."""
        kept = json.loads(stored)
        kept["questions"] = tuple(kept["questions"])
        kept["events"] = tuple(EventType(each) for each in kept["events"])
        return cls(**kept)

    def hears_of(self, event: EventType) -> bool:
        """Tell whether it is told of such an event."""
        return event is EventType.TEST or not self.events or event in self.events


@dataclass(frozen=True, slots=True)
class WebhookHealth:
    """How sending to a recipient goes."""

    last_success: Instant = ""
    failures: int = 0
    """How many tries failed since the last that did not."""
    not_before: Instant = ""
    """Until when it asked to be left alone."""
    disabled_since: Instant = ""
    disabled_because: str = ""
    clinic_told: Instant = ""
    """When the clinic was last told by mail that it is disabled."""
    enabled_at: Instant = ""
    """When its clinic last put it, and so enabled it: failures before that count no more."""

    def stored(self) -> str:
        """Write it as JSON, to be kept."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, stored: str | None) -> Self:
        """Read what was kept; nothing of a recipient that was never tried."""
        return cls(**json.loads(stored)) if stored else cls()

    def may_be_tried(self, now: Instant) -> bool:
        """Tell whether anything may be sent to it now."""
        return not self.disabled_since and self.not_before <= now


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as recipients are told of it.

    `reference` is what it came of, a receipt's id or a random number: the same event has the same.
    """

    type: EventType
    at: Instant
    reference: str
    subject: str = ""
    receipt_id: str = ""
    version: int | None = None
    questions: tuple[QuestionId, ...] = ()


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event on its way to one recipient, and what became of each try.

    `due` is when it is tried next; "" where it is not. `busy_until` is for how long somebody has it
    who tries it now. `received_at` says when its recipient took it (2xx, or the mail went out),
    `acknowledged_at` when somebody said that it is done there.
    """

    id: str
    clinic: str
    webhook: str
    made: str
    type: EventType
    at: Instant
    subject: str = ""
    receipt_id: str = ""
    version: int | None = None
    questions: tuple[QuestionId, ...] = ()
    due: Instant = ""
    tries: int = 0
    failed: int = 0
    """How many tries failed since it was last put into the queue anew, or its recipient enabled."""
    busy_until: Instant = ""
    last_try: Instant = ""
    last_status: int | None = None
    last_error: str = ""
    received_at: Instant = ""
    acknowledged_at: Instant = ""
    acknowledged_by: str = ""

    def stored(self) -> str:
        """Write it as JSON, to be kept; what is empty is left out."""
        return json.dumps({name: value for name, value in asdict(self).items() if value})

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read what was kept; raise ValueError or TypeError for what is none."""
        kept = json.loads(stored)
        kept["type"] = EventType(kept["type"])
        kept["questions"] = tuple(kept.get("questions", ()))
        return cls(**kept)


def new_delivery(webhook: Webhook, event: Event) -> WebhookDelivery:
    """Give the delivery of an event to a recipient: due at once, and with the same id each time."""
    return WebhookDelivery(
        id=_delivery_id(webhook, event),
        clinic=webhook.clinic,
        webhook=webhook.name,
        made=webhook.made,
        type=event.type,
        at=event.at,
        subject=event.subject,
        receipt_id=event.receipt_id,
        version=event.version,
        questions=event.questions,
        due=event.at,
    )


def _delivery_id(webhook: Webhook, event: Event) -> str:
    """Give an id in whose order deliveries stand by the time of their events."""
    named = f"{webhook.clinic}|{webhook.made}|{event.type}|{event.reference}"
    return first_id_at(event.at) + hashlib.sha256(named.encode()).hexdigest()[:24]


def first_id_at(at: Instant) -> str:
    """Give what the ids of deliveries of one moment begin with."""
    return f"msg_{max(0, int(moment(at).timestamp() * 1000)):012x}"


def event_of_receipt(
    document: Mapping[str, Any], webhook: Webhook, was_disclosed: Callable[[], bool]
) -> Event | None:
    """Give what a recipient is told of a receipt; None where that is nothing.

    `was_disclosed` tells whether one of its questions was ever granted before; it is asked only of
    a receipt that rectifies a contact. The receipt's id is told where the recipient hears of every
    answer in it: with the id its page can be opened, which shows all of them.
    """
    decisions: Mapping[str, Mapping[str, Any]] = document["decisions"]
    own = [question for question in decisions if question in webhook.questions]
    changed = [each for each in own if decisions[each]["before"] != decisions[each]["after"]]
    if changed:
        event = _type_of_change([decisions[each] for each in changed])
    elif _rectifies(document) and was_disclosed():
        event = EventType.RECTIFIED
    else:
        return None
    if not webhook.hears_of(event):
        return None
    return Event(
        event,
        document["recorded_at"],
        document["id"],
        document["subject"],
        document["id"] if len(own) == len(decisions) else "",
        document["version"],
        tuple(changed),
    )


def _type_of_change(changed: Sequence[Mapping[str, Any]]) -> EventType:
    """Say what changed; what ended counts more than what began."""
    if any(entry["before"] == State.GRANTED for entry in changed):
        return EventType.WITHDRAWN
    if any(entry["after"] == State.GRANTED for entry in changed):
        return EventType.GRANTED
    if any(entry["after"] == State.WITHDRAWN for entry in changed):
        return EventType.WITHDRAWN
    return EventType.CHANGED


def _rectifies(document: Mapping[str, Any]) -> bool:
    """Tell whether a receipt records that a contact was replaced or removed (GDPR Art. 16).

    So does one that merges records: the contacts of one become the other's.
    """
    evidence = document["evidence"] or {}
    return not evidence.keys().isdisjoint(_RECTIFYING)


def grants_any(document: Mapping[str, Any], questions: Sequence[QuestionId]) -> bool:
    """Tell whether a receipt granted any of these questions."""
    decisions = document["decisions"]
    return any(
        decisions[question]["after"] == State.GRANTED
        for question in questions
        if question in decisions
    )


def next_try(failed: int, now: Instant, retry_after: timedelta | None, luck: float) -> Instant:
    """Tell when a delivery is tried again after so many failures in a row, from 1 on.

    `luck` is from 0 to 1. A recipient that asks for more time gets it, up to LONGEST_RETRY_AFTER.
    """
    wait = WAITS[min(failed, len(WAITS)) - 1] * (1 + JITTER * luck)
    asked = min(retry_after or timedelta(), LONGEST_RETRY_AFTER)
    return instant(moment(now) + max(wait, asked))


def acknowledgement_token(clinic: str, delivery: str, proof: str) -> str:
    """Write what stands in the address of the page on which a delivery is acknowledged.

    `proof` is `ClinicKey.acknowledgement` of the delivery.
    """
    return f"{clinic}.{delivery}.{proof}"


def read_acknowledgement_token(token: str) -> tuple[str, str, str] | None:
    """Read clinic, delivery and proof from a token; None for what is none."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):  # noqa: PLR2004 - the three that stand in it
        return None
    return parts[0], parts[1], parts[2]
