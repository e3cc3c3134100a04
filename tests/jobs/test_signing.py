import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalicelib import log
from chalicelib.domain.receipts import Receipt
from chalicelib.jobs import after_decision, catch_up, signing
from chalicelib.jobs.signing import SigningReport
from chalicelib.portal import Portal
from chalicelib.receipts import jws
from chalicelib.receipts.chain import verify_chain
from chalicelib.services import decisions
from chalicelib.store import outbox, signatures
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.messages import outbox_key
from chalicelib.store.keys.receipts import receipt_key, signature_key
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.store.signer import SigningKey
from chalicelib.store.statistics import counts
from chalicelib.store.table import Table, UnavailableError
from infra.operator.signing import check_chains
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, NOON, SMS_NEWS, a_decision
from tests.keys import OwnKey, key_set
from tests.messages.outgoing import Sorting, left
from tests.policies import under_policy_of
from tests.store.people import meddle, signed


def in_time() -> bool:
    """Tell that there is time enough."""
    return False


@dataclass
class OtherIsQuicker(OwnKey):
    """A key during whose signature somebody else signs the receipt."""

    portal: Portal | None = None
    other: OwnKey | None = None

    def sign(self, key: SigningKey, message: bytes) -> bytes:
        """Let the clock's round sign first."""
        assert self.portal is not None
        assert self.other is not None
        assert round_of(self.portal, self.other).signed == 1
        return super().sign(key, message)


def some_receipts(portal: Portal) -> list[Receipt]:
    """Let Anna decide twice, Giorgi once, and somebody at the other clinic."""
    return [
        decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA)),
        decisions.record(portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), signed(ANNA)),
        decisions.record(
            portal, a_decision({EMAIL_NEWS: "no"}, receipt_id="f" * 32), signed(GIORGI)
        ),
        decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, clinic=TBILISI), signed(GIORGI)),
    ]


def signed_ones(portal: Portal, receipts: Sequence[Receipt]) -> list[str | None]:
    """Give each receipt's signed form as its reader gets it."""
    return [
        portal.receipts.issued(receipt.document["clinic"], receipt.id)[1] for receipt in receipts
    ]


def waiting(portal: Portal) -> set[str]:
    """Give the numbers of the receipts that wait."""
    return {each.number for each in outbox.unsigned_items(portal.table)}


def round_of(portal: Portal, signer: OwnKey) -> SigningReport:
    """Go once through all that waits."""
    with under_policy_of(portal, "catch_up"):
        return list(signing.sign_waiting(portal.table, signer, in_time))[-1]


def test_every_receipt_waits_until_it_is_signed(portal: Portal) -> None:
    """Nothing is forgotten between a decision and its signature, at any clinic."""
    receipts, signer = some_receipts(portal), OwnKey()
    assert waiting(portal) == {receipt.id for receipt in receipts}
    assert signed_ones(portal, receipts) == [None] * 4
    tally = round_of(portal, signer)
    assert (tally.signed, tally.failed, tally.whole) == (4, 0, True)
    assert waiting(portal) == set()
    jwks = signatures.jwks(portal.table)
    for receipt, written in zip(receipts, signed_ones(portal, receipts), strict=True):
        assert written is not None
        assert jws.verify(written, jwks).canonical == receipt.canonical
    assert round_of(portal, signer).signed == 0


def test_a_receipt_and_its_signature_are_read_together(
    portal: Portal, round_trips: list[str]
) -> None:
    """The receipt page with its seal is as quick as without."""
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    round_of(portal, OwnKey())
    round_trips.clear()
    assert portal.receipts.issued(RIGA, receipt.id)[1]
    assert round_trips == ["BatchGetItem", "BatchGetItem"]
    with pytest.raises(UnknownReceiptError):
        portal.receipts.issued(TBILISI, receipt.id)


