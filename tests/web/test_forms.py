import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Channel
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import receipt_id
from chalicelib.domain.guardians import Guardian
from chalicelib.domain.submission import FieldError, FormAnswers
from chalicelib.notices.document import read_clinic
from chalicelib.store.encryption import ClinicKey
from chalicelib.web.form_state import FormState, new_nonce
from chalicelib.web.forms import read_consent as read_consent_at
from chalicelib.web.forms import read_withdrawal, read_written_to
from tests.cast import ANNA, RIGA, TBILISI
from tests.factories import EVENING, MORNING, a_document

CLINIC = read_clinic(a_document())
ADULTS_ONLY = read_clinic(a_document(age={"minimum": 18}))
EMAIL_YES = {"decision.newsletter.email": "yes", "email": "anna.ozola@example.org"}
SECRET = ClinicKey(RIGA, b"r" * 32).form_secret()
STATE = FormState(new_nonce(), "1.0", "lv", "ab" * 32, "reception", Channel.QR, MORNING)


def read_consent(clinic: Clinic, fields: Mapping[str, list[str]]) -> FormAnswers:
    """Read a consent form that is sent this evening."""
    return read_consent_at(clinic, fields, EVENING)


def sent(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give fields as they arrive: each a list."""
    return {name: value if isinstance(value, list) else [value] for name, value in fields.items()}


def problems(submission: FormAnswers) -> set[tuple[str, str]]:
    """Give the faults as pairs of field and problem."""
    return problems_of(submission.errors)


def problems_of(faults: Iterable[FieldError]) -> set[tuple[str, str]]:
    """Give faults as pairs of field and problem."""
    return {(fault.field, fault.problem) for fault in faults}


def test_a_yes_a_no_and_a_question_left_open_are_three_things() -> None:
    """What a patient does not answer is not answered for them (GDPR recital 32)."""
    said = read_consent(CLINIC, sent({**EMAIL_YES, "decision.newsletter.sms": "no"}))
    assert said.answers == {"newsletter.email": Answer.YES, "newsletter.sms": Answer.NO}
    assert said.contacts == (ANNA,)
    assert not said.errors


def test_saying_no_needs_no_contact() -> None:
    """A refusal costs nothing: not even an address."""
    said = read_consent(
        CLINIC, sent({"decision.newsletter.email": "no", "decision.research": "no"})
    )
    assert not said.errors
    assert said.contacts == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, {("decision.newsletter.email", "nothing_decided")}, id="nothing"),
        pytest.param(
            {"email": "anna@example.org"},
            {("decision.newsletter.email", "nothing_decided")},
            id="no answer",
        ),
        pytest.param(
            {"decision.news": "yes"}, {("errors", "question_closed")}, id="no longer asked"
        ),
        pytest.param(
            {**EMAIL_YES, "decision.news": "yes"},
            {("errors", "question_closed")},
            id="one no longer asked",
        ),
        pytest.param(
            {"decision.research": "maybe"},
            {("decision.research", "answer_unclear")},
            id="neither Yes nor No",
        ),
        pytest.param(
            {"decision.research": ["yes", "no"]},
            {("decision.research", "answer_unclear")},
            id="both",
        ),
        pytest.param(
            {"decision.newsletter.email": "yes"},
            {("email", "email_missing")},
            id="e-mail news without e-mail",
        ),
        pytest.param(
            {"decision.newsletter.sms": "yes"},
            {("phone", "phone_missing")},
            id="text messages without phone",
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
            {"decision.research": "yes", "phone": "26123456"},
            {("name", "name_missing")},
            id="without a name",
        ),
        pytest.param(
            {**EMAIL_YES, "email": "anna"}, {("email", "email_invalid")}, id="half an address"
        ),
        pytest.param(
            {**EMAIL_YES, "phone": "12"},
            {("phone", "phone_invalid")},
            id="a slip in what was not asked for",
        ),
        pytest.param({**EMAIL_YES, "email": " "}, {("email", "email_missing")}, id="a blank"),
        pytest.param(
            {**EMAIL_YES, "email": "a" * 5000}, {("email", "email_invalid")}, id="far too long"
        ),
    ],
)
def test_each_fault_names_its_field(
    fields: Mapping[str, Any], expected: set[tuple[str, str]]
) -> None:
    """The page leads the patient to what is to be mended, and to nothing else."""
    assert problems(read_consent(CLINIC, sent(fields))) == expected


def test_a_patient_with_a_phone_only_is_a_full_patient() -> None:
    """Nobody needs an e-mail address to decide."""
    said = read_consent(CLINIC, sent({"decision.newsletter.sms": "yes", "phone": "26 123 456"}))
    assert said.contacts == (Contact(ContactKind.PHONE, "+37126123456"),)
    assert not said.errors


def with_research(**changed: Any) -> Clinic:
    """Give the clinic with its question about research changed."""
    *others, research = a_document()["purposes"]
    return read_clinic(a_document(purposes=[*others, {**research, **changed}]))


ABROAD, LANDLINE, NOBODYS = "+447911123456", "+371 6700 0001", "+371 55555555"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            {"decision.newsletter.sms": "yes", "phone": ABROAD}, "phone_no_texts", id="abroad"
        ),
        pytest.param(
            {"decision.newsletter.sms": "yes", "phone": LANDLINE}, "phone_no_texts", id="a landline"
        ),
        pytest.param(
            {"decision.newsletter.sms": "yes", "phone": NOBODYS}, "phone_invalid", id="nobody's"
        ),
        pytest.param(
            {"decision.research": "yes", "name": "Anna", "phone": ABROAD},
            None,
            id="needs no text message",
        ),
        pytest.param({"decision.newsletter.sms": "no", "phone": ABROAD}, None, id="a No"),
        pytest.param({**EMAIL_YES, "phone": ABROAD}, None, id="confirmed by e-mail"),
    ],
)
def test_a_number_that_takes_no_text_message_is_refused_only_where_one_is_needed(
    fields: Mapping[str, Any], expected: str | None
) -> None:
    """Who has a phone from abroad decides by it all the same, and is told at once where that cannot
    work.
    """
    said = read_consent(with_research(legal_basis="consent"), sent(fields))
    assert problems(said) == ({("phone", expected)} if expected else set())
    assert any(contact.kind is ContactKind.PHONE for contact in said.contacts)


def test_a_yes_that_waits_for_a_phone_without_text_messages_asks_for_an_email() -> None:
    """Nobody waits for a code that can never come."""
    clinic = with_research(confirm=True, needs=["contact"])
    fields = {"decision.research": "yes", "phone": LANDLINE}
    assert problems(read_consent(clinic, sent(fields))) == {("phone", "phone_no_texts_email")}
    assert not read_consent(clinic, sent({**fields, "email": "anna.ozola@example.org"})).errors


def test_a_phone_from_abroad_withdraws() -> None:
    """Taking back is as easy as giving, whatever can be sent to the number."""
    for number in (ABROAD, LANDLINE, NOBODYS):
        said = read_withdrawal(CLINIC, sent({"all": "yes", "phone": number}))
        assert not said.errors
        assert said.contacts


def test_a_link_is_promised_only_where_a_message_can_come() -> None:
    """Nobody waits at the page for a link that is never sent; the answer depends on the number
    alone.
    """
    for number in (ABROAD, LANDLINE):
        assert problems_of(read_written_to(CLINIC, sent({"phone": number}))[1]) == {
            ("phone", "phone_no_texts_email")
        }
    assert not read_written_to(CLINIC, sent({"phone": ABROAD, "email": "anna.ozola@example.org"}))[
        1
    ]
    assert not read_written_to(CLINIC, sent({"phone": "26123456"}))[1]


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
    assert (
        ("adult", "adult_missing") in problems(read_consent(ADULTS_ONLY, sent(fields)))
    ) == missing


@given(
    st.dictionaries(
        st.sampled_from([f"decision.{each}" for each in CLINIC.questions]),
        st.lists(st.text(), max_size=3),
    )
)
def test_nothing_but_a_plain_yes_or_no_is_ever_an_answer(fields: dict[str, list[str]]) -> None:
    """No odd value, blank or repetition turns into a decision."""
    said = read_consent(CLINIC, fields)
    for address in CLINIC.questions:
        given = set(fields.get(f"decision.{address}", [])) - {""}
        assert (address in said.answers) == (given in ({"yes"}, {"no"}))
    assert said.answers or said.errors


def test_a_withdrawal_takes_a_contact_and_what_to_stop() -> None:
    """One field and one choice, and it is over: no more steps than saying Yes (GDPR Art. 7(3))."""
    said = read_withdrawal(
        CLINIC, sent({"email": "Anna.Ozola@example.org", "purpose": ["newsletter"]})
    )
    assert said.answers == {"newsletter.email": Answer.WITHDRAW, "newsletter.sms": Answer.WITHDRAW}
    assert said.contacts == (ANNA,)
    assert not said.errors
    assert not said.everything


def test_withdrawing_all_names_every_question_and_more() -> None:
    """“Stop everything” is one box."""
    said = read_withdrawal(CLINIC, sent({"phone": "26123456", "all": "yes"}))
    assert set(said.answers) == set(CLINIC.questions)
    assert said.everything


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            {}, {("purpose", "nothing_chosen"), ("email", "contact_missing")}, id="nothing"
        ),
        pytest.param(
            {"email": "anna@example.org"}, {("purpose", "nothing_chosen")}, id="nothing chosen"
        ),
        pytest.param({"all": "yes"}, {("email", "contact_missing")}, id="by nobody"),
        pytest.param(
            {"all": "yes", "email": "anna"}, {("email", "email_invalid")}, id="half an address"
        ),
        pytest.param(
            {"purpose": ["news"], "email": "anna@example.org"},
            {("purpose", "purpose_unknown")},
            id="unknown",
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
    assert FormState.from_token(SECRET, STATE.to_token(SECRET), "2026-11-22T10:15:00.000Z") == STATE


@pytest.mark.parametrize(
    "harm", [str.swapcase, lambda sealed: sealed[:-1], lambda sealed: f"x{sealed}", lambda _: ""]
)
def test_a_state_somebody_changed_is_no_state(harm: Any) -> None:
    """Nobody can claim to have been shown another text."""
    assert FormState.from_token(SECRET, harm(STATE.to_token(SECRET)), MORNING) is None


def test_a_state_of_the_other_clinic_is_no_state() -> None:
    """What one clinic's page says counts at that clinic alone."""
    other = ClinicKey(TBILISI, b"t" * 32).form_secret()
    assert FormState.from_token(SECRET, STATE.to_token(other), MORNING) is None


def test_a_page_left_open_too_long_is_shown_anew() -> None:
    """What one patient left on a shared computer cannot be sent by the next."""
    assert FormState.from_token(SECRET, STATE.to_token(SECRET), "2026-11-22T10:15:00.001Z") is None


def test_a_page_of_a_time_to_come_is_shown_anew() -> None:
    """No clock that ran ahead makes a page last longer."""
    assert FormState.from_token(SECRET, STATE.to_token(SECRET), "2026-11-22T08:14:59.999Z") is None


def test_a_page_is_signed_by_hmac_sha256_and_by_nothing_weaker() -> None:
    """A signature of SHA-1, as pages carried before, opens no page: it is shown anew, with what was
    typed.
    """
    signature = STATE.to_token(SECRET).rpartition(".")[2]
    assert len(base64.urlsafe_b64decode(signature + "=")) == hashlib.sha256().digest_size
    earlier = str(URLSafeSerializer(SECRET, salt="open-form").dumps(STATE))
    assert FormState.from_token(SECRET, earlier, MORNING) is None
    assert FormState.from_token(SECRET, STATE.to_token(SECRET), STATE.opened_at) == STATE


def test_the_same_form_is_the_same_receipt_whichever_way_it_was_typed() -> None:
    """A second click, or the number with its country's code, is the same decision."""
    fields = {**EMAIL_YES, "phone": "26123456"}
    first, second = (
        read_consent(CLINIC, sent({**fields, "phone": phone}))
        for phone in ("26123456", "+371 26 123 456")
    )
    assert receipt_id(SECRET, STATE.nonce, first.identity()) == receipt_id(
        SECRET, STATE.nonce, second.identity()
    )
    other = read_consent(CLINIC, sent({**fields, "decision.newsletter.email": "no"}))
    assert receipt_id(SECRET, STATE.nonce, first.identity()) != receipt_id(
        SECRET, STATE.nonce, other.identity()
    )


CHILDREN_TOO = read_clinic(a_document(age={"guardian": True}))
FOR_A_CHILD = {
    **EMAIL_YES,
    "child": "yes",
    "relation": "parent",
    "child_name": "Elza Ozola",
    "child_born_day": "27",
    "child_born_month": "3",
    "child_born_year": "2016",
}


def test_a_guardian_decides_for_a_child_by_the_guardians_own_contact() -> None:
    """The child is the patient: its name is the name, and it needs no e-mail of its own."""
    said = read_consent(CHILDREN_TOO, sent({**FOR_A_CHILD, "decision.research": "yes"}))
    assert not said.errors
    assert said.guardian == Guardian("parent", "Elza Ozola", date(2016, 3, 27))
    assert (said.name, said.contacts) == ("Elza Ozola", (ANNA,))
    assert said.guardian.evidence == {"guardian": "parent"}
    assert "Elza" not in repr(said.guardian)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"relation": ""}, {("relation", "relation_missing")}, id="no relation"),
        pytest.param(
            {"relation": "aunt"}, {("relation", "relation_missing")}, id="another relation"
        ),
        pytest.param({"child_name": " "}, {("child_name", "child_name_missing")}, id="no name"),
        pytest.param({"child_born_day": ""}, {("child_born", "child_born_missing")}, id="no day"),
        pytest.param(
            {"child_born_day": "31", "child_born_month": "4"},
            {("child_born", "child_born_impossible")},
            id="31 4",
        ),
        pytest.param(
            {"child_born_month": "March"}, {("child_born", "child_born_impossible")}, id="in words"
        ),
        pytest.param(
            {"child_born_day": "²"}, {("child_born", "child_born_impossible")}, id="no digit"
        ),
        pytest.param(
            {"child_born_year": "16"}, {("child_born", "child_born_impossible")}, id="two digits"
        ),
        pytest.param(
            {"child_born_year": "1016"},
            {("child_born", "child_born_impossible")},
            id="a thousand years",
        ),
        pytest.param(
            {"child_born_year": "2027"}, {("child_born", "child_born_later")}, id="not born"
        ),
        pytest.param(
            {"child_born_year": "2013"},
            {("child_born", "child_decides_alone")},
            id="thirteen in Latvia",
        ),
        pytest.param(
            {"child_born_year": "1990"}, {("child_born", "child_decides_alone")}, id="grown up"
        ),
        pytest.param({"child": ""}, {("child", "child_unclear")}, id="not ticked"),
        pytest.param({"email": ""}, {("email", "email_missing")}, id="no contact"),
    ],
)
def test_what_is_wrong_about_a_child_is_said_where_it_is(
    changed: dict[str, str], expected: set[tuple[str, str]]
) -> None:
    """A parent mends one field, and no answer goes to the wrong person."""
    assert problems(read_consent(CHILDREN_TOO, sent({**FOR_A_CHILD, **changed}))) == expected


