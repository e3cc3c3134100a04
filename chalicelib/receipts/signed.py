"""Proof: a receipt signed as a JWS, what verifying it tells, and the code that stands for it on paper. Pure.

The signature is over the receipt's canonical bytes (RFC 8785) in compact form (RFC 7515, 7.1). The header is exactly
``alg``, ``kid`` and ``typ``, and the algorithm follows from the key, never from what a token says of itself (RFC 8725,
3.1). What is verified is read strictly: of one signed receipt there is one spelling, so that no character of it can
be changed unnoticed, not even one that a lenient reader would skip.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import rfc8785

from chalicelib.domain.errors import RejectedError

TYPE = "consent-receipt+jws"

_ALGORITHMS = {("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "Ed25519"}
"""By key type and curve: RFC 7518 3.4, RFC 9864 2.2 (which replaces the name EdDSA of RFC 8037)."""

_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
"""What makes a public key (RFC 7638 3.2, RFC 8037 2)."""

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

_TELLS = {"id", "clinic", "subject", "version", "previous", "decisions", "notice", "effective_at", "recorded_at"}
_DIGEST = 16
_CODE = rf"(?P<receipt>[0-9a-f]{{32}})-?(?P<sha256>[0-9a-f]{{{_DIGEST}}})-?(?P<clinic>[a-z0-9]{{2,4}})"
MAX_CODE = 1000
"""How long a text may be that is searched for the code of a printed receipt: its whole address, and words around."""

_SPACES_AND_DASHES = str.maketrans(dict.fromkeys(" \t\r\n\xa0\xad\u200b") | dict.fromkeys("‐‑‒–—−", "-"))


class UnprovenError(RejectedError):
    """What was given proves nothing; the message says why, for a person."""


class NotAReceiptError(UnprovenError):
    """This is no receipt, no signed receipt and no code of one."""


class UnknownKeyError(UnprovenError):
    """The key that signed is none of those given."""


class WrongAlgorithmError(UnprovenError):
    """The header names another algorithm than the key is for."""


class BadSignatureError(UnprovenError):
    """The signature is not by this key over these bytes: something was changed."""


class NotCanonicalError(UnprovenError):
    """What was signed is not the canonical form of a receipt."""


class BrokenChainError(UnprovenError):
    """A receipt that does not follow the one before it."""


class ChainLink(Protocol):
    """A receipt in its chain, signed or not."""

    @property
    def document(self) -> Mapping[str, Any]:
        """What it says."""

    @property
    def sha256(self) -> str:
        """The hash of its canonical bytes."""


@dataclass(frozen=True, slots=True)
class VerifiedDocument:
    """A receipt whose signature holds: what it says, its bytes and their SHA-256, and which key signed it how.

    `disclosed` is what came with it in words and it vouches for (`disclosures.verify`).
    """

    document: Mapping[str, Any]
    canonical: bytes
    kid: str
    alg: str
    sha256: str
    disclosed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PrintedCode:
    """What the code on a printed receipt says: the clinic's short code, the receipt's id, the start of its SHA-256."""

    clinic: str
    receipt: str
    sha256: str

    def matches(self, receipt: ChainLink) -> bool:
        """Tell whether a receipt is the one that was printed, as far as the code reaches (64 bits of its hash)."""
        return bool(receipt.document["id"] == self.receipt and receipt.sha256.startswith(self.sha256))


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Give a public key's name, made of the key itself (RFC 7638); raise UnknownKeyError for a kind never used here."""
    return encoded(hashlib.sha256(rfc8785.dumps(_public(jwk))).digest())


def algorithm(jwk: Mapping[str, Any]) -> str:
    """Give the one algorithm a public key is for; raise UnknownKeyError for a kind never used here."""
    name = _ALGORITHMS.get((str(jwk.get("kty")), str(jwk.get("crv"))))
    if name is None:
        raise UnknownKeyError("This kind of key signs no receipts.")
    return name


def header(jwk: Mapping[str, Any]) -> str:
    """Give the protected header of what a key signs, as it stands in the JWS."""
    return encoded(rfc8785.dumps({"alg": algorithm(jwk), "kid": thumbprint(jwk), "typ": TYPE}))


