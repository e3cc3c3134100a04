"""Signing by AWS KMS: the private key never leaves it, and which key signs is said by an alias.

Rotation is another key behind the same alias (KMS rotates no asymmetric key by itself); a receipt
names the key that signed it, and every public key stays published.
"""

import hashlib
import time
from collections.abc import Callable

from chalicelib.store.encryption import Kms
from chalicelib.store.signer import (
    KEY_KNOWN_FOR,
    Publish,
    SigningKey,
    SigningUnavailableError,
    TooLongToSignError,
    from_der,
    public_jwk,
    reason_of,
)

RAW_BYTES = 4096
"""How much KMS signs undigested, which is the only way it signs with Ed25519."""


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
            raise SigningUnavailableError(reason_of(error)) from error
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
            raise SigningUnavailableError(reason_of(error)) from error
        return from_der(signature) if key.jwk["alg"] == "ES256" else signature
