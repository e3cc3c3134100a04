"""Contacts that many people share, people with many contacts, and contacts as an earlier version
kept them.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.subject_rights import erase, restrict
from chalicelib.store import contact_places, erasures
from chalicelib.store import people as roll
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import contact_key, person_key
from chalicelib.store.writes import Kept, Write
from infra.operator.migration import Progress, migrate
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA
from tests.factories import (
    EMAIL_NEWS,
    EVENING,
    MORNING,
    NOON,
    SMS_NEWS,
    a_decision,
    on_paper,
    stored_earlier,
)
from tests.store.people import BELLA, assert_unbroken, only_person, signed, state

_references = itertools.count(1)


def a_resident(portal: Portal, phone: Contact = ANNA_PHONE) -> Receipt:
    """Let staff record a Yes of somebody new, by a number of the clinic, who shares a phone."""
    number = Contact(ContactKind.REFERENCE, f"R-{next(_references):04}")
    return decisions.record(
        portal, on_paper({SMS_NEWS: "yes"}, MORNING, MORNING), signed(number, phone)
    )


def places(portal: Portal, contact: Contact) -> dict[str, Kept | None]:
    """Give what stands in each place of a contact."""
    pk = contact_key(RIGA, portal.clinics.key(RIGA).lookup(contact)).pk
    return {item.sk: roll.kept_in(item) for item in portal.table.partition(pk, "CONTACT")}


def under(portal: Portal, contact: Contact) -> set[str]:
    """Give the ids of everybody found under a contact."""
    return {person.id for person in portal.directory.look_up(RIGA, [contact]).stored_under[contact]}


def as_before(portal: Portal, *people: Subject) -> None:
    """Keep people as an earlier version did: one item per contact, with everybody by subject id."""
    client, name = portal.table.client, portal.settings.table

    def put(key: Key, attributes: dict[str, object]) -> None:
        client.put_item(
            TableName=name, Item={"pk": {"S": key.pk}, "sk": {"S": key.sk}, **attributes}
        )

    everybody: dict[str, dict[str, str]] = {}
    for person in people:
        earlier = stored_earlier(person).items()
        kept = {k: v for k, v in earlier if k not in {"places", "pointers"}}
        text = json.dumps(kept, ensure_ascii=False)
        put(person_key(RIGA, person.id), {"body": {"S": text}})
        for lookup in person.contacts:
            everybody.setdefault(lookup, {})[person.id] = text
    for lookup, entries in everybody.items():
        pk = contact_key(RIGA, lookup).pk
        for item in list(portal.table.partition(pk, "CONTACT")):
            client.delete_item(TableName=name, Key={"pk": {"S": pk}, "sk": {"S": item.sk}})
        put(
            contact_key(RIGA, lookup),
            {"entries": {"M": {each: {"S": text} for each, text in entries.items()}}},
        )


def a_family_as_before(portal: Portal) -> list[Subject]:
    """Keep Anna and Bella, who share a phone, as an earlier version did."""
    for email in (ANNA, BELLA):
        decisions.record(
            portal, a_decision({SMS_NEWS: "yes", EMAIL_NEWS: "yes"}), signed(email, ANNA_PHONE)
        )
    family = [only_person(portal, RIGA, email) for email in (ANNA, BELLA)]
    as_before(portal, *family)
    assert list(places(portal, ANNA_PHONE)) == ["CONTACT"]
    return family


def test_no_item_of_a_contact_grows_with_its_people(portal: Portal, round_trips: list[str]) -> None:
    """A care home's phone is as good for its hundredth resident as for the first; a family is one
    read.
    """
    for number in range(1, 18):
        a_resident(portal)
        kept = places(portal, ANNA_PHONE)
        assert len(kept) == number
        assert max(len(held or "") for held in kept.values()) < 500
        round_trips.clear()
        assert len(under(portal, ANNA_PHONE)) == number
        expected = 1 if number <= 4 else 2
        assert len(round_trips) == expected, number


def test_a_status_of_a_hundred_who_share_phones_costs_no_trip_more(
    portal: Portal, round_trips: list[str]
) -> None:
    """Families are read with what the second trip reads anyhow."""
    phones = [Contact(ContactKind.PHONE, f"+3712600{number:04}") for number in range(10)]
    for phone in phones:
        for _ in range(3):
            a_resident(portal, phone)
    alone = [Contact(ContactKind.EMAIL, f"patient{number}@example.org") for number in range(90)]
    round_trips.clear()
    lookup = portal.directory.look_up(RIGA, [*phones, *alone], api_key_digest="0" * 64)
    assert round_trips == ["BatchGetItem", "BatchGetItem"]
    assert [len(lookup.stored_under[phone]) for phone in phones] == [3] * 10


def test_everybody_who_shares_a_phone_decides_for_themselves_and_leaves_by_themselves(
    portal: Portal,
) -> None:
    """Whoever is erased leaves nothing, whoever comes afterwards gets a place, and the others
    notice nothing.
    """
    receipts = [a_resident(portal) for _ in range(6)]
    ids = [str(receipt.document["subject"]) for receipt in receipts]
    for subject in (ids[0], ids[3]):
        assert erase(portal, RIGA, subject, "patient", EVENING)
    assert under(portal, ANNA_PHONE) == set(ids) - {ids[0], ids[3]}
    seventh, eighth = (str(a_resident(portal).document["subject"]) for _ in range(2))
    for mark in erasures.waiting(portal.table):
        erasures.clear_remains(portal.table, mark)
    kept = places(portal, ANNA_PHONE)
    assert None not in kept.values()
    assert "CONTACT#000003" not in kept, "what an erased person left was taken away"
    for subject in (ids[1], seventh, eighth):
        assert restrict(portal, RIGA, subject, "patient", EVENING, restricted=True)
    found = portal.directory.look_up(RIGA, [ANNA_PHONE]).stored_under[ANNA_PHONE]
    assert {each.id for each in found} == {*ids, seventh, eighth} - {ids[0], ids[3]}
    assert {each.id for each in found if each.restricted_since} == {ids[1], seventh, eighth}
    assert (
        len(
            withdrawals.withdraw(
                portal, a_decision({SMS_NEWS: "withdraw"}, NOON), signed(ANNA_PHONE)
            )
        )
        == 6
    )


def test_a_contact_nobody_has_any_more_is_taken_away_with_all_its_places(portal: Portal) -> None:
    """What says who once shared a phone goes with the last of them."""
    ids = [str(a_resident(portal).document["subject"]) for _ in range(5)]
    for subject in ids:
        assert erase(portal, RIGA, subject, "patient", EVENING)
    assert under(portal, ANNA_PHONE) == set()
    for mark in list(erasures.waiting(portal.table)):
        erasures.clear_remains(portal.table, mark)
    assert places(portal, ANNA_PHONE) == {}
    a_resident(portal)
    assert list(places(portal, ANNA_PHONE)) == ["CONTACT"]


def test_two_new_people_under_one_contact_at_the_same_moment_both_stay(portal: Portal) -> None:
    """Each looks before the other writes; neither overwrites the other."""
    for _ in range(4):
        a_resident(portal)
    decision, other = (on_paper({SMS_NEWS: "yes"}, MORNING, MORNING) for _ in range(2))
    mine, theirs = (
        signed(Contact(ContactKind.REFERENCE, name), ANNA_PHONE) for name in ("N-1", "N-2")
    )
    seen = portal.directory.look_up(RIGA, mine.contacts)
    decisions.record(portal, other, theirs)
    decisions.record(portal, decision, mine, seen=seen)
    assert len(under(portal, ANNA_PHONE)) == 6
    assert {*under(portal, mine.contacts[0]), *under(portal, theirs.contacts[0])} < under(
        portal, ANNA_PHONE
    )


def _many(count: int) -> Sequence[Contact]:
    return [Contact(ContactKind.EMAIL, f"anna.{number}@example.org") for number in range(count)]


def test_a_person_with_a_hundred_contacts_is_found_and_stopped_by_each(
    portal: Portal, round_trips: list[str]
) -> None:
    """Staff note nine more e-mails at each visit; nobody becomes too well known to be stopped."""
    number = Contact(ContactKind.REFERENCE, "P-100")
    emails = _many(99)
    for start in range(0, 99, 9):
        nine = emails[start : start + 9]
        decisions.record(
            portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(number, *nine)
        )
    anna = only_person(portal, RIGA, number)
    assert (len(anna.contacts), anna.version) == (100, 11)
    assert_unbroken(portal.receipts.history(RIGA, [anna]))
    for email in (emails[0], emails[98]):
        assert state(portal, RIGA, email, EMAIL_NEWS) == "granted"
        round_trips.clear()
        withdrawals.withdraw(portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), signed(email))
        assert len(round_trips) <= 3
        for each in (emails[0], emails[50], emails[98], number):
            assert state(portal, RIGA, each, EMAIL_NEWS) == "withdrawn"
        decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, EVENING, EVENING), signed(number))
        assert state(portal, RIGA, emails[98], EMAIL_NEWS) == "granted"
    round_trips.clear()
    lookup = portal.directory.look_up(RIGA, emails)
    assert {len(people) for people in lookup.people.values()} == {1}
    assert len(round_trips) <= 2
    assert restrict(portal, RIGA, anna.id, "patient", EVENING, restricted=True)
    assert only_person(portal, RIGA, emails[98]).restricted_since
    assert erase(portal, RIGA, anna.id, "patient", EVENING)
    assert not portal.directory.look_up(RIGA, [*emails, number]).known()
    for mark in list(erasures.waiting(portal.table)):
        erasures.clear_remains(portal.table, mark)
    assert {len(places(portal, contact)) for contact in (*emails, number)} == {0}


def test_a_table_from_before_answers_as_it_did(portal: Portal) -> None:
    """A new version of the portal finds everybody in a table that nobody has rewritten yet."""
    family = a_family_as_before(portal)
    assert under(portal, ANNA_PHONE) == {person.id for person in family}
    assert state(portal, RIGA, ANNA, EMAIL_NEWS) == "granted"


@pytest.mark.parametrize("deed", ["decide", "withdraw", "erase", "restrict", "join"])
def test_whatever_is_written_into_a_table_from_before_loses_nobody(
    portal: Portal, deed: str
) -> None:
    """Each way of writing meets people kept as before, and gives those it concerns places of their
    own.
    """
    anna, bella = a_family_as_before(portal)
    if deed == "decide":
        decisions.record(portal, a_decision({EMAIL_NEWS: "no"}, NOON), signed(ANNA, ANNA_PHONE))
        assert state(portal, RIGA, ANNA, EMAIL_NEWS) == "withdrawn"
    elif deed == "withdraw":
        withdrawals.withdraw(portal, a_decision({SMS_NEWS: "withdraw"}, NOON), signed(ANNA_PHONE))
        assert (
            state(portal, RIGA, ANNA, SMS_NEWS)
            == state(portal, RIGA, BELLA, SMS_NEWS)
            == "withdrawn"
        )
    elif deed == "erase":
        assert erase(portal, RIGA, anna.id, "patient", EVENING)
        for mark in list(erasures.waiting(portal.table)):
            erasures.clear_remains(portal.table, mark)
    elif deed == "restrict":
        assert restrict(portal, RIGA, anna.id, "patient", EVENING, restricted=True)
        assert only_person(portal, RIGA, ANNA).restricted_since
    else:
        a_resident(portal)
    expected = {bella.id} if deed == "erase" else {anna.id, bella.id}
    assert expected <= under(portal, ANNA_PHONE)
    assert under(portal, BELLA) == {bella.id}
    assert under(portal, ANNA) == ({anna.id} & expected)
    for person in (anna, bella):
        assert_unbroken(portal.receipts.history(RIGA, [person]))


def test_a_table_is_rewritten_by_one_command_that_may_be_stopped_and_started(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Afterwards no item holds several people; a second run finds nothing to do."""
    family = a_family_as_before(portal)
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}), signed(GIORGI))
    monkeypatch.setattr("infra.operator.migration.BATCH", 1)
    steps = migrate(portal.table, portal.clinics)
    assert next(steps).people == 1
    steps.close()  # type: ignore[attr-defined]
    *_, last = migrate(portal.table, portal.clinics)
    assert last == Progress(RIGA, 2, last.rewritten), "the run goes on behind the first"
    again = list(migrate(portal.table, portal.clinics))
    assert again[-1] == Progress(RIGA, 3, 0)
    for contact in (ANNA, BELLA, ANNA_PHONE):
        pk = contact_key(RIGA, portal.clinics.key(RIGA).lookup(contact)).pk
        assert not any(item.texts for item in portal.table.partition(pk, ""))
    assert sorted(places(portal, ANNA_PHONE)) == ["CONTACT", "CONTACT#000001"]
    for person in family:
        kept = roll.person(portal.table, RIGA, person.id)
        assert replace(kept, places={}) == replace(person, places={}, times="")
    withdrawals.withdraw(portal, a_decision({SMS_NEWS: "withdraw"}, NOON), signed(ANNA_PHONE))
    assert state(portal, RIGA, BELLA, SMS_NEWS) == "withdrawn"


def test_a_decision_during_the_rewriting_is_neither_lost_nor_undone(portal: Portal) -> None:
    """Whoever decides between the command's read and its write is looked at again."""
    anna, _ = a_family_as_before(portal)
    decided: list[Receipt] = []

    class Late:
        """The table, on which Anna decides just before the command's first write."""

        def __getattr__(self, name: str) -> Any:
            return getattr(portal.table, name)

        def write(self, writes: Sequence[Write]) -> None:
            if not decided:
                decided.append(
                    decisions.record(
                        portal, a_decision({EMAIL_NEWS: "no"}, NOON), signed(ANNA, ANNA_PHONE)
                    )
                )
            portal.table.write(writes)

    list(migrate(Late(), portal.clinics))  # type: ignore[arg-type]
    assert decided
    assert state(portal, RIGA, ANNA, EMAIL_NEWS) == "withdrawn"
    assert roll.person(portal.table, RIGA, anna.id).version == 2
    assert contact_places.split(portal.table, RIGA, anna.id) is False
