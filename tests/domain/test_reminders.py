"""What the hourly round finds due for one person, on which day."""

from dataclasses import replace

import pytest

from chalicelib.domain.clinic import PROOF_KEPT
from chalicelib.domain.consent import Assurance, Channel, RecordedAnswer
from chalicelib.domain.instants import Instant
from chalicelib.domain.notice_versions import PublishedVersion
from chalicelib.domain.reminders import ReminderKind, reminders_for
from chalicelib.domain.retention import RetentionAction, proof_until, retention_action
from chalicelib.domain.subjects import Subject
from tests.factories import EMAIL_NEWS, MORNING, OPENING, SMS_NEWS, a_subject, a_summary, an_answer

ONE = (PublishedVersion(OPENING, "1.0", OPENING),)
CONFIRM_BY = "2026-11-29T08:15:00.000Z"
HALF = "2026-11-25T20:15:00.000Z"


def waiting(**changed: str) -> Subject:
    """Give somebody whose only Yes waits for seven days to be confirmed."""
    return a_subject(newsletter__email=a_summary(an_answer(confirm_by=CONFIRM_BY, **changed)))


def kinds(
    person: Subject, at: Instant, history: tuple[PublishedVersion, ...] = ONE
) -> list[tuple[ReminderKind, str]]:
    """Tell what a person is to be told at a moment."""
    return [(reminder.kind, reminder.reference) for reminder in reminders_for(person, history, at)]


def test_a_yes_that_waits_is_reminded_of_when_half_of_its_time_is_over() -> None:
    """Neither at once, nor when it is too late to do anything about it."""
    anna = waiting()
    assert kinds(anna, "2026-11-25T20:14:59.999Z") == []
    [reminder] = reminders_for(anna, ONE, HALF)
    assert (reminder.kind, reminder.reference, reminder.question_ids) == (
        ReminderKind.REMINDER,
        "c" * 32,
        (EMAIL_NEWS,),
    )
    assert reminder.until == CONFIRM_BY
    assert kinds(anna, CONFIRM_BY) == []


def test_what_waits_from_one_form_is_one_reminder() -> None:
    """Three boxes are one message."""
    answer = an_answer(confirm_by=CONFIRM_BY)
    anna = a_subject(newsletter__email=a_summary(answer), newsletter__sms=a_summary(answer))
    assert [reminder.question_ids for reminder in reminders_for(anna, ONE, HALF)] == [
        (EMAIL_NEWS, SMS_NEWS)
    ]


def test_nobody_is_reminded_of_a_yes_that_was_confirmed_or_taken_back_since() -> None:
    """What was answered is answered."""
    for answer in ("yes", "withdraw"):
        later = an_answer(answer, "2026-11-23T09:00:00.000Z", version=2)
        anna = a_subject(newsletter__email=a_summary(an_answer(confirm_by=CONFIRM_BY), later))
        assert kinds(anna, HALF) == []


def test_a_consent_that_ends_within_a_month_is_told_of() -> None:
    """Once for each day on which something ends, with everything that ends then."""
    end = "2027-11-22T08:15:00.000Z"
    yes = a_summary(an_answer(expires_at=end))
    anna = a_subject(newsletter__email=yes, newsletter__sms=yes, research=a_summary(an_answer()))
    assert kinds(anna, "2027-10-23T08:14:59.999Z") == []
    [reminder] = reminders_for(anna, ONE, "2027-10-23T08:15:00.000Z")
    assert (reminder.kind, reminder.reference, reminder.until) == (ReminderKind.EXPIRING, end, end)
    assert reminder.question_ids == (EMAIL_NEWS, SMS_NEWS)
    assert kinds(anna, end) == []


def test_a_short_consent_is_not_told_of_on_the_day_it_is_given() -> None:
    """A consent for thirty days is over soon from its first day on.

    Half of it may pass in peace.
    """
    anna = a_subject(newsletter__email=a_summary(an_answer(expires_at="2026-12-22T08:15:00.000Z")))
    assert kinds(anna, "2026-12-07T08:14:59.999Z") == []
    assert len(kinds(anna, "2026-12-07T08:15:00.000Z")) == 1


