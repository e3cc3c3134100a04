"""An answer says for which of the contacts given it holds: a contact nobody confirmed permits
nothing for itself.
"""

from typing import Any

import pytest

from tests.web.client import Client, Program
from tests.web.letterbox import confirmed
from tests.web.page_reader import decide
from tests.web.running import RunningPortal, counts_at_once

EMAIL, SMS, SHARED = "newsletter.email", "newsletter.sms", "data_sharing.skin_institute"
NUMBER = {"patient_ref": "P-1024"}
ANNA, OTHER = {"email": "anna.ozola@example.org"}, {"email": "somebody.else@example.org"}
PHONE = {"phone": "26123456"}
WHEN = "2026-11-20T10:00:00+02:00"


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give the program of a clinic where nobody has decided yet."""
    return portal.open_clinic()


def _by_staff(
    program: Program, subject: dict[str, str], answer: str = "yes", *addresses: str
) -> None:
    body = {
        "decisions": dict.fromkeys(addresses or (EMAIL, SHARED), answer),
        "channel": "in-person",
    }
    answered = program.call("receipts", {"subject": subject, **body, "effective_at": WHEN})
    assert answered.status == 201, answer


def _told(program: Program, *subject: dict[str, str]) -> dict[str, Any]:
    named = {kind: value for each in subject for kind, value in each.items()}
    answer = program.call("status", {"subjects": [named], "purposes": [EMAIL, SMS, SHARED]})
    told: dict[str, Any] = answer.json()["results"][0]
    return told


def _for(told: dict[str, Any], address: str) -> tuple[bool, list[str]]:
    decision = told["decisions"][address]
    return decision["permitted"], decision["holds_for"]


def test_an_email_that_nobody_confirmed_as_theirs_is_not_permitted(program: Program) -> None:
    """The clinic's list holds an old or mistyped e-mail beside the right number: nothing is sent to
    it.
    """
    _by_staff(program, {**NUMBER, **ANNA})
    assert _for(_told(program, NUMBER, ANNA), EMAIL) == (True, ["patient_ref", "email"])
    told = _told(program, NUMBER, OTHER)
    assert _for(told, EMAIL) == (False, ["patient_ref"])
    assert told["decisions"][EMAIL]["state"] == "granted", (
        "of the patient with this number it is true"
    )
    assert _for(told, SHARED) == (True, ["patient_ref"]), (
        "what is not carried out by e-mail holds for the patient"
    )
    assert _for(_told(program, OTHER), EMAIL) == (False, [])


def test_an_email_of_somebody_who_was_never_asked_is_not_permitted(program: Program) -> None:
    """It is known, but as another person's: the Yes of the one who has the number is none of
    theirs.
    """
    _by_staff(program, {**NUMBER, **ANNA})
    _by_staff(program, {"patient_ref": "P-2048", **OTHER}, "no", SMS)
    assert _for(_told(program, NUMBER, OTHER), EMAIL) == (False, ["patient_ref"])


def test_an_email_that_was_only_typed_is_not_permitted(program: Program, client: Client) -> None:
    """Typed beside the phone that its owner proved; nobody ever showed that the e-mail is
    theirs.
    """
    _by_staff(program, {**NUMBER, **PHONE}, "yes", SMS)
    decide(
        client,
        program.clinic,
        {f"decision.{EMAIL}": "yes", f"decision.{SMS}": "yes", **OTHER, **PHONE},
    )
    assert _for(_told(program, PHONE, OTHER), SMS) == (True, ["phone"])
    assert _for(_told(program, PHONE, OTHER), EMAIL)[0] is False


def test_by_the_number_alone_the_kinds_of_contact_are_told_and_never_the_contact(
    program: Program,
) -> None:
    """A clinic that asks by its own number learns that a newsletter can reach them, not where."""
    _by_staff(program, {**NUMBER, **ANNA})
    told = _told(program, NUMBER)
    assert told["contact_kinds"] == ["patient_ref", "email"]
    assert _for(told, EMAIL) == (True, ["patient_ref"])
    assert "anna" not in str(told)


def test_whoever_is_known_by_phone_alone_is_permitted_as_before(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """In Georgia most patients give no e-mail: nothing is missing."""
    confirmed(
        client,
        portal,
        program.clinic,
        {f"decision.{SMS}": "yes", f"decision.{SHARED}": "yes", **PHONE},
    )
    told = _told(program, PHONE)
    assert told["contact_kinds"] == ["phone"]
    assert (_for(told, SMS), _for(told, SHARED)) == ((True, ["phone"]), (True, ["phone"]))
    assert _for(_told(program, PHONE, {"patient_ref": "P-77"}), SMS) == (True, ["phone"]), (
        "a number nobody told us"
    )


def test_a_shared_phone_holds_for_nobody_where_one_of_them_said_no(program: Program) -> None:
    """One No among those who share it is a No, and the answer says which contact it is of."""
    _by_staff(program, {"patient_ref": "P-2", **PHONE}, "no", SMS)
    _by_staff(program, {"patient_ref": "P-1", **PHONE}, "yes", SMS)
    assert _for(_told(program, PHONE), SMS) == (False, ["phone"])
    assert _for(_told(program, {"patient_ref": "P-1"}, PHONE), SMS) == (False, ["phone"])
    assert _for(_told(program, {"patient_ref": "P-1"}), SMS) == (True, ["patient_ref"])


def test_an_email_typed_by_whoever_said_yes_with_it_alone_holds_where_the_clinic_trusts_that(
    client: Client, portal: RunningPortal
) -> None:
    """The clinic ruled that such a Yes counts unconfirmed, and the answer says how sure it is:
    self-asserted.
    """
    program = portal.open_clinic(change=counts_at_once)
    decide(client, program.clinic, {f"decision.{SHARED}": "yes", **ANNA})
    told = _told(program, ANNA)
    assert _for(told, SHARED) == (True, ["email"])
    assert told["decisions"][SHARED]["assurance"] == "self-asserted"


def test_among_a_hundred_only_the_one_with_their_own_email_is_permitted(program: Program) -> None:
    """A list made of numbers and e-mails is cleaned of every e-mail that is not the patient's."""
    _by_staff(program, {**NUMBER, **ANNA})
    asked = [{**NUMBER, "email": f"p{number:02d}@example.org"} for number in range(99)] + [
        {**NUMBER, **ANNA}
    ]
    answer = program.call("status", {"subjects": asked, "purposes": [EMAIL]})
    permitted = [each["decisions"][EMAIL]["permitted"] for each in answer.json()["results"]]
    assert permitted == [False] * 99 + [True]
