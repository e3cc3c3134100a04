"""Each finished day of a clinic's audit is sealed, and whoever changes it afterwards is found out."""

import json
from collections.abc import Sequence

import pytest

from chalicelib.domain.instants import Instant
from chalicelib.jobs.audit_seals import seal_audits
from chalicelib.portal import Portal
from chalicelib.receipts import jws
from chalicelib.receipts.audit_seals import TYPE, seal_hash, verify_seal
from chalicelib.receipts.errors import NotAReceiptError, UnprovenError
from chalicelib.services.audit_seals import verify_days
from chalicelib.store import audit, audit_seals, signatures
from chalicelib.store.keys.audit import audit_seal_key, sealing_key
from chalicelib.store.keys.key import Key
from chalicelib.store.table import WrittenOnceError
from chalicelib.store.writes import Put, Replace
from tests.cast import RIGA, TBILISI
from tests.keys import OwnKey
from tests.policies import under_policy_of
from tests.store.people import meddle

DAY, NEXT, THIRD = "2026-11-22", "2026-11-23", "2026-11-24"
ENDED = {
    DAY: "2026-11-23T06:00:00.000Z",
    NEXT: "2026-11-24T06:00:00.000Z",
    THIRD: "2026-11-25T06:00:00.000Z",
}
"""From when on each day is to be sealed."""

SUBJECT = "a" * 32


def looked(portal: Portal, at: Instant, deed: str = "status", clinic: str = RIGA) -> Key:
    """Leave a line of the audit; give its place."""
    line = audit.line(clinic, "key_0123456789ab", deed, at, [SUBJECT])
    assert portal.table.put_new(line)
    return line.key


def a_day(portal: Portal, day: str = DAY, lines: int = 9) -> list[Key]:
    """Leave some lines of one day, in several partitions."""
    return [looked(portal, f"{day}T{8 + number:02d}:15:00.000Z") for number in range(lines)]


def seal(portal: Portal, signer: OwnKey, day: str, *, most: int = 100) -> None:
    """Let the clock's round come, when a day is to be sealed, with time for so many clinics."""
    left = iter(range(most))
    with under_policy_of(portal, "catch_up"):
        seal_audits(portal, signer, ENDED[day], lambda: next(left, None) is None)


def faults(portal: Portal, days: Sequence[str] = (), clinic: str = RIGA) -> dict[str, list[str]]:
    """Verify days; give what is wrong with each."""
    return {check.day: check.faults for check in verify_days(portal.table, clinic, days)}


@pytest.fixture
def signer() -> OwnKey:
    """Give the portal's signing key."""
    return OwnKey()


def test_a_day_is_sealed_and_follows_from_the_day_before(portal: Portal, signer: OwnKey) -> None:
    """An inspector gets two signed ends, the second naming the first, and both hold."""
    a_day(portal)
    seal(portal, signer, DAY)
    a_day(portal, NEXT, lines=3)
    seal(portal, signer, NEXT)
    assert faults(portal) == {DAY: [], NEXT: []}
    first, second = audit_seals.since(portal.table, RIGA, "")
    jwks = signatures.jwks(portal.table)
    said = [verify_seal(each.signed, jwks) for each in (first, second)]
    assert [(each.day, each.lines, each.late) for each in said] == [(DAY, 9, 0), (NEXT, 3, 0)]
    assert (said[0].previous, said[1].previous) == (None, seal_hash(first.signed))
    assert faults(portal, clinic=TBILISI) == {DAY: [], NEXT: []}, "a day without a line too"


def test_a_day_is_sealed_six_hours_after_its_end_and_once(portal: Portal, signer: OwnKey) -> None:
    """What runs over midnight is in; and a round that has nothing to seal reads one item."""
    a_day(portal)
    seal_audits(portal, signer, "2026-11-23T05:59:59.999Z", lambda: False)
    assert audit_seals.read(portal.table, RIGA, DAY) is None
    seal(portal, signer, DAY)
    sealed = audit_seals.read(portal.table, RIGA, DAY)
    asked: list[str] = []
    portal.table.client.meta.events.register(
        "before-call.dynamodb", lambda model, **_: asked.append(model.name)
    )
    seal_audits(portal, signer, "2026-11-24T05:59:59.999Z", lambda: False)
    assert asked == ["BatchGetItem"]
    assert audit_seals.read(portal.table, RIGA, DAY) == sealed


