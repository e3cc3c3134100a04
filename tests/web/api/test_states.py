"""Each of the seven states, reached by what patients, staff and clinics really do."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.services import status
from tests.cast import RIGA, TBILISI
from tests.web.client import Client, Program
from tests.web.letterbox import confirm, confirmed
from tests.web.page_reader import decide, receipt_number
from tests.web.running import RunningPortal

ANNA = "anna.ozola@example.org"
YES = {"decision.newsletter.email": "yes", "email": ANNA}
STAFF = {"subject": {"email": ANNA}, "channel": "in-person"}


def _ago(**past: float) -> str:
    return (datetime.now(UTC) - timedelta(**past)).isoformat(timespec="milliseconds")


def _told(program: Program, address: str = "newsletter.email") -> dict[str, Any]:
    answer = program.call("status", {"subjects": [{"email": ANNA}], "purposes": [address]})
    told: dict[str, Any] = answer.json()["results"][0]["decisions"][address]
    return told


def test_granted_is_the_only_state_that_permits(client: Client, portal: RunningPortal) -> None:
    """A Yes to the newsletter is pending until it is confirmed; then it tells by which receipt, to
    which text.
    """
    program = portal.open_clinic()
    said = decide(client, program.clinic, YES, "?lang=ru&via=qr")
    claimed = _told(program)
    assert (claimed["state"], claimed["permitted"]) == ("pending", False)
    assert (claimed["receipt_id"], claimed["channel"]) == (receipt_number(said), "qr")
    assert claimed["assurance"] == "self-asserted"
    number = receipt_number(confirm(client, portal, program.clinic, said))
    told = _told(program)
    since = told.pop("since")
    assert told == {
        "state": "granted",
        "permitted": True,
        "restricted": False,
        "receipt_id": number,
        "version": 2,
        "notice_version": "1.0",
        "lang": "ru",
        "channel": "email-link",
        "assurance": "contact-confirmed",
        "holds_for": ["email"],
        "since_date": None,
    }
    assert since == program.receipt(number).json()["effective_at"]


def test_never_asked_refused_and_withdrawn_are_told_apart(
    client: Client, portal: RunningPortal
) -> None:
    """A No given first is a refusal, and so is one after a Yes that nobody confirmed; after a
    granted Yes it is not.
    """
    program = portal.open_clinic()
    assert _told(program)["state"] == "never_asked"
    decide(client, program.clinic, {**YES, "decision.newsletter.email": "no"})
    assert _told(program)["state"] == "refused"
    claimed, other = portal.open_clinic(), portal.open_clinic()
    decide(client, claimed.clinic, YES)
    confirmed(client, portal, other.clinic, YES)
    for each in (claimed, other):
        decide(client, each.clinic, {**YES, "decision.newsletter.email": "no"})
    assert _told(claimed)["state"] == "refused"
    assert _told(other)["state"] == "withdrawn"
    assert not _told(other)["permitted"]


def test_pending_waits_for_the_owner_of_the_contact_and_staff_can_vouch(
    client: Client, portal: RunningPortal
) -> None:
    """Anybody may type an address; staff know whom they see."""
    program = portal.open_clinic()
    decide(client, program.clinic, {**YES, "decision.newsletter.email": "no"})
    decide(client, program.clinic, YES)
    assert (_told(program)["state"], _told(program)["permitted"]) == ("pending", False)
    now = {"decisions": {"newsletter.email": "yes"}, "effective_at": _ago()}
    program.call("receipts", {**STAFF, **now})
    assert (_told(program)["state"], _told(program)["assurance"]) == ("granted", "staff-witnessed")


def test_expired_follows_from_the_date_alone(portal: RunningPortal) -> None:
    """A consent for thirty days, given forty days ago, is over though nothing has run since."""

    def thirty_days(document: dict[str, Any]) -> None:
        document["purposes"][0]["options"][0]["ends"] = "P30D"

    program = portal.open_clinic(change=thirty_days)
    program.call(
        "receipts",
        {**STAFF, "decisions": {"newsletter.email": "yes"}, "effective_at": _ago(days=20)},
    )
    assert _told(program)["state"] == "granted"
    other = portal.open_clinic(change=thirty_days)
    answer = other.call(
        "receipts",
        {**STAFF, "decisions": {"newsletter.email": "yes"}, "effective_at": _ago(days=40)},
    )
    told = _told(other)
    assert (told["state"], told["permitted"]) == ("expired", False)
    assert (
        told["since"]
        == answer.json()["expires_at"]
        == answer.json()["decisions"]["newsletter.email"]["expires_at"]
    )


def test_a_last_day_that_is_over_is_not_asked_about_and_has_ended(
    client: Client, portal: RunningPortal
) -> None:
    """A contest of last month takes no Yes; one entered late on paper has expired."""

    def last_month(document: dict[str, Any]) -> None:
        document["purposes"][0]["options"][0]["ends"] = "2026-10-31"

    program = portal.open_clinic(change=last_month)
    answer = decide(client, program.clinic, YES, "?lang=en")
    assert answer.status == 422
    assert 'name="decision.newsletter.email"' not in answer.text
    assert program.states(email=ANNA)["newsletter.email"] == "never_asked"
    paper = {
        "channel": "paper",
        "evidence": {"form": "F-1"},
        "effective_at": "2026-10-30T10:00:00+02:00",
    }
    assert (
        program.call(
            "receipts", {**STAFF, **paper, "decisions": {"newsletter.email": "yes"}}
        ).status
        == 201
    )
    assert (_told(program)["state"], _told(program)["since"]) == (
        "expired",
        "2026-10-31T22:00:00.000Z",
    )


def test_superseded_by_a_major_change_and_not_by_a_minor_one(
    client: Client, portal: RunningPortal
) -> None:
    """New wording leaves a consent as it is; a change in what is done with the data asks again."""
    program = portal.open_clinic()
    confirmed(client, portal, program.clinic, YES)
    decide(client, program.clinic, {"decision.newsletter.sms": "no", "phone": "26123456"})
    portal.republish(
        program.clinic,
        "1.1",
        lambda document: document["texts"]["intro"].update(en="Friendlier words."),
    )
    assert _told(program)["state"] == "granted"
    portal.republish(
        program.clinic,
        "2.0",
        lambda document: document["purposes"][0]["text"].update(en="And far more."),
    )
    told = _told(program)
    assert (told["state"], told["permitted"], told["notice_version"]) == (
        "superseded",
        False,
        "1.0",
    )
    assert told["since"] > program.receipt(told["receipt_id"]).json()["effective_at"]
    assert program.states(phone="26123456")["newsletter.sms"] == "refused"
    number = told["receipt_id"]
    assert client.get(f"/{program.clinic}/receipts/{number}?lang=en").status == 200


def test_a_long_history_comes_in_parts_that_make_the_whole(
    portal: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all who share a contact, in the order in which it was recorded; what comes meanwhile comes
    at the end.
    """
    program = portal.open_clinic()
    body = {
        "channel": "in-person",
        "effective_at": "2026-11-10T10:00:00+02:00",
        "decisions": {"newsletter.sms": "no"},
    }
    for number in range(7):
        subject = {"patient_ref": f"P-{number % 3}", "phone": "26123456"}
        assert program.call("receipts", {**body, "subject": subject}).status == 201
    subject = {"phone": "26123456"}
    whole = program.history(**subject)
    assert len({receipt["subject"] for receipt in whole}) == 3
    monkeypatch.setattr(status, "HISTORY", 3)
    answer, told = program.call("history", {"subject": subject}).json(), list[Any]()
    while "cursor" in answer:
        assert len(answer["receipts"]) == 3
        told += answer["receipts"]
        if len(told) == 6:
            program.call("receipts", {**body, "subject": {"patient_ref": "P-1"}})
        answer = program.call("history", {"subject": subject, "cursor": answer["cursor"]}).json()
    told += answer["receipts"]
    assert told[:-1] == whole
    assert (told[-1]["subject"], told[-1]["version"]) not in {
        (each["subject"], each["version"]) for each in whole
    }
    assert program.call("history", {"subject": subject, "cursor": "x"}).status == 422


