import pytest

from chalicelib.domain.consent import State, Status, strictest
from chalicelib.domain.subjects import Subject, best_match
from tests.factories import EVENING, LATER, MORNING, NOON, a_subject, an_answer

ANNA, BELLA, CARL = a_subject(1), a_subject(2), a_subject(3)
GRANTED = Status(State.GRANTED, MORNING, an_answer())
NEVER = Status(State.NEVER_ASKED, None, None)


@pytest.mark.parametrize(
    "against", [State.REFUSED, State.WITHDRAWN, State.EXPIRED, State.SUPERSEDED]
)
def test_one_no_among_those_who_share_a_phone_is_a_no(against: State) -> None:
    """A text message reaches everyone who shares the phone, so everyone must want it."""
    assert strictest([GRANTED, Status(against, NOON, an_answer(at=NOON))]).state is against
    assert strictest([Status(against, NOON, an_answer(at=NOON)), GRANTED]).state is against


def test_who_was_never_asked_stands_in_nobodys_way() -> None:
    """A father asked about the contest alone does not silence his daughter's newsletter."""
    assert strictest([NEVER, GRANTED]).permitted
    assert strictest([NEVER, NEVER]).state is State.NEVER_ASKED


def test_a_strangers_unconfirmed_yes_takes_nothing_from_the_one_who_granted() -> None:
    """Who types Anna's phone with an address of their own cannot weaken Anna's decision."""
    pending = Status(State.PENDING, NOON, an_answer(at=NOON, confirm_by=LATER))
    assert strictest([GRANTED, pending]).permitted


def test_pending_alone_permits_nothing() -> None:
    """Until the contact confirms, nobody may write to it."""
    assert (
        strictest([NEVER, Status(State.PENDING, NOON, an_answer(at=NOON, confirm_by=LATER))]).state
        is State.PENDING
    )


def test_of_several_who_are_against_the_latest_is_told() -> None:
    """The clinic is pointed to the receipt that matters now."""
    refused = Status(State.REFUSED, NOON, an_answer("no", NOON))
    withdrawn = Status(State.WITHDRAWN, EVENING, an_answer("withdraw", EVENING))
    assert strictest([withdrawn, refused, GRANTED]) is withdrawn


@pytest.mark.parametrize(
    ("people", "meant"),
    [
        pytest.param([], None, id="no contact"),
        pytest.param([[]], None, id="a contact nobody used"),
        pytest.param([[ANNA]], ANNA, id="her e-mail"),
        pytest.param([[ANNA], []], ANNA, id="her e-mail and a new phone"),
        pytest.param([[ANNA], [ANNA, BELLA]], ANNA, id="her e-mail and the family's phone"),
        pytest.param([[ANNA, BELLA], [BELLA, CARL]], BELLA, id="the one who is under both"),
        pytest.param([[ANNA], [BELLA]], ANNA, id="two people's contacts: the stronger one"),
        pytest.param([[], [ANNA]], None, id="a new e-mail beside the family's phone"),
    ],
)
def test_contacts_mean_the_person_found_under_all_of_them_or_under_the_strongest(
    people: list[list[Subject]], meant: Subject | None
) -> None:
    """A family shares a phone and still nobody decides for another."""
    assert best_match(people) is meant