def test_a_line_that_was_changed_is_named(portal: Portal, signer: OwnKey) -> None:
    """Whoever rewrites who looked at a patient is found out, and which line it was."""
    lines = a_day(portal)
    seal(portal, signer, DAY)
    told = json.loads(portal.table.get([lines[4]])[lines[4]].body or "")
    meddle(portal, lines[4], json.dumps({**told, "key": "key_ffffffffffff"}))
    assert faults(portal) == {
        DAY: [
            f"The line {lines[4].sk} is not sealed: it was changed, or added.",
            "The line sealed as number 5 of 9 is gone, or changed.",
        ]
    }


def test_a_line_that_was_removed_or_added_is_told(portal: Portal, signer: OwnKey) -> None:
    """Neither is a look-up taken out of the audit nor one put in that never was."""
    lines = a_day(portal)
    seal(portal, signer, DAY)
    seal(portal, signer, NEXT)
    meddle(portal, lines[0], None)
    added = looked(portal, f"{DAY}T23:00:00.000Z", "history")
    assert faults(portal)[DAY] == [
        f"The line {added.sk} is not sealed: it was changed, or added.",
        "The line sealed as number 1 of 9 is gone, or changed.",
    ]


def test_a_line_that_comes_late_is_sealed_with_the_next_day(portal: Portal, signer: OwnKey) -> None:
    """A function that hung for hours loses no line, and the seal that stood stays as it was."""
    a_day(portal)
    seal(portal, signer, DAY)
    before = audit_seals.read(portal.table, RIGA, DAY)
    late = looked(portal, f"{DAY}T12:34:56.789Z")
    assert faults(portal)[DAY] == [f"The line {late.sk} is not sealed: it was changed, or added."]
    a_day(portal, NEXT, lines=2)
    seal(portal, signer, NEXT)
    assert faults(portal) == {DAY: [], NEXT: []}
    assert audit_seals.read(portal.table, RIGA, DAY) == before
    following = audit_seals.read(portal.table, RIGA, NEXT)
    assert following is not None
    said = verify_seal(following.signed, signatures.jwks(portal.table))
    assert (said.lines, said.late) == (2, 1)
    meddle(portal, late, None)
    assert faults(portal)[DAY] == ["The line sealed as number 10 of 10 is gone, or changed."]


def test_a_seal_that_was_exchanged_or_taken_away_is_told(portal: Portal, signer: OwnKey) -> None:
    """A day cannot be rewritten with another seal, not by whoever could sign either."""
    a_day(portal)
    seal(portal, signer, DAY)
    seal(portal, signer, NEXT)
    place = audit_seal_key(RIGA, DAY)
    stood = portal.table.get([place])[place].body or ""
    forged = OwnKey()
    [own] = list(verify_days(portal.table, RIGA, [DAY]))
    assert own.seal is not None
    protected = jws.header(forged.key.jwk, TYPE)
    canonical = own.seal.canonical()
    signature = forged.sign(forged.key, jws.signing_input(protected, canonical))
    signed = jws.compact(protected, canonical, signature)
    meddle(portal, place, json.dumps({"signed": signed, "chain": own.seal.chain}))
    assert faults(portal)[DAY] == [
        "The seal is not proven: It is signed by a key that is not among the keys given."
    ]
    signatures.keep_key(portal.table, forged.key.jwk)
    assert faults(portal)[NEXT] == ["The seal does not follow from the seal of the day before."]
    meddle(portal, place, None)
    assert faults(portal, [DAY]) == {DAY: ["There is no seal of this day."]}
    assert "The seal of the day before is gone." in faults(portal)[NEXT]
    meddle(portal, place, stood)
    assert faults(portal) == {DAY: [], NEXT: []}


