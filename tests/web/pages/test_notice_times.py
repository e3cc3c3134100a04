"""Every page says when a notice is or was in force as it is: never what its document alone says."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.instants import instant
from chalicelib.domain.local_time import local_day
from chalicelib.presentation.i18n import format_date
from chalicelib.store.keys.clinics import notice_key
from tests.pdf_file import PdfFile
from tests.web.client import Client
from tests.web.page_reader import Page
from tests.web.running import TABLE, RunningPortal

TBILISI, RIGA = "tbilisi-ultrasound", "riga-aesthetics"
LATE = "2026-11-20T21:30:00.000Z"
"""Past midnight in Tbilisi, on the evening before in Greenwich."""


def _effective(day: str) -> Any:
    return lambda document: document.update(effective=day)


def _later(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def _words(client: Client, address: str) -> str:
    return Page(client.get(address)).words


@pytest.mark.parametrize("lang", ["ka", "ru", "en"])
def test_a_version_published_after_its_effective_day_is_in_force_from_its_publication(
    client: Client, portal: RunningPortal, lang: str
) -> None:
    """Nobody is told that a text held while it was not there: in the clinic's own zone, in the
    page's language.
    """
    clinic = portal.open_clinic(TBILISI, _effective("2026-10-05"), at=LATE).clinic
    began, wrong = (
        format_date("2026-11-21", lang).since,
        [format_date(day, lang).since for day in ("2026-10-05", "2026-11-20")],
    )
    form = " ".join(PdfFile(client.get(f"/{clinic}/form?lang={lang}").body).copied().split())
    pages = [
        _words(client, f"/{clinic}{page}?lang={lang}")
        for page in ("", "/kiosk/notices/1.0", "/notices/1.0")
    ]
    for told in (*(" ".join(page.split()) for page in pages), form):
        assert " ".join(began.split()) in told
        assert not [day for day in wrong if day in told]
    if lang == "en":
        assert f"Notice version 1.0, in force from {began}." in pages[0]
        assert f"Version 1.0 has been in force since {began}." in pages[2]


@pytest.mark.parametrize("where", ["", "/kiosk"])
def test_a_scheduled_version_says_which_holds_today_and_never_that_it_holds(
    client: Client, portal: RunningPortal, where: str
) -> None:
    """Published earlier than effective: it is read as what it is, something to come."""
    clinic = portal.open_clinic().clinic
    day = _later(40)
    portal.republish(clinic, "1.1", _effective(day))
    spoken = format_date(day, "en")
    coming, now = (
        _words(client, f"/{clinic}{where}/notices/{each}?lang=en") for each in ("1.1", "1.0")
    )
    assert (
        f"This is version 1.1. It will be in force from {spoken}. Until then version 1.0 holds."
        in coming
    )
    for never in ("in effect since", "has been in force", "Last updated"):
        assert never not in coming
    assert "Version 1.0 has been in force since 1 January 2026." in now
    assert "It will be in force" not in now
    assert "Notice version 1.0, in force from 1 January 2026." in _words(
        client, f"/{clinic}?lang=en"
    )


def test_a_version_overtaken_before_it_began_was_never_in_force_anywhere(
    client: Client, portal: RunningPortal
) -> None:
    """Neither its page nor the list, here or at the API, gives it a time."""
    program = portal.open_clinic()
    clinic, day = program.clinic, _later(40)
    portal.republish(clinic, "1.1", _effective(day))
    portal.republish(clinic, "1.2", _effective("2026-11-01"))
    spoken, today = (
        format_date(day, "en"),
        format_date(local_day(instant(datetime.now(UTC)), "LV"), "en"),
    )
    told = _words(client, f"/{clinic}/notices/1.1?lang=en")
    assert "was never in force" in told
    assert spoken not in told
    assert "1.1 : never in force" in told or "1.1: never in force" in told
    past = _words(client, f"/{clinic}/notices/1.0?lang=en")
    assert f"It was in force from 1 January 2026 until {today}." in past
    assert f"Version 1.2 has been in force since {today}." in _words(
        client, f"/{clinic}/notices/1.2?lang=en"
    )
    states = {each["version"]: each["state"] for each in program.get("notices").json()["notices"]}
    assert states == {"1.0": "past", "1.1": "overtaken", "1.2": "in_force"}


def test_a_first_version_of_a_later_day_is_announced_and_not_said_to_hold(
    client: Client, portal: RunningPortal
) -> None:
    """There is no other to hold until then, and none is named."""
    day = _later(40)
    program = portal.open_clinic(change=_effective(day))
    told = _words(client, f"/{program.clinic}/notices/1.0?lang=en")
    assert f"It will be in force from {format_date(day, 'en')}." in told
    assert "Until then" not in told
    assert "has been in force" not in told
    assert [each["state"] for each in program.get("notices").json()["notices"]] == ["scheduled"]


def test_a_version_published_before_its_beginning_was_kept_is_still_shown(
    client: Client, portal: RunningPortal
) -> None:
    """An earlier release stored no such day: the page then gives the document's date, as it did."""
    clinic = portal.open_clinic().clinic
    key = notice_key(clinic, "1.0")
    stored = json.loads(portal.table.get([key])[key].body or "")
    del stored["told"]["since"]
    portal.table.client.update_item(
        TableName=TABLE,
        Key={"pk": {"S": key.pk}, "sk": {"S": key.sk}},
        UpdateExpression="SET body = :body",
        ExpressionAttributeValues={":body": {"S": json.dumps(stored)}},
    )
    assert "Notice version 1.0, last updated 1 January 2026." in _words(
        client, f"/{clinic}?lang=en"
    )
    assert "Version 1.0 has been in force since 1 January 2026." in _words(
        client, f"/{clinic}/notices/1.0?lang=en"
    )
