"""The page on which a recipient without a program says that what a mail asked for is done."""

import hmac
from dataclasses import dataclass
from typing import Self

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant
from chalicelib.domain.webhooks import WebhookDelivery, read_acknowledgement_token
from chalicelib.portal import Portal
from chalicelib.store import audit, webhook_deliveries
from chalicelib.store.webhook_deliveries import KeptDelivery

BY_PAGE = "page"
"""Who acknowledged a delivery (`acknowledged_by`) by the link in a mail."""


class UnknownAcknowledgementError(NotFoundError):
    """No mail has this link."""


@dataclass(frozen=True, slots=True)
class OpenedAcknowledgement:
    """A link that was followed: the clinic with all its questions, and the delivery."""

    clinic: Clinic
    kept: KeptDelivery

    @property
    def delivery(self) -> WebhookDelivery:
        """What the mail was about."""
        return self.kept.delivery

    @classmethod
    def of(cls, portal: Portal, token: str) -> Self:
        """Follow a link; raise UnknownAcknowledgementError, or NotFoundError for a clinic."""
        parts = read_acknowledgement_token(token)
        if parts is None:
            raise UnknownAcknowledgementError
        clinic, number, proof = parts
        published = portal.directory.look_up(clinic).published
        expected = portal.clinics.key(clinic).acknowledgement(number)
        if not hmac.compare_digest(expected.encode(), proof.encode()):
            raise UnknownAcknowledgementError
        kept = webhook_deliveries.find(portal.table, clinic, number)
        return cls(portal.clinics.with_all_past_questions(published), kept)


def acknowledge(portal: Portal, opened: OpenedAcknowledgement, now: Instant) -> WebhookDelivery:
    """Note that it is done; said again, the first word stands. Raises ContendedError."""
    delivery = opened.delivery
    people = [delivery.subject] if delivery.subject else []
    deed = "deliveries/acknowledge"
    line = audit.line(delivery.clinic, "portal", deed, now, people, about=delivery.id)
    return webhook_deliveries.acknowledge(portal.table, opened.kept, BY_PAGE, now, line)
