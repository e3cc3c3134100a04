"""What was decided and what that means: answers, states, the one resolver, receipts and their chain.

Nothing here knows a framework, a store or a clock. Time, ids and keys arrive as arguments, so a decision replayed
with the same arguments is the same decision.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

import rfc8785

from chalicelib.instants import Instant, ending

Address = str
"""``purpose`` or ``purpose.option``, e.g. ``newsletter.email``."""


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
    API = "api"


class Assurance(StrEnum):
    """How sure the portal is of who decided."""

    SELF_ASSERTED = "self-asserted"
    CONTACT_CONFIRMED = "contact-confirmed"
    LINK = "link"
    STAFF_WITNESSED = "staff-witnessed"


@dataclass(frozen=True, slots=True)
class NoticeRef:
    """The text a person saw: notice version (``MAJOR.MINOR``), language and SHA-256 of the page as rendered."""

    version: str
    lang: str
    sha256: str


@dataclass(frozen=True, slots=True)
class NoticeInForce:
    """The notice against which a standing is judged: its version and when its MAJOR began."""

    version: str
    major_since: Instant

    @property
    def major(self) -> int:
        """The number whose change replaces what was agreed before (EDPB 05/2020, 110)."""
        return major(self.version)


@dataclass(frozen=True, slots=True)
class Standing:
    """The last word on one decision, as it is kept beside the contact."""

    state: State
    effective_at: Instant
    recorded_at: Instant
    receipt_id: str
    version: int
    notice_version: str
    lang: str
    channel: Channel
    assurance: Assurance
    expires_at: Instant | None = None
    stopped_at: Instant | None = None
    """When a No or a withdrawal last took effect; a Yes from before it stays stopped."""

    over: State | None = None
    """For a pending claim: what it stands over where that was no consent; until it is confirmed, that counts."""

    @property
    def live(self) -> bool:
        """Whether it could permit something, now or once it is confirmed."""
        return self.state in {State.GRANTED, State.PENDING}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild a standing from its stored form; a value outside its vocabulary raises ValueError."""
        return cls(
            **{
                **stored,
                "state": State(stored["state"]),
                "over": State(stored["over"]) if stored["over"] else None,
                "channel": Channel(stored["channel"]),
                "assurance": Assurance(stored["assurance"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Status:
    """What is true of one decision at one moment."""

    state: State
    since: Instant | None
    standing: Standing | None

    @property
    def permitted(self) -> bool:
        """True for a granted consent and nothing else."""
        return self.state is State.GRANTED


def resolve(standing: Standing | None, notice: NoticeInForce, at: Instant) -> Status:
    """Tell what holds of one decision at `at`: the one resolver for page, API, list, export and webhook.

    A consent past its end has expired whatever the notice; one given under an older MAJOR is superseded.
    """
    if standing is None:
        return Status(State.NEVER_ASKED, None, None)
    if standing.live and standing.expires_at is not None and standing.expires_at <= at:
        return Status(State.EXPIRED, standing.expires_at, standing)
    if standing.live and major(standing.notice_version) != notice.major:
        return Status(State.SUPERSEDED, max(notice.major_since, standing.effective_at), standing)
    return Status(standing.state, standing.effective_at, standing)


def strictest(statuses: list[Status]) -> Status:
    """Tell what holds for a contact that several people share: one No among those who were asked is a No.

    A claim nobody confirmed neither stops what others granted nor lifts the No it stands over.
    """
    asked = [status for status in statuses if status.state is not State.NEVER_ASKED]
    granted = [status for status in asked if status.permitted]
    against = [status for status in asked if not status.permitted and not _mere_claim(status)]
    return max(against or granted or asked or statuses, key=lambda status: status.since or "")


def _mere_claim(status: Status) -> bool:
    last = status.standing
    return last is not None and last.state is State.PENDING and last.over is None


def major(version: str) -> int:
    """The MAJOR number of a notice version."""
    return int(version.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Subject:
    """One person at one clinic, as far as decisions go: an opaque id, the head of the chain, every last word.

    `contacts` are the lookup keys (HMAC) under which the person is found; `salt` is the part of the contact key
    that belongs to this person alone.
    """

    id: str
    salt: str
    version: int = 0
    head: str | None = None
    contacts: tuple[str, ...] = ()
    standings: Mapping[Address, Standing] = field(default_factory=dict)
    numbered: bool = False
    """Whether the clinic's own number of this person is among the contacts."""

    def stored(self) -> dict[str, Any]:
        """The stored form: JSON-ready, without the defaults."""
        return {
            "id": self.id,
            "salt": self.salt,
            "version": self.version,
            "head": self.head,
            "contacts": list(self.contacts),
            "standings": {address: asdict(standing) for address, standing in self.standings.items()},
            "numbered": self.numbered,
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild a subject from its stored form."""
        return cls(
            id=stored["id"],
            salt=stored["salt"],
            version=stored["version"],
            head=stored["head"],
            contacts=tuple(stored["contacts"]),
            standings={address: Standing.read(standing) for address, standing in stored["standings"].items()},
            numbered=stored["numbered"],
        )


@dataclass(frozen=True, slots=True)
class Act:
    """One act of deciding: what was said, by whom, how, when, under which text.

    `effective_at` is when it was decided, `recorded_at` when the portal learnt of it.
    """

    receipt_id: str
    clinic: str
    answers: Mapping[Address, Answer]
    notice: NoticeRef
    controllers: tuple[Mapping[str, str], ...]
    channel: Channel
    source: str | None
    assurance: Assurance
    actor: str
    evidence: Mapping[str, str] | None
    effective_at: Instant
    recorded_at: Instant
    endings: Mapping[Address, str]
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """One immutable, numbered version of a person's decisions: its document and the canonical bytes of it."""

    document: Mapping[str, Any]
    canonical: bytes

    @property
    def id(self) -> str:
        """The receipt's own id."""
        return str(self.document["id"])

    @property
    def sha256(self) -> str:
        """The hash by which the next receipt names this one, in hexadecimal."""
        return hashlib.sha256(self.canonical).hexdigest()


def whose(people: Sequence[Sequence[Subject]]) -> Subject | None:
    """Tell which known person the typed contacts mean, given those found under each, strongest contact first.

    The person found under all of them, or else under the first. A family's phone beside an e-mail nobody has used
    yet is a new person: nobody may speak for the others who share that phone.
    """
    if not people or not people[0]:
        return None
    shared = [each for each in people[0] if all(any(each.id == other.id for other in group) for group in people)]
    return (shared or people[0])[0]


def receipt_id(nonce: str, said: Mapping[str, Any]) -> str:
    """Give a receipt's id from what makes it unique, 128 bits of SHA-256: the same form sent twice is one receipt."""
    return hashlib.sha256(rfc8785.dumps({"nonce": nonce, "said": dict(said)})).hexdigest()[:32]


def decide(subject: Subject, act: Act, in_force: NoticeInForce, *, known: bool) -> tuple[Receipt, Subject]:
    """Carry out one act of deciding: give the next receipt of the chain and the subject as it stands afterwards.

    Who only claims a contact (self-asserted) that has decided before (`known`) can stop things at once, and can start
    nothing: such a Yes stays pending, and what that person had granted stays as it was.
    """
    answers = dict(act.answers)
    if act.everything:
        answers |= {address: Answer.WITHDRAW for address in subject.standings if address not in answers}
    standings = dict(subject.standings)
    version = subject.version + 1
    touched = {}
    for address, answer in sorted(answers.items()):
        before = resolve(standings.get(address), in_force, act.recorded_at)
        last = _last_word(before, answer, act, address, version, known=known)
        if last is not None:
            standings[address] = last
        after = resolve(standings.get(address), in_force, act.recorded_at)
        touched[address] = {
            "answer": answer,
            "before": before.state,
            "after": after.state,
            "expires_at": last.expires_at if last else None,
        }
    ends = [entry["expires_at"] for entry in touched.values() if entry["expires_at"]]
    document: dict[str, Any] = {
        "id": act.receipt_id,
        "clinic": act.clinic,
        "subject": subject.id,
        "version": version,
        "previous": subject.head,
        "decisions": touched,
        "notice": asdict(act.notice),
        "controllers": [dict(controller) for controller in act.controllers],
        "channel": act.channel,
        "source": act.source,
        "assurance": act.assurance,
        "actor": act.actor,
        "evidence": dict(act.evidence) if act.evidence else None,
        "effective_at": act.effective_at,
        "recorded_at": act.recorded_at,
        "expires_at": min(ends, default=None),
    }
    receipt = Receipt(document, rfc8785.dumps(document))
    return receipt, replace(
        subject,
        version=version,
        head=receipt.sha256,
        standings=standings,
    )


def _last_word(
    before: Status, answer: Answer, act: Act, address: Address, version: int, *, known: bool
) -> Standing | None:
    """Give the standing an answer leaves behind, or None where the last word stays what it was."""
    earlier = before.standing
    unproven = known and act.assurance is Assurance.SELF_ASSERTED
    if earlier is not None and act.effective_at < earlier.effective_at:
        # A paper form entered late: recorded and provable, but a later word stands. A claim that waits to be confirmed
        # is no such word: a Yes from before it confirms it, unless there was a No in between; a No stays under it.
        if earlier.state is not State.PENDING or unproven or act.effective_at <= (earlier.stopped_at or ""):
            return None
        if answer is not Answer.YES:
            return replace(earlier, stopped_at=act.effective_at, over=earlier.over or State.REFUSED)
    state = _outcome(before.state, answer, unproven=unproven)
    if state is None:
        return None
    stopped = state in {State.REFUSED, State.WITHDRAWN}
    ends = act.endings.get(address) if answer is Answer.YES else None
    return Standing(
        state=state,
        effective_at=act.effective_at,
        recorded_at=act.recorded_at,
        receipt_id=act.receipt_id,
        version=version,
        notice_version=act.notice.version,
        lang=act.notice.lang,
        channel=act.channel,
        assurance=act.assurance,
        expires_at=ending(ends, act.effective_at) if ends else None,
        stopped_at=act.effective_at if stopped else (earlier.stopped_at if earlier else None),
        over=before.state if state is State.PENDING and earlier is not None else None,
    )


def _outcome(before: State, answer: Answer, *, unproven: bool) -> State | None:
    """Give the state an answer leads to, or None for no change.

    A No said again stays the No it was, and is a new word: a form signed in between must not outlive it.
    """
    if answer is Answer.YES:
        if not unproven:
            return State.GRANTED
        return None if before in {State.GRANTED, State.PENDING} else State.PENDING
    if before in {State.REFUSED, State.WITHDRAWN}:
        return before
    if answer is Answer.WITHDRAW or before in {State.GRANTED, State.EXPIRED, State.SUPERSEDED}:
        return State.WITHDRAWN
    return State.REFUSED
