"""A device with passkeys, in software: what a browser answers to the options of WebAuthn."""

import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from fido2.cose import ES256, RS256, CoseKey, EdDSA
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

FLAG = AuthenticatorData.FLAG
PRESENT, VERIFIED = FLAG.UP, FLAG.UP | FLAG.UV
Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass
class Credential:
    """A passkey in the device."""

    id: bytes
    user: bytes
    key: Private
    counter: int = 0

    def sign(self, message: bytes) -> bytes:
        """Sign as WebAuthn wants it."""
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(message, ec.ECDSA(hashes.SHA256()))
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, PKCS1v15(), hashes.SHA256())
        return self.key.sign(message)


@dataclass
class Authenticator:
    """A device that makes passkeys and answers with them.

    What it does wrong can be set: the flags, the origin, the counter that does not move.
    """

    origin: str = "https://portal.example.org"
    flags: int = VERIFIED
    counts: bool = True
    framed: bool = False
    algorithm: int = -7
    credentials: list[Credential] = field(default_factory=list)

    def create(self, options: str) -> str:
        """Make a passkey, as `navigator.credentials.create` does, and answer as the page sends."""
        asked = json.loads(options)
        assert asked["authenticatorSelection"]["userVerification"] == "required"
        assert asked["authenticatorSelection"]["residentKey"] == "required"
        assert self.algorithm in [each["alg"] for each in asked["pubKeyCredParams"]]
        key, cose = _new_key(self.algorithm)
        user = websafe_decode(asked["user"]["id"])
        made = Credential(secrets.token_bytes(32), user, key)
        self.credentials.append(made)
        attested = AttestedCredentialData.create(Aaguid.NONE, made.id, cose)
        data = AuthenticatorData.create(
            _hash(asked["rp"]["id"]), FLAG(self.flags | FLAG.AT), made.counter, attested
        )
        attestation = AttestationObject.create("none", data, {})
        client = self._client(CollectedClientData.TYPE.CREATE, asked["challenge"])
        return _answer(made, client, attestationObject=websafe_encode(attestation))

    def get(self, options: str, *, last: bool = True) -> str:
        """Prove the newest passkey, or the first, as `navigator.credentials.get` does."""
        asked = json.loads(options)
        assert asked["userVerification"] == "required"
        mine = self.credentials[-1 if last else 0]
        if self.counts:
            mine.counter += 1
        data = AuthenticatorData.create(_hash(asked["rpId"]), FLAG(self.flags), mine.counter)
        client = self._client(CollectedClientData.TYPE.GET, asked["challenge"])
        signature = mine.sign(data + hashlib.sha256(client).digest())
        return _answer(
            mine,
            client,
            authenticatorData=websafe_encode(data),
            signature=websafe_encode(signature),
            userHandle=websafe_encode(mine.user),
        )

    def _client(self, kind: str, challenge: str) -> bytes:
        return CollectedClientData.create(kind, challenge, self.origin, cross_origin=self.framed)


def _new_key(algorithm: int) -> tuple[Private, CoseKey]:
    if algorithm == RS256.ALGORITHM:
        of_rsa = rsa.generate_private_key(65537, 2048)
        return of_rsa, RS256.from_cryptography_key(of_rsa.public_key())
    if algorithm == EdDSA.ALGORITHM:
        of_edwards = ed25519.Ed25519PrivateKey.generate()
        return of_edwards, EdDSA.from_cryptography_key(of_edwards.public_key())
    of_curve = ec.generate_private_key(ec.SECP256R1())
    return of_curve, ES256.from_cryptography_key(of_curve.public_key())


def _answer(made: Credential, client: bytes, **response: str) -> str:
    whole: dict[str, Any] = {
        "id": websafe_encode(made.id),
        "rawId": websafe_encode(made.id),
        "type": "public-key",
        "response": {"clientDataJSON": websafe_encode(client), **response},
        "clientExtensionResults": {},
        "authenticatorAttachment": "platform",
    }
    return json.dumps(whole)


def _hash(party: str) -> bytes:
    return hashlib.sha256(party.encode()).digest()


def with_counter(answer: str, counter: int) -> str:
    """Change the counter in an answer, whose signature is then wrong."""
    whole = json.loads(answer)
    data = bytearray(websafe_decode(whole["response"]["authenticatorData"]))
    data[33:37] = struct.pack(">I", counter)
    whole["response"]["authenticatorData"] = websafe_encode(bytes(data))
    return json.dumps(whole)
