"""Who stands on which list of the day's work: chalicelib/domain/worklists.py."""

from dataclasses import replace

from chalicelib.domain.consent import Channel, NoticeInForce
from chalicelib.domain.subjects import with_restriction
from chalicelib.domain.worklists import Listed, PeopleList, listed, lists_of
from tests.factories import (
    EMAIL_NEWS,
    EVENING,
    IN_FORCE,
    LATER,
    MORNING,
    NOON,
    OPENING,
    SMS_NEWS,
    a_subject,
    a_summary,
    an_answer,
)

NEXT_WEEK = "2026-11-29T08:15:00.000Z"
NEXT_MAJOR = NoticeInForce("2.0", EVENING)


def test_a_yes_stands_on_the_list_while_it_waits() -> None:
    """Reception can remind until it lapses, and finds nobody there who confirmed."""
    claim = an_answer(confirm_by=NEXT_WEEK)
    person = a_subject(newsletter__email=a_summary(claim))
    why = listed(PeopleList.WAITING, person, IN_FORCE, EVENING)
    assert why == Listed((EMAIL_NEWS,), MORNING, claim.receipt_id, NEXT_WEEK)
    assert listed(PeopleList.WAITING, person, IN_FORCE, LATER) is None
    confirmed = a_subject(newsletter__email=a_summary(claim, an_answer(at=NOON, version=2)))
    assert lists_of(confirmed, IN_FORCE, EVENING) == {}


def test_of_several_that_wait_the_oldest_receipt_is_reminded_of() -> None:
    """One press sends one receipt's messages; the next one is listed then."""
    older = an_answer(confirm_by=NEXT_WEEK)
    newer = an_answer(at=NOON, receipt_id="d" * 32, version=2, confirm_by=NEXT_WEEK)
    person = a_subject(newsletter__email=a_summary(newer), newsletter__sms=a_summary(older))
    why = listed(PeopleList.WAITING, person, IN_FORCE, EVENING)
    assert why is not None
    assert (why.questions, why.receipt) == ((SMS_NEWS,), older.receipt_id)


def test_what_was_imported_and_waits_is_nobodys_to_remind_of() -> None:
    """Nobody was told of it, or the import asked once."""
    claim = an_answer(confirm_by=NEXT_WEEK, channel=Channel.IMPORT)
    assert lists_of(a_subject(newsletter__email=a_summary(claim)), IN_FORCE, EVENING) == {}


def test_a_consent_is_listed_two_months_before_its_end() -> None:
    """A day earlier nobody needs to think of it; once over it is over."""
    ends = "2027-01-31T00:00:00.000Z"
    person = a_subject(newsletter__email=a_summary(an_answer(expires_at=ends)))
    assert lists_of(person, IN_FORCE, "2026-12-01T23:00:00.000Z") == {}
    why = listed(PeopleList.ENDING, person, IN_FORCE, "2026-12-02T00:00:00.000Z")
    assert why == Listed((EMAIL_NEWS,), ends, "c" * 32)
    assert listed(PeopleList.ENDING, person, IN_FORCE, ends) is None


def test_a_new_notice_lists_who_agreed_to_the_one_before() -> None:
    """And not who refused, whose Yes was never confirmed, or who answered since."""
    yes, no = a_summary(an_answer()), a_summary(an_answer("no"))
    claim = a_summary(an_answer(confirm_by=NEXT_WEEK))
    person = a_subject(newsletter__email=yes, newsletter__sms=no, testimonials__text=claim)
    why = listed(PeopleList.SUPERSEDED, person, NEXT_MAJOR, LATER)
    assert why == Listed((EMAIL_NEWS,), EVENING, "c" * 32)
    again = an_answer(at=LATER, notice_version="2.0", version=2)
    renewed = a_subject(newsletter__email=a_summary(an_answer(), again))
    assert lists_of(renewed, NEXT_MAJOR, LATER) == {}


def test_whoever_is_restricted_or_erased_stands_on_no_list() -> None:
    """Nobody is to write to them (GDPR Art. 18)."""
    person = a_subject(newsletter__email=a_summary(an_answer()))
    assert lists_of(person, NEXT_MAJOR, LATER)
    held = replace(
        person,
        restricted_since=NOON,
        summaries=with_restriction(person.summaries, restricted=True),
    )
    assert lists_of(held, NEXT_MAJOR, LATER) == {}
    assert lists_of(person.erase(OPENING), NEXT_MAJOR, LATER) == {}
