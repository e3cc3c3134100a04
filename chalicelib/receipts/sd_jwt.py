"""What a receipt vouches for without telling it: selective disclosure (RFC 9901).

A receipt outlives the erasure of its person. What staff wrote about how a decision came about may name somebody, so it
stands outside: the receipt holds a salted hash of it; words and salt together, the disclosure, are kept sealed under
the person's own key. Receipt and disclosures are an SD-JWT, which anybody can check with the public keys. Without its
disclosure the hash says nothing, to us neither.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.receipts import signed as proof
from chalicelib.receipts.signed import (
    BadSignatureError,
    NotAReceiptError,
    VerifiedDocument,
    decoded,
    encoded,
)

WITHHELD = ("form", "witness")
"""What of the evidence is in somebody's own words: the form's or note's reference, and who saw or heard it."""

_DIGESTS = "_sd"
_SALT_BYTES = 16


def redact_evidence(evidence: Mapping[str, Any] | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give evidence as a receipt holds it, and a disclosure of each of the words left out, newly salted."""
    made = tuple(_disclosure(name, evidence[name]) for name in WITHHELD if name in evidence) if evidence else ()
    digests = {_DIGESTS: sorted(_digest(each) for each in made)} if made else {}  # sorted: their order tells nothing
    return without_free_text(evidence) | digests, made


def without_free_text(evidence: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give evidence without the words: what a receipt holds of it for whoever they are not about."""
    return {name: value for name, value in (evidence or {}).items() if name not in WITHHELD}


def with_disclosures(evidence: Mapping[str, Any] | None, disclosures: Iterable[str]) -> dict[str, Any]:
    """Give a receipt's evidence with the words of its disclosures in their place (RFC 9901, 7.1).

    Raises BadSignatureError for a disclosure that is not this receipt's.
    """
    told = dict(evidence or {})
    vouched = list(told.pop(_DIGESTS, ()))
    for each in disclosures:
        if _digest(each) not in vouched:
            raise BadSignatureError("What was disclosed is not what the receipt vouches for.")
        vouched.remove(_digest(each))
        name, value = _read(each)
        if name not in WITHHELD or name in told:
            raise BadSignatureError("What was disclosed has no place in a receipt.")
        told[name] = value
    return told


def verify(given: str, jwks: Mapping[str, Any]) -> VerifiedDocument:
    """Verify a signed receipt as `proof.verify` does, and what is disclosed beside it, if anything is."""
    signed, disclosures = split_disclosures(given)
    proven = proof.verify(signed, jwks)
    told = with_disclosures(proven.document.get("evidence"), disclosures)
    return replace(proven, disclosed={name: told[name] for name in WITHHELD if name in told})


def disclosed_texts(disclosures: Iterable[str]) -> dict[str, str]:
    """Give what the portal's own disclosures say, by name."""
    return dict(map(_read, disclosures))


def combined(signed: str, disclosures: Sequence[str]) -> str:
    """Write a signed receipt (JWS, compact) and disclosures as one SD-JWT (RFC 9901, 4)."""
    return "~".join((signed, *disclosures, ""))


def split_disclosures(given: str) -> tuple[str, tuple[str, ...]]:
    """Part an SD-JWT into the signed receipt and its disclosures; a receipt signed as ever has none.

    Raises NotAReceiptError for other letters than base64url's, where the last character is missing, or where a holder's
    key is bound to it: ours never are.
    """
    signed, *rest = given.split("~")
    if not given.isascii() or (rest and rest[-1]):
        raise NotAReceiptError("A receipt with what it discloses ends with a tilde.")
    return signed, tuple(rest[:-1])


def _disclosure(name: str, value: str) -> str:
    written = json.dumps([encoded(secrets.token_bytes(_SALT_BYTES)), name, value], ensure_ascii=False)
    return encoded(written.encode())


def _digest(disclosure: str) -> str:
    return encoded(hashlib.sha256(disclosure.encode()).digest())


def _read(disclosure: str) -> tuple[str, str]:
    """Give name and value of a disclosure the portal made: a receipt or a person's key vouches for it."""
    _, name, value = json.loads(decoded(disclosure))
    return str(name), str(value)
