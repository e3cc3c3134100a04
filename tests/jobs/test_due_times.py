"""The index of due times: the hourly round reads whom it concerns, and every write keeps it true."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from chalicelib.domain.due_times import next_due
from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject
from chalicelib.jobs import publication_walk
from chalicelib.notices.impact import ConsentCount
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.subject_rights import erase, restrict
from chalicelib.store import consent_counts, people
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import KeysUnavailableError
from chalicelib.store.items import Item
from chalicelib.store.keys.key import SHARDS
from chalicelib.store.keys.people import person_key
from chalicelib.store.table import ConflictError
from chalicelib.store.writes import NOT_DUE, Replace, SetDue
from infra.operator import publish
from tests.cast import ANNA, CLINICS, RIGA, TBILISI, Clock, FixedKeys, publish_edition
from tests.factories import EMAIL_NEWS, EVENING, MORNING, NOON, a_decision, on_paper
from tests.jobs.test_housekeeping import BASE, HALF, OVER, decide, keep, unasked
from tests.services.test_races import somebody
from tests.store.people import only_person, signed

STORED = 10_000
AT_ONCE = 25
"""How many items BatchWriteItem takes."""


def place(portal: Portal, subject: str, clinic: str = RIGA) -> Item:
    """Give somebody's place in the list of people."""
    key = person_key(clinic, subject)
    return portal.table.get([key])[key]


def due_of(portal: Portal, *, clinic: str = RIGA) -> Instant | None:
    """Tell since when something is due for the only person of a clinic."""
    [item] = people.iter_items(portal.table, clinic)
    return item.due_at


@contextmanager
def items_read(portal: Portal) -> Iterator[list[int]]:
    """Count the items that each read of the table reads."""
    counted: list[int] = []

    def note(parsed: Any, model: Any, **_: Any) -> None:
        if model.name == "Query":
            counted.append(parsed["ScannedCount"])
        if model.name == "BatchGetItem":
            counted.append(sum(map(len, parsed["Responses"].values())))

    events = portal.table.client.meta.events
    events.register("after-call.dynamodb", note)
    try:
        yield counted
    finally:
        events.unregister("after-call.dynamodb", note)


def store_many(portal: Portal, person: Subject, due: Instant) -> None:
    """Store people like one, for whom something is due at a time far away."""
    name = portal.settings.table
    for first in range(0, STORED, AT_ONCE):
        requests = []
        for number in range(first, first + AT_ONCE):
            subject = f"{number % 16:x}{number:031x}"
            key = person_key(RIGA, subject)
            item = {
                "pk": {"S": key.pk},
                "sk": {"S": key.sk},
                "blob": {"B": people.dump_person(replace(person, id=subject, contacts={}))},
                "due_shard": {"S": f"DUE#{subject[0]}"},
                "due_at": {"S": due},
            }
            requests.append({"PutRequest": {"Item": item}})
        portal.table.client.batch_write_item(RequestItems={name: requests})


