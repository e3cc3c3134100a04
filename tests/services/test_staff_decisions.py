"""Staff decide for somebody whose record they have open: by the person's id, whatever contacts the
person has.
"""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.consent import Answer, Channel, State, resolve
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services import decisions, staff_decisions, subject_rights
from chalicelib.services.authorized_call import (
    AuthorizedCall,
    InvalidBodyError,
    UsedForAnotherBodyError,
)
from chalicelib.services.contact_changes import Change, rectify
from chalicelib.services.staff_decisions import StaffDecision, record_decision, record_withdrawal
from chalicelib.store.people import find_people
from tests.cast import ANNA, ANNA_PHONE, RIGA, TBILISI
from tests.factories import (
    EMAIL_NEWS,
    EVENING,
    MORNING,
    NEXT_DAY,
    NOON,
    SMS_NEWS,
    a_decision,
    on_paper,
)
from tests.store.people import BELLA, chain, only_person, signed, state

BASE = "https://portal.example.org"


def _taken(answers: dict[str, str], person: str | None, **changed: Any) -> StaffDecision:
    decision = StaffDecision(
        contacts=(),
        name=None,
        answers={question: Answer(answer) for question, answer in answers.items()},
        everything=False,
        channel=Channel.PHONE,
        effective_at=NOON,
        evidence=None,
        lang="lv",
        notice_version=None,
        person=person,
    )
    return replace(decision, **changed)


def _call(
    portal: Portal, taken: StaffDecision, nonce: str | None = None, clinic: str = RIGA
) -> AuthorizedCall[StaffDecision]:
    """Give a call of Ilze at the reception."""
    ilze = BearerKey("staff_0123456789ab", clinic, "Ilze", ("receipts:write",), MORNING)
    lookup = portal.directory.look_up(clinic, taken.contacts)
    shared = portal.clinics.with_all_past_questions(lookup.published)
    return AuthorizedCall(ilze, taken, lookup, EVENING, shared, BASE, nonce)


def _anna(portal: Portal, *contacts: Contact) -> Subject:
    """Let Anna say Yes to the newsletter, proven from her e-mail."""
    decision = a_decision({EMAIL_NEWS: "yes"}, MORNING)
    who = replace(signed(*(contacts or (ANNA,))), proves=contacts or (ANNA,))
    receipt = decisions.record(portal, decision, who)
    return _read(portal, receipt.document["subject"])


def _read(portal: Portal, subject: str) -> Subject:
    return find_people(portal.table, RIGA, [subject])[subject]


def _state(portal: Portal, subject: str, question: str) -> State:
    in_force = portal.directory.look_up(RIGA).published.in_force
    return resolve(_read(portal, subject).summaries.get(question), in_force, NEXT_DAY).state


def _without_contacts(portal: Portal) -> Subject:
    """Give somebody whose only contact was removed: nothing but the id finds them."""
    anna = _anna(portal)
    lookup = portal.directory.look_up(RIGA, [ANNA])
    rectify(portal, a_decision({}, NOON), Change(ANNA), anna, lookup, BASE, ())
    person = _read(portal, anna.id)
    assert not person.contacts
    return person


def test_a_person_without_any_contact_answers_and_withdraws(portal: Portal) -> None:
    """Who has no e-mail and no phone any more can still be heard at the reception."""
    anna = _without_contacts(portal)
    testimonial = "testimonials.text"
    told = record_decision(portal, _call(portal, _taken({testimonial: "yes"}, anna.id)))
    assert told.receipt.document["subject"] == anna.id
    assert _state(portal, anna.id, testimonial) is State.GRANTED
    taken = _taken({testimonial: "withdraw"}, anna.id, everything=True)
    stopped = record_withdrawal(portal, _call(portal, taken))
    assert stopped.complete
    assert _state(portal, anna.id, EMAIL_NEWS) is State.WITHDRAWN
    chain(portal, a_decision({}), [_read(portal, anna.id)])


