"""The one table, as PynamoDB sees it: consistent reads, conditional writes, transactions. The only PynamoDB importer.

Every item has a key, a `body` or named `entries` (JSON texts that a person can read in the console) and at most one
`blob` (compressed or sealed bytes). Keys are written in one place, the functions below, and none ever holds a contact.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pynamodb.attributes import BinaryAttribute, MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import PutError, PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from chalicelib.limits import Rule

CONNECT_SECONDS = 1
READ_SECONDS = 3
RETRIES = 2
BATCH = 100
"""BatchGetItem takes a hundred keys at most."""
PK_BYTES, SK_BYTES = 2048, 1024
"""How long the parts of a key may be in DynamoDB."""

_CONTENDED = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


_KEPT_SECONDS = 3600
"""How long a token bucket is kept when it is full again."""

SHARDS = "0123456789abcdef"
"""What would be one busy partition is sixteen, told by the first digit of an opaque id."""


class Key(NamedTuple):
    """The two parts of an item's primary key."""

    pk: str
    sk: str


def clinic_key(clinic: str) -> Key:
    """Which notice is in force, and the clinic's wrapped key."""
    return Key(f"CLINIC#{clinic}", "CLINIC")


def notice_key(clinic: str, version: str) -> Key:
    """One immutable notice version."""
    return Key(f"CLINIC#{clinic}", f"NOTICE#{version}")


def full_notice_key(clinic: str, version: str, lang: str) -> Key:
    """The full notice of one version in one language."""
    return Key(f"CLINIC#{clinic}", f"NOTICE#{version}#{lang}")


def code_key(code: str) -> Key:
    """The short code that stands for a clinic inside a QR code."""
    return Key(f"CODE#{code}", "CODE")


def api_key_key(digest: str) -> Key:
    """A bearer key, by the SHA-256 of its secret."""
    return Key(f"KEY#{digest}", "KEY")


def key_name_key(clinic: str, key_id: str) -> Key:
    """Which bearer key has this id."""
    return Key(f"CLINIC#{clinic}#KEYS", f"APIKEY#{key_id}")


def shown_key(clinic: str, sha256: str) -> Key:
    """A page exactly as it was shown."""
    return Key(f"CLINIC#{clinic}#SHOWN#{sha256}", "SHOWN")


def contact_key(clinic: str, lookup: str) -> Key:
    """Who is known under a contact (by its HMAC)."""
    return Key(f"CLINIC#{clinic}#CONTACT#{lookup}", "CONTACT")


def receipt_id_key(clinic: str, receipt_id: str) -> Key:
    """Where the receipt with this id stands."""
    return Key(f"CLINIC#{clinic}#RECEIPT#{receipt_id}", "POINTER")


def subject_pk(clinic: str, subject: str) -> str:
    """The partition of one person at one clinic."""
    return f"CLINIC#{clinic}#SUBJECT#{subject}"


def receipt_key(clinic: str, subject: str, version: int) -> Key:
    """One receipt in its chain."""
    return Key(subject_pk(clinic, subject), f"RECEIPT#{version:010d}")


def words_key(clinic: str, subject: str, page: int) -> Key:
    """One page of a person's words: what `timeline` answers from when asked about another time."""
    return Key(subject_pk(clinic, subject), f"WORDS#{page:06d}")


def signature_key(clinic: str, subject: str, version: int) -> Key:
    """The signature of one receipt, beside it."""
    return Key(subject_pk(clinic, subject), f"SIGNATURE#{version:010d}")


def unsigned_key(clinic: str, receipt_id: str) -> Key:
    """The mark of a receipt that waits to be signed; in sixteen partitions, so that none takes every write."""
    return Key(f"UNSIGNED#{receipt_id[0]}", f"{clinic}#{receipt_id}")


def unsent_key(clinic: str, number: str) -> Key:
    """What is still to be told about: an item of the outbox, by a random number; in sixteen partitions."""
    return Key(f"UNSENT#{number[0]}", f"{clinic}#{number}")


def dead_letter_key(clinic: str, number: str) -> Key:
    """What could not be told: an item of the outbox that was given up."""
    return Key(f"DEADLETTER#{clinic}", number)


