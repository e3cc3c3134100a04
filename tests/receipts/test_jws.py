import base64
import hashlib
import hmac
import json
import string
from collections.abc import Callable

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import import_key
from joserfc.jws import deserialize_compact

from chalicelib.domain.decisions import decide
from chalicelib.domain.receipts import Receipt
from chalicelib.receipts import jws
from chalicelib.receipts.chain import verify_chain
from chalicelib.receipts.document import canonical_receipt
from chalicelib.receipts.errors import (
    BadSignatureError,
    BrokenChainError,
    NotAReceiptError,
    NotCanonicalError,
    UnknownKeyError,
    UnprovenError,
    WrongAlgorithmError,
)
from chalicelib.receipts.printed_code import printed_code, read_printed_code
from tests.factories import EMAIL_NEWS, IN_FORCE, a_decision, a_subject
from tests.keys import OwnKey, key_set

ES256, ED25519 = OwnKey(), OwnKey(Ed25519PrivateKey.generate())
SIGNERS = pytest.mark.parametrize("signer", [ES256, ED25519], ids=["ES256", "Ed25519"])
KEYS = key_set(ES256, ED25519)


def receipts(number: int = 3, person: int = 1, **changed: str) -> list[Receipt]:
    """Give the first receipts of a person."""
    subject, given = a_subject(person), []
    for answer in ("yes", "withdraw", "no", "yes")[:number]:
        receipt, subject = decide(
            subject, a_decision({EMAIL_NEWS: answer}, **changed), IN_FORCE, known=False
        )
        given.append(receipt)
    return given


ANNAS = receipts()
ONE = ANNAS[0]


def b64(content: bytes) -> str:
    """Write base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def header(signer: OwnKey, **changed: object) -> str:
    """Give a receipt's header with a change."""
    members = {"alg": signer.key.jwk["alg"], "kid": signer.key.kid, "typ": jws.TYPE, **changed}
    return b64(
        json.dumps(
            {k: v for k, v in members.items() if v is not None}, separators=(",", ":")
        ).encode()
    )


@SIGNERS
def test_a_signed_receipt_tells_what_it_says_and_who_signed_it(signer: OwnKey) -> None:
    """Whoever holds the file and the public keys can check it without the portal."""
    proven = jws.verify(signer.signed_receipt(ONE.canonical), KEYS)
    assert (proven.document, proven.canonical, proven.sha256) == (
        ONE.document,
        ONE.canonical,
        ONE.sha256,
    )
    assert (proven.kid, proven.alg) == (signer.key.kid, signer.key.jwk["alg"])


@SIGNERS
def test_anybodys_jose_library_verifies_it(signer: OwnKey) -> None:
    """Proof does not depend on this portal's own program."""
    key = import_key(dict(signer.key.jwk))
    opened = deserialize_compact(
        signer.signed_receipt(ONE.canonical), key, algorithms=[signer.key.jwk["alg"]]
    )
    assert opened.payload == ONE.canonical
    assert opened.headers() == {
        "alg": signer.key.jwk["alg"],
        "kid": key.thumbprint(),
        "typ": jws.TYPE,
    }


@SIGNERS
def test_not_one_character_can_be_changed_left_out_or_added(signer: OwnKey) -> None:
    """A change of any character is noticed, of the last bits and of separators too."""
    signed = signer.signed_receipt(ONE.canonical)
    letters = string.ascii_letters + string.digits + "-_"
    changed = set()
    for place, character in enumerate(signed):
        close = letters[letters.find(character) ^ 1] if character != "." else "A"
        changed |= {
            signed[:place] + other + signed[place + 1 :] for other in (close, "A", "_", ".", "=")
        }
        changed.add(signed[:place] + signed[place + 1 :])
        changed.add(signed[:place] + "A" + signed[place:])
        changed.add(signed[:place])
    changed |= {signed + more for more in ("A", "=", "==", ".", "\n", " ", "é", "\0")}
    changed |= {before + signed for before in ("A", ".", "\n", " ", "\ufeff")}
    for each in changed - {signed}:
        with pytest.raises(UnprovenError):
            jws.verify(each, KEYS)
    assert len(changed) > 5 * len(signed)


@SIGNERS
def test_the_unused_bits_of_the_last_character_may_not_differ(signer: OwnKey) -> None:
    """A lenient reader would take several spellings of one signature; here there is one."""
    signed = signer.signed_receipt(ONE.canonical)
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    other = signed[:-1] + letters[letters.index(signed[-1]) ^ 1]
    assert base64.urlsafe_b64decode(other.split(".")[2] + "==") == base64.urlsafe_b64decode(
        signed.split(".")[2] + "=="
    )
    with pytest.raises(NotAReceiptError):
        jws.verify(other, KEYS)


