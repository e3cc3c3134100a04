"""Both clocks against the thirty-line reference: random histories and changes of the notice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from chalicelib.domain.consent import (
    AnswerSummary,
    Assurance,
    NoticeInForce,
    QuestionId,
    major,
    resolve,
)
from chalicelib.domain.decisions import Day, NoticeRef, decide
from chalicelib.domain.instants import END_OF_TIME, Instant, instant, moment
from chalicelib.domain.notice_versions import PublishedVersion, entry_at, notice_at
from chalicelib.domain.subjects import Subject
from chalicelib.store import timeline
from tests.factories import EMAIL_NEWS, SMS_NEWS, a_decision, a_subject
from tests.properties.reference import WAITS, GivenAnswer, Issue, true_state

OPENED = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 120
ENDS = {SMS_NEWS: "P30D"}
ADDRESSES = (EMAIL_NEWS, SMS_NEWS)
CONFIRMED = frozenset({SMS_NEWS})
"""What waits to be confirmed whoever typed the contact.

The rest only where the contact was known.
"""

VOUCHED = {"owner": Assurance.CONTACT_CONFIRMED, "staff": Assurance.STAFF_WITNESSED}
"""Whose Yes needs no confirmation: the contact's owner, and staff, who see the patient."""
days = st.integers(0, DAYS)
visits = st.fixed_dictionaries(
    {
        "after": st.integers(0, 12),
        "hours": st.sampled_from([0, 0, 7]),
        "late": st.just(0) | st.integers(0, 90),
        "day_only": st.booleans(),
        "by": st.sampled_from(["patient", "stranger", "owner", "staff"]),
        "answers": st.dictionaries(
            st.sampled_from(ADDRESSES), st.sampled_from(["yes", "no", "withdraw"]), min_size=1
        ),
    }
)
changes = st.lists(st.tuples(days, st.booleans(), st.just(0) | st.integers(1, 40)), max_size=3).map(
    sorted
)
"""Changes of the notice: the day, whether it is MAJOR, and how many days ahead it begins."""


class Story:
    """One person's history, given to the portal's timeline and to the reference."""

    def __init__(self, history: list[dict], changes: list[tuple[int, bool, int]]) -> None:  # type: ignore[type-arg]
        self.entries = [PublishedVersion(instant(OPENED), "1.0", instant(OPENED))]
        for day, is_major, ahead in changes:
            before, _, minor = self.entries[-1].version.partition(".")
            version = f"{int(before) + 1}.0" if is_major else f"{before}.{int(minor) + 1}"
            published = OPENED + timedelta(days=day)
            self.entries.append(
                PublishedVersion(
                    instant(published + timedelta(days=ahead)), version, instant(published)
                )
            )
        self.answers: list[GivenAnswer] = []
        self.pages: list[
            tuple[timeline.PageStart, dict[QuestionId, AnswerSummary], list[dict]]
        ] = []  # type: ignore[type-arg]
        self.late: list[dict] = []  # type: ignore[type-arg]
        self.subject = a_subject()
        now = OPENED
        for number, visit in enumerate(history):
            now += timedelta(days=visit["after"], hours=visit["hours"])
            self.record(number, visit, now)

    def record(self, number: int, visit: dict, now: datetime) -> None:  # type: ignore[type-arg]
        """Take in one decision, as the portal does."""
        late = visit["late"] if visit["by"] == "staff" else 0
        at, day = max(OPENED, now - timedelta(days=late)), None
        if visit["by"] == "staff" and visit["day_only"]:
            at = at.replace(hour=0)
            day = Day(at.date().isoformat(), instant(at + timedelta(days=1, milliseconds=-1)))
        version = entry_at(self.entries, instant(at), instant(now)).version
        assurance = VOUCHED.get(visit["by"], Assurance.SELF_ASSERTED)
        decision = a_decision(
            visit["answers"],
            instant(now),
            effective_at=instant(at),
            day=day,
            notice=NoticeRef(version, "lv", "ab" * 32),
            endings=ENDS,
            assurance=assurance,
            confirm=CONFIRMED if assurance is Assurance.SELF_ASSERTED else frozenset(),
        )
        claims = visit["by"] == "stranger"
        before = self.subject
        receipt, after = decide(
            before, decision, self.notice(instant(now), instant(now)), known=claims
        )
        fences = timeline.with_page_start(
            before.page_starts, after.version, before.latest, after.recorded_at
        )
        self.subject = Subject(
            **{**{name: getattr(after, name) for name in Subject.__slots__}, "page_starts": fences}
        )
        if timeline.begins_page(after.version):
            self.pages.append((fences[-1], dict(before.summaries), []))
        needed, given = timeline.answers_part(receipt.document), receipt.document["effective_at"]
        for page in timeline.pages_of(fences, after.version, given):
            self.pages[page][2].append(needed)
        self.late += [needed] * timeline.is_late(fences, after.version, given)
        at, learnt = moment(given), moment(receipt.document["recorded_at"])
        until = min(moment(day.ends), learnt) if day else None
        for address, answer in visit["answers"].items():
            waits = (
                answer == "yes" and visit["by"] not in VOUCHED and (claims or address in CONFIRMED)
            )
            confirm_by = learnt + WAITS if waits else None
            assert receipt.document["decisions"][address]["confirm_by"] == (
                confirm_by and instant(confirm_by)
            )
            major_then = int(version.partition(".")[0])
            self.answers.append(
                GivenAnswer(address, answer, at, learnt, number, major_then, confirm_by, until)
            )

    def notice(self, at: Instant, known_at: Instant) -> NoticeInForce:
        """Give the notice in force at a time, as published at another."""
        return notice_at(self.entries, at, known_at)

    def summaries(self, at: Instant, known_at: Instant) -> dict[QuestionId, AnswerSummary]:
        """Give the summaries as of a time, from one page, or from all and the late ones."""
        fences, version = self.subject.page_starts, self.subject.version
        page, late = timeline.page_for(fences, version, at, known_at), list[Any]()
        if page is None:
            pages = timeline.first_kept(fences, version)
            page, late = (
                timeline.search(pages, lambda each: self.pages[each][0], at, known_at),
                self.late,
            )
        _, carried, documents = self.pages[page]
        return timeline.answers_as_of(carried, [*documents, *late], at, known_at)


