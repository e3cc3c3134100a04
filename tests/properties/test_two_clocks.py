"""Both clocks against the thirty-line reference: random histories and changes of the notice."""

import copy
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.notice_versions import PublishedVersion, entry_at, notice_at
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.store import pages, timeline
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.receipts import answers_page_key, late_answers_key, receipt_key
from chalicelib.store.receipts import Receipts, receipt_values
from chalicelib.store.writes import Put, SetEntry, Write
from tests.factories import EMAIL_NEWS, SMS_NEWS, a_decision, a_subject, summaries_earlier
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
EXPLORE = "EXPLORE" in os.environ
"""Whether new examples are looked for."""

CLINIC = "riga-aesthetics"
PARTS = (
    "id",
    "version",
    "effective_at",
    "recorded_at",
    "channel",
    "assurance",
    "notice",
    "decisions",
    "effective_until",
)
"""What an earlier version kept of a receipt's document in a page."""

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
    """One person's history, given to the portal's store and to the reference.

    The first `earlier` decisions are stored as an earlier version did.
    """

    def __init__(
        self,
        history: list[dict],  # type: ignore[type-arg]
        changes: list[tuple[int, bool, int]],
        earlier: int = 0,
    ) -> None:
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
        self.documents: list[Mapping[str, Any]] = []
        self.table = Items()
        self.earlier = earlier
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
        given = receipt.document["effective_at"]
        self.documents.append(receipt.document)
        if number < self.earlier:
            self.subject = keep_earlier(self.table, before, after, receipt)
        else:
            self.subject = keep(self.table, before, after, receipt)
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

    def summaries(self, at: Instant, known_at: Instant) -> Mapping[QuestionId, AnswerSummary]:
        """Give the summaries as of a time, as the store tells them."""
        subject = Subject.read(json.loads(json.dumps(self.subject.stored())))
        told = Receipts(self.table).answers_as_of(CLINIC, [subject], at, known_at)  # type: ignore[arg-type]
        return told[subject.id]


@dataclass
class Stored:
    """One item of the table."""

    body: str | None = None
    blob: bytes | None = None
    entries: dict[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> dict[str, str]:
        """The entries, as `items.Item` gives them."""
        return self.entries


class Items:
    """The table in memory: receipts and pages alone."""

    def __init__(self) -> None:
        self.items: dict[Key, Stored] = {}
        self.reads = 0

    def get(self, keys: Sequence[Key]) -> dict[Key, Stored]:
        """Give those of the items that exist."""
        self.reads += 1
        return {key: self.items[key] for key in keys if key in self.items}

    def write(self, writes: Sequence[Write]) -> None:
        """Write as DynamoDB does: no item twice, none that exists anew, no entry without one."""
        assert len({write.key for write in writes}) == len(writes)
        for write in writes:
            assert isinstance(write, Put | SetEntry)
            if isinstance(write, Put):
                assert write.key not in self.items
                self.items[write.key] = Stored(**copy.deepcopy(write.values))
            else:
                self.items[write.key].entries[write.name] = write.stored


def keep(table: Items, before: Subject, after: Subject, receipt: Receipt) -> Subject:
    """Store a receipt and its times, as `store.decisions` does."""
    times = receipt.document["effective_at"], receipt.document["recorded_at"]
    after, writes = pages.with_times(CLINIC, before, after, times)
    key = receipt_key(CLINIC, after.id, after.version)
    table.write([Put(key, receipt_values(key, receipt, before.summaries)), *writes])
    return after


def keep_earlier(table: Items, before: Subject, after: Subject, receipt: Receipt) -> Subject:
    """Store a receipt and its answers, as an earlier version did."""
    starts = timeline.with_page_start(
        before.page_starts, after.version, before.latest, after.recorded_at
    )
    given, name = receipt.document["effective_at"], f"{after.version:010d}"
    body = receipt.canonical.decode()
    writes: list[Write] = [Put(receipt_key(CLINIC, after.id, after.version), {"body": body})]
    text = json.dumps({part: receipt.document[part] for part in PARTS if part in receipt.document})
    reached = timeline.late_pages(starts, after.version, given)
    writes += [SetEntry(answers_page_key(CLINIC, after.id, page), name, text) for page in reached]
    late = timeline.is_late(starts, after.version, given)
    first = timeline.first_kept(starts, after.version)
    if timeline.begins_page(after.version) and first == 1:
        entries = {name: text} if late else {}
        writes.append(Put(late_answers_key(CLINIC, after.id), {"entries": entries}))
    elif late:
        writes.append(SetEntry(late_answers_key(CLINIC, after.id), name, text))
    last = answers_page_key(CLINIC, after.id, timeline.page_of(after.version))
    if timeline.begins_page(after.version):
        page = {"fence": starts[-1], "carried": summaries_earlier(before.summaries)}
        writes.append(Put(last, {"body": json.dumps(page), "entries": {name: text}}))
    else:
        writes.append(SetEntry(last, name, text))
    table.write(writes)
    return replace(after, page_starts=starts)


@pytest.mark.parametrize("kept", [1, 2, timeline.KEPT])
@pytest.mark.parametrize(
    ("receipts", "held"), [(1, 1), (2, 2), (3, 2), (8, 3), (32, timeline.HELD)]
)
@given(
    history=st.lists(visits, min_size=1, max_size=14),
    changes=changes,
    moments=st.lists(st.tuples(days, days)),
    earlier=st.just(0) | st.integers(0, 14),
)
@settings(max_examples=100, deadline=None, derandomize=not EXPLORE)
def test_what_was_true_then_as_known_then_is_told_from_few_receipts(
    *,
    receipts: int,
    held: int,
    kept: int,
    history: list[dict],  # type: ignore[type-arg]
    changes: list[tuple[int, bool, int]],
    moments: list[tuple[int, int]],
    earlier: int,
) -> None:
    """An inspector who asks about any day as of any day gets what replaying every receipt gives:
    also of who decided before times were kept, whenever that was.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(timeline, "RECEIPTS", receipts)
        patched.setattr(timeline, "HELD", held)
        patched.setattr(timeline, "KEPT", kept)
        story = Story(history, changes, earlier)
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
@settings(max_examples=200, deadline=None, derandomize=not EXPLORE)
def test_the_order_in_which_words_are_learnt_changes_nothing(history: list[dict], seed) -> None:  # type: ignore[no-untyped-def,type-arg]  # noqa: ANN001
    """However late the papers come in, in the end the same is true."""
    documents = Story(history, []).documents
    shuffled = list(documents)
    seed.shuffle(shuffled)
    assert timeline.with_answers({}, shuffled) == timeline.with_answers({}, documents)


@given(history=st.lists(visits, min_size=1, max_size=14))
@settings(max_examples=200, deadline=None, derandomize=not EXPLORE)
def test_how_a_person_stands_is_what_the_receipts_tell(history: list[dict]) -> None:  # type: ignore[type-arg]
    """What is kept for a quick answer is never more than what the proof says."""
    story = Story(history, [])
    assert timeline.with_answers({}, story.documents) == story.subject.summaries