def test_the_public_key_is_there_before_its_first_signature(portal: Portal) -> None:
    """Nobody ever reads a signature whose key is not published."""
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    written: list[str] = []

    def note(request: Any, **_: Any) -> None:
        if not request.headers["X-Amz-Target"].endswith((b"BatchGetItem", b"Query")):
            written.extend(word for word in ("JWKS", "SIGNATURE#") if word in str(request.body))

    portal.table.client.meta.events.register("before-send.dynamodb", note)
    round_of(portal, OwnKey())
    assert None not in signed_ones(portal, [receipt])
    assert written == ["JWKS", "SIGNATURE#"]


def test_a_receipt_signed_twice_keeps_its_first_signature(portal: Portal) -> None:
    """The stream and the clock's round may come together: what somebody took home stays what is
    kept.
    """
    receipt, signer = (
        decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA)),
        OwnKey(),
    )
    place = outbox_key(RIGA, receipt.id)
    before = portal.table.get([place])[place].body
    work = signing.ReceiptSigning(
        portal.table, OtherIsQuicker(portal=portal, other=signer), in_time
    )
    [item] = work.sign_items(list(outbox.unsigned_items(portal.table)))
    assert not item.unsigned
    [first] = signed_ones(portal, [receipt])
    assert jws.verify(first or "", key_set(signer))
    assert sum(counts(portal.table, RIGA, "2026-11-22").values()) == 1
    meddle(portal, place, before)
    assert (round_of(portal, signer).signed, signer.signed) == (0, 1)
    assert signed_ones(portal, [receipt]) == [first]
    assert waiting(portal) == set()


def test_what_cannot_be_signed_now_is_signed_later(portal: Portal) -> None:
    """A key service that is away costs time and no receipt."""
    receipts, signer = some_receipts(portal), OwnKey(away=True)
    tally = round_of(portal, signer)
    assert (tally.signed, tally.failed, tally.whole) == (0, 3, False)
    assert waiting(portal) == {receipt.id for receipt in receipts}
    signer.away = False
    assert round_of(portal, signer).signed == 4
    assert None not in signed_ones(portal, receipts)


def test_one_receipt_too_long_for_its_key_holds_up_no_other(portal: Portal) -> None:
    """It waits for a key that can, and the log says so."""
    signer = OwnKey(Ed25519PrivateKey.generate())
    long = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, source="F" * 900), signed(ANNA))
    short = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(GIORGI))
    signer.too_long = len(jws.signing_input(jws.header(signer.key.jwk), long.canonical)) - 1
    tally = round_of(portal, signer)
    assert (tally.signed, tally.failed, tally.whole) == (1, 1, True)
    assert waiting(portal) == {long.id}
    assert signed_ones(portal, [short]) != [None]
    assert round_of(portal, OwnKey()).signed == 1


def test_one_receipt_that_cannot_be_signed_holds_up_nobody_else(portal: Portal) -> None:
    """The clock's round comes to it first every time, and signs everybody else's every time.

    The next receipt of the same person waits for it: the feed tells them in their order.
    """
    receipts, signer = some_receipts(portal), OwnKey()
    signer.refused = jws.signing_input(jws.header(signer.key.jwk), receipts[0].canonical)
    tally = round_of(portal, signer)
    assert (tally.signed, tally.failed, tally.whole) == (2, 1, True)
    assert waiting(portal) == {receipts[0].id, receipts[1].id}
    signer.refused = b""
    assert round_of(portal, signer).signed == 2


def test_nothing_but_a_receipt_is_ever_signed(portal: Portal) -> None:
    """Who meddles with the table before the signature gets none for what is no receipt."""
    receipts, signer = some_receipts(portal), OwnKey()
    for receipt, body in zip(
        receipts, ("{}", "no JSON", json.dumps(receipts[2].document)), strict=False
    ):
        document = receipt.document
        key = receipt_key(document["clinic"], document["subject"], document["version"])
        meddle(portal, key, body)
    assert round_of(portal, signer).signed == signer.signed == 1
    assert waiting(portal) == {receipt.id for receipt in receipts[:3]}


