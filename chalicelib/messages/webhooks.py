"""What a recipient's program is sent: a thin payload, signed as Standard Webhooks says.

It names what happened, and not how the person stands: the program asks `status`, which is audited.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
import math
from collections.abc import Sequence
from typing import Any

from standardwebhooks import Webhook as Signing

from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.webhooks import WebhookDelivery


def payload(delivery: WebhookDelivery) -> str:
    """Write what happened as JSON; the same for each try."""
    data: dict[str, Any] = {
        "receipt_id": delivery.receipt_id or None,
        "version": delivery.version,
        "subject": delivery.subject or None,
        "questions": list(delivery.questions),
    }
    written = {"type": delivery.type.value, "timestamp": delivery.at, "data": data}
    return json.dumps(written, separators=(",", ":"))


def headers(
    delivery: WebhookDelivery, content: str, secrets: Sequence[str], now: Instant
) -> dict[str, str]:
    """Give the headers of one try: the delivery's id, the time of the try, a signature by each
    secret.
    """
    at = moment(now)
    signatures = [Signing(secret).sign(delivery.id, at, content) for secret in secrets]
    return {
        "webhook-id": delivery.id,
        "webhook-timestamp": str(math.floor(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
