"""The one table, as PynamoDB sees it: consistent reads, conditional writes, transactions.

The only PynamoDB importer. Every item has a key, a `body` or named `entries` (JSON texts that a
person can read in the console) and at most one `blob` (compressed or sealed bytes); counters have
numbers by name. Where it stands is said in `keys`. `infra/template.yaml` says what the table's keys
and its index are.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import botocore
from botocore.config import Config
from botocore.session import Session
from pynamodb.attributes import BinaryAttribute, MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import (
    DeleteError,
    PutError,
    PynamoDBException,
    TransactWriteError,
    UpdateError,
)
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from chalicelib.domain.errors import ConcurrentWriteError, PortalError, ServiceUnavailableError
from chalicelib.store.aws import make_session
from chalicelib.store.items import Item
from chalicelib.store.keys import (
    DUE_INDEX,
    Key,
    due_shard,
    is_possible,
    part_of_proof,
    written_once,
)
from chalicelib.store.writes import (
    AddCounts,
    Count,
    Delete,
    FirstEntry,
    Kept,
    MoveEntry,
    NextNumber,
    Put,
    RaiseNumber,
    RemoveEntry,
    Replace,
    SetBlob,
    SetBody,
    SetDue,
    SetEntry,
    SetKept,
    SetNumber,
    Spend,
    Try,
    Write,
)

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

_KEPT_SECONDS = 3600
"""How long a token bucket is kept when it is full again."""


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


class _DueTimes(GlobalSecondaryIndex[Any]):  # type: ignore[no-untyped-call]
    """The sparse index of the people for whom something will be due, in the order of the times."""

    class Meta:
        index_name = DUE_INDEX
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class _Row(Model):
    """An item as PynamoDB writes it, and asks for it; `_bind` gives the class for a table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute(null=True)
    blob = BinaryAttribute(null=True, legacy_encoding=False)
    entries: MapAttribute[str, Any] = MapAttribute(null=True)  # type: ignore[no-untyped-call]
    number = NumberAttribute(null=True)
    ttl = NumberAttribute(null=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute(null=True)
    due_times = _DueTimes()

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Item:  # type: ignore[override]
        """Give what was read as an `Item`."""
        return Item(data)


_SENT = {Delete: 0, Put: 1, Replace: 1}
"""The order in which PynamoDB sends a transaction's writes, whatever order they were asked in;
updates come last."""


class _Alone:
    """Takes writes as a transaction of PynamoDB does, and sends each at once."""

    @staticmethod
    def save(model: _Row, condition: Condition | None = None) -> None:
        """Put an item."""
        model.save(condition)

    @staticmethod
    def delete(model: _Row, condition: Condition | None = None) -> None:
        """Delete an item."""
        model.delete(condition)

    @staticmethod
    def update(model: _Row, actions: list[Action], condition: Condition | None = None) -> None:
        """Update an item; `Model.update` would have all of it sent back."""
        connection = model._get_connection()  # noqa: SLF001 - as in `Table.client`
        connection.update_item(model.pk, model.sk, actions=actions, condition=condition)


class Table:
    """The table by name. `host` is for tests alone.

    In Lambda the endpoint comes from the region.
    """

    def __init__(self, name: str, *, region: str, host: str | None = None) -> None:
        self._item = _bind(name, region, host)
        # Left to itself botocore puts its name and surroundings together anew for every request.
        self.session.set_default_client_config(Config(user_agent=USER_AGENT))

    @property
    def client(self) -> Any:
        """The botocore client all requests go through, made on first use."""
        return self._item._get_connection().connection.client  # noqa: SLF001 - PynamoDB offers no public way

    @property
    def session(self) -> Any:
        """The botocore session behind the client, for another service's client.

        Making another costs as much again.
        """
        return self._item._get_connection().connection.session  # noqa: SLF001 - as above

    def get(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Read items strongly consistently, a hundred in a round trip.

        Those that do not exist are left out.
        """
        found: dict[Key, Item] = {}
        distinct = [key for key in dict.fromkeys(keys) if is_possible(key)]
        try:
            for start in range(0, len(distinct), BATCH):
                batch = distinct[start : start + BATCH]
                items: Iterator[Any] = self._item.batch_get(batch, consistent_read=True)
                found.update({item.key: item for item in items})
        except PynamoDBException as error:
            raise UnavailableError(type(error).__name__) from error
        return found

    def partition(self, pk: str, prefix: str) -> Iterator[Item]:
        """Read the items of a partition whose sort key starts with `prefix`.

        In order, strongly consistently.
        """
        # DynamoDB refuses an empty text in a key.
        return self._query(pk, self._item.sk.startswith(prefix) if prefix else None)

    def from_key(self, first: Key, prefix: str) -> Iterator[Item]:
        """Read the items of a partition from `first` on, as `partition` does.

        Those whose sort key starts with `prefix`.
        """
        return self._query(first.pk, self._item.sk.between(first.sk, f"{prefix}~"))

    def after_key(self, pk: str, sk: str, most: int | None = None) -> Iterator[Item]:
        """Read the items of a partition whose sort key comes after `sk`, as `partition` does.

        No more than `most`, where a number is given: the rest is neither read nor paid for.
        """
        return self._query(pk, self._item.sk > sk if sk else None, most)

    def last_key(self, pk: str) -> Key | None:
        """Give the key of the last item of a partition, strongly consistently; None for none."""
        try:
            items: Iterator[Any] = self._item.query(
                pk, consistent_read=True, scan_index_forward=False, limit=1
            )
            return next((item.key for item in items), None)
        except PynamoDBException as error:
            raise UnavailableError(type(error).__name__) from error

    def between(
        self, pk: str, first: str, last: str, *, newest_first: bool = False, page: int | None = None
    ) -> Iterator[Item]:
        """Read the items of a partition whose sort keys are from `first` to `last`, both included.

        Strongly consistently, the last first if wanted. `page` is how many are read at once, where
        few of them may be needed.
        """
        within = self._item.sk.between(first, last)
        try:
            items: Iterator[Any] = self._item.query(
                pk,
                within,
                consistent_read=True,
                scan_index_forward=not newest_first,
                page_size=page,
            )
            yield from items
        except PynamoDBException as error:
            raise UnavailableError(type(error).__name__) from error

    def due(self, shard: str, until: str) -> Iterator[Key]:
        """Give the places of people for whom something is due by a moment, the longest due first.

        From one of the sixteen parts (`keys.SHARDS`) of the index. The index follows the table
        within moments: what is read here is to be read again there.
        """
        due_by = self._item.due_at <= until
        try:
            entries: Iterator[Any] = self._item.query(
                due_shard(shard), due_by, index_name=DUE_INDEX
            )
            for entry in entries:
                yield entry.key
        except PynamoDBException as error:
            raise UnavailableError(type(error).__name__) from error

    def _query(
        self, pk: str, condition: Condition | None, most: int | None = None
    ) -> Iterator[Item]:
        try:
            items: Iterator[Any] = self._item.query(pk, condition, consistent_read=True, limit=most)
            yield from items
        except PynamoDBException as error:
            raise UnavailableError(type(error).__name__) from error

    def put_new(self, put: Put) -> bool:
        """Write an item unless it exists; tell whether it is new."""
        try:
            self._new(put).save(condition=self._item.pk.does_not_exist())
        except PutError as error:
            if _code(error) == "ConditionalCheckFailedException":
                return False
            raise UnavailableError(str(_code(error))) from error
        return True

    def put(self, put: Put) -> None:
        """Write an item, whatever was there; raise WrittenOnceError where nothing may be."""
        _allow(Replace(put.key, put.values))
        try:
            self._new(put).save()
        except PutError as error:
            raise UnavailableError(str(_code(error))) from error

    def write(self, writes: Sequence[Write]) -> None:
        """Carry out all writes or none (TransactWriteItems).

        Raises ConflictError, ContendedError, UnavailableError; WrittenOnceError before anything is
        sent.
        """
        for write in writes:
            _allow(write)
        transaction = TransactWrite(connection=self._item._get_connection().connection)  # noqa: SLF001 - as above
        try:
            with transaction:
                for write in writes:
                    self._enlist(transaction, write)
        except TransactWriteError as error:
            self._explain(error, writes)

    def write_one(self, write: Write) -> None:
        """Carry out one write alone, for half of what it costs in a transaction.

        DynamoDB does not tell a request that it gets twice from two: where the answer was lost and
        the client sent it again, a ConflictError may come of the write itself, and a counter may
        count twice. Whoever calls this must be able to live with that. Errors as for `write`.
        """
        _allow(write)
        try:
            self._enlist(_Alone(), write)
        except (PutError, UpdateError, DeleteError) as error:
            code = str(_code(error))
            if code == "ConditionalCheckFailedException":
                raise ConflictError([write.key]) from error
            if code in _CONTENDED_ALONE:
                raise ContendedError from error
            raise UnavailableError(code) from error

    def _enlist(self, transaction: "TransactWrite | _Alone", write: Write) -> None:
        item = self._item
        match write:
            case Put():
                transaction.save(self._new(write), condition=item.pk.does_not_exist())
            case Replace():
                transaction.save(self._new(write))
            case Delete(key, empty, number, _):
                unchanged = _numbered(item, number) & _holds_kept(item, None) & _no_entry(item)
                transaction.delete(item(*key), condition=unchanged if empty else None)
            case SetDue(key, due, was):
                transaction.update(item(*key), _set_due(item, key, due), _holds_kept(item, was))
            case SetKept(key, kept, was, due):
                changes = [*_keeping(item, kept, was), *_set_due(item, key, due)]
                transaction.update(item(*key), changes, _holds_kept(item, was))
            case MoveEntry():
                transaction.update(item(*write.key), *self._moved(write))
            case Try() | AddCounts() | SetNumber() | RaiseNumber() | Count() | Spend():
                transaction.update(item(*write.key), *self._counted(write))
            case _:
                transaction.update(item(*write.key), *self._updated(write))

    def _updated(
        self, write: SetEntry | RemoveEntry | FirstEntry | SetBlob | SetBody | NextNumber
    ) -> tuple[list[Action], Condition | None]:
        """Give what an update does to its item, and on what condition."""
        item = self._item
        match write:
            case SetEntry(_, name, stored):
                return [item.entries[name].set(stored)], item.pk.exists()
            case RemoveEntry(_, name):
                return [item.entries[name].remove()], item.pk.exists()
            case FirstEntry(_, name, stored):
                return [item.entries.set({name: stored})], item.pk.exists() & _no_entry(item)
            case SetBlob(_, blob, was):
                return [item.blob.set(blob)], item.blob == was
            case SetBody(_, body, was, sealed_anew):
                sealed: list[Action] = []
                if sealed_anew is not None:
                    sealed = [item.blob.set(sealed_anew) if sealed_anew else item.blob.remove()]
                changed: Action = item.body.set(body) if body is not None else item.body.remove()
                return [changed, *sealed], _holds(item, was)
            case NextNumber(_, number):
                return [item.number.set(number)], item.pk.exists() & _numbered(item, number - 1)

    def _counted(
        self, write: Try | AddCounts | SetNumber | RaiseNumber | Count | Spend
    ) -> tuple[list[Action], Condition | None]:
        """Give how an update moves its item's number on, and on what condition."""
        item = self._item
        match write:
            case Try(_, most):
                return [item.number.add(1)], item.number < most
            case AddCounts(_, amounts):
                # Each is an attribute of its own: DynamoDB adds to no other.
                return [Path([name]).add(count) for name, count in amounts.items()], None
            case SetNumber(_, number, was):
                return [
                    item.number.set(number)
                ], item.pk.does_not_exist() if was is None else item.number == was
            case RaiseNumber(_, number):
                lower = item.number.does_not_exist() | (item.number < number)
                return [item.number.set(number)], item.pk.exists() & lower
            case Count(_, most, body, ttl):
                told: list[Action] = [item.body.set(body), item.ttl.set(ttl)]
                return [item.number.add(1), *told], item.pk.does_not_exist() | (item.number < most)
            case Spend(_, rule, now, fresh, amount):
                room = item.number.between(now + 1, rule.latest(now, amount))
                untouched = item.pk.does_not_exist() | (item.number <= now)
                moved = (
                    item.number.set(now + amount * rule.interval)
                    if fresh
                    else item.number.add(amount * rule.interval)
                )
                # Full again by then, even if the clocks of two processes differ: housekeeping may
                # take the item away.
                over = item.ttl.set((now + rule.refills_in) // 1000 + _KEPT_SECONDS)
                return [moved, over], untouched if fresh else room

    def _moved(self, write: MoveEntry) -> tuple[list[Action], Condition]:
        item, entry = self._item, self._item.entries[write.name]
        actions: list[Action] = [entry.remove()]
        holds: Condition = entry == write.was
        if write.kept is not None:
            actions += _keeping(item, write.kept, None)
            holds &= _holds_kept(item, None)
        if write.number is not None:
            actions.append(item.number.set(write.number))
            holds &= _numbered(item, write.number - 1)
        return actions, holds

    def _new(self, put: Put | Replace) -> _Row:
        return self._item(*put.key, **put.values)

    def _explain(self, error: TransactWriteError, writes: Sequence[Write]) -> None:
        # The reasons come in the order in which the writes were sent.
        sent = sorted(writes, key=lambda write: _SENT.get(type(write), 2))
        reasons = [reason.code if reason else None for reason in error.cancellation_reasons]
        failed = [
            w.key
            for w, code in zip(sent, reasons, strict=False)
            if code == "ConditionalCheckFailed"
        ]
        if failed:
            raise ConflictError(failed) from error
        if _CONTENDED & set(reasons) or _code(error) == "TransactionInProgressException":
            raise ContendedError from error
        raise UnavailableError(str(_code(error))) from error


def _holds(item: type[_Row], body: str | None) -> Condition:
    return item.body.does_not_exist() if body is None else item.body == body


def _set_due(item: type[_Row], key: Key, due: str | None) -> list[Action]:
    if due is None:
        return []
    if not due:
        return [item.due_shard.remove(), item.due_at.remove()]
    return [item.due_shard.set(due_shard(key.sk)), item.due_at.set(due)]


def _keeping(item: type[_Row], kept: Kept | None, was: Kept | None) -> list[Action]:
    """Write how an item holds a person from now on, and remove the other form."""
    if isinstance(kept, bytes):
        changed: list[Action] = [item.blob.set(kept)]
        return [*changed, item.body.remove()] if isinstance(was, str) else changed
    changed = [item.body.set(kept)] if kept is not None else [item.body.remove()]
    return [*changed, item.blob.remove()] if isinstance(was, bytes) else changed


def _holds_kept(item: type[_Row], kept: Kept | None) -> Condition:
    if isinstance(kept, bytes):
        packed: Condition = item.blob == kept
        return packed
    return _holds(item, kept) if kept is not None else _holds_nobody(item)


def _holds_nobody(item: type[_Row]) -> Condition:
    nobody: Condition = item.body.does_not_exist() & item.blob.does_not_exist()
    return nobody


def _numbered(item: type[_Row], number: int | None) -> Condition:
    return item.number == number if number else item.number.does_not_exist()


def _no_entry(item: type[_Row]) -> Condition:
    return item.entries.does_not_exist() | (size(item.entries) == 0)  # type: ignore[no-any-return,no-untyped-call]


def _allow(write: Write) -> None:
    """Refuse what would change an item that is written once: only a Put may write one.

    No policy of AWS can demand that condition (IAM knows a request's partition key and attributes,
    not whether it overwrites), so it is demanded here, for every part of the portal.
    """
    new = isinstance(write, Put)
    forgotten = isinstance(write, Delete) and write.over and part_of_proof(write.key)
    if written_once(write.key) and not new and not forgotten:
        raise WrittenOnceError(f"{type(write).__name__} of {write.key.sk.partition('#')[0]}")


def _code(error: PynamoDBException) -> str | None:
    """Give DynamoDB's name for what went wrong, None where no answer came.

    PynamoDB's own `cause_response_code` raises AttributeError on a read timeout, whose `response`
    is there and None.
    """
    answer = getattr(error.cause, "response", None) or {}
    code = answer.get("Error", {}).get("Code")
    return code if isinstance(code, str) else None


class _Connection(Connection):
    """PynamoDB's connection on a session of ours: it would make one with handlers for every
    service.
    """

    @cached_property
    def session(self) -> Session:
        """The botocore session."""
        return make_session()


def _bind(name: str, region_name: str, endpoint: str | None) -> type[_Row]:
    class Bound(_Row):
        class Meta:
            table_name = name
            region = region_name
            host = endpoint

    bound = Bound._get_connection()  # noqa: SLF001 - as in `Table.client`
    described = bound.get_meta_table()
    bound.connection = _Connection(
        region=region_name,
        host=endpoint,
        connect_timeout_seconds=CONNECT_SECONDS,
        read_timeout_seconds=READ_SECONDS,
        max_retry_attempts=RETRIES,
    )
    bound.connection.add_meta_table(described)
    return Bound
