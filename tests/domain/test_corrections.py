"""Correcting an entry that staff got wrong: what holds is what would hold without it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.consent import AnswerSummary, Assurance, QuestionId, State, resolve
from chalicelib.domain.corrections import (
    NotCorrectableError,
    Reason,
    answers_as_of,
    check_correctable,
    evidence_of,
    fold,
    plan_correction,
)
from chalicelib.domain.decisions import decide, recorded_answers
from chalicelib.domain.instants import Instant, instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from tests.factories import (
    EMAIL_NEWS,
    EVENING,
    IN_FORCE,
    LATER,
    MORNING,
    NEXT_DAY,
    NOON,
    SMS_NEWS,
    a_decision,
    a_subject,
    on_paper,
)
from tests.properties.reference import GivenAnswer, Issue, true_state

OPENED = datetime(2026, 11, 1, 8, tzinfo=UTC)


@dataclass
class Chain:
    """A person's receipts, and the person as they leave them."""

    subject: Subject = field(default_factory=a_subject)
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def documents(self) -> list[Any]:
        """The documents of the receipts."""
        return [receipt.document for receipt in self.receipts]

    def add(self, decision: Any) -> Receipt:
        """Let the person decide."""
        receipt, self.subject = decide(self.subject, decision, IN_FORCE, known=False)
        self.receipts.append(receipt)
        return receipt

    def correct(
        self, wrong: Receipt, right: dict[str, str], entered: Instant, signed: Instant | None = None
    ) -> Receipt:
        """Let staff correct an entry."""
        check_correctable(wrong.document, self.subject.voids)
        plan = plan_correction(self.documents, self.subject.voids, wrong.document, right)
        evidence = evidence_of(wrong.id, Reason.ANSWER, plan.as_before)
        decision = on_paper(right, signed or wrong.document["effective_at"], entered)
        return self.add(replace(decision, evidence=evidence, correction=plan))

    def state(self, question: QuestionId = EMAIL_NEWS, at: Instant = LATER) -> State:
        """Tell how a question stands."""
        return resolve(self.subject.summaries.get(question), IN_FORCE, at).state


def test_a_wrong_yes_is_as_if_it_had_never_been_said() -> None:
    """Who was never asked is never asked again: neither a refusal nor a withdrawal was made up."""
    chain = Chain()
    wrong = chain.add(on_paper({EMAIL_NEWS: "yes", SMS_NEWS: "no"}, MORNING, NOON))
    correction = chain.correct(wrong, {SMS_NEWS: "no"}, EVENING)
    assert chain.state() is State.NEVER_ASKED
    assert chain.state(SMS_NEWS) is State.REFUSED
    entry = correction.document["decisions"][EMAIL_NEWS]
    assert (entry["before"], entry["after"]) == ("granted", "never_asked")
    assert correction.document["evidence"] == {
        "corrects": wrong.id,
        "reason": "wrong_answer",
        "as_before": EMAIL_NEWS,
    }
    assert recorded_answers(correction.document).keys() == {SMS_NEWS}


def test_a_right_yes_of_the_same_day_is_not_beaten_by_the_wrong_no() -> None:
    """Of a tie the stop wins, but not one that was never said."""
    chain = Chain()
    wrong = chain.add(on_paper({EMAIL_NEWS: "no"}, MORNING, NOON))
    chain.correct(wrong, {EMAIL_NEWS: "yes"}, EVENING)
    assert chain.state() is State.GRANTED


def test_what_held_before_holds_again_and_what_came_later_stays() -> None:
    """A wrong No gives the earlier Yes back; a withdrawal by the patient afterwards is theirs."""
    chain = Chain()
    first = chain.add(a_decision({EMAIL_NEWS: "yes"}, MORNING))
    wrong = chain.add(on_paper({EMAIL_NEWS: "no"}, NOON, NOON))
    correction = chain.correct(wrong, {}, EVENING)
    last = chain.subject.summaries[EMAIL_NEWS].last
    assert last is not None
    assert last.receipt_id == first.id
    assert correction.document["decisions"][EMAIL_NEWS]["answer"] == "yes"
    chain.add(a_decision({EMAIL_NEWS: "withdraw"}, NEXT_DAY))
    assert chain.state() is State.WITHDRAWN


