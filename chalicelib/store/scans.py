"""Scans of forms: the file in S3, encrypted under the key of its person, and what it is beside them.

Whoever has the bucket, its key of KMS and a backup of both reads nothing of a scan without the
clinic's data key and the person's salt. With the salt every scan of an erased person is destroyed
at once; the files, which nobody can read any more, are removed soon after (`remove_all`).
"""

from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import NotFoundError, ServiceUnavailableError
from chalicelib.domain.scans import KeptScan, Scan
from chalicelib.domain.subjects import Subject
from chalicelib.store.aws import AwsClients
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys.people import scan_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Delete, Put

_GONE = {"404", "NoSuchKey", "NotFound"}


class UnknownScanError(NotFoundError):
    """The person has no scan of this id, or it is gone."""


class ScansUnavailableError(ServiceUnavailableError):
    """S3 could not be asked, or there is no bucket of scans."""


class ScanFiles:
    """The bucket of scans. `owner` is the account that must own it, "" where that is not checked.

    The check keeps a file from going to a stranger who made a bucket of this name after ours was
    removed: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
    """

    def __init__(self, aws: AwsClients, bucket: str, owner: str = "") -> None:
        """Take the clients of AWS and the bucket; raise ScansUnavailableError without one."""
        if not bucket:
            raise ScansUnavailableError("no bucket for scans")
        self._s3 = aws.client("s3")
        self._place = {"Bucket": bucket}
        if owner:
            self._place["ExpectedBucketOwner"] = owner

    def write(self, key: str, content: bytes) -> None:
        """Write a file, in place of one that was there."""
        try:
            self._s3.put_object(**self._place, Key=key, Body=content)
        except (ClientError, BotoCoreError) as error:
            raise ScansUnavailableError(type(error).__name__) from error

    def read(self, key: str) -> bytes:
        """Read a file; raise UnknownScanError."""
        try:
            return bytes(self._s3.get_object(**self._place, Key=key)["Body"].read())
        except ClientError as error:
            if str(error.response.get("Error", {}).get("Code")) in _GONE:
                raise UnknownScanError from error
            raise ScansUnavailableError(type(error).__name__) from error
        except BotoCoreError as error:
            raise ScansUnavailableError(type(error).__name__) from error

    def remove(self, key: str) -> None:
        """Remove a file, if it is there; versions of it are gone a day later."""
        try:
            self._s3.delete_object(**self._place, Key=key)
        except (ClientError, BotoCoreError) as error:
            raise ScansUnavailableError(type(error).__name__) from error


def keep(  # noqa: PLR0917 - what is kept, of whom, and where
    table: Table, files: ScanFiles, key: ClinicKey, person: Subject, scan: Scan, kept: KeptScan
) -> None:
    """Keep a scan of a person's form; one that is kept already is written anew.

    What it is stands in the table before the file is in S3: no file is ever there that an erasure
    would not find.
    """
    what = _what(scan.id)
    sealed = key.encrypt_bytes(person.id, person.salt, what, scan.content)
    table.put_new(Put(scan_key(key.clinic, person.id, scan.id), {"body": kept.stored()}))
    files.write(_file(key.clinic, person.id, scan.id), sealed)


def of_person(table: Table, clinic: str, subject: str) -> list[KeptScan]:
    """Give what is kept of a person's scans, the oldest first."""
    place = scan_key(clinic, subject, "")
    kept = [KeptScan.read(item.body or "") for item in table.partition(place.pk, place.sk)]
    return sorted(kept, key=lambda each: (each.at, each.id))


def find(table: Table, clinic: str, subject: str, scan: str) -> KeptScan:
    """Give what is kept of one scan; raise UnknownScanError."""
    place = scan_key(clinic, subject, scan)
    item = table.get([place]).get(place)
    if item is None:
        raise UnknownScanError
    return KeptScan.read(item.body or "")


def read(files: ScanFiles, key: ClinicKey, person: Subject, scan: str) -> bytes:
    """Give the bytes of a person's scan; raise UnknownScanError.

    A file that somebody put in the place of another is refused: each is bound to its clinic, its
    person and its id.
    """
    sealed = files.read(_file(key.clinic, person.id, scan))
    try:
        return key.decrypt_bytes(person.id, person.salt, _what(scan), sealed)
    except ValueError:
        raise UnknownScanError from None


def remove_all(table: Table, files: ScanFiles, clinic: str, subject: str) -> None:
    """Remove the files of a person's scans, then what the table holds of them; safe to repeat."""
    places = [scan_key(clinic, subject, kept.id) for kept in of_person(table, clinic, subject)]
    _remove_files(files, clinic, subject, [place.sk for place in places])
    for place in places:
        table.write_one(Delete(place))


def has_any(table: Table, clinic: str, subject: str) -> bool:
    """Tell whether a person has scans."""
    place = scan_key(clinic, subject, "")
    return any(True for _ in table.partition(place.pk, place.sk))


def _remove_files(files: ScanFiles, clinic: str, subject: str, names: Sequence[str]) -> None:
    prefix = scan_key("", "", "").sk
    for name in names:
        files.remove(_file(clinic, subject, name.removeprefix(prefix)))


def _file(clinic: str, subject: str, scan: str) -> str:
    return f"{clinic}/{subject}/{scan}"


def _what(scan: str) -> str:
    return f"scan#{scan}"
