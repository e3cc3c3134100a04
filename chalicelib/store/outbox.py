"""The outbox: what is still to be done after a decision, and what is still to be written to people.

Every receipt leaves one item in its own transaction, which says both: that the receipt is to be
counted and signed, and which contacts are to be told. The item goes when both are done; where only
the signature is missing it stays without contacts. Contacts are encrypted under the person's own
key: erasing the person makes them unreadable. An item whose messages failed too often is set aside,
for an operator. What no decision led to (a reminder, a request for a link) has items too.

There are two queues. What patients wait for, and hear at once, stands in one (`outbox_key`); letters
that nobody asked for (LETTERS) in the other (`letter_key`), so that ten thousand of them stand in no
patient's way.
"""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.contacts import Contact, dump_contacts, load_contacts
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.reminders import ReminderKind
from chalicelib.domain.subjects import Subject
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.gathered import Gathered
from chalicelib.store.items import Item
from chalicelib.store.keys.key import SHARDS, Key, shards_from
from chalicelib.store.keys.messages import dead_letter_key, letter_key, outbox_key
from chalicelib.store.table import BATCH, ConflictError, ContendedError, Table
from chalicelib.store.writes import Delete, Put, Replace, SetBody, Write

Queue = Callable[[str, str], Key]
"""Where the items of a queue stand: the key by clinic and number, `outbox_key` or `letter_key`."""

MAX_TRIES = 10
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)

DECIDED = "decided"
"""The kind of an item that a decision left; which messages follow is told by its receipt."""

NO_MESSAGE = "no-message"
"""The kind of an item whose receipt is only to be counted and signed: nobody is to be told."""

LINK_REQUEST = "wanted"
"""The kind of an item that asks for a link, before anybody looked whose it is: its subject is its
own key."""

RECIPIENT_NOTICE = "recipients"
"""The kind of an item that nobody reads as a message: whom the person's data was disclosed to is to
hear of what stands under `to` (GDPR Art. 19)."""

LETTERS = frozenset(ReminderKind)
"""The kinds of items that nobody asked for: they wait in a queue of their own."""

SILENT = frozenset({NO_MESSAGE, RECIPIENT_NOTICE})
"""The kinds of items of which no person gets a message."""

UNREADABLE = "unreadable"
"""What an item is called that holds something nobody can read: it is set aside, and holds up
nothing."""


_REQUIRED = frozenset({"kind", "clinic", "subject", "lang", "base"})


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Something to be done: its kind, the person, the receipt with its version, where links lead.

    `kind` is DECIDED, NO_MESSAGE, LINK_REQUEST or the value of a `messages.rules.Message`; of those
    "confirm" asks once more what the item of the receipt asked before.
    `addresses` are the questions it is about; of a new contact, the lookup key of the one it
    replaces. `at` is since when something holds, `until` when it ends. `to` says which contacts
    hear of it, where not all (OTHERS, TYPED). `signed` says of the item of a receipt that only its
    messages are left.
    """

    kind: str
    clinic: str
    subject: str
    lang: str
    base: str
    receipt: str | None = None
    version: int | None = None
    addresses: tuple[str, ...] = ()
    at: Instant | None = None
    until: Instant | None = None
    tries: int = 0
    due: Instant = ""
    to: str = ""
    signed: bool = False

    def stored(self) -> str:
        """Write it, to be kept; what is empty is left out."""
        kept = {name: value for name, value in asdict(self).items() if value or name in _REQUIRED}
        return json.dumps(kept)

    @classmethod
    def read(cls, stored: str) -> "OutboxEntry":
        """Read what was kept; raise ValueError or TypeError for what is none."""
        kept = json.loads(stored)
        return cls(**{**kept, "addresses": tuple(kept.get("addresses", ()))})


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """An item of the outbox as it was read, and its number."""

    number: str
    entry: OutboxEntry
    body: str = field(repr=False)
    encrypted: bytes = field(repr=False)
    key: Key
    """Where it is kept."""

    def rewritten(self, **changed: Any) -> str:
        """Write it with some changes; what cannot be read stays as it is."""
        return (
            self.body if self.entry.kind == UNREADABLE else replace(self.entry, **changed).stored()
        )

    @property
    def unsigned(self) -> bool:
        """Whether it stands for its receipt, too, which is still to be counted and signed."""
        entry = self.entry
        own = entry.kind in {DECIDED, NO_MESSAGE} and entry.receipt == self.number
        return own and not entry.signed

    @property
    def receipt_place(self) -> tuple[str, str, int]:
        """The clinic, the person and the version of the receipt it stands for."""
        return self.entry.clinic, self.entry.subject, self.entry.version or 0

    def now_signed(self) -> "OutboxItem":
        """Give the item with its receipt signed; in the table it is as it was."""
        return replace(self, entry=replace(self.entry, signed=True))

    @property
    def about(self) -> dict[str, int]:
        """What a record names beside its outcome: the receipt's version.

        Empty where the item's number tells it.
        """
        version = self.entry.version
        if version is None or self.number == self.entry.receipt:
            return {}
        return {"version": version}

    @property
    def encrypted_as(self) -> str:
        """What it is sealed as."""
        return _what(self.number)

    def contacts(self, key: ClinicKey, salt: str) -> list[Contact]:
        """Give the contacts it was left with; raise ValueError where the person's key is gone."""
        return list(
            load_contacts(key.decrypt(self.entry.subject, salt, _what(self.number), self.encrypted))
        )


