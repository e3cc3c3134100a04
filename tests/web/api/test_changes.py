"""A program reads on in the changes from where it was, and knows what a webhook would have said."""

from typing import Any

import pytest

from chalicelib.domain.cursors import write_cursor
from chalicelib.jobs import signing
from chalicelib.portal import get_portal
from chalicelib.services import changes
from tests.keys import OwnKey
from tests.web.client import Program
from tests.web.running import RunningPortal

NEWS, TEXTS = "newsletter.email", "newsletter.sms"
ANNA, GIORGI = {"email": "anna@example.org"}, {"email": "giorgi@example.org"}
AT_THE_DESK = {"channel": "in-person", "effective_at": "2026-11-10T10:00:00+02:00"}


def decide(program: Program, subject: dict[str, str], **decisions: str) -> dict[str, Any]:
    """Record answers at the desk, and give the receipt."""
    answers = {name.replace("_", "."): answer for name, answer in decisions.items()}
    given = program.call("receipts", {"subject": subject, "decisions": answers, **AT_THE_DESK})
    assert given.status == 201, given.text
    return dict(given.json())


def follow() -> None:
    """Do what the stream would do: sign whatever waits."""
    list(signing.sign_waiting(get_portal().table, OwnKey(), lambda: False))


def read(program: Program, since: str = "", limit: str = "") -> dict[str, Any]:
    """Read a page of the changes."""
    query = "&".join(
        f"{name}={value}" for name, value in (("since", since), ("limit", limit)) if value
    )
    answer = program.get(f"changes?{query}")
    assert answer.status == 200, answer.text
    return dict(answer.json())


def test_a_program_reads_on_from_where_it_was(portal: RunningPortal) -> None:
    """Whoever missed a webhook knows the same, in the same order, and nothing twice."""
    program = portal.open_clinic()
    first = decide(program, ANNA, newsletter_email="yes")
    follow()
    page = read(program)
    [entry] = page["changes"]
    assert entry == {
        "type": "consent.granted",
        "subject": first["subject"],
        "receipt_id": first["id"],
        "version": 1,
        "recorded_at": first["recorded_at"],
        "question": NEWS,
        "before": "never_asked",
        "after": "granted",
        "effective_at": first["effective_at"],
        "expires_at": None,
        "confirm_by": None,
        "notice_version": "1.0",
    }
    assert page["more"] is False
    again = read(program, page["cursor"])
    assert again["changes"] == []
    decide(program, ANNA, newsletter_email="no")
    decide(program, GIORGI, newsletter_email="no")
    follow()
    news = read(program, again["cursor"])
    assert sorted(entry["type"] for entry in news["changes"]) == [
        "consent.changed",
        "consent.withdrawn",
    ]
    assert "example.org" not in str(news)
    assert read(program, page["cursor"])["changes"] == news["changes"], "a cursor can be read again"


def test_what_waits_for_its_signature_is_not_told_yet_and_nothing_is_promised(
    portal: RunningPortal,
) -> None:
    """A program knows until when it knows all."""
    program = portal.open_clinic()
    decide(program, ANNA, newsletter_email="yes")
    page = read(program)
    assert page["changes"] == []
    follow()
    assert len(read(program, page["cursor"])["changes"]) == 1


def test_who_is_restricted_or_erased_is_told_at_once(portal: RunningPortal) -> None:
    """What no receipt records is not missed either."""
    program = portal.open_clinic()
    subject = decide(program, ANNA, newsletter_email="yes")["subject"]
    follow()
    since = read(program)["cursor"]
    for restricted in (True, False):
        body = {"subject": ANNA, "restricted": restricted}
        assert program.call("restrictions", body).status == 200
    for _ in range(2):
        assert program.call("erasures", {"subject": ANNA}).status == 200
    told = read(program, since)["changes"]
    assert [entry["type"] for entry in told] == [
        "subject.restricted",
        "subject.unrestricted",
        "subject.erased",
    ]
    assert {entry["subject"] for entry in told} == {subject}


def test_a_changed_contact_is_told_without_it(portal: RunningPortal) -> None:
    """A program that keeps an address learns that it is to ask again."""
    program = portal.open_clinic()
    decide(program, ANNA, newsletter_email="yes")
    body = {"subject": ANNA, "replace": ANNA, "with": {"email": "anna.new@example.org"}}
    assert program.call("contacts", body).status == 201
    follow()
    page = read(program)
    assert [entry["type"] for entry in page["changes"]] == ["consent.granted", "contact.changed"]
    assert "example.org" not in str(page)


