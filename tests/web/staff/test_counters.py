"""Marketing and management see what their posters bring and why people leave, and nobody's record."""

import csv
import gzip
import io
from datetime import UTC, datetime

import pytest

from chalicelib.domain.withdrawal_reasons import WithdrawalReason
from chalicelib.portal import get_portal
from chalicelib.store import withdrawal_reasons
from chalicelib.store.keys.counts import tally_key
from chalicelib.store.writes import AddCounts
from tests.web.client import Program
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn

NEWS = "newsletter.email"
HEAVIEST = 15 * 1024
PERIODS = ("weeks", "quarter", "year")


def count(program: Program, number: int, *, source: str = "desk", lang: str = "lv") -> None:
    """Count so many Yes of today at a clinic."""
    day = datetime.now(UTC).date().isoformat()
    place = tally_key(program.clinic, day, (lang, "qr", "self-asserted", source))
    get_portal().table.write_one(AddCounts(place, {f"{NEWS}#ng": number}))


def tell(program: Program, number: int, reason: WithdrawalReason) -> None:
    """Count so many reasons of today."""
    now = get_portal().clock()
    for each in range(number):
        mark = f"{reason}{each}"
        assert withdrawal_reasons.count(get_portal().table, program.clinic, reason, mark, now)


@pytest.mark.parametrize("period", PERIODS)
def test_the_counters_show_pictures_with_their_tables(
    portal: RunningPortal, desk_client: SignIn, period: str
) -> None:
    """Where people come from is told by the poster's name; another clinic's numbers are not there."""
    program, other = portal.open_clinic(), portal.open_clinic()
    count(program, 12)
    count(program, 7, source="room-2", lang="ru")
    count(other, 3, source="elsewhere")
    page = desk_client(program, "marketing").open(f"counters?period={period}")
    assert "room-2" in page.words
    assert "19" in page.words
    assert "elsewhere" not in page.words
    assert page.tags.count("svg") >= 4
    assert page.tags.count("table") >= 3


def test_small_numbers_are_told_to_who_may_open_records_only(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Two who left because of their data are two people; marketing learns that they are few."""
    program = portal.open_clinic()
    count(program, 6)
    count(program, 4, lang="ru")
    tell(program, 2, WithdrawalReason.PRIVACY)
    marketing = desk_client(program, "marketing").open("counters").words
    reader = desk_client(program, "reader").open("counters").words
    assert marketing.count("fewer than 5") == 2
    assert "fewer than" not in reader
    assert "I am concerned about my data" in marketing
    written = desk_client(program, "marketing").get("/staff/counters.csv").text
    assert "withdrawal_reasons" in written
    rows = list(csv.DictReader(io.StringIO(written, newline="")))
    told = {row["name"]: row["count"] for row in rows if row["table"] == "withdrawal_reasons"}
    assert told == {"privacy": "<5"}


def test_the_file_says_what_the_page_says(portal: RunningPortal, desk_client: SignIn) -> None:
    """A worker opens it in a spreadsheet; no cell of it is a formula."""
    program = portal.open_clinic()
    count(program, 12, source="=1+1")
    answer = desk_client(program, "reader").get("/staff/counters.csv?period=year")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    answers = [row for row in rows if row["table"] == "answers" and row["state"] == "granted"]
    assert len(answers) == 12
    assert (answers[-1]["name"], answers[-1]["count"]) == (NEWS, "12")
    [source] = [row for row in rows if row["table"] == "sources"]
    assert (source["name"], source["channel"], source["count"]) == ("'=1+1", "qr", "12")


@pytest.mark.parametrize("role", ["reception", "marketing", "protection", "administrator"])
def test_only_who_may_see_numbers_sees_them(
    portal: RunningPortal, desk_client: SignIn, role: str
) -> None:
    """The reception needs none; each look is in the audit."""
    program = portal.open_clinic()
    desk = desk_client(program, role)
    expected = 403 if role == "reception" else 200
    assert desk.get("/staff/counters").status == expected
    assert desk.get("/staff/counters.csv").status == expected
    looked = [line for line in portal.audit(program.clinic) if line["call"] == "stats"]
    assert len(looked) == (0 if expected == 403 else 2)


@pytest.mark.parametrize("lang", ["lv", "lt", "ka", "ru", "en"])
@pytest.mark.parametrize("period", [*PERIODS, "ever", ""])
def test_every_period_shows_in_every_language_and_stays_light(
    portal: RunningPortal, desk_client: SignIn, period: str, lang: str
) -> None:
    """What is no period shows four weeks; a clinic that counted nothing is told so."""
    program = portal.open_clinic()
    desk = desk_client(program, "reader")
    empty = desk.get(f"/staff/counters?period={period}&lang={lang}")
    assert empty.status == 200
    count(program, 5)
    full = desk.get(f"/staff/counters?period={period}&lang={lang}")
    assert Page(full).tags.count("svg") > Page(empty).tags.count("svg")
    assert len(gzip.compress(full.body)) <= HEAVIEST
