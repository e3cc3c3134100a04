"""The files of jobs in S3: uploaded and fetched by presigned addresses, read and written in parts.

Each job has a folder of its own, below its clinic and its bearer key. What an address opens is one
file of one job for a while; the bucket itself opens nothing to anybody
(docs/decisions/0026-long-jobs.md).
"""

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import RejectedError, ServiceUnavailableError
from chalicelib.domain.jobs import Job
from chalicelib.store.aws import AwsClients

BLOCK = 8 * 1024 * 1024
"""How many bytes are held at once. S3 takes parts of a file from 5 MB on."""

INPUT = "input"
UPLOAD_SECONDS = 3600
DOWNLOAD_SECONDS = 900
_GONE = {"404", "NoSuchKey", "NotFound"}
_CHANGED = {"412", "PreconditionFailed"}


class NoFileError(RejectedError):
    """There is no file of this name; of an upload: nothing was uploaded."""


class FileChangedError(RejectedError):
    """The file is no longer the one that the plan was made from."""


class JobFiles:
    """The files of one job."""

    def __init__(self, aws: AwsClients, bucket: str, job: Job) -> None:
        """Take the clients of AWS, the bucket, and the job whose files these are."""
        if not bucket:
            raise ServiceUnavailableError("no bucket for jobs")
        self._s3 = aws.client("s3")
        self.bucket = bucket
        self._folder = f"{job.clinic}/{job.key}/{job.id}"

    def place(self, name: str) -> str:
        """Give the key of a file in the bucket."""
        return f"{self._folder}/{name}"

    def upload_url(self) -> str:
        """Give the address to which the program sends the file (PUT), within an hour."""
        return self._presigned("put_object", self._file(INPUT), UPLOAD_SECONDS)

    def download_url(self, name: str, shown_name: str) -> str:
        """Give an address that opens a file for a quarter of an hour, saved under `shown_name`."""
        disposition = f'attachment; filename="{shown_name}"'
        asked = {**self._file(name), "ResponseContentDisposition": disposition}
        return self._presigned("get_object", asked, DOWNLOAD_SECONDS)

    def etag(self, name: str = INPUT) -> tuple[str, int]:
        """Give a file's tag, which changes with its content, and its size. Raises NoFileError."""
        with _named_errors():
            found = self._s3.head_object(**self._file(name))
        return str(found["ETag"]), int(found["ContentLength"])

    def read(self, start: int, end: int, etag: str) -> bytes:
        """Read a range of the upload, `end` not included; raise FileChangedError."""
        with _named_errors():
            answer = self._s3.get_object(
                **self._file(INPUT), Range=f"bytes={start}-{end - 1}", IfMatch=etag
            )
            return bytes(answer["Body"].read())

    def blocks(self, etag: str, size: int) -> Iterator[bytes]:
        """Read the whole upload, block by block; raise FileChangedError."""
        for start in range(0, size, BLOCK):
            yield self.read(start, min(start + BLOCK, size), etag)

    def whole(self, name: str) -> bytes:
        """Read a file that was written here; raise NoFileError."""
        with _named_errors():
            return bytes(self._s3.get_object(**self._file(name))["Body"].read())

    def write(self, name: str, content: bytes) -> None:
        """Write a file, in place of one that was there."""
        with _named_errors():
            self._s3.put_object(**self._file(name), Body=content)

    def write_all(self, name: str, contents: Iterator[bytes], media_type: str) -> tuple[int, str]:
        """Write a file of any size from pieces in their order; give its size and SHA-256.

        Never more than a block and a piece of it are held. Nothing is left of a file that could not
        be written to its end.
        """
        with _named_errors():
            begun = self._s3.create_multipart_upload(**self._file(name), ContentType=media_type)
            upload = {**self._file(name), "UploadId": begun["UploadId"]}
            try:
                sent = _Sent(self._s3, upload)
                for content in contents:
                    sent.add(content)
                sent.finish()
            except BaseException:
                self._s3.abort_multipart_upload(**upload)
                raise
        return sent.size, sent.digest.hexdigest()

    def _file(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.place(name)}

    def _presigned(self, operation: str, asked: dict[str, str], seconds: int) -> str:
        with _named_errors():
            return str(self._s3.generate_presigned_url(operation, Params=asked, ExpiresIn=seconds))


class _Sent:
    """A file that is being sent in parts of a block."""

    def __init__(self, s3: Any, upload: dict[str, str]) -> None:
        self._s3 = s3
        self._upload = upload
        self._held = bytearray()
        self._parts: list[dict[str, Any]] = []
        self.size = 0
        self.digest = hashlib.sha256()

    def add(self, content: bytes) -> None:
        self.size += len(content)
        self.digest.update(content)
        self._held += content
        while len(self._held) >= BLOCK:
            self._send(bytes(self._held[:BLOCK]))
            del self._held[:BLOCK]

    def finish(self) -> None:
        if self._held or not self._parts:
            self._send(bytes(self._held))
        self._s3.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": self._parts})

    def _send(self, content: bytes) -> None:
        number = len(self._parts) + 1
        answer = self._s3.upload_part(**self._upload, PartNumber=number, Body=content)
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """Name what S3 answers: a file that is not there, one that changed, no answer at all."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code"))
        if code in _GONE:
            raise NoFileError(code) from error
        if code in _CHANGED:
            raise FileChangedError(code) from error
        raise ServiceUnavailableError(code) from error
    except BotoCoreError as error:
        raise ServiceUnavailableError(type(error).__name__) from error