def new_item(
    key: ClinicKey, salt: str, number: str, unsent: OutboxEntry, contacts: Sequence[Contact]
) -> Put:
    """Give the item of a message that no decision led to (`outbox_write`), for its transaction.

    `number` is the receipt's id, an HMAC (`ClinicKey.outbox_number`), a hash (`link_writes`) or
    random: nobody can guess it. The contacts are sealed under the person's own key; none means
    those the person is known by.
    """
    blob = key.encrypt(unsent.subject, salt, _what(number), dump_contacts(contacts))
    key_of = queue_of(unsent.kind)
    return Put(key_of(unsent.clinic, number), {"body": unsent.stored(), "blob": blob})


def queue_of(kind: str) -> Queue:
    """Tell in which queue an item of a kind waits."""
    return letter_key if kind in LETTERS else outbox_key


def items_of(table: Table, clinic: str) -> Iterator[OutboxItem]:
    """Give everything that a clinic has still to tell, due or not, of both queues."""
    for queue in (outbox_key, letter_key):
        yield from queued(table, queue, clinic)


def queued(table: Table, queue: Queue, clinic: str) -> Iterator[OutboxItem]:
    """Give what a clinic has still to tell of one queue, due or not."""
    for shard in SHARDS:
        for stored in table.partition(queue("", shard).pk, f"{clinic}#"):
            item = _read(stored)
            if item.entry.kind not in SILENT:
                yield item


def due_items(
    table: Table,
    now: Instant,
    queue: Queue = outbox_key,
    *,
    first: int = 0,
    out_of_time: OutOfTime = lambda: False,
) -> Iterator[OutboxItem]:
    """Give everything of a queue of which messages are due, of all clinics, strongly consistently.

    It begins at the shard of the number `first`, and ends where time is out, be it among items that
    are not due.
    """
    for shard in shards_from(first):
        for stored in table.partition(queue("", shard).pk, ""):
            if out_of_time():
                return
            item = _read(stored)
            if item.entry.kind not in SILENT and item.entry.due <= now:
                yield item


def recipient_notices(table: Table, first: int = 0) -> Iterator[OutboxItem]:
    """Give the items that recipients of a person's data are to hear of, from a shard on."""
    for shard in shards_from(first):
        for stored in table.partition(outbox_key("", shard).pk, ""):
            item = _read(stored)
            if item.entry.kind == RECIPIENT_NOTICE:
                yield item


def unsigned_items(table: Table, first: int = 0) -> Iterator[OutboxItem]:
    """Give the items whose receipts are still to be counted and signed, from a shard on."""
    for shard in shards_from(first):
        for stored in table.partition(outbox_key("", shard).pk, ""):
            item = _read(stored)
            if item.unsigned:
                yield item


def announced(image: Mapping[str, Mapping[str, Any]]) -> OutboxItem:
    """Give an item as a record of the stream tells of it, without its contacts."""
    return _read(Item({name: image[name] for name in ("pk", "sk", "body") if name in image}))


def still_there(reads: Table | Gathered, keys: Sequence[Key]) -> list[OutboxItem]:
    """Give those of these items that are still in the outbox, as they are now, in this order."""
    found = reads.get(keys)
    return [_read(found[key]) for key in dict.fromkeys(keys) if key in found]


