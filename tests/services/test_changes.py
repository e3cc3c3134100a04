"""What a program that replays the changes knows is what the status says."""

from datetime import timedelta
from random import Random

import pytest

from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.consent import Answer
from chalicelib.domain.cursors import CursorTooOldError
from chalicelib.domain.instants import instant, moment
from chalicelib.jobs import signing
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.changes import ChangesPage, read_changes
from chalicelib.store.changes import KEPT, READABLE
from chalicelib.store.keys.counts import feed_key, feed_shard
from infra.build.bundle import ROOT
from infra.operator import publish
from tests.cast import ANNA, GIORGI, RIGA, TBILISI, publish_edition
from tests.factories import EMAIL_NEWS, MORNING, SMS_NEWS, a_decision
from tests.keys import OwnKey
from tests.store.people import BELLA, meddle, signed, state
from tests.stores import Clock

EVENING = "2026-11-22T20:00:00.000Z"
BEGINS = "2026-11-30T22:00:00.000Z"
"""Midnight in Riga, the day before the first of December."""


def read(portal: Portal, at: str, since: str | None = None, limit: int = 25) -> ChangesPage:
    """Read a page as the clinic's program does at a moment."""
    lookup = portal.directory.look_up(RIGA)
    key = BearerKey("key_000000000000", RIGA, "", ("status:read",), MORNING)
    call = AuthorizedCall(key, EmptyBody(), lookup, at, lookup.published.clinic, "")
    return read_changes(portal, call, since, limit)


def follow(portal: Portal) -> None:
    """Sign what waits."""
    list(signing.sign_waiting(portal.table, OwnKey(), lambda: False))


def test_a_new_major_version_is_told_once_when_it_begins(portal: Portal, clock: Clock) -> None:
    """What a publication ends has no receipts; a program hears of it from the moment it holds."""
    clock.at = EVENING
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    follow(portal)
    page = read(portal, EVENING)
    assert [entry["type"] for entry in page.entries] == ["consent.granted"]
    document = publish.read_file(ROOT / "infra" / "clinics" / f"{RIGA}.yaml").document
    later = publish.make_edition({**document, "version": "2.0", "effective": "2026-12-01"})
    assert publish_edition(portal.table, portal.clinics, later, EVENING)
    clock.at = "2026-11-30T21:59:59.999Z"
    published = read(portal, clock.at, page.cursor)
    assert list(published.entries) == [], "it is published, and not in force"
    clock.at = "2026-12-01T09:00:00.000Z"
    told = read(portal, clock.at, published.cursor)
    [entry] = told.entries
    assert (entry["type"], entry["notice_version"]) == ("notice.superseded", "2.0")
    assert entry["effective_at"] == BEGINS
    assert {EMAIL_NEWS, SMS_NEWS} <= set(entry["questions"])
    assert list(read(portal, clock.at, told.cursor).entries) == []
    assert read(portal, clock.at, page.cursor).entries == told.entries, "from an older cursor too"


@pytest.mark.parametrize("seed", range(3))
def test_a_program_that_replays_the_changes_knows_how_everybody_stands(
    portal: Portal, seed: int
) -> None:
    """Signed in any order, read in pages at any time: the last change of each is the status."""
    rng = Random(seed)  # noqa: S311 - a walk that can be walked again
    cast = [ANNA, GIORGI, BELLA]
    stand: dict[tuple[str, str], str] = {}
    versions: dict[str, int] = {}
    subjects: dict[str, str] = {}
    cursor = None
    for step in range(40):
        contact = rng.choice(cast)
        question = rng.choice([EMAIL_NEWS, SMS_NEWS])
        answer = rng.choice(["yes", "no", "withdraw"])
        at = f"2026-11-22T{10 + step // 10}:{step % 10 * 5:02d}:00.000Z"
        decision = a_decision({question: Answer(answer)}, at)
        receipt = decisions.record(portal, decision, signed(contact))
        subjects[contact.value] = receipt.document["subject"]
        if step % 7 == 0:
            other = a_decision({EMAIL_NEWS: "yes"}, at, clinic=TBILISI)
            decisions.record(portal, other, signed(contact))
        if rng.random() < 0.3 or step == 39:
            follow(portal)
            more = True
            while more:
                page = read(portal, EVENING, cursor)
                for entry in page.entries:
                    subject = entry["subject"]
                    assert entry["version"] >= versions.get(subject, 1)
                    versions[subject] = entry["version"]
                    key = subject, entry["question"]
                    assert stand.get(key, "never_asked") == entry["before"]
                    stand[key] = entry["after"]
                cursor, more = page.cursor, page.more
    for contact in cast:
        for question in (EMAIL_NEWS, SMS_NEWS):
            told = stand.get((subjects[contact.value], question), "never_asked")
            assert told == state(portal, RIGA, contact, question)


def test_a_first_read_goes_on_over_what_is_taken_away_meanwhile(portal: Portal) -> None:
    """What is older than can be read goes in no order: who reads from the beginning misses nothing
    that was promised. Who was away for longer than a gap is old is told so.
    """
    for step in range(40):
        decision = a_decision({EMAIL_NEWS: "no" if step % 2 else "yes"}, MORNING)
        receipt = decisions.record(portal, decision, signed(ANNA))
        follow(portal)
    page = read(portal, EVENING)
    assert page.more
    shard = feed_shard(receipt.document["subject"])
    meddle(portal, feed_key(RIGA, shard, len(page.entries) + 1), None)
    rest = read(portal, EVENING, page.cursor, limit=100)
    assert len(page.entries) + len(rest.entries) == 39
    later = instant(moment(EVENING) + KEPT - READABLE + timedelta(days=1))
    with pytest.raises(CursorTooOldError):
        read(portal, later, page.cursor)
