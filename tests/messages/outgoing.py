"""The post of a portal in tests: what a decision leaves is carried out, and read as its reader gets
it.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.contacts import Contact
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.receipts import Receipt
from chalicelib.jobs import after_decision
from chalicelib.messages.delivery import Delivery, DeliveryReport
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.settings import LETTERS_PER_ROUND
from chalicelib.store import bounces, deliveries, outbox
from chalicelib.store.keys.messages import letter_key, outbox_key
from chalicelib.store.outbox import OutboxItem
from chalicelib.store.table import Table
from infra.local.post_office import Message, PostOffice
from tests.cast import ANNA, Clock
from tests.factories import MORNING, a_decision
from tests.policies import under_policy_of
from tests.store.people import signed

BASE = "https://consent.example.org"


@dataclass
class Sorting:
    """The portal's post: a delivery with a clock, the office it carries to, and what a stream would
    tell it.
    """

    portal: Portal
    office: PostOffice
    delivery: Delivery
    clock: Clock

    def round(self, after: timedelta = timedelta()) -> DeliveryReport:
        """Let some time pass, then go once through everything that is due, letters last."""
        self.clock.at = instant(moment(self.clock.at) + after)
        with under_policy_of(self.portal, "catch_up"):
            report = self.delivery.carry_waiting(in_time)
            letters = self.delivery.carry_letters(in_time, LETTERS_PER_ROUND)
        return replace(
            report,
            sent=report.sent + letters.sent,
            failed=report.failed + letters.failed,
            whole=report.whole and letters.whole,
        )

    def stream(self, *receipts: Receipt) -> None:
        """Let the stream tell of what these decisions left, as its function gets it."""
        event = {"Records": [left(each) for each in receipts]}
        with under_policy_of(self.portal, "after_receipt"):
            after_decision.handle(self.portal.table, event, None, in_time, self.delivery)

    def mails(self, contact: Contact = ANNA) -> list[Message]:
        """Give what somebody got."""
        return self.office.sent_to(contact.value)

    def empty(self) -> None:
        """Let everybody throw away what they got so far."""
        self.office.kept.write_text("", encoding="utf-8")

    def waits(self) -> int:
        """Tell how much is still to be told, due or not."""
        waiting = [
            outbox.due_items(self.portal.table, "9999", queue) for queue in (outbox_key, letter_key)
        ]
        return len(list(itertools.chain(*waiting)))


def in_time() -> bool:
    """Tell that there is time enough."""
    return False


def marks_of(table: Table, clinic: str, lookup: str) -> Mapping[str, Instant]:
    """Give for what reasons a contact is marked that no mail reaches, each with when."""
    keys = bounces.keys_of(clinic, lookup)
    return bounces.undeliverable(table.get(keys), keys)


def taken(
    table: Table, item: OutboxItem, name: str, now: Instant
) -> deliveries.DeliveryLease | None:
    """Take a message as a sender does that dies then."""
    return deliveries.claim(
        table, item, deliveries.DeliveryRecord(deliveries.key_of(item, name)), now
    )


def left(receipt: Receipt, event: str = "INSERT") -> dict[str, Any]:
    """Give the record the table's stream sends for what a decision left in the outbox."""
    key = outbox_key(receipt.document["clinic"], receipt.id)
    return {
        "eventName": event,
        "dynamodb": {"Keys": {"pk": {"S": key.pk}, "sk": {"S": key.sk}}, "NewImage": {}},
    }


def decided(
    portal: Portal,
    answers: dict[str, str],
    *contacts: Contact,
    at: Instant = MORNING,
    **changed: Any,
) -> Receipt:
    """Let somebody decide on the clinic's page."""
    return decisions.record(portal, a_decision(answers, at, **changed), signed(*contacts))
