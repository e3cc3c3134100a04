"""The formats a receipt can be written in; `docs/formats.md` says what each leaves out.

A writer is a function of an `IssuedReceipt` that gives bytes, a `Paper` that the press then sets as
PDF, or a value that is then written as JSON. Its module is loaded when its format is asked for, and
no sooner: a patient who answers does not need it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chalicelib.receipts.errors import UnknownFormatError

if TYPE_CHECKING:
    from chalicelib.presentation.press import Press
    from chalicelib.receipts.formats.issued import IssuedReceipt


class Need(Enum):
    """What is read for a format beside the receipt, its signature and its notice."""

    DISCLOSURES = auto()
    """What staff wrote about how the decision came about (`IssuedReceipt.disclosures`)."""

    STATES = auto()
    """How the decisions stand now (`IssuedReceipt.states`)."""

    SHOWN_PAGE = auto()
    """The page with the text that the decision is about (`IssuedReceipt.shown_page`)."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format."""

    label: str
    """Its name for patients, the same in every language."""

    writer: str
    """Module of this package, and function in it."""

    media_type: str
    extension: str
    """How the name of a file with it ends."""

    need: Need | None = None
    by_number: bool = False
    """Whether the receipt's number is enough to get it: it shows no state and no subject."""

    headers: Mapping[str, str] = field(default_factory=dict)


_FHIR = "application/fhir+json; fhirVersion="
_CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
"""The page holds its styles and its QR code, and loads nothing."""

FORMATS: Mapping[str, Format] = {
    "json": Format("JSON", "proof.write_json", "application/json", "json"),
    "jws": Format("JWS", "proof.write_jws", "application/jose", "jws"),
    "sd-jwt": Format(
        "SD-JWT", "proof.write_sd_jwt", "application/sd-jwt", "sd-jwt", Need.DISCLOSURES
    ),
    "kantara": Format("Kantara", "kantara.write", "application/json", "kantara.json", Need.STATES),
    "dpv": Format("DPV", "dpv.write", "application/ld+json", "dpv.json", Need.STATES),
    "fhir-r4": Format("FHIR R4", "fhir.write_r4", f"{_FHIR}4.0", "fhir-r4.json", Need.STATES),
    "fhir-r5": Format("FHIR R5", "fhir.write_r5", f"{_FHIR}5.0", "fhir-r5.json", Need.STATES),
    "html": Format(
        "HTML",
        "paper.write_html",
        "text/html; charset=utf-8",
        "html",
        Need.SHOWN_PAGE,
        by_number=True,
        headers={"Content-Security-Policy": _CSP},
    ),
    "pdf": Format(
        "PDF",
        "paper.write_paper",
        "application/pdf",
        "pdf",
        Need.SHOWN_PAGE,
        by_number=True,
    ),
}
"""By the name that `?format=` takes."""

PAPER = tuple(name for name, found in FORMATS.items() if found.need is Need.SHOWN_PAGE)
"""The formats for people: with the text as it was shown, to read on a screen and to print."""


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


def find_format(name: str | None) -> Format:
    """Give a format by its name; raise UnknownFormatError."""
    found = FORMATS.get(name or "")
    if found is None:
        raise UnknownFormatError
    return found


def write(issued: "IssuedReceipt", chosen: Format, press: "Press") -> Rendition:
    """Write a receipt in a format.

    Raises UnsignedError where the format holds a signature that is still to come,
    FormatCannotExpressError where it has no way to say what the receipt says, and
    PressUnavailableError where nothing can be printed right now.
    """
    from chalicelib.presentation.press import Paper  # noqa: PLC0415 - no form needs it

    module, function = chosen.writer.split(".")
    writer = getattr(import_module(f"chalicelib.receipts.formats.{module}"), function)
    written: Any = writer(issued)
    if isinstance(written, Paper):
        written = press.pdf(*written)
    if not isinstance(written, bytes):
        written = json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()
    return Rendition(written, chosen.media_type, chosen.headers)
