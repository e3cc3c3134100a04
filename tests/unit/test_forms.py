from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.clinic_document import read_clinic
from chalicelib.consent import Answer, Channel
from chalicelib.contact import Contact, Kind
from chalicelib.forms import FormState, Submission, new_nonce, read_consent, read_withdrawal
from chalicelib.receipts import receipt_id
from chalicelib.vault import ClinicKey
from tests.acts import MORNING, a_document
from tests.cast import ANNA, RIGA, TBILISI

CLINIC = read_clinic(a_document())
ADULTS_ONLY = read_clinic(a_document(age={"minimum": 18}))
EMAIL_YES = {"decision.newsletter.email": "yes", "email": "anna.ozola@example.org"}
SECRET = ClinicKey(RIGA, b"r" * 32).form_secret()
STATE = FormState(new_nonce(), "1.0", "lv", "ab" * 32, "reception", Channel.QR, MORNING)


def sent(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give fields as they arrive: each a list."""
    return {name: value if isinstance(value, list) else [value] for name, value in fields.items()}


def problems(submission: Submission) -> set[tuple[str, str]]:
    """Give the faults as pairs of field and problem."""
    return {(fault.field, fault.problem) for fault in submission.faults}


def test_a_yes_a_no_and_a_question_left_open_are_three_things() -> None:
    """What a patient does not answer is not answered for them (GDPR recital 32)."""
    said = read_consent(CLINIC, sent({**EMAIL_YES, "decision.newsletter.sms": "no"}))
    assert said.answers == {"newsletter.email": Answer.YES, "newsletter.sms": Answer.NO}
    assert said.contacts == (ANNA,)
    assert not said.faults


def test_saying_no_needs_no_contact() -> None:
    """A refusal costs nothing: not even an address."""
    said = read_consent(CLINIC, sent({"decision.newsletter.email": "no", "decision.research": "no"}))
    assert not said.faults
    assert said.contacts == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, {("decision.newsletter.email", "nothing_decided")}, id="nothing"),
        pytest.param({"email": "anna@example.org"}, {("decision.newsletter.email", "nothing_decided")}, id="no answer"),
        pytest.param({"decision.news": "yes"}, {("errors", "question_closed")}, id="no longer asked"),
        pytest.param({**EMAIL_YES, "decision.news": "yes"}, {("errors", "question_closed")}, id="one no longer asked"),
        pytest.param(
            {"decision.research": "maybe"}, {("decision.research", "answer_unclear")}, id="neither Yes nor No"
        ),
        pytest.param({"decision.research": ["yes", "no"]}, {("decision.research", "answer_unclear")}, id="both"),
        pytest.param(
            {"decision.newsletter.email": "yes"}, {("email", "email_missing")}, id="e-mail news without e-mail"
        ),
        pytest.param(
            {"decision.newsletter.sms": "yes"}, {("phone", "phone_missing")}, id="text messages without phone"
        ),
        pytest.param(
            {"decision.newsletter.sms": "yes", "email": "anna@example.org"},
            {("phone", "phone_missing")},
            id="text messages to an e-mail address",
        ),
        pytest.param(
            {"decision.research": "yes"},
            {("email", "contact_missing"), ("name", "name_missing")},
            id="research by nobody",
        ),
        pytest.param(
            {"decision.research": "yes", "phone": "26123456"}, {("name", "name_missing")}, id="without a name"
        ),
        pytest.param({**EMAIL_YES, "email": "anna"}, {("email", "email_invalid")}, id="half an address"),
        pytest.param({**EMAIL_YES, "phone": "12"}, {("phone", "phone_invalid")}, id="a slip in what was not asked for"),
        pytest.param({**EMAIL_YES, "email": " "}, {("email", "email_missing")}, id="a blank"),
        pytest.param({**EMAIL_YES, "email": "a" * 5000}, {("email", "email_invalid")}, id="far too long"),
    ],
)
def test_each_fault_names_its_field(fields: Mapping[str, Any], expected: set[tuple[str, str]]) -> None:
    """The page leads the patient to what is to be mended, and to nothing else."""
    assert problems(read_consent(CLINIC, sent(fields))) == expected


def test_a_patient_with_a_phone_only_is_a_full_patient() -> None:
    """Nobody needs an e-mail address to decide."""
    said = read_consent(CLINIC, sent({"decision.newsletter.sms": "yes", "phone": "26 123 456"}))
    assert said.contacts == (Contact(Kind.PHONE, "+37126123456"),)
    assert not said.faults


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        (EMAIL_YES, True),
        ({**EMAIL_YES, "adult": "yes"}, False),
        ({**EMAIL_YES, "adult": "no"}, True),
        ({"decision.research": "no"}, False),
    ],
)
def test_where_the_clinic_asks_a_yes_comes_with_the_adult_declaration(
    fields: Mapping[str, Any], *, missing: bool
) -> None:
    """A minor's Yes is not taken; a No always is."""
    assert (("adult", "adult_missing") in problems(read_consent(ADULTS_ONLY, sent(fields)))) == missing


@given(
    st.dictionaries(st.sampled_from([f"decision.{each}" for each in CLINIC.questions]), st.lists(st.text(), max_size=3))
)
def test_nothing_but_a_plain_yes_or_no_is_ever_an_answer(fields: dict[str, list[str]]) -> None:
    """No odd value, blank or repetition turns into a decision."""
    said = read_consent(CLINIC, fields)
    for address in CLINIC.questions:
        given = set(fields.get(f"decision.{address}", [])) - {""}
        assert (address in said.answers) == (given in ({"yes"}, {"no"}))
    assert said.answers or said.faults


def test_a_withdrawal_takes_a_contact_and_what_to_stop() -> None:
    """One field and one choice, and it is over: no more steps than saying Yes (GDPR Art. 7(3))."""
    said = read_withdrawal(CLINIC, sent({"email": "Anna.Ozola@example.org", "purpose": ["newsletter"]}))
    assert said.answers == {"newsletter.email": Answer.WITHDRAW, "newsletter.sms": Answer.WITHDRAW}
    assert said.contacts == (ANNA,)
    assert not said.faults
    assert not said.everything


def test_withdrawing_all_names_every_question_and_more() -> None:
    """“Stop everything” is one box."""
    said = read_withdrawal(CLINIC, sent({"phone": "26123456", "all": "yes"}))
    assert set(said.answers) == set(CLINIC.questions)
    assert said.everything


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, {("purpose", "nothing_chosen"), ("email", "contact_missing")}, id="nothing"),
        pytest.param({"email": "anna@example.org"}, {("purpose", "nothing_chosen")}, id="nothing chosen"),
        pytest.param({"all": "yes"}, {("email", "contact_missing")}, id="by nobody"),
        pytest.param({"all": "yes", "email": "anna"}, {("email", "email_invalid")}, id="half an address"),
        pytest.param(
            {"purpose": ["news"], "email": "anna@example.org"}, {("purpose", "purpose_unknown")}, id="unknown"
        ),
    ],
)
def test_a_withdrawal_that_cannot_be_carried_out_says_why(
    fields: Mapping[str, Any], expected: set[tuple[str, str]]
) -> None:
    """Nobody believes to have withdrawn who has not."""
    assert problems(read_withdrawal(CLINIC, sent(fields))) == expected


