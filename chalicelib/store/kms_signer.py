"""Signing by AWS KMS: the private key never leaves it, and which key signs is said by an alias.

Rotation is another key behind the same alias (KMS rotates no asymmetric key by itself); a receipt
names the key that signed it, and every public key stays published.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.domain.errors import RejectedError, ServiceUnavailableError
from chalicelib.receipts import jws
from chalicelib.store.encryption import Kms

RAW_BYTES = 4096
"""How much KMS signs undigested, which is the only way it signs with Ed25519."""


KEY_KNOWN_FOR = 300.0
"""For how many seconds a process goes by what KMS said of the alias: so at busy times each receipt
is one call."""

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
    """What signs: KMS, or a key of their own in tests of the stores."""

    def current(self, publish: Publish) -> SigningKey:
        """Give the key that signs now, its public half given to `publish` before.

        Raises SigningUnavailableError, and what `publish` raises.
        """

    def sign(self, key: SigningKey, message: bytes) -> bytes:
        """Sign as JWS wants it (RFC 7518, 3.4: r and s).

        Raises SigningUnavailableError, TooLongToSignError.
        """


class KmsSigner:
    """Signs by the KMS key behind an alias."""

    def __init__(self, kms: Kms, alias: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._kms = kms
        self._alias = alias
        self._clock = clock
        self._key: SigningKey | None = None
        self._known_until = 0.0

    def current(self, publish: Publish) -> SigningKey:
        """Tell which key the alias leads to, as it was asked at most `KEY_KNOWN_FOR` ago.

        After a rotation the key before signs that long, unless it cannot: then KMS is asked again.
        """
        if self._key is None or self._clock() >= self._known_until:
            self._key = None
            key = self._ask()
            publish(key.jwk)
            self._key, self._known_until = key, self._clock() + KEY_KNOWN_FOR
        return self._key

    def _ask(self) -> SigningKey:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - never loaded for the core alone

        try:
            answer = self._kms.client.get_public_key(KeyId=self._alias)
        except (BotoCoreError, ClientError) as error:
            raise SigningUnavailableError(_reason(error)) from error
        return SigningKey(public_jwk(answer["PublicKey"]), answer["KeyId"])

    def sign(self, key: SigningKey, message: bytes) -> bytes:
        """Sign with exactly this key, wherever the alias leads by now."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

        asked = {"Message": message, "MessageType": "RAW", "SigningAlgorithm": "ED25519_SHA_512"}
        if key.jwk["alg"] == "ES256":
            digest = hashlib.sha256(message).digest()
            asked = {
                "Message": digest,
                "MessageType": "DIGEST",
                "SigningAlgorithm": "ECDSA_SHA_256",
            }
        elif len(message) > RAW_BYTES:
            raise TooLongToSignError(
                f"{len(message)} bytes are more than the {RAW_BYTES} KMS signs with Ed25519"
            )
        try:
            signature = bytes(self._kms.client.sign(KeyId=key.name, **asked)["Signature"])
        except (BotoCoreError, ClientError) as error:
            self._key = None  # another may sign by now
            raise SigningUnavailableError(_reason(error)) from error
        return _from_der(signature) if key.jwk["alg"] == "ES256" else signature


def public_jwk(der: bytes) -> dict[str, str]:
    """Write a public key (DER) as a JWK with its id and algorithm.

    Raises SigningUnavailableError for another kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415 - as above

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


def _from_der(der: bytes) -> bytes:
    """Write an ECDSA signature as JWS does; KMS gives DER (RFC 3279, 2.2.3)."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415 - as above

    return jws.es256(*decode_dss_signature(der))


def _octets(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _reason(error: Any) -> str:
    """Give KMS's name for what went wrong, or botocore's where no answer came."""
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    return str(answer.get("Error", {}).get("Code") or type(error).__name__)
