"""How long a Yes waited until the contact's owner confirmed it, in steps that tell of nobody. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from chalicelib.domain.consent import AnswerSummary, QuestionId, State
from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.receipts import Receipt


class Waited(StrEnum):
    """Within what a Yes was confirmed; each value is the letter that counts are kept under."""

    MINUTE = "m"
    HOUR = "h"
    DAY = "d"
    LATER = "l"


_WITHIN = (
    (timedelta(minutes=1), Waited.MINUTE),
    (timedelta(hours=1), Waited.HOUR),
    (timedelta(days=1), Waited.DAY),
)


def waited(since: Instant, until: Instant) -> Waited:
    """Give the step of a time from one moment to another."""
    took = moment(until) - moment(since)
    return next((step for within, step in _WITHIN if took <= within), Waited.LATER)


def times_to_confirm(
    receipt: Receipt, before: Mapping[QuestionId, AnswerSummary]
) -> dict[QuestionId, Waited]:
    """Give how long each Yes had waited that a receipt confirms.

    `before` is how the person stood before it. A claim of somebody else, whose contact it was, is
    not among theirs: how long that waited is not told.
    """
    document = receipt.document
    found = {}
    for question, entry in document["decisions"].items():
        summary = before.get(question)
        if entry["before"] != State.PENDING or entry["after"] != State.GRANTED:
            continue
        if summary is not None and summary.claim is not None:
            found[question] = waited(summary.claim.recorded_at, document["recorded_at"])
    return found
