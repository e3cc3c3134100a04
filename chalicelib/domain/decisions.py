"""Decisions: what a person answered in one go, and the receipt that follows from it.

A `Decision` is one form, call or click with all its answers. `decide` makes the person's next
receipt of it, and the person (`Subject`) as they are afterwards. It is pure: the same arguments
give the same receipt, byte for byte. Time, ids and keys are arguments.
"""

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import rfc8785

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import (
    BY_CLINIC,
    CONFIRM_WITHIN,
    Answer,
    AnswerSummary,
    Assurance,
    Channel,
    NoticeInForce,
    QuestionId,
    RecordedAnswer,
    resolve,
)
from chalicelib.domain.instants import Instant, ending, just_after
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject, with_restriction

AS_BEFORE = "as_before"
"""The member of a correction's evidence that lists the questions which are as before the entry it
corrects, with a space between."""


@dataclass(frozen=True, slots=True)
class NoticeRef:
    """The text a person saw: version of the notice, language, SHA-256 of the rendered page.

    Version and hash are None where nobody knows what was read, such as on a form from before the
    first version. `lang` is then the language that staff named; messages about the decision are
    written in it.
    """

    version: str | None
    lang: str
    sha256: str | None

    @classmethod
    def unknown(cls, lang: str) -> Self:
        """Give the reference to a text that is not known."""
        return cls(None, lang, None)


@dataclass(frozen=True, slots=True)
class Day:
    """The day of a decision whose time nobody knows: a paper form bears only a date."""

    date: str
    """Such as ``2026-11-29``."""
    ends: Instant
    """The last moment of the day, where the clinic is."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What a decision corrects: which entry, and how the person stands without it."""

    wrong: int
    """The number of the wrong entry in the chain."""
    as_before: frozenset[QuestionId]
    """Its questions to which no right answer is given."""
    without: Mapping[QuestionId, AnswerSummary]
    """The summaries of all answers but those of void entries, this one's too."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one person answered in one go: to which text, in which way, and how sure it is who did.

    `new_decision` makes one from a clinic's document.
    """

    receipt_id: str
    clinic: str
    answers: Mapping[QuestionId, Answer]
    notice: NoticeRef
    controllers: tuple[Mapping[str, str], ...]
    """Id and name of each controller (GDPR Art. 4(7), 26)."""

    channel: Channel
    source: str | None
    """Name of the QR code or campaign that led to the page."""

    assurance: Assurance
    actor: str
    """Who decided: ``patient``, ``guardian``, or the id of a staff member's key."""

    evidence: Mapping[str, Any] | None
    """What else proves the decision, such as the number of a paper form."""

    effective_at: Instant
    """When it was decided."""

    recorded_at: Instant
    """When the portal learnt of it."""

    endings: Mapping[QuestionId, str]
    """When a Yes to a question ends by itself: a rule of `instants.ending`."""

    everything: bool = False
    """Whether every question that the person ever answered is withdrawn, beside `answers`."""

    confirm: frozenset[QuestionId] = frozenset()
    """Questions whose Yes waits to be confirmed, whoever gave it (double opt-in)."""

    confirm_within: str = CONFIRM_WITHIN
    """How long a Yes waits to be confirmed, as an ISO 8601 period."""

    of_age: Instant = ""
    """Where a guardian decides for a child: when the child comes of age."""

    asks_only: bool = False
    """Whether it came by a link that a clinic's program made.

    Then a Yes to a question that was last refused or withdrawn waits to be confirmed.
    """

    day: Day | None = None
    """Where only the day of the decision is known; `effective_at` is then its beginning."""

    repeats: str = ""
    """The receipt of another record of the same person whose answers this one takes over
    (`domain.merging`). Nobody decides anew: it is no claim, and a Yes ends when it said, by `ends`.
    """

    ends: Mapping[QuestionId, Instant | None] = field(default_factory=dict)

    correction: Correction | None = None
    """Where it corrects an entry that staff got wrong: which, and how the person stands without."""


