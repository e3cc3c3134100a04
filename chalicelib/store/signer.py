"""What a signer is, and what its keys look like: KMS and a wrapped key sign alike for all readers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.domain.errors import RejectedError, ServiceUnavailableError
from chalicelib.receipts import jws

KEY_KNOWN_FOR = 300.0
"""For how many seconds a process goes by what it was told of the key that signs: so at busy times a
signature asks for nothing more."""

Publish = Callable[[Mapping[str, str]], None]
"""Publishes the public half of a key, as a JWK, for good."""


class SigningUnavailableError(ServiceUnavailableError):
    """Nothing can be signed now.

    The key service cannot be asked, or the key is none that signs receipts.
    """


class TooLongToSignError(RejectedError):
    """This receipt is longer than KMS signs with an Ed25519 key.

    A key for ES256 signs any length.
    """


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs now: its public half as a JWK (RFC 7517), and what the signer calls it."""

    jwk: Mapping[str, str]
    name: str

    @property
    def kid(self) -> str:
        """The key's id: its thumbprint (RFC 7638)."""
        return self.jwk["kid"]


class Signer(Protocol):
    """What signs: KMS, a wrapped key in this process, or a key of their own in tests."""

    def current(self, publish: Publish) -> SigningKey:
        """Give the key that signs now, its public half given to `publish` before.

        Raises SigningUnavailableError, and what `publish` raises.
        """

    def sign(self, key: SigningKey, message: bytes) -> bytes:
        """Sign as JWS wants it (RFC 7518, 3.4: r and s).

        Raises SigningUnavailableError, TooLongToSignError.
        """


def public_jwk(der: bytes) -> dict[str, str]:
    """Write a public key (DER) as a JWK with its id and algorithm.

    Raises SigningUnavailableError for another kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey  # noqa: PLC0415 - no page signs anything
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - no page signs anything
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415 - no page signs anything

    key = load_der_public_key(der)
    if isinstance(key, Ed25519PublicKey):
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": jws.encode(key.public_bytes_raw())}
    elif isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        point = key.public_numbers()
        jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": jws.encode(_octets(point.x)),
            "y": jws.encode(_octets(point.y)),
        }
    else:
        raise SigningUnavailableError(
            "the signing key must be ECC_NIST_P256 or ECC_NIST_EDWARDS25519"
        )
    return {**jwk, "kid": jws.thumbprint(jwk), "alg": jws.algorithm(jwk), "use": "sig"}


def from_der(der: bytes) -> bytes:
    """Write an ECDSA signature as JWS does; KMS gives DER (RFC 3279, 2.2.3)."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415 - no page signs anything

    return jws.es256(*decode_dss_signature(der))


def _octets(number: int) -> bytes:
    return number.to_bytes(32, "big")


def reason_of(error: Any) -> str:
    """Give KMS's name for what went wrong, or botocore's where no answer came."""
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code") or type(error).__name__)