def finish_write(item: OutboxItem) -> Write:
    """Give the write that takes an item out of the outbox: its messages are done.

    Where its receipt is still to be signed it stays for that, without contacts and without where
    links lead; a condition is that nobody else changed it since.
    """
    if not item.unsigned:
        return Delete(item.key)
    clinic, subject, version = item.receipt_place
    left = OutboxEntry(NO_MESSAGE, clinic, subject, "", "", item.number, version)
    return SetBody(item.key, left.stored(), was=item.body, blob=b"")


def remove(table: Table, item: OutboxItem) -> None:
    """Take an item out of the outbox, as `finish_write` says."""
    with contextlib.suppress(ConflictError):  # another was quicker: what that one wrote holds
        table.write_one(finish_write(item))


def note_signed(table: Table, item: OutboxItem) -> None:
    """Note that the receipt of an item is counted and signed; take it out where that was all."""
    if item.entry.kind == NO_MESSAGE:
        table.write_one(Delete(item.key))
        return
    with contextlib.suppress(ConflictError):  # as above
        table.write_one(SetBody(item.key, item.now_signed().rewritten(), was=item.body))


def retry_later(table: Table, item: OutboxItem, now: Instant) -> bool:
    """Put an item off after a failure, each time twice as long.

    Gives it up after the last try, and tells True then.
    """
    tries = item.entry.tries + 1
    if tries >= MAX_TRIES:
        move_to_dead_letters(table, item, tries)
        return True
    wait = min(_FIRST_WAIT * 2 ** (tries - 1), _LONGEST_WAIT)
    postpone(table, item, instant(moment(now) + wait), tries)
    return False


def postpone(table: Table, item: OutboxItem, due: Instant, tries: int) -> None:
    """Let an item wait until it is due.

    Where another sender was quicker, what that one wrote holds.
    """
    body = item.rewritten(tries=tries, due=due)
    with contextlib.suppress(ConflictError):
        table.write_one(SetBody(item.key, body, was=item.body))


def move_to_dead_letters(table: Table, item: OutboxItem, tries: int = 0) -> None:
    """Give an item up: it is set aside, for an operator to see and to send again.

    A request for a link is removed: nobody waits for it any more. A receipt that is still to be
    signed keeps its item for that.
    """
    if item.entry.kind == LINK_REQUEST:
        remove(table, item)
        return
    dead = dead_letter_key(item.entry.clinic, item.number)
    values = {"body": item.rewritten(tries=tries), "blob": item.encrypted}
    with contextlib.suppress(ConflictError):  # as in `postpone`
        table.write([finish_write(item), Replace(dead, values)])


def dead_letters(table: Table, clinic: str) -> list[OutboxItem]:
    """Give what was given up of a clinic."""
    items = table.partition(dead_letter_key(clinic, "").pk, "")
    return [_read(item) for item in items if item.body]


def dead_letters_after(
    table: Table, clinic: str, after: str, most: int
) -> tuple[list[OutboxItem], str | None]:
    """Give so many of them behind a number, and the last number if more follow.

    What was let go of is still there for a day, empty (`let_go_write`): it is left out.
    """
    items = table.after_key(dead_letter_key(clinic, "").pk, after, most + 1)
    found = list(items)
    more = found[most - 1].sk if len(found) > most else None
    return [_read(item) for item in found[:most] if item.body], more


def find_dead_letter(table: Table, clinic: str, number: str) -> OutboxItem | None:
    """Give one of them by its number; None where it was sent again or let go of."""
    key = dead_letter_key(clinic, number)
    item = table.get([key]).get(key)
    return _read(item) if item is not None and item.body else None


def all_items(table: Table, clinic: str) -> Iterator[tuple[Key, OutboxItem]]:
    """Give all items of a clinic with their places: in both queues and set aside."""
    for item in itertools.chain(items_of(table, clinic), dead_letters(table, clinic)):
        yield item.key, item


def requeue(table: Table, item: OutboxItem) -> None:
    """Put what was given up back into its queue, as if for the first time.

    What was sent of it stays sent. Its receipt's own item may still be there, to be signed only.
    Raises ConflictError where that is signed just now.
    """
    body = item.rewritten(tries=0, due="")
    key = queue_of(item.entry.kind)(item.entry.clinic, item.number)
    there = table.get([key]).get(key)
    back = (
        SetBody(key, body, was=there.body, blob=item.encrypted)
        if there
        else Put(key, {"body": body, "blob": item.encrypted})
    )
    table.write([back, Delete(item.key)])


