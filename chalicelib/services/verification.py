"""Verifying a receipt: it is found by what somebody holds of it, and compared with what was
issued.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import ON_A_PAGE
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.portal import Portal
from chalicelib.receipts import jws, sd_jwt
from chalicelib.receipts.certificates import TYPE, Certificate, verify_certificate
from chalicelib.receipts.document import canonical_receipt, read_document
from chalicelib.receipts.errors import BadSignatureError, UnprovenError
from chalicelib.receipts.printed_code import read_printed_code
from chalicelib.store import signatures
from chalicelib.store.table import DamagedError

JSON_HEADER = "eyJ"
"""How a signed receipt begins: the first letters of a JSON object in base64url. No printed code
does."""


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """A receipt that was verified, the key that signed it, and how it was found.

    `kid` is None while the signature is to come.
    """

    receipt: Receipt
    kid: str | None
    by_code: bool = False
    disclosed: Mapping[str, str] = field(default_factory=dict)
    """What came with it in words and its signature covers (RFC 9901)."""


@dataclass(frozen=True, slots=True)
class VerifiedList:
    """A certificate of a list that was verified.

    `clinic` has every question that it ever asked. `part` says which of the two files was given
    with it: "output", the list that came back, "input", the one that was sent in, "other" for
    neither, and None where no file came.
    """

    certificate: Certificate
    clinic: Clinic
    expired: bool
    part: str | None


def verify_list(portal: Portal, given: str, content: bytes) -> VerifiedList:
    """Verify the certificate of a list, and compare a file with it where one was given.

    Raises UnprovenError and its kinds, and UnknownClinicError.
    """
    certificate = verify_certificate(given, signatures.jwks(portal.table))
    published = portal.directory.look_up(certificate.document["clinic"]).published
    part = None
    if content:
        part = certificate.part_of(hashlib.sha256(content).hexdigest()) or "other"
    clinic = portal.clinics.with_all_past_questions(published)
    return VerifiedList(certificate, clinic, certificate.expired(portal.clock()), part)


def is_certificate(given: str) -> bool:
    """Tell whether a text says that it is the certificate of a list."""
    return jws.kind_of(given) == TYPE


def verify_receipt(portal: Portal, given: str) -> VerifiedReceipt:
    """Verify a signed receipt, a receipt's JSON or a printed code.

    Raises UnprovenError and its kinds, and UnknownReceiptError, UnknownClinicError for what was
    never issued here.
    """
    signed = jws.read_signed(given)
    if signed is None:
        return _compare_with_issued(portal, given)
    if signed.startswith(JSON_HEADER):
        proven = sd_jwt.verify(signed, signatures.jwks(portal.table))
        receipt = Receipt(proven.document, proven.canonical)
        return VerifiedReceipt(receipt, proven.kid, disclosed=proven.disclosed)
    code = read_printed_code(given)
    clinic = portal.clinics.by_code(code.clinic)
    receipt, kept = portal.receipts.issued(clinic, code.receipt)
    if not code.matches(receipt):
        raise BadSignatureError("The code and the receipt do not belong together.")
    return VerifiedReceipt(receipt, _signing_key(portal, kept), by_code=True)


def _compare_with_issued(portal: Portal, written: str) -> VerifiedReceipt:
    """Compare an unsigned receipt with the one issued, byte for byte in canonical form."""
    canonical = canonical_receipt(written)
    given = read_document(canonical)
    receipt, kept = portal.receipts.issued(str(given["clinic"]), str(given["id"]))
    if receipt.canonical != canonical:
        raise BadSignatureError("It is not the receipt that was issued.")
    return VerifiedReceipt(receipt, _signing_key(portal, kept))


def _signing_key(portal: Portal, kept: str | None) -> str | None:
    """Verify the signature kept beside a receipt, and give the id of its key.

    None where it is to come.
    """
    if kept is None:
        return None
    try:
        return jws.verify(kept, signatures.jwks(portal.table)).kid
    except (
        UnprovenError
    ) as error:  # what the portal itself keeps does not hold: no fault of who asks
        raise DamagedError(type(error).__name__) from error


def notice_began_later(portal: Portal, receipt: Receipt) -> Instant | None:
    """Give when the notice came into force that a receipt names, where that was after the decision.

    None otherwise. Receipts of today name no notice then; earlier ones did.
    """
    document = receipt.document
    version, channel = document["notice"]["version"], document.get("channel")
    if version is None or channel in ON_A_PAGE:  # the page showed it
        return None
    published = portal.directory.look_up(document["clinic"]).published
    if published.text_at(document["effective_at"], version):
        return None
    return next(entry.since for entry in published.published if entry.version == version)
