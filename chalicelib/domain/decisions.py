"""Decisions: what a person answered in one go, and the function that makes the next receipt of it.

`decide` is pure: the same arguments give the same receipt, byte for byte. Time, ids and keys are arguments.
"""

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
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
from chalicelib.domain.subjects import Subject


@dataclass(frozen=True, slots=True)
class NoticeRef:
    """The text a person decided about: notice version (``MAJOR.MINOR``), language, SHA-256 of the page as rendered.

    Version and hash are None where nobody knows what they read: on a form from before any version was in force.
    `lang` is then the language staff named, for whatever is written to them.
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
    """A day at the clinic on which something was decided, nobody knows at what time: paper has only dates."""

    date: str
    """Such as ``2026-11-29``."""
    ends: Instant
    """The last moment of it, where the clinic is."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One act of deciding: what was said, by whom, how, when, under which text.

    `effective_at` is when it was decided, `recorded_at` when the portal learnt of it.
    """

    receipt_id: str
    clinic: str
    answers: Mapping[QuestionId, Answer]
    notice: NoticeRef
    controllers: tuple[Mapping[str, str], ...]
    channel: Channel
    source: str | None
    assurance: Assurance
    actor: str
    evidence: Mapping[str, Any] | None
    effective_at: Instant
    recorded_at: Instant
    endings: Mapping[QuestionId, str]
    everything: bool = False
    confirm: frozenset[QuestionId] = frozenset()
    """What is confirmed by message before it counts, whoever said it (double opt-in)."""

    confirm_within: str = CONFIRM_WITHIN
    """How long a Yes waits to be confirmed, as a period of ISO 8601."""

    of_age: Instant = ""
    """Where a guardian decides for a child: when it comes of age."""

    asks_only: bool = False
    """Whether it came by a link that a clinic's program made: a Yes to what was last refused or withdrawn waits."""

    day: Day | None = None
    """Where only the day is known on which it was decided: `effective_at` is then when that day began."""


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
    """Make a decision about a clinic's questions that is recorded at `at`, and was taken then unless `effective_at`.

    The clinic gives who is controller, how long a Yes waits to be confirmed, and when a Yes ends; `endings` are given
    where an earlier Yes said so. No evidence is stored as None.
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


def receipt_id(secret: bytes, nonce: str, said: Mapping[str, Any]) -> str:
    """Give a receipt's id, 128 bits of HMAC-SHA-256 over what makes it unique: the same form sent twice is one receipt.

    `secret` is the clinic's (`ClinicKey.receipt_secret`): whoever knows everything else, such as the receipt that this
    one follows, an Idempotency-Key or a person's id, cannot compute the id, nor ask whether there is such a receipt.
    """
    unique = rfc8785.dumps({"nonce": nonce, "said": dict(said)})
    return hmac.digest(secret, unique, "sha256").hex()[:32]


def recorded_answers(document: Mapping[str, Any]) -> dict[QuestionId, RecordedAnswer]:
    """Give the words of a receipt, by its document: whoever has the receipts can tell every state from them again."""
    told = {name: document[name] for name in ("effective_at", "recorded_at", "version", "channel", "assurance")}
    told["effective_until"] = document.get("effective_until")
    notice = {"notice_version": document["notice"]["version"], "lang": document["notice"]["lang"]}
    return {
        address: RecordedAnswer.read(
            {
                **told,
                **notice,
                "receipt_id": document["id"],
                **{name: entry[name] for name in ("answer", "expires_at", "confirm_by")},
            }
        )
        for address, entry in document["decisions"].items()
    }


def _stopped(subject: Subject, address: QuestionId) -> bool:
    """Tell whether the last word that counts on a decision is a No or a withdrawal."""
    standing = subject.summaries.get(address)
    return standing is not None and standing.last is not None and standing.last.answer is not Answer.YES


def decide(subject: Subject, decision: Decision, in_force: NoticeInForce, *, known: bool) -> tuple[Receipt, Subject]:
    """Carry out one act of deciding: give the next receipt of the chain and the subject as it stands afterwards.

    Who only claims a contact (self-asserted) that has decided before (`known`) can stop things at once, and can start
    nothing: such a Yes stays pending, and what that person had granted stays as it was. So does everybody's Yes to what
    is confirmed first (`Decision.confirm`). A chain is recorded in order: an act whose clock ran behind is recorded a
    millisecond after the receipt before it, so that words given now never tie. A Yes for a child ends when it comes of
    age, however it was given; afterwards staff who see the grown patient can record another.
    """
    now = max(decision.recorded_at, just_after(subject.recorded_at)) if subject.recorded_at else decision.recorded_at
    effective_at = (
        now if decision.effective_at == decision.recorded_at and decision.day is None else decision.effective_at
    )
    answers = dict(decision.answers)
    if decision.everything:
        answers |= {address: Answer.WITHDRAW for address in subject.summaries if address not in answers}
    claims = known and decision.assurance is Assurance.SELF_ASSERTED
    of_age = decision.of_age or subject.of_age
    limit = of_age if effective_at < of_age or decision.assurance is not Assurance.STAFF_WITNESSED else None
    decisions: dict[QuestionId, dict[str, Any]] = {}
    for address, answer in sorted(answers.items()):
        yes = answer is Answer.YES
        ends = decision.endings.get(address) if yes else None
        expires_at = min(filter(None, (ends and ending(ends, effective_at), limit)), default=None) if yes else None
        waits = yes and (claims or address in decision.confirm or (decision.asks_only and _stopped(subject, address)))
        confirm_by = ending(decision.confirm_within, now) if waits else None
        decisions[address] = {"answer": answer, "confirm_by": confirm_by, "expires_at": expires_at}
    document: dict[str, Any] = {
        "id": decision.receipt_id,
        "clinic": decision.clinic,
        "subject": subject.id,
        "version": subject.version + 1,
        "previous": subject.head,
        "decisions": decisions,
        "notice": asdict(decision.notice),
        "controllers": [dict(controller) for controller in decision.controllers],
        "channel": decision.channel,
        "source": decision.source,
        "assurance": decision.assurance,
        "actor": decision.actor,
        "evidence": dict(decision.evidence) if decision.evidence else None,
        "effective_at": effective_at,
        "recorded_at": now,
        "expires_at": min((entry["expires_at"] for entry in decisions.values() if entry["expires_at"]), default=None),
    }
    if decision.day:
        document |= {"effective_date": decision.day.date, "effective_until": min(decision.day.ends, now)}
    standings = dict(subject.summaries)
    for address, word in recorded_answers(document).items():
        before = standings.get(address)
        standings[address] = (before or AnswerSummary()).with_answer(word)
        decisions[address]["before"] = resolve(before, in_force, now).state
        decisions[address]["after"] = resolve(standings[address], in_force, now).state
    receipt = Receipt(document, rfc8785.dumps(document))
    return receipt, replace(
        subject,
        version=document["version"],
        head=receipt.sha256,
        summaries=standings,
        latest=max(effective_at, subject.latest),
        recorded_at=now,
        of_age=of_age,
        lang=subject.lang if claims or decision.assurance in BY_CLINIC else decision.notice.lang,
    )
