"""Evidence a receipt proves without containing it (RFC 9901, selective disclosure)."""

import hashlib
import json

import pytest

from chalicelib.receipts.errors import BadSignatureError, NotAReceiptError
from chalicelib.receipts.jws import encode
from chalicelib.receipts.sd_jwt import (
    combined,
    disclosed_texts,
    redact_evidence,
    split_disclosures,
    with_disclosures,
)

EVIDENCE = {"form": "A-2026/117, Anna Ozola", "witness": "გიორგი", "sha256": "ab" * 32}


def test_a_receipt_tells_nothing_of_the_words_and_its_disclosures_tell_all() -> None:
    """What was noted in words is out; what is none of them stays in."""
    redacted, disclosures = redact_evidence(EVIDENCE)
    assert redacted is not None
    assert redacted.keys() == {"sha256", "_sd"}
    assert with_disclosures(redacted, []) == {"sha256": "ab" * 32}
    assert not [
        word
        for word in ("Anna", "A-2026", "გიორგი")
        if word in json.dumps(redacted, ensure_ascii=False)
    ]
    assert with_disclosures(redacted, disclosures) == EVIDENCE
    assert disclosed_texts(disclosures) == {name: EVIDENCE[name] for name in ("form", "witness")}


@pytest.mark.parametrize("evidence", [None, {}, {"guardian": "parent"}])
def test_where_nobody_noted_anything_there_is_nothing_to_disclose(
    evidence: dict[str, str] | None,
) -> None:
    """A patient's own receipt stays as it is."""
    assert redact_evidence(evidence) == (evidence or {}, ())


def test_the_same_words_are_hidden_otherwise_each_time() -> None:
    """Two receipts do not reveal a common witness, and a form's number cannot be guessed."""
    (first, _), (second, _) = redact_evidence({"form": "F-17"}), redact_evidence({"form": "F-17"})
    assert first != second


def test_a_part_can_be_disclosed() -> None:
    """The form without its witness."""
    redacted, (form, _) = redact_evidence(EVIDENCE)
    assert with_disclosures(redacted, [form]) == {
        "form": EVIDENCE["form"],
        "sha256": EVIDENCE["sha256"],
    }


def test_what_another_receipt_vouches_for_is_refused_and_so_is_the_same_twice() -> None:
    """RFC 9901, 7.1: every disclosure belongs to one hash, and each hash to one."""
    redacted, (form, _) = redact_evidence(EVIDENCE)
    for strange in redact_evidence(EVIDENCE)[1]:
        with pytest.raises(BadSignatureError):
            with_disclosures(redacted, [strange])
    for given in ([form, form], [form + "A"], [form[:-1]], [""], ["not base64!"]):
        with pytest.raises(BadSignatureError):
            with_disclosures(redacted, given)
    with pytest.raises(BadSignatureError):
        with_disclosures(None, [form])


def test_a_name_that_evidence_has_not_is_refused() -> None:
    """Nobody smuggles a claim in, though the hash be there."""
    made = encode(json.dumps(["salt", "guardian", "parent"]).encode())
    redacted, _ = redact_evidence({"form": "F-17"})
    assert redacted is not None
    redacted = {**redacted, "_sd": [encode(hashlib.sha256(made.encode()).digest())]}
    with pytest.raises(BadSignatureError):
        with_disclosures(redacted, [made])


def test_receipt_and_disclosures_are_written_as_one_and_parted_again() -> None:
    """With a tilde behind each (RFC 9901, 4); a signed receipt without any is read as ever."""
    assert combined("a.b.c", ["x", "y"]) == "a.b.c~x~y~"
    assert split_disclosures("a.b.c~x~y~") == ("a.b.c", ("x", "y"))
    assert split_disclosures(combined("a.b.c", [])) == split_disclosures("a.b.c") == ("a.b.c", ())
    with pytest.raises(NotAReceiptError):
        split_disclosures("a.b.c~x~y")
