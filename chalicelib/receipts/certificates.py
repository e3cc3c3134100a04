"""Certificates of lists: what the portal signs of a list that it compared with the consents.

A certificate is a JWS (RFC 7515) over canonical JSON (RFC 8785), as a receipt is, by the same key.
Its ``typ`` is its own: no certificate is taken for a receipt, and no receipt for a certificate.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785

from chalicelib.domain.instants import Instant
from chalicelib.receipts import jws
from chalicelib.receipts.document import read_json_object
from chalicelib.receipts.errors import NotAReceiptError, NotCanonicalError

TYPE = "consent-list+jwt"
"""The header's ``typ``."""

_MEMBERS: Mapping[str, tuple[type, ...]] = {
    "id": (str,),
    "clinic": (str,),
    "controller": (str, type(None)),
    "purpose": (str,),
    "mode": (str,),
    "for": (str, type(None)),
    "input": (dict,),
    "output": (dict,),
    "rows": (int,),
    "asked": (int,),
    "permitted": (int,),
    "refused": (dict,),
    "broken": (dict,),
    "asked_at": (str,),
    "issued_at": (str,),
    "valid_until": (str,),
}
"""What every certificate has, whenever it was made."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says, and the key that signed it."""

    document: Mapping[str, Any]
    kid: str

    def expired(self, at: Instant) -> bool:
        """Tell whether the list may be used no longer."""
        return bool(self.document["valid_until"] <= at)

    def part_of(self, sha256: str) -> str | None:
        """Tell which file has this hash: "output", the list to be used, "input", or None."""
        for part in ("output", "input"):
            if self.document[part]["sha256"] == sha256:
                return part
        return None


def file_hash(content: bytes) -> dict[str, Any]:
    """Describe a file as a certificate does: its SHA-256, and how many bytes it has."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def canonical_certificate(document: Mapping[str, Any]) -> bytes:
    """Write a certificate to be signed; raise ValueError where a member is missing or another."""
    if not _is_certificate(document):
        raise ValueError("this is no certificate")
    return rfc8785.dumps(dict(document))


def verify_certificate(signed: str, jwks: Mapping[str, Any]) -> Certificate:
    """Verify a certificate in compact form against a key set (RFC 7517); line breaks are let pass.

    Raises an UnprovenError, by its kind: NotAReceiptError for what is no certificate.
    """
    opened = jws.verify_payload("".join(signed.split()), jwks, TYPE)
    document = read_json_object(opened.payload)
    if not _is_certificate(document):
        raise NotAReceiptError("This is not a certificate of a list.")
    if rfc8785.dumps(document) != opened.payload:
        raise NotCanonicalError("The certificate is not in its canonical form (RFC 8785).")
    return Certificate(document, opened.kid)


def _is_certificate(document: Mapping[str, Any]) -> bool:
    if document.keys() != _MEMBERS.keys():
        return False
    return all(isinstance(document[name], kind) for name, kind in _MEMBERS.items())
