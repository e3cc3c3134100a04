"""Signatures of receipts, the marks of those that wait for one, every public key that ever
signed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.receipts import jws
from chalicelib.store.keys import SHARDS, jwk_key, signature_key, unsigned_key
from chalicelib.store.table import ConflictError, Item, Table
from chalicelib.store.writes import Delete, Put


@dataclass(frozen=True, slots=True)
class UnsignedReceipt:
    """A receipt that waits to be signed: where it stands."""

    clinic: str
    receipt: str
    subject: str
    version: int


def keep_key(table: Table, jwk: Mapping[str, str]) -> None:
    """Publish a public key, for good.

    Done before its first signature is kept, so that none is ever without its key.
    """
    table.put_new(Put(jwk_key(jwk["kid"]), {"body": json.dumps(dict(jwk))}))


def jwks(table: Table) -> dict[str, Any]:
    """Give every key that ever signed, as a key set (RFC 7517, 5)."""
    return {"keys": [json.loads(item.body or "") for item in table.partition(jwk_key("").pk, "")]}


def keep(table: Table, receipt: Receipt, signed: str, at: Instant) -> bool:
    """Keep the signature of a receipt and remove its mark, both or neither.

    `signed` is the receipt's JWS in compact form. Tells False where it was signed before: that
    signature stands, and the mark goes.
    """
    clinic, subject, version = (receipt.document[name] for name in ("clinic", "subject", "version"))
    protected, _, signature = signed.split(".")
    body = {
        "protected": protected,
        "signature": signature,
        "kid": jws.key_id(signed),
        "signed_at": at,
    }
    unmark = Delete(unsigned_key(clinic, receipt.id))
    try:
        table.write(
            [Put(signature_key(clinic, subject, version), {"body": json.dumps(body)}), unmark]
        )
    except ConflictError:
        table.write([unmark])
        return False
    return True


def signed_receipt(receipt: Receipt, signature: Item | None) -> str | None:
    """Give a receipt as a JWS in compact form, from the item that holds its signature.

    None while it waits.
    """
    if signature is None:
        return None
    kept = json.loads(signature.body or "")
    return jws.read_signed(f"{kept['protected']}..{kept['signature']}", receipt.canonical)


def waiting(table: Table) -> Iterator[UnsignedReceipt]:
    """Give every receipt that waits to be signed, of all clinics, page by page.

    A mark that cannot be read names nobody and version 0, where there is no receipt: it holds up no
    other.
    """
    for shard in SHARDS:
        for item in table.partition(unsigned_key("", shard).pk, ""):
            clinic, _, receipt = item.sk.partition("#")
            try:
                place = json.loads(item.body or "")
                waits = UnsignedReceipt(
                    clinic, receipt, str(place["subject"]), int(place["version"])
                )
            except (ValueError, KeyError, TypeError):
                waits = UnsignedReceipt(clinic, receipt, "", 0)
            yield waits
