"""Signing by a key of the portal's own: its private half stands in the table, wrapped by KMS.

KMS makes the pair and gives the private half wrapped, so that whoever makes it never holds it. A
process that signs unwraps it once and keeps it in its memory: a receipt then asks KMS for nothing
(docs/decisions/0045-where-receipts-are-signed.md).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chalicelib.store import signatures
from chalicelib.store.encryption import Kms
from chalicelib.store.items import Item
from chalicelib.store.keys.clinics import wrapped_signing_key
from chalicelib.store.signer import (
    KEY_KNOWN_FOR,
    Publish,
    SigningKey,
    SigningUnavailableError,
    from_der,
    public_jwk,
    reason_of,
)
from chalicelib.store.table import Table
from chalicelib.store.writes import Delete, Put

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CONTEXT = {"purpose": "signing"}
"""What KMS binds the wrapped private half to (its encryption context). The policies let only the
functions that sign receipts unwrap what is bound to it; a clinic's data key names its clinic."""

DAMAGED = "the wrapped signing key in the table is damaged"


@dataclass(frozen=True, slots=True)
class _Unwrapped:
    """A key that signs, and the wrapped half from which it came."""

    key: SigningKey
    private: "EllipticCurvePrivateKey" = field(repr=False)
    wrapped: bytes = field(repr=False)


class WrappedSigner:
    """Signs with the key whose private half the table holds, wrapped by the KMS key named."""

    def __init__(
        self,
        table: Table,
        kms: Kms,
        wrapping_key: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._kms = kms
        self._wrapping_key = wrapping_key
        self._clock = clock
        self._held: _Unwrapped | None = None
        self._known_until = 0.0

    def current(self, publish: Publish) -> SigningKey:
        """Give the key that the table holds, as it was read at most `KEY_KNOWN_FOR` ago.

        The first one to ask makes it. Raises SigningUnavailableError where it cannot be unwrapped
        or is damaged, UnavailableError where the table is away, and what `publish` raises.
        """
        if self._held is None or self._clock() >= self._known_until:
            item = self._stored()
            if self._held is None or self._held.wrapped != item.blob:
                self._held = None
                self._held = self._unwrapped(item)
            publish(self._held.key.jwk)
            self._known_until = self._clock() + KEY_KNOWN_FOR
        return self._held.key

    def sign(self, key: SigningKey, message: bytes) -> bytes:
        """Sign with exactly this key, in this process."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415 - a page signs no receipt
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - as above

        if self._held is None or self._held.key.kid != key.kid:
            raise SigningUnavailableError("another key signs by now")
        return from_der(self._held.private.sign(message, ECDSA(SHA256())))

    def _stored(self) -> Item:
        """Read the wrapped key; make it where there is none.

        Of two processes that make one at once the first counts, and both go by that one.
        """
        place = wrapped_signing_key()
        found = self._table.get([place])
        if place not in found:
            _, put = _new_key(self._kms, self._wrapping_key)
            self._table.put_new(put)
            found = self._table.get([place])
        if place not in found:
            raise SigningUnavailableError("the wrapped signing key was removed in this moment")
        return found[place]

    def _unwrapped(self, item: Item) -> _Unwrapped:
        """Unwrap the private half, and check that it is of the key whose id is beside it."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

        wrapped = bytes(item.blob or b"")
        if not wrapped:
            raise SigningUnavailableError(DAMAGED)
        try:
            answer = self._kms.client.decrypt(CiphertextBlob=wrapped, EncryptionContext=CONTEXT)
        except (BotoCoreError, ClientError) as error:
            problem = "the wrapped signing key in the table cannot be unwrapped"
            raise SigningUnavailableError(f"{problem}: {reason_of(error)}") from error
        private, jwk = _read_private(bytes(answer["Plaintext"]))
        if jwk["kid"] != item.body:
            raise SigningUnavailableError(DAMAGED)
        return _Unwrapped(SigningKey(jwk, jwk["kid"]), private, wrapped)


def replace_key(table: Table, kms: Kms, wrapping_key: str) -> str:
    """Let a new key sign in the place of the wrapped one, and give its id.

    Its public half is published before. The private half of the key before is overwritten. Raises
    SigningUnavailableError, UnavailableError.
    """
    jwk, put = _new_key(kms, wrapping_key)
    signatures.keep_key(table, jwk)
    table.put(put)
    return jwk["kid"]


def destroy_key(table: Table) -> None:
    """Remove the wrapped private half for good; its public half stays published.

    Where receipts are signed by such a key, the next process to sign makes another.
    """
    table.write_one(Delete(wrapped_signing_key()))


def _new_key(kms: Kms, wrapping_key: str) -> tuple[dict[str, str], Put]:
    """Let KMS make a pair; give the public half, and the write that keeps the private one."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

    try:
        answer = kms.client.generate_data_key_pair_without_plaintext(
            KeyId=wrapping_key, KeyPairSpec="ECC_NIST_P256", EncryptionContext=CONTEXT
        )
    except (BotoCoreError, ClientError) as error:
        problem = "no signing key can be made"
        raise SigningUnavailableError(f"{problem}: {reason_of(error)}") from error
    jwk = public_jwk(bytes(answer["PublicKey"]))
    values = {"body": jwk["kid"], "blob": bytes(answer["PrivateKeyCiphertextBlob"])}
    return jwk, Put(wrapped_signing_key(), values)


def _read_private(der: bytes) -> "tuple[EllipticCurvePrivateKey, dict[str, str]]":
    """Read a private key (PKCS #8), and give with it its public half as a JWK.

    Raises SigningUnavailableError for what is none, or none for ES256.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as above
        Encoding,
        PublicFormat,
        load_der_private_key,
    )

    try:
        private = load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningUnavailableError(DAMAGED) from error
    if not isinstance(private, EllipticCurvePrivateKey):
        raise SigningUnavailableError(DAMAGED)
    public = private.public_key()
    return private, public_jwk(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
