"""A clinic's data key can be changed: from then on another seals, and what was sealed before
follows, nothing lost.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.store import confirmation_codes, link_requests, outbox
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import encrypted_under
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.keys.messages import outbox_key
from chalicelib.store.personal_data import reveal
from chalicelib.store.table import ConflictError
from chalicelib.store.writes import Delete, SetBlob
from infra.operator.data_keys import Progress, reencrypt, rotate
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI, FixedKeys
from tests.factories import EMAIL_NEWS, EVENING, NOON, a_decision, on_paper
from tests.services.test_erasure import erased
from tests.store.people import BELLA, only_person, signed
from tests.store.test_clinics import publish
from tests.store.test_secrecy import NAME, every_item

SECOND, THIRD = b"2" * 32, b"3" * 32


def process(portal: Portal) -> Portal:
    """Give the portal as a process that was started a moment ago sees it."""
    shop = Clinics(portal.table, FixedKeys(), portal.clinics.clock)
    return replace(portal, clinics=shop)


def filled(portal: Portal) -> None:
    """Let people decide, with everything that is sealed: contacts, names, evidence, what is to be
    told.
    """
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE, name=NAME))
    decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, NOON, NOON), signed(GIORGI, name=NAME))
    portal.table.put_new(
        link_requests.link_request(portal.clinics.key(RIGA), [ANNA], "lv", "", NOON)
    )
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, clinic=TBILISI), signed(ANNA))


def under(portal: Portal, clinic: str = RIGA) -> dict[str, set[str]]:
    """Tell under which data keys the things of a clinic are sealed, by kind of item."""
    found: dict[str, set[str]] = {}
    for item in every_item(portal):
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        if (
            "blob" in item
            and clinic in pk + sk
            and ("SEALED#" in sk or pk.startswith(("UNSENT#", "DEADLETTER#")))
        ):
            kind = "SEALED" if "SEALED#" in sk else pk.partition("#")[0]
            found.setdefault(kind, set()).add(encrypted_under(bytes(item["blob"]["B"])))
    return found


def last(portal: Portal, **where: Any) -> Progress:
    """Seal everything anew, and tell how far it came."""
    return list(reencrypt(portal, RIGA, **where))[-1]


def test_from_the_next_request_on_the_new_key_seals_in_every_process(portal: Portal) -> None:
    """A process that has run for hours takes the new key with the look it begins a request with."""
    other = process(portal)
    filled(portal)
    other.clinics.key(RIGA)
    key_id = rotate(portal, RIGA, SECOND)
    decisions.record(other, a_decision({EMAIL_NEWS: "no"}, EVENING), signed(BELLA, name="Bella"))
    assert under(portal) == {"SEALED": {"", key_id}, "UNSENT": {"", key_id}}
    assert under(portal, TBILISI) == {"SEALED": {""}, "UNSENT": {""}}
    bella = only_person(process(portal), RIGA, BELLA)
    for reader in (portal, other, process(portal)):  # the first has not looked since
        assert reveal(portal.table, reader.clinics.key(RIGA), bella).names == ("Bella",)


def test_what_older_keys_sealed_is_sealed_anew_and_reads_the_same(portal: Portal) -> None:
    """Two rotations later the newest key alone opens contacts, names, evidence and what waits to be
    told.
    """
    filled(portal)
    outbox.move_to_dead_letters(portal.table, next(iter(outbox.due_items(portal.table, "9999"))))
    rotate(portal, RIGA, SECOND)
    anna = only_person(portal, RIGA, ANNA)
    before = reveal(portal.table, portal.clinics.key(RIGA), anna)
    newest = rotate(portal, RIGA, THIRD)
    done = last(process(portal))
    assert set(under(portal)) >= {"SEALED", "UNSENT"}
    assert {each for keys in under(portal).values() for each in keys} == {newest}
    assert (done.people, done.unreadable) == (2, 0)
    assert done.reencrypted >= 8
    fresh = process(portal)
    assert reveal(portal.table, fresh.clinics.key(RIGA), anna) == before
    wishes = [
        each
        for each in outbox.due_items(portal.table, "9999")
        if each.entry.kind == outbox.LINK_REQUEST
    ]
    assert [each.contacts(fresh.clinics.key(RIGA), each.entry.subject) for each in wishes] == [
        [ANNA]
    ]
    assert last(process(portal)).reencrypted == 0, "nothing is left to do"
    assert under(portal, TBILISI) == {"SEALED": {""}, "UNSENT": {""}}


def test_a_run_that_was_stopped_is_taken_up_where_it_stopped(portal: Portal) -> None:
    """A million people are no single evening's work."""
    filled(portal)
    newest = rotate(portal, RIGA, SECOND)
    people = sorted([only_person(portal, RIGA, ANNA).id, only_person(portal, RIGA, GIORGI).id])
    assert last(portal, after=people[0]).people == 1
    assert under(portal)["SEALED"] == {"", newest}
    assert last(portal).people == 2
    assert under(portal)["SEALED"] == {newest}


