"""The log lines and metrics of messages: ids, outcomes and reasons, and never a contact.

A receipt is named by the person and its version: its number opens its page, and stays out of the
log.
"""

from typing import Any

from chalicelib import log
from chalicelib.domain.message_outcomes import Outcome, Reason
from chalicelib.messages.audience import AddressedMessage
from chalicelib.store.deliveries import NOTHING
from chalicelib.store.outbox import OutboxItem


def note(
    item: OutboxItem, outcome: str, message: AddressedMessage | None = None, **more: Any
) -> None:
    """Log what became of an item of the outbox, or of one of its messages."""
    entry = item.entry
    about: dict[str, Any] = {"clinic": entry.clinic, "subject": entry.subject, "kind": entry.kind}
    if entry.version is not None:
        about["version"] = entry.version
    if message is not None:
        about["letter"] = message.planned.message.value
        about["channel"] = message.planned.kind.value
    log.log().info("message", outcome=str(outcome), **about, **more)


def note_skipped(item: OutboxItem, message: AddressedMessage, reason: Reason) -> None:
    """Log and count that a contact is not written to."""
    note(item, Outcome.SKIPPED, message, reason=reason.value)
    log.count("MessageSkipped")


def note_no_message(item: OutboxItem, reason: Reason, name: str = NOTHING, **more: Any) -> None:
    """Log and count that nothing was sent; `name` is that of the record of a single message."""
    if name != NOTHING:
        more["letter"], more["channel"] = name.split("#")[:2]
    note(item, Outcome.NO_MESSAGE, reason=reason.value, **more)
    log.count("NoMessage")