def test_a_mark_whose_receipt_is_gone_is_told_in_every_round(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    """A receipt that vanished is damage somebody must hear of; the log names it without what opens
    its page.
    """
    receipts = some_receipts(portal)
    gone = receipts[0].document
    meddle(portal, receipt_key(gone["clinic"], gone["subject"], gone["version"]), None)
    for signed_now in (3, 0):
        caplog.clear()
        tally = round_of(portal, OwnKey())
        assert (tally.signed, tally.failed, tally.whole) == (signed_now, 1, True)
        [line] = [record for record in caplog.records if record.getMessage() == "not signed"]
        assert (line.clinic, line.subject, line.version) == (
            gone["clinic"],
            gone["subject"],
            gone["version"],
        )
        assert gone["id"] not in str(vars(line))
    assert waiting(portal) == {gone["id"]}


def test_a_mark_without_its_receipt_counts_where_nothing_else_waits(portal: Portal) -> None:
    """The last one of a round is told as well."""
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    meddle(portal, receipt_key(RIGA, receipt.document["subject"], 1), None)
    assert (round_of(portal, OwnKey()).failed, round_of(portal, OwnKey(away=True)).failed) == (1, 1)


def test_a_round_stops_when_its_time_is_over_and_the_next_goes_on(portal: Portal) -> None:
    """A function that may run four minutes leaves nothing half done."""
    some_receipts(portal)
    signer = OwnKey()
    tally = list(signing.sign_waiting(portal.table, signer, lambda: signer.signed == 2))[-1]
    assert (tally.signed, tally.failed, tally.whole) == (2, 0, False)
    assert len(waiting(portal)) == 2
    assert round_of(portal, signer).signed == 2


def test_more_than_a_hundred_that_wait_are_all_signed(portal: Portal) -> None:
    """After a long outage one round is enough."""
    for number in range(105):
        decision = a_decision({EMAIL_NEWS: "no"}, receipt_id=f"{number % 16:x}{number:031x}")
        decisions.record(portal, decision, signed(*[ANNA, GIORGI][number % 2 : number % 2 + 1]))
    assert round_of(portal, OwnKey()).signed == 105
    assert waiting(portal) == set()


def test_the_stream_counts_then_signs(portal: Portal) -> None:
    """A receipt is sealed moments after it was given."""
    receipts, signer = some_receipts(portal)[:2], OwnKey()
    event = {"Records": [left(receipt) for receipt in receipts]}
    for _ in range(2):
        with under_policy_of(portal, "after_receipt"):
            after_decision.handle(portal.table, event, signer, in_time)
    assert None not in signed_ones(portal, receipts)
    assert counts(portal.table, RIGA, "2026-11-22") == {
        "newsletter.email#granted#reception": 1,
        "newsletter.email#withdrawn#reception": 1,
    }


def test_without_a_signer_the_stream_counts_all_the_same(portal: Portal) -> None:
    """A clinic whose portal signs nothing has its numbers; who signs later counts nothing again."""
    receipts = some_receipts(portal)[:2]
    event = {"Records": [left(receipt) for receipt in receipts]}
    for _ in range(2):
        with under_policy_of(portal, "after_receipt"):
            answer = after_decision.handle(portal.table, event, None, in_time)
        assert answer == {"batchItemFailures": []}
    assert sum(counts(portal.table, RIGA, "2026-11-22").values()) == 2
    assert {receipt.id for receipt in receipts} <= waiting(portal)
    assert round_of(portal, OwnKey()).counted == 2  # those of whom the stream did not tell
    assert None not in signed_ones(portal, receipts)
    assert sum(counts(portal.table, RIGA, "2026-11-22").values()) == 3


def test_while_the_key_service_is_away_numbers_wait_with_the_signatures(portal: Portal) -> None:
    """Nothing is counted twice for it, and the stream does not send its batch again."""
    receipts = some_receipts(portal)[:2]
    event = {"Records": [left(receipt) for receipt in receipts]}
    with under_policy_of(portal, "after_receipt"):
        answer = after_decision.handle(portal.table, event, OwnKey(away=True), in_time)
    assert answer == {"batchItemFailures": []}
    assert counts(portal.table, RIGA, "2026-11-22") == {}
    assert {receipt.id for receipt in receipts} <= waiting(portal)
    assert round_of(portal, OwnKey()).counted == 4
    assert sum(counts(portal.table, RIGA, "2026-11-22").values()) == 3


def test_the_clocks_round_signs_what_the_stream_left(portal: Portal) -> None:
    """And does nothing, clearly, where signing is off."""
    receipts = some_receipts(portal)
    catch_up.sign_waiting(portal.table, None, in_time)
    assert len(waiting(portal)) == 4
    catch_up.sign_waiting(portal.table, OwnKey(), in_time)
    assert None not in signed_ones(portal, receipts)


def test_what_was_counted_is_written_even_when_the_table_is_lost(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alarm on `SigningFailed` must hear of it just when everything fails."""
    written: list[None] = []
    monkeypatch.setattr(log, "flush", lambda: written.append(None))
    receipts = some_receipts(portal)

    def lost(*_: object) -> None:
        raise UnavailableError("lost")

    monkeypatch.setattr(outbox, "unsigned_items", lost)
    with pytest.raises(UnavailableError):
        catch_up.sign_waiting(portal.table, OwnKey(), in_time)
    monkeypatch.setattr(Table, "write", lost)
    answer = after_decision.handle(
        portal.table, {"Records": [left(receipts[0])]}, OwnKey(), in_time
    )
    assert len(answer["batchItemFailures"]) == 1
    assert len(written) == 2


def test_after_another_key_signs_both_verify(portal: Portal) -> None:
    """A receipt from before a rotation is proof for as long as it is kept."""
    before, after = OwnKey(), OwnKey(Ed25519PrivateKey.generate())
    first = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    round_of(portal, before)
    second = decisions.record(portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), signed(ANNA))
    round_of(portal, after)
    jwks = signatures.jwks(portal.table)
    assert {key["kid"] for key in jwks["keys"]} == {before.key.kid, after.key.kid}
    proven = [jws.verify(written or "", jwks) for written in signed_ones(portal, [first, second])]
    assert [each.kid for each in proven] == [before.key.kid, after.key.kid]
    verify_chain(proven)


def faults(portal: Portal, clinic: str = RIGA) -> list[str]:
    """Give what an operator's check of a clinic finds."""
    return [fault for _, _, found in check_chains(portal.table, clinic) for fault in found]


def test_an_operator_checks_every_chain_of_a_clinic(portal: Portal) -> None:
    """Years of receipts are checked in one go; what waits for its signature is told and is no
    fault.
    """
    some_receipts(portal)
    round_of(portal, OwnKey())
    decisions.record(portal, a_decision({SMS_NEWS: "yes"}), signed(ANNA_PHONE))
    *_, (_, seen, _) = check_chains(portal.table, RIGA)
    assert dict(seen) == {"people": 3, "receipts": 4, "signed": 3, "waiting": 1}
    assert faults(portal) == faults(portal, TBILISI) == []


def rewrite(portal: Portal, key: Key, old: str, new: str) -> None:
    """Change an item behind the portal's back."""
    body = portal.table.get([key])[key].body or ""
    assert old in body
    meddle(portal, key, body.replace(old, new))


def test_whatever_is_meddled_with_in_the_table_is_found(portal: Portal) -> None:
    """Who can write to the table still cannot change a decision unnoticed."""
    first, last = some_receipts(portal)[:2]
    round_of(portal, OwnKey())
    places = [(RIGA, first.document["subject"], number) for number in (1, 2)]
    found, signature, end = (
        receipt_key(*places[0]),
        signature_key(*places[0]),
        receipt_key(*places[1]),
    )
    whole = portal.table.get([found, signature, end])

    rewrite(portal, found, '"answer":"yes"', '"answer":"no"')
    assert any("was changed" in fault for fault in faults(portal))
    assert len(faults(portal)) == 3  # the signature, the gap in the chain, the roll
    meddle(portal, found, whole[found].body)
    assert faults(portal) == []

    meddle(portal, end, None)
    assert any("receipt 2: is gone" in fault for fault in faults(portal))
    meddle(portal, signature_key(*places[1]), None)
    assert faults(portal) == ["The roll names another receipt 2 as this person's last."]
    meddle(portal, end, last.canonical.decode())

    rewrite(portal, signature, '"signature": "', '"signature": "A')
    assert any("receipt 1" in fault for fault in faults(portal))
    meddle(portal, signature, whole[signature].body)
    rewrite(portal, found, "{", "[")
    assert any("receipt 1" in fault for fault in faults(portal))


def test_a_forged_signature_by_another_key_is_found(portal: Portal) -> None:
    """Who can write to the table cannot sign."""
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    stranger = OwnKey()
    forged = stranger.signed_receipt(receipt.canonical)
    portal.table.put_new(signatures.signature_write(receipt, forged, NOON))
    assert any("not among the keys" in fault for fault in faults(portal))
    [written] = signed_ones(portal, [receipt])
    assert jws.verify(written or "", key_set(stranger)).kid == stranger.key.kid


def test_an_item_whose_messages_are_done_stays_without_contacts_until_its_receipt_is_signed(
    portal: Portal, post: Sorting
) -> None:
    """A key service that is away for days keeps nobody's contact for it."""
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    post.stream(receipt)  # nothing signs
    assert len(post.mails(ANNA)) == 1
    assert (post.waits(), waiting(portal)) == (0, {receipt.id})
    place = outbox_key(RIGA, receipt.id)
    [left_over] = portal.table.get([place]).values()
    assert left_over.blob is None
    assert json.loads(left_over.body or "").keys() <= {
        "kind",
        "clinic",
        "subject",
        "lang",
        "base",
        "receipt",
        "version",
    }
    assert post.round().sent == 0
    assert round_of(portal, OwnKey()).counted == 0, "it was counted when nothing signed"
    assert not portal.table.get([place])


def test_an_item_whose_messages_wait_is_noted_as_signed_and_signed_no_more(
    portal: Portal, post: Sorting
) -> None:
    """A mail service that is away costs no signature in each round."""
    receipt, signer = (
        decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA)),
        OwnKey(),
    )
    post.office.off = True
    event = {"Records": [left(receipt)]}
    for _ in range(2):
        with under_policy_of(portal, "after_receipt"):
            after_decision.handle(portal.table, event, signer, in_time, post.delivery)
    assert (post.waits(), waiting(portal), signer.signed) == (1, set(), 1)
    assert round_of(portal, signer).signed == 0
    post.office.off = False
    assert post.round(timedelta(hours=1)).sent == 1
    assert not portal.table.get([outbox_key(RIGA, receipt.id)])


def test_an_item_that_is_given_up_is_signed_all_the_same_and_sent_again_beside_it(
    portal: Portal,
) -> None:
    """What an operator sends again is one item, whatever became of the signature meanwhile."""
    receipts = some_receipts(portal)[:2]
    for item in list(outbox.due_items(portal.table, "9999")):
        outbox.move_to_dead_letters(portal.table, item)
    assert len(outbox.dead_letters(portal.table, RIGA)) == 3
    assert {receipt.id for receipt in receipts} <= waiting(portal)
    before, after, _ = outbox.dead_letters(portal.table, RIGA)
    outbox.requeue(portal.table, before)
    assert before.number in waiting(portal), "it asks for both again"
    assert round_of(portal, OwnKey()).signed == 4
    outbox.requeue(portal.table, after)
    assert round_of(portal, OwnKey()).signed == 0
    assert sum(counts(portal.table, RIGA, "2026-11-22").values()) == 3
    assert {each.number for each in outbox.due_items(portal.table, "9999")} == {
        before.number,
        after.number,
    }
