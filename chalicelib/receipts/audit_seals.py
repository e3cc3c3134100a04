"""Seals of a clinic's audit: what the portal signs at the end of each day (UTC).

The lines of the day are a chain of hashes that begins with the seal of the day before: no line can
be changed, added or taken away, and no day's seal exchanged, without breaking the signed end. A
seal is a JWS (RFC 7515) over canonical JSON (RFC 8785) by the key that signs receipts, with a
``typ`` of its own.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import rfc8785

from chalicelib.domain.instants import Instant
from chalicelib.receipts import jws
from chalicelib.receipts.document import read_json_object
from chalicelib.receipts.errors import NotAReceiptError, NotCanonicalError

TYPE = "consent-audit+jws"
"""The header's ``typ``."""

HASH_BYTES = 32
_BEGINNING = bytes(HASH_BYTES)
"""What the first seal's chain begins with."""

_MEMBERS: Mapping[str, tuple[type, ...]] = {
    "clinic": (str,),
    "day": (str,),
    "lines": (int,),
    "late": (int,),
    "previous": (str, type(None)),
    "chain": (str,),
    "sealed_at": (str,),
}


@dataclass(frozen=True, slots=True)
class AuditSeal:
    """What the seal of a day says.

    `lines` is how many the day has, `late` how many of the day before came after that was sealed:
    they follow in the chain. `previous` is the SHA-256 of the seal before, in compact form, None
    for a clinic's first; `chain` the last hash of the chain, both in hexadecimal.
    """

    clinic: str
    day: str
    lines: int
    late: int
    previous: str | None
    chain: str
    sealed_at: Instant

    def canonical(self) -> bytes:
        """Write it as it is signed."""
        return rfc8785.dumps(asdict(self))


def line_hash(place: str, body: str) -> bytes:
    """Give the hash of one line: SHA-256 of its place, a line feed, and what it tells, as stored."""
    return hashlib.sha256(f"{place}\n{body}".encode()).digest()


def chain_of(previous: str | None, hashes: Iterable[bytes]) -> str:
    """Give the last hash of a chain: each is SHA-256 of the hash before and the next line's.

    `previous` is the hash of the seal before, in hexadecimal.
    """
    last = bytes.fromhex(previous) if previous is not None else _BEGINNING
    for each in hashes:
        last = hashlib.sha256(last + each).digest()
    return last.hex()


def seal_hash(signed: str) -> str:
    """Give the hash by which the next day's seal names this one."""
    return hashlib.sha256(signed.encode()).hexdigest()


def verify_seal(signed: str, jwks: Mapping[str, Any]) -> AuditSeal:
    """Verify a seal in compact form against a key set (RFC 7517); raise an UnprovenError."""
    payload = jws.verify_payload(signed, jwks, TYPE).payload
    document = read_json_object(payload)
    if document.keys() != _MEMBERS.keys():
        raise NotAReceiptError("This is no seal of an audit.")
    for name, kinds in _MEMBERS.items():
        if not isinstance(document[name], kinds):
            raise NotAReceiptError("This is no seal of an audit.")
    seal = AuditSeal(**document)
    if seal.canonical() != payload:
        raise NotCanonicalError("The seal is not in its canonical form (RFC 8785).")
    return seal
