"""Consent: what a person answered to a question, and which state follows from the answers.

- A *question* is what a person decides separately, such as ``newsletter.email``; a `QuestionId`
  names it.
- An *answer* is Yes, No or a withdrawal (`Answer`). A `RecordedAnswer` is one answer as a receipt
  holds it. It knows two times: when it was given, and when the portal learnt of it.
- A *claim* is a Yes that waits: whoever gave it may have typed somebody else's contact, so the
  owner of the contact has to confirm it until `RecordedAnswer.confirm_by`.
- An `AnswerSummary` keeps of all answers to one question what its state depends on.
- A *state* (`State`) is never stored. `resolve` works it out from the summary, the notice in force
  and the moment asked about. Only `State.GRANTED` permits anything.

Nothing here knows a framework, a store or a clock. Time, ids and keys are arguments, so that the
same answers always give the same state.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple, Self

from chalicelib.domain.instants import Instant

QuestionId = str
"""The id of a question: ``purpose``, or ``purpose.option`` such as ``newsletter.email``."""

CONFIRM_WITHIN = "P7D"
"""How long a Yes waits for the owner of its contact to confirm it, as an ISO 8601 period.

A clinic's document may set another time for its own questions (`Clinic.confirm_within`). The owner
of a new contact has as long to confirm it (`services.own_contacts`).
"""


class State(StrEnum):
    """What holds for one question at one moment."""

    NEVER_ASKED = "never_asked"
    """No answer is known, or only a claim that was never confirmed."""

    PENDING = "pending"
    """A claim waits to be confirmed by the owner of the contact."""

    GRANTED = "granted"
    """The last answer is a Yes, and it counts."""

    REFUSED = "refused"
    """The last answer is a No, and nothing was granted before."""

    WITHDRAWN = "withdrawn"
    """The last answer is a No or withdrawal after a Yes, or a withdrawal without any Yes."""

    EXPIRED = "expired"
    """The last answer is a Yes whose time is over."""

    SUPERSEDED = "superseded"
    """The last answer is a Yes to a text that a MAJOR change has replaced, or that nobody knows."""


STOPPED_STATES = (State.REFUSED, State.WITHDRAWN)
"""The states whose last answer is a No or a withdrawal: nothing is left to stop."""


class Answer(StrEnum):
    """What a person answered to one question."""

    YES = "yes"
    NO = "no"
    WITHDRAW = "withdraw"


class Channel(StrEnum):
    """How an answer reached the portal."""

    WEB = "web"
    QR = "qr"
    EMAIL_LINK = "email-link"
    KIOSK = "kiosk"
    PAPER = "paper"
    PHONE = "phone"
    IN_PERSON = "in-person"
    LETTER = "letter"
    EMAIL = "email"
    API = "api"
    """Another system of the clinic, as the patient decided there."""
    IMPORT = "import"
    """What another system of the clinic recorded earlier; the patient gets no message of it."""


ON_A_PAGE = frozenset({Channel.WEB, Channel.QR, Channel.EMAIL_LINK, Channel.KIOSK})
"""The channels in which the portal itself showed the notice to the patient."""

SOURCE = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
"""The name of a place or a campaign that a patient came by; receipts and statistics repeat it."""


class Assurance(StrEnum):
    """How sure the portal is of who decided."""

    SELF_ASSERTED = "self-asserted"
    CONTACT_CONFIRMED = "contact-confirmed"
    LINK = "link"
    STAFF_WITNESSED = "staff-witnessed"
    IMPORTED = "imported"


BY_CLINIC = frozenset({Assurance.STAFF_WITNESSED, Assurance.IMPORTED})
"""The clinic knows the patient: it vouches for who answered, and for the contacts it names."""


class NoticeInForce(NamedTuple):
    """The notice against which answers are judged: its version, and when its MAJOR number began."""

    version: str
    major_since: Instant

    @property
    def major(self) -> int:
        """The number whose change ends earlier consents (EDPB 05/2020, 110)."""
        return major(self.version)


def major(version: str) -> int:
    """Give the MAJOR number of a notice version."""
    return int(version.partition(".")[0])


GivenAt = tuple[Instant, int]
"""When an answer was given, and the version of its receipt."""

OrderKey = tuple[Instant, bool, int]
"""What orders answers: when it was given, whether it stops, the version of its receipt."""


class RecordedAnswer(NamedTuple):
    """One answer to one question, as a receipt recorded it."""

    answer: Answer
    effective_at: Instant
    """When the person gave it."""
    recorded_at: Instant
    """When the portal learnt of it: later than `effective_at` for a paper form."""
    receipt_id: str
    version: int
    """The number of the receipt in the person's chain."""
    notice_version: str | None
    """The version of the notice that was shown; None where that is not known."""

    lang: str
    channel: Channel
    assurance: Assurance
    expires_at: Instant | None = None
    """When a Yes ends by itself."""
    confirm_by: Instant | None = None
    """Until when a claim waits to be confirmed; None for an answer that counts by itself."""
    effective_until: Instant | None = None
    """Where only the day is known on which it was given, the end of that day.

    `effective_at` is then its beginning.
    """

    @property
    def awaits_confirmation(self) -> bool:
        """Whether this is a claim: a Yes that waits for the contact's owner to confirm it."""
        return self.confirm_by is not None

    @property
    def order_key(self) -> OrderKey:
        """What orders this answer among the others to its question.

        The time at which it was given comes first; of two at the same time a stop comes after a
        Yes, and of two alike the one recorded later. Where only the day is known, a Yes counts from
        the beginning of it and a stop from its end, so that in doubt things are stopped.
        """
        stops = self.answer is not Answer.YES
        given = self.effective_at
        if stops and self.effective_until:
            given = self.effective_until
        return given, stops, self.version

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild an answer from its stored form; raise ValueError for an unknown value."""
        values = dict(stored)
        values["answer"] = Answer(stored["answer"])
        values["channel"] = Channel(stored["channel"])
        values["assurance"] = Assurance(stored["assurance"])
        return cls(**values)


class AnswerSummary(NamedTuple):
    """What the state of one question depends on, out of all answers given to it.

    Each part is the first or the last answer of its kind by when it was given. So the summary is
    the same in whatever order the portal learns of the answers, even of a paper form entered years
    later.
    """

    last: RecordedAnswer | None = None
    """The last answer that counts: a Yes that is not a claim, or any No or withdrawal."""

    claim: RecordedAnswer | None = None
    """The last Yes that waits to be confirmed."""

    first_yes: GivenAt | None = None
    """When the first Yes that counts was given: a No at that time or later takes something back."""

    first_stop: tuple[GivenAt, Answer] | None = None
    """The first No or withdrawal: where nothing was granted, it tells refused from withdrawn."""

    restricted: bool = False
    """Whether the person has had all processing restricted (GDPR Art. 18).

    It is stored once for the person (`Subject.restricted_since`), not here. `Subject.read` sets it
    on each summary, so that nobody who asks what is permitted can forget it.
    """

    def with_answer(self, answer: RecordedAnswer) -> Self:
        """Give the summary with one more answer."""
        if answer.awaits_confirmation:
            return self._replace(claim=_later_answer(self.claim, answer))
        last = _later_answer(self.last, answer)
        given = (answer.order_key[0], answer.version)
        if answer.answer is Answer.YES:
            first_yes = min(self.first_yes or given, given)
            return self._replace(last=last, first_yes=first_yes)
        stop = (given, answer.answer)
        first_stop = min(self.first_stop or stop, stop)
        return self._replace(last=last, first_stop=first_stop)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild a summary as an earlier version stored it; raise ValueError or TypeError.

        Since then `domain.stored_answers` writes and reads all summaries of a person together.
        """
        parts = dict(stored)
        for name in parts.keys() & {"last", "claim"}:
            parts[name] = RecordedAnswer.read(stored[name])
        if "first_yes" in parts:
            parts["first_yes"] = tuple(stored["first_yes"])
        if "first_stop" in parts:
            given, answer = stored["first_stop"]
            parts["first_stop"] = (tuple(given), Answer(answer))
        return cls(**parts)


