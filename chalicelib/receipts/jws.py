"""Signed receipts: how a receipt is written as a JWS (RFC 7515), and how one is verified.

The signature is over the receipt's canonical bytes (RFC 8785). The header is exactly ``alg``,
``kid`` and ``typ``. The algorithm follows from the key, never from what the header says (RFC 8725,
3.1). A signed receipt has one spelling only: another one that a lenient reader would take for the
same is refused, so that no character of it can be changed unnoticed.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import rfc8785

from chalicelib.receipts.document import read_document, read_json_object
from chalicelib.receipts.errors import (
    BadSignatureError,
    NotAReceiptError,
    NotCanonicalError,
    UnknownKeyError,
    WrongAlgorithmError,
)

TYPE = "consent-receipt+jws"
"""The header's ``typ``."""

_ALGORITHMS = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "Ed25519"}
"""By key type and curve: RFC 7518 3.4, RFC 9864 2.2 (which replaces the name EdDSA of RFC 8037)."""

_KEY_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
"""The members of a public key that its thumbprint is over (RFC 7638 3.2, RFC 8037 2)."""

_SEGMENTS = 3
"""Header, payload and signature (RFC 7515, 7.1)."""

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_BYTES = 32


@dataclass(frozen=True, slots=True)
class VerifiedDocument:
    """A receipt whose signature holds: the receipt, its bytes and SHA-256, the key and algorithm.

    `disclosed` is what staff wrote and was disclosed beside the receipt (`sd_jwt.verify`).
    """

    document: Mapping[str, Any]
    canonical: bytes
    kid: str
    alg: str
    sha256: str
    disclosed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SignedPayload:
    """What was signed, by which key and algorithm."""

    payload: bytes
    kid: str
    alg: str


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Give the id of a public key (RFC 7638); raise UnknownKeyError for a kind never used here."""
    public = rfc8785.dumps(_public_members(jwk))
    return encode(hashlib.sha256(public).digest())


def algorithm(jwk: Mapping[str, Any]) -> str:
    """Give the one algorithm a key is for; raise UnknownKeyError for a kind never used here."""
    kind = (str(jwk.get("kty")), str(jwk.get("crv")))
    if kind not in _ALGORITHMS:
        raise UnknownKeyError("This kind of key signs no receipts.")
    return _ALGORITHMS[kind]


def header(jwk: Mapping[str, Any], typ: str = TYPE) -> str:
    """Give the protected header of what a key signs, in base64url.

    `typ` says what is signed: a receipt, or another statement of the portal. No reader of one kind
    takes another (RFC 8725, 3.11).
    """
    members = {"alg": algorithm(jwk), "kid": thumbprint(jwk), "typ": typ}
    return encode(rfc8785.dumps(members))


def signing_input(protected: str, canonical: bytes) -> bytes:
    """Give the bytes to be signed (RFC 7515, 5.1)."""
    return f"{protected}.{encode(canonical)}".encode()


def compact(protected: str, canonical: bytes, signature: bytes) -> str:
    """Write a signed receipt in compact form (RFC 7515, 7.1)."""
    return f"{protected}.{encode(canonical)}.{encode(signature)}"


def es256(r: int, s: int) -> bytes:
    """Write an ECDSA signature as JWS does (RFC 7518, 3.4), with the smaller s of the two valid.

    Anybody can compute the other s without the key; it would be a second spelling.
    """
    smaller = min(s, _P256_ORDER - s)
    return r.to_bytes(_P256_BYTES, "big") + smaller.to_bytes(_P256_BYTES, "big")


def key_id(signed: str) -> str:
    """Give the id of the key that a signed receipt of the portal names; nothing is verified."""
    protected, _, _ = signed.partition(".")
    return str(json.loads(decode(protected))["kid"])


def verify(signed: str, jwks: Mapping[str, Any]) -> VerifiedDocument:
    """Verify a signed receipt in compact form against a key set (RFC 7517).

    The signature is checked before the payload is read. Raises an UnprovenError, by its kind.
    """
    opened = verify_payload(signed, jwks, TYPE)
    return VerifiedDocument(
        document=read_document(opened.payload),
        canonical=opened.payload,
        kid=opened.kid,
        alg=opened.alg,
        sha256=hashlib.sha256(opened.payload).hexdigest(),
    )


def verify_payload(signed: str, jwks: Mapping[str, Any], typ: str) -> SignedPayload:
    """Verify a statement of the portal in compact form against a key set; give what was signed.

    `typ` is the only kind that is taken. The payload is not read. Raises an UnprovenError.
    """
    segments = signed.split(".")
    if len(segments) != _SEGMENTS:
        raise NotAReceiptError("A signed receipt has three parts, with a full stop between them.")
    protected, payload, signature = (decode(segment) for segment in segments)
    claimed = read_json_object(protected)
    if claimed.keys() != {"alg", "kid", "typ"} or claimed["typ"] != typ:
        raise NotAReceiptError("The header is not that of a signed receipt.")
    key = _find_key(claimed["kid"], jwks)
    if claimed["alg"] != algorithm(key):
        raise WrongAlgorithmError("The header names another algorithm than the key is for.")
    if segments[0] != header(key, typ):
        raise NotCanonicalError("The header is spelled otherwise than this portal spells it.")
    if algorithm(key) == "ES256":
        _check_es256_spelling(signature)
    _check_signature(signed, key)
    return SignedPayload(payload, claimed["kid"], claimed["alg"])


def kind_of(signed: str) -> str:
    """Tell the ``typ`` that a text in compact form names; "" for what is none. Nothing is verified."""
    protected, _, _ = "".join(signed.split()).partition(".")
    try:
        return str(read_json_object(decode(protected)).get("typ", ""))
    except NotAReceiptError:
        return ""


def read_signed(text: str, canonical: bytes | None = None) -> str | None:
    """Give a signed receipt in compact form, None if the text is an unsigned receipt.

    The text is the compact form, maybe broken into lines, or flattened JSON (RFC 7515, 7.2.2). With
    the `canonical` bytes of a receipt its payload may be detached (RFC 7515, Appendix F). Nothing
    is verified.
    """
    text = text.strip()
    if text.startswith("{"):
        segments = _read_flattened(text)
        if segments is None:
            return None
    else:
        segments = "".join(text.split()).split(".")
    detached = len(segments) == _SEGMENTS and not segments[1]
    if canonical is not None and detached:
        segments[1] = encode(canonical)
    return ".".join(segments)


def encode(content: bytes) -> str:
    """Write bytes as base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decode(segment: str) -> bytes:
    """Read base64url without padding; raise NotAReceiptError for a second spelling."""
    padding = b"=" * (-len(segment) % 4)
    try:
        content = base64.b64decode(segment.encode("ascii") + padding, b"-_", validate=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError among them
        content = b""
    if not content or encode(content) != segment:  # the unused bits of the last character too
        raise NotAReceiptError("A part of it is not spelled as a signed receipt is (base64url).")
    return content


def _read_flattened(text: str) -> list[str] | None:
    """Give the segments of a JWS in flattened JSON, None for JSON without a signature."""
    written = read_json_object(text.encode())
    if "signature" not in written or "protected" not in written:
        return None
    segments = [written["protected"], written.get("payload", ""), written["signature"]]
    if "header" in written:  # an unprotected header: whatever it says nobody signed
        raise NotAReceiptError("This is no signed receipt in JSON form.")
    for segment in segments:
        if not isinstance(segment, str) or "~" in segment:
            raise NotAReceiptError("This is no signed receipt in JSON form.")
    return segments


def _find_key(kid: object, jwks: Mapping[str, Any]) -> Mapping[str, Any]:
    keys: Iterable[Any] = jwks.get("keys") or ()
    for key in keys:
        if isinstance(key, Mapping) and key.get("kid") == kid and thumbprint(key) == kid:
            return key
    raise UnknownKeyError("It is signed by a key that is not among the keys given.")


def _public_members(jwk: Mapping[str, Any]) -> dict[str, str | list[str]]:
    algorithm(jwk)  # raises for a kind never used here
    names = _KEY_MEMBERS[str(jwk["kty"])]
    return {name: str(jwk.get(name)) for name in names}


def _check_es256_spelling(signature: bytes) -> None:
    r = int.from_bytes(signature[:_P256_BYTES], "big")
    s = int.from_bytes(signature[_P256_BYTES:], "big")
    if len(signature) != 2 * _P256_BYTES or s >= _P256_ORDER:
        raise BadSignatureError("The signature is none of its kind.")
    if signature != es256(r, s):
        raise BadSignatureError("The signature is spelled otherwise than this portal spells it.")


def _check_signature(signed: str, key: Mapping[str, Any]) -> None:
    from joserfc import jws  # noqa: PLC0415 - takes 100 ms, and most requests verify nothing
    from joserfc.errors import JoseError  # noqa: PLC0415 - as above
    from joserfc.jwk import import_key  # noqa: PLC0415 - as above

    try:
        public = import_key(_public_members(key))
        jws.deserialize_compact(signed, public, algorithms=[algorithm(key)])
    except (JoseError, ValueError):  # ValueError: the numbers of the key are no point of its curve
        raise BadSignatureError(
            "The signature does not belong to this content: something was changed."
        ) from None