def letter_key(clinic: str, subject: str, letter: str) -> Key:
    """What became of one message to one person: once per item of the outbox, kind of message and kind of contact."""
    return Key(subject_pk(clinic, subject), f"LETTER#{letter}")


def undeliverable_key(clinic: str, lookup: str) -> Key:
    """The mark of a contact that bounces, or complained."""
    return Key(f"CLINIC#{clinic}#CONTACT#{lookup}", "UNDELIVERABLE")


def link_key(link: str) -> Key:
    """A link into the portal, by the hash of its handle."""
    return Key(f"LINK#{link}", "LINK")


def erased_key(clinic: str, subject: str) -> Key:
    """The mark of an erased person of whom empty things are still to be cleared away; in sixteen partitions."""
    return Key(f"ERASED#{subject[0]}", f"{clinic}#{subject}")


def told_key(clinic: str, subject: str, kind: str, reference: str) -> Key:
    """The record that a person has been told something nobody asked for: once per kind and what it is about."""
    return Key(subject_pk(clinic, subject), f"TOLD#{kind}#{reference}")


def listed_clinic_key(clinic: str) -> Key:
    """A clinic's place in the list of all clinics."""
    return Key("CLINICS", clinic)


def bookmark_key() -> Key:
    """How far the housekeeping came on its round."""
    return Key("HOUSEKEEPING", "BOOKMARK")


def jwk_key(kid: str) -> Key:
    """A public key that signs, or once signed, receipts."""
    return Key("JWKS", kid)


def roll_key(clinic: str, subject: str) -> Key:
    """How one person stands, in the clinic's roll: sixteen partitions that list everybody."""
    return Key(f"CLINIC#{clinic}#ROLL#{subject[0]}", subject)


def draft_key(clinic: str, version: str) -> Key:
    """A notice version that is being written or waits to be published."""
    return Key(f"CLINIC#{clinic}", f"DRAFT#{version}")


def sealed_key(clinic: str, subject: str, what: str) -> Key:
    """A contact or name of one person, encrypted under that person's key."""
    return Key(subject_pk(clinic, subject), f"SEALED#{what}")


def audit_key(clinic: str, recorded_at: str, entry: str) -> Key:
    """One line of the clinic's audit, in a partition per day."""
    return Key(f"CLINIC#{clinic}#AUDIT#{recorded_at[:10]}", f"{recorded_at}#{entry}")


def count_key(clinic: str, day: str, what: str) -> Key:
    """One daily counter; kept apart per purpose and state so that no single item takes every write."""
    return Key(f"CLINIC#{clinic}#COUNT#{day}", what)


def bucket_key(clinic: str, digest: str) -> Key:
    """One token bucket, by the HMAC of what it is for."""
    return Key(f"CLINIC#{clinic}#LIMIT#{digest}", "LIMIT")


def waits_key(clinic: str, receipt_id: str) -> Key:
    """With which contacts a receipt's claims can be confirmed by a code, and how often that was tried."""
    return Key(f"CLINIC#{clinic}#RECEIPT#{receipt_id}", "WAITS")


def counted_key(clinic: str, receipt_id: str) -> Key:
    """The mark that a receipt has been counted."""
    return Key(f"CLINIC#{clinic}#RECEIPT#{receipt_id}", "COUNTED")


class ConflictError(Exception):
    """A condition did not hold: somebody else wrote first. Carries the keys of the items concerned."""

    def __init__(self, keys: Iterable[Key]) -> None:
        super().__init__("a condition did not hold")
        self.keys = frozenset(keys)


class ContendedError(Exception):
    """DynamoDB declined a transaction for now (another in the way, or throttling); trying again is right."""


class UnavailableError(Exception):
    """DynamoDB could not be asked. Nothing is known, so nothing is permitted."""


class DamagedError(UnavailableError):
    """An item holds what cannot be read. Nothing is known, so nothing is permitted."""


