"""Calls about a clinic's recipients of word about decisions: put, list, take away, rotate, test."""

from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.clinic import SHARING
from chalicelib.domain.contacts import ContactKind, InvalidContactError, normalise
from chalicelib.domain.webhooks import SUBSCRIBABLE, EventType
from chalicelib.messages.webhook_transport import URL_FAULTS, fault_of_url
from chalicelib.portal import get_portal
from chalicelib.services import webhooks
from chalicelib.services.webhooks import PutWebhook, WebhookDefinition, question_of_recipient
from chalicelib.store.webhooks import KeptWebhook
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.body_reader import BodyReader, is_word
from chalicelib.web.api.errors import WEBHOOK_NAME, RefusedError
from chalicelib.web.responses import document

MAX_URL = 500


def put_webhook(request: Request, clinic: str, name: str) -> Response:
    """Keep a recipient, new or changed; its secret is shown once, when it gets one."""
    call = authorize(request, clinic, "webhooks:write", read_webhook)
    _check_name(name)
    put = webhooks.put_webhook(get_portal(), call, name)
    return document(_describe_with_secret(put), 201 if put.is_new else 200)


def list_webhooks(request: Request, clinic: str) -> Response:
    """List a clinic's recipients, by their names."""
    call = authorize(request, clinic, "webhooks:read", no_body)
    found = webhooks.list_webhooks(get_portal(), call)
    return document({"webhooks": [_describe(kept) for kept in found]})


def get_webhook(request: Request, clinic: str, name: str) -> Response:
    """Show one recipient, and how sending to it goes."""
    call = authorize(request, clinic, "webhooks:read", no_body)
    return document(_describe(webhooks.show_webhook(get_portal(), call, name)))


def delete_webhook(request: Request, clinic: str, name: str) -> Response:
    """Take a recipient away."""
    call = authorize(request, clinic, "webhooks:write", no_body)
    webhooks.take_webhook_away(get_portal(), call, name)
    return document({"name": name, "deleted_at": call.now})


def rotate_webhook_secret(request: Request, clinic: str, name: str) -> Response:
    """Give a recipient a new secret; the old one signs beside it for a day."""
    call = authorize(request, clinic, "webhooks:write", no_body, body_optional=True)
    return document(_describe_with_secret(webhooks.rotate_secret(get_portal(), call, name)))


def test_webhook(request: Request, clinic: str, name: str) -> Response:
    """Send a recipient a test event."""
    call = authorize(request, clinic, "webhooks:write", no_body, body_optional=True)
    delivery = webhooks.send_test(get_portal(), call, name)
    return document({"id": delivery.id}, 202)


def read_webhook(body: BodyReader) -> WebhookDefinition:
    """Read a recipient: `url` or `email`, and its `purposes`, or the `recipient` they follow from."""
    body.only("url", "email", "purposes", "recipient", "events")
    if body.has("url") == body.has("email"):
        body.error("/url", "Either url, for a program, or email, for a person.")
    recipient = _read_recipient(body)
    questions: tuple[str, ...] = ()
    if body.has("purposes") or not recipient:
        questions = body.questions("/purposes", body.sent.get("purposes"))
    if recipient:
        questions = tuple(dict.fromkeys((question_of_recipient(recipient), *questions)))
    return WebhookDefinition(
        _read_url(body), _read_email(body), questions, recipient, _read_events(body)
    )


def _read_url(body: BodyReader) -> str:
    if not body.has("url"):
        return ""
    url = body.sent["url"]
    if not isinstance(url, str) or len(url) > MAX_URL:
        body.error("/url", f"A text of at most {MAX_URL} letters.")
        return ""
    fault = fault_of_url(url, loopback=get_portal().settings.webhooks_to_loopback)
    if fault:
        body.error("/url", URL_FAULTS[fault])
    return url


def _read_email(body: BodyReader) -> str:
    if not body.has("email"):
        return ""
    given = body.sent["email"]
    typed = given if isinstance(given, str) else ""
    try:
        return normalise(ContactKind.EMAIL, typed, body.clinic.country).value
    except InvalidContactError:
        body.error("/email", "Not a valid email.")
        return ""


def _read_recipient(body: BodyReader) -> str:
    if not body.has("recipient"):
        return ""
    given = body.sent["recipient"]
    if is_word(given) and question_of_recipient(given) in body.clinic.questions:
        return str(given)
    body.error("/recipient", f"The id of an option of {SHARING} in the clinic's notice.")
    return ""


def _read_events(body: BodyReader) -> tuple[EventType, ...]:
    if not body.has("events"):
        return ()
    found = []
    for number, given in enumerate(body.items("events", len(SUBSCRIBABLE), "kinds of events")):
        if given in SUBSCRIBABLE:
            found.append(EventType(given))
        else:
            body.error(f"/events/{number}", f"One of: {', '.join(SUBSCRIBABLE)}.")
    return tuple(dict.fromkeys(found))


def _check_name(name: str) -> None:
    if not webhooks.is_name(name):
        raise RefusedError(WEBHOOK_NAME)


def _describe(kept: KeptWebhook) -> dict[str, Any]:
    webhook, health = kept.webhook, kept.health
    return {
        "name": webhook.name,
        "url": webhook.url or None,
        "email": webhook.email or None,
        "recipient": webhook.recipient or None,
        "purposes": list(webhook.questions),
        "events": [event.value for event in webhook.events or SUBSCRIBABLE],
        "created_at": webhook.created_at,
        "old_secret_until": webhook.old_secret_until or None,
        "last_success": health.last_success or None,
        "failures_in_a_row": health.failures,
        "not_before": health.not_before or None,
        "disabled_since": health.disabled_since or None,
        "disabled_because": health.disabled_because or None,
    }


def _describe_with_secret(put: PutWebhook) -> dict[str, Any]:
    return _describe(put.kept) | {"secret": put.secret}