OF_AGE = "2027-11-22T22:00:00.000Z"


@pytest.mark.parametrize(
    ("end", "grown", "kind"),
    [
        (OF_AGE, False, ReminderKind.OF_AGE),
        (OF_AGE, True, ReminderKind.OF_AGE),
        ("2027-11-21T08:15:00.000Z", False, ReminderKind.EXPIRING),
        ("2027-11-21T08:15:00.000Z", True, ReminderKind.OF_AGE),
    ],
    ids=["comes of age", "decides alone since long", "a child still", "decides alone by now"],
)
def test_a_guardian_is_not_asked_to_renew_what_the_young_person_decides(
    end: Instant, kind: ReminderKind, *, grown: bool
) -> None:
    """At majority, and from the age of own consent on, it is the young person who is asked."""
    elza = replace(a_subject(newsletter__email=a_summary(an_answer(expires_at=end))), of_age=OF_AGE)
    [reminder] = reminders_for(elza, ONE, "2027-11-01T00:00:00.000Z", grown=grown)
    assert (reminder.kind, reminder.reference, reminder.question_ids, reminder.until) == (
        kind,
        end,
        (EMAIL_NEWS,),
        end,
    )


SINCE = "2027-01-01T00:00:00.000Z"
ANNOUNCED = "2026-12-01T00:00:00.000Z"


@pytest.mark.parametrize("at", [SINCE, "2027-06-01T00:00:00.000Z"], ids=["begun", "since long"])
@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_a_new_version_is_told_to_those_who_agreed_to_the_one_before(version: str, at: str) -> None:
    """Once it holds and not before.

    With what was agreed to, whether that ends or only the words are new.
    """
    history = (*ONE, PublishedVersion(SINCE, version, ANNOUNCED))
    anna = a_subject(newsletter__email=a_summary(), newsletter__sms=a_summary(an_answer("no")))
    [reminder] = reminders_for(anna, history, at)
    about = (reminder.kind, reminder.reference, reminder.question_ids, reminder.at)
    assert about == (ReminderKind.CHANGED, version, (EMAIL_NEWS,), SINCE)
    assert reminders_for(anna, history, "2026-12-31T23:59:59.999Z") == ()


def test_a_new_version_concerns_nobody_who_agreed_to_nothing_or_to_itself() -> None:
    """No message without a reason."""
    history = (*ONE, PublishedVersion(SINCE, "2.0", ANNOUNCED))
    afterwards = "2027-02-01T00:00:00.000Z"
    others = {
        "refused": a_summary(an_answer("no")),
        "withdrawn": a_summary(
            an_answer(), an_answer("withdraw", "2026-11-23T09:00:00.000Z", version=2)
        ),
        "ended before": a_summary(an_answer(expires_at="2026-12-31T00:00:00.000Z")),
        "waits": a_summary(an_answer(confirm_by="2027-03-01T00:00:00.000Z")),
        "agreed anew": a_summary(
            an_answer(),
            an_answer("yes", "2027-01-02T00:00:00.000Z", version=2, notice_version="2.0"),
        ),
    }
    for name, summary in others.items():
        reminders = reminders_for(a_subject(newsletter__email=summary), history, afterwards)
        assert [each for each in reminders if each.kind is ReminderKind.CHANGED] == [], name


def test_whoever_is_taken_over_under_an_older_version_is_not_written_to_about_the_newer() -> None:
    """An import is silent in the hour after it too.

    What changes from then on is told to them as to everybody.
    """
    history = (
        *ONE,
        PublishedVersion(SINCE, "1.1", ANNOUNCED),
        PublishedVersion("2027-03-01T00:00:00.000Z", "1.2", ANNOUNCED),
    )
    taken_over = an_answer(recorded_at="2027-01-20T00:00:00.000Z", channel=Channel.IMPORT)
    anna = a_subject(newsletter__email=a_summary(taken_over))
    assert kinds(anna, "2027-02-01T00:00:00.000Z", history) == []
    assert kinds(anna, "2027-03-02T00:00:00.000Z", history) == [(ReminderKind.CHANGED, "1.2")]


