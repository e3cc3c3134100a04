"""How long a person's data is kept: when contacts go, and when all goes (GDPR Art. 5(1)(e)).

The hourly round asks this of each person whose time has come (`due_times`, `jobs.housekeeping`).
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from chalicelib.domain.consent import (
    BY_CLINIC,
    Answer,
    AnswerSummary,
    NoticeInForce,
    State,
    Status,
    resolve,
)
from chalicelib.domain.instants import Instant, ending, instant, moment
from chalicelib.domain.notice_versions import PublishedVersion, notice_at
from chalicelib.domain.subjects import Subject

ONLY_STOPPED_KEPT = timedelta(days=30)
"""How long a contact is kept under which things were only ever stopped.

A form on paper may lie that long before it is entered: it must not undo the later stop. No longer,
because anybody may have typed the contact, and it may be anybody's (GDPR Art. 5(1)(c), (e)).
"""

_IN_USE = {State.GRANTED, State.PENDING}
"""The states that need a person's data."""


class RetentionAction(StrEnum):
    """What is to be done with the data of a person."""

    KEEP = "keep"
    ERASE = "erase"
    """The contacts go now; the receipts, which then name nobody, go when their date has come."""

    DELETE = "delete"
    """Everything goes."""


def retention_action(
    person: Subject, history: Sequence[PublishedVersion], rule: str, at: Instant
) -> RetentionAction:
    """Tell what is to be done with a person's data, where proof is kept by `rule` (`proof_until`).

    Whoever left only a Yes that was never confirmed is not kept: the contact may be anybody's (GDPR
    Art. 5(1)(c), (e)). Whoever only ever stopped things, on a page or by a link, is kept for
    `ONLY_STOPPED_KEPT`. Restricted data is kept as it is (Art. 18(2)).
    """
    if person.proof_until is not None:
        return RetentionAction.DELETE if person.proof_until <= at else RetentionAction.KEEP
    if person.restricted_since is not None or not person.summaries:
        return RetentionAction.KEEP
    notice, summaries = notice_at(history, at), person.summaries.values()
    if any(resolve(summary, notice, at).state in _IN_USE for summary in summaries):
        return RetentionAction.KEEP
    if all(summary.last is None for summary in summaries):
        return RetentionAction.ERASE
    kept_until = proof_until(person, history, rule, at)
    if all(_only_stopped(summary) for summary in summaries):
        kept_until = min(kept_until, instant(moment(person.recorded_at) + ONLY_STOPPED_KEPT))
    return RetentionAction.ERASE if kept_until <= at else RetentionAction.KEEP


def _only_stopped(summary: AnswerSummary) -> bool:
    """Tell whether a question was only ever withdrawn, and not by the clinic itself."""
    if summary.last is None or summary.last.assurance in BY_CLINIC:
        return False
    if summary.first_yes is not None or summary.first_stop is None:
        return False
    return summary.first_stop[1] is Answer.WITHDRAW


def proof_until(
    person: Subject, history: Sequence[PublishedVersion], rule: str, at: Instant
) -> Instant:
    """Tell until when the receipts of somebody erased at `at` are kept as proof.

    `rule` is a period or a last day (`instants.ending`). A period begins when the last consent has
    ended; erasure ends those that are still in use.
    """
    statuses = _statuses(person, notice_at(history, at), at)
    ended = [at if status.state in _IN_USE else status.since for status in statuses]
    claims = [summary.claim for summary in person.summaries.values() if summary.claim]
    ended += [claim.confirm_by or at for claim in claims]
    last_end = max((min(end, at) for end in ended if end), default=at)
    return ending(rule, last_end)


def _statuses(person: Subject, notice: NoticeInForce, at: Instant) -> list[Status]:
    summaries = person.summaries.values()
    return [resolve(summary, notice, at) for summary in summaries]
