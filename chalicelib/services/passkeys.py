"""Passkeys: what a browser is asked, and whether what it answers proves who somebody is.

WebAuthn Level 3, 7.1 (registering) and 7.2 (asserting). The passkey stands in the device, with the
name of its owner; the device asks for a finger, a face or a PIN. A challenge is signed, good for
five minutes and for one purpose, and spent by the first answer that comes with it, right or wrong.
"""

import hashlib
import json
import secrets
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Self
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from fido2 import cbor
from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialParameters,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from itsdangerous import BadData, URLSafeSerializer

from chalicelib.domain.errors import RejectedError, ServiceUnavailableError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.staff import Passkey, StaffMember
from chalicelib.portal import Portal
from chalicelib.store.keys.desk import spent_challenge_key
from chalicelib.store.writes import Put

CHALLENGE_LIFETIME = timedelta(minutes=5)
"""For how long a browser may take to answer."""

ALGORITHMS = (-8, -7, -257)
"""EdDSA, ES256, RS256 (COSE): what WebAuthn recommends; every device has one of them."""

LONGEST_ANSWER = 16_000
"""How many characters of an answer are read: one has a thousand or two."""

LONGEST_ID = 1023
"""How many bytes the id of a credential has at most (WebAuthn, 7.1 step 25)."""

_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
    NotImplementedError,
    AssertionError,
    UnsupportedAlgorithm,
    struct.error,
)
"""What reading bytes that are no answer ends with: `fido2` has no error of its own."""


class StaleChallengeError(RejectedError):
    """The page was open for too long, was answered before, or is another's."""


class PasskeyRefusedError(RejectedError):
    """The answer proves nothing. Why, is for tests alone: whoever sent it is told no more."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Whose passkeys these are: the portal, by the domain that its pages have.

    A browser lets nobody but a page of this domain use them, which is what phishing fails by.
    """

    id: str
    origins: frozenset[str]
    """The origins (RFC 6454) of the portal's pages, such as ``https://consent.example.org``."""

    @classmethod
    def of(cls, base_url: str, called_at: frozenset[str] | set[str]) -> Self:
        """Give the party of the portal's own address; `called_at` are origins it may be known by.

        Those of another domain, a subdomain of its own among them, and all without TLS are left
        out. A passkey is of a domain, never of an IP address: the portal on this machine is
        ``localhost``.
        """
        host = _host(base_url)
        own = {each.lower() for each in called_at if _is_origin_of(host, each)}
        return cls(host, frozenset(own))

    @property
    def entity(self) -> PublicKeyCredentialRpEntity:
        """The party as the device shows it."""
        return PublicKeyCredentialRpEntity(id=self.id, name=self.id)


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What a page asks of the browser."""

    options: str
    """The options of WebAuthn as JSON (5.4, 5.5)."""
    challenge: str
    """The challenge, signed, which the page sends back."""


def own_address(base_url: str) -> str:
    """Give the address of the portal at which passkeys work: it names a domain, not this machine's
    number.
    """
    for number in ("127.0.0.1", "[::1]"):
        base_url = base_url.replace(f"://{number}", "://localhost", 1)
    return base_url


def ask_to_register(
    portal: Portal,
    party: RelyingParty,
    purpose: str,
    person: StaffMember,
    *,
    clinic: str,
    now: Instant,
) -> Ceremony:
    """Give what asks a browser for a new passkey of somebody; `clinic` is the name shown beside it.

    A device that has one of theirs already makes no second.
    """
    challenge = secrets.token_bytes(32)
    had = [_descriptor(each) for each in person.passkeys]
    options, _ = _server(party).register_begin(
        PublicKeyCredentialUserEntity(
            id=person.id.encode(), name=f"{person.name} ({clinic})", display_name=person.name
        ),
        credentials=had,
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
        challenge=challenge,
    )
    return _ceremony(portal, purpose, challenge, dict(options)["publicKey"], now)


def ask_to_prove(
    portal: Portal,
    party: RelyingParty,
    purpose: str,
    person: StaffMember | None = None,
    *,
    now: Instant,
) -> Ceremony:
    """Give what asks a browser for a passkey: any of this portal's, or one of somebody's."""
    challenge = secrets.token_bytes(32)
    theirs = [_descriptor(each) for each in person.passkeys] if person else None
    options, _ = _server(party).authenticate_begin(
        theirs, user_verification=UserVerificationRequirement.REQUIRED, challenge=challenge
    )
    return _ceremony(portal, purpose, challenge, dict(options)["publicKey"], now)


def spend_challenge(portal: Portal, purpose: str, signed: str, now: Instant) -> bytes:
    """Give the challenge that a page was made with, once. Raises StaleChallengeError."""
    try:
        encoded, asked_for, asked_at = _serializer(portal).loads(signed[:LONGEST_ANSWER])
    except BadData:
        raise StaleChallengeError from None
    until = instant(moment(asked_at) + CHALLENGE_LIFETIME)
    if asked_for != purpose or not asked_at <= now <= until:
        raise StaleChallengeError
    spent = spent_challenge_key(hashlib.sha256(encoded.encode()).hexdigest())
    if not portal.table.put_new(Put(spent, {"ttl": int(moment(until).timestamp()) + 3600})):
        raise StaleChallengeError
    return websafe_decode(encoded)


def registered(
    party: RelyingParty, challenge: bytes, answer: str, *, label: str, now: Instant
) -> Passkey:
    """Read a new passkey from a browser's answer. Raises PasskeyRefusedError."""
    with _refusing():
        response = RegistrationResponse.from_dict(_object(answer))
        _refuse_framed(response.response.client_data.cross_origin)
        made = _server(party).register_complete(_state(challenge), response)
        credential = made.credential_data
        if credential is None or response.raw_id != credential.credential_id:
            raise PasskeyRefusedError("another credential")
        key = credential.public_key
        if key.get(3) not in ALGORITHMS or len(credential.credential_id) > LONGEST_ID:
            raise PasskeyRefusedError("algorithm or length")
        return Passkey(
            id=websafe_encode(credential.credential_id),
            public_key=websafe_encode(cbor.encode(dict(key))),
            label=label,
            made_at=now,
            counter=made.counter,
        )
    raise AssertionError  # mypy: the context raises