def test_a_seal_is_taken_for_no_receipt_and_a_receipt_for_no_seal(
    portal: Portal, signer: OwnKey
) -> None:
    """What is signed for one purpose proves nothing else (RFC 8725, 3.11)."""
    a_day(portal)
    seal(portal, signer, DAY)
    stored = audit_seals.read(portal.table, RIGA, DAY)
    assert stored is not None
    jwks = signatures.jwks(portal.table)
    with pytest.raises(NotAReceiptError):
        jws.verify(stored.signed, jwks)
    with pytest.raises(UnprovenError):
        verify_seal(signer.signed_receipt(b"{}"), jwks)


def test_days_that_no_round_came_to_are_sealed_one_by_one(portal: Portal, signer: OwnKey) -> None:
    """After an outage no day is left out, and none is sealed together with another."""
    a_day(portal)
    seal(portal, signer, DAY)
    a_day(portal, NEXT, lines=1)
    a_day(portal, THIRD, lines=2)
    seal(portal, OwnKey(away=True), NEXT)
    assert audit_seals.read(portal.table, RIGA, NEXT) is None
    seal(portal, signer, THIRD)
    assert faults(portal) == {DAY: [], NEXT: [], THIRD: []}


def test_a_round_without_time_goes_on_with_the_clinic_it_stopped_at(
    portal: Portal, signer: OwnKey
) -> None:
    """Very many clinics are sealed in several rounds, each once."""
    seal(portal, signer, DAY, most=0)
    assert signer.signed == 0
    seal(portal, signer, DAY, most=1)
    assert signer.signed == 1
    seal(portal, signer, DAY)
    assert signer.signed == 2
    assert faults(portal) == faults(portal, clinic=TBILISI) == {DAY: []}


def test_what_is_damaged_at_one_clinic_keeps_no_other_from_being_sealed(
    portal: Portal, signer: OwnKey
) -> None:
    """The round goes on behind the first clinic, and comes back to it when it is mended."""
    seal(portal, signer, DAY)
    first, second = sorted(portal.clinics.all())
    place = audit_seal_key(first, DAY)
    stood = portal.table.get([place])[place].body
    meddle(portal, place, "{}")
    seal(portal, signer, NEXT)
    assert audit_seals.read(portal.table, first, NEXT) is None
    assert audit_seals.read(portal.table, second, NEXT) is not None
    meddle(portal, place, stood)
    seal(portal, signer, NEXT)
    assert faults(portal, clinic=first) == {DAY: [], NEXT: []}


def test_a_crash_before_the_seal_leaves_a_day_that_is_sealed_as_it_then_is(
    portal: Portal, signer: OwnKey
) -> None:
    """The hashes that a broken round left do not count for the seal of the next."""
    a_day(portal)
    seal(portal, signer, DAY)
    meddle(portal, audit_seal_key(RIGA, DAY), None)  # as if it had never come so far
    meddle(portal, sealing_key(), "{}")
    looked(portal, f"{DAY}T20:00:00.000Z")
    seal(portal, signer, DAY)
    assert faults(portal) == {DAY: []}


def test_more_lines_than_one_item_holds_are_sealed(
    portal: Portal, signer: OwnKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clinic whose programs ask all day long is sealed as any other."""
    monkeypatch.setattr(audit_seals, "HASHES_IN_PART", 4)
    a_day(portal)
    seal(portal, signer, DAY)
    assert faults(portal) == {DAY: []}
    stored = audit_seals.read(portal.table, RIGA, DAY)
    assert stored is not None
    assert len(audit_seals.hashes_of(portal.table, RIGA, stored)) == 9


def test_the_portal_itself_changes_no_line_and_no_seal(portal: Portal, signer: OwnKey) -> None:
    """A mistake in the code is stopped before anything is sent."""
    [line] = a_day(portal, lines=1)
    seal(portal, signer, DAY)
    for key in (line, audit_seal_key(RIGA, DAY)):
        with pytest.raises(WrittenOnceError):
            portal.table.write([Replace(key, {"body": "{}"})])
        with pytest.raises(WrittenOnceError):
            portal.table.put(Put(key, {"body": "{}"}))
