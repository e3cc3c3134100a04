"""Receipts: what one act of deciding leaves behind, numbered, chained by hash, and the person whose chain it is.

Pure like `consent`: the same arguments are the same receipt, byte for byte.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import rfc8785

from chalicelib.domain.consent import (
    BY_CLINIC,
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
class Subject:
    """One person at one clinic, as far as decisions go: an opaque id, the head of the chain, every last word.

    `contacts` are the lookup keys (HMAC) under which the person is found, and when the portal learnt of each; `salt` is
    the part of the contact key that belongs to this person alone.
    """

    id: str
    salt: str
    version: int = 0
    head: str | None = None
    contacts: Mapping[str, Instant] = field(default_factory=dict)
    standings: Mapping[QuestionId, AnswerSummary] = field(default_factory=dict)
    numbered: bool = False
    """Whether the clinic's own number of this person is among the contacts."""

    of_age: Instant = ""
    """For a child for whom a guardian decided, when it comes of age: another person than who else has the contacts."""

    latest: Instant = ""
    """The latest moment at which any of the words was given."""

    recorded_at: Instant = ""
    """When the head of the chain was recorded."""

    fences: tuple[tuple[Instant, Instant], ...] = ()
    """What each page of words begins after, by both clocks: see `timeline`."""

    typed: tuple[str, ...] = ()
    """Of the contacts, the e-mails and phones that somebody only typed: nobody proved that they are this person's."""

    certain: bool = False
    """Whether any contact was ever proven, from itself or by staff."""

    proven_by: str = ""
    """The receipt whose confirmation proved the first: what else was typed on that very form may still be proven."""

    base: str = ""
    """The portal's absolute address as the person last reached it: where messages that nobody asked for lead."""

    lang: str = ""
    """The language the person last chose themself; none where only others spoke for them."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    """Of which kind each contact is; those kept before kinds were told are left out until they are given again."""

    places: Mapping[str, int] = field(default_factory=dict)
    """In which place of each contact the person is kept; those in the first place are left out (`store.contacts`)."""

    pointers: tuple[str, ...] = ()
    """Of very many contacts, those whose place does not hold the person but only says who it is."""

    restricted_since: Instant | None = None
    """Since when all processing is restricted (GDPR Art. 18); None where it is not."""

    proof_until: Instant | None = None
    """For an erased person: until when the receipts are kept, which name nobody any more."""

    def owns(self, lookup: str) -> bool:
        """Tell whether a contact counts as this person's own: it was proven, or none was yet.

        Anybody may have typed somebody else's phone beside an e-mail of their own: once one is proven, the other leads
        nowhere until it is too.
        """
        return lookup in self.contacts and (lookup not in self.typed or not self.certain)

    def may_have(self, kind: str) -> bool:
        """Tell whether one of the person's own contacts is of a kind, or may be: of old ones no kind was kept."""
        return any(self.owns(lookup) and self.kinds.get(lookup, kind) == kind for lookup in self.contacts)

    def prove(self, lookups: Collection[str]) -> Self:
        """Give the person with these contacts proven."""
        left = tuple(lookup for lookup in self.typed if lookup not in lookups)
        return replace(self, typed=left, certain=self.certain or bool(lookups))

    def independent(self, contacts: Collection[str]) -> Self:
        """Give who was a child as somebody who decides alone: of what is known only these contacts are their own."""
        return replace(self.without(self.contacts.keys() - set(contacts)), of_age="", proven_by="")

    def without(self, gone: Collection[str]) -> Self:
        """Give the person without some of their contacts."""
        kept = {lookup: since for lookup, since in self.contacts.items() if lookup not in gone}
        return replace(
            self,
            contacts=kept,
            typed=tuple(lookup for lookup in self.typed if lookup in kept),
            kinds={lookup: kind for lookup, kind in self.kinds.items() if lookup in kept},
            places={lookup: place for lookup, place in self.places.items() if lookup in kept},
            pointers=tuple(lookup for lookup in self.pointers if lookup in kept),
        )

    @property
    def erased(self) -> bool:
        """Whether the person was erased: no contact leads here, and what was sealed can no longer be read."""
        return self.proof_until is not None

    def restrict(self, since: Instant | None) -> Self:
        """Give the person with all processing restricted, or, by None, no longer."""
        return replace(
            self, restricted_since=since, standings=with_restriction(self.standings, restricted=since is not None)
        )

    def erase(self, proof_until: Instant) -> Self:
        """Give what is kept of an erased person: an opaque id and the length and head of the chain."""
        return type(self)(
            id=self.id,
            salt="",
            version=self.version,
            head=self.head,
            recorded_at=self.recorded_at,
            latest=self.latest,
            proof_until=proof_until,
        )

    def stored(self) -> dict[str, Any]:
        """Write the subject, JSON-ready."""
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            "standings": {address: standing.stored() for address, standing in self.standings.items()},
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Rebuild a subject from its stored form."""
        kept = {address: AnswerSummary.read(standing) for address, standing in stored["standings"].items()}
        standings = with_restriction(kept, restricted=stored.get("restricted_since") is not None)
        fences = tuple((latest, recorded_at) for latest, recorded_at in stored["fences"])
        listed = {name: tuple(stored.get(name, ())) for name in ("typed", "pointers")}
        return cls(**{**stored, "standings": standings, "fences": fences, **listed})


def with_restriction(
    standings: Mapping[QuestionId, AnswerSummary], *, restricted: bool
) -> Mapping[QuestionId, AnswerSummary]:
    """Give somebody's standings with it written on each whether processing is restricted."""
    return {address: replace(standing, restricted=restricted) for address, standing in standings.items()}


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

    confirm_within: str = "P7D"
    """How long a Yes waits to be confirmed, as a period of ISO 8601."""

    of_age: Instant = ""
    """Where a guardian decides for a child: when it comes of age."""

    asks_only: bool = False
    """Whether it came by a link that a clinic's program made: a Yes to what was last refused or withdrawn waits."""

    day: Day | None = None
    """Where only the day is known on which it was decided: `effective_at` is then when that day began."""


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


def best_match(people: Sequence[Sequence[Subject]]) -> Subject | None:
    """Tell which known person the typed contacts mean, given those found under each, strongest contact first.

    The person found under all of them, or else under the first. A family's phone beside an e-mail nobody has used
    yet is a new person: nobody may speak for the others who share that phone.
    """
    if not people or not people[0]:
        return None
    shared = [each for each in people[0] if all(any(each.id == other.id for other in group) for group in people)]
    return (shared or people[0])[0]


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
    standing = subject.standings.get(address)
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
        answers |= {address: Answer.WITHDRAW for address in subject.standings if address not in answers}
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
    standings = dict(subject.standings)
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
        standings=standings,
        latest=max(effective_at, subject.latest),
        recorded_at=now,
        of_age=of_age,
        lang=subject.lang if claims or decision.assurance in BY_CLINIC else decision.notice.lang,
    )