def test_another_clinics_cursor_and_one_that_was_changed_lead_nowhere(
    portal: RunningPortal,
) -> None:
    """What one clinic was given opens nothing in another."""
    program, other = portal.open_clinic(), portal.open_clinic()
    decide(program, ANNA, newsletter_email="yes")
    follow()
    cursor = read(program)["cursor"]
    assert read(other)["changes"] == []
    changed = cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")
    for since in (changed, "x", "%00", cursor + "=", "\u2028"):
        answer = program.get(f"changes?since={since}")
        assert answer.status in {200, 422}
        assert answer.status == 422 or since == cursor + "="
    answer = other.get(f"changes?since={cursor}")
    assert (answer.status, answer.json()["title"]) == (422, "Unknown cursor")
    assert Program(other.clinic, program.key).get(f"changes?since={cursor}").status == 404


def test_a_cursor_that_is_too_old_says_so(portal: RunningPortal) -> None:
    """A program that slept for a year is told to begin again, and not that nothing happened."""
    program = portal.open_clinic()
    read(program)
    secret = get_portal().clinics.key(program.clinic).cursor_secret()
    old = write_cursor(
        secret, "changes", {"n": [0] * 4, "v": "1.0", "t": "2025-01-01T00:00:00.000Z"}
    )
    answer = program.get(f"changes?since={old}")
    assert (answer.status, answer.json()["title"]) == (410, "Cursor too old")


@pytest.mark.parametrize("limit", ["24", "501", "many", "-1", "9" * 40])
def test_a_page_has_a_limit(portal: RunningPortal, limit: str) -> None:
    """No program makes the portal read everything at once."""
    program = portal.open_clinic()
    assert program.get(f"changes?limit={limit}").status == 422


def test_many_changes_come_in_pages_in_order_for_each_person(portal: RunningPortal) -> None:
    """A program that reads page by page gets everything once."""
    program = portal.open_clinic()
    for number in range(40):
        answer = "no" if number % 3 == 2 else "yes"
        decide(program, {"email": f"p{number % 13}@example.org"}, newsletter_email=answer)
        if number % 5 == 0:
            follow()
    follow()
    seen: list[tuple[str, int]] = []
    page = read(program, limit="25")
    pages = 1
    while page["changes"]:
        seen += [(entry["subject"], entry["version"]) for entry in page["changes"]]
        page = read(program, page["cursor"], "25")
        pages += 1
    assert pages > 2
    assert len(seen) == len(set(seen)) == 40
    for subject in {subject for subject, _ in seen}:
        versions = [version for other, version in seen if other == subject]
        assert versions == list(range(1, len(versions) + 1))


def test_a_joint_controller_is_told_what_it_shares(portal: RunningPortal) -> None:
    """The pharmacy does not learn who sees a cardiologist."""
    lead = portal.open_clinic("kaunas-polyclinics")
    pills = portal.member(lead.clinic, "liepziedzio-vaistines")
    body = {
        "subject": ANNA,
        "decisions": {"data_sharing.cardiology": "yes", "data_sharing.pharmacy": "yes"},
        "declared_adult": True,
        "name": "Ona",
        "channel": "paper",
        "evidence": {"form": "K-1"},
        "effective_at": "2026-11-10T10:00:00+02:00",
    }
    assert lead.call("receipts", body).status == 201
    follow()
    assert [each["question"] for each in read(pills)["changes"]] == ["data_sharing.pharmacy"]
    assert len(read(lead)["changes"]) == 2


def test_a_new_major_version_is_told_once_when_it_is_in_force(portal: RunningPortal) -> None:
    """What a publication ends has no receipts; the program hears of it all the same."""
    program = portal.open_clinic()
    decide(program, ANNA, newsletter_email="yes")
    follow()
    since = read(program)["cursor"]
    portal_ = get_portal()
    published = portal_.directory.look_up(program.clinic).published
    [before, now] = [
        published,
        published._replace(in_force=published.in_force._replace(version="2.0")),
    ]
    assert changes._superseding(before, before.clinic, "1.4") == []  # noqa: SLF001 - the rule alone
    [entry] = changes._superseding(now, now.clinic, "1.4")  # noqa: SLF001 - as above
    assert (entry["type"], entry["notice_version"]) == ("notice.superseded", "2.0")
    assert NEWS in entry["questions"]
    assert read(program, since)["changes"] == []