def _later_answer(one: RecordedAnswer | None, other: RecordedAnswer) -> RecordedAnswer:
    if one is None or one.order_key < other.order_key:
        return other
    return one


class Status(NamedTuple):
    """The state of one question at a moment, since when, and the answer it follows from."""

    state: State
    since: Instant | None
    recorded_answer: RecordedAnswer | None
    until_confirmed: State | None = None
    """For a pending claim after an earlier answer: the state that counts until it is confirmed."""

    restricted: bool = False
    """Whether processing is restricted (GDPR Art. 18): the state stays, nothing is permitted."""

    @property
    def day_only(self) -> bool:
        """Whether only the day is known on which the state began."""
        answer = self.recorded_answer
        if answer is None or answer.effective_until is None:
            return False
        return answer.effective_at == self.since

    @property
    def permitted(self) -> bool:
        """Whether the clinic may do what was asked: only while granted, and not restricted."""
        return self.state is State.GRANTED and not self.restricted


NEVER_ASKED = Status(State.NEVER_ASKED, None, None)
"""The status of a question without any answer, whatever notice is in force."""


def resolve(summary: AnswerSummary | None, notice: NoticeInForce, at: Instant) -> Status:
    """Give the status of one question at `at`. Page, API, list, export and webhook all ask here.

    `summary` holds the answers given until then (None for no answer), `notice` is what was in
    force.

    A Yes past its end has expired, whatever the notice. A Yes to another MAJOR, or to a text that
    nobody knows, is superseded. A claim shows only while it waits and nothing is granted; when its
    time is over unconfirmed, it is as if it had never been made.
    """
    if summary is None:
        return NEVER_ASKED
    confirmed = _confirmed_status(summary, notice, at)
    status = _with_claim(summary, confirmed, notice, at)
    return status._replace(restricted=True) if summary.restricted else status


