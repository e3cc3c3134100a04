import hashlib
import itertools
import json
import re

import pytest
import rfc8785

from chalicelib.domain.decisions import Decision, decide, receipt_id
from chalicelib.domain.receipts import REFERENCE_DIGITS, Receipt, read_reference, reference
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import receipts as receipt_keys
from tests.factories import EMAIL_NEWS, IN_FORCE, MORNING, NOON, SMS_NEWS, a_decision, a_subject

FIELDS = {
    "id",
    "clinic",
    "subject",
    "version",
    "previous",
    "decisions",
    "notice",
    "controllers",
    "channel",
    "source",
    "assurance",
    "actor",
    "evidence",
    "effective_at",
    "recorded_at",
    "expires_at",
}


def a_chain(*decisions: Decision) -> list[Receipt]:
    """Give the receipts of decisions of one person."""
    subject, receipts = a_subject(), []
    for decision in decisions:
        receipt, subject = decide(subject, decision, IN_FORCE, known=False)
        receipts.append(receipt)
    return receipts


def test_a_receipt_says_what_the_contract_promises_and_nothing_else() -> None:
    """Every reader of a receipt, in ten years too, finds the same sixteen fields."""
    [receipt] = a_chain(a_decision({EMAIL_NEWS: "yes"}, endings={EMAIL_NEWS: "P1Y"}))
    assert set(receipt.document) == FIELDS
    assert receipt.document["notice"] == {"version": "1.0", "lang": "lv", "sha256": "ab" * 32}
    assert receipt.document["decisions"] == {
        EMAIL_NEWS: {
            "answer": "yes",
            "before": "never_asked",
            "after": "granted",
            "confirm_by": None,
            "expires_at": "2027-11-22T08:15:00.000Z",
        }
    }


def test_receipts_are_numbered_without_a_gap_and_each_names_the_hash_of_the_one_before() -> None:
    """Who holds one receipt can tell whether an earlier one was changed or taken away."""
    receipts = a_chain(
        *(a_decision({EMAIL_NEWS: answer}) for answer in ("yes", "withdraw", "yes", "no"))
    )
    assert [receipt.document["version"] for receipt in receipts] == [1, 2, 3, 4]
    assert receipts[0].document["previous"] is None
    for before, receipt in itertools.pairwise(receipts):
        assert receipt.document["previous"] == hashlib.sha256(before.canonical).hexdigest()


def test_a_receipts_bytes_are_canonical_json() -> None:
    """Anybody's RFC 8785 library gives the same bytes and so the same hash."""
    [receipt] = a_chain(a_decision({SMS_NEWS: "no", EMAIL_NEWS: "yes"}))
    assert receipt.canonical == rfc8785.dumps(json.loads(receipt.canonical))
    assert receipt.canonical.startswith(b'{"actor":"patient","assurance":"self-asserted"')
    assert json.loads(receipt.canonical) == receipt.document


def test_the_same_act_on_the_same_person_gives_the_same_bytes() -> None:
    """A decision replayed by a retry is the same decision, byte for byte."""
    decision = a_decision({EMAIL_NEWS: "yes"})
    assert a_chain(decision)[0].canonical == a_chain(decision)[0].canonical


def test_a_receipt_ends_when_the_first_of_its_consents_ends() -> None:
    """The date on the receipt is the first day on which something stops."""
    ends = {EMAIL_NEWS: "P1Y", SMS_NEWS: "2026-12-31"}
    [receipt] = a_chain(a_decision({EMAIL_NEWS: "yes", SMS_NEWS: "yes"}, endings=ends))
    assert receipt.document["expires_at"] == "2027-01-01T00:00:00.000Z"


def test_the_evidence_of_a_paper_form_stands_in_the_receipt() -> None:
    """The clinic can prove which sheet it is by its scan."""
    [receipt] = a_chain(a_decision({EMAIL_NEWS: "yes"}, evidence={"sha256": "0" * 64}))
    assert receipt.document["evidence"] == {"sha256": "0" * 64}


SAID = {
    "answers": {EMAIL_NEWS: "yes"},
    "contacts": ["email:anna.ozola@example.org"],
    "name": "Anna",
}


SECRET = ClinicKey("riga-aesthetics", b"k" * 32).receipt_secret()


def test_the_same_form_sent_twice_has_one_receipt_id() -> None:
    """A double click is one receipt, whatever order the fields came in."""
    number = receipt_id(SECRET, "nonce", SAID)
    assert number == receipt_id(SECRET, "nonce", dict(reversed(SAID.items())))
    assert re.fullmatch(r"[0-9a-f]{32}", number)


@pytest.mark.parametrize(
    ("nonce", "answers"),
    [
        ("another nonce", SAID),
        ("nonce", {**SAID, "answers": {EMAIL_NEWS: "no"}}),
        ("nonce", {**SAID, "contacts": []}),
        ("nonce", {**SAID, "name": None}),
    ],
)
def test_another_form_or_another_answer_has_another_receipt_id(
    nonce: str, answers: dict[str, object]
) -> None:
    """Going back in the browser and answering differently is a new decision."""
    assert receipt_id(SECRET, nonce, answers) != receipt_id(SECRET, "nonce", SAID)


def test_the_same_form_has_another_receipt_id_under_another_clinics_key() -> None:
    """Whoever runs one clinic cannot compute the receipts of another."""
    other = ClinicKey("tbilisi-ultrasound", b"K" * 32).receipt_secret()
    assert receipt_id(other, "nonce", SAID) != receipt_id(SECRET, "nonce", SAID)


def test_a_receipt_names_the_person_by_an_opaque_id_only() -> None:
    """A receipt shown to somebody gives no contact away."""
    first, second = a_chain(
        a_decision({EMAIL_NEWS: "yes"}, MORNING), a_decision({EMAIL_NEWS: "no"}, NOON)
    )
    assert first.document["subject"] == second.document["subject"] == a_subject().id


def test_a_reference_says_the_beginning_of_an_id_in_symbols_nobody_confuses() -> None:
    """Whoever reads it aloud is understood: no letter of it looks or sounds like a digit of it."""
    assert reference("99de3489a2" + "0" * 22) == "K7F3-92D2"
    assert reference("0" * 32) == "0000-0000"
    assert reference("f" * 32) == "ZZZZ-ZZZZ"
    for number in range(500):
        name = hashlib.sha256(str(number).encode()).hexdigest()[:32]
        assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", reference(name))
        assert read_reference(reference(name)) == name[:REFERENCE_DIGITS]
    assert receipt_keys.REFERENCE_DIGITS == REFERENCE_DIGITS


@pytest.mark.parametrize("typed", ["k7f3-92d2", "K7F392D2", " k7 f3 92 d2 ", "K7-F3-92-D2"])
def test_a_reference_is_read_however_it_is_written(typed: str) -> None:
    """What a patient says on the phone finds their receipt, however it is written down."""
    assert read_reference(typed) == "99de3489a2"


def test_letters_that_are_heard_or_copied_wrongly_are_taken_for_their_digits() -> None:
    """An O is a zero and an I or L a one: there are no such letters in a reference."""
    assert read_reference("O1iL-oOIl") == read_reference("0111-0011")


@pytest.mark.parametrize(
    "typed", ["", "K7F3-92D", "K7F3-92D22", "U7F3-92D2", "K7F3_92D2", "a" * 32]
)
def test_what_is_no_reference_is_read_as_none(typed: str) -> None:
    """A receipt's whole number is never taken for a reference."""
    assert read_reference(typed) is None
