"""Private keys of the tests: they sign as KMS does, and as somebody who forges receipts."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib.receipts import jws
from chalicelib.store.signer import (
    Publish,
    Signer,
    SigningKey,
    SigningUnavailableError,
    TooLongToSignError,
    public_jwk,
)

Private = EllipticCurvePrivateKey | Ed25519PrivateKey


def p256() -> Private:
    """Make a key for ES256."""
    return generate_private_key(SECP256R1())


@dataclass
class OwnKey(Signer):
    """Signs with a private key of its own; `away` as a key service that cannot be asked."""

    private: Private = field(default_factory=p256, repr=False)
    away: bool = False
    too_long: int = 1_000_000
    refused: bytes = b""
    signed: int = 0

    @cached_property
    def key(self) -> SigningKey:
        """The public half."""
        der = self.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return SigningKey(public_jwk(der), hashlib.sha256(der).hexdigest())

    def current(self, publish: Publish) -> SigningKey:
        """Give the key."""
        if self.away:
            raise SigningUnavailableError("away")
        publish(self.key.jwk)
        return self.key

    def sign(self, key: SigningKey, message: bytes) -> bytes:
        """Sign."""
        if self.away:
            raise SigningUnavailableError("away")
        if message == self.refused:
            raise SigningUnavailableError("this one alone")
        if len(message) > self.too_long:
            raise TooLongToSignError("too long")
        assert key == self.key
        self.signed += 1
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(message)
        return jws.es256(*decode_dss_signature(self.private.sign(message, ECDSA(SHA256()))))

    def signed_receipt(self, canonical: bytes, protected: str | None = None) -> str:
        """Give bytes as a JWS, with the header of a receipt or another."""
        protected = protected or jws.header(self.key.jwk)
        return jws.compact(
            protected, canonical, self.sign(self.key, jws.signing_input(protected, canonical))
        )


def key_set(*signers: OwnKey) -> dict[str, object]:
    """Give the public keys as a key set."""
    return {"keys": [signer.key.jwk for signer in signers]}