def test_a_version_that_was_overtaken_before_its_day_is_never_told_of() -> None:
    """What never held changed nothing."""
    history = (
        *ONE,
        PublishedVersion(SINCE, "1.1", ANNOUNCED),
        PublishedVersion(SINCE, "1.2", "2026-12-02T00:00:00.000Z"),
    )
    assert kinds(
        a_subject(newsletter__email=a_summary()), history=history, at="2027-01-03T00:00:00.000Z"
    ) == [(ReminderKind.CHANGED, "1.2")]


def test_whoever_has_had_processing_restricted_is_told_nothing_and_kept() -> None:
    """Restricted data is stored and nothing else (GDPR Art. 18(2))."""
    restricted = waiting().restrict(MORNING)
    assert reminders_for(restricted, ONE, HALF) == ()
    assert (
        retention_action(restricted, ONE, PROOF_KEPT, "2099-01-01T00:00:00.000Z")
        is RetentionAction.KEEP
    )
    assert (
        retention_action(restricted.restrict(None), ONE, PROOF_KEPT, "2099-01-01T00:00:00.000Z")
        is RetentionAction.ERASE
    )


def test_a_yes_that_was_never_confirmed_leaves_nobody_behind() -> None:
    """The address may be anybody's and is not kept after the time (GDPR Art. 5(1)(c), (e))."""
    assert (
        retention_action(waiting(), ONE, PROOF_KEPT, "2026-11-29T08:14:59.999Z")
        is RetentionAction.KEEP
    )
    assert retention_action(waiting(), ONE, PROOF_KEPT, CONFIRM_BY) is RetentionAction.ERASE
    refused = a_subject(
        newsletter__email=waiting().summaries[EMAIL_NEWS],
        newsletter__sms=a_summary(an_answer("no")),
    )
    assert retention_action(refused, ONE, PROOF_KEPT, CONFIRM_BY) is RetentionAction.KEEP


LAST = "2026-11-23T09:00:00.000Z"


def stopped(*words: RecordedAnswer) -> Subject:
    """Give somebody with these answers, then a withdrawal of everything recorded at `LAST`."""
    alone = a_summary(an_answer("withdraw", MORNING))
    return replace(
        a_subject(
            newsletter__sms=alone,
            newsletter__email=a_summary(*words, an_answer("withdraw", LAST, version=9)),
        ),
        recorded_at=LAST,
    )


@pytest.mark.parametrize(
    "words",
    [(), (an_answer("withdraw"),), (an_answer(confirm_by="2026-11-22T10:00:00.000Z"),)],
    ids=["once", "twice", "after a Yes nobody confirmed"],
)
def test_whoever_only_ever_stopped_things_is_kept_for_thirty_days(
    words: tuple[RecordedAnswer, ...],
) -> None:
    """Anybody may type anybody's address to stop things: it is not kept for three years (GDPR Art.
    5(1)(c), (e)).

    It is kept for as long as a form on paper from before may lie about, so that it does not outlive
    this later word.
    """
    person = stopped(*words)
    assert (
        retention_action(person, ONE, PROOF_KEPT, "2026-12-23T08:59:59.999Z")
        is RetentionAction.KEEP
    )
    assert (
        retention_action(person, ONE, PROOF_KEPT, "2026-12-23T09:00:00.000Z")
        is RetentionAction.ERASE
    )
    assert (
        retention_action(person, ONE, "P7D", "2026-11-30T09:00:00.000Z") is RetentionAction.ERASE
    ), "never longer than proof is kept"
    assert (
        retention_action(person.restrict(LAST), ONE, PROOF_KEPT, "2099-01-01T00:00:00.000Z")
        is RetentionAction.KEEP
    )


