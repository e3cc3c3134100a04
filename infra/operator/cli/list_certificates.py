"""Certificates of lists: saved beside the list, and checked against it.

A certificate says by the portal's signature which list was asked about, what came of it, and until
when it may be used (`chalicelib/receipts/certificates.py`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.receipts.certificates import TYPE, Certificate, verify_certificate
from chalicelib.receipts.document import read_json_object
from chalicelib.receipts.errors import UnprovenError
from chalicelib.receipts.jws import decode, kind_of
from infra.operator.cli.command import Work
from infra.operator.cli.errors import CommandError
from infra.operator.cli.files import save
from infra.operator.cli.output import Output, minute
from infra.operator.cli.receipt_checks import require_key_set

ENDING = ".certificate.jwt"
"""What the certificate's file has behind the name of the list."""

_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CheckedCertificate:
    """A certificate's file, and what is wrong with it or with its list; nothing if all is right."""

    path: Path
    certificate: Certificate | None
    list_file: Path | None
    faults: tuple[str, ...] = ()

    def described(self) -> dict[str, Any]:
        """Return the result for a program."""
        return {
            "file": str(self.path),
            "genuine": self.certificate is not None,
            "list": str(self.list_file) if self.list_file else None,
            "certificate": self.certificate.document if self.certificate else None,
            "faults": list(self.faults),
        }


def require_certificate(work: Work, signed: str, sha256: str) -> Certificate:
    """Verify a certificate that has just come, and that it is about the list with this hash.

    Raise CommandError where it is not.
    """
    path = "/.well-known/jwks.json"
    jwks = require_key_set(work.portal.get(path), work.portal.profile.url + path)
    try:
        certificate = verify_certificate(signed, jwks)
    except UnprovenError as error:
        raise CommandError(
            f"The list's certificate is not genuine: {error} Do not use it."
        ) from error
    if certificate.document["clinic"] != work.portal.profile.clinic:
        raise CommandError("The list's certificate is another clinic's. Do not use it.")
    if certificate.document["output"]["sha256"] != sha256:
        raise CommandError("The list is not the one that its certificate is about. Do not use it.")
    return certificate


def certificate_file(target: Path) -> Path:
    """Return where the certificate of a list is saved."""
    return target.with_name(target.name + ENDING)


def save_certificate(signed: str, target: Path) -> Path:
    """Save a certificate beside its list."""
    path = certificate_file(target)
    save(path, f"{signed}\n".encode())
    return path


def statement_of(signed: str) -> dict[str, Any]:
    """Return what a certificate says that was verified before."""
    return read_json_object(decode(signed.split(".")[1]))


def is_certificate(text: str) -> bool:
    """Tell by its header whether a signed text says that it is a certificate of a list."""
    return kind_of(text) == TYPE


def check_certificate(
    path: Path,
    text: str,
    jwks: Mapping[str, Any],
    clinic: str | None,
    list_file: Path | None = None,
) -> CheckedCertificate:
    """Check a certificate: its signature, its time, and the list beside it if that is there."""
    try:
        certificate = verify_certificate(text, jwks)
    except UnprovenError as error:
        return CheckedCertificate(path, None, None, (str(error),))
    faults = []
    if clinic is not None and certificate.document["clinic"] != clinic:
        faults.append(f"It is of {certificate.document['clinic']}, not of {clinic}.")
    if certificate.expired(_now()):
        until = minute(certificate.document["valid_until"])
        faults.append(f"It ended {until} UTC: scrub the list again before you use it.")
    list_file = list_file or _list_beside(path)
    if list_file is not None:
        part = certificate.part_of(_hash_of(list_file))
        if part == "input":
            faults.append(f"{list_file} is the list that was asked about, not the one to use.")
        elif part is None:
            faults.append(f"{list_file} is not the list that it is about.")
    return CheckedCertificate(path, certificate, list_file, tuple(faults))


def print_certificate(output: Output, checked: CheckedCertificate) -> None:
    """Print what a certificate says, and what is wrong."""
    if checked.certificate is None:
        output.say(f"{checked.path}: NOT PROVEN. {checked.faults[0]}", "red")
        return
    told = checked.certificate.document
    output.line(f"{checked.path}: genuine.")
    output.facts(certificate_facts(told))
    for fault in checked.faults:
        output.say(f"{checked.path}: {fault}", "red")
    if not checked.faults and checked.list_file:
        output.line(f"{checked.list_file}: is the list that it is about, and may be used.")


def certificate_facts(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a certificate says, for people."""
    return {
        "Clinic": told["clinic"],
        "Purpose": told["purpose"],
        "Rows": told["rows"],
        "Permitted": told["permitted"],
        "Refused": _counts(told["refused"]),
        "Not readable": _counts(told["broken"]),
        "Asked (UTC)": minute(told["asked_at"]),
        "Valid until (UTC)": minute(told["valid_until"]),
    }


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _list_beside(path: Path) -> Path | None:
    if not path.name.endswith(ENDING):
        return None
    beside = path.with_name(path.name.removesuffix(ENDING))
    return beside if beside.is_file() else None


def _hash_of(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror}).") from error
    return digest.hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