def requeue_writes(item: OutboxItem, now: Instant) -> list[Write]:
    """Give the writes that put what was given up back into its queue, for staff.

    Who answers requests removes nothing: the item set aside is emptied. A condition is that the
    item of its receipt is not in the outbox: where it is, it waits to be signed.
    """
    key = queue_of(item.entry.kind)(item.entry.clinic, item.number)
    back = Put(key, {"body": item.rewritten(tries=0, due=""), "blob": item.encrypted})
    return [back, let_go_write(item, now)]


def let_go_write(item: OutboxItem, now: Instant) -> Write:
    """Give the write that empties what was given up; DynamoDB clears it away after a day."""
    over = int((moment(now) + timedelta(days=1)).timestamp())
    return Replace(item.key, {"ttl": over})


def forget_contacts(table: Table, clinic: str, numbers: Iterable[str]) -> None:
    """Remove what is still to be told under these numbers, and what was given up of it.

    A receipt that is still to be signed keeps its item for that. Raises ContendedError where
    somebody works on one of them just now.
    """
    places = (outbox_key, letter_key, dead_letter_key)
    rest = iter(numbers)
    while batch := list(itertools.islice(rest, BATCH // len(places))):
        found = table.get([place(clinic, number) for place in places for number in batch])
        writes: list[Write] = []
        for item in map(_read, found.values()):
            waits = item.unsigned and item.key == outbox_key(clinic, item.number)
            if not waits:
                writes.append(Delete(item.key))
            elif item.entry.kind != NO_MESSAGE:
                writes.append(finish_write(item))
        try:
            if writes:
                table.write(writes)
        except ConflictError as error:
            raise ContendedError from error


def _what(number: str) -> str:
    return f"unsent#{number}"


def _read(item: Item) -> OutboxItem:
    body, (clinic, _, number) = item.body or "", item.sk.rpartition("#")
    clinic = clinic or item.pk.partition("#")[2]  # a dead letter's partition names it
    try:
        unsent = OutboxEntry.read(body)
    except (ValueError, TypeError):
        unsent = OutboxEntry(UNREADABLE, clinic, "", "", "")
    return OutboxItem(number, unsent, body, bytes(item.blob or b""), item.key)


OTHERS, TYPED = "others", "typed"
"""Which of a person's contacts hear of a stop, where not all: those it was not said under, or only
those it was."""


def outbox_write(
    key: ClinicKey,
    subject: Subject,
    receipt: Receipt,
    contacts: Sequence[Contact],
    base: str,
    *,
    to: str = "",
) -> Put:
    """Give the item a receipt leaves whose messages are to be sent.

    Without contacts (staff gave the clinic's own number) the messages go to those the person is
    known under.
    """
    document = receipt.document
    clinic = document["clinic"]
    blob = encrypt_contacts(key, subject.id, subject.salt, receipt.id, contacts)
    entry = OutboxEntry(
        DECIDED,
        clinic,
        subject.id,
        document["notice"]["lang"],
        base,
        receipt=receipt.id,
        version=document["version"],
        to=to,
    )
    return Put(outbox_key(clinic, receipt.id), {"body": entry.stored(), "blob": blob})


def recipient_notice(clinic: str, subject: str, number: str, event: str, at: Instant) -> Put:
    """Give the item by which recipients of a person's data hear of an event (GDPR Art. 19)."""
    entry = OutboxEntry(RECIPIENT_NOTICE, clinic, subject, "", "", at=at, to=event)
    return Put(outbox_key(clinic, number), {"body": entry.stored()})


def unsigned_write(clinic: str, subject: str, version: int, receipt: str) -> Put:
    """Give the item of a receipt of which nobody is to be told: it is to be counted and signed."""
    entry = OutboxEntry(NO_MESSAGE, clinic, subject, "", "", receipt, version)
    return Put(outbox_key(clinic, receipt), {"body": entry.stored()})


def encrypt_contacts(
    key: ClinicKey, subject: str, salt: str, receipt: str, contacts: Sequence[Contact]
) -> bytes:
    """Encrypt the contacts that a receipt's messages go to, under the person's own key."""
    return key.encrypt(subject, salt, _what(receipt), dump_contacts(contacts))


def decrypt_contacts(
    key: ClinicKey, subject: str, salt: str, receipt: str, sealed: bytes
) -> tuple[Contact, ...]:
    """Decrypt what `encrypt_contacts` encrypted.

    Raises ValueError where the person was erased since.
    """
    return load_contacts(key.decrypt(subject, salt, _what(receipt), sealed))
