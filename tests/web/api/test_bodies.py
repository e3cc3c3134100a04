import contextlib
import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.consent import Answer, Channel
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.notices.document import read_clinic
from chalicelib.services.authorized_call import InvalidBodyError
from chalicelib.web.api.body_reader import cursor, read_body
from chalicelib.web.api.decisions import read_staff_receipt, read_staff_withdrawal
from chalicelib.web.api.status import read_history, read_status
from tests.cast import ANNA, ANNA_PHONE
from tests.factories import EVENING, MORNING, NOON, a_document

CLINIC = read_clinic(a_document())
SUBJECT = {"email": "Anna.Ozola@example.org"}
ON_PAPER: dict[str, Any] = {
    "subject": SUBJECT,
    "decisions": {"newsletter.email": "yes", "research": "no"},
    "channel": "paper",
    "effective_at": "2026-11-22T10:15:00+02:00",
    "evidence": {"form": "F-17", "sha256": "0" * 64},
}
WITHDRAWN: dict[str, Any] = {
    "subject": {"phone": "26 123 456"},
    "purposes": ["newsletter"],
    "channel": "phone",
    "effective_at": MORNING,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def pointers(read: Any, body: Mapping[str, Any], now: str = NOON) -> set[str]:
    """Give the places of the faults a reader finds; nothing sent may stand in their details."""
    with pytest.raises(InvalidBodyError) as caught:
        read_body(read, CLINIC, body, now)
    return {error["pointer"] for error in caught.value.errors}


def test_a_status_question_keeps_the_order_and_the_words_of_who_asks() -> None:
    """A program finds each answer where it put the question."""
    subjects = [{"phone": "8 26123456"}, SUBJECT, {"patient_ref": "P-1", "email": "b@example.org"}]
    asked = read_body(
        read_status,
        CLINIC,
        {"subjects": subjects, "purposes": ["research", "newsletter", "newsletter.sms"]},
        NOON,
    )
    assert asked.as_sent == tuple(subjects)
    assert asked.subjects[:2] == ((ANNA_PHONE,), (ANNA,))
    assert [contact.kind for contact in asked.subjects[2]] == [
        ContactKind.REFERENCE,
        ContactKind.EMAIL,
    ]
    assert asked.questions == ("research", "newsletter.email", "newsletter.sms")
    assert len(asked.contacts) == 4


def test_without_purposes_everything_the_notice_asks_is_told() -> None:
    """The simplest question gets the whole answer."""
    assert read_body(read_status, CLINIC, {"subjects": [SUBJECT]}, NOON).questions == tuple(
        CLINIC.questions
    )


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, {"/subjects"}),
        ({"subjects": []}, {"/subjects"}),
        ({"subjects": [SUBJECT] * 101}, {"/subjects"}),
        ({"subjects": "anna"}, {"/subjects"}),
        ({"subjects": [SUBJECT], "purposes": []}, {"/purposes"}),
        ({"subjects": [SUBJECT], "purposes": ["research", "x", 7]}, {"/purposes/1", "/purposes/2"}),
        ({"subjects": [SUBJECT], "purpose": "research"}, {"/purpose"}),
        ({"subjects": [SUBJECT], "at": "yesterday"}, {"/at"}),
        ({"subjects": [SUBJECT], "at": None, "known_at": "2026-11-22"}, {"/at", "/known_at"}),
        ({"subjects": [SUBJECT], "known_at": EVENING}, {"/known_at"}),
        ({"subjects": [SUBJECT], "a/b~c": 1}, {"/a~1b~0c"}),
    ],
)
def test_a_status_question_that_cannot_be_read_says_where(
    body: Mapping[str, Any], places: set[str]
) -> None:
    """A programmer finds the fault from the answer alone (RFC 6901 pointers)."""
    assert pointers(read_status, body, NOON) == places


@pytest.mark.parametrize(
    ("subject", "place"),
    [
        ({}, ""),
        ({"name": "Anna"}, ""),
        (None, ""),
        ({"email": "anna"}, "/email"),
        ({"phone": None}, "/phone"),
        ({"patient_ref": "x" * 65}, "/patient_ref"),
    ],
)
def test_a_subject_that_names_nobody_is_its_own_fault(subject: object, place: str) -> None:
    """And nobody is looked up for it, not even by what it has beside the fault."""
    asked = read_body(read_status, CLINIC, {"subjects": [SUBJECT, subject]}, NOON)
    assert {number: fault["pointer"] for number, fault in asked.faults.items()} == {
        1: f"/subjects/1{place}"
    }
    assert (len(asked.subjects[0]), asked.subjects[1]) == (len(asked.contacts), ())