def test_nobody_can_make_a_second_signature_of_one() -> None:
    """ECDSA knows two for each, and anybody can compute the other.

    Joserfc takes both, this portal one.
    """
    head, payload, signature = ES256.signed_receipt(ONE.canonical).split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    other = raw[:32] + (order - int.from_bytes(raw[32:], "big")).to_bytes(32, "big")
    twin = f"{head}.{payload}.{b64(other)}"
    assert deserialize_compact(twin, import_key(dict(ES256.key.jwk)), algorithms=["ES256"])
    for forged in (
        twin,
        f"{head}.{payload}.{b64(raw[:32])}",
        f"{head}.{payload}.{b64(raw[:32] + bytes([255] * 32))}",
    ):
        with pytest.raises(BadSignatureError):
            jws.verify(forged, KEYS)


def test_no_value_in_a_receipt_can_be_changed() -> None:
    """A clinic cannot make a Yes of a No, whichever field it touches."""
    head, _, signature = ES256.signed_receipt(ONE.canonical).split(".")
    for name in ONE.document:
        other = {**ONE.document, name: "another"}
        with pytest.raises(BadSignatureError):
            jws.verify(f"{head}.{b64(rfc8785.dumps(other))}.{signature}", KEYS)


def test_another_receipts_signature_does_not_serve() -> None:
    """Of two receipts of one person, each has its own."""
    first, second = (ES256.signed_receipt(receipt.canonical).split(".") for receipt in ANNAS[:2])
    with pytest.raises(BadSignatureError):
        jws.verify(".".join([*first[:2], second[2]]), KEYS)


def test_a_key_that_is_not_published_proves_nothing() -> None:
    """Anybody can sign; only the portal's keys count."""
    stranger = OwnKey()
    with pytest.raises(UnknownKeyError):
        jws.verify(stranger.signed_receipt(ONE.canonical), KEYS)
    with pytest.raises(UnknownKeyError):
        jws.verify(ES256.signed_receipt(ONE.canonical), {"keys": []})
    with pytest.raises(BadSignatureError):  # under another's name
        jws.verify(stranger.signed_receipt(ONE.canonical, header(ES256)), KEYS)


def test_a_key_set_that_calls_a_key_by_anothers_name_is_not_believed() -> None:
    """A key's name is its thumbprint, so that nobody can slip another under it."""
    stranger = OwnKey()
    liar = {"keys": [{**stranger.key.jwk, "kid": ES256.key.kid}]}
    with pytest.raises(UnknownKeyError):
        jws.verify(stranger.signed_receipt(ONE.canonical, header(ES256)), liar)


@pytest.mark.parametrize("alg", ["none", "HS256", "EdDSA", "Ed25519", "ES384", "es256", 7])
def test_the_key_decides_on_the_algorithm_and_never_the_token(alg: object) -> None:
    """RFC 8725, 3.1: what a token says of its own algorithm is not believed."""
    with pytest.raises(WrongAlgorithmError):
        jws.verify(ES256.signed_receipt(ONE.canonical, header(ES256, alg=alg)), KEYS)


def test_the_public_key_is_no_secret_to_sign_with() -> None:
    """The old trick: HMAC with the published key as the secret."""
    pem = ES256.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, json.dumps(ES256.key.jwk).encode(), b""):
        message = jws.signing_input(header(ES256, alg="HS256"), ONE.canonical)
        forged = f"{message.decode()}.{b64(hmac.digest(secret, message, 'sha256'))}"
        with pytest.raises(WrongAlgorithmError):
            jws.verify(forged, KEYS)


def test_without_a_signature_nothing_is_proven() -> None:
    """RFC 7515, 3.6: an unsecured JWS has an empty third part."""
    for alg in ("none", "ES256"):
        with pytest.raises(NotAReceiptError):
            jws.verify(f"{header(ES256, alg=alg)}.{b64(ONE.canonical)}.", KEYS)


def test_a_key_for_something_else_verifies_nothing() -> None:
    """A symmetric key or a larger curve in a key set is not used, even under the right name."""
    secret = {"kty": "oct", "k": b64(b"0" * 32), "kid": ES256.key.kid}
    for key in (secret, {**ES256.key.jwk, "crv": "P-384"}, {**ES256.key.jwk, "kty": "RSA"}):
        with pytest.raises(UnknownKeyError):
            jws.verify(ES256.signed_receipt(ONE.canonical), {"keys": [key]})


