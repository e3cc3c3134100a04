"""Reads the reports of SES on what became of a mail: which contacts no mail reaches. Pure.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.instants import Instant, InvalidInstantError, parse_instant

_LOOKUP = re.compile(r"[0-9a-f]{64}")
_CLINIC = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_MESSAGE_ID = re.compile(r"[0-9A-Za-z-]{1,100}")


@dataclass(frozen=True, slots=True)
class BounceReport:
    """A contact that no mail reaches ("bounce") or that wants none ("complaint"), by its lookup
    key.
    """

    clinic: str
    lookup: str
    reason: str
    at: Instant
    message_id: str = field(default="", compare=False)
    """The number that SES gave the mail, under which the log says that it was sent."""


@dataclass(frozen=True, slots=True)
class IgnoredReport:
    """A report that marks no contact, and why.

    `clinic` and `message_id` where the report names them.
    """

    reason: str
    """"no_event", "passing_bounce", "another_event" or "not_ours"."""

    clinic: str = ""
    message_id: str = ""


def interpret(text: str) -> BounceReport | IgnoredReport:
    """Read a report: the contact that it marks, or why it marks none."""
    try:
        event = json.loads(text)
    except ValueError:  # what SES says when it first tries a topic is plain text
        return IgnoredReport("no_event")
    if not isinstance(event, dict):
        return IgnoredReport("no_event")
    mail = event.get("mail") or {}
    clinic, lookup = _tag(mail, "clinic", _CLINIC), _tag(mail, "lookup", _LOOKUP)
    message_id = str(mail.get("messageId", ""))
    if not _MESSAGE_ID.fullmatch(message_id):
        message_id = ""
    part = _final_part(event)
    if part is None:
        bounced = event.get("eventType") == "Bounce"
        return IgnoredReport("passing_bounce" if bounced else "another_event", clinic, message_id)
    if not clinic or not lookup:
        return IgnoredReport("not_ours", clinic, message_id)
    try:
        at = parse_instant(event[part].get("timestamp", ""))
    except InvalidInstantError:
        return IgnoredReport("no_event", clinic, message_id)
    return BounceReport(clinic, lookup, part, at, message_id)


def _tag(mail: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    """Give a tag that went out with a mail; "" where it has none of that form."""
    tags = mail.get("tags") or {}
    values = tags.get(name) or [""]
    return values[0] if pattern.fullmatch(values[0]) else ""


def _final_part(event: dict[str, Any]) -> str | None:
    """Name the part of the event that says to write no more: a permanent bounce or a complaint.

    None where none does. SES calls a bounce Permanent, Transient (a full mailbox) or Undetermined;
    only the first is final.
    """
    kind = event.get("eventType")
    if kind == "Complaint":
        return "complaint"
    if kind == "Bounce" and event["bounce"].get("bounceType") == "Permanent":
        return "bounce"
    return None