def test_sealing_anew_brings_nothing_back_that_was_taken_away_meanwhile(portal: Portal) -> None:
    """Who is erased while the command runs stays erased: it writes only over what it has read."""
    filled(portal)
    anna = only_person(portal, RIGA, ANNA)
    sealed = next(iter(portal.table.partition(f"CLINIC#{RIGA}#SUBJECT#{anna.id}", "SEALED#")))
    rotate(portal, RIGA, SECOND)
    erased(portal, ANNA)
    assert last(portal).unreadable == 0
    assert encrypted_under(bytes(portal.table.get([sealed.key])[sealed.key].blob or b"")) == ""
    with pytest.raises(ConflictError):
        portal.table.write([SetBlob(sealed.key, b"new", was=b"another")])
    gone = sealed.key._replace(sk="SEALED#gone")
    with pytest.raises(ConflictError):
        portal.table.write([SetBlob(gone, b"new", was=b"old")])


def test_a_damaged_item_is_told_and_left_alone(portal: Portal) -> None:
    """One thing that nobody can open stops none of the others."""
    filled(portal)
    anna = only_person(portal, RIGA, ANNA)
    item = next(iter(portal.table.partition(f"CLINIC#{RIGA}#SUBJECT#{anna.id}", "SEALED#")))
    portal.table.write([SetBlob(item.key, b"damaged", was=bytes(item.blob or b""))])
    rotate(portal, RIGA, SECOND)
    done = last(portal)
    assert done.unreadable == 1
    assert done.reencrypted >= 6
    assert bytes(portal.table.get([item.key])[item.key].blob or b"") == b"damaged"


def test_the_keys_outlive_a_publication(portal: Portal) -> None:
    """A new notice is written into the same item; no key is lost by it, nor by one made at the same
    moment.
    """
    publish(portal)
    first, second = (
        rotate(portal, "liepaja-physio", SECOND),
        rotate(portal, "liepaja-physio", THIRD),
    )
    publish(portal, NOON, version="1.1")
    key = clinic_key("liepaja-physio")
    assert portal.table.get([key])[key].texts.keys() == {first, second}
    published = json.loads(portal.table.get([key])[key].body or "")["published"]
    assert [version for _, version, _ in published] == ["1.0", "1.1"]


def test_a_claim_made_before_a_rotation_is_still_confirmed_by_its_code(portal: Portal) -> None:
    """What waits for a code keeps its own seal, and lapses by itself within days."""
    decision = a_decision({EMAIL_NEWS: "yes"}, confirm=frozenset({EMAIL_NEWS}))
    receipt = decisions.record(portal, decision, signed(ANNA_PHONE))
    person = only_person(portal, RIGA, ANNA_PHONE)
    kept = confirmation_codes.asked_write(
        portal.clinics.key(RIGA), person, receipt.document, [ANNA_PHONE]
    )
    confirmation_codes.keep_asked(portal.table, kept)
    portal.table.write_one(Delete(outbox_key(RIGA, receipt.id)))
    rotate(portal, RIGA, SECOND)
    last(portal)
    fresh = process(portal)
    subject = receipt.document["subject"]
    assert confirmation_codes.claimants(portal.table, fresh.clinics, RIGA, receipt.id, subject) == (
        ANNA_PHONE,
    )
