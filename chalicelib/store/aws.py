"""AWS services beside the table: boto3 clients that share the session of the table's own client.

Only the functions behind the stream and the clock ask for them, and an operator's commands. The
function that serves pages asks for none and never loads boto3
(docs/decisions/0022-third-party-code.md).
"""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

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
    {"kms": _AGAIN, "sesv2": _ONCE, "sns": _ONCE}
)
"""How long a call to a service may take, and how often it is tried; other services have boto3's
defaults."""


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

    def _make(self, service: str) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - as above

        config = Config(**PATIENCE.get(service, {}))
        return self._session.client(service, region_name=self._region, config=config)
