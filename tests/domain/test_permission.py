"""Who asks by another contact than the one a message goes to learns whether there is one."""

from dataclasses import replace

from chalicelib.domain.consent import State
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import END_OF_TIME
from chalicelib.domain.permission import PermissionResult, SubjectQuery
from chalicelib.domain.subjects import Subject
from tests.factories import (
    EMAIL_NEWS,
    IN_FORCE,
    MORNING,
    NOON,
    a_subject,
    a_summary,
    an_answer,
    stored_earlier,
)

NUMBER, MAIL = (
    Contact(ContactKind.REFERENCE, "P-1024"),
    Contact(ContactKind.EMAIL, "anna.ozola@example.org"),
)
ANNA = replace(
    a_subject(newsletter__email=a_summary()),
    contacts={"n": MORNING, "m": MORNING},
    kinds={"n": "patient_ref", "m": "email"},
    certain=True,
)


def permission_by(
    person: Subject, *contacts: Contact
) -> tuple[PermissionResult, tuple[ContactKind, ...]]:
    """Give the newsletter's state for a person named by these contacts, and the kinds known."""
    named = SubjectQuery(dict.fromkeys(contacts, (person,)), {person.id: person.summaries})
    lookups = {NUMBER: "n", MAIL: "m"}
    return named.permission(EMAIL_NEWS, frozenset({"email"}), IN_FORCE, NOON), named.own_kinds(
        lookups, END_OF_TIME
    )


def test_whoever_has_an_email_of_their_own_is_permitted_by_their_number() -> None:
    """The clinic need not know the e-mail to ask."""
    found, kinds = permission_by(ANNA, NUMBER)
    assert (found.permitted, found.holds_for, kinds) == (
        True,
        (ContactKind.REFERENCE,),
        (ContactKind.REFERENCE, ContactKind.EMAIL),
    )


def test_whose_email_is_gone_or_was_only_typed_is_not_permitted_by_their_number() -> None:
    """A Yes to e-mails permits none where there is no address that is known as theirs."""
    gone, typed = replace(ANNA, contacts={"n": MORNING}), replace(ANNA, typed=("m",))
    for person in (gone, typed):
        found, kinds = permission_by(person, NUMBER)
        assert (found.permitted, kinds) == (False, (ContactKind.REFERENCE,))


def test_a_person_stored_before_kinds_were_kept_is_permitted_as_before() -> None:
    """Nobody is lost with an update; the kinds given in the call are answered all the same."""
    before = replace(ANNA, kinds={})
    assert permission_by(before, NUMBER)[0].permitted
    assert permission_by(before, NUMBER)[1] == (ContactKind.REFERENCE,)
    assert permission_by(before, NUMBER, MAIL)[1] == (ContactKind.REFERENCE, ContactKind.EMAIL)
    old = {name: value for name, value in stored_earlier(ANNA).items() if name != "kinds"}
    assert Subject.read(old) == before
    assert Subject.read(before.stored()) == before


def test_a_contact_learnt_later_was_not_known_then() -> None:
    """Asked what was known at another time, the answer tells no more."""
    named = SubjectQuery({NUMBER: (replace(ANNA, contacts={"n": MORNING, "m": NOON}),)}, {})
    assert named.own_kinds({NUMBER: "n"}, MORNING) == (ContactKind.REFERENCE,)


def test_each_question_asked_about_at_once_is_answered_as_if_it_were_asked_about_alone() -> None:
    """A question nobody has answered takes no work, and is answered all the same."""
    phones = Contact(ContactKind.PHONE, "+37126123456")
    boris = replace(a_subject(2, research=a_summary(an_answer("no"))), contacts={"p": MORNING})
    summaries = {ANNA.id: ANNA.summaries, boris.id: boris.summaries}
    needs = {EMAIL_NEWS: frozenset({"email"}), "research": frozenset[str](), "x": frozenset[str]()}
    for known in (
        {NUMBER: (ANNA,)},
        {NUMBER: (ANNA,), MAIL: ()},
        {NUMBER: (ANNA,), phones: (boris,)},
        {NUMBER: (ANNA, boris), MAIL: (ANNA,)},
        {MAIL: ()},
    ):
        named = SubjectQuery(known, summaries)
        found = named.permissions(needs, IN_FORCE, NOON)
        for question, kinds in needs.items():
            assert found[question] == named.permission(question, kinds, IN_FORCE, NOON)
        assert found["x"].status.state is State.NEVER_ASKED
        assert list(found) == list(needs)
