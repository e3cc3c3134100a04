"""What was decided and what that means: answers, words, states, and the one resolver.

Nothing here knows a framework, a store or a clock. Time, ids and keys arrive as arguments, so a decision replayed
with the same arguments is the same decision.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from chalicelib.domain.instants import Instant

QuestionId = str
"""``purpose`` or ``purpose.option``, e.g. ``newsletter.email``."""


CONFIRM_WITHIN = "P7D"
"""How long a Yes waits for the owner of its contact to confirm it, as an ISO 8601 period.

A clinic's document may set another time for its own questions (`Clinic.confirm_within`).
"""


class State(StrEnum):
    """What holds for one decision (CONTRACT: the seven states)."""

    NEVER_ASKED = "never_asked"
    PENDING = "pending"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class Answer(StrEnum):
    """What a person said about one decision."""

    YES = "yes"
    NO = "no"
    WITHDRAW = "withdraw"


class Channel(StrEnum):
    """The way a decision reached the portal."""

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
    """What another system of the clinic recorded earlier, taken over in silence."""


ON_A_PAGE = frozenset({Channel.WEB, Channel.QR, Channel.EMAIL_LINK, Channel.KIOSK})
"""The channels in which the portal itself showed the patient the text."""


class Assurance(StrEnum):
    """How sure the portal is of who decided."""

    SELF_ASSERTED = "self-asserted"
    CONTACT_CONFIRMED = "contact-confirmed"
    LINK = "link"
    STAFF_WITNESSED = "staff-witnessed"
    IMPORTED = "imported"


BY_CLINIC = frozenset({Assurance.STAFF_WITNESSED, Assurance.IMPORTED})
"""What the clinic says of a patient it knows: it vouches for who decided, and for the contacts it names."""


@dataclass(frozen=True, slots=True)
class NoticeInForce:
    """The notice against which a standing is judged: its version and when its MAJOR began."""

    version: str
    major_since: Instant

    @property
    def major(self) -> int:
        """The number whose change replaces what was agreed before (EDPB 05/2020, 110)."""
        return major(self.version)


GivenAt = tuple[Instant, int]
"""When a word was given, and the version of its receipt."""

OrderKey = tuple[Instant, bool, int]
"""Where a word stands among the others on its decision: when it was given, whether it stops, its receipt's version."""


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """One answer on one decision, as a receipt recorded it: when it was given, and when the portal learnt of it."""

    answer: Answer
    effective_at: Instant
    recorded_at: Instant
    receipt_id: str
    version: int
    notice_version: str | None
    """The version of the text it was given to; None where that is not known."""

    lang: str
    channel: Channel
    assurance: Assurance
    expires_at: Instant | None = None
    confirm_by: Instant | None = None
    """Until when a Yes waits for the owner of the contact to confirm it; None for a word that counts by itself."""
    effective_until: Instant | None = None
    """Where only the day is known on which it was given: the last moment it can mean; `effective_at` is the first."""

    @property
    def awaits_confirmation(self) -> bool:
        """Whether this is a Yes that waits: by somebody who only typed a contact."""
        return self.confirm_by is not None

    @property
    def order_key(self) -> OrderKey:
        """Where the word stands among the others: by when it was given; of two at once a stop comes after every Yes.

        Of a day alone a Yes counts as early, and a stop as late, as it can have been given: in doubt it is stopped.
        Of two of a kind at once the one recorded later comes later.
        """
        stops = self.answer is not Answer.YES
        given = self.effective_until if stops and self.effective_until else self.effective_at
        return given, stops, self.version

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild a word from its stored form; a value outside its vocabulary raises ValueError."""
        return cls(
            **{
                **stored,
                "answer": Answer(stored["answer"]),
                "channel": Channel(stored["channel"]),
                "assurance": Assurance(stored["assurance"]),
            }
        )


@dataclass(frozen=True, slots=True)
class AnswerSummary:
    """What matters of everything that was said on one decision: four words of it.

    Each is the first or the last of its kind by when it was given, so it is the same in whatever order the portal
    learns of them: a paper form entered years late takes its true place.
    """

    last: RecordedAnswer | None = None
    """The last word that counts by itself: a proven Yes, or a No or withdrawal, which always count."""

    claim: RecordedAnswer | None = None
    """The last Yes that waits to be confirmed."""

    first_yes: GivenAt | None = None
    """When the first proven Yes was given: a No after it, or at the same time, takes something back."""

    first_stop: tuple[GivenAt, Answer] | None = None
    """The first No or withdrawal: where nothing was ever granted, it says which of the two this is."""

    restricted: bool = False
    """Whether the person has had all processing restricted (GDPR Art. 18). It is the person's, so never stored here:
    who reads a person's standings finds it on each of them, and nobody who asks what is permitted can forget it."""

    def with_answer(self, word: RecordedAnswer) -> Self:
        """Give the standing with one more word."""
        if word.awaits_confirmation:
            return replace(self, claim=_later_answer(self.claim, word))
        last = _later_answer(self.last, word)
        given = (word.order_key[0], word.version)
        if word.answer is Answer.YES:
            return replace(self, last=last, first_yes=min(self.first_yes or given, given))
        stop = (given, word.answer)
        return replace(self, last=last, first_stop=min(self.first_stop or stop, stop))

    def stored(self) -> dict[str, Any]:
        """Write the standing, JSON-ready, without the words it lacks."""
        written = {name: word for name, word in asdict(self).items() if word and name != "restricted"}
        for name in written.keys() & {"last", "claim"}:
            if written[name]["effective_until"] is None:  # as of almost every word
                del written[name]["effective_until"]
        return written

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild a standing from its stored form; raise ValueError or TypeError for one that is none."""
        parts: dict[str, Any] = dict(stored)
        for name in parts.keys() & {"last", "claim"}:
            parts[name] = RecordedAnswer.read(stored[name])
        if "first_yes" in parts:
            parts["first_yes"] = tuple(stored["first_yes"])
        if "first_stop" in parts:
            turn, answer = stored["first_stop"]
            parts["first_stop"] = (tuple(turn), Answer(answer))
        return cls(**parts)


def _later_answer(one: RecordedAnswer | None, other: RecordedAnswer) -> RecordedAnswer:
    return other if one is None or one.order_key < other.order_key else one


@dataclass(frozen=True, slots=True)
class Status:
    """What is true of one decision at one moment, since when, and by which word."""

    state: State
    since: Instant | None
    recorded_answer: RecordedAnswer | None
    until_confirmed: State | None = None
    """For a pending claim: what it stands over where that was no consent; until it is confirmed, that counts."""

    restricted: bool = False
    """Whether the person has had processing restricted (GDPR Art. 18): the state stays true, nothing is permitted."""

    @property
    def day_only(self) -> bool:
        """Whether of when it began only the day is known."""
        word = self.recorded_answer
        return word is not None and word.effective_until is not None and word.effective_at == self.since

    @property
    def permitted(self) -> bool:
        """True for a granted consent of somebody who has restricted nothing, and for nothing else."""
        return self.state is State.GRANTED and not self.restricted


_NEVER = Status(State.NEVER_ASKED, None, None)


def resolve(standing: AnswerSummary | None, notice: NoticeInForce, at: Instant) -> Status:
    """Tell what holds of one decision at `at`: the one resolver for page, API, list, export and webhook.

    `standing` knows the words given until then, `notice` is what was in force. A consent past its end has expired
    whatever the notice; one given under another MAJOR, or to a text nobody knows, is superseded. A claim matters where
    nothing was granted, and until the time to confirm it is over: then it is as if it had never been made.
    """
    return _marked(_resolve(standing, notice, at), standing)


def resolve_confirmed(standing: AnswerSummary | None, notice: NoticeInForce, at: Instant) -> Status:
    """Tell what holds of one decision without the claims of those who only typed a contact."""
    return _marked(_resolve_confirmed(standing, notice, at), standing)


def _marked(status: Status, standing: AnswerSummary | None) -> Status:
    return replace(status, restricted=True) if standing is not None and standing.restricted else status


def _resolve(standing: AnswerSummary | None, notice: NoticeInForce, at: Instant) -> Status:
    certain = _resolve_confirmed(standing, notice, at)
    claim, last = (standing.claim, standing.last) if standing else (None, None)
    if claim is None or (claim.confirm_by or "") <= at:
        return certain
    if (last is not None and claim.order_key < last.order_key) or _never_confirmed(claim, certain):
        return certain
    waiting = _consent(State.PENDING, claim, notice, at)
    if certain is _NEVER:
        return waiting
    # A claim whose time ran out unconfirmed leaves what it stood over.
    return replace(waiting, until_confirmed=certain.state) if waiting.state is State.PENDING else certain


def _resolve_confirmed(standing: AnswerSummary | None, notice: NoticeInForce, at: Instant) -> Status:
    last = standing.last if standing else None
    if standing is None or last is None:
        return _NEVER
    if last.answer is Answer.YES:
        return _consent(State.GRANTED, last, notice, at)
    taken_back = standing.first_yes is not None and standing.first_yes[0] <= last.order_key[0]
    if taken_back or (standing.first_stop and standing.first_stop[1] is Answer.WITHDRAW):
        return Status(State.WITHDRAWN, last.effective_at, last)
    return Status(State.REFUSED, last.effective_at, last)


def _consent(state: State, yes: RecordedAnswer, notice: NoticeInForce, at: Instant) -> Status:
    """Tell what became of a Yes, which gave `state`."""
    if yes.expires_at is not None and yes.expires_at <= at:
        return Status(State.EXPIRED, yes.expires_at, yes)
    if yes.notice_version is None or major(yes.notice_version) != notice.major:
        return Status(State.SUPERSEDED, max(notice.major_since, yes.effective_at), yes)
    return Status(state, yes.effective_at, yes)


def _never_confirmed(claim: RecordedAnswer, settled: Status) -> bool:
    """Tell whether a claim was made while its decision was granted: it added nothing, and adds nothing later."""
    yes = settled.recorded_answer
    if yes is None or yes.answer is not Answer.YES or yes.notice_version is None or claim.notice_version is None:
        return False
    lasting = yes.expires_at is None or claim.effective_at < yes.expires_at
    return lasting and major(claim.notice_version) == major(yes.notice_version)


def strictest(statuses: list[Status]) -> Status:
    """Tell what holds for a contact that several people share: one No among those who were asked is a No.

    A claim nobody confirmed neither stops what others granted nor lifts the No it stands over.
    """
    asked = [status for status in statuses if status.state is not State.NEVER_ASKED]
    granted = [status for status in asked if status.permitted]
    against = [status for status in asked if not status.permitted and not _mere_claim(status)]
    return max(against or granted or asked or statuses, key=lambda status: status.since or "")


def _mere_claim(status: Status) -> bool:
    return (
        status.recorded_answer is not None
        and status.recorded_answer.awaits_confirmation
        and status.until_confirmed is None
    )


def major(version: str) -> int:
    """The MAJOR number of a notice version."""
    return int(version.partition(".")[0])