def test_numbers_that_are_no_point_of_the_curve_verify_nothing() -> None:
    """A broken key set gives an answer, not a stack trace."""
    broken = {**ES256.key.jwk, "y": b64(b"\1" * 32)}
    broken["kid"] = jws.thumbprint(broken)
    with pytest.raises(BadSignatureError):
        jws.verify(
            ES256.signed_receipt(ONE.canonical, header(ES256, kid=broken["kid"])),
            {"keys": [broken]},
        )


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"crit": ["b64"], "b64": False}, NotAReceiptError),
        ({"jwk": ES256.key.jwk}, NotAReceiptError),
        ({"jku": "https://example.net/keys"}, NotAReceiptError),
        ({"x5c": []}, NotAReceiptError),
        ({"typ": "JWT"}, NotAReceiptError),
        ({"typ": None}, NotAReceiptError),
        ({"kid": None}, NotAReceiptError),
        ({"kid": 7}, UnknownKeyError),
        ({"kid": "another"}, UnknownKeyError),
    ],
)
def test_a_header_has_its_three_members_and_no_other(
    change: dict[str, object], error: type[Exception]
) -> None:
    """A token cannot bring its own key, nor ask for another way of reading."""
    with pytest.raises(error):
        jws.verify(ES256.signed_receipt(ONE.canonical, header(ES256, **change)), KEYS)


def test_a_header_has_one_spelling() -> None:
    """Another order, a space or a repeated name is refused, even signed by the portal's key."""
    members = {"typ": jws.TYPE, "kid": ES256.key.kid, "alg": "ES256"}
    with pytest.raises(NotCanonicalError):
        jws.verify(ES256.signed_receipt(ONE.canonical, b64(json.dumps(members).encode())), KEYS)
    twice = json.dumps(members)[:-1] + ', "alg": "ES256"}'
    with pytest.raises(NotAReceiptError):
        jws.verify(ES256.signed_receipt(ONE.canonical, b64(twice.encode())), KEYS)


@pytest.mark.parametrize(
    ("spell", "error"),
    [
        (lambda written: json.dumps(json.loads(written)).encode(), NotCanonicalError),
        (lambda written: written + b"\n", NotCanonicalError),
        (lambda written: written[:-1] + b',"actor":"patient"}', NotAReceiptError),
        (lambda written: written.replace(b'"version":1', b'"version":1.0'), NotCanonicalError),
        (lambda written: written.replace(b'"version":1', b'"version":NaN'), NotAReceiptError),
        (lambda written: written.replace(b'"version":1', b'"version":1e400'), NotAReceiptError),
        (
            lambda written: written.replace(b'"version":1', b'"version":9007199254740993'),
            NotAReceiptError,
        ),
        (lambda written: written.replace(b"patient", b"\xff"), NotAReceiptError),
        (lambda written: written.replace(b'"patient"', b'"\\ud800"'), NotAReceiptError),
        (lambda written: b"[" + written + b"]", NotAReceiptError),
        (lambda _: b"{}", NotAReceiptError),
        (lambda _: b"null", NotAReceiptError),
        (lambda _: b"[" * 100_000, NotAReceiptError),
    ],
)
def test_even_the_portals_own_key_proves_no_other_spelling(
    spell: Callable[[bytes], bytes], error: type[Exception]
) -> None:
    """What is read is exactly what was signed, for every reader of JSON."""
    spelt = spell(ONE.canonical)
    assert spelt != ONE.canonical
    with pytest.raises((error, BadSignatureError) if len(spelt) > 90_000 else error):
        jws.verify(ES256.signed_receipt(spelt), KEYS)