def resolve_confirmed(summary: AnswerSummary | None, notice: NoticeInForce, at: Instant) -> Status:
    """Give the status of one question as `resolve` does, but without regard to claims."""
    if summary is None:
        return NEVER_ASKED
    status = _confirmed_status(summary, notice, at)
    return status._replace(restricted=True) if summary.restricted else status


def _confirmed_status(summary: AnswerSummary, notice: NoticeInForce, at: Instant) -> Status:
    """Give the status by the last answer that counts."""
    last = summary.last
    if last is None:
        return NEVER_ASKED
    if last.answer is Answer.YES:
        return _status_of_yes(State.GRANTED, last, notice, at)
    if _took_back(summary, last):
        return Status(State.WITHDRAWN, last.effective_at, last)
    return Status(State.REFUSED, last.effective_at, last)


def _took_back(summary: AnswerSummary, stop: RecordedAnswer) -> bool:
    """Tell whether a stop counts as a withdrawal and not as a refusal.

    It does after a Yes, and where the person's first stop was a withdrawal: that ended something of
    which the portal knew nothing.
    """
    if summary.first_yes is not None:
        first_given, _ = summary.first_yes
        stopped, *_ = stop.order_key
        if first_given <= stopped:
            return True
    if summary.first_stop is None:
        return False
    _, first_stop = summary.first_stop
    return first_stop is Answer.WITHDRAW


def _with_claim(
    summary: AnswerSummary, confirmed: Status, notice: NoticeInForce, at: Instant
) -> Status:
    """Give the status with a claim that still waits, or `confirmed` where none changes it."""
    claim, last = summary.claim, summary.last
    if claim is None or (claim.confirm_by or "") <= at:
        return confirmed
    if last is not None and claim.order_key < last.order_key:
        return confirmed
    if _added_nothing(claim, confirmed):
        return confirmed
    waiting = _status_of_yes(State.PENDING, claim, notice, at)
    if confirmed.state is State.NEVER_ASKED:
        return waiting
    if waiting.state is not State.PENDING:
        return confirmed
    return waiting._replace(until_confirmed=confirmed.state)


def _status_of_yes(state: State, yes: RecordedAnswer, notice: NoticeInForce, at: Instant) -> Status:
    """Give `state`, to which a Yes led, unless it has expired or its text was replaced since."""
    if yes.expires_at is not None and yes.expires_at <= at:
        return Status(State.EXPIRED, yes.expires_at, yes)
    if yes.notice_version is None or major(yes.notice_version) != notice.major:
        since = max(notice.major_since, yes.effective_at)
        return Status(State.SUPERSEDED, since, yes)
    return Status(state, yes.effective_at, yes)


def _added_nothing(claim: RecordedAnswer, confirmed: Status) -> bool:
    """Tell whether a claim was made while the question was granted under the same MAJOR.

    Such a claim adds nothing, not even after that consent has ended.
    """
    yes = confirmed.recorded_answer
    if yes is None or yes.answer is not Answer.YES:
        return False
    if yes.notice_version is None or claim.notice_version is None:
        return False
    if yes.expires_at is not None and yes.expires_at <= claim.effective_at:
        return False
    return major(claim.notice_version) == major(yes.notice_version)


def strictest(statuses: list[Status]) -> Status:
    """Give what holds for a contact that several people share: one No of somebody asked is a No.

    A claim neither stops what others granted nor lifts the No that counts until it is confirmed. Of
    several statuses that are equally strict the latest is given.
    """
    if len(statuses) == 1:
        return statuses[0]
    asked = [status for status in statuses if status.state is not State.NEVER_ASKED]
    granted = [status for status in asked if status.permitted]
    against = [status for status in asked if not status.permitted and not _only_a_claim(status)]
    deciding = against or granted or asked or statuses
    return max(deciding, key=lambda status: status.since or "")


def _only_a_claim(status: Status) -> bool:
    """Tell whether nothing but a claim is known: no earlier answer counts until it is confirmed."""
    answer = status.recorded_answer
    if answer is None or not answer.awaits_confirmation:
        return False
    return status.until_confirmed is None
