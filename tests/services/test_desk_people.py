"""A record that staff have open: what they see of it, restrict with a reason, and rectify."""

import json
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.restrictions import RestrictionCase
from chalicelib.portal import Portal
from chalicelib.services import contact_changes, decisions
from chalicelib.services.authorized_call import (
    EmptyBody,
    InvalidBodyError,
    UsedForAnotherBodyError,
)
from chalicelib.services.contact_changes import Change, ContactChange
from chalicelib.services.desk_people import DeskPerson, open_record, proof_if_erased
from chalicelib.services.subject_rights import erase, restrict
from chalicelib.store import audit
from tests.cast import ANNA, ANNA_PHONE, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, EVENING, MORNING, NEXT_DAY, on_paper
from tests.services.desk_calls import LASMA, a_call
from tests.store.people import BELLA, only_person, signed

NEW = Contact(ContactKind.EMAIL, "anna.berzina@example.org")


@pytest.fixture
def anna(portal: Portal) -> str:
    """Let staff record a Yes of Anna, and give her id."""
    decision = on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING)
    receipt = decisions.record(portal, decision, signed(ANNA, ANNA_PHONE))
    return str(receipt.document["subject"])


def opened(portal: Portal, subject: str, clinic: str = RIGA) -> DeskPerson:
    """Open a record as staff do."""
    return open_record(portal, a_call(portal, EmptyBody(), clinic=clinic), subject)


def changed(
    portal: Portal, subject: str, old: Contact | None, new: Contact | None, nonce: str = "once"
) -> dict[str, Any]:
    """Change a contact as staff do who have the record open, and give the receipt's evidence."""
    body = ContactChange((), Change(old, new), id=subject)
    receipt = contact_changes.change_contact(portal, a_call(portal, body, nonce=nonce))
    evidence: dict[str, Any] = receipt.document["evidence"]
    return evidence


def lines(portal: Portal, call: str) -> list[dict[str, Any]]:
    """Give the lines of the audit that are about a call."""
    found = [*audit.lines_of(portal.table, RIGA, NEXT_DAY)]
    return [line for line in found if line["call"] == call]


def test_a_record_is_opened_by_its_id_alone_and_the_audit_says_by_whom(
    portal: Portal, anna: str
) -> None:
    """No contact stands in an address; another clinic's id, and one that is none, find nobody."""
    record = opened(portal, anna)
    assert set(record.contacts.values()) == {ANNA, ANNA_PHONE}
    assert record.may_lose_one
    [line] = lines(portal, "contacts/record")
    assert (line["key"], line["subjects"]) == (LASMA, [anna])
    assert ANNA.value not in json.dumps(line)
    for wrong in ("0" * 32, "x", "ß" * 3000, ANNA.value):
        with pytest.raises(NotFoundError):
            opened(portal, wrong)
    with pytest.raises(NotFoundError):
        opened(portal, anna, TBILISI)


def test_what_erasing_leaves_is_told_before_and_is_so_afterwards(portal: Portal, anna: str) -> None:
    """The proof stays until the day that was said; of an erased person no contact is shown."""
    until = proof_if_erased(portal, RIGA, opened(portal, anna).person, EVENING)
    gone = erase(portal, RIGA, anna, LASMA, EVENING)
    assert gone is not None
    assert gone.proof_until == until
    record = opened(portal, anna)
    assert record.person.proof_until == until
    assert (record.contacts, record.may_lose_one) == ({}, False)
    with pytest.raises(NotFoundError):
        changed(portal, anna, None, NEW)


def test_the_audit_says_why_processing_is_restricted(portal: Portal, anna: str) -> None:
    """One of the cases of Art. 18(1), and no free text."""
    restrict(portal, RIGA, anna, LASMA, NEXT_DAY, restricted=True, case=RestrictionCase.CLAIMS)
    [line] = lines(portal, "restrictions")
    assert (line["about"], line["key"]) == ("claims", LASMA)


def test_a_contact_is_added_to_the_record_that_is_open(portal: Portal, anna: str) -> None:
    """Once, however often the form is sent; the receipt says its kind alone."""
    for _ in range(2):
        assert changed(portal, anna, None, NEW) == {"contact_added": "email"}
    person = only_person(portal, RIGA, NEW)
    assert (person.id, person.version, len(person.contacts)) == (anna, 2, 3)
    assert portal.clinics.key(RIGA).lookup(NEW) not in person.typed
    with pytest.raises(UsedForAnotherBodyError):
        changed(portal, anna, ANNA_PHONE, None)


def test_of_two_who_share_a_phone_the_open_record_loses_it(portal: Portal, anna: str) -> None:
    """Named by the id, nobody else who shares the contact is touched."""
    decisions.record(
        portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(BELLA, ANNA_PHONE)
    )
    assert changed(portal, anna, ANNA_PHONE, None) == {"contact_removed": "phone"}
    left = only_person(portal, RIGA, ANNA_PHONE)
    assert left.id == only_person(portal, RIGA, BELLA).id != anna
    with pytest.raises(InvalidBodyError):
        changed(portal, anna, ANNA_PHONE, None, "again")


def test_a_contact_that_is_somebody_elses_too_is_told_to_both_chains(
    portal: Portal, anna: str
) -> None:
    """Whoever shares it from now on finds that in their own receipts."""
    decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(BELLA))
    bella = only_person(portal, RIGA, BELLA)
    assert changed(portal, anna, ANNA, BELLA) == {
        "contact_removed": "email",
        "contact_added": "email",
    }
    told = portal.receipts.history(RIGA, [bella])[-1]
    assert told.document["evidence"] == {"contact_shared": "email"}
    assert portal.directory.look_up(RIGA, [ANNA]).known() == ()