def signing_input(protected: str, canonical: bytes) -> bytes:
    """Give the bytes to be signed (RFC 7515, 5.1)."""
    return f"{protected}.{encoded(canonical)}".encode()


def compact(protected: str, canonical: bytes, signature: bytes) -> str:
    """Write a signed receipt in compact form (RFC 7515, 7.1)."""
    return f"{signing_input(protected, canonical).decode()}.{encoded(signature)}"


def es256(r: int, s: int) -> bytes:
    """Write an ECDSA signature as JWS does (RFC 7518, 3.4), of the two that hold the one with the smaller s.

    Anybody can compute the other one without the key; it would be a second spelling of a signed receipt.
    """
    return r.to_bytes(32, "big") + min(s, _P256_ORDER - s).to_bytes(32, "big")


def key_id(signed: str) -> str:
    """Give the id of the key that a signed receipt of ours names; nothing is verified."""
    return str(json.loads(decoded(signed.partition(".")[0]))["kid"])


def verify(signed: str, jwks: Mapping[str, Any]) -> VerifiedDocument:
    """Verify a signed receipt in compact form against a key set (RFC 7517); raise UnprovenError, by its kind.

    The signature is checked before anything that was signed is believed.
    """
    from joserfc import jws  # noqa: PLC0415 - 100 ms that nobody pays who verifies nothing
    from joserfc.errors import JoseError  # noqa: PLC0415 - as above
    from joserfc.jwk import import_key  # noqa: PLC0415 - as above

    segments = signed.split(".")
    if len(segments) != 3:  # noqa: PLR2004 - header, payload, signature
        raise NotAReceiptError("A signed receipt has three parts, with a full stop between them.")
    head, payload, signature = (decoded(segment) for segment in segments)
    named = _read(head)
    if set(named) != {"alg", "kid", "typ"} or named["typ"] != TYPE:
        raise NotAReceiptError("The header is not that of a signed receipt.")
    key = _key(named["kid"], jwks)
    if named["alg"] != algorithm(key):
        raise WrongAlgorithmError("The header names another algorithm than the key is for.")
    if segments[0] != header(key):
        raise NotCanonicalError("The header is spelled otherwise than this portal spells it.")
    if algorithm(key) == "ES256" and signature != es256(*_r_and_s(signature)):
        raise BadSignatureError("The signature is spelled otherwise than this portal spells it.")
    try:
        jws.deserialize_compact(signed, import_key(_public(key)), algorithms=[algorithm(key)])
    except (JoseError, ValueError):  # ValueError: a key whose numbers are no point of its curve
        raise BadSignatureError("The signature does not belong to this content: something was changed.") from None
    return VerifiedDocument(
        read_document(payload), payload, named["kid"], named["alg"], hashlib.sha256(payload).hexdigest()
    )


def verify_chain(links: Sequence[ChainLink], first: int = 1) -> None:
    """Check that receipts are one person's at one clinic, numbered without a gap, each naming the one before.

    They begin with number 1, or with `first` where somebody holds a part: whatever came before that is not checked.
    Raises BrokenChainError telling which link broke. It cannot tell whether later receipts exist.
    """
    before: ChainLink | None = None
    for number, link in enumerate(links, start=first):
        told = link.document
        if before and told["version"] == before.document["version"]:
            raise BrokenChainError(f"There are two receipts {told['version']}.")
        if told["version"] != number:
            raise BrokenChainError(f"Receipt {number} is missing: after {number - 1} comes {told['version']}.")
        if before and (told["clinic"], told["subject"]) != (before.document["clinic"], before.document["subject"]):
            raise BrokenChainError(f"Receipt {number} is of another clinic or another person than those before it.")
        named = told["previous"]
        follows = named == before.sha256 if before else (named is None) == (number == 1)
        if not follows:
            raise BrokenChainError(f"Receipt {number} does not name receipt {number - 1} by its fingerprint.")
        before = link


def read_document(written: bytes) -> Mapping[str, Any]:
    """Read the canonical bytes of a receipt; raise NotAReceiptError, or NotCanonicalError for another spelling."""
    document = _read(written)
    if not document.keys() >= _TELLS:
        raise NotAReceiptError("This is not a receipt of this portal.")
    if _canonical(document) != written:
        raise NotCanonicalError("The receipt is not in its canonical form (RFC 8785).")
    return document