@pytest.mark.parametrize(
    "words",
    [(an_answer(),), (an_answer("no"),)],
    ids=["a Yes that counted", "a No"],
)
def test_whoever_answered_before_they_stopped_is_kept_as_long_as_the_notice_says(
    words: tuple[RecordedAnswer, ...],
) -> None:
    """Their withdrawal proves that the use had to end; a refusal is an answer too."""
    assert (
        retention_action(stopped(*words), ONE, PROOF_KEPT, "2026-12-24T00:00:00.000Z")
        is RetentionAction.KEEP
    )
    assert (
        retention_action(stopped(*words), ONE, PROOF_KEPT, "2029-11-23T09:00:00.000Z")
        is RetentionAction.ERASE
    )


@pytest.mark.parametrize("assurance", [Assurance.STAFF_WITNESSED, Assurance.IMPORTED])
def test_a_withdrawal_that_the_clinic_recorded_is_kept_as_long_as_the_notice_says(
    assurance: Assurance,
) -> None:
    """The contact was proven: staff saw the person, a message was read, or it was imported."""
    staff = an_answer("withdraw", LAST, assurance=assurance)
    person = replace(a_subject(newsletter__email=a_summary(staff)), recorded_at=LAST)
    assert (
        retention_action(person, ONE, PROOF_KEPT, "2026-12-24T00:00:00.000Z")
        is RetentionAction.KEEP
    )


@pytest.mark.parametrize(
    ("summary", "ended"),
    [
        (
            a_summary(an_answer(), an_answer("withdraw", "2026-11-23T09:00:00.000Z", version=2)),
            "2026-11-23T09:00:00.000Z",
        ),
        (a_summary(an_answer("no")), MORNING),
        (a_summary(an_answer(expires_at="2027-03-01T00:00:00.000Z")), "2027-03-01T00:00:00.000Z"),
        (a_summary(an_answer(notice_version="0.9")), MORNING),
    ],
    ids=["withdrawn", "refused", "expired", "superseded"],
)
def test_what_has_ended_is_kept_for_the_period_the_notice_names(
    summary: object, ended: Instant
) -> None:
    """Three years and not a day more, counted from the end of the last consent."""
    anna = a_subject(newsletter__email=summary)  # type: ignore[arg-type]
    until = ended.replace(ended[:4], str(int(ended[:4]) + 3), 1)
    assert retention_action(anna, ONE, PROOF_KEPT, ended) is RetentionAction.KEEP
    assert (
        retention_action(anna, ONE, PROOF_KEPT, until.replace("00.000Z", "00.001Z"))
        is RetentionAction.ERASE
    )
    assert proof_until(anna, ONE, PROOF_KEPT, until) == until
    still = replace(anna, summaries={**anna.summaries, SMS_NEWS: a_summary()})
    assert (
        retention_action(still, ONE, PROOF_KEPT, "2099-01-01T00:00:00.000Z") is RetentionAction.KEEP
    )


def test_erasing_ends_what_was_in_force_and_the_period_counts_from_then() -> None:
    """Who is erased while a consent holds is proven for the whole period.

    By a last day, until it is over.
    """
    at = "2027-01-01T00:00:00.000Z"
    granted = a_subject(newsletter__email=a_summary())
    assert proof_until(granted, ONE, PROOF_KEPT, at) == "2030-01-01T00:00:00.000Z"
    assert proof_until(granted, ONE, "2035-12-31", at) == "2036-01-01T00:00:00.000Z"
    erased = granted.erase("2030-01-01T00:00:00.000Z")
    assert (
        retention_action(erased, ONE, PROOF_KEPT, "2029-12-31T23:59:59.999Z")
        is RetentionAction.KEEP
    )
    assert (
        retention_action(erased, ONE, PROOF_KEPT, "2030-01-01T00:00:00.000Z")
        is RetentionAction.DELETE
    )
    assert reminders_for(erased, ONE, at) == ()
