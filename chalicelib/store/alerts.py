"""Alerts: what a clinic's administrators are to see, such as somebody who looks up very many people.

Each is kept for thirty days, once an hour for each kind and whom it is about: whoever causes it
again and again writes one. It names nobody but a member of staff, by id.
"""

import itertools
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from chalicelib.domain.instants import Instant, moment
from chalicelib.store.keys.webhooks import ALERT, alert_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Put

KEPT = timedelta(days=30)
MOST = 20
"""How many of a clinic's alerts are read at once: the newest."""

_HOUR = len("2026-11-30T21")
_LAST = "~"


class AlertKind(StrEnum):
    """What happened. The values are stored: none is ever renamed."""

    LOOK_UPS = "look-ups"
    """A member of staff looked up as many people as one may in a while."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What happened, by whom (the id of a member of staff or of a key), and when it began."""

    kind: AlertKind
    about: str
    at: Instant


def alert_write(clinic: str, kind: AlertKind, about: str, at: Instant) -> Put:
    """Give the item of an alert; a condition is that there is none of this hour."""
    over = int((moment(at) + KEPT).timestamp())
    return Put(alert_key(clinic, at[:_HOUR], kind, about), {"body": at, "ttl": over})


def newest_alerts(table: Table, clinic: str) -> list[Alert]:
    """Give a clinic's alerts, the newest first, `MOST` of them. One round trip."""
    pk = alert_key(clinic, "", "", "").pk
    items = table.between(pk, ALERT, f"{ALERT}{_LAST}", newest_first=True, page=MOST)
    alerts = []
    for item in itertools.islice(items, MOST):
        _, _, kind, about = item.sk.split("#", 3)
        alerts.append(Alert(AlertKind(kind), about, item.body or ""))
    return alerts