def new_decision(
    clinic: Clinic,
    answers: Mapping[QuestionId, Answer],
    *,
    id: str,  # noqa: A002 - as the receipt calls it
    notice: NoticeRef,
    channel: Channel,
    assurance: Assurance,
    at: Instant,
    actor: str = "patient",
    source: str | None = None,
    evidence: Mapping[str, Any] | None = None,
    effective_at: Instant | None = None,
    endings: Mapping[QuestionId, str] | None = None,
    everything: bool = False,
    confirm: frozenset[QuestionId] = frozenset(),
    of_age: Instant = "",
    day: Day | None = None,
) -> Decision:
    """Make a decision recorded at `at`; it was taken at `effective_at`, or else then too.

    The clinic gives who is controller, how long a Yes waits to be confirmed, and when a Yes ends;
    `endings` are given where an earlier Yes said so. No evidence is stored as None.
    """
    return Decision(
        receipt_id=id,
        clinic=clinic.id,
        answers=answers,
        notice=notice,
        controllers=tuple(controller.for_receipt() for controller in clinic.controllers),
        channel=channel,
        source=source,
        assurance=assurance,
        actor=actor,
        evidence=evidence or None,
        effective_at=effective_at or at,
        recorded_at=at,
        endings=clinic.endings if endings is None else endings,
        everything=everything,
        confirm=confirm,
        confirm_within=clinic.confirm_within,
        of_age=of_age,
        day=day,
    )


def receipt_id(secret: bytes, nonce: str, content: Mapping[str, Any]) -> str:
    """Give a receipt's id: 128 bits of HMAC-SHA-256 over what makes it unique, in hexadecimal.

    The same form posted twice has the same nonce and content, and so leads to the same receipt.

    `secret` is the clinic's (`ClinicKey.receipt_secret`). Whoever knows everything else, such as
    the receipt before, an Idempotency-Key or a person's id, can neither compute the id nor find out
    whether there is such a receipt.
    """
    unique = rfc8785.dumps({"nonce": nonce, "said": dict(content)})
    return hmac.digest(secret, unique, "sha256").hex()[:32]


def recorded_answers(document: Mapping[str, Any]) -> dict[QuestionId, RecordedAnswer]:
    """Give the answers that a receipt's document holds; all states follow from them again.

    What a correction says is as before is no answer (`corrections`).
    """
    common = {
        "receipt_id": document["id"],
        "version": document["version"],
        "effective_at": document["effective_at"],
        "effective_until": document.get("effective_until"),
        "recorded_at": document["recorded_at"],
        "notice_version": document["notice"]["version"] or _vouched_version(document),
        "lang": document["notice"]["lang"],
        "channel": document["channel"],
        "assurance": document["assurance"],
    }
    answers = {}
    as_before = as_before_of(document)
    for question, entry in document["decisions"].items():
        if question in as_before:
            continue
        own = {name: entry[name] for name in ("answer", "expires_at", "confirm_by")}
        answers[question] = RecordedAnswer.read({**common, **own})
    return answers


def as_before_of(document: Mapping[str, Any]) -> frozenset[QuestionId]:
    """Give the questions of a receipt that are no answers of its own (`Correction`)."""
    listed: str = (document.get("evidence") or {}).get(AS_BEFORE, "")
    return frozenset(listed.split())


def _vouched_version(document: Mapping[str, Any]) -> str | None:
    """Give the version under which an imported Yes counts, though nobody was shown it here.

    The clinic vouches that the text read then described the same processing (`evidence.same_as`)
    and keeps that text (`evidence.sha256`). None where it does not: then a Yes permits nothing.
    """
    version: str | None = (document.get("evidence") or {}).get("same_as")
    return version


def decide(
    subject: Subject, decision: Decision, in_force: NoticeInForce, *, known: bool
) -> tuple[Receipt, Subject]:
    """Give the receipt of a decision, next in the subject's chain, and the subject afterwards.

    `known` says that somebody has decided under these contacts before. Whoever merely types such a
    contact (self-asserted) can stop things at once but start nothing: a Yes waits to be confirmed,
    and what was granted stays granted. The same holds for any Yes in `Decision.confirm`.

    Receipts of a chain are recorded in order: where a clock ran behind, the decision counts as
    recorded a millisecond after the receipt before, so that no two answers tie.

    A Yes for a child ends when the child comes of age, whoever gave it. After that day staff who
    see the grown patient can record another.
    """
    recorded_at = _recorded_at(subject, decision)
    effective_at = decision.effective_at
    if effective_at == decision.recorded_at and decision.day is None and not decision.repeats:
        effective_at = recorded_at
    of_age = decision.of_age or subject.of_age
    own = not decision.repeats
    is_claim = known and own and decision.assurance is Assurance.SELF_ASSERTED

    entries: dict[QuestionId, dict[str, Any]] = {}
    for question, answer in sorted(_all_answers(subject, decision).items()):
        entry: dict[str, Any] = {"answer": answer, "confirm_by": None, "expires_at": None}
        if answer is Answer.YES:
            entry["expires_at"] = (
                _expires_at(question, decision, effective_at, of_age)
                if own
                else decision.ends.get(question)
            )
            if is_claim or _is_confirmed_first(question, decision, subject):
                entry["confirm_by"] = ending(decision.confirm_within, recorded_at)
        entries[question] = entry
    correction = decision.correction
    if correction:
        entries = {**entries, **_repeated_entries(correction)}

    document = _document(subject, decision, entries, effective_at, recorded_at)
    summaries = dict(subject.summaries)
    if correction:
        restricted = subject.restricted_since is not None
        summaries = dict(with_restriction(correction.without, restricted=restricted))
    for question, recorded in recorded_answers(document).items():
        summaries[question] = summaries.get(question, AnswerSummary()).with_answer(recorded)
    for question, entry in entries.items():
        before, after = subject.summaries.get(question), summaries.get(question)
        entry["before"] = resolve(before, in_force, recorded_at).state
        entry["after"] = resolve(after, in_force, recorded_at).state

    receipt = Receipt(document, rfc8785.dumps(document))
    chose_language = own and not is_claim and decision.assurance not in BY_CLINIC
    return receipt, replace(
        subject,
        version=document["version"],
        head=receipt.sha256,
        summaries=summaries,
        latest=max(effective_at, subject.latest),
        recorded_at=recorded_at,
        of_age=of_age,
        lang=decision.notice.lang if chose_language else subject.lang,
        voids=(*subject.voids, (correction.wrong, recorded_at)) if correction else subject.voids,
    )


