"""What staff wrote about a decision, disclosed beside the receipt: selective disclosure (RFC 9901).

A receipt is kept after the erasure of its person. The words of staff about how a decision came
about may name somebody, so they are not in the receipt: it holds a salted hash of each. The words
with their salt, the disclosure, are kept encrypted under the person's own key. Receipt and
disclosures together are an SD-JWT, which anybody can check with the public keys. Once the
disclosure is erased, nobody can find the words from the hash, the portal neither.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.receipts import jws
from chalicelib.receipts.errors import BadSignatureError, NotAReceiptError
from chalicelib.receipts.jws import VerifiedDocument

WITHHELD = ("form", "witness")
"""The free texts of the evidence: a reference of the form or note, and who saw or heard it."""

_DIGESTS = "_sd"
"""The member of the evidence that holds the hashes (RFC 9901, 4.2.4.1)."""

_SALT_BYTES = 16


def redact_evidence(evidence: Mapping[str, Any] | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give evidence as a receipt holds it, and a new disclosure of each text left out of it."""
    evidence = evidence or {}
    withheld = [name for name in WITHHELD if name in evidence]
    disclosures = [_new_disclosure(name, evidence[name]) for name in withheld]
    redacted = without_free_text(evidence)
    if disclosures:
        # Sorted, so that their order says nothing about the texts (RFC 9901, 4.2.4.1).
        redacted[_DIGESTS] = sorted(map(_digest, disclosures))
    return redacted, tuple(disclosures)


def without_free_text(evidence: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give evidence without what staff wrote: what receipts of other people hold of it."""
    kept = dict(evidence or {})
    for name in WITHHELD:
        kept.pop(name, None)
    return kept


def with_disclosures(
    evidence: Mapping[str, Any] | None, disclosures: Iterable[str]
) -> dict[str, Any]:
    """Give a receipt's evidence with the texts of its disclosures in their place (RFC 9901, 7.1).

    Raises BadSignatureError for a disclosure that is not this receipt's.
    """
    restored = dict(evidence or {})
    digests = list(restored.pop(_DIGESTS, ()))
    for disclosure in disclosures:
        digest = _digest(disclosure)
        if digest not in digests:
            raise BadSignatureError("What was disclosed is not what the receipt vouches for.")
        digests.remove(digest)
        name, text = _read_disclosure(disclosure)
        if name not in WITHHELD or name in restored:
            raise BadSignatureError("What was disclosed has no place in a receipt.")
        restored[name] = text
    return restored


def verify(given: str, jwks: Mapping[str, Any]) -> VerifiedDocument:
    """Verify a signed receipt as `jws.verify` does, and what is disclosed beside it."""
    signed, disclosures = split_disclosures(given)
    verified = jws.verify(signed, jwks)
    evidence = with_disclosures(verified.document.get("evidence"), disclosures)
    disclosed = {name: evidence[name] for name in WITHHELD if name in evidence}
    return replace(verified, disclosed=disclosed)


def disclosed_texts(disclosures: Iterable[str]) -> dict[str, str]:
    """Give the texts in disclosures that the portal made, by name."""
    return dict(map(_read_disclosure, disclosures))


def combined(signed: str, disclosures: Sequence[str]) -> str:
    """Write a signed receipt (JWS, compact) and disclosures as one SD-JWT (RFC 9901, 4)."""
    return "~".join((signed, *disclosures, ""))


def split_disclosures(given: str) -> tuple[str, tuple[str, ...]]:
    """Split an SD-JWT into the signed receipt and its disclosures; a plain JWS has none.

    Raises NotAReceiptError for a character that base64url does not have, and for text after the
    last tilde: a missing tilde, or a proof of the holder's key (RFC 9901, 4.3), which the portal
    never asks.
    """
    signed, *rest = given.split("~")
    if not given.isascii() or (rest and rest[-1]):
        raise NotAReceiptError("A receipt with what it discloses ends with a tilde.")
    return signed, tuple(rest[:-1])


def _new_disclosure(name: str, text: str) -> str:
    """Write a disclosure: base64url of a JSON array of salt, name and text (RFC 9901, 4.2.1)."""
    salt = jws.encode(secrets.token_bytes(_SALT_BYTES))
    written = json.dumps([salt, name, text], ensure_ascii=False)
    return jws.encode(written.encode())


def _digest(disclosure: str) -> str:
    hashed = hashlib.sha256(disclosure.encode())
    return jws.encode(hashed.digest())


def _read_disclosure(disclosure: str) -> tuple[str, str]:
    """Give name and text of a disclosure that a receipt's hash or a person's key covers."""
    _, name, text = json.loads(jws.decode(disclosure))
    return str(name), str(text)
