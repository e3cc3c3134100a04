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
from chalicelib.domain.subjects import Subject
from chalicelib.jobs import catch_up
from chalicelib.portal import Portal
from chalicelib.receipts.chain import verify_chain
from chalicelib.receipts.sd_jwt import disclosed_texts
from chalicelib.services import decisions, withdrawals
from chalicelib.services.subject_rights import erase
from chalicelib.store import erasures, outbox, people
from chalicelib.store.keys.people import contact_key, subject_pk
from chalicelib.store.keys.receipts import earlier_receipt_id_key, receipt_id_key
from chalicelib.store.personal_data import all_kept_disclosures
from chalicelib.store.statistics import counts
from chalicelib.store.writes import Put
from infra.operator.signing import check_chains
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, EVENING, NOON, SMS_NEWS, a_decision, on_paper
from tests.keys import OwnKey
from tests.policies import under_policy_of
from tests.services.test_races import ROUNDS, at_once, somebody
from tests.store.people import BELLA, assert_unbroken, count_unsigned, only_person, signed, state
from tests.store.test_secrecy import NAME, every_item, everything_readable

PACKED = b"\x1f\x8b\x08"
"""How a blob begins that is compressed and not sealed (RFC 1952, 2.3.1)."""


def erased(portal: Portal, *contacts: Contact) -> Subject:
    """Erase whoever has these contacts and give them as they were."""
    person = only_person(portal, RIGA, *contacts)
    assert erase(portal, RIGA, person.id, "patient", EVENING) is not None
    return person


def openable(portal: Portal) -> Iterator[bytes]:
    """Give whatever every sealed blob of the table says under the clinic's key and everything that
    could be a salt.
    """
    readable = list(everything_readable(portal))
    salts = {
        found.decode() for each in readable for found in re.findall(rb"(?=([0-9a-f]{32}))", each)
    }
    blobs = [
        item["blob"]["B"]
        for item in every_item(portal)
        if "blob" in item and item["blob"]["B"][:3] != PACKED
    ]
    for salt in salts:
        key = HKDF(SHA256(), 32, salt=bytes.fromhex(salt), info=b"subject").derive(
            RIGA.encode().ljust(32, b".")
        )
        for blob in blobs:
            # GCM is a counter that begins at two; without the tag nobody checks whose the blob was.
            counter = modes.CTR(blob[:12] + b"\0\0\0\2")
            yield Cipher(algorithms.AES(key), counter).decryptor().update(blob[12:-16])


def found(portal: Portal, *secrets: str) -> set[str]:
    """Tell which secrets can be read or opened anywhere in the table."""
    read = [*everything_readable(portal), *openable(portal)]
    return {secret for secret in secrets if any(secret.encode() in each for each in read)}


def traces(portal: Portal, subject: str) -> set[str]:
    """Give the first word of the key of every item that still names a person."""
    items = [item for item in every_item(portal) if subject in json.dumps(item, default=str)]
    return {re.sub(r"CLINIC#[a-z-]+#", "", item["pk"]["S"]).partition("#")[0] for item in items}


def recipients_told(portal: Portal) -> None:
    """Let the recipients' deliveries be written that follow from an erasure: here there are none."""
    with under_policy_of(portal, "catch_up"):
        catch_up.tell_recipients(portal.table, lambda: False)