def test_another_time_is_asked_for_by_either_clock() -> None:
    """What was true in the morning, as known in the evening; a mailing of next week may ask
    ahead.
    """
    body = {
        "subjects": [SUBJECT],
        "at": "2026-11-22T10:15:00+02:00",
        "known_at": "2026-11-22t10:15:00z",
    }
    asked = read_body(read_status, CLINIC, body, NOON)
    assert (asked.at, asked.known_at) == (MORNING, "2026-11-22T10:15:00.000Z")
    assert (
        read_body(read_status, CLINIC, {"subjects": [SUBJECT], "at": EVENING}, NOON).at == EVENING
    )


def test_a_hundred_subjects_are_one_question() -> None:
    """A mailing list is checked in one call."""
    assert len(read_body(read_status, CLINIC, {"subjects": [SUBJECT] * 100}, NOON).subjects) == 100


def test_history_is_of_one_subject() -> None:
    """One person's file, found by any of their contacts."""
    assert read_body(
        read_history, CLINIC, {"subject": {"email": ANNA.value, "phone": "26123456"}}, NOON
    ).contacts == (
        ANNA,
        ANNA_PHONE,
    )
    assert pointers(read_history, {"subject": [SUBJECT], "purposes": []}) == {
        "/subject",
        "/purposes",
    }


@pytest.mark.parametrize(
    "given",
    [7, None, [], "", "x", "é", "AA==", "bnVsbA==", "W10=", "eyJhIjogIngifQ==", "eyJhIjogMWU5OTl9"],
)
def test_a_cursor_that_no_answer_gave_is_refused(given: object) -> None:
    """Numbers, lists, null and infinity in base64 too."""
    assert pointers(read_history, {"subject": SUBJECT, "cursor": given}) == {"/cursor"}


def test_a_cursor_says_by_person_what_was_given_last() -> None:
    """What it says of anybody else is never looked at: people are found by the contact alone."""
    said = {"subject": SUBJECT, "cursor": cursor({"a" * 32: 7})}
    assert read_body(read_history, CLINIC, said, NOON).behind == {"a" * 32: 7}
    assert read_body(read_history, CLINIC, {"subject": SUBJECT}, NOON).behind == {}


def test_a_decision_on_paper_is_read_with_its_day_and_its_form() -> None:
    """What was signed in the morning is true from the morning, and the sheet can be found."""
    decision = read_body(read_staff_receipt, CLINIC, ON_PAPER, EVENING)
    assert decision.answers == {"newsletter.email": Answer.YES, "research": Answer.NO}
    assert decision.effective_at == MORNING
    assert decision.channel is Channel.PAPER
    assert decision.evidence == {"form": "F-17", "sha256": "0" * 64}
    assert decision.lang == "lv"
    assert decision.contacts == (ANNA,)


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"subject": None}, {"/subject"}),
        ({"decisions": {}}, {"/decisions"}),
        ({"decisions": {"newsletter": "yes"}}, {"/decisions/newsletter"}),
        ({"decisions": {"research": "granted"}}, {"/decisions/research"}),
        ({"decisions": {"research": True}}, {"/decisions/research"}),
        ({"decisions": {"a/b": "yes"}}, {"/decisions/a~1b"}),
        ({"channel": "web"}, {"/channel"}),
        ({"channel": None}, {"/channel"}),
        ({"effective_at": None}, {"/effective_at"}),
        ({"effective_at": "2026-11-22T10:15:00"}, {"/effective_at"}),
        ({"effective_at": "2026-11-22T18:36:00Z"}, {"/effective_at"}),
        ({"evidence": None}, {"/evidence/form"}),
        ({"evidence": {}}, {"/evidence/form"}),
        ({"evidence": {"form": "x" * 201}}, {"/evidence/form"}),
        ({"evidence": {"form": "F-17", "sha256": "0"}}, {"/evidence/sha256"}),
        ({"evidence": {"form": "F-17", "scan": "…"}}, {"/evidence"}),
        ({"evidence": {"form": "\ud800"}}, {"/evidence/form"}),
        ({"name": ""}, {"/name"}),
        ({"name": "x" * 121}, {"/name"}),
        ({"name": "\ud800"}, {"/name"}),
        ({"lang": "ru"}, {"/lang"}),
        ({"all": True}, {"/all"}),
    ],
)
def test_a_staff_decision_that_cannot_be_read_says_where(
    change: Mapping[str, Any], places: set[str]
) -> None:
    """Nothing half understood is recorded in a patient's name."""
    assert pointers(read_staff_receipt, {**ON_PAPER, **change}, EVENING) == places


@pytest.mark.parametrize("channel", ["phone", "in-person"])
@pytest.mark.parametrize(
    "evidence", [{"witness": "Ilze"}, {"form": "Note 7"}, {"form": "Note 7", "witness": "Ilze"}]
)
def test_of_a_call_or_a_talk_there_may_be_a_witness_a_note_or_both(
    channel: str, evidence: dict[str, str]
) -> None:
    """What was only said can be proved too."""
    body = {**ON_PAPER, "channel": channel, "evidence": evidence}
    assert read_body(read_staff_receipt, CLINIC, body, EVENING).evidence == evidence
    assert pointers(read_staff_receipt, {**body, "evidence": {}}, EVENING) == {"/evidence/form"}
    scanned = {**body, "evidence": {"witness": "Ilze", "sha256": "0" * 64}}
    assert pointers(read_staff_receipt, scanned, EVENING) == {"/evidence/form"}
    on_paper = {**ON_PAPER, "evidence": {"witness": "Ilze"}}
    assert pointers(read_staff_receipt, on_paper, EVENING) == {"/evidence/form"}


