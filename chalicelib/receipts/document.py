"""Strict reading of a receipt's JSON: it has one spelling, so that no changed character passes."""

import json
from collections.abc import Mapping
from typing import Any

import rfc8785

from chalicelib.receipts.errors import NotAReceiptError, NotCanonicalError

_MEMBERS = frozenset(
    {
        "id",
        "clinic",
        "subject",
        "version",
        "previous",
        "decisions",
        "notice",
        "effective_at",
        "recorded_at",
    }
)
"""What every receipt has, whenever it was made."""


def read_document(written: bytes) -> Mapping[str, Any]:
    """Read the canonical bytes of a receipt.

    Raises NotAReceiptError, or NotCanonicalError where the same JSON is spelled another way.
    """
    document = read_json_object(written)
    if not document.keys() >= _MEMBERS:
        raise NotAReceiptError("This is not a receipt of this portal.")
    if _canonical(document) != written:
        raise NotCanonicalError("The receipt is not in its canonical form (RFC 8785).")
    return document


def canonical_receipt(text: str) -> bytes:
    """Give the canonical bytes (RFC 8785) of a receipt in any spelling; raise NotAReceiptError."""
    canonical = _canonical(read_json_object(text.encode()))
    read_document(canonical)
    return canonical


def read_json_object(written: bytes) -> dict[str, Any]:
    """Read a JSON object in which no name stands twice; raise NotAReceiptError."""
    try:
        text = written.decode()
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_reject_constant)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError among them
        raise NotAReceiptError(
            "It cannot be read: it is no JSON, or a name stands in it twice."
        ) from None
    if not isinstance(document, dict):
        raise NotAReceiptError("It cannot be read: it is no JSON object.")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members; json.loads would keep the last of two with the same name."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _reject_constant(constant: str) -> Any:
    """Refuse NaN and Infinity, which json.loads takes and JSON has not (RFC 8259, 6)."""
    raise ValueError(constant)


def _canonical(document: Mapping[str, Any]) -> bytes:
    try:
        return rfc8785.dumps(dict(document))
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError):
        raise NotAReceiptError("It holds something that no receipt holds.") from None