def test_no_contact_no_name_and_no_key_to_them_is_left_anywhere_in_the_table(
    portal: Portal,
) -> None:
    """Erased means unreadable for whoever holds the table and the clinic's key together (GDPR Art.
    17).
    """
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE, name=NAME))
    noted = {"form": "A-2026/117", "witness": "Ilze"}
    decisions.record(
        portal, on_paper({SMS_NEWS: "yes"}, NOON, NOON, evidence=noted), signed(ANNA, name=NAME)
    )
    anna = only_person(portal, RIGA, ANNA)
    disclosures = all_kept_disclosures(portal.table, portal.clinics.key(RIGA), anna)[anna.version]
    assert disclosed_texts(disclosures) == noted
    secrets = [ANNA.value, ANNA_PHONE.value, NAME, anna.salt, *disclosures]
    assert found(portal, *secrets) == {*secrets}, "what can be opened would be found"
    secrets += [json.dumps(NAME)[1:-1], *noted.values()]
    person = erased(portal, ANNA)
    assert found(portal, *secrets) == set(), "at once, before anything is cleared away"
    for mark in list(erasures.waiting(portal.table)):
        with under_policy_of(portal, "catch_up"):
            erasures.clear_remains(portal.table, mark)
    recipients_told(portal)
    assert found(portal, *secrets) == set()
    keys = {item["pk"]["S"] + item["sk"]["S"] for item in every_item(portal)}
    assert not [key for key in keys if "#CONTACT#" in key or "SEALED#" in key or "ERASED#" in key]
    left = [item for item in every_item(portal) if item["pk"]["S"].startswith("UNSENT#")]
    assert len(left) == 2, "both receipts are still to be counted and signed"
    assert not any("blob" in item for item in left)
    assert not list(outbox.due_items(portal.table, "9999")), "and nobody is to be told"
    with under_policy_of(portal, "catch_up"):
        catch_up.sign_waiting(portal.table, OwnKey(), lambda: False)
    assert not [item for item in every_item(portal) if item["pk"]["S"].startswith("UNSENT#")]
    assert sum(counts(portal.table, RIGA, "2026-11-22").values()) == 2
    assert not [
        key
        for lookup in person.contacts
        for key in everything_readable(portal)
        if lookup.encode() in key
    ]


def test_the_lookup_finds_nobody_and_the_proof_still_proves(portal: Portal) -> None:
    """Never asked, so never written to; yet who keeps a receipt can show it, and the chain is
    whole.
    """
    first = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    decisions.record(portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), signed(ANNA, ANNA_PHONE))
    anna = erased(portal, ANNA)
    assert portal.directory.look_up(RIGA, [ANNA, ANNA_PHONE]).known() == ()
    assert {state(portal, RIGA, contact, EMAIL_NEWS) for contact in (ANNA, ANNA_PHONE)} == {
        State.NEVER_ASKED
    }
    assert portal.receipts.find(RIGA, first.id) == first
    receipts = portal.receipts.history(RIGA, [anna])
    assert_unbroken(receipts)
    verify_chain(receipts)
    assert [(person, faults) for person, _, faults in check_chains(portal.table, RIGA)] == [
        (anna.id, [])
    ]
    kept = people.person(portal.table, RIGA, anna.id)
    assert kept == Subject(
        anna.id,
        "",
        2,
        anna.head,
        latest=NOON,
        recorded_at=NOON,
        proof_until="2029-11-22T12:00:00.000Z",
    )


def test_erasing_again_or_somebody_elses_patient_does_nothing(portal: Portal) -> None:
    """A button pressed twice is one erasure; another clinic's person is not there."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    anna = only_person(portal, RIGA, ANNA)
    assert erase(portal, TBILISI, anna.id, "key_1", EVENING) is None
    assert only_person(portal, RIGA, ANNA) == anna
    assert erase(portal, RIGA, anna.id, "key_1", EVENING) is not None
    before = list(every_item(portal))
    assert erase(portal, RIGA, anna.id, "key_1", EVENING) is None
    assert list(every_item(portal)) == before


def test_who_shares_the_phone_keeps_it(portal: Portal) -> None:
    """Anna's erasure is not Bella's."""
    for contact in (ANNA, BELLA):
        decisions.record(portal, a_decision({SMS_NEWS: "no"}), signed(contact, ANNA_PHONE))
    erased(portal, ANNA)
    for mark in list(erasures.waiting(portal.table)):
        with under_policy_of(portal, "catch_up"):
            erasures.clear_remains(portal.table, mark)
    bella = only_person(portal, RIGA, ANNA_PHONE)
    assert bella == only_person(portal, RIGA, BELLA)
    assert found(portal, ANNA.value, BELLA.value, ANNA_PHONE.value) == {
        BELLA.value,
        ANNA_PHONE.value,
    }


@pytest.mark.parametrize("cleared", ["before", "after", "interrupted"])
def test_the_next_person_under_the_contact_is_new(portal: Portal, cleared: str) -> None:
    """Whoever decides after the erasure is somebody nobody knows, and the sweeping up takes nothing
    of theirs.
    """
    decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(ANNA, ANNA_PHONE))
    before = erased(portal, ANNA)
    [mark] = erasures.waiting(portal.table)
    if cleared == "before":
        erasures.clear_remains(portal.table, mark)
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    erasures.clear_remains(portal.table, mark)
    if cleared == "interrupted":
        erasures.clear_remains(portal.table, mark)
    anna = only_person(portal, RIGA, ANNA, ANNA_PHONE)
    assert anna.id != before.id
    assert (anna.version, set(anna.summaries)) == (1, {SMS_NEWS})
    assert found(portal, ANNA.value) == {ANNA.value}
    assert list(erasures.waiting(portal.table)) == []


def test_a_decision_that_saw_the_person_before_the_erasure_does_not_bring_them_back(
    portal: Portal,
) -> None:
    """Who comes second sees the first: the form that was on its way is a new person's."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(BELLA, ANNA_PHONE))
    seen = portal.directory.look_up(RIGA, [ANNA, ANNA_PHONE])
    anna = erased(portal, ANNA)
    receipts = withdrawals.withdraw(
        portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), signed(ANNA, ANNA_PHONE), seen=seen
    )
    assert anna.id not in {receipt.document["subject"] for receipt in receipts}
    assert people.person(portal.table, RIGA, anna.id).erased
    assert len(portal.receipts.history(RIGA, [anna])) == 1
    assert state(portal, RIGA, BELLA, EMAIL_NEWS) is State.WITHDRAWN, (
        "the others are stopped all the same"
    )
    assert anna.id not in {
        person.id for person in portal.directory.look_up(RIGA, [ANNA, ANNA_PHONE]).known()
    }
    for _, _, faults in check_chains(portal.table, RIGA):
        assert faults == []


