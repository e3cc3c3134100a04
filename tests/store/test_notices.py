"""Notices in the store: drafts changed only as they were read, versions that wait for their day and
never change.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.consent import NoticeInForce, State
from chalicelib.notices.edition import PublishedEdition, make_edition
from chalicelib.notices.workflow import Draft, PublishError, ReviewError, new_draft
from chalicelib.portal import Portal
from chalicelib.presentation.authorities import authorities
from chalicelib.services import decisions
from chalicelib.services.decisions import NoticeChangedError
from chalicelib.store import publishing
from chalicelib.store.clinics import Clinics, UnknownVersionError
from chalicelib.store.keys.clinics import clinic_key, draft_key, notice_key
from chalicelib.store.people import iter_people
from chalicelib.store.publishing import DraftChangedError, Drafts, UnknownDraftError
from chalicelib.store.writes import SetBody
from tests.cast import (
    ANNA,
    ANNA_PHONE,
    IEVA,
    JURIS,
    RIGA,
    TBILISI,
    Clock,
    FixedKeys,
    publish_edition,
)
from tests.factories import (
    EMAIL_NEWS,
    EVENING,
    MORNING,
    NEXT_DAY,
    NOON,
    SMS_NEWS,
    a_decision,
    a_document,
)
from tests.store.people import signed, state

PHYSIO = "liepaja-physio"
DECEMBER, MIDNIGHT = "2026-12-01", "2026-11-30T22:00:00.000Z"
"""A day, and when it begins in Latvia."""


def publish(portal: Portal, at: str = MORNING, **changed: Any) -> PublishedEdition:
    """Publish the small clinic, changed in one place."""
    ready = make_edition(a_document(**changed))
    assert publish_edition(portal.table, portal.clinics, ready, at, wrapped_key=b"k" * 32)
    return ready


def a_draft(at: str = MORNING, **changed: Any) -> Draft:
    """Give a draft of the small clinic."""
    return new_draft(a_document(**changed), PHYSIO, IEVA, at)


def test_a_version_for_a_later_day_comes_into_force_at_local_midnight_by_itself(
    portal: Portal, clock: Clock
) -> None:
    """Nobody has to be awake at midnight, and no second counts twice."""
    publish(portal)
    clock.at = NOON
    publish(portal, NOON, version="2.0", effective=DECEMBER)
    for at, version, since in (
        (NOON, "1.0", MORNING),
        ("2026-11-30T21:59:59.999Z", "1.0", MORNING),
        (MIDNIGHT, "2.0", MIDNIGHT),
        ("2027-06-01T00:00:00.000Z", "2.0", MIDNIGHT),
    ):
        clock.at = at
        seen = portal.directory.look_up(PHYSIO).published
        assert seen.in_force == NoticeInForce(version, since)
        assert seen.clinic.version == seen.text_at(at) == version
    assert seen.in_force_at(NOON) == NoticeInForce("1.0", MORNING)
    assert seen.in_force_at(MIDNIGHT, known_at=MORNING) == NoticeInForce("1.0", MORNING)
    assert portal.clinics.full_notice(PHYSIO, "2.0", "lv").html


def test_midnight_is_the_clinics_own(portal: Portal) -> None:
    """Tbilisi is two hours ahead of Riga."""
    ready = make_edition(a_document(country="GE", authority="GE", effective=DECEMBER))
    publish_edition(portal.table, portal.clinics, ready, MORNING, wrapped_key=b"k" * 32)
    assert (
        portal.directory.look_up(PHYSIO).published.published[0].since == "2026-11-30T20:00:00.000Z"
    )


def test_a_major_change_for_a_later_day_supersedes_on_that_day_and_not_before(
    portal: Portal, clock: Clock
) -> None:
    """What was agreed holds until the new text does; then a Yes to the old text is not taken any
    more.
    """
    publish(portal)
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, MORNING, clinic=PHYSIO), signed(ANNA))
    publish(portal, NOON, version="2.0", effective=DECEMBER)
    clock.at = NEXT_DAY
    assert state(portal, PHYSIO, ANNA, EMAIL_NEWS, NEXT_DAY) is State.GRANTED
    decisions.record(
        portal, a_decision({SMS_NEWS: "yes"}, NEXT_DAY, clinic=PHYSIO), signed(ANNA_PHONE)
    )
    clock.at = MIDNIGHT
    assert state(portal, PHYSIO, ANNA, EMAIL_NEWS, MIDNIGHT) is State.SUPERSEDED
    with pytest.raises(NoticeChangedError):
        decisions.record(
            portal, a_decision({EMAIL_NEWS: "yes"}, MIDNIGHT, clinic=PHYSIO), signed(ANNA)
        )


def test_the_day_it_changes_costs_one_read_more_and_only_once(
    portal: Portal, clock: Clock, round_trips: list[str]
) -> None:
    """A page stays one read, scheduled version or not."""
    publish(portal)
    publish(portal, NOON, version="1.1", effective=DECEMBER)
    reading = replace(portal, clinics=Clinics(portal.table, FixedKeys(), clock))
    for at, costs in ((NOON, 2), (NOON, 1), (MIDNIGHT, 2), (MIDNIGHT, 1)):
        clock.at = at
        round_trips.clear()
        item = portal.table.get([clinic_key(PHYSIO)])[clinic_key(PHYSIO)]
        reading.clinics.published(PHYSIO, item)
        assert round_trips == ["BatchGetItem"] * costs


def test_a_list_from_before_scheduling_is_read_as_it_was_meant(portal: Portal) -> None:
    """What was published by an older portal stays in force."""
    publish(portal)
    item = portal.table.get([clinic_key(PHYSIO)])[clinic_key(PHYSIO)]
    old = {"code": "lp", "major_since": MORNING, "published": [[MORNING, "1.0"]], "version": "1.0"}
    portal.table.write([SetBody(clinic_key(PHYSIO), json.dumps(old), was=item.body or "")])
    assert portal.directory.look_up(PHYSIO).published.in_force == NoticeInForce("1.0", MORNING)
    publish(portal, NOON, version="1.1")
    assert portal.directory.look_up(PHYSIO).published.in_force == NoticeInForce("1.1", MORNING)


def test_a_version_published_before_a_rule_came_stays_readable(portal: Portal) -> None:
    """A text that today's notice must have makes no earlier one unreadable."""
    publish(portal)
    key = notice_key(PHYSIO, "1.0")
    item = portal.table.get([key])[key]
    kept = json.loads(item.body or "")
    del kept["document"]["texts"]["automated"]
    portal.table.client.update_item(  # past the guard that lets nobody write a notice twice
        TableName=portal.settings.table,
        Key={"pk": {"S": key.pk}, "sk": {"S": key.sk}},
        UpdateExpression="SET body = :body",
        ExpressionAttributeValues={":body": {"S": json.dumps(kept)}},
    )
    assert (
        Clinics(portal.table, FixedKeys()).version(PHYSIO, "1.0").texts["intro"]
        == a_document()["texts"]["intro"]
    )


