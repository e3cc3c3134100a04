"""How long a person's data is kept: whether it stays, loses its contacts, or goes altogether (GDPR Art. 5(1)(e)).

The hourly job asks this of everybody (`jobs.housekeeping`).
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
"""For how long a contact is kept under which things were only ever stopped.

So long a form on paper may lie before it is entered: it must not outlive this later word. No longer, for anybody may
have typed it, and it may be anybody's (GDPR Art. 5(1)(c), (e)).
"""


_HOLDS = {State.GRANTED, State.PENDING}


class RetentionAction(StrEnum):
    """What becomes of what is kept of a person."""

    KEEP = "keep"
    ERASE = "erase"
    """The contact goes now; the receipts, which then name nobody, when their date has come."""

    DELETE = "forget"
    """Everything goes."""


def retention_action(person: Subject, history: Sequence[PublishedVersion], rule: str, at: Instant) -> RetentionAction:
    """Tell what becomes of a person's data, where proof is kept by this rule after everything has ended.

    Whoever left nothing but a Yes that was never confirmed is not kept at all: the contact may be anybody's (GDPR Art.
    5(1)(c), (e)). Whoever only ever stopped things, by a page or a link, is kept for `ONLY_STOPPED_KEPT`. Restricted
    data is only stored (Art. 18(2)).
    """
    if person.proof_until is not None:
        return RetentionAction.DELETE if person.proof_until <= at else RetentionAction.KEEP
    statuses = _statuses(person, notice_at(history, at), at)
    if person.restricted_since is not None or not statuses or any(each.state in _HOLDS for each in statuses):
        return RetentionAction.KEEP
    never_confirmed = all(standing.last is None for standing in person.summaries.values())
    over = proof_until(person, history, rule, at)
    if all(map(_only_stopped, person.summaries.values())):
        over = min(over, instant(moment(person.recorded_at) + ONLY_STOPPED_KEPT))
    return RetentionAction.ERASE if never_confirmed or over <= at else RetentionAction.KEEP


def _only_stopped(standing: AnswerSummary) -> bool:
    """Tell whether nothing was ever said on a decision but that it should stop, and not by the clinic itself."""
    if standing.last is None or standing.last.assurance in BY_CLINIC:
        return False
    return standing.first_yes is None and standing.first_stop is not None and standing.first_stop[1] is Answer.WITHDRAW


def proof_until(person: Subject, history: Sequence[PublishedVersion], rule: str, at: Instant) -> Instant:
    """Tell until when receipts are kept that prove what an erased person decided.

    A period counts from when the last of the consents ended; the erasure ends those that held until then.
    """
    statuses = _statuses(person, notice_at(history, at), at)
    claims = [standing.claim.confirm_by or at for standing in person.summaries.values() if standing.claim]
    ended = [at if each.state in _HOLDS else each.since for each in statuses]
    return ending(rule, max((min(each, at) for each in [*ended, *claims] if each), default=at))


def _statuses(person: Subject, notice: NoticeInForce, at: Instant) -> list[Status]:
    return [resolve(standing, notice, at) for standing in person.summaries.values()]