def test_a_child_is_too_young_until_the_evening_before_its_birthday() -> None:
    """The day counts where the clinic is: at half past eleven in Riga it is still the day before in
    London.
    """
    fields = sent(
        {**FOR_A_CHILD, "child_born_day": "23", "child_born_month": "11", "child_born_year": "2013"}
    )
    assert not read_consent_at(CHILDREN_TOO, fields, "2026-11-22T21:59:59.999Z").errors
    assert read_consent_at(CHILDREN_TOO, fields, "2026-11-22T22:00:00.000Z").errors


def test_a_clinic_may_set_another_age_below_which_a_guardian_decides() -> None:
    """Whoever decides for themselves declares that age; a guardian does not."""
    clinic = read_clinic(a_document(age={"minimum": 16, "guardian": True}))
    assert not read_consent(clinic, sent({**FOR_A_CHILD, "child_born_year": "2011"})).errors
    assert problems(read_consent(clinic, sent({**FOR_A_CHILD, "child_born_year": "2010"}))) == {
        ("child_born", "child_decides_alone")
    }
    assert problems(read_consent(clinic, sent(EMAIL_YES))) == {("adult", "adult_missing")}


@pytest.mark.parametrize("clinic", [CLINIC, ADULTS_ONLY])
def test_where_the_clinic_does_not_say_so_nobody_decides_for_a_child(clinic: Clinic) -> None:
    """An adults-only programme takes no child, whoever consents."""
    assert ("errors", "adults_only") in problems(read_consent(clinic, sent(FOR_A_CHILD)))


def test_a_guardians_no_without_a_contact_needs_nothing_of_the_child() -> None:
    """A refusal costs nothing here either; with a contact the child must be found again."""
    no = {"decision.research": "no", "child": "yes", "relation": "guardian"}
    assert not read_consent(CHILDREN_TOO, sent(no)).errors
    assert {
        field
        for field, _ in problems(read_consent(CHILDREN_TOO, sent({**no, "email": ANNA.value})))
    } == {
        "child_name",
        "child_born",
    }


def test_one_form_for_two_children_is_two_receipts() -> None:
    """A form sent again counts once; a form for the sister is another."""
    said = [
        read_consent(CHILDREN_TOO, sent({**FOR_A_CHILD, "child_name": name})).identity()
        for name in ("Elza", "Elza", "Marta")
    ]
    assert said[0] == said[1] != said[2]
