"""AWS services beside the table: boto3 clients that share the session of the table's own client.

Only the functions behind the stream and the clock ask for them, and an operator's commands. The
function that serves pages never loads boto3 (docs/decisions/0022-third-party-code.md): it asks for
the clients of jobs and of the press alone, which are botocore's own, and only when a program calls
about a job, or something is printed.
"""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from botocore.handlers import BUILTIN_HANDLERS
from botocore.session import Session

SERVICES = frozenset({"dynamodb", "kms", "lambda", "sesv2", "sns", "sqs"})
"""The services that are asked through a session of `make_session`."""

OF_JOBS = frozenset({"s3", "stepfunctions"})
"""The services of jobs. Their clients are botocore's, on one session with all of its handlers: S3 has
many, and nobody who opens a page is to wait for them."""

OF_PAGES = frozenset({"lambda"})
"""The services that pages ask beside the table and the keys. Their clients are botocore's, on the
session of the table."""

# One attempt: sent again because no answer came in time, a message would reach its reader twice.
_ONCE = MappingProxyType(
    {"connect_timeout": 1, "read_timeout": 5, "retries": {"total_max_attempts": 1}}
)
_AGAIN = MappingProxyType(
    {
        "connect_timeout": 1,
        "read_timeout": 3,
        "retries": {"total_max_attempts": 3, "mode": "standard"},
    }
)
PATIENCE: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "kms": _AGAIN,
        # The press: a cold start and a long paper, twice, within the 29 seconds of a request.
        "lambda": {
            "connect_timeout": 1,
            "read_timeout": 11,
            "retries": {"total_max_attempts": 2, "mode": "standard"},
        },
        "sesv2": _ONCE,
        "sns": _ONCE,
        "stepfunctions": _AGAIN,
        "s3": {
            "connect_timeout": 2,
            "read_timeout": 20,
            "retries": {"total_max_attempts": 4, "mode": "standard"},
            "signature_version": "s3v4",
            # A presigned address must work for a program that sends nothing but the file.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        },
    }
)
"""How long a call to a service may take, and how often it is tried; other services have boto3's
defaults."""


def make_session() -> Session:
    """Make a botocore session with the handlers of its events that our services need.

    By itself a session registers 127, nearly all for one service each, such as S3 or EC2: 50
    million instructions of a cold start (docs/decisions/0022-third-party-code.md).
    """
    session = Session(include_builtin_handlers=False)
    for event, handler, *place in BUILTIN_HANDLERS:
        if concerns_us(event) and not place:
            session.register(event, handler)
    return session


def concerns_us(event: str) -> bool:
    """Tell whether a handler of botocore is for every service, or for one of ours.

    The second word of an event names the service: ``after-call.sqs.*``. Those of ``docs`` write
    help texts.
    """
    words = event.split(".")
    return len(words) == 1 or words[1] in SERVICES


class AwsClients:
    """boto3 clients by the name of their service, each made at its first use and kept."""

    def __init__(self, session: Any, region: str) -> None:
        """Take the botocore session to share, and the region to call."""
        self._botocore_session = session
        self._region = region
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Give the client of a service, named as boto3 names it."""
        if service not in self._clients:
            self._clients[service] = self._make(service)
        return self._clients[service]

    @cached_property
    def _session(self) -> Any:
        import boto3  # noqa: PLC0415 - no page waits for it

        return boto3.Session(botocore_session=self._botocore_session)

    @cached_property
    def _session_of_jobs(self) -> Session:
        return Session()

    def _make(self, service: str) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - as above

        config = Config(**PATIENCE.get(service, {}))
        place = {"region_name": self._region, "config": config}
        if service in OF_JOBS:
            return self._session_of_jobs.create_client(service, **place)
        if service in OF_PAGES:
            return self._botocore_session.create_client(service, **place)
        return self._session.client(service, **place)
