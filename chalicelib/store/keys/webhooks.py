"""Recipients of webhooks, their deliveries, and alerts."""

from chalicelib.store.keys.key import Key


def webhook_key(clinic: str, name: str) -> Key:
    """One of a clinic's recipients of word about decisions, with its sealed secrets."""
    return Key(f"CLINIC#{clinic}#WEBHOOKS", name)


def listed_webhook_key(clinic: str, name: str) -> Key:
    """A recipient's place in the list of all clinics' recipients."""
    return Key("WEBHOOKS", f"{clinic}#{name}")


def webhook_health_key(clinic: str, name: str) -> Key:
    """How sending to a recipient goes; apart, for what sends may not change where it sends."""
    return Key(f"CLINIC#{clinic}#WEBHOOKS#HEALTH", name)


def webhook_delivery_key(clinic: str, delivery: str) -> Key:
    """What became of one event for one recipient, in the order of the events."""
    return Key(f"CLINIC#{clinic}#WEBHOOKS#DELIVERIES", delivery)


def unacknowledged_key(clinic: str, delivery: str) -> Key:
    """The mark of a delivery that its recipient has not acknowledged yet, in the same order."""
    return Key(f"CLINIC#{clinic}#WEBHOOKS#OPEN", delivery)


QUEUED = "DUE#"
"""What the sort key of a delivery that is to be tried begins with; nothing else's does."""


ALERT = "ALERT#"
"""What the sort key of an alert begins with."""


def webhook_queue_key(clinic: str, name: str, due: str, delivery: str) -> Key:
    """A delivery that is to be tried when it is due: each recipient has a queue of its own."""
    return Key(f"CLINIC#{clinic}#WEBHOOKS#QUEUE#{name}", f"{QUEUED}{due}#{delivery}")


def alert_key(clinic: str, hour: str, kind: str, about: str) -> Key:
    """What a clinic's administrators are to see: once an hour (such as ``2026-11-30T21``) for each
    kind and whom it is about.
    """
    return Key(f"CLINIC#{clinic}", f"{ALERT}{hour}#{kind}#{about}")
