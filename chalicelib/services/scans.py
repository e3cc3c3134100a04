"""Scans of signed forms: kept with the receipt of a form, shown to the clinic's staff."""

from dataclasses import dataclass, field

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.scans import KeptScan, Scan, media_type_of
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, Body, EmptyBody
from chalicelib.services.look_up_limits import take_look_up
from chalicelib.store import scans
from chalicelib.store.people import find_all
from chalicelib.store.scans import ScanFiles, UnknownScanError


@dataclass(frozen=True, slots=True)
class OpenedScan:
    """A scan as it is shown: its bytes, and the type that they say they are."""

    content: bytes = field(repr=False)
    media_type: str
    kept: KeptScan


def keep_scan(portal: Portal, call: AuthorizedCall[Body], receipt: Receipt, scan: Scan) -> None:
    """Keep the scan of the form that led to a receipt, under the key of the receipt's person.

    Safe to repeat. Raises ScansUnavailableError; NotFoundError where the person was erased in the
    meantime, and nothing is kept of them any more.
    """
    person = _whose(portal, call.clinic, str(receipt.document["subject"]))
    if person is None:
        raise NotFoundError
    kept = KeptScan(
        id=scan.id,
        media_type=scan.media_type,
        size=len(scan.content),
        sha256=scan.sha256,
        receipt=receipt.id,
        at=call.now,
        by=call.key.id,
    )
    key = portal.clinics.key(call.clinic)
    portal.table.put_new(call.audit("scans/keep", [person], receipt.id, about=scan.id))
    scans.keep(portal.table, _files(portal), key, person, scan, kept)


def list_scans(portal: Portal, clinic: str, subject: str) -> list[KeptScan]:
    """Give what is kept of a person's scans, the oldest first; of whoever is erased nothing."""
    if _whose(portal, clinic, subject) is None:
        return []
    return scans.of_person(portal.table, clinic, subject)


def open_scan(
    portal: Portal, call: AuthorizedCall[EmptyBody], subject: str, scan: str
) -> OpenedScan:
    """Give a scan of a person to show; raise NotFoundError, ScansUnavailableError, TooManyError.

    Who opens it is in the audit before anything is read. It is a look-up like any other: nobody
    opens all scans of a clinic one by one.
    """
    person = _whose(portal, call.clinic, subject)
    if person is None:
        raise UnknownScanError
    kept = scans.find(portal.table, call.clinic, subject, scan)
    take_look_up(portal, call, call.audit("scans", [person], kept.receipt, about=kept.id))
    key = portal.clinics.key(call.clinic)
    content = scans.read(_files(portal), key, person, kept.id)
    return OpenedScan(content, media_type_of(content), kept)


def remove_scans(portal: Portal, clinic: str, subject: str) -> None:
    """Remove the files of a person's scans, who is erased or whose proof is over.

    Nothing is asked of S3 where there are none. Safe to repeat.
    """
    if scans.has_any(portal.table, clinic, subject):
        scans.remove_all(portal.table, _files(portal), clinic, subject)


def _whose(portal: Portal, clinic: str, subject: str) -> Subject | None:
    """Give the very record that a receipt names; None where nobody has it or it was erased.

    A record that was merged into another keeps its scans, as it keeps its receipts.
    """
    person = find_all(portal.table, clinic, [subject]).get(subject)
    return person if person is not None and not person.erased else None


def _files(portal: Portal) -> ScanFiles:
    return ScanFiles(portal.aws, portal.settings.scan_bucket, portal.settings.scan_owner)
