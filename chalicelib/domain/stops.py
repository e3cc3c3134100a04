"""A withdrawal for very many people: what holds for those whom it has not reached yet.

Where more people share a contact than one transaction can write, each gets a receipt later
(`jobs.withdrawal_orders`). Until then whoever asks for their status applies the `PendingStop`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from chalicelib.domain.consent import (
    Answer,
    AnswerSummary,
    Assurance,
    Channel,
    QuestionId,
    RecordedAnswer,
)
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Decision
from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject


@dataclass(frozen=True, slots=True)
class PendingStop:
    """What is stopped for everybody who shares a contact, and when it was stopped and recorded."""

    answers: Mapping[QuestionId, Answer]
    everything: bool
    asked_only: bool
    """Whether it reaches only people who were asked, and not a guardian's children.

    So it is with a No; a withdrawal reaches everybody.
    """

    effective_at: Instant
    recorded_at: Instant
    notice_version: str | None
    lang: str
    channel: Channel
    assurance: Assurance
    effective_until: Instant | None = None

    @classmethod
    def of(cls, decision: Decision, *, asked_only: bool) -> Self:
        """Give what a decision stops."""
        day = decision.day
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
            effective_until=min(day.ends, decision.recorded_at) if day else None,
        )

    def stored(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read it from JSON."""
        values = json.loads(stored)
        values["answers"] = {id_: Answer(answer) for id_, answer in values["answers"].items()}
        values["channel"] = Channel(values["channel"])
        values["assurance"] = Assurance(values["assurance"])
        return cls(**values)

    def reaches(self, person: Subject, contact: Contact) -> bool:
        """Tell whether it is meant for somebody known under a contact."""
        if not self.asked_only:
            return True
        shared_with_child = contact.kind not in {ContactKind.REFERENCE, ContactKind.WARD}
        if person.of_age and shared_with_child:
            return False
        return not self.answers.keys().isdisjoint(person.summaries)

    def covers(self, answers: Mapping[QuestionId, Answer]) -> bool:
        """Tell whether it stops all of these questions for everybody."""
        if self.asked_only:
            return False
        return answers.keys() <= self.answers.keys()

    def with_stop(
        self, summaries: Mapping[QuestionId, AnswerSummary], *, at: Instant, known_at: Instant
    ) -> Mapping[QuestionId, AnswerSummary]:
        """Give somebody's summaries as they will be once the stop has reached them.

        `at` is the moment asked about, `known_at` what the portal knew. Where somebody was reached
        already, or has answered since, nothing changes.
        """
        if self.effective_at > at or self.recorded_at > known_at:
            return summaries
        everything = dict.fromkeys(summaries, Answer.WITHDRAW) if self.everything else {}
        after = dict(summaries)
        for question, answer in {**everything, **self.answers}.items():
            summary = after.get(question, AnswerSummary())
            stop = self._recorded(answer)
            # Not by version: the stop has no receipt yet.
            if summary.last is None or summary.last.order_key[:2] < stop.order_key[:2]:
                after[question] = summary.with_answer(stop)
        return after

    def _recorded(self, answer: Answer) -> RecordedAnswer:
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