@pytest.mark.parametrize("kept", [1, 2, timeline.KEPT])
@pytest.mark.parametrize("receipts", [1, 2, 3, timeline.RECEIPTS])
@given(
    history=st.lists(visits, min_size=1, max_size=14),
    changes=changes,
    moments=st.lists(st.tuples(days, days)),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_what_was_true_then_as_known_then_is_told_from_one_page(
    receipts: int,
    kept: int,
    history: list[dict],  # type: ignore[type-arg]
    changes: list[tuple[int, bool, int]],
    moments: list[tuple[int, int]],
) -> None:
    """An inspector who asks about any day as of any day gets what replaying every receipt gives."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(timeline, "RECEIPTS", receipts)
        patched.setattr(timeline, "KEPT", kept)
        story = Story(history, changes)
        issues = [
            Issue(moment(each.published_at), moment(each.since), major(each.version))
            for each in story.entries
        ]
        for at, known in [*moments, (DAYS, DAYS), (0, DAYS), (DAYS // 2, DAYS // 2)]:
            then, learnt = OPENED + timedelta(days=at), OPENED + timedelta(days=known)
            summaries = story.summaries(instant(then), instant(learnt))
            notice = story.notice(instant(then), instant(learnt))
            for address in ADDRESSES:
                state = resolve(summaries.get(address), notice, instant(then)).state
                event(state)
                assert state == true_state(story.answers, address, then, learnt, issues)


@given(history=st.lists(visits, min_size=1, max_size=14), seed=st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_order_in_which_words_are_learnt_changes_nothing(history: list[dict], seed) -> None:  # type: ignore[no-untyped-def,type-arg]  # noqa: ANN001
    """However late the papers come in, in the end the same is true."""
    story = Story(history, [])
    documents = [document for page in story.pages[:1] for document in page[2]]
    shuffled = list(documents)
    seed.shuffle(shuffled)
    assert timeline.answers_as_of({}, shuffled, END_OF_TIME, END_OF_TIME) == timeline.answers_as_of(
        {}, documents, END_OF_TIME, END_OF_TIME
    )


@given(history=st.lists(visits, min_size=1, max_size=14))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_how_a_person_stands_is_what_the_receipts_tell(history: list[dict]) -> None:  # type: ignore[type-arg]
    """What is kept for a quick answer is never more than what the proof says."""
    story = Story(history, [])
    assert (
        timeline.answers_as_of({}, story.pages[0][2], END_OF_TIME, END_OF_TIME)
        == story.subject.summaries
    )
