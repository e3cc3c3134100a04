"""The own page of somebody with very many answers: the work grows with the answers only."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.consent import AnswerSummary, RecordedAnswer
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.overview import permitted_periods
from tests.factories import IN_FORCE, LATER, MORNING, an_answer


def test_a_thousand_answers_are_added_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can stop things by Anna’s address all day long: her page must still open."""
    added, with_answer = [], AnswerSummary.with_answer

    def counted(summary: AnswerSummary, answer: RecordedAnswer) -> Any:
        added.append(answer)
        return with_answer(summary, answer)

    monkeypatch.setattr(AnswerSummary, "with_answer", counted)
    times = [instant(moment(MORNING) + timedelta(minutes=number)) for number in range(1000)]
    answers = [
        an_answer("no" if number % 2 else "yes", time, version=number + 1)
        for number, time in enumerate(times)
    ]
    periods = permitted_periods(answers[::-1], lambda _: IN_FORCE, (), LATER)
    assert len(added) == len(answers)
    assert [(period.since, period.until) for period in periods] == list(
        zip(times[::2], times[1::2], strict=True)
    )