def test_a_thumbprint_is_the_one_of_the_standard() -> None:
    """RFC 8037, A.3 gives a key and its thumbprint."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert jws.thumbprint({**jwk, "use": "sig"}) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert jws.thumbprint(ES256.key.jwk) == import_key(dict(ES256.key.jwk)).thumbprint()


def test_an_unbroken_chain_holds_signed_or_not() -> None:
    """The clinic's auditor reads the receipts, a patient's lawyer the signed ones."""
    verify_chain(ANNAS)
    verify_chain([jws.verify(ES256.signed_receipt(receipt.canonical), KEYS) for receipt in ANNAS])
    verify_chain([])


@pytest.mark.parametrize(
    ("chain", "problem"),
    [
        (ANNAS[1:], "Receipt 1 is missing"),
        ([ANNAS[0], ANNAS[2]], "Receipt 2 is missing"),
        ([ANNAS[0], ANNAS[0]], "There are two receipts 1"),
        ([*ANNAS[:2], receipts()[1]], "There are two receipts 2"),
        ([ANNAS[0], receipts()[1]], "does not name receipt 1"),
        ([ANNAS[0], receipts(person=2)[1]], "Receipt 2 is of another clinic or another person"),
        (
            [*ANNAS[:2], receipts(clinic="tbilisi-ultrasound")[2]],
            "Receipt 3 is of another clinic or another person",
        ),
        ([Receipt({**ONE.document, "previous": "0" * 64}, b"")], "Receipt 1 does not name"),
    ],
)
def test_a_receipt_out_of_its_chain_is_told_by_its_number(
    chain: list[Receipt], problem: str
) -> None:
    """A receipt taken away, repeated, replaced or brought from elsewhere is found, and where."""
    with pytest.raises(BrokenChainError, match=problem):
        verify_chain(chain)


def test_a_part_of_a_chain_holds_from_its_first_receipt_on() -> None:
    """Without the first of three receipts the other two still prove to be adjacent."""
    verify_chain(ANNAS[1:], first=2)
    verify_chain(ANNAS[2:], first=3)
    nowhere = Receipt({**ANNAS[1].document, "previous": None}, b"")
    for broken, problem in (
        ([ANNAS[2]], "Receipt 2 is missing"),
        ([nowhere], "Receipt 2 does not name receipt 1"),
        ([ANNAS[1], receipts()[2]], "Receipt 3 does not name receipt 2"),
    ):
        with pytest.raises(BrokenChainError, match=problem):
            verify_chain(broken, first=2)


def test_the_code_on_paper_is_read_as_people_type_it() -> None:
    """From a crumpled sheet, in capitals, over two lines, with whatever dash the phone offers."""
    code = printed_code("ra", ONE)
    assert code == f"{ONE.id}-{ONE.sha256[:16]}-ra"
    half = len(code) // 2
    for typed in (
        code,
        code.upper(),
        f" {code[:half]}\n {code[half:]} ",
        code.replace("-", "–"),
        " ".join(code),
    ):
        read = read_printed_code(typed)
        assert (read.clinic, read.receipt) == ("ra", ONE.id)
        assert read.matches(ONE)
        assert not read.matches(ANNAS[1])


@pytest.mark.parametrize(
    "typed", ["", "ra", ONE.id, f"{ONE.id}-ra", f"{ONE.id}-{ONE.sha256}-ra", "a.b.c", "x" * 9999]
)
def test_something_else_is_no_code(typed: str) -> None:
    """A half of a code leads nowhere."""
    with pytest.raises(NotAReceiptError):
        read_printed_code(typed)


def test_a_code_holds_only_for_the_receipt_it_was_printed_for() -> None:
    """Who knows a receipt's number alone cannot make its code."""
    guessed = read_printed_code(f"{ONE.id}-{'0' * 16}-ra")
    assert not guessed.matches(ONE)


def test_a_signed_receipt_comes_in_three_forms() -> None:
    """Compact, flattened JSON, or beside the receipt: RFC 7515, 7.1, 7.2.2 and Appendix F."""
    signed = ES256.signed_receipt(ONE.canonical)
    head, payload, signature = signed.split(".")
    flat = {"payload": payload, "protected": head, "signature": signature}
    assert jws.read_signed(f"\n {signed[:60]}\r\n{signed[60:]}\n") == signed
    assert jws.read_signed(json.dumps(flat)) == signed
    assert jws.read_signed(f"{head}..{signature}", ONE.canonical) == signed
    assert (
        jws.read_signed(json.dumps({"protected": head, "signature": signature}), ONE.canonical)
        == signed
    )
    assert jws.read_signed(ONE.canonical.decode()) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"protected": 1, "payload": "a", "signature": "b"}',
        '{"protected": "a", "payload": "a", "signature": "b", "header": {"kid": "another"}}',
        '{"protected": "a", "protected": "b", "payload": "a", "signature": "b"}',
        "{",
    ],
)
def test_another_json_is_no_signed_receipt(text: str) -> None:
    """An unprotected header could contradict the signed one.

    A name that stands twice is read two ways.
    """
    with pytest.raises(NotAReceiptError):
        jws.read_signed(text)


def test_a_receipt_saved_by_an_editor_is_still_that_receipt() -> None:
    """RFC 8785: order and spaces are no content. What says another thing is another receipt."""
    pretty = json.dumps(dict(reversed(ONE.document.items())), indent=4)
    assert canonical_receipt(pretty) == ONE.canonical
    assert (
        hashlib.sha256(canonical_receipt(pretty.replace("reception", "desk"))).hexdigest()
        != ONE.sha256
    )
    with pytest.raises(NotAReceiptError):
        canonical_receipt('{"id": "1"}')
