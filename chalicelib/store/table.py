"""The one table: consistent reads, conditional writes, transactions.

What is read by its keys and what is written goes to botocore's client in DynamoDB's own words
(`expressions`): a status reads a hundred people, a decision writes ten items. What lies in order is
asked for by PynamoDB (`queries`), which the first page does not load.

Every item has a key, a `body` or named `entries` (JSON texts that a person can read in the console)
and at most one `blob` (compressed or sealed bytes); counters have numbers by name. Where it stands
is said in `keys`. `infra/template.yaml` says what the table's keys and its index are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import botocore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import ConcurrentWriteError, PortalError, ServiceUnavailableError
from chalicelib.store.aws import make_session
from chalicelib.store.expressions import item_key, operation
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key, is_possible
from chalicelib.store.keys.proof import part_of_proof, written_once
from chalicelib.store.writes import Delete, Put, Replace, Write

if TYPE_CHECKING:
    from chalicelib.store.queries import Queries

CONNECT_SECONDS = 1
READ_SECONDS = 3
RETRIES = 2
BATCH = 100
"""BatchGetItem takes a hundred keys at most."""

USER_AGENT = f"Botocore/{botocore.__version__} consent-portal"
"""How the portal names itself to AWS."""

_CONTENDED = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_CONTENDED_ALONE = {
    "TransactionConflictException",
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
}
"""The same as DynamoDB tells it of a write outside a transaction."""

_CONDITION_FAILED = "ConditionalCheckFailedException"
_BOTOCORE_ERRORS = (BotoCoreError, ClientError)


class ConflictError(PortalError):
    """A condition did not hold: somebody else wrote first.

    Carries the keys of the items concerned.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        super().__init__("a condition did not hold")
        self.keys = frozenset(keys)


class ContendedError(ConcurrentWriteError):
    """DynamoDB declined a transaction for now (another in the way, or throttling).

    Trying again is right.
    """


class UnavailableError(ServiceUnavailableError):
    """DynamoDB could not be asked. Nothing is known, so nothing is permitted."""


class WrittenOnceError(PortalError):
    """Something would have changed or removed an item that is written once (`keys.written_once`).

    Nothing was sent.
    """


class DamagedError(UnavailableError):
    """An item holds what cannot be read. Nothing is known, so nothing is permitted."""