class Item(Model):
    """One item of the table; `bind` gives the class for a certain table."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    body = UnicodeAttribute(null=True)
    blob = BinaryAttribute(null=True, legacy_encoding=False)
    entries: MapAttribute[str, Any] = MapAttribute(null=True)  # type: ignore[no-untyped-call]
    number = NumberAttribute(null=True)
    ttl = NumberAttribute(null=True)
    """When DynamoDB may clear the item away (epoch seconds): housekeeping, which may come days late."""

    @property
    def key(self) -> Key:
        """The item's primary key."""
        return Key(self.pk, self.sk)

    @property
    def texts(self) -> dict[str, str]:
        """The item's entries by name; none where it has none."""
        entries: MapAttribute[str, Any] | None = self.entries
        return dict(entries.as_dict()) if entries is not None else {}  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Put:
    """Write a new item; a condition of the transaction is that it did not exist."""

    key: Key
    values: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetEntry:
    """Write one of the entries of an item that exists: a person of a contact, a receipt of a page.

    `was` is what the entry must still hold; without it the entry may be new.
    """

    key: Key
    name: str
    stored: str = field(repr=False)
    was: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class FirstEntry:
    """Write the first entry of an item that is new, or that has lost all it had."""

    key: Key
    name: str
    stored: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemoveEntry:
    """Take one of the entries out of an item that exists; the item stays, be it empty."""

    key: Key
    name: str


@dataclass(frozen=True, slots=True)
class SetBody:
    """Replace the body, and the blob where one is given, of an item that still has the body it was read with."""

    key: Key
    body: str = field(repr=False)
    was: str = field(repr=False)
    blob: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Add:
    """Add to a counter, which may be new."""

    key: Key
    amount: int


@dataclass(frozen=True, slots=True)
class Try:
    """Add one to the counter of an item that exists, unless it has reached `most`."""

    key: Key
    most: int


@dataclass(frozen=True, slots=True)
class Replace:
    """Write an item, whatever was there."""

    key: Key
    values: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove an item, if it is there; with `empty` one that is there and has no entry left, or none."""

    key: Key
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Spend:
    """Take one from a token bucket (`limits`) while there is room in it; `fresh` if it was found untouched.

    Where it was not, others may take from it meanwhile and this still holds: only an empty bucket is a conflict.
    """

    key: Key
    rule: Rule
    now: int
    fresh: bool


Write = Put | SetEntry | FirstEntry | RemoveEntry | SetBody | Add | Try | Replace | Delete | Spend

_SENT = {Delete: 0, Put: 1, Replace: 1}
"""The order in which PynamoDB sends a transaction's writes, whatever order they were asked in; updates come last."""


