"""Erasing in the store: what nobody can read any more, what still proves, and who comes second."""

import json
import re
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chalicelib.domain.consent import State
from chalicelib.domain.contacts import Contact
from chalicelib.domain.receipts import Subject
from chalicelib.portal import Portal
from chalicelib.receipts import signed as proof
from chalicelib.receipts.sd_jwt import words
from chalicelib.services.subject_rights import erase
from chalicelib.store import erasures, people
from chalicelib.store.keys import contact_key, subject_pk
from chalicelib.store.personal_data import all_withheld
from chalicelib.store.statistics import count_receipt
from infra.operator.signing import check_chains
from tests.acts import EMAIL_NEWS, EVENING, NOON, SMS_NEWS, an_act, on_paper
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI
from tests.roles import held_to
from tests.store.people import BELLA, assert_unbroken, only_person, signed, state
from tests.store.test_races import ROUNDS, at_once, somebody
from tests.store.test_secrecy import NAME, every_item, everything_readable

PACKED = b"\x1f\x8b\x08"
"""How a blob begins that is compressed and not sealed (RFC 1952, 2.3.1)."""


def erased(house: Portal, *contacts: Contact) -> Subject:
    """Erase whoever has these contacts and give them as they were."""
    person = only_person(house, RIGA, *contacts)
    assert erase(house, RIGA, person.id, "patient", EVENING) is not None
    return person


def openable(house: Portal) -> Iterator[bytes]:
    """Give whatever every sealed blob of the table says under the clinic's key and everything that could be a salt."""
    readable = list(everything_readable(house))
    salts = {found.decode() for each in readable for found in re.findall(rb"(?=([0-9a-f]{32}))", each)}
    blobs = [item["blob"]["B"] for item in every_item(house) if "blob" in item and item["blob"]["B"][:3] != PACKED]
    for salt in salts:
        key = HKDF(SHA256(), 32, salt=bytes.fromhex(salt), info=b"subject").derive(RIGA.encode().ljust(32, b"."))
        for blob in blobs:
            # GCM is a counter that begins at two; without the tag nobody checks whose the blob was.
            counter = modes.CTR(blob[:12] + b"\0\0\0\2")
            yield Cipher(algorithms.AES(key), counter).decryptor().update(blob[12:-16])


def found(house: Portal, *secrets: str) -> set[str]:
    """Tell which secrets can be read or opened anywhere in the table."""
    read = [*everything_readable(house), *openable(house)]
    return {secret for secret in secrets if any(secret.encode() in each for each in read)}


def traces(house: Portal, subject: str) -> set[str]:
    """Give the first word of the key of every item that still names a person."""
    items = [item for item in every_item(house) if subject in json.dumps(item, default=str)]
    return {re.sub(r"CLINIC#[a-z-]+#", "", item["pk"]["S"]).partition("#")[0] for item in items}


def test_no_contact_no_name_and_no_key_to_them_is_left_anywhere_in_the_table(house: Portal) -> None:
    """Erased means unreadable for whoever holds the table and the clinic's key together (GDPR Art. 17)."""
    house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE, name=NAME))
    noted = {"form": "A-2026/117", "witness": "Ilze"}
    house.register.record(on_paper({SMS_NEWS: "yes"}, NOON, NOON, evidence=noted), signed(ANNA, name=NAME))
    anna = only_person(house, RIGA, ANNA)
    disclosures = all_withheld(house.table, house.clinics.key(RIGA), anna)[anna.version]
    assert words(disclosures) == noted
    secrets = [ANNA.value, ANNA_PHONE.value, NAME, anna.salt, *disclosures]
    assert found(house, *secrets) == {*secrets}, "what can be opened would be found"
    secrets += [json.dumps(NAME)[1:-1], *noted.values()]
    person = erased(house, ANNA)
    assert found(house, *secrets) == set(), "at once, before anything is cleared away"
    for mark in list(erasures.waiting(house.table)):
        with held_to(house, "catch_up"):
            erasures.clear(house.table, mark)
    assert found(house, *secrets) == set()
    keys = {item["pk"]["S"] + item["sk"]["S"] for item in every_item(house)}
    assert not [key for key in keys if "#CONTACT#" in key or "SEALED#" in key or "UNSENT#" in key or "ERASED#" in key]
    assert not [key for lookup in person.contacts for key in everything_readable(house) if lookup.encode() in key]


def test_the_lookup_finds_nobody_and_the_proof_still_proves(house: Portal) -> None:
    """Never asked, so never written to; yet who keeps a receipt can show it, and the chain is whole."""
    first = house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    house.register.record(an_act({EMAIL_NEWS: "withdraw"}, NOON), signed(ANNA, ANNA_PHONE))
    anna = erased(house, ANNA)
    assert house.register.look(RIGA, [ANNA, ANNA_PHONE]).known() == ()
    assert {state(house, RIGA, contact, EMAIL_NEWS) for contact in (ANNA, ANNA_PHONE)} == {State.NEVER_ASKED}
    assert house.register.receipt(RIGA, first.id) == first
    receipts = house.register.history(RIGA, [anna])
    assert_unbroken(receipts)
    proof.verify_chain(receipts)
    assert [(person, faults) for person, _, faults in check_chains(house.table, RIGA)] == [(anna.id, [])]
    kept = people.person(house.table, RIGA, anna.id)
    assert kept == Subject(
        anna.id, "", 2, anna.head, latest=NOON, recorded_at=NOON, proof_until="2029-11-22T12:00:00.000Z"
    )