class Table:
    """The table by name. `host` is for tests alone.

    In Lambda the endpoint comes from the region.
    """

    def __init__(self, name: str, *, region: str, host: str | None = None) -> None:
        self._name = name
        self._region = region
        self._host = host
        self.session = make_session()
        """The botocore session behind the client, for another service's client: making another
        costs as much again."""
        # Left to itself botocore puts its name and surroundings together anew for every request.
        self.session.set_default_client_config(Config(user_agent=USER_AGENT))

    @cached_property
    def client(self) -> Any:
        """The botocore client all requests go through, made on first use."""
        patience = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": 1 + RETRIES, "mode": "standard"},
            parameter_validation=False,
        )
        return self.session.create_client(
            "dynamodb", self._region, endpoint_url=self._host, config=patience
        )

    @cached_property
    def _queries(self) -> "Queries":
        from chalicelib.store.queries import Queries  # noqa: PLC0415 - the first page asks for nothing in order

        return Queries(self._name, lambda: self.client)

    def get(self, keys: Sequence[Key], *, consistent: bool = True) -> dict[Key, Item]:
        """Read items, a hundred in a round trip; those that do not exist are left out.

        Strongly consistently, unless it does no harm to miss what was written a moment ago: such a
        read costs half.
        """
        found: dict[Key, Item] = {}
        distinct = [item_key(key) for key in dict.fromkeys(keys) if is_possible(key)]
        try:
            for start in range(0, len(distinct), BATCH):
                for stored in self._read_batch(
                    distinct[start : start + BATCH], consistent=consistent
                ):
                    item = Item(stored)
                    found[item.key] = item
        except _BOTOCORE_ERRORS as error:
            raise UnavailableError(type(error).__name__) from error
        return found

    def _read_batch(
        self, keys: Sequence[Mapping[str, Any]], *, consistent: bool
    ) -> Iterator[Mapping[str, Any]]:
        """Read a hundred items; raises botocore's errors.

        What DynamoDB leaves out, because an answer holds 16 MB at most, is asked for again.
        """
        asked = {self._name: {"Keys": keys, "ConsistentRead": consistent}}
        while asked:
            answer = self.client.batch_get_item(RequestItems=asked)
            yield from answer["Responses"].get(self._name, ())
            asked = answer.get("UnprocessedKeys")

    def partition(self, pk: str, prefix: str) -> Iterator[Item]:
        """Read the items of a partition whose sort key starts with `prefix`.

        In order, strongly consistently.
        """
        return self._in_order(lambda queries: queries.starting_with(pk, prefix))

    def from_key(self, first: Key, prefix: str) -> Iterator[Item]:
        """Read the items of a partition from `first` on, as `partition` does.

        Those whose sort key starts with `prefix`.
        """
        return self.between(first.pk, first.sk, f"{prefix}~")

    def after_key(self, pk: str, sk: str, most: int | None = None) -> Iterator[Item]:
        """Read the items of a partition whose sort key comes after `sk`, as `partition` does.

        No more than `most`, where a number is given: the rest is neither read nor paid for.
        """
        return self._in_order(lambda queries: queries.after(pk, sk, most))

    def last_item(self, pk: str) -> Item | None:
        """Give the last item of a partition, strongly consistently; None for none."""
        return next(self._in_order(lambda queries: queries.last(pk)), None)

    def between(
        self, pk: str, first: str, last: str, *, newest_first: bool = False, page: int | None = None
    ) -> Iterator[Item]:
        """Read the items of a partition whose sort keys are from `first` to `last`, both included.

        Strongly consistently, the last first if wanted. `page` is how many are read at once, where
        few of them may be needed.
        """
        return self._in_order(
            lambda queries: queries.between(pk, first, last, newest_first=newest_first, page=page)
        )

    def due(self, shard: str, until: str) -> Iterator[Key]:
        """Give the places of people for whom something is due by a moment, the longest due first.

        From one of the sixteen parts (`keys.SHARDS`) of the index. The index follows the table
        within moments: what is read here is to be read again there.
        """
        for entry in self._in_order(lambda queries: queries.due(shard, until)):
            yield entry.key

    def _in_order(self, ask: "Callable[[Queries], Iterator[Item]]") -> Iterator[Item]:
        """Read page by page, as far as it is asked for; raise UnavailableError."""
        queries = self._queries
        try:
            yield from ask(queries)
        except queries.errors as error:
            raise UnavailableError(type(error).__name__) from error

    def put_new(self, put: Put) -> bool:
        """Write an item unless it exists; tell whether it is new."""
        try:
            self._send_alone(put)
        except _BOTOCORE_ERRORS as error:
            if _code(error) == _CONDITION_FAILED:
                return False
            raise UnavailableError(str(_code(error))) from error
        return True

    def put(self, put: Put) -> None:
        """Write an item, whatever was there; raise WrittenOnceError where nothing may be."""
        replacing = Replace(put.key, put.values)
        _allow(replacing)
        try:
            self._send_alone(replacing)
        except _BOTOCORE_ERRORS as error:
            raise UnavailableError(str(_code(error))) from error

    def write(self, writes: Sequence[Write]) -> None:
        """Carry out all writes or none (TransactWriteItems).

        Raises ConflictError, ContendedError, UnavailableError; WrittenOnceError before anything is
        sent.
        """
        operations = []
        for write in writes:
            _allow(write)
            kind, sent = operation(self._name, write)
            operations.append({kind: sent})
        try:
            self.client.transact_write_items(TransactItems=operations)
        except _BOTOCORE_ERRORS as error:
            raise _why_not(error, writes) from error

    def write_one(self, write: Write) -> None:
        """Carry out one write alone, for half of what it costs in a transaction.

        DynamoDB does not tell a request that it gets twice from two: where the answer was lost and
        the client sent it again, a ConflictError may come of the write itself, and a counter may
        count twice. Whoever calls this must be able to live with that. Errors as for `write`.
        """
        _allow(write)
        try:
            self._send_alone(write)
        except _BOTOCORE_ERRORS as error:
            code = str(_code(error))
            if code == _CONDITION_FAILED:
                raise ConflictError([write.key]) from error
            if code in _CONTENDED_ALONE:
                raise ContendedError from error
            raise UnavailableError(code) from error

    def _send_alone(self, write: Write) -> None:
        """Carry out one write; raises botocore's errors."""
        kind, sent = operation(self._name, write)
        client = self.client
        send = {"Put": client.put_item, "Update": client.update_item, "Delete": client.delete_item}
        send[kind](**sent)


def _why_not(
    error: Exception, writes: Sequence[Write]
) -> ConflictError | ContendedError | UnavailableError:
    """Give the error that says why a transaction was not carried out.

    DynamoDB's reasons come in the order in which the writes were sent.
    """
    told = _answer(error).get("CancellationReasons") or ()
    reasons = [reason.get("Code") for reason in told]
    failed = [
        write.key
        for write, reason in zip(writes, reasons, strict=False)
        if reason == "ConditionalCheckFailed"
    ]
    if failed:
        return ConflictError(failed)
    if _CONTENDED & set(reasons) or _code(error) == "TransactionInProgressException":
        return ContendedError()
    return UnavailableError(str(_code(error)))


def _allow(write: Write) -> None:
    """Refuse what would change an item that is written once: only a Put may write one.

    No policy of AWS can demand that condition (IAM knows a request's partition key and attributes,
    not whether it overwrites), so it is demanded here, for every part of the portal.
    """
    new = isinstance(write, Put)
    forgotten = isinstance(write, Delete) and write.over and part_of_proof(write.key)
    if written_once(write.key) and not new and not forgotten:
        raise WrittenOnceError(f"{type(write).__name__} of {write.key.sk.partition('#')[0]}")


def _answer(error: Exception) -> dict[str, Any]:
    """Give what DynamoDB answered, empty where no answer came."""
    answer = getattr(error, "response", None)
    return answer if isinstance(answer, dict) else {}


def _code(error: Exception) -> str | None:
    """Give DynamoDB's name for what went wrong, None where no answer came."""
    code = _answer(error).get("Error", {}).get("Code")
    return code if isinstance(code, str) else None