class Table:
    """The table by name. `host` is for tests alone; in Lambda the endpoint comes from the region."""

    def __init__(self, name: str, *, region: str, host: str | None = None) -> None:
        self._item = _bind(name, region, host)

    @property
    def client(self) -> Any:
        """The botocore client all requests go through, made on first use."""
        return self._item._get_connection().connection.client  # noqa: SLF001 - PynamoDB offers no public way

    @property
    def session(self) -> Any:
        """The botocore session behind the client, for a second service's client: making another costs as much again."""
        return self._item._get_connection().connection.session  # noqa: SLF001 - as above

    def get(self, keys: Sequence[Key]) -> dict[Key, Item]:
        """Read items strongly consistently, a hundred in a round trip; those that do not exist are left out."""
        found: dict[Key, Item] = {}
        distinct = [key for key in dict.fromkeys(keys) if _possible(key)]
        try:
            for start in range(0, len(distinct), BATCH):
                for item in self._item.batch_get(distinct[start : start + BATCH], consistent_read=True):
                    found[item.key] = item
        except PynamoDBException as error:
            raise UnavailableError(type(error).__name__) from error
        return found

    def partition(self, pk: str, prefix: str) -> Iterator[Item]:
        """Read the items of a partition whose sort key starts with `prefix`, in order, strongly consistently."""
        # DynamoDB refuses an empty text in a key.
        return self._query(pk, self._item.sk.startswith(prefix) if prefix else None)

    def behind(self, pk: str, sk: str) -> Iterator[Item]:
        """Read the items of a partition whose sort key comes after `sk`, in order, strongly consistently."""
        return self._query(pk, self._item.sk > sk if sk else None)

    def _query(self, pk: str, condition: Condition | None) -> Iterator[Item]:
        try:
            yield from self._item.query(pk, condition, consistent_read=True)
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
        """Write an item, whatever was there."""
        try:
            self._new(put).save()
        except PutError as error:
            raise UnavailableError(str(_code(error))) from error

    def write(self, writes: Sequence[Write]) -> None:
        """Carry out all writes or none (TransactWriteItems); raise ConflictError, ContendedError, UnavailableError."""
        transaction = TransactWrite(connection=self._item._get_connection().connection)  # noqa: SLF001 - as above
        try:
            with transaction:
                for write in writes:
                    self._enlist(transaction, write)
        except TransactWriteError as error:
            self._explain(error, writes)

    def _enlist(self, transaction: TransactWrite, write: Write) -> None:
        item = self._item
        match write:
            case Put():
                transaction.save(self._new(write), condition=item.pk.does_not_exist())
            case Replace():
                transaction.save(self._new(write))
            case Delete(key, empty):
                transaction.delete(item(*key), condition=_empty(item) if empty else None)
            case SetEntry() | FirstEntry() | RemoveEntry():
                self._enlist_entry(transaction, write)
            case SetBody(key, body, was, blob):
                changes: list[Action] = [item.body.set(body)]
                if blob is not None:
                    changes.append(item.blob.set(blob))
                transaction.update(item(*key), changes, condition=item.body == was)
            case Try(key, most):
                transaction.update(item(*key), [item.number.add(1)], condition=item.number < most)
            case Add(key, amount):
                transaction.update(item(*key), [item.number.add(amount)])

            case Spend(key, rule, now, fresh):
                room = item.number.between(now + 1, rule.latest(now))
                untouched = item.pk.does_not_exist() | (item.number <= now)
                moved = item.number.set(now + rule.every) if fresh else item.number.add(rule.every)
                # Full again by then, even if the clocks of two processes differ: housekeeping may take the item away.
                changes = [moved, item.ttl.set((now + rule.burst * rule.every) // 1000 + _KEPT_SECONDS)]
                transaction.update(item(*key), changes, condition=untouched if fresh else room)

    def _enlist_entry(self, transaction: TransactWrite, write: SetEntry | FirstEntry | RemoveEntry) -> None:
        item, entry = self._item, self._item.entries[write.name]
        match write:
            case SetEntry(key, _, stored, was):
                holds = item.pk.exists() if was is None else entry == was
                transaction.update(item(*key), [entry.set(stored)], condition=holds)
            case FirstEntry(key, name, stored):
                free = item.pk.does_not_exist() | _empty(item)
                transaction.update(item(*key), [item.entries.set({name: stored})], condition=free)
            case RemoveEntry(key):
                transaction.update(item(*key), [entry.remove()], condition=item.pk.exists())

    def _new(self, put: Put | Replace) -> Item:
        return self._item(*put.key, **put.values)

    def _explain(self, error: TransactWriteError, writes: Sequence[Write]) -> None:
        sent = sorted(writes, key=lambda write: _SENT.get(type(write), 2))  # the reasons come in the order sent
        reasons = [reason.code if reason else None for reason in error.cancellation_reasons]
        failed = [w.key for w, code in zip(sent, reasons, strict=False) if code == "ConditionalCheckFailed"]
        if failed:
            raise ConflictError(failed) from error
        if _CONTENDED & set(reasons) or _code(error) == "TransactionInProgressException":
            raise ContendedError from error
        raise UnavailableError(str(_code(error))) from error


def _empty(item: type[Item]) -> Condition:
    return size(item.entries) == 0  # type: ignore[no-any-return,no-untyped-call]


def _possible(key: Key) -> bool:
    """Tell whether DynamoDB takes a key of this length; with a longer one (an address can hold anything) is nothing."""
    return len(key.pk.encode()) <= PK_BYTES and len(key.sk.encode()) <= SK_BYTES


def _code(error: PynamoDBException) -> str | None:
    """Give DynamoDB's name for what went wrong, None where no answer came.

    PynamoDB's own `cause_response_code` raises AttributeError on a read timeout, whose `response` is there and None.
    """
    answer = getattr(error.cause, "response", None) or {}
    code = answer.get("Error", {}).get("Code")
    return code if isinstance(code, str) else None


def _bind(name: str, region_name: str, endpoint: str | None) -> type[Item]:
    class Bound(Item):
        class Meta:
            table_name = name
            region = region_name
            host = endpoint
            connect_timeout_seconds = CONNECT_SECONDS
            read_timeout_seconds = READ_SECONDS
            max_retry_attempts = RETRIES

    return Bound