def _repeated(summary: AnswerSummary | None) -> tuple[Answer, Instant | None]:
    """Give what a correction repeats for a question as before: the answer that counts, its end.

    Where nobody ever answered it, the entry says that it is withdrawn.
    """
    last = summary.last if summary else None
    if last is None:
        return Answer.WITHDRAW, None
    return last.answer, last.expires_at


def _repeated_entries(correction: Correction) -> dict[str, dict[str, Any]]:
    """Give what a correction says of the questions that are as before the wrong entry."""
    entries = {}
    for question in sorted(correction.as_before):
        answer, expires_at = _repeated(correction.without.get(question))
        entries[question] = {"answer": answer, "confirm_by": None, "expires_at": expires_at}
    return entries


def _recorded_at(subject: Subject, decision: Decision) -> Instant:
    """Give when a decision counts as recorded: after the receipt before it."""
    if not subject.recorded_at:
        return decision.recorded_at
    return max(decision.recorded_at, just_after(subject.recorded_at))


def _all_answers(subject: Subject, decision: Decision) -> dict[QuestionId, Answer]:
    """Give the answers, and a withdrawal of all else where everything is withdrawn."""
    withdrawn = dict.fromkeys(subject.summaries, Answer.WITHDRAW) if decision.everything else {}
    return {**withdrawn, **decision.answers}


def _expires_at(
    question: QuestionId, decision: Decision, effective_at: Instant, of_age: Instant
) -> Instant | None:
    """Tell when a Yes ends by itself: by the question's rule, or when a child comes of age."""
    ends = []
    if rule := decision.endings.get(question):
        ends.append(ending(rule, effective_at))
    seen_grown = decision.assurance is Assurance.STAFF_WITNESSED and effective_at >= of_age
    if of_age and not seen_grown:
        ends.append(of_age)
    return min(ends, default=None)


def _is_confirmed_first(question: QuestionId, decision: Decision, subject: Subject) -> bool:
    """Tell whether a Yes waits to be confirmed, whoever gave it."""
    if question in decision.confirm:
        return True
    return decision.asks_only and _was_stopped(subject, question)


def _was_stopped(subject: Subject, question: QuestionId) -> bool:
    """Tell whether the last answer that counts is a No or a withdrawal."""
    summary = subject.summaries.get(question)
    if summary is None or summary.last is None:
        return False
    return summary.last.answer is not Answer.YES


def _document(
    subject: Subject,
    decision: Decision,
    entries: dict[QuestionId, dict[str, Any]],
    effective_at: Instant,
    recorded_at: Instant,
) -> dict[str, Any]:
    """Give the document of a receipt; `decide` adds the states before and after to its entries."""
    ends = [entry["expires_at"] for entry in entries.values() if entry["expires_at"]]
    document = {
        "id": decision.receipt_id,
        "clinic": decision.clinic,
        "subject": subject.id,
        "version": subject.version + 1,
        "previous": subject.head,
        "decisions": entries,
        "notice": asdict(decision.notice),
        "controllers": [dict(controller) for controller in decision.controllers],
        "channel": decision.channel,
        "source": decision.source,
        "assurance": decision.assurance,
        "actor": decision.actor,
        "evidence": dict(decision.evidence) if decision.evidence else None,
        "effective_at": effective_at,
        "recorded_at": recorded_at,
        "expires_at": min(ends, default=None),
    }
    if decision.day:
        document["effective_date"] = decision.day.date
        document["effective_until"] = min(decision.day.ends, recorded_at)
    return document