def test_an_erasure_and_a_decision_at_once_leave_one_truth(portal: Portal) -> None:
    """In either order: the erased person stays erased, with every receipt of theirs; a decision is
    never lost.
    """
    for number in range(ROUNDS):
        contact = somebody(number)
        decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(contact))
        person = only_person(portal, RIGA, contact)
        decision = a_decision({EMAIL_NEWS: "withdraw"}, NOON)
        at_once(
            lambda person=person: erase(portal, RIGA, person.id, "patient", EVENING),  # type: ignore[misc]
            lambda decision=decision, contact=contact: decisions.record(
                portal, decision, signed(contact)
            ),  # type: ignore[misc]
        )
        kept = people.person(portal.table, RIGA, person.id)
        receipts = portal.receipts.history(RIGA, [person])
        assert (kept.erased, kept.salt, kept.version) == (True, "", len(receipts))
        assert_unbroken(receipts)
        receipt = portal.receipts.find(RIGA, decision.receipt_id)
        known = portal.directory.look_up(RIGA, [contact]).known()
        assert [each.id for each in known] == [
            each for each in [receipt.document["subject"]] if each != person.id
        ]


def test_everything_goes_when_the_proof_is_over_and_nothing_else(portal: Portal) -> None:
    """Receipts, words, counted marks and what leads to them; the audit and, for a year, the changes
    keep an opaque id.
    """
    receipt = decisions.record(
        portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE, name=NAME)
    )
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(GIORGI))
    count_unsigned(portal.table, receipt)
    place = receipt_id_key(RIGA, receipt.id)
    kept = portal.table.get([place])[place].body
    portal.table.put_new(Put(earlier_receipt_id_key(RIGA, receipt.id), {"body": kept}))
    others = {(item["pk"]["S"], item["sk"]["S"]) for item in every_item(portal)}
    anna = erased(portal, ANNA)
    [mark] = erasures.waiting(portal.table)
    erasures.clear_remains(portal.table, mark)
    recipients_told(portal)
    places = {"REFERENCE", "RECEIPT"}
    assert traces(portal, anna.id) == {"SUBJECT", *places, "ROLL", "AUDIT", "FEED", "UNSENT"}
    for _ in range(2):
        with under_policy_of(portal, "housekeeping"):
            erasures.delete_person(portal.table, RIGA, anna.id)
    assert traces(portal, anna.id) == {"AUDIT", "FEED"}
    left = {(item["pk"]["S"], item["sk"]["S"]) for item in every_item(portal)}
    gone = {f"{pk}|{sk}" for pk, sk in others - left}
    about_her = (anna.id, receipt.id, "CONTACT", "UNSENT", "ROLL")
    assert all(any(each in key for each in about_her) for key in gone)
    assert only_person(portal, RIGA, GIORGI).version == 1
    assert list(portal.table.partition(subject_pk(RIGA, anna.id), "")) == []
    assert not portal.table.get([contact_key(RIGA, portal.clinics.key(RIGA).lookup(ANNA))])
