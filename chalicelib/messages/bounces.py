"""Reports of SES on what became of a mail (event publishing): which contacts it says no mail reaches. Pure.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.instants import Instant, InvalidInstantError, parse_instant

_LOOKUP = re.compile(r"[0-9a-f]{64}")
_CLINIC = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class BounceReport:
    """A contact, by its lookup key at a clinic, that no mail reaches ("bounce") or that wants none ("complaint")."""

    clinic: str
    lookup: str
    reason: str
    at: Instant


def read(told: str) -> list[BounceReport]:
    """Read a report; none in one that tells of a delivery, of a bounce that may pass, or of another sender's mail."""
    try:
        event = json.loads(told)
    except ValueError:  # what SES says when it first tries a topic is plain text
        return []
    part = _final(event) if isinstance(event, dict) else None
    tags = event["mail"].get("tags") or {} if part else {}
    clinic, lookup = ((tags.get(name) or [""])[0] for name in ("clinic", "lookup"))
    if part is None or not _CLINIC.fullmatch(clinic) or not _LOOKUP.fullmatch(lookup):
        return []
    try:
        at = parse_instant(event[part].get("timestamp", ""))
    except InvalidInstantError:
        return []
    return [BounceReport(clinic, lookup, part, at)]


def _final(event: dict[str, Any]) -> str | None:
    """Name the part of the event that says to write no more: a permanent bounce or a complaint; None where none does.

    SES calls a bounce Permanent, Transient (a full mailbox) or Undetermined; only the first is final.
    """
    kind = event.get("eventType")
    if kind == "Complaint":
        return "complaint"
    permanent = kind == "Bounce" and event["bounce"].get("bounceType") == "Permanent"
    return "bounce" if permanent else None
