"""Recipients of word about decisions: what a clinic said of each, its secrets, how sending goes.

Secrets are encrypted under the clinic's data key. Nothing is removed by who answers requests: a
recipient that is taken away leaves an empty item.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant
from chalicelib.domain.webhooks import Webhook, WebhookHealth
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.items import Item
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.webhooks import listed_webhook_key, webhook_health_key, webhook_key
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import AddCounts, Put, Replace, SetBody

ATTEMPTS = 5
"""How often what became of tries is noted again while somebody else notes something too."""


class UnknownWebhookError(NotFoundError):
    """The clinic has no recipient of this name."""


@dataclass(frozen=True, slots=True)
class KeptWebhook:
    """A recipient as it was read, with what is written back only where that is still so."""

    webhook: Webhook
    health: WebhookHealth
    body: str = field(repr=False)
    sealed: bytes = field(repr=False)

    def secrets(self, key: ClinicKey, now: Instant) -> list[str]:
        """Give the secrets that sign now, the newest first; raise ValueError where damaged."""
        kept: list[str] = json.loads(
            key.decrypt(_SEALED, self.webhook.salt, _what(self.webhook), self.sealed)
        )
        return kept if self.webhook.old_secret_until > now else kept[:1]


_SEALED = "webhook"


def find(table: Table, clinic: str, name: str) -> KeptWebhook:
    """Give a recipient by its name; raise UnknownWebhookError."""
    keys = webhook_key(clinic, name), webhook_health_key(clinic, name)
    found = table.get(keys)
    kept = _read(found.get(keys[0]), found.get(keys[1]))
    if kept is None:
        raise UnknownWebhookError(name)
    return kept


def of_clinic(table: Table, clinic: str) -> list[KeptWebhook]:
    """Give all recipients of a clinic, by their names."""
    items = list(table.partition(webhook_key(clinic, "").pk, ""))
    health = table.get([webhook_health_key(clinic, item.sk) for item in items]) if items else {}
    read = [_read(item, health.get(webhook_health_key(clinic, item.sk))) for item in items]
    return [kept for kept in read if kept is not None]


def never_named(clinic: Item | None) -> bool:
    """Tell by a clinic's item, read just now, that it never named a recipient: none is to be read.

    The item counts how often one was kept. Of a clinic from before December 2026 it does not say.
    """
    return clinic is not None and clinic.number == 0


def listed(table: Table) -> Iterator[tuple[str, str]]:
    """Give the clinic and the name of every recipient there ever was, of all clinics."""
    for item in table.partition(listed_webhook_key("", "").pk, ""):
        clinic, _, name = item.sk.partition("#")
        yield clinic, name


def keep(
    table: Table,
    key: ClinicKey,
    webhook: Webhook,
    secrets: Sequence[str],
    *,
    was: KeptWebhook | None,
    now: Instant,
    audited: Put,
) -> None:
    """Keep a recipient, new or in the place of what was read; it is enabled then.

    Raises ConflictError where somebody else changed it meanwhile.
    """
    place = webhook_key(webhook.clinic, webhook.name)
    sealed = key.encrypt(_SEALED, webhook.salt, _what(webhook), json.dumps(list(secrets)))
    health = was.health if was else WebhookHealth()
    enabled = replace(
        health,
        failures=0,
        not_before="",
        disabled_since="",
        disabled_because="",
        enabled_at=now,
    )
    table.write(
        [
            SetBody(place, webhook.stored(), was=was.body if was else None, blob=sealed),
            Replace(listed_webhook_key(webhook.clinic, webhook.name), {"body": "{}"}),
            Replace(webhook_health_key(webhook.clinic, webhook.name), {"body": enabled.stored()}),
            AddCounts(clinic_key(webhook.clinic), {"number": 1}),
            audited,
        ]
    )


def take_away(table: Table, kept: KeptWebhook, audited: Put) -> None:
    """Take a recipient away; what was sent to it stays. Raises ConflictError as `keep`."""
    place = webhook_key(kept.webhook.clinic, kept.webhook.name)
    table.write([SetBody(place, None, was=kept.body, blob=b""), audited])


def note_health(table: Table, read: KeptWebhook, tried: WebhookHealth) -> WebhookHealth:
    """Keep how tries of a recipient went, unless its clinic changed it since; give what is kept.

    `read` is the recipient as it was when it was tried. One that somebody else disabled meanwhile
    stays disabled; one that was enabled meanwhile stays enabled.
    """
    own = webhook_key(read.webhook.clinic, read.webhook.name)
    place = webhook_health_key(read.webhook.clinic, read.webhook.name)
    for _ in range(ATTEMPTS):
        found = table.get([own, place])
        item, recipient = found.get(place), found.get(own)
        before = WebhookHealth.read(item.body if item else None)
        if recipient is None or recipient.body != read.body:
            return before
        if before.enabled_at != read.health.enabled_at:
            return before
        after = replace(
            tried,
            last_success=max(before.last_success, tried.last_success),
            disabled_since=before.disabled_since or tried.disabled_since,
            disabled_because=before.disabled_because or tried.disabled_because,
            clinic_told=max(before.clinic_told, tried.clinic_told),
        )
        if after == before:
            return before
        try:
            table.write_one(SetBody(place, after.stored(), was=item.body if item else None))
        except ConflictError:
            continue
        return after
    return before


def encrypted_values(
    table: Table, clinic: str
) -> Iterator[tuple[Key, bytes, tuple[str, str, str]]]:
    """Give what is encrypted of a clinic's recipients: where it stands, and what for."""
    for kept in of_clinic(table, clinic):
        webhook = kept.webhook
        name = (_SEALED, webhook.salt, _what(webhook))
        yield webhook_key(clinic, webhook.name), kept.sealed, name


def _read(item: Item | None, health: Item | None) -> KeptWebhook | None:
    if item is None or not item.body:
        return None
    webhook = Webhook.read(item.body)
    tried = WebhookHealth.read(health.body if health else None)
    return KeptWebhook(webhook, tried, item.body, bytes(item.blob or b""))


def _what(webhook: Webhook) -> str:
    return f"webhook#{webhook.name}#{webhook.made}"