def test_the_hourly_round_reads_those_for_whom_something_is_due(portal: Portal) -> None:
    """Ten thousand who wait for years cost it nothing."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(ANNA))
    keep(portal, EVENING)  # everybody is walked through once
    store_many(portal, only_person(portal, RIGA, ANNA), "2029-11-22T08:15:00.000Z")
    for number in range(7):
        decide(portal, somebody(number))
    with items_read(portal) as counted:
        run = keep(portal, HALF)
    assert (run.done["people"], run.done["reminded"], run.whole) == (7, 7, True)
    # What is due is read in the index, the people in the list, and the clinics with their walks.
    assert sum(counted) <= 3 * 7 + 8
    assert len(counted) <= len(SHARDS) + 8
    with items_read(portal) as counted:
        assert keep(portal, HALF).done["people"] == 0
    assert sum(counted) <= 8


@pytest.mark.parametrize(
    ("answers", "due"),
    [
        ({EMAIL_NEWS: "yes"}, HALF),
        ({EMAIL_NEWS: "no"}, "2029-11-22T08:15:00.000Z"),
    ],
    ids=["a Yes that waits", "a No"],
)
def test_a_decision_says_when_something_is_due_next(
    portal: Portal, answers: dict[str, str], due: Instant
) -> None:
    """A message when half of the time to confirm is over; the end of its proof otherwise."""
    confirm = frozenset({EMAIL_NEWS})
    decisions.record(portal, a_decision(answers, confirm=confirm), signed(ANNA))
    assert due_of(portal) == due


def test_a_confirmed_yes_leaves_the_index_and_a_withdrawal_comes_back_into_it(
    portal: Portal,
) -> None:
    """While a consent holds without an end nothing is due, and nobody reads it."""
    decide(portal, ANNA)
    decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, EVENING), signed(ANNA))
    assert due_of(portal) is None
    withdrawals.withdraw(portal, a_decision({EMAIL_NEWS: "withdraw"}, EVENING), signed(ANNA))
    assert due_of(portal) == "2029-11-29T08:15:00.000Z"


def test_the_round_moves_a_person_on_to_what_is_due_next(portal: Portal) -> None:
    """Reminded, then erased, then deleted: each at its own time, nothing in between."""
    decide(portal, ANNA)
    assert keep(portal, HALF).done["moved"] == 1
    assert due_of(portal) == OVER
    assert keep(portal, OVER).done["erased"] == 1
    assert due_of(portal) == "2029-11-29T08:15:00.000Z"
    assert keep(portal, "2029-11-29T08:15:00.000Z").done["deleted"] == 1
    assert list(people.iter_items(portal.table, RIGA)) == []


def test_whoever_is_erased_or_restricted_has_the_time_that_follows(portal: Portal) -> None:
    """Nothing is due for restricted data; lifted, it is looked at again within the hour."""
    decide(portal, ANNA)
    anna = only_person(portal, RIGA, ANNA)
    restrict(portal, RIGA, anna.id, "key_1", EVENING, restricted=True)
    assert due_of(portal) is None
    restrict(portal, RIGA, anna.id, "key_1", EVENING, restricted=False)
    assert due_of(portal) == EVENING
    keep(portal, EVENING)
    assert due_of(portal) == HALF
    assert erase(portal, RIGA, anna.id, "patient", EVENING)
    assert due_of(portal) == "2029-11-22T18:30:00.000Z"


def test_one_who_cannot_be_read_stays_due_and_is_tried_once_an_hour(portal: Portal) -> None:
    """The round ends, and the next one tries again."""
    decide(portal, ANNA)
    decide(portal, somebody(1))
    keep(portal, EVENING)
    anna = place(portal, only_person(portal, RIGA, ANNA).id)
    portal.table.write(
        [Replace(anna.key, {"body": "{}", "due_shard": anna.due_shard, "due_at": anna.due_at})]
    )
    first = keep(portal, HALF)
    assert (first.done["failed"], first.done["reminded"], first.whole) == (1, 1, True)
    assert place(portal, anna.sk).due_at == HALF
    again = keep(portal, HALF)
    assert (again.done["people"], again.done["failed"]) == (1, 1)


def test_a_person_who_decides_while_the_round_goes_keeps_the_time_of_that_decision(
    portal: Portal,
) -> None:
    """What the round worked out from an older reading is not written over it."""
    decide(portal, ANNA)
    was = place(portal, only_person(portal, RIGA, ANNA).id)
    withdrawals.withdraw(portal, a_decision({EMAIL_NEWS: "withdraw"}, EVENING), signed(ANNA))
    with pytest.raises(ConflictError):
        portal.table.write_one(SetDue(was.key, OVER, was=people.kept_in(was) or ""))
    assert due_of(portal) == "2026-12-22T18:30:00.000Z"


class OneIsLost(FixedKeys):
    """Gives the keys of all clinics but one."""

    def unwrap(self, clinic: str, wrapped: bytes) -> bytes:
        """Give the bytes back as they are; raise KeysUnavailableError for the clinic."""
        if clinic == RIGA:
            raise KeysUnavailableError
        return super().unwrap(clinic, wrapped)


def test_a_clinic_whose_key_cannot_be_had_holds_up_no_other(portal: Portal) -> None:
    """Its people wait for the next hour, in the order of the clinics or not."""
    for clinic in (RIGA, TBILISI):
        decide(portal, ANNA, clinic=clinic)
    clinics = Clinics(portal.table, OneIsLost(), portal.clinics.clock)
    broken = replace(portal, clinics=clinics)
    run = keep(broken, HALF)
    assert (run.done["reminded"], run.whole) == (1, False)
    assert [word["clinic"] for word in unasked(portal)] == [TBILISI]
    mended = keep(portal, HALF)
    assert (mended.done["reminded"], mended.whole) == (1, True)


def test_people_stored_before_there_was_an_index_get_their_due_time(portal: Portal) -> None:
    """The first round after an update looks at everybody, the second at nobody."""
    for number in range(3):
        decide(portal, somebody(number))
    for item in list(people.iter_items(portal.table, RIGA)):
        portal.table.write_one(SetDue(item.key, NOT_DUE, was=people.kept_in(item) or ""))
    first, second = keep(portal, EVENING), keep(portal, EVENING)
    assert (first.done["people"], first.done["moved"], second.done["people"]) == (3, 3, 0)
    assert {item.due_at for item in people.iter_items(portal.table, RIGA)} == {HALF}


PUBLISHED = "2026-11-22T20:00:00.000Z"
BEGINS = "2026-11-30T22:00:00.000Z"
"""Midnight in Riga, the day before the first of December."""


def test_a_version_is_walked_through_once_when_it_has_begun_and_over_several_rounds(
    portal: Portal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever agreed before it was published is told when it holds; nobody twice, nobody left
    out.
    """
    monkeypatch.setattr(publication_walk, "BATCH", 2)
    for number in range(5):
        paper = on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING)
        decisions.record(portal, paper, replace(signed(somebody(number)), base=BASE))
    keep(portal, EVENING)
    document = publish.read_file(CLINICS / f"{RIGA}.yaml").document
    later = publish.make_edition({**document, "version": "2.0", "effective": "2026-12-01"})
    assert publish_edition(portal.table, portal.clinics, later, PUBLISHED)
    assert keep(portal, "2026-11-30T21:59:59.999Z").done["people"] == 0
    clock.at = "2026-12-01T09:00:00.000Z"
    rounds = []
    for _ in range(4):
        asked = count()
        run = keep(portal, clock.at, lambda asked=asked: next(asked) > 0)  # type: ignore[misc]
        rounds.append((run.done["people"], run.done["reminded"], run.whole))
    assert rounds == [(2, 2, False), (2, 2, False), (1, 1, True), (0, 0, True)]
    assert {word["kind"] for word in unasked(portal)} == {"changed"}


