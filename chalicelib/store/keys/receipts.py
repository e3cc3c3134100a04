"""Receipts: where they stand, and what leads to them."""

from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import subject_pk

REFERENCE_DIGITS = 10
"""How many digits of a receipt's id its reference says: as in `domain.receipts`, which the first
page does not load."""


RECEIPT_POINTER = "POINTER#"
"""What the sort key of what leads to a receipt begins with."""


def reference_pk(clinic: str, beginning: str) -> str:
    """The partition of all receipts with one reference: `beginning` is what their ids begin with.

    See `domain.receipts.read_reference`.
    """
    return f"CLINIC#{clinic}#REFERENCE#{beginning}"


def receipt_id_key(clinic: str, receipt_id: str) -> Key:
    """Where the receipt with this id stands, beside the others with its reference."""
    beginning = receipt_id[:REFERENCE_DIGITS]
    return Key(reference_pk(clinic, beginning), f"{RECEIPT_POINTER}{receipt_id}")


def earlier_receipt_id_key(clinic: str, receipt_id: str) -> Key:
    """Where that was kept before there were references: in a partition of its own.

    Receipts of then have both once `consent operator migrate` ran.
    """
    return Key(f"CLINIC#{clinic}#RECEIPT#{receipt_id}", "POINTER")


def receipt_key(clinic: str, subject: str, version: int) -> Key:
    """One receipt in its chain."""
    return Key(subject_pk(clinic, subject), f"RECEIPT#{version:010d}")


def answers_page_key(clinic: str, subject: str, page: int) -> Key:
    """One page of a person's answers: `timeline` reads from it what held at another time."""
    return Key(subject_pk(clinic, subject), f"WORDS#{page:06d}")


def late_answers_key(clinic: str, subject: str) -> Key:
    """A person's answers that came in late for pages whose starts are kept no more (`timeline`)."""
    return Key(subject_pk(clinic, subject), "WORDS#late")


def signature_key(clinic: str, subject: str, version: int) -> Key:
    """The signature of one receipt, beside it."""
    return Key(subject_pk(clinic, subject), f"SIGNATURE#{version:010d}")


def unsigned_key(clinic: str, receipt_id: str) -> Key:
    """The mark of a receipt that waits to be signed, as it was before the outbox's item was it.

    In sixteen partitions.
    """
    return Key(f"UNSIGNED#{receipt_id[0]}", f"{clinic}#{receipt_id}")


def counted_key(clinic: str, receipt_id: str) -> Key:
    """The mark that a receipt has been counted which was not signed at once."""
    return Key(f"CLINIC#{clinic}#RECEIPT#{receipt_id}", "COUNTED")