def test_what_was_known_before_the_correction_stays_known() -> None:
    """An inspector who asks what the portal knew at noon is told of the wrong Yes."""
    chain = Chain()
    wrong = chain.add(on_paper({EMAIL_NEWS: "yes"}, MORNING, NOON))
    chain.correct(wrong, {}, EVENING)
    then = answers_as_of(chain.documents, chain.subject.voids, LATER, NOON)
    assert resolve(then[EMAIL_NEWS], IN_FORCE, NOON).state is State.GRANTED
    assert answers_as_of(chain.documents, chain.subject.voids, NOON, LATER) == {}


def test_a_patients_own_answer_and_a_corrected_entry_are_not_corrected() -> None:
    """Staff correct what staff wrote, once; the correction itself can be wrong, too."""
    chain = Chain()
    own = chain.add(a_decision({EMAIL_NEWS: "yes"}, MORNING))
    wrong = chain.add(on_paper({EMAIL_NEWS: "no"}, NOON, NOON))
    with pytest.raises(NotCorrectableError):
        chain.correct(own, {}, EVENING)
    correction = chain.correct(wrong, {SMS_NEWS: "no"}, EVENING)
    with pytest.raises(NotCorrectableError):
        chain.correct(wrong, {}, NEXT_DAY)
    chain.correct(correction, {}, NEXT_DAY)
    assert chain.state() is State.GRANTED
    assert chain.state(SMS_NEWS) is State.NEVER_ASKED


def test_a_person_with_corrected_entries_is_stored_and_read_back() -> None:
    """Nothing of it is lost on the way through the table."""
    chain = Chain()
    wrong = chain.add(on_paper({EMAIL_NEWS: "yes"}, MORNING, NOON))
    chain.correct(wrong, {}, EVENING)
    assert Subject.read(chain.subject.stored()) == chain.subject


answers = st.dictionaries(
    st.sampled_from([EMAIL_NEWS, SMS_NEWS]), st.sampled_from(["yes", "no"]), min_size=1
)
steps = st.lists(
    st.tuples(
        st.integers(0, 48),  # hours since the last
        st.sampled_from([0, 0, 5, 30]),  # hours it comes in late
        st.booleans(),  # whether staff entered it
        st.integers(0, 5) | st.none(),  # which of the entries so far it corrects
        answers,
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=300)
@given(steps, st.integers(0, 400), st.integers(0, 400))
def test_what_holds_is_what_would_hold_had_the_wrong_entries_not_been_made(
    steps: Sequence[Any], at_hour: int, known_hour: int
) -> None:
    """At any time, as known at any other, against a model that hears the right answers in order."""
    chain, told, now = Chain(), [], OPENED
    void: dict[int, datetime] = {}
    for gap, late, by_staff, index, given_now in steps:
        now += timedelta(hours=gap, seconds=1)
        number = len(chain.receipts) + 1
        given_at = now - timedelta(hours=late if by_staff else 0)
        correctable = [
            receipt
            for receipt in chain.receipts
            if receipt.document["assurance"] == Assurance.STAFF_WITNESSED
            and receipt.document["version"] not in void
        ]
        if index is not None and correctable:
            wrong = correctable[index % len(correctable)]
            chain.correct(wrong, given_now, instant(now), instant(given_at))
            void[wrong.document["version"]] = now
        elif by_staff:
            chain.add(on_paper(given_now, instant(given_at), instant(now)))
        else:
            assurance = Assurance.CONTACT_CONFIRMED
            given_at = now
            chain.add(a_decision(given_now, instant(now), assurance=assurance))
        told += [
            GivenAnswer(question, answer, given_at, now, number)
            for question, answer in given_now.items()
        ]
    assert dict(chain.subject.summaries) == fold(chain.documents, void)
    at, known = (OPENED + timedelta(hours=hour) for hour in (at_hour, known_hour))
    seen = answers_as_of(chain.documents, chain.subject.voids, instant(at), instant(known))
    right = [each for each in told if not (each.number in void and void[each.number] <= known)]
    for question in (EMAIL_NEWS, SMS_NEWS):
        summary: AnswerSummary | None = seen.get(question)
        state = resolve(summary, IN_FORCE, instant(at)).state
        issues = [Issue(OPENED, OPENED, 1)]
        assert state == true_state(right, question, at, known, issues)