def test_a_draft_is_kept_word_for_word_and_another_clinic_does_not_have_it(portal: Portal) -> None:
    """The reviewer reads what the author wrote."""
    draft = a_draft(notice={"lv": "Viss · გამარჯობა\r\n", "en": "All."})
    Drafts(portal.table).keep(draft)
    assert Drafts(portal.table).find(PHYSIO, "1.0") == draft
    assert Drafts(portal.table).all(PHYSIO) == [draft]
    assert Drafts(portal.table).all(RIGA)[0].clinic == RIGA
    for clinic, version in ((TBILISI, "1.1"), (PHYSIO, "1.1"), (PHYSIO, ""), (PHYSIO, "1" * 2000)):
        with pytest.raises(UnknownDraftError):
            Drafts(portal.table).find(clinic, version)


def test_an_approval_of_a_text_that_changed_meanwhile_is_not_kept(portal: Portal) -> None:
    """Author and reviewer press their buttons at once: nothing unread is approved."""
    drafts = Drafts(portal.table)
    drafts.keep(a_draft())
    read = drafts.find(PHYSIO, "1.0")
    drafts.keep(a_draft(NOON, effective=DECEMBER))
    with pytest.raises(DraftChangedError):
        drafts.change(read, read.approve(JURIS, NOON, authorities()))
    assert not drafts.find(PHYSIO, "1.0").approved


def test_a_publication_of_a_text_that_changed_meanwhile_is_not_kept(portal: Portal) -> None:
    """Nor published: the approval that was read must still stand when it is written."""
    drafts = Drafts(portal.table)
    draft = a_draft()
    approved = draft.approve(JURIS, MORNING, authorities())
    drafts.keep(draft)
    drafts.change(draft, approved)
    drafts.keep(a_draft(NOON, effective=DECEMBER))
    with pytest.raises(PublishError, match="at the same moment"):
        publishing.publish(
            portal.clinics,
            make_edition(draft.document),
            approved,
            IEVA,
            wrapped_key=b"k" * 32,
            at=NOON,
        )
    assert publishing.is_new(portal.clinics, PHYSIO)
    other = make_edition(a_document(effective=DECEMBER))
    with pytest.raises(PublishError, match="not the text that was approved"):
        publishing.publish(portal.clinics, other, approved, IEVA, wrapped_key=b"k" * 32, at=NOON)


