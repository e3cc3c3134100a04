"""A clinic's data key can be changed: from then on another seals, and what was sealed before follows, nothing lost."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.portal import Portal
from chalicelib.store import messages, outbox
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import sealed_under
from chalicelib.store.keys import clinic_key
from chalicelib.store.personal_data import reveal
from chalicelib.store.receipts import Register
from chalicelib.store.table import ConflictError, SetBlob
from infra.operator.data_keys import Progress, reseal, rotate
from tests.acts import EMAIL_NEWS, EVENING, NOON, an_act, on_paper
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI, FixedKeys
from tests.store.people import BELLA, only_person, signed
from tests.store.test_clinics import publish
from tests.store.test_erasure import erased
from tests.store.test_secrecy import NAME, every_item

SECOND, THIRD = b"2" * 32, b"3" * 32


def process(house: Portal) -> Portal:
    """Give the portal as a process that was started a moment ago sees it."""
    shop = Clinics(house.table, FixedKeys(), house.clinics._clock)  # noqa: SLF001 - the same time
    return replace(house, clinics=shop, register=Register(house.table, shop, pause=lambda _: None))


def filled(house: Portal) -> None:
    """Let people decide, with everything that is sealed: contacts, names, evidence, what is to be told."""
    house.register.record(an_act({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE, name=NAME))
    house.register.record(on_paper({EMAIL_NEWS: "yes"}, NOON, NOON), signed(GIORGI, name=NAME))
    house.table.put_new(messages.wanted(house.clinics.key(RIGA), [ANNA], "lv", "", NOON))
    house.register.record(an_act({EMAIL_NEWS: "yes"}, clinic=TBILISI), signed(ANNA))


def under(house: Portal, clinic: str = RIGA) -> dict[str, set[str]]:
    """Tell under which data keys the things of a clinic are sealed, by kind of item."""
    found: dict[str, set[str]] = {}
    for item in every_item(house):
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        if "blob" in item and clinic in pk + sk and ("SEALED#" in sk or pk.startswith(("UNSENT#", "DEADLETTER#"))):
            kind = "SEALED" if "SEALED#" in sk else pk.partition("#")[0]
            found.setdefault(kind, set()).add(sealed_under(bytes(item["blob"]["B"])))
    return found


def last(house: Portal, **where: Any) -> Progress:
    """Seal everything anew, and tell how far it came."""
    return list(reseal(house, RIGA, **where))[-1]


def test_from_the_next_request_on_the_new_key_seals_in_every_process(house: Portal) -> None:
    """A process that has run for hours takes the new key with the look it begins a request with."""
    other = process(house)
    filled(house)
    other.clinics.key(RIGA)
    key_id = rotate(house, RIGA, SECOND)
    other.register.record(an_act({EMAIL_NEWS: "no"}, EVENING), signed(BELLA, name="Bella"))
    assert under(house) == {"SEALED": {"", key_id}, "UNSENT": {"", key_id}}
    assert under(house, TBILISI) == {"SEALED": {""}, "UNSENT": {""}}
    bella = only_person(process(house), RIGA, BELLA)
    for reader in (house, other, process(house)):  # the first has not looked since
        assert reveal(house.table, reader.clinics.key(RIGA), bella).names == ("Bella",)


def test_what_older_keys_sealed_is_sealed_anew_and_reads_the_same(house: Portal) -> None:
    """Two rotations later the newest key alone opens contacts, names, evidence and what waits to be told."""
    filled(house)
    messages.bury(house.table, next(iter(messages.waiting(house.table, "9999"))))
    rotate(house, RIGA, SECOND)
    anna = only_person(house, RIGA, ANNA)
    before = reveal(house.table, house.clinics.key(RIGA), anna)
    newest = rotate(house, RIGA, THIRD)
    done = last(process(house))
    assert set(under(house)) >= {"SEALED", "UNSENT"}
    assert {each for keys in under(house).values() for each in keys} == {newest}
    assert (done.people, done.unreadable) == (2, 0)
    assert done.resealed >= 8
    fresh = process(house)
    assert reveal(house.table, fresh.clinics.key(RIGA), anna) == before
    wishes = [each for each in messages.waiting(house.table, "9999") if each.unsent.kind == messages.WANTED]
    assert [each.contacts(fresh.clinics.key(RIGA), each.unsent.subject) for each in wishes] == [[ANNA]]
    assert last(process(house)).resealed == 0, "nothing is left to do"
    assert under(house, TBILISI) == {"SEALED": {""}, "UNSENT": {""}}


def test_a_run_that_was_stopped_is_taken_up_where_it_stopped(house: Portal) -> None:
    """A million people are no single evening's work."""
    filled(house)
    newest = rotate(house, RIGA, SECOND)
    people = sorted([only_person(house, RIGA, ANNA).id, only_person(house, RIGA, GIORGI).id])
    assert last(house, after=people[0]).people == 1
    assert under(house)["SEALED"] == {"", newest}
    assert last(house).people == 2
    assert under(house)["SEALED"] == {newest}


