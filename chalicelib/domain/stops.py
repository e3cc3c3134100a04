"""A withdrawal that is being carried out for very many people: what holds for those it has not reached yet. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from chalicelib.domain.consent import Answer, AnswerSummary, Assurance, Channel, QuestionId, RecordedAnswer
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Decision
from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject


@dataclass(frozen=True, slots=True)
class PendingStop:
    """What was stopped for everybody who shares a contact, from when on, as the portal knew it from when on."""

    answers: Mapping[QuestionId, Answer]
    everything: bool
    asked_only: bool
    """Whether it reaches only whom it was ever asked of, and of a guardian and a child the one alone (a No of one)."""

    effective_at: Instant
    recorded_at: Instant
    notice_version: str | None
    lang: str
    channel: Channel
    assurance: Assurance
    effective_until: Instant | None = None

    @classmethod
    def of(cls, decision: Decision, *, asked_only: bool) -> Self:
        """Give what an act stops."""
        return cls(
            answers=decision.answers,
            everything=decision.everything,
            asked_only=asked_only,
            effective_at=decision.effective_at,
            recorded_at=decision.recorded_at,
            notice_version=decision.notice.version,
            lang=decision.notice.lang,
            channel=decision.channel,
            assurance=decision.assurance,
            effective_until=min(decision.day.ends, decision.recorded_at) if decision.day else None,
        )

    def stored(self) -> str:
        """Write it, to be kept."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read what was kept."""
        kept = json.loads(stored)
        answers = {address: Answer(answer) for address, answer in kept["answers"].items()}
        channel, assurance = Channel(kept["channel"]), Assurance(kept["assurance"])
        return cls(**{**kept, "answers": answers, "channel": channel, "assurance": assurance})

    def reaches(self, person: Subject, contact: Contact) -> bool:
        """Tell whether it reaches one of those known under a contact."""
        if not self.asked_only:
            return True
        child = person.of_age and contact.kind not in {ContactKind.REFERENCE, ContactKind.WARD}
        return not child and not self.answers.keys().isdisjoint(person.summaries)

    def covers(self, addresses: Mapping[QuestionId, Answer]) -> bool:
        """Tell whether it stops all of these for everybody."""
        return not self.asked_only and addresses.keys() <= self.answers.keys()

    def with_stop(
        self, standings: Mapping[QuestionId, AnswerSummary], *, at: Instant, known_at: Instant
    ) -> Mapping[QuestionId, AnswerSummary]:
        """Give somebody's standings at a time, known at another, as they will be once they are reached.

        The word bears no receipt yet. Whoever was reached, or has decided since, stands as they do.
        """
        if self.effective_at > at or self.recorded_at > known_at:
            return standings
        everything = dict.fromkeys(standings, Answer.WITHDRAW) if self.everything else {}
        told = dict(standings)
        for address, answer in {**everything, **self.answers}.items():
            standing = told.get(address, AnswerSummary())
            heard, word = standing.last, self._word(answer)
            if heard is None or heard.order_key[:2] < word.order_key[:2]:
                told[address] = standing.with_answer(word)
        return told

    def _word(self, answer: Answer) -> RecordedAnswer:
        return RecordedAnswer(
            answer=answer,
            effective_at=self.effective_at,
            recorded_at=self.recorded_at,
            receipt_id="",
            version=0,
            notice_version=self.notice_version,
            lang=self.lang,
            channel=self.channel,
            assurance=self.assurance,
            effective_until=self.effective_until,
        )
