"""Which items are never changed, and which belong to a person's proof."""

from chalicelib.store.keys.key import Key
from chalicelib.store.keys.receipts import RECEIPT_POINTER


def written_once(key: Key) -> bool:
    """Tell whether an item is never changed.

    A receipt and what leads to it or signs it, a text, the audit and its seals, the changes, a
    public key.
    """
    return (
        key.sk.startswith(("RECEIPT#", "SIGNATURE#", "NOTICE#", RECEIPT_POINTER))
        or key.sk in {"POINTER", "SHOWN"}
        or "#AUDIT#" in key.pk
        or "#FEED#" in key.pk
        or key.pk.endswith("#AUDITSEALS")
        or key.pk == "JWKS"
    )


def part_of_proof(key: Key) -> bool:
    """Tell whether an item belongs to a person's proof: a receipt, its place, its signature.

    The proof is removed when its time is over.
    """
    return key.sk.startswith(("RECEIPT#", "SIGNATURE#", RECEIPT_POINTER)) or key.sk == "POINTER"