def test_the_history_is_a_chain_that_anybody_can_check(
    client: Client, portal: RunningPortal
) -> None:
    """Oldest first, numbered without gaps, each naming the hash of the bytes before it."""
    program = portal.open_clinic()
    decide(client, program.clinic, YES)
    decide(client, program.clinic, {"decision.testimonials.text": "yes", "email": ANNA.upper()})
    client.post(f"/{program.clinic}/withdraw", {"email": ANNA, "all": "yes"})
    program.call(
        "receipts",
        {**STAFF, "decisions": {"newsletter.email": "yes"}, "effective_at": _ago(days=3)},
    )
    receipts = program.history(email=ANNA)
    assert [receipt["version"] for receipt in receipts] == [1, 2, 3, 4]
    assert [receipt["recorded_at"] for receipt in receipts] == sorted(
        receipt["recorded_at"] for receipt in receipts
    )
    assert len({receipt["subject"] for receipt in receipts}) == 1
    previous = None
    for receipt in receipts:
        assert receipt["previous"] == previous
        answer = program.receipt(receipt["id"])
        assert answer.json() == receipt
        previous = hashlib.sha256(answer.body).hexdigest()
        assert answer.headers["etag"] == f'"{previous}"'
    assert receipts[-1]["decisions"]["newsletter.email"] == {
        "answer": "yes",
        "confirm_by": None,
        "before": "withdrawn",
        "after": "withdrawn",
        "expires_at": None,
    }


@pytest.mark.parametrize("wanted", ["jwt", "PDF", ""])
def test_a_format_that_does_not_exist_is_refused(
    client: Client, portal: RunningPortal, wanted: str
) -> None:
    """Nobody mistakes JSON for something that was signed."""
    program = portal.program()
    number = receipt_number(decide(client, program.clinic, {"decision.newsletter.email": "no"}))
    assert program.receipt(number, "?format=json").status == 200
    assert program.receipt(number, f"?format={wanted}").status == (400 if wanted else 200)


def test_a_receipt_is_not_found_at_another_clinic(client: Client, portal: RunningPortal) -> None:
    """Neither with that clinic's key nor with one's own."""
    program, other = portal.program(RIGA), portal.program(TBILISI)
    number = receipt_number(decide(client, RIGA, {"decision.newsletter.email": "no"}))
    assert program.receipt(number).status == 200
    assert other.receipt(number).status == 404
    assert Program(RIGA, other.key).receipt(number).status == 404
    for nothing in ("0" * 32, "x", "a" * 2500, "../" + number):
        assert program.receipt(nothing.replace("/", "%2F")).status == 404