def passkey_named(answer: str) -> str:
    """Give the id of the passkey that an answer is of, before anything is proved.

    Raises PasskeyRefusedError.
    """
    with _refusing():
        return websafe_encode(AuthenticationResponse.from_dict(_object(answer)).raw_id)
    raise AssertionError  # mypy: the context raises


def proved(
    party: RelyingParty,
    challenge: bytes,
    answer: str,
    person: StaffMember,
    passkey: Passkey,
    *,
    now: Instant,
) -> Passkey:
    """Check that an answer was made by somebody's passkey for this challenge on our own page.

    Gives the passkey as it is from now on, with its counter. Raises PasskeyRefusedError: for a
    wrong signature, another origin, a device that did not ask for finger, face or PIN, somebody
    else's name in the device, and for a counter that went back, which a copied key does (7.2 step
    22).
    """
    with _refusing():
        response = AuthenticationResponse.from_dict(_object(answer))
        _refuse_framed(response.response.client_data.cross_origin)
        known = _credential(passkey)
        _server(party).authenticate_complete(_state(challenge), [known], response)
        if response.response.user_handle not in (None, person.id.encode()):
            raise PasskeyRefusedError("another person")
        counter = response.response.authenticator_data.counter
        if (counter or passkey.counter) and counter <= passkey.counter:
            raise PasskeyRefusedError("counter")
        return replace(passkey, counter=counter, used_on=now[:10])
    raise AssertionError  # mypy: the context raises


@contextmanager
def _refusing() -> Iterator[None]:
    """Refuse what cannot be read, and what `fido2` finds wrong, alike."""
    try:
        yield
    except PasskeyRefusedError:
        raise
    except _UNREADABLE as error:
        raise PasskeyRefusedError(str(error)[:200]) from None


def _server(party: RelyingParty) -> Fido2Server:
    server = Fido2Server(
        party.entity,
        attestation=AttestationConveyancePreference.NONE,
        verify_origin=lambda origin: origin.lower() in party.origins,
    )
    server.timeout = CHALLENGE_LIFETIME // timedelta(milliseconds=1)  # type: ignore[assignment]
    server.allowed_algorithms = [
        PublicKeyCredentialParameters(type=PublicKeyCredentialType.PUBLIC_KEY, alg=each)
        for each in ALGORITHMS
    ]
    return server


def _ceremony(
    portal: Portal, purpose: str, challenge: bytes, options: object, now: Instant
) -> Ceremony:
    signed = _serializer(portal).dumps((websafe_encode(challenge), purpose, now))
    return Ceremony(json.dumps(_plain(options), ensure_ascii=False), str(signed))


def _plain(value: object) -> Any:
    """Give options as JSON has them (5.1.9): bytes in base64url."""
    if isinstance(value, bytes):
        return websafe_encode(value)
    if isinstance(value, str | int) or value is None:
        return value
    if isinstance(value, Sequence):
        return [_plain(each) for each in value]
    mapping: Any = value
    return {name: _plain(mapping[name]) for name in mapping}


def _serializer(portal: Portal) -> URLSafeSerializer:
    """Sign challenges by HMAC-SHA-256, under the portal's own key: who signs in has no clinic yet."""
    key = portal.clinics.portal_key()
    if key is None:
        raise ServiceUnavailableError("publish any clinic to make the portal's key")
    signing = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    return URLSafeSerializer(key.form_secret(), salt="passkeys", signer_kwargs=signing)


def _state(challenge: bytes) -> dict[str, object]:
    return {
        "challenge": websafe_encode(challenge),
        "user_verification": UserVerificationRequirement.REQUIRED,
    }


def _object(answer: str) -> dict[str, Any]:
    if len(answer) > LONGEST_ANSWER:
        raise PasskeyRefusedError("too long")
    given = json.loads(answer)
    if not isinstance(given, dict):
        raise PasskeyRefusedError("no object")
    return given


def _refuse_framed(cross_origin: object) -> None:
    """Refuse an answer from within another website's page (7.1 step 10, 7.2 step 14)."""
    if cross_origin:
        raise PasskeyRefusedError("framed")


def _credential(passkey: Passkey) -> AttestedCredentialData:
    key = CoseKey.parse(cbor.decode(websafe_decode(passkey.public_key)))  # type: ignore[arg-type]
    return AttestedCredentialData.create(Aaguid.NONE, websafe_decode(passkey.id), key)


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(
        type=PublicKeyCredentialType.PUBLIC_KEY, id=websafe_decode(passkey.id)
    )


def _host(address: str) -> str:
    host = urlsplit(address).hostname or ""
    return "localhost" if host in {"127.0.0.1", "::1"} else host


def _is_origin_of(host: str, origin: str) -> bool:
    parts = urlsplit(origin)
    return parts.hostname == host and (parts.scheme == "https" or host == "localhost")