def test_erasing_again_or_somebody_elses_patient_does_nothing(house: Portal) -> None:
    """A button pressed twice is one erasure; another clinic's person is not there."""
    house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(ANNA))
    anna = only_person(house, RIGA, ANNA)
    assert erase(house, TBILISI, anna.id, "key_1", EVENING) is None
    assert only_person(house, RIGA, ANNA) == anna
    assert erase(house, RIGA, anna.id, "key_1", EVENING) is not None
    before = list(every_item(house))
    assert erase(house, RIGA, anna.id, "key_1", EVENING) is None
    assert list(every_item(house)) == before


def test_who_shares_the_phone_keeps_it(house: Portal) -> None:
    """Anna's erasure is not Bella's."""
    for contact in (ANNA, BELLA):
        house.register.record(an_act({SMS_NEWS: "no"}), signed(contact, ANNA_PHONE))
    erased(house, ANNA)
    for mark in list(erasures.waiting(house.table)):
        with held_to(house, "catch_up"):
            erasures.clear(house.table, mark)
    bella = only_person(house, RIGA, ANNA_PHONE)
    assert bella == only_person(house, RIGA, BELLA)
    assert found(house, ANNA.value, BELLA.value, ANNA_PHONE.value) == {BELLA.value, ANNA_PHONE.value}


@pytest.mark.parametrize("cleared", ["before", "after", "interrupted"])
def test_the_next_person_under_the_contact_is_new(house: Portal, cleared: str) -> None:
    """Whoever decides after the erasure is somebody nobody knows, and the sweeping up takes nothing of theirs."""
    house.register.record(an_act({EMAIL_NEWS: "no"}), signed(ANNA, ANNA_PHONE))
    before = erased(house, ANNA)
    [mark] = erasures.waiting(house.table)
    if cleared == "before":
        erasures.clear(house.table, mark)
    house.register.record(an_act({SMS_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    erasures.clear(house.table, mark)
    if cleared == "interrupted":
        erasures.clear(house.table, mark)
    anna = only_person(house, RIGA, ANNA, ANNA_PHONE)
    assert anna.id != before.id
    assert (anna.version, set(anna.standings)) == (1, {SMS_NEWS})
    assert found(house, ANNA.value) == {ANNA.value}
    assert list(erasures.waiting(house.table)) == []


def test_a_decision_that_saw_the_person_before_the_erasure_does_not_bring_them_back(house: Portal) -> None:
    """Who comes second sees the first: the form that was on its way is a new person's."""
    house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(ANNA))
    house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(BELLA, ANNA_PHONE))
    seen = house.register.look(RIGA, [ANNA, ANNA_PHONE])
    anna = erased(house, ANNA)
    receipts = house.register.withdraw(an_act({EMAIL_NEWS: "withdraw"}, NOON), signed(ANNA, ANNA_PHONE), seen=seen)
    assert anna.id not in {receipt.document["subject"] for receipt in receipts}
    assert people.person(house.table, RIGA, anna.id).erased
    assert len(house.register.history(RIGA, [anna])) == 1
    assert state(house, RIGA, BELLA, EMAIL_NEWS) is State.WITHDRAWN, "the others are stopped all the same"
    assert anna.id not in {person.id for person in house.register.look(RIGA, [ANNA, ANNA_PHONE]).known()}
    for _, _, faults in check_chains(house.table, RIGA):
        assert faults == []


def test_an_erasure_and_a_decision_at_once_leave_one_truth(house: Portal) -> None:
    """In either order: the erased person stays erased, with every receipt of theirs; a decision is never lost."""
    for number in range(ROUNDS):
        contact = somebody(number)
        house.register.record(an_act({EMAIL_NEWS: "no"}), signed(contact))
        person = only_person(house, RIGA, contact)
        act = an_act({EMAIL_NEWS: "withdraw"}, NOON)
        at_once(
            lambda person=person: erase(house, RIGA, person.id, "patient", EVENING),  # type: ignore[misc]
            lambda act=act, contact=contact: house.register.record(act, signed(contact)),  # type: ignore[misc]
        )
        kept = people.person(house.table, RIGA, person.id)
        receipts = house.register.history(RIGA, [person])
        assert (kept.erased, kept.salt, kept.version) == (True, "", len(receipts))
        assert_unbroken(receipts)
        receipt = house.register.receipt(RIGA, act.receipt_id)
        known = house.register.look(RIGA, [contact]).known()
        assert [each.id for each in known] == [each for each in [receipt.document["subject"]] if each != person.id]


def test_everything_goes_when_the_proof_is_over_and_nothing_else(house: Portal) -> None:
    """Receipts, words, counted marks and what leads to them; the audit keeps an opaque id."""
    receipt = house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE, name=NAME))
    house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(GIORGI))
    count_receipt(house.table, receipt)
    others = {(item["pk"]["S"], item["sk"]["S"]) for item in every_item(house)}
    anna = erased(house, ANNA)
    [mark] = erasures.waiting(house.table)
    erasures.clear(house.table, mark)
    assert traces(house, anna.id) == {"SUBJECT", "RECEIPT", "ROLL", "AUDIT", "UNSIGNED"}
    for _ in range(2):
        with held_to(house, "housekeeping"):
            erasures.forget(house.table, RIGA, anna.id)
    assert traces(house, anna.id) == {"AUDIT"}
    left = {(item["pk"]["S"], item["sk"]["S"]) for item in every_item(house)}
    gone = {pk for pk, _ in others - left}
    assert all(
        anna.id in pk or receipt.id in pk or "CONTACT" in pk or pk[:4] in {"UNSI", "UNSE"} or "ROLL" in pk
        for pk in gone
    )
    assert only_person(house, RIGA, GIORGI).version == 1
    assert list(house.table.partition(subject_pk(RIGA, anna.id), "")) == []
    assert not house.table.get([contact_key(RIGA, house.clinics.key(RIGA).lookup(ANNA))])
