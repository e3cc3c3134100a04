"""Keys and what is locked with them: a clinic's data key from KMS, and contacts sealed per person.

A clinic's data key is unwrapped once per process. From it and a salt that belongs to one person
alone comes that person's key (HKDF, RFC 5869): no key-service call per request, and destroying the
salt destroys the contact (crypto-shredding, GDPR Art. 17).

A clinic has one data key from the beginning, and after each rotation one more. What is sealed is
sealed under the newest and names it; the first finds contacts and signs
(docs/decisions/0016-data-keys.md).
"""

import hmac
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from chalicelib.domain.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from chalicelib.domain.contacts import Contact

_NONCE_BYTES = 12
_BY_ANOTHER = b"\x00ck\x01"
"""What a sealed blob begins with that is sealed under another data key than the first; the key's id
follows."""

KEY_ID_BYTES = 4


class KeysUnavailableError(ServiceUnavailableError):
    """The key service could not be asked."""


class KeyService(Protocol):
    """What wraps and unwraps a clinic's data key: KMS, or a fixed key in tests of the core."""

    def unwrap(self, clinic: str, wrapped: bytes) -> bytes:
        """Give the data key of a clinic."""


class Kms:
    """AWS KMS, by a botocore session; the encryption context ties a wrapped key to its clinic."""

    def __init__(self, session: Any, region: str) -> None:
        self._session = session
        self._region = region
        self._client: Any = None

    @property
    def client(self) -> Any:
        """The botocore client, made on first use."""
        if self._client is None:
            from botocore.config import Config  # noqa: PLC0415 - never loaded for the core alone

            config = Config(
                connect_timeout=1,
                read_timeout=3,
                retries={"total_max_attempts": 3, "mode": "standard"},
            )
            self._client = self._session.create_client(
                "kms", region_name=self._region, config=config
            )
        return self._client

    def unwrap(self, clinic: str, wrapped: bytes) -> bytes:
        """Give the data key of a clinic; the wrong clinic's key does not unwrap."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

        try:
            answer = self.client.decrypt(
                CiphertextBlob=wrapped, EncryptionContext={"clinic": clinic}
            )
        except (BotoCoreError, ClientError) as error:
            raise KeysUnavailableError(type(error).__name__) from error
        return bytes(answer["Plaintext"])


class ClinicKey:
    """A clinic's unwrapped data key and what it is good for. Its representation says nothing."""

    __slots__ = ("_key", "_other", "_others", "clinic", "newest")

    def __init__(
        self,
        clinic: str,
        key: bytes,
        *,
        newest: str = "",
        other: Callable[[str], bytes] | None = None,
    ) -> None:
        """Hold the first data key; `newest` is the id of the one that encrypts, "" for the first.

        `other` unwraps one of the others by its id, and raises LookupError where there is none.
        """
        self.clinic = clinic
        self.newest = newest
        self._key = key
        self._other = other
        self._others: dict[str, bytes] = {}

    def lookup(self, contact: "Contact") -> str:
        """Give the key under which a contact's person is found."""
        from chalicelib.domain.contacts import lookup_key  # noqa: PLC0415 - the first page asks for no contact

        return lookup_key(self._key, contact)

    def bucket(self, name: str) -> str:
        """Give the key of a token bucket: an HMAC, so that the table holds no contact and no
        address.
        """
        purpose = hmac.digest(self._key, b"limit", "sha256")
        return hmac.new(purpose, name.encode(), "sha256").hexdigest()

    def shared_bucket(self, contact: "Contact", purpose: str) -> str:
        """Give the key of the token bucket that all clinics share for a contact.

        Asked of the portal's own key. `purpose` is "stop" for a message that confirms a
        withdrawal, "" for any other.
        """
        return self.bucket(f"anywhere|{purpose}|{contact.kind}:{contact.value}")

    def tablet_code(self, kind: str, code: str) -> str:
        """Give the key under which a code that is typed at a tablet is kept: an HMAC."""
        purpose = hmac.digest(self._key, b"tablet-codes", "sha256")
        return hmac.digest(purpose, f"{kind}|{code}".encode(), "sha256").hex()[:32]

    def form_secret(self) -> bytes:
        """Give the secret that signs the state of the clinic's forms."""
        return hmac.digest(self._key, b"form-state", "sha256")

    def link_secret(self) -> bytes:
        """Give the secret that proves for what a link's token was made."""
        return hmac.digest(self._key, b"links", "sha256")

    def receipt_secret(self) -> bytes:
        """Give the secret without which no receipt's id can be computed."""
        return hmac.digest(self._key, b"receipt-ids", "sha256")

    def cursor_secret(self) -> bytes:
        """Give the secret that signs where the clinic's lists go on."""
        return hmac.digest(self._key, b"cursors", "sha256")

    def acknowledgement(self, delivery: str) -> str:
        """Give the proof that a delivery's recipient got the link by which it is acknowledged."""
        purpose = hmac.digest(self._key, b"acknowledgements", "sha256")
        return hmac.digest(purpose, delivery.encode(), "sha256").hex()[:32]

    def outbox_number(self, subject: str, kind: str, reference: str) -> str:
        """Give the number in the outbox of a message to a person: the same each time, guessed by
        nobody.
        """
        purpose = hmac.digest(self._key, b"outbox", "sha256")
        return hmac.digest(purpose, f"{subject}|{kind}|{reference}".encode(), "sha256").hex()[:32]

    def encrypt(self, subject: str, salt: str, what: str, plain: str) -> bytes:
        """Encrypt a contact, a name or evidence under one person's key, as `encrypt_bytes` does."""
        return self.encrypt_bytes(subject, salt, what, plain.encode())

    def encrypt_bytes(self, subject: str, salt: str, what: str, plain: bytes) -> bytes:
        """Encrypt bytes under one person's key (AES-256-GCM).

        First comes the id of the data key, unless that is the first, then the nonce.
        """
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._cipher(self._data_key(self.newest), salt)
        sealed: bytes = cipher.encrypt(nonce, plain, self._bound(subject, what))
        return _head(self.newest) + nonce + sealed

    def decrypt(self, subject: str, salt: str, what: str, sealed: bytes) -> str:
        """Decrypt what `encrypt` made; raise ValueError for other bytes or another person's key."""
        return self.decrypt_bytes(subject, salt, what, sealed).decode()

    def decrypt_bytes(self, subject: str, salt: str, what: str, sealed: bytes) -> bytes:
        """Decrypt what `encrypt_bytes` made; errors as `decrypt`."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

        for key_id in _possible_keys(sealed):
            content = sealed[len(_head(key_id)) :]
            nonce, rest = content[:_NONCE_BYTES], content[_NONCE_BYTES:]
            try:
                cipher = self._cipher(self._data_key(key_id), salt)
                plain: bytes = cipher.decrypt(nonce, rest, self._bound(subject, what))
            except (InvalidTag, LookupError):
                continue
            return plain
        raise ValueError(what)

    def _data_key(self, key_id: str) -> bytes:
        if not key_id:
            return self._key
        if key_id not in self._others:
            if self._other is None:
                raise LookupError(key_id)
            self._others[key_id] = self._other(key_id)
        return self._others[key_id]

    def _bound(self, subject: str, what: str) -> bytes:
        return f"{self.clinic}|{subject}|{what}".encode()

    def _cipher(self, data_key: bytes, salt: str) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 20 ms no page view needs
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

        derived = HKDF(SHA256(), 32, salt=bytes.fromhex(salt), info=b"subject").derive(data_key)
        return AESGCM(derived)


def encrypted_under(sealed: bytes) -> str:
    """Give the id of the data key that a sealed blob names.

    "" for one that names none, which is the first's.
    """
    return _possible_keys(sealed)[0]


def _possible_keys(sealed: bytes) -> Sequence[str]:
    """Give under which data keys a blob may be encrypted.

    More than one: a nonce of the first key may look like another key's id.
    """
    if not sealed.startswith(_BY_ANOTHER):
        return ("",)
    return (sealed[len(_BY_ANOTHER) :][:KEY_ID_BYTES].hex(), "")


def _head(key_id: str) -> bytes:
    return _BY_ANOTHER + bytes.fromhex(key_id) if key_id else b""
