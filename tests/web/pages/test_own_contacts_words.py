from dataclasses import replace

from chalicelib.domain.subjects import Subject
from chalicelib.store.lookup import owners
from tests.factories import MORNING, a_subject

MAIL, PHONE = "aa", "bb"


def _with(
    number: int, *, typed: tuple[str, ...] = (), certain: bool = False, of_age: str = ""
) -> Subject:
    person = a_subject(number)
    return replace(
        person,
        contacts={MAIL: MORNING, PHONE: MORNING},
        typed=typed,
        certain=certain,
        of_age=of_age,
    )


def test_what_was_typed_counts_until_another_contact_is_proven() -> None:
    """A first form with two contacts is reached by both; once one is confirmed, the other leads
    nowhere.
    """
    new = _with(1, typed=(MAIL, PHONE))
    assert (new.owns(MAIL), new.owns(PHONE)) == (True, True)
    confirmed = new.prove([MAIL])
    assert (confirmed.owns(MAIL), confirmed.owns(PHONE)) == (True, False)
    both = confirmed.prove([PHONE])
    assert (both.owns(MAIL), both.owns(PHONE), both.typed) == (True, True, ())
    assert not new.owns("cc")
    assert Subject.read(confirmed.stored()) == confirmed


def test_whoever_proved_a_contact_hides_those_who_typed_it() -> None:
    """And who has proven another is not found by what they typed; children stay with their
    guardian's contact.
    """
    owner, typist = _with(1, certain=True), _with(2, typed=(MAIL, PHONE))
    elsewhere, child = (
        _with(3, typed=(PHONE,), certain=True),
        _with(4, typed=(MAIL, PHONE), of_age="2034-01-01"),
    )
    assert owners([owner, typist, elsewhere, child], PHONE) == (owner, child)
    assert owners([typist, elsewhere], PHONE) == (typist,)
    assert owners([elsewhere], PHONE) == ()
