"""Signatures of receipts, and every public key that ever signed."""

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.receipts import jws
from chalicelib.store.items import Item
from chalicelib.store.keys.clinics import jwk_key
from chalicelib.store.keys.key import SHARDS
from chalicelib.store.keys.receipts import signature_key, unsigned_key
from chalicelib.store.outbox import unsigned_write
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import Delete, Put


def keep_key(table: Table, jwk: Mapping[str, str]) -> None:
    """Publish a public key, for good.

    Done before its first signature is kept, so that none is ever without its key.
    """
    table.put_new(Put(jwk_key(jwk["kid"]), {"body": json.dumps(dict(jwk))}))


def is_published(table: Table, kid: str) -> bool:
    """Tell whether a public key is among those that verify what the portal signed."""
    key = jwk_key(kid)
    return key in table.get([key])


def jwks(table: Table) -> dict[str, Any]:
    """Give every key that ever signed, as a key set (RFC 7517, 5)."""
    return {"keys": [json.loads(item.body or "") for item in table.partition(jwk_key("").pk, "")]}


def signature_write(receipt: Receipt, signed: str, at: Instant) -> Put:
    """Give the write that keeps the signature of a receipt; a condition is that it has none.

    `signed` is the receipt's JWS in compact form.
    """
    clinic, subject, version = (receipt.document[name] for name in ("clinic", "subject", "version"))
    protected, _, signature = signed.split(".")
    body = {
        "protected": protected,
        "signature": signature,
        "kid": jws.key_id(signed),
        "signed_at": at,
    }
    return Put(signature_key(clinic, subject, version), {"body": json.dumps(body)})


def signed_receipt(receipt: Receipt, signature: Item | None) -> str | None:
    """Give a receipt as a JWS in compact form, from the item that holds its signature.

    None while it waits.
    """
    if signature is None:
        return None
    kept = json.loads(signature.body or "")
    return jws.read_signed(f"{kept['protected']}..{kept['signature']}", receipt.canonical)


def hand_over_earlier_marks(table: Table) -> None:
    """Let the outbox take over the marks of receipts that wait, of before it had them.

    Where the outbox has an item of the receipt, that stands for it already. A mark that cannot be
    read leads to no receipt, of which every round tells.
    """
    for shard in SHARDS:
        for item in table.partition(unsigned_key("", shard).pk, ""):
            clinic, _, receipt = item.sk.partition("#")
            try:
                place = json.loads(item.body or "")
                subject, version = str(place["subject"]), int(place["version"])
            except (ValueError, KeyError, TypeError):
                subject, version = "", 0
            unmark = Delete(item.key)
            try:
                table.write([unsigned_write(clinic, subject, version, receipt), unmark])
            except ConflictError:
                table.write([unmark])
