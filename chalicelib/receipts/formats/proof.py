"""The receipt itself: as it is stored, signed, and signed with what it vouches for beside it."""

from chalicelib.receipts import sd_jwt
from chalicelib.receipts.errors import UnsignedError
from chalicelib.receipts.formats.issued import IssuedReceipt


def write_json(issued: IssuedReceipt) -> bytes:
    """Give the canonical bytes (RFC 8785): the signature and `previous` are over these."""
    return issued.receipt.canonical


def write_jws(issued: IssuedReceipt) -> bytes:
    """Give the signed receipt in compact form (RFC 7515, 7.1)."""
    return _signed(issued).encode()


def write_sd_jwt(issued: IssuedReceipt) -> bytes:
    """Give the signed receipt and its disclosures (RFC 9901, 4)."""
    return sd_jwt.combined(_signed(issued), issued.disclosures).encode()


def _signed(issued: IssuedReceipt) -> str:
    if issued.jws is None:
        raise UnsignedError
    return issued.jws