def test_sealing_anew_brings_nothing_back_that_was_taken_away_meanwhile(house: Portal) -> None:
    """Who is erased while the command runs stays erased: it writes only over what it has read."""
    filled(house)
    anna = only_person(house, RIGA, ANNA)
    sealed = next(iter(house.table.partition(f"CLINIC#{RIGA}#SUBJECT#{anna.id}", "SEALED#")))
    rotate(house, RIGA, SECOND)
    erased(house, ANNA)
    assert last(house).unreadable == 0
    assert sealed_under(bytes(house.table.get([sealed.key])[sealed.key].blob or b"")) == ""
    with pytest.raises(ConflictError):
        house.table.write([SetBlob(sealed.key, b"new", was=b"another")])
    gone = sealed.key._replace(sk="SEALED#gone")
    with pytest.raises(ConflictError):
        house.table.write([SetBlob(gone, b"new", was=b"old")])


def test_a_damaged_item_is_told_and_left_alone(house: Portal) -> None:
    """One thing that nobody can open stops none of the others."""
    filled(house)
    anna = only_person(house, RIGA, ANNA)
    item = next(iter(house.table.partition(f"CLINIC#{RIGA}#SUBJECT#{anna.id}", "SEALED#")))
    house.table.write([SetBlob(item.key, b"damaged", was=bytes(item.blob or b""))])
    rotate(house, RIGA, SECOND)
    done = last(house)
    assert done.unreadable == 1
    assert done.resealed >= 6
    assert bytes(house.table.get([item.key])[item.key].blob or b"") == b"damaged"


def test_the_keys_outlive_a_publication(house: Portal) -> None:
    """A new notice is written into the same item; no key is lost by it, nor by one made at the same moment."""
    publish(house)
    first, second = rotate(house, "liepaja-physio", SECOND), rotate(house, "liepaja-physio", THIRD)
    publish(house, NOON, version="1.1")
    key = clinic_key("liepaja-physio")
    assert house.table.get([key])[key].texts.keys() == {first, second}
    published = json.loads(house.table.get([key])[key].body or "")["published"]
    assert [version for _, version, _ in published] == ["1.0", "1.1"]


def test_a_claim_made_before_a_rotation_is_still_confirmed_by_its_code(house: Portal) -> None:
    """What waits for a code keeps its own seal, and lapses by itself within days."""
    act = an_act({EMAIL_NEWS: "yes"}, confirm=frozenset({EMAIL_NEWS}))
    receipt = house.register.record(act, signed(ANNA_PHONE))
    rotate(house, RIGA, SECOND)
    last(house)
    fresh = process(house)
    subject = receipt.document["subject"]
    assert outbox.claimants(house.table, fresh.clinics, RIGA, receipt.id, subject) == (ANNA_PHONE,)