def test_what_a_yes_needs_must_be_known_or_typed(portal: Portal) -> None:
    """A newsletter cannot be agreed to by who has no e-mail, until one is written down."""
    anna = _without_contacts(portal)
    with pytest.raises(InvalidBodyError) as refused:
        record_decision(portal, _call(portal, _taken({EMAIL_NEWS: "yes"}, anna.id)))
    assert [each["pointer"] for each in refused.value.errors] == ["/subject/email"]
    taken = _taken({EMAIL_NEWS: "yes"}, anna.id, contacts=(BELLA,))
    record_decision(portal, _call(portal, taken))
    assert only_person(portal, RIGA, BELLA).id == anna.id
    assert state(portal, RIGA, BELLA, EMAIL_NEWS) is State.GRANTED


def test_only_the_one_whose_record_is_open_decides(portal: Portal) -> None:
    """Anna and Bella share a phone: what staff write into Anna's record is not Bella's."""
    anna = _anna(portal, ANNA, ANNA_PHONE)
    decision = on_paper({EMAIL_NEWS: "yes", SMS_NEWS: "yes"}, MORNING, NOON)
    decisions.record(portal, decision, signed(BELLA, ANNA_PHONE))
    bella = only_person(portal, RIGA, BELLA)
    record_decision(portal, _call(portal, _taken({EMAIL_NEWS: "no", SMS_NEWS: "yes"}, anna.id)))
    assert _state(portal, anna.id, EMAIL_NEWS) is State.WITHDRAWN
    assert _state(portal, bella.id, EMAIL_NEWS) is State.GRANTED
    record_withdrawal(portal, _call(portal, _taken({SMS_NEWS: "withdraw"}, anna.id)))
    assert _state(portal, bella.id, SMS_NEWS) is State.GRANTED
    assert state(portal, RIGA, ANNA_PHONE, SMS_NEWS) is State.WITHDRAWN


def test_a_contact_that_was_only_typed_is_not_proven_by_an_open_record(portal: Portal) -> None:
    """A stranger's phone beside Anna's e-mail stays a claim: staff did not write it."""
    decision = a_decision({EMAIL_NEWS: "yes"}, MORNING)
    decisions.record(portal, decision, replace(signed(ANNA, ANNA_PHONE), proves=(ANNA,)))
    anna = only_person(portal, RIGA, ANNA)
    assert anna.typed
    record_decision(portal, _call(portal, _taken({EMAIL_NEWS: "no"}, anna.id)))
    assert _read(portal, anna.id).typed == anna.typed


def test_a_form_sent_twice_is_one_receipt(portal: Portal) -> None:
    """A double click records once; the same nonce for other answers records nothing."""
    anna = _without_contacts(portal)
    taken = _taken({"testimonials.text": "yes"}, anna.id)
    first = record_decision(portal, _call(portal, taken, "nonce"))
    later = replace(_call(portal, taken, "nonce"), now=NEXT_DAY)
    assert record_decision(portal, later).receipt == first.receipt
    other = replace(taken, answers={"testimonials.text": Answer.NO})
    with pytest.raises(UsedForAnotherBodyError):
        record_decision(portal, replace(_call(portal, other, "nonce"), now=NEXT_DAY))
    assert _read(portal, anna.id).version == first.receipt.document["version"]


def test_nobody_is_recorded_for_an_id_that_nobody_has(portal: Portal) -> None:
    """Another clinic's person, somebody erased and a made-up id are all nobody."""
    anna = _anna(portal)
    taken = _taken({SMS_NEWS: "no"}, anna.id)
    with pytest.raises(NotFoundError):
        record_decision(portal, _call(portal, replace(taken, person="0" * 32)))
    with pytest.raises(NotFoundError):
        record_withdrawal(portal, _call(portal, taken, clinic=TBILISI))
    subject_rights.erase(portal, RIGA, anna.id, "operator", NOON)
    with pytest.raises(NotFoundError):
        staff_decisions.record_decision(portal, _call(portal, taken))