def canonical_receipt(text: str) -> bytes:
    """Give the canonical bytes (RFC 8785) of a receipt written as JSON in any way; raise NotAReceiptError."""
    canonical = _canonical(_read(text.encode()))
    read_document(canonical)
    return canonical


def read_signed(text: str, canonical: bytes | None = None) -> str | None:
    """Give a signed receipt in compact form, from that or from flattened JSON (RFC 7515, 7.2.2); None if unsigned.

    With the `canonical` bytes of a receipt the payload may be detached (Appendix F). Nothing is verified.
    """
    text = text.strip()
    if text.startswith("{"):
        written = _read(text.encode())
        if "signature" not in written or "protected" not in written:
            return None
        parts = [written["protected"], written.get("payload", ""), written["signature"]]
        if not all(isinstance(part, str) and "~" not in part for part in parts) or "header" in written:
            raise NotAReceiptError("This is no signed receipt in JSON form.")
    else:
        parts = "".join(text.split()).split(".")  # pasted from a message, it may be broken into lines
    if canonical is not None and len(parts) == 3 and not parts[1]:  # noqa: PLR2004 - as above
        parts[1] = encoded(canonical)
    return ".".join(parts)


def printed_code(clinic_code: str, receipt: ChainLink) -> str:
    """Give the code that stands for a receipt on paper: its id, the start of its SHA-256, the clinic's short code."""
    return f"{receipt.document['id']}-{receipt.sha256[:_DIGEST]}-{clinic_code}"


def read_printed_code(typed: str) -> PrintedCode:
    """Read a code as people type or paste it; raise NotAReceiptError.

    In capitals, with spaces, other dashes or none, with a word before it and a full stop behind, or its whole address.
    """
    if len(typed) > MAX_CODE:
        raise NotAReceiptError("This is no code of a printed receipt.")
    parts = re.search(rf"(?<![0-9a-f]){_CODE}(?![a-z0-9])", typed.translate(_SPACES_AND_DASHES).lower())
    if parts is None:
        raise NotAReceiptError("This is no code of a printed receipt.")
    return PrintedCode(parts["clinic"], parts["receipt"], parts["sha256"])


def _key(kid: object, jwks: Mapping[str, Any]) -> Mapping[str, Any]:
    keys: Iterable[Any] = jwks.get("keys") or ()
    for key in keys:
        if isinstance(key, Mapping) and key.get("kid") == kid and thumbprint(key) == kid:
            return key
    raise UnknownKeyError("It is signed by a key that is not among the keys given.")


def _public(jwk: Mapping[str, Any]) -> dict[str, str | list[str]]:
    algorithm(jwk)
    return {member: str(jwk.get(member)) for member in _MEMBERS[str(jwk["kty"])]}


def _r_and_s(signature: bytes) -> tuple[int, int]:
    if len(signature) != 64 or int.from_bytes(signature[32:], "big") >= _P256_ORDER:  # noqa: PLR2004 - two of 32 bytes
        raise BadSignatureError("The signature is none of its kind.")
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")


def encoded(content: bytes) -> str:
    """Write bytes as base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(segment: str) -> bytes:
    """Decode base64url without padding; of every content there is one spelling, unused bits included."""
    try:
        content = base64.b64decode(segment.encode("ascii") + b"=" * (-len(segment) % 4), b"-_", validate=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError among them
        content = b""
    if not content or encoded(content) != segment:
        raise NotAReceiptError("A part of it is not spelled as a signed receipt is (base64url).")
    return content


def _read(written: bytes) -> dict[str, Any]:
    try:
        document = json.loads(written.decode(), object_pairs_hook=_each_once, parse_constant=_refused)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError among them
        raise NotAReceiptError("It cannot be read: it is no JSON, or a name stands in it twice.") from None
    if not isinstance(document, dict):
        raise NotAReceiptError("It cannot be read: it is no JSON object.")
    return document


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice")
    return dict(pairs)


def _refused(constant: str) -> Any:
    raise ValueError(constant)


def _canonical(document: Mapping[str, Any]) -> bytes:
    try:
        return rfc8785.dumps(dict(document))
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError):
        raise NotAReceiptError("It holds something that no receipt holds.") from None