def test_clinics_take_turns_in_a_walk(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    """One with very many people keeps no other waiting for hours."""
    monkeypatch.setattr(publication_walk, "BATCH", 1)
    for number in range(5):
        decide(portal, somebody(number))
    decide(portal, ANNA, clinic=TBILISI)
    asked = count()
    assert not keep(portal, EVENING, lambda: next(asked) > 2).whole
    assert publication_walk.walks(portal.table)[TBILISI].done
    assert not publication_walk.walks(portal.table)[RIGA].done


def test_whoever_decides_after_a_version_is_announced_is_due_when_it_begins(
    portal: Portal,
) -> None:
    """The decision knows the versions to come: no walk is needed for them."""
    document = publish.read_file(CLINICS / f"{RIGA}.yaml").document
    later = publish.make_edition({**document, "version": "2.0", "effective": "2026-12-01"})
    assert publish_edition(portal.table, portal.clinics, later, "2026-11-22T06:00:00.000Z")
    paper = on_paper({EMAIL_NEWS: "yes"}, MORNING, EVENING)
    decisions.record(portal, paper, replace(signed(ANNA), base=BASE))
    assert due_of(portal) == BEGINS


def test_after_a_round_everybodys_time_is_the_one_the_rules_give(portal: Portal) -> None:
    """Nobody is forgotten, and nobody is looked at for nothing."""
    decide(portal, ANNA)
    decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(somebody(1)))
    paper = on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING, endings={EMAIL_NEWS: "P1Y"})
    decisions.record(portal, paper, replace(signed(somebody(2)), base=BASE))
    published = portal.directory.look_up(RIGA).published
    for at in (EVENING, HALF, OVER, "2027-10-24T08:15:00.000Z", "2027-11-22T08:15:00.000Z"):
        assert keep(portal, at).whole
        for item in people.iter_items(portal.table, RIGA):
            person = people.load_person(item)
            following = next_due(person, published.clinic, published.published, at)
            assert item.due_at == following, at


def test_each_walk_counts_the_consents_that_are_granted(portal: Portal) -> None:
    """A preview reads one item, and nobody is counted twice or by what only waits."""
    paper = on_paper({EMAIL_NEWS: "yes", "testimonials.text": "yes"}, MORNING, MORNING)
    decisions.record(portal, paper, signed(ANNA))
    decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(somebody(1)))
    decide(portal, somebody(2))
    assert consent_counts.find(portal.table, RIGA) is None
    keep(portal, EVENING)
    assert consent_counts.find(portal.table, RIGA) == ConsentCount(
        "1.0",
        EVENING,
        2,
        {EMAIL_NEWS: 2, "testimonials.text": 1},
        {EMAIL_NEWS: {"granted": 2, "pending": 1}, "testimonials.text": {"granted": 1}},
        listed={"waiting": 1},
        first={"waiting": MORNING},
    )


def test_a_count_that_is_asked_for_is_one_more_walk(portal: Portal) -> None:
    """Whoever prepares a MAJOR sees how things stand now; the rounds after read nobody again."""
    decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(ANNA))
    keep(portal, EVENING)
    withdrawals.withdraw(portal, a_decision({EMAIL_NEWS: "withdraw"}, EVENING), signed(ANNA))
    assert keep(portal, HALF).done["people"] == 0
    portal.table.write([consent_counts.ask_anew(RIGA, HALF)])
    assert [keep(portal, HALF).done["people"] for _ in range(2)] == [1, 0]
    assert consent_counts.find(portal.table, RIGA) == ConsentCount(
        "1.0", HALF, 0, {}, {EMAIL_NEWS: {"withdrawn": 1}}, listed={}
    )


def test_a_walk_under_way_is_finished_though_somebody_asks_for_a_count(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drafting every hour does not keep a large clinic's walk from its end."""
    monkeypatch.setattr(publication_walk, "BATCH", 1)
    for number in range(3):
        decisions.record(
            portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(somebody(number))
        )
    for at in (MORNING, NOON, EVENING):
        asked = count()
        portal.table.write([consent_counts.ask_anew(RIGA, at)])
        keep(portal, EVENING, lambda asked=asked: next(asked) > 0)  # type: ignore[misc]
    found = consent_counts.find(portal.table, RIGA)
    assert found is not None
    assert (found.people, found.granted) == (3, {EMAIL_NEWS: 3})
