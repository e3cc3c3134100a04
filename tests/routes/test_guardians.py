"""A guardian decides for a child: the child is the patient, the guardian's e-mail or phone is the contact."""

import json
from typing import Any

import pytest

from tests.cast import RIGA
from tests.routes.client import Answer, Client, Program
from tests.routes.conftest import House
from tests.routes.pages import Page, decide, open_page, receipt_number

VILNIUS = "vilnius-dental"
INGA = {"email": "inga.kalniete@example.org"}
PHOTOS = "treatment_photos.education"
ELZA = {
    "child": "yes",
    "relation": "parent",
    "child_name": "Elza Kalniete",
    "child_born_day": "29",
    "child_born_month": "2",
    "child_born_year": "2016",
}
OF_AGE = "2034-02-28T22:00:00.000Z"
"""Midnight in Vilnius."""

YES = {f"decision.{PHOTOS}": "yes", **INGA}


@pytest.fixture
def program(house: House) -> Program:
    """Give the program of a clinic where a guardian may decide, and nobody has yet."""
    return house.open_clinic(VILNIUS)


def _receipt(program: Program, answer: Answer) -> dict[str, Any]:
    receipt: dict[str, Any] = program.receipt(receipt_number(answer)).json()
    return receipt


def test_a_guardians_yes_names_the_guardian_and_nothing_of_the_child(program: Program, client: Client) -> None:
    """The receipt proves who decided; whoever finds it learns no name and no contact."""
    answer = decide(client, program.clinic, {**YES, **ELZA})
    receipt = _receipt(program, answer)
    assert (receipt["actor"], receipt["evidence"]) == ("guardian", {"guardian": "parent"})
    assert receipt["expires_at"] == receipt["decisions"][PHOTOS]["expires_at"] == OF_AGE
    written = json.dumps(receipt, ensure_ascii=False).casefold()
    assert not any(told in written for told in ("elza", "kalniete", "2016", "example.org"))
    assert "Parent" in Page(client.get(f"/{program.clinic}/receipts/{receipt['id']}?lang=en")).words
    assert program.states(**INGA)[PHOTOS] == "granted"


def test_the_same_child_is_found_again_and_another_is_another(program: Program, client: Client) -> None:
    """Each child has a chain of its own, however its name is typed."""
    first = _receipt(program, decide(client, program.clinic, {**YES, **ELZA}))
    again = _receipt(program, decide(client, program.clinic, {**YES, **ELZA, "child_name": " elza  KALNIETE"}))
    sister = _receipt(program, decide(client, program.clinic, {**YES, **ELZA, "child_name": "Marta Kalniete"}))
    assert (again["subject"], again["version"], again["previous"] is None) == (first["subject"], 2, False)
    assert (sister["subject"] == first["subject"], sister["version"]) == (False, 1)
    assert sister["decisions"][PHOTOS]["after"] == "pending", "the contact had decided before: its owner confirms"


@pytest.mark.parametrize("child_first", [True, False])
def test_a_guardian_and_a_child_decide_apart(program: Program, client: Client, *, child_first: bool) -> None:
    """A Yes or a No for the child is none of the parent's, and the other way round."""
    forms = [{**YES, **ELZA}, {f"decision.{PHOTOS}": "no", **INGA}]
    one, other = (
        _receipt(program, decide(client, program.clinic, fields)) for fields in (forms if child_first else forms[::-1])
    )
    assert one["subject"] != other["subject"]
    assert (one["version"], other["version"]) == (1, 1)
    assert len(program.history(**INGA)) == 2, "nothing follows for the other"
    assert program.states(**INGA)[PHOTOS] == "refused", "for a list by e-mail the stricter answer holds"


def test_a_withdrawal_by_the_guardians_contact_reaches_every_child(program: Program, client: Client) -> None:
    """One form stops everything that hangs on the e-mail."""
    decide(client, program.clinic, {**YES, **ELZA})
    decide(client, program.clinic, {**YES, **ELZA, "child_name": "Marta Kalniete"})
    decide(client, program.clinic, YES)
    client.post(f"/{program.clinic}/withdraw", {**INGA, "all": "yes"})
    last = {each["subject"]: each["decisions"][PHOTOS]["answer"] for each in program.history(**INGA)}
    assert len(last) == 3
    assert set(last.values()) == {"withdraw"}


def test_what_is_wrong_about_the_child_is_shown_and_what_was_typed_kept(program: Program, client: Client) -> None:
    """A parent mends one field; nothing is stored."""
    answer = decide(client, program.clinic, {**YES, **ELZA, "child_born_month": "13"})
    page = Page(answer)
    assert (answer.status, page.faults) == (422, ["#child_born"])
    assert (page.fields["child_name"], page.fields["child_born_month"]) == ("Elza Kalniete", "13")
    assert ("child", "yes") in page.chosen
    assert ("relation", "parent") in page.chosen
    assert program.history(**INGA) == []


def test_who_is_old_enough_is_sent_to_decide_alone(program: Program, client: Client) -> None:
    """Kindly, with the age and what to do; Lithuania's is 14."""
    page = Page(decide(client, program.clinic, {**YES, **ELZA, "child_born_year": "2012"}, "?lang=en"))
    assert page.faults == ["#child_born"]
    assert "From the age of 14" in page.words
    assert "younger than 14" in open_page(client, f"/{program.clinic}?lang=en").words


@pytest.mark.parametrize("clinic", [RIGA, "kaunas-polyclinics"])
def test_a_clinic_that_takes_no_guardian_neither_asks_for_one_nor_accepts_one(client: Client, clinic: str) -> None:
    """An adults-only programme stays one, whatever a form carries."""
    assert "child" not in open_page(client, f"/{clinic}").fields
    answer = decide(client, clinic, {"decision.newsletter.email": "yes", **INGA, **ELZA, "adult": "yes"}, "?lang=en")
    assert answer.status == 422
    assert "nobody can answer for a child" in Page(answer).words


def test_another_clinic_knows_no_child_of_this_one(program: Program, house: House, client: Client) -> None:
    """The lookup is of one clinic alone."""
    decide(client, program.clinic, {**YES, **ELZA})
    other = house.open_clinic(VILNIUS)
    assert other.history(**INGA) == []
    assert _receipt(other, decide(client, other.clinic, {**YES, **ELZA}))["version"] == 1


@pytest.mark.parametrize(
    "subject", [{"ward": "email:inga.kalniete@example.org|2016-02-29|elza kalniete"}, {"child": 1}]
)
def test_nobody_can_ask_for_a_child_by_its_lookup(program: Program, subject: dict[str, Any]) -> None:
    """Programs ask by e-mail, phone or the clinic's number, and see what the contact sees."""
    assert program.call("history", {"subject": subject}).status == 422


def test_the_childs_name_and_birth_stand_nowhere_in_clear(program: Program, house: House, client: Client) -> None:
    """Not in a key, not in a body: the name is sealed, the day of birth not even kept."""
    decide(client, program.clinic, {**YES, **ELZA})
    decide(client, program.clinic, {**YES, **ELZA, f"decision.{PHOTOS}": "no"})
    everything = house.everything()
    assert program.clinic.encode() in everything
    for told in ("elza", "kalniete", "2016-02-29", "inga."):
        assert told.encode() not in everything.lower()
