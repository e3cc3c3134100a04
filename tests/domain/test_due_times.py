"""When something is due next for a person, held against a search of every half day."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import AnswerSummary, Assurance, Channel
from chalicelib.domain.due_times import first_due, next_due, reminders_at
from chalicelib.domain.instants import Instant, instant
from chalicelib.domain.notice_versions import PublishedVersion
from chalicelib.domain.reminders import ReminderKind
from chalicelib.domain.retention import RetentionAction, retention_action
from chalicelib.domain.subjects import Subject, with_restriction
from chalicelib.notices.edition import read_complete_clinic
from tests.factories import EMAIL_NEWS, SMS_NEWS, a_document, a_subject, an_answer

MIDNIGHT = datetime(2026, 1, 1, 20, tzinfo=UTC)
"""Midnight in Georgia, whose clock never changes: every moment of the tests is whole half days from
it."""

DAYS = 200
"""How long something can be due for the people of the tests."""

STEPS = [instant(MIDNIGHT + timedelta(hours=12 * step)) for step in range(2 * DAYS)]
CLINIC, _ = read_complete_clinic(a_document(country="GE", authority="GE"))


def on_day(number: int) -> Instant:
    """Give the midnight that ends a day of the tests."""
    return instant(MIDNIGHT + timedelta(days=number))


days = st.integers(0, 40)
perhaps_days = st.none() | st.integers(1, 70)
answers = st.fixed_dictionaries(
    {
        "answer": st.sampled_from(["yes", "yes", "no", "withdraw"]),
        "at": days,
        "late": st.just(0) | st.integers(0, 20),
        "lasts": perhaps_days,
        "waits": st.none() | st.integers(1, 9),
        "version": st.sampled_from(["1.0", "1.1", "2.0", None]),
        "by": st.sampled_from(Assurance),
        "channel": st.sampled_from([Channel.WEB, Channel.PAPER, Channel.IMPORT]),
    }
)
people = st.fixed_dictionaries(
    {
        "answers": st.lists(
            st.tuples(st.sampled_from([EMAIL_NEWS, SMS_NEWS]), answers), max_size=5
        ),
        "restricted": st.sampled_from([False, False, False, True]),
        "proof_until": st.just(None) | st.integers(0, 90),
        "decides_alone": st.none() | st.integers(0, 90),
    }
)
histories = st.lists(
    st.tuples(st.sampled_from(["1.1", "2.0", "2.1"]), st.integers(0, 90)), max_size=3
).map(sorted)
clinics = st.fixed_dictionaries(
    {
        "proof_kept": st.sampled_from(["P1D", "P30D", "P1M", on_day(60)]),
        "age_minimum": st.sampled_from([None, 14, 16]),
    }
)


def a_person(drawn: dict[str, Any], alone_from: int) -> Subject:
    """Build a person: their answers in the order of recording, perhaps restricted, erased, a
    child.
    """
    summaries: dict[str, AnswerSummary] = {}
    recorded = on_day(0)
    for number, (question, each) in enumerate(drawn["answers"], start=1):
        given_at, yes = each["at"], each["answer"] == "yes"
        lasts, waits = each["lasts"], each["waits"]
        recorded = max(recorded, on_day(given_at + each["late"]))
        answer = an_answer(
            each["answer"],
            on_day(given_at),
            recorded_at=on_day(given_at + each["late"]),
            receipt_id=f"{number:032x}",
            version=number,
            notice_version=each["version"],
            channel=each["channel"],
            assurance=each["by"],
            expires_at=on_day(given_at + lasts) if yes and lasts else None,
            confirm_by=on_day(given_at + each["late"] + waits) if yes and waits else None,
        )
        summaries[question] = summaries.get(question, AnswerSummary()).with_answer(answer)
    person = replace(a_subject(), summaries=summaries, recorded_at=recorded)
    if drawn["decides_alone"] is not None:
        day = MIDNIGHT + timedelta(days=drawn["decides_alone"])
        grown = day.replace(year=day.year + 18 - alone_from)
        person = replace(person, of_age=instant(grown))
    if drawn["restricted"]:
        limited = with_restriction(person.summaries, restricted=True)
        person = replace(person, restricted_since=on_day(0), summaries=limited)
    if drawn["proof_until"] is not None:
        return person.erase(on_day(drawn["proof_until"]))
    return person


def what_is_due(person: Subject, clinic: Clinic, history: Any, at: Instant) -> set[tuple[str, str]]:
    """Give everything that is due at a moment, told before or not."""
    found = reminders_at(person, clinic, history, at)
    due: set[tuple[str, str]] = {(each.kind, each.reference) for each in found}
    action = retention_action(person, history, clinic.proof_kept, at)
    return due if action is RetentionAction.KEEP else {*due, ("retention", action)}


def searched(person: Subject, clinic: Clinic, history: Any, at: Instant) -> Iterator[Instant]:
    """Give every step after `at` at which something is due that was not due then."""
    done = what_is_due(person, clinic, history, at)
    for step in STEPS:
        if step > at and not what_is_due(person, clinic, history, step) <= done:
            yield step


@settings(max_examples=300)
@given(people, histories, clinics, st.integers(0, 2 * 90))
def test_nothing_becomes_due_before_the_next_time_and_something_is_due_then(
    drawn: dict[str, Any], versions: list[tuple[str, int]], rules: dict[str, Any], step: int
) -> None:
    """Nobody is told late, and the round reads nobody for whom there is nothing to do."""
    clinic = CLINIC._replace(**rules)
    history = (
        PublishedVersion(on_day(-30), "1.0", on_day(-30)),
        *(PublishedVersion(on_day(day), version, on_day(day)) for version, day in versions),
    )
    at = STEPS[step]
    person = a_person(drawn, clinic.decides_alone_from(at))
    expected = next(searched(person, clinic, history, at), None)
    due = what_is_due(person, clinic, history, at)
    event(f"due at once: {bool(due)}, later: {expected is not None}")
    assert first_due(person, clinic, history, at) == (at if due else expected)
    if not {kind for kind, _ in due} & {"retention"}:  # or they are not kept as they are
        assert next_due(person, clinic, history, at) == expected


def test_a_child_who_comes_to_decide_alone_before_a_consent_ends_is_due_once_more() -> None:
    """The guardian was told that the Yes ends; on that birthday it is the child who can renew
    it.
    """
    clinic = CLINIC._replace(age_minimum=16)
    ends, birthday = on_day(70), MIDNIGHT + timedelta(days=50)
    yes = AnswerSummary().with_answer(an_answer(at=on_day(0), expires_at=ends))
    child = replace(
        a_subject(newsletter__email=yes),
        recorded_at=on_day(0),
        of_age=instant(birthday.replace(year=birthday.year + 2)),
    )
    history = (PublishedVersion(on_day(-30), "1.0", on_day(-30)),)
    told = next_due(child, clinic, history, on_day(0))
    assert told == on_day(40)
    assert next_due(child, clinic, history, told) == instant(birthday)
    [reminder] = reminders_at(child, clinic, history, instant(birthday))
    assert (reminder.kind, reminder.reference) == (ReminderKind.OF_AGE, ends)
    proof_over = "2029-03-12T20:00:00.000Z"
    assert next_due(child, clinic, history, instant(birthday)) == proof_over
