"""The AWS services as the portal's botocore clients see them, each with the weather of the moment.

They stand in the place of botocore's clients, so that PynamoDB, `Table`, `AwsTransport`, `Kms`
and both signers run as they are.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.faults.dynamodb import MemoryTable, declined
from tests.faults.weather import Fault, Weather

ATTEMPTS = 3
"""botocore sends to DynamoDB what failed twice more (chalicelib/store/table.py)."""

READS = frozenset({"BatchGetItem", "Query", "GetItem"})
_NOWHERE = "https://aws.example.org"
Answer = TypeVar("Answer")


class Anything:
    """What of a botocore client is touched and has no effect: `meta.events.register(…)`."""

    def __getattr__(self, name: str) -> "Anything":
        """Have any attribute."""
        return self

    def __call__(self, *_: object, **__: object) -> "Anything":
        """Take any call."""
        return self


class PortalCalls(ABC):
    """The calls of botocore's client that the portal makes itself, on the one that all go through.

    PynamoDB makes that one directly.
    """

    def batch_get_item(self, **sent: Any) -> Mapping[str, Any]:
        """Read items by their keys."""
        return self._make_api_call("BatchGetItem", sent)

    def put_item(self, **sent: Any) -> Mapping[str, Any]:
        """Write an item."""
        return self._make_api_call("PutItem", sent)

    def update_item(self, **sent: Any) -> Mapping[str, Any]:
        """Update an item."""
        return self._make_api_call("UpdateItem", sent)

    def delete_item(self, **sent: Any) -> Mapping[str, Any]:
        """Delete an item."""
        return self._make_api_call("DeleteItem", sent)

    def transact_write_items(self, **sent: Any) -> Mapping[str, Any]:
        """Carry out several writes or none."""
        return self._make_api_call("TransactWriteItems", sent)

    @abstractmethod
    def _make_api_call(self, operation: str, sent: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a call, as botocore does."""


@dataclass
class DynamoClient(PortalCalls):
    """botocore's client of DynamoDB: it tries what failed again, and sends a transaction again
    under the same token.

    DynamoDB remembers that token for ten minutes: the transaction whose reply was lost is answered,
    not repeated.
    """

    table: MemoryTable
    weather: Weather
    _request_signer: None = None
    meta: Anything = field(default_factory=Anything)

    def _make_api_call(self, operation: str, sent: Mapping[str, Any]) -> Mapping[str, Any]:
        transaction, writes = operation == "TransactWriteItems", operation not in READS
        possible = [
            Fault.LOST_REQUEST,
            Fault.LOST_REPLY,
            Fault.THROTTLED,
            *([Fault.CONFLICT] if writes else ()),
        ]
        done: Mapping[str, Any] | None = None
        self.table.late = self.weather.is_late()
        if writes:
            self.weather.before_write()
        for attempt in itertools.count(1):
            fault = self.weather.fault(*possible)
            if fault is Fault.CONFLICT and not transaction:
                raise declined(operation, "TransactionConflictException")
            if fault is Fault.CONFLICT:
                items = len(sent["TransactItems"])
                reasons = ["None"] * (items - 1) + ["TransactionConflict"]
                raise declined(operation, "TransactionCanceledException", reasons)
            if fault in {None, Fault.LOST_REPLY} and not (transaction and done is not None):
                done = self.table.call(operation, sent)
            if fault is None:
                break
            if attempt == ATTEMPTS:
                raise _as_error(fault, operation, "ProvisionedThroughputExceededException")
        if writes:
            self.weather.after_write()
        assert done is not None
        return done


def _as_error(fault: Fault, operation: str, throttling: str) -> Exception:
    match fault:
        case Fault.LOST_REQUEST:
            return EndpointConnectionError(endpoint_url=_NOWHERE)
        case Fault.LOST_REPLY:
            return ReadTimeoutError(endpoint_url=_NOWHERE)
        case _:
            return declined(operation, throttling)


