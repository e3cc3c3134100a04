"""A clinic's recipients of word about decisions: who they are, their secrets, a test event.

A key of one of several joint controllers sees the recipients all of whose questions that one shares.
"""

import base64
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.clinic import SHARING
from chalicelib.domain.consent import QuestionId
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.webhooks import (
    MOST_WEBHOOKS,
    OLD_SECRET_HOLDS,
    Event,
    EventType,
    Webhook,
    WebhookDelivery,
    new_delivery,
)
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, Body, EmptyBody
from chalicelib.store import webhook_deliveries, webhooks
from chalicelib.store.table import ConflictError, ContendedError
from chalicelib.store.webhooks import KeptWebhook, UnknownWebhookError

SECRET_BYTES = 32
MOST_COUNTED = 100
"""Up to how many deliveries that wait are counted for whoever looks."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class TooManyWebhooksError(RejectedError):
    """The clinic has as many recipients as it may have."""


class WebhookDisabledError(RejectedError):
    """Nothing is sent to the recipient: it is disabled until its clinic puts it again."""


class NoSecretError(RejectedError):
    """The recipient gets e-mails, which are not signed."""


@dataclass(frozen=True, slots=True)
class WebhookDefinition:
    """What a call says of a recipient: a `url` or an `email`, and what it is to hear of."""

    url: str
    email: str
    questions: tuple[QuestionId, ...]
    recipient: str
    events: tuple[EventType, ...]
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class PutWebhook:
    """A recipient as it is now, whether it is new, and the secret that is shown this once."""

    kept: KeptWebhook
    is_new: bool
    secret: str | None


def is_name(name: str) -> bool:
    """Tell whether a recipient may be called so."""
    return _NAME.fullmatch(name) is not None


def put_webhook(portal: Portal, call: AuthorizedCall[WebhookDefinition], name: str) -> PutWebhook:
    """Keep a recipient, new or changed; one that was disabled is enabled again.

    Raises TooManyWebhooksError, UnknownWebhookError where the key may not see the one of that name,
    ContendedError.
    """
    was = _found(portal, call, name)
    if was is None and len(webhooks.of_clinic(portal.table, call.clinic)) >= MOST_WEBHOOKS:
        raise TooManyWebhooksError
    body = call.body
    webhook = Webhook(
        call.clinic,
        name,
        body.url,
        body.email,
        body.questions,
        body.recipient,
        body.events,
        made=was.webhook.made if was else secrets.token_hex(8),
        salt=was.webhook.salt if was else secrets.token_hex(16),
        created_at=was.webhook.created_at if was else call.now,
        old_secret_until=was.webhook.old_secret_until if was else "",
        base=call.base_url,
    )
    key = portal.clinics.key(call.clinic)
    before = was.secrets(key, call.now) if was else []
    secret = _new_secret() if body.url and not before else None
    _keep(portal, call, "put", webhook, [secret] if secret else before, was=was)
    return PutWebhook(webhooks.find(portal.table, call.clinic, name), was is None, secret)


def rotate_secret(portal: Portal, call: AuthorizedCall[EmptyBody], name: str) -> PutWebhook:
    """Give a recipient a new secret; the one before signs beside it for a day.

    Raises UnknownWebhookError, NoSecretError, ContendedError.
    """
    kept = find_webhook(portal, call, name)
    key = portal.clinics.key(call.clinic)
    before = kept.secrets(key, call.now)
    if not kept.webhook.url or not before:
        raise NoSecretError
    until = instant(moment(call.now) + OLD_SECRET_HOLDS)
    secret = _new_secret()
    rotated = replace(kept.webhook, old_secret_until=until)
    _keep(portal, call, "rotate", rotated, [secret, before[0]], was=kept)
    return PutWebhook(webhooks.find(portal.table, call.clinic, name), is_new=False, secret=secret)


def list_webhooks(portal: Portal, call: AuthorizedCall[EmptyBody]) -> list[KeptWebhook]:
    """Give the recipients that the key may see, by their names."""
    portal.table.put_new(call.audit("webhooks"))
    return [kept for kept in webhooks.of_clinic(portal.table, call.clinic) if may_see(call, kept)]


def show_webhook(portal: Portal, call: AuthorizedCall[EmptyBody], name: str) -> KeptWebhook:
    """Give one recipient and how sending to it goes; raise UnknownWebhookError."""
    kept = find_webhook(portal, call, name)
    portal.table.put_new(call.audit("webhooks/show", about=name))
    return kept


def queue_length(portal: Portal, kept: KeptWebhook) -> int:
    """Tell how many deliveries wait for a recipient; MOST_COUNTED stands for as many or more."""
    webhook = kept.webhook
    return webhook_deliveries.queue_length(portal.table, webhook.clinic, webhook.name, MOST_COUNTED)


def take_webhook_away(portal: Portal, call: AuthorizedCall[EmptyBody], name: str) -> None:
    """Take a recipient away: it is told nothing more; what it was told stays listed.

    Raises UnknownWebhookError, ContendedError.
    """
    kept = find_webhook(portal, call, name)
    try:
        webhooks.take_away(portal.table, kept, call.audit("webhooks/delete", about=name))
    except ConflictError as error:
        raise ContendedError from error


def send_test(portal: Portal, call: AuthorizedCall[EmptyBody], name: str) -> WebhookDelivery:
    """Put a test event into a recipient's queue; raise UnknownWebhookError, WebhookDisabledError."""
    kept = find_webhook(portal, call, name)
    if kept.health.disabled_since:
        raise WebhookDisabledError
    event = Event(EventType.TEST, call.now, secrets.token_hex(16))
    delivery = new_delivery(kept.webhook, event)
    webhook_deliveries.write_new(portal.table, [delivery])
    portal.table.put_new(call.audit("webhooks/test", about=name))
    return delivery


def find_webhook(portal: Portal, call: AuthorizedCall[Body], name: str) -> KeptWebhook:
    """Give a recipient that the key may see; raise UnknownWebhookError."""
    kept = webhooks.find(portal.table, call.clinic, name)
    if not may_see(call, kept):
        raise UnknownWebhookError(name)
    return kept


def may_see(call: AuthorizedCall[Body], kept: KeptWebhook) -> bool:
    """Tell whether the key's controller shares every question of a recipient."""
    if call.key.member is None:
        return True
    return set(kept.webhook.questions) <= call.shared.questions.keys()


def question_of_recipient(recipient: str) -> QuestionId:
    """Give the question by which a patient lets data be passed on to a recipient."""
    return f"{SHARING}.{recipient}"


def _found(portal: Portal, call: AuthorizedCall[Body], name: str) -> KeptWebhook | None:
    try:
        kept = webhooks.find(portal.table, call.clinic, name)
    except UnknownWebhookError:
        return None
    if not may_see(call, kept):
        raise UnknownWebhookError(name)
    return kept


def _keep(
    portal: Portal,
    call: AuthorizedCall[Body],
    deed: str,
    webhook: Webhook,
    signing: Sequence[str],
    *,
    was: KeptWebhook | None,
) -> None:
    key = portal.clinics.key(call.clinic)
    audited = call.audit(f"webhooks/{deed}", about=webhook.name)
    try:
        webhooks.keep(portal.table, key, webhook, signing, was=was, now=call.now, audited=audited)
    except ConflictError as error:
        raise ContendedError from error


def _new_secret() -> str:
    """Make a secret as Standard Webhooks writes one: 256 bits in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
