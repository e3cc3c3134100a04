"""What is known of one person, told to that person: as much work as there are answers, and no more."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.consent import AnswerSummary, RecordedAnswer
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.overview import permitted_periods
from tests.acts import IN_FORCE, LATER, MORNING, a_word


def test_a_thousand_answers_are_heard_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody can stop things by Anna’s address all day long: her page must still open."""
    heard, hear = [], AnswerSummary.with_answer

    def counted(standing: AnswerSummary, word: RecordedAnswer) -> Any:
        heard.append(word)
        return hear(standing, word)

    monkeypatch.setattr(AnswerSummary, "with_answer", counted)
    times = [instant(moment(MORNING) + timedelta(minutes=number)) for number in range(1000)]
    words = [a_word("no" if number % 2 else "yes", time, version=number + 1) for number, time in enumerate(times)]
    periods = permitted_periods(words[::-1], lambda _: IN_FORCE, (), LATER)
    assert len(heard) == len(words)
    assert [(period.since, period.until) for period in periods] == list(zip(times[::2], times[1::2], strict=True))