@dataclass
class KeyServiceClient:
    """KMS: keys that are wrapped in nothing, and one key that signs (ES256)."""

    weather: Weather
    private: EllipticCurvePrivateKey = field(
        default_factory=lambda: generate_private_key(SECP256R1()), repr=False
    )

    def decrypt(self, *, CiphertextBlob: bytes, **_: object) -> dict[str, bytes]:  # noqa: N803 - KMS's own names
        """Unwrap a key."""
        return self._asked("Decrypt", lambda: {"Plaintext": CiphertextBlob})

    def generate_data_key_pair_without_plaintext(self, **_: object) -> dict[str, bytes]:
        """Make a pair for ES256, and give its private half as it is wrapped here."""
        made = generate_private_key(SECP256R1())
        public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        private = made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        answer = {"PublicKey": public, "PrivateKeyCiphertextBlob": private}
        return self._asked("GenerateDataKeyPairWithoutPlaintext", lambda: answer)

    def get_public_key(self, *, KeyId: str) -> dict[str, Any]:  # noqa: N803
        """Give the public half of the key that signs."""
        public = self.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return self._asked("GetPublicKey", lambda: {"PublicKey": public, "KeyId": KeyId})

    def sign(self, *, Message: bytes, **_: object) -> dict[str, bytes]:  # noqa: N803
        """Sign a digest."""
        signed = ECDSA(Prehashed(SHA256()))
        return self._asked("Sign", lambda: {"Signature": self.private.sign(Message, signed)})

    def _asked(self, operation: str, answer: Callable[[], Answer]) -> Answer:
        if fault := self.weather.fault(Fault.LOST_REQUEST, Fault.LOST_REPLY, Fault.THROTTLED):
            raise _as_error(fault, operation, "ThrottlingException")
        return answer()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that SES or SNS took: its outbox entry, recipient, text and tags."""

    entry: object
    to: str
    text: str
    tags: Mapping[str, str]


@dataclass
class MessageClient:
    """SES and SNS: what they take is delivered.

    A message may be refused for good, and a reply may be lost.
    """

    weather: Weather
    deliveries: list[Delivery] = field(default_factory=list)
    sending: list[object] = field(default_factory=list)
    """The records of the messages that are being sent just now, the innermost last."""

    unnoted: dict[int, str] = field(default_factory=dict)
    """Why the portal could not know of a delivery, by its place in `deliveries`."""

    noted: set[object] = field(default_factory=set)
    """The records of messages of which the table knows that they were sent."""

    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def send_email(self, **message: Any) -> dict[str, str]:
        """Take an e-mail."""
        simple = message["Content"]["Simple"]
        tags = {each["Name"]: each["Value"] for each in message["EmailTags"]}
        return self._take(
            "SendEmail",
            message["Destination"]["ToAddresses"][0],
            simple["Body"]["Text"]["Data"],
            tags,
        )

    def publish(self, **message: Any) -> dict[str, str]:
        """Take a text message."""
        return self._take("Publish", message["PhoneNumber"], message["Message"], {})

    def unnoted_because(self, reason: str, entries: Sequence[object]) -> None:
        """Note why the portal cannot know that these messages were delivered."""
        for number, delivery in enumerate(self.deliveries):
            if delivery.entry in entries and delivery.entry not in self.noted:
                self.unnoted.setdefault(number, reason)

    def _take(self, operation: str, to: str, text: str, tags: Mapping[str, str]) -> dict[str, str]:
        fault = self.weather.fault(Fault.LOST_REQUEST, Fault.LOST_REPLY, Fault.THROTTLED)
        if fault in {None, Fault.LOST_REPLY}:
            self.deliveries.append(Delivery(self.sending[-1], to, text, tags))
        if fault is Fault.LOST_REPLY:
            self.unnoted[len(self.deliveries) - 1] = "the reply was lost"
        if fault is not None:
            raise _as_error(fault, operation, "TooManyRequestsException")
        return {"MessageId": str(next(self.numbers))}
