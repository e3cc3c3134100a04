"""Calls about deliveries to recipients: list, acknowledge, send again."""

import re
from datetime import timedelta
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.webhooks import WebhookDelivery
from chalicelib.portal import get_portal
from chalicelib.services import publications, webhook_deliveries
from chalicelib.services.publications import PublicationStatus
from chalicelib.services.webhook_deliveries import DeliveryFilter, Replay
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.body_reader import BodyReader, is_word
from chalicelib.web.api.cursors import cursor_for, cursor_read, cursor_sent, moment_sent
from chalicelib.web.api.errors import UNKNOWN_CHOICE, UNKNOWN_CURSOR, RefusedError
from chalicelib.web.requests import query
from chalicelib.web.responses import document

LONGEST_REPLAY = timedelta(days=31)
_ID = re.compile(r"msg_[0-9a-f]{36}")
_TRUTHS = {"true": True, "false": False}


def list_deliveries(request: Request, clinic: str) -> Response:
    """List deliveries, the oldest first: what, to whom, how old, and what became of it."""
    call = authorize(request, clinic, "webhooks:read", no_body)
    after = cursor_sent(request)
    if after and not _ID.fullmatch(after):
        raise RefusedError(UNKNOWN_CURSOR)
    wanted = _filter(request)
    page = webhook_deliveries.list_deliveries(get_portal(), call, wanted, after)
    answer: dict[str, Any] = {
        "deliveries": [_describe(delivery, call.now) for delivery in page.deliveries]
    }
    if wanted.acknowledged is False and wanted.recipient is None and not after:
        due = publications.open_take_downs(get_portal(), call)
        answer["take_downs"] = [_describe_take_down(entry) for entry in due]
    if page.more is not None:
        answer["cursor"] = cursor_for(page.more)
    return document(answer)


def acknowledge_delivery(request: Request, clinic: str, delivery: str) -> Response:
    """Note that an event is done at its recipient."""
    call = authorize(request, clinic, "webhooks:write", no_body, body_optional=True)
    done = webhook_deliveries.acknowledge(get_portal(), call, delivery)
    return document(_describe(done, call.now))


def redeliver(request: Request, clinic: str, delivery: str) -> Response:
    """Send a delivery again, under the same id."""
    call = authorize(request, clinic, "webhooks:write", no_body, body_optional=True)
    again = webhook_deliveries.redeliver(get_portal(), call, delivery)
    return document(_describe(again, call.now), 202)


def replay_webhook(request: Request, clinic: str, name: str) -> Response:
    """Send a recipient again what happened between two moments."""
    call = authorize(request, clinic, "webhooks:write", read_replay)
    done = webhook_deliveries.replay(get_portal(), call, name)
    answer: dict[str, Any] = {"queued": done.queued}
    if done.more is not None:
        answer["cursor"] = cursor_for(done.more)
    return document(answer, 202)


def read_replay(body: BodyReader) -> Replay:
    """Read from when to when: `from` and `to`, a month at most, and where an answer ended."""
    body.only("from", "to", "cursor")
    begins = body.moment("from", "From when on, by the time of the events")
    ends = body.moment("to", "Until when, by the time of the events")
    if begins and ends and not begins < ends <= instant(moment(begins) + LONGEST_REPLAY):
        body.error("/to", f"After from, and {LONGEST_REPLAY.days} days later at most.")
    after = ""
    if body.has("cursor"):
        sent = body.sent["cursor"]
        read = cursor_read(sent) if is_word(sent) else None
        if read is None or not _ID.fullmatch(read):
            body.error("/cursor", "As the answer before gave it.")
        after = read or ""
    return Replay(begins or body.now, ends or body.now, after)


def _filter(request: Request) -> DeliveryFilter:
    acknowledged = query(request, "acknowledged")
    if acknowledged is not None and acknowledged not in _TRUTHS:
        raise RefusedError(UNKNOWN_CHOICE, name="acknowledged", known="true, false")
    return DeliveryFilter(
        _TRUTHS[acknowledged] if acknowledged else None,
        query(request, "recipient"),
        moment_sent(request, "since"),
    )


def _describe_take_down(entry: PublicationStatus) -> dict[str, Any]:
    publication, status = entry.publication, entry.status
    return {
        "publication": publication.id,
        "subject": publication.subject,
        "purpose": publication.question,
        "since": status.since if status else None,
        "places_left": sum(place.stands for place in publication.places),
    }


def _describe(delivery: WebhookDelivery, now: Instant) -> dict[str, Any]:
    age = moment(now) - moment(delivery.at)
    return {
        "id": delivery.id,
        "recipient": delivery.webhook,
        "type": delivery.type.value,
        "at": delivery.at,
        "age_seconds": max(0, int(age.total_seconds())),
        "subject": delivery.subject or None,
        "receipt_id": delivery.receipt_id or None,
        "version": delivery.version,
        "questions": list(delivery.questions),
        "tries": delivery.tries,
        "last_try": delivery.last_try or None,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error or None,
        "next_try": delivery.due or None,
        "received_at": delivery.received_at or None,
        "acknowledged_at": delivery.acknowledged_at or None,
        "acknowledged_by": delivery.acknowledged_by or None,
    }