def test_an_open_page_remembers_what_it_showed() -> None:
    """The receipt names the text the patient read, not the one published meanwhile."""
    assert FormState.opened(SECRET, STATE.sealed(SECRET), "2026-11-22T10:15:00.000Z") == STATE


@pytest.mark.parametrize("harm", [str.swapcase, lambda sealed: sealed[:-1], lambda sealed: f"x{sealed}", lambda _: ""])
def test_a_state_somebody_changed_is_no_state(harm: Any) -> None:
    """Nobody can claim to have been shown another text."""
    assert FormState.opened(SECRET, harm(STATE.sealed(SECRET)), MORNING) is None


def test_a_state_of_the_other_clinic_is_no_state() -> None:
    """What one clinic's page says counts at that clinic alone."""
    other = ClinicKey(TBILISI, b"t" * 32).form_secret()
    assert FormState.opened(SECRET, STATE.sealed(other), MORNING) is None


def test_a_page_left_open_too_long_is_shown_anew() -> None:
    """What one patient left on a shared computer cannot be sent by the next."""
    assert FormState.opened(SECRET, STATE.sealed(SECRET), "2026-11-22T10:15:00.001Z") is None


def test_a_page_of_a_time_to_come_is_shown_anew() -> None:
    """No clock that ran ahead makes a page last longer."""
    assert FormState.opened(SECRET, STATE.sealed(SECRET), "2026-11-22T08:14:59.999Z") is None


def test_the_same_form_is_the_same_receipt_whichever_way_it_was_typed() -> None:
    """A second click, or the number with its country's code, is the same decision."""
    fields = {**EMAIL_YES, "phone": "26123456"}
    first, second = (
        read_consent(CLINIC, sent({**fields, "phone": phone})) for phone in ("26123456", "+371 26 123 456")
    )
    assert receipt_id(STATE.nonce, first.said()) == receipt_id(STATE.nonce, second.said())
    other = read_consent(CLINIC, sent({**fields, "decision.newsletter.email": "no"}))
    assert receipt_id(STATE.nonce, first.said()) != receipt_id(STATE.nonce, other.said())