def test_nothing_is_published_unapproved(portal: Portal) -> None:
    """The store itself refuses, whoever calls it."""
    Drafts(portal.table).keep(a_draft())
    with pytest.raises(ReviewError, match="not approved"):
        publishing.publish(
            portal.clinics,
            make_edition(a_document()),
            a_draft(),
            IEVA,
            wrapped_key=b"k" * 32,
            at=NOON,
        )
    assert publishing.is_new(portal.clinics, PHYSIO)
    with pytest.raises(UnknownVersionError):
        portal.clinics.version(PHYSIO, "1.0")


def test_a_published_draft_never_changes_and_tells_who_took_each_step(portal: Portal) -> None:
    """Who wrote, approved and published is kept with the version itself."""
    publish(portal)
    drafts = Drafts(portal.table)
    kept = drafts.find(PHYSIO, "1.0")
    with pytest.raises(ReviewError, match="never changes"):
        drafts.keep(a_draft(NOON, effective=DECEMBER))
    with pytest.raises(DraftChangedError):
        drafts.change(a_draft(), a_draft().approve(JURIS, NOON, authorities()))
    assert drafts.find(PHYSIO, "1.0") == kept
    assert kept.release is not None
    key = notice_key(PHYSIO, "1.0")
    review = json.loads(portal.table.get([key])[key].body or "")["review"]
    assert (review["author"]["name"], review["approval"]["by"]["name"]) == (IEVA.name, JURIS.name)
    assert (review["approval"]["at"], review["release"]["at"], review["release"]["by"]["name"]) == (
        MORNING,
        MORNING,
        IEVA.name,
    )


def test_a_version_published_stays_the_same_bytes_in_every_language_when_the_next_ones_come(
    portal: Portal,
) -> None:
    """The text of the day can be laid before a court years later."""
    notices = {lang: f"# Pirmais · პირველი ({lang})\n\n<b>&amp;</b>" for lang in ("lv", "en")}
    first = publish(portal, notice=notices)
    kept = {
        key: portal.table.get([key])[key].body
        for key in (notice_key(PHYSIO, "1.0"), draft_key(PHYSIO, "1.0"))
    }
    for number, at in (("1.1", NOON), ("2.0", EVENING)):
        publish(
            portal,
            at,
            version=number,
            name={"lv": "Cits", "en": f"Other {number}"},
            notice={"lv": "-", "en": "-"},
        )
    for lang in ("lv", "en"):
        full = Clinics(portal.table, FixedKeys()).full_notice(PHYSIO, "1.0", lang)
        assert full.html == first.notices[lang]
        assert f"({lang})" in full.html
    assert kept == {key: portal.table.get([key])[key].body for key in kept}


def test_everybody_on_the_roll_is_there_to_be_counted(portal: Portal) -> None:
    """A preview looks at each person once."""
    publish(portal)
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, MORNING, clinic=PHYSIO), signed(ANNA))
    decisions.record(
        portal, a_decision({SMS_NEWS: "no"}, MORNING, clinic=PHYSIO), signed(ANNA_PHONE)
    )
    assert sorted(len(person.summaries) for person in iter_people(portal.table, PHYSIO)) == [1, 1]
    assert list(iter_people(portal.table, TBILISI)) == []


def test_a_version_proves_nothing_of_a_day_before_it_was_in_force(
    portal: Portal, clock: Clock
) -> None:
    """A form of 2024 binds no text of 2026; paper knows days, so what began at noon counts for all
    of that day.
    """
    publish(portal)
    clock.at = NOON
    publish(portal, NOON, version="2.0", effective=DECEMBER)
    seen = portal.directory.look_up(PHYSIO).published
    early = f"{MORNING[:10]}T00:00:00.000Z"
    told = {
        at: seen.text_at(at)
        for at in ("2024-05-02T09:00:00.000Z", "2026-11-21T12:00:00.000Z", early, MORNING)
    }
    assert list(told.values()) == [None, None, "1.0", "1.0"]
    assert seen.text_at("2024-05-02T09:00:00.000Z", "1.0") is None
    assert seen.text_at(NOON, "2.0") is None  # published, and not begun
    assert seen.text_at("2026-11-30T21:59:59.999Z", "2.0") is None
    assert seen.text_at(MIDNIGHT, "2.0") == "2.0"
    assert seen.text_at("2027-06-01T00:00:00.000Z", "1.0") == "1.0"  # an old form, of the stock


def test_where_the_first_version_only_begins_later_nothing_is_known_before(
    portal: Portal, clock: Clock
) -> None:
    """Published is not in force."""
    publish(portal, effective=DECEMBER)
    clock.at = NOON
    seen = portal.directory.look_up(PHYSIO).published
    assert (seen.text_at(NOON), seen.text_at(NOON, "1.0"), seen.text_at(MIDNIGHT)) == (
        None,
        None,
        "1.0",
    )
