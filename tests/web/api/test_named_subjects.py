"""A program that knows a subject by the opaque id alone asks by it, and learns no contact."""

import json

from tests.web.client import Program
from tests.web.running import RunningPortal

NEWS = "newsletter.email"
AT_THE_DESK = {"channel": "in-person", "effective_at": "2026-11-10T10:00:00+02:00"}


def decided(program: Program, email: str, answer: str, **more: str) -> str:
    """Record an answer at the desk, and give the opaque id of who gave it."""
    body = {"subject": {"email": email, **more}, "decisions": {NEWS: answer}, **AT_THE_DESK}
    given = program.call("receipts", body)
    assert given.status == 201, given.text
    return str(given.json()["subject"])


def asked(program: Program, subject: str) -> dict[str, object]:
    """Ask for the newsletter's status of somebody by the opaque id."""
    body = {"subjects": [{"subject_id": subject}], "purposes": ["newsletter"]}
    answer = program.call("status", body)
    assert answer.status == 200, answer.text
    return dict(answer.json()["results"][0]["decisions"][NEWS])


def test_a_subject_is_asked_about_by_the_id_its_receipts_bear(portal: RunningPortal) -> None:
    """What a webhook or the changes name can be asked about, without its contact."""
    program = portal.open_clinic()
    subject = decided(program, "anna@example.org", "yes")
    by_id = asked(program, subject)
    by_contact = program.call("status", {"subjects": [{"email": "anna@example.org"}]}).json()
    assert by_id == by_contact["results"][0]["decisions"][NEWS]
    assert by_id["permitted"] is True
    assert by_id["holds_for"] == ["email"]
    decided(program, "anna@example.org", "no")
    assert asked(program, subject)["state"] == "withdrawn"
    answer = program.call("history", {"subject": {"subject_id": subject}})
    assert [receipt["version"] for receipt in answer.json()["receipts"]] == [1, 2]
    assert "anna" not in answer.text


def test_another_who_shares_the_contact_is_heard(portal: RunningPortal) -> None:
    """Somebody's Yes does not send a letter to an address whose other owner said No."""
    program = portal.open_clinic()
    father = decided(program, "family@example.org", "no", patient_ref="P-2")
    mother = decided(program, "family@example.org", "yes", patient_ref="P-1")
    assert mother != father
    told = asked(program, mother)
    assert (told["state"], told["permitted"], told["holds_for"]) == (
        "granted",
        False,
        ["patient_ref"],
    )
    assert asked(program, father)["state"] == "refused"


def test_at_another_time_a_subject_stood_as_then(portal: RunningPortal) -> None:
    """The id can be asked about for any moment, like a contact."""
    program = portal.open_clinic()
    subject = decided(program, "anna@example.org", "yes")
    body = {"subjects": [{"subject_id": subject}], "at": "2026-11-01T00:00:00Z"}
    told = program.call("status", body).json()["results"][0]["decisions"][NEWS]
    assert told["state"] == "never_asked"


def test_the_other_clinic_and_whom_nobody_knows_are_answered_alike(portal: RunningPortal) -> None:
    """An id of another clinic teaches nothing: not even that there is such a person."""
    program, other = portal.open_clinic(), portal.open_clinic()
    subject = decided(program, "anna@example.org", "yes")
    for stranger in (subject, "0" * 32):
        assert asked(other, stranger)["state"] == "never_asked"
        answer = other.call("history", {"subject": {"subject_id": stranger}})
        assert answer.json() == {"receipts": []}


def test_who_was_erased_is_nobody_by_the_id_too(portal: RunningPortal) -> None:
    """What is kept of an erased person is proof, and no answer to a program."""
    program = portal.open_clinic()
    subject = decided(program, "anna@example.org", "yes")
    assert program.call("erasures", {"subject": {"email": "anna@example.org"}}).status == 200
    assert asked(program, subject)["state"] == "never_asked"
    answer = program.call("history", {"subject": {"subject_id": subject}})
    assert answer.json() == {"receipts": []}


def test_what_is_no_id_answers_for_itself(portal: RunningPortal) -> None:
    """A program is told which of its subjects it wrote wrongly, and gets the others."""
    program = portal.open_clinic()
    subjects = [
        {"subject_id": "anna@example.org"},
        {"subject_id": 7},
        {"subject_id": "0" * 32, "email": "anna@example.org"},
        {"subject_id": "0" * 32},
    ]
    answer = program.call("status", {"subjects": subjects})
    results = answer.json()["results"]
    pointers = [result.get("error", {}).get("pointer") for result in results]
    assert pointers == ["/subjects/0/subject_id", "/subjects/1/subject_id", "/subjects/2", None]
    assert json.dumps(results).count("anna@example.org") == 2, "only as it was sent"
    assert program.call("history", {"subject": {"subject_id": "x"}}).status == 422