@pytest.mark.parametrize(
    "line", ["K-2026/11-0042", "15.11.2026/3", "7", "Anna Ozola, tel. +371 26 123 456"]
)
def test_evidence_is_written_as_the_clinic_likes(line: str) -> None:
    """It is kept sealed and goes with an erasure, so it may name somebody."""
    evidence = {"form": line, "witness": line}
    assert (
        read_body(read_staff_receipt, CLINIC, {**ON_PAPER, "evidence": evidence}, EVENING).evidence
        == evidence
    )


def test_a_clock_a_little_ahead_is_forgiven_and_never_makes_the_future() -> None:
    """The reception's computer may be two minutes fast."""
    body = {**ON_PAPER, "effective_at": "2026-11-22T18:32:00Z"}
    assert read_body(read_staff_receipt, CLINIC, body, EVENING).effective_at == EVENING


def test_a_withdrawal_names_purposes_or_all_of_them() -> None:
    """Staff can stop one thing, or everything, on the phone."""
    one = read_body(read_staff_withdrawal, CLINIC, WITHDRAWN, EVENING)
    assert one.answers == dict.fromkeys(("newsletter.email", "newsletter.sms"), Answer.WITHDRAW)
    assert not one.everything
    body = {name: value for name, value in WITHDRAWN.items() if name != "purposes"}
    every = read_body(read_staff_withdrawal, CLINIC, {**body, "all": True}, EVENING)
    assert set(every.answers) == set(CLINIC.questions)
    assert every.everything


@pytest.mark.parametrize(
    "change",
    [
        {"all": True},
        {"purposes": []},
        {"purposes": None},
        {"purposes": ["news"]},
        {"decisions": {"research": "no"}},
    ],
)
def test_a_withdrawal_that_could_mean_two_things_is_refused(change: Mapping[str, Any]) -> None:
    """Nobody guesses how much a patient wanted to stop."""
    assert pointers(read_staff_withdrawal, {**WITHDRAWN, **change}, EVENING)


@pytest.mark.parametrize("typed", ["anna.ozola#example.org", "26-12-secret"])
def test_an_error_never_repeats_a_contact(typed: str) -> None:
    """An error report can be pasted into a ticket."""
    subjects = [{"email": typed}, {"phone": typed}, {"email": ANNA.value, "x": typed}]
    told = str(read_body(read_status, CLINIC, {"subjects": subjects}, NOON).faults)
    for subject in subjects:
        with pytest.raises(InvalidBodyError) as caught:
            read_body(read_history, CLINIC, {"subject": subject}, NOON)
        told += f"{caught.value} {caught.value.errors}"
    assert told.count("pointer") == 2 * len(subjects)
    assert typed not in told
    assert ANNA.value not in told


@given(st.sampled_from(sorted({*ON_PAPER, *WITHDRAWN, "name", "lang", "all"})), JSON)
def test_whatever_stands_in_a_field_the_body_is_read_or_refused_by_name(
    field: str, value: Any
) -> None:
    """No program's mistake is the portal's crash, and what is read can be written down."""
    for read, body in ((read_staff_receipt, ON_PAPER), (read_staff_withdrawal, WITHDRAWN)):
        changed = {**copy.deepcopy(body), field: value}
        with contextlib.suppress(InvalidBodyError):
            decision = read_body(read, CLINIC, changed, EVENING)
            f"{decision.name}{decision.evidence}{decision.lang}".encode()
            assert all(isinstance(contact, Contact) for contact in decision.contacts)


@pytest.mark.parametrize(
    ("change", "pointer", "slip"),
    [
        (
            {"purposes": "newsletter"},
            "/purposes",
            "A text, where a list is due: put it in brackets.",
        ),
        (
            {"subject": {"phone": 37126123456}},
            "/subject/phone",
            "A number or a truth value, where a text is due",
        ),
        (
            {"notice_version": 1.0},
            "/notice_version",
            "A number or a truth value, where a text is due",
        ),
    ],
)
def test_a_slip_in_a_body_is_told_as_what_it_is(
    change: Mapping[str, Any], pointer: str, slip: str
) -> None:
    """A program's author learns that quotes or brackets are missing, and not that a phone number is
    wrong.
    """
    with pytest.raises(InvalidBodyError) as caught:
        read_body(read_staff_withdrawal, CLINIC, {**WITHDRAWN, **change}, NOON)
    [error] = caught.value.errors
    assert error["pointer"] == pointer
    assert error["detail"].startswith(slip)
    assert "37126123456" not in error["detail"]
