"""A receipt in whatever form it is asked for. Each is loaded when it is asked for, and no sooner."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chalicelib.domain.errors import RejectedError
from chalicelib.receipts import sd_jwt
from chalicelib.receipts.signed import MEDIA_TYPE, printed_code

if TYPE_CHECKING:
    from chalicelib.receipts.formats.issued import IssuedReceipt

JSON_FORMATS = {
    "kantara": ("kantara", "write", "application/json"),
    "dpv": ("dpv", "write", "application/ld+json"),
    "fhir-r4": ("fhir", "write_r4", "application/fhir+json; fhirVersion=4.0"),
    "fhir-r5": ("fhir", "write_r5", "application/fhir+json; fhirVersion=5.0"),
}
"""Formats that are a JSON value: module, function, media type."""

SD_JWT = "sd-jwt"
"""The signed receipt with what it vouches for beside it: the one format that tells the evidence in words."""

PAPER = ("html", "pdf")
"""Formats with the text as it was shown; they tell no state, so a patient may have them by the receipt's number."""

FORMATS = ("json", "jws", SD_JWT, *JSON_FORMATS, *PAPER)


class UnsignedError(RejectedError):
    """A signed receipt was asked for, and the signature is still to come."""


@dataclass(frozen=True, slots=True)
class Rendition:
    """A receipt as bytes, their media type, and the headers that go with them."""

    content: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The hash of the bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


def rendition(issued: "IssuedReceipt", wanted: str, shown: Callable[[], str]) -> Rendition:
    """Write a receipt in one of `FORMATS`; `shown` gives the kept page it is about, for paper, where the text is known.

    Raises UnsignedError for a signature still to come, and UnspeakableError where a format cannot say it.
    """
    receipt = issued.receipt
    if wanted == "json":
        return Rendition(receipt.canonical, "application/json")
    if wanted in {"jws", SD_JWT}:
        if issued.jws is None:
            raise UnsignedError
        if wanted == "jws":
            return Rendition(issued.jws.encode(), MEDIA_TYPE)
        return Rendition(sd_jwt.combined(issued.jws, issued.disclosures).encode(), sd_jwt.MEDIA_TYPE)
    if wanted in JSON_FORMATS:
        if not receipt.document["decisions"]:
            from chalicelib.receipts.formats.issued import FormatCannotExpressError  # noqa: PLC0415 - as below

            raise FormatCannotExpressError("This receipt decides nothing: it tells of a changed contact.")
        module, function, media_type = JSON_FORMATS[wanted]
        value: Any = getattr(import_module(f"chalicelib.receipts.formats.{module}"), function)(issued)
        return Rendition(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), media_type)
    from chalicelib.presentation.pdf import document  # noqa: PLC0415 - no other page needs them
    from chalicelib.receipts.formats import html  # noqa: PLC0415 - no other page needs them

    text_known = receipt.document["notice"]["sha256"] is not None
    written = html.write(issued, shown() if text_known else None, printed_code(issued.clinic.code, receipt))
    if wanted == "html":
        return Rendition(written.encode(), "text/html; charset=utf-8", html.HEADERS)
    return Rendition(document.write(written, at=receipt.document["recorded_at"]), "application/pdf")
