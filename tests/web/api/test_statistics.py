"""A clinic sees what its posters and forms bring, day by day, and how its people stand."""

import csv
import io
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.jobs import signing
from chalicelib.jobs.counting import count_feeds
from chalicelib.portal import get_portal
from chalicelib.services.statistics import GROUPS
from tests.keys import OwnKey
from tests.pdf_file import PdfFile
from tests.policies import under_policy_of
from tests.web.client import Client, Program
from tests.web.letterbox import confirm
from tests.web.page_reader import decide
from tests.web.running import RunningPortal

NEWS, TEXTS = "newsletter.email", "newsletter.sms"
AT_THE_DESK = {"channel": "phone", "effective_at": "2026-11-10T10:00:00+02:00"}


def at_the_desk(program: Program, email: str, answer: str) -> None:
    """Record an answer that staff heard."""
    body = {"subject": {"email": email}, "decisions": {NEWS: answer}, **AT_THE_DESK}
    assert program.call("receipts", body).status == 201


def follow() -> None:
    """Do what the stream would do, as often as it repeats itself."""
    for _ in range(2):
        list(signing.sign_waiting(get_portal().table, OwnKey(), lambda: False))


def count() -> None:
    """Do what the hourly round does, twice."""
    for _ in range(2):
        with under_policy_of(get_portal(), "housekeeping"):
            count_feeds(get_portal(), lambda: False)


def stats(program: Program, query: str = "") -> dict[str, Any]:
    """Ask for the statistics."""
    answer = program.get(f"stats{query}")
    assert answer.status == 200, answer.text
    return dict(answer.json())


def test_answers_are_counted_once_by_how_they_were_given(
    client: Client, portal: RunningPortal
) -> None:
    """The numbers are the same before and after the round, whatever is sent twice."""
    program = portal.open_clinic()
    fields = {f"decision.{NEWS}": "yes", "email": "anna@example.org"}
    decide(client, program.clinic, fields)
    at_the_desk(program, "giorgi@example.org", "yes")
    at_the_desk(program, "giorgi@example.org", "no")
    follow()
    day = datetime.now(UTC).date().isoformat()
    for _ in range(2):
        whole = stats(program, f"?group={','.join(GROUPS)}")["counts"]
        by_way: Counter[tuple[str, str, str]] = Counter()
        for row in whole:
            assert row["day"] <= day
            by_way[row["channel"], row["state"], row["assurance"]] += row["count"]
        assert sum(row["count"] for row in whole) >= 3
        assert by_way["phone", "granted", "staff-witnessed"] == 1
        assert by_way["phone", "withdrawn", "staff-witnessed"] == 1
        few = stats(program, "?group=purpose,state")["counts"]
        withdrawn = [row for row in few if row["state"] == "withdrawn"]
        assert withdrawn == [{"purpose": "newsletter", "state": "withdrawn", "count": 1}]
        count()


def test_counts_come_as_csv_too(portal: RunningPortal) -> None:
    """A worker opens them in a spreadsheet."""
    program = portal.open_clinic()
    at_the_desk(program, "anna@example.org", "yes")
    follow()
    answer = program.get("stats?format=csv&group=question,state")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert rows == [{"question": NEWS, "state": "granted", "count": "1"}]


def test_how_people_stand_is_told_with_when_it_was_counted(portal: RunningPortal) -> None:
    """A number of people is as old as it says; asking has it counted anew."""
    program = portal.open_clinic()
    at_the_desk(program, "anna@example.org", "yes")
    at_the_desk(program, "giorgi@example.org", "yes")
    at_the_desk(program, "giorgi@example.org", "no")
    assert stats(program)["standing"] is None
    portal.count_consents(program.clinic)
    standing = stats(program)["standing"]
    assert standing["states"] == {NEWS: {"granted": 1, "withdrawn": 1}}
    assert standing["counted_at"]


def test_other_clinics_count_for_themselves(portal: RunningPortal) -> None:
    """Nobody sees another clinic's numbers."""
    program, other = portal.open_clinic(), portal.open_clinic()
    at_the_desk(program, "anna@example.org", "yes")
    follow()
    assert stats(other)["counts"] == []
    assert Program(other.clinic, program.key).get("stats").status == 404


def test_a_joint_controller_sees_its_own_numbers(portal: RunningPortal) -> None:
    """How many see a cardiologist is not the pharmacy's to know."""
    lead = portal.open_clinic("kaunas-polyclinics")
    pills = portal.member(lead.clinic, "liepziedzio-vaistines")
    body = {
        "subject": {"email": "ona@example.org"},
        "decisions": {"data_sharing.cardiology": "yes", "data_sharing.pharmacy": "yes"},
        "declared_adult": True,
        "name": "Ona",
        "channel": "paper",
        "evidence": {"form": "K-1"},
        "effective_at": "2026-11-10T10:00:00+02:00",
    }
    assert lead.call("receipts", body).status == 201
    follow()
    portal.count_consents(lead.clinic)
    told = stats(pills)
    assert {row["question"] for row in told["counts"]} == {"data_sharing.pharmacy"}
    assert told["standing"]["states"].keys() == {"data_sharing.pharmacy"}
    assert len(stats(lead)["counts"]) == 2


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?from=2026-11-30&to=2026-11-01", 422),
        ("?from=2025-01-01&to=2026-11-01", 422),
        ("?from=yesterday", 422),
        ("?to=20261130", 422),
        ("?to=1999-12-31", 422),
        ("?from=2026-13-01", 422),
        ("?group=name", 400),
        ("?group=", 400),
        ("?format=jsonl", 400),
        ("?from=2025-12-01&to=2026-11-30&group=question", 200),
    ],
)
def test_days_and_groups_that_are_not_there_are_refused(
    portal: RunningPortal, query: str, status: int
) -> None:
    """A program is told what it wrote wrongly; a year is one call."""
    assert portal.open_clinic().get(f"stats{query}").status == status


def test_a_poster_in_a_room_is_counted_apart(client: Client, portal: RunningPortal) -> None:
    """A clinic sees which of its posters people scan."""
    program = portal.open_clinic()
    for place in ("desk", "room-2"):
        sheet = client.get(f"/{program.clinic}/qr/signup.pdf?size=a5&lang=en&src={place}")
        [address] = PdfFile(sheet.body).codes()
        scanned = client.get(address.removeprefix(f"https://portal.example.org{client.mount}"))
        query = "?" + scanned.location.partition("?")[2]
        decide(client, program.clinic, {f"decision.{NEWS}": "no"}, query)
    follow()
    count()
    counted = stats(program, "?group=source,channel")["counts"]
    assert {(each["source"], each["channel"]): each["count"] for each in counted} == {
        ("desk", "qr"): 1,
        ("room-2", "qr"): 1,
    }


def test_how_long_a_yes_waited_is_counted_without_a_write_more(
    client: Client, portal: RunningPortal
) -> None:
    """A clinic sees how soon people confirm; who cannot be told is not guessed."""
    program = portal.open_clinic()
    answer = decide(client, program.clinic, {f"decision.{TEXTS}": "yes", "phone": "26123456"})
    follow()
    confirm(client, portal, program.clinic, answer)
    follow()
    for _ in range(2):
        found = stats(program, "?group=before,state,waited")["counts"]
        assert found == [
            {"before": "never_asked", "state": "pending", "waited": None, "count": 1},
            {"before": "pending", "state": "granted", "waited": "minute", "count": 1},
        ]
        count()
