"""Imports and decisions in any order: how somebody stands is what a model of ten lines says."""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st

from chalicelib.domain.consent import Answer, State
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.imported_consents import NOT_CURRENT, Outcome
from chalicelib.domain.instants import instant
from chalicelib.portal import Portal
from chalicelib.services import decisions
from tests.cast import RIGA
from tests.factories import EMAIL_NEWS, on_paper
from tests.importing import bring_in
from tests.store.people import assert_unbroken, only_person, signed, state

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
WORDS = {"yes": Answer.YES, "no": Answer.NO, "unsubscribed": Answer.WITHDRAW}
_people = itertools.count(1)

said = st.tuples(st.integers(0, 30), st.sampled_from(sorted(WORDS)))
"""How many days after the first, and what."""

acts = st.lists(
    st.one_of(
        st.tuples(st.just("here"), st.lists(said, min_size=1, max_size=1)),
        st.tuples(st.just("moment"), st.lists(said, min_size=1, max_size=3)),
        st.tuples(st.just("day"), st.lists(said, min_size=1, max_size=3)),
    ),
    min_size=1,
    max_size=7,
)


def counted(kind: str, lines: Sequence[tuple[int, str]]) -> tuple[datetime, bool, str]:
    """Give the answer of one act that counts: when, whether it stops, what; the model's dedup."""
    times = []
    for day, word in lines:
        at = FIRST + timedelta(days=day)
        stops = word != "yes"
        if kind == "day":
            # A day in Riga: a Yes counts from its beginning, a stop from its end.
            local = at - timedelta(hours=2)
            at = local + timedelta(days=1, milliseconds=-1) if stops else local
        times.append((stops, at, word))
    best = times[0]
    for each in times[1:]:
        if each[:2] > best[:2]:
            best = each
    stops, at, word = best
    return at, stops, word


@given(acts)
@settings(max_examples=60)
def test_the_state_is_that_of_the_last_answer_by_when_it_was_given(
    portal: Portal, history: list[tuple[str, list[tuple[int, str]]]]
) -> None:
    """An import changes nothing that was said later, in whatever order the portal learns of it."""
    email = f"imported{next(_people)}@example.org"
    contact = Contact(ContactKind.EMAIL, email)
    known: list[tuple[datetime, bool, int, str]] = []
    seen = set()
    for number, (kind, lines) in enumerate(history):
        now = instant(NOW + timedelta(minutes=number))
        at, stops, word = counted(kind, lines)
        if kind == "here":
            answer = WORDS[word].value
            receipt = on_paper({EMAIL_NEWS: answer}, instant(at), now)
            receipt_id = hashlib.sha256(f"{email} {number}".encode()).hexdigest()[:32]
            decisions.answer(portal, replace(receipt, receipt_id=receipt_id), signed(contact))
            known.append((at, stops, number, word))
            continue
        rows = [
            f"{email},{(FIRST + timedelta(days=day)).date()}"
            f"{'' if kind == 'day' else ' 00:00:00'},{each},Form"
            for day, each in lines
        ]
        file = "\n".join(["email,date,consent,evidence", *rows, ""])
        dry = bring_in(portal, file, now, tz="UTC", dry_run=True)
        told = bring_in(portal, file, now, tz="UTC")
        assert dry == told
        [one] = [each for each in told if each.outcome is not Outcome.DUPLICATE]
        repeated = (kind, at, word) in seen
        assert one.outcome is (Outcome.ALREADY if repeated else Outcome.RECORDED)
        if not repeated:
            seen.add((kind, at, word))
            known.append((at, stops, number, word))
            current = max(known)[3:] == (word,) and max(known)[:2] == (at, stops)
            assert (one.states[EMAIL_NEWS] != NOT_CURRENT) == current
    *_, last = max(known)
    told_state = state(portal, RIGA, contact, EMAIL_NEWS, instant(NOW + timedelta(days=1)))
    assert (told_state is State.GRANTED) == (last == "yes")
    event(f"{told_state} after {len(known)}")
    assert_unbroken(portal.receipts.history(RIGA, [only_person(portal, RIGA, contact)]))
