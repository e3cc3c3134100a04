"""The outbox: what is still to be written to people, each item with the contacts it goes to.

A decision leaves its item in its own transaction. The contacts are encrypted under the person's own
key until they were written to: erasing the person makes them unreadable. An item that failed too
often is set aside, for an operator.

There are two queues. What patients wait for, and hear at once, stands in one (`outbox_key`); letters
that nobody asked for (LETTERS) in the other (`letter_key`), so that ten thousand of them stand in no
patient's way.
"""

import contextlib
import hashlib
import itertools
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.consent import Channel
from chalicelib.domain.contacts import Contact, dump_contacts, load_contacts
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.message_outcomes import Reason
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.reminders import ReminderKind
from chalicelib.domain.subjects import Subject
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import (
    SHARDS,
    Key,
    dead_letter_key,
    letter_key,
    open_claims_key,
    outbox_key,
    reminder_key,
    shards_from,
)
from chalicelib.store.table import ConflictError, Item, Table
from chalicelib.store.writes import Delete, Put, Replace, SetBody, Write

Queue = Callable[[str, str], Key]
"""Where the items of a queue stand: the key by clinic and number, `outbox_key` or `letter_key`."""

MAX_TRIES = 10
LINK_REQUEST_TTL = timedelta(days=1)
"""For how long a request for a link is kept at most, whatever fails: whoever still wants one asks
again."""

MAX_SUBJECTS_PER_REQUEST = 5
"""How many people one request reaches under one contact: no more messages go there at once
(`rate_limits.MESSAGE`)."""

_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)

DECIDED = "decided"
"""The kind of an item that a decision left; which messages follow is told by its receipt."""

LINK_REQUEST = "wanted"
"""The kind of an item that asks for a link, before anybody looked whose it is: its subject is its
own key."""

LETTERS = frozenset(ReminderKind)
"""The kinds of items that nobody asked for: they wait in a queue of their own."""

UNREADABLE = "unreadable"
"""What an item is called that holds something nobody can read: it is set aside, and holds up
nothing."""


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Something to write about: its kind, the person, the receipt with its version, where links
    lead.

    `kind` is DECIDED, LINK_REQUEST or the value of a `messages.rules.Message`. `addresses` are the
    questions it is about; of a new contact, the lookup key of the one it replaces. `at` is since
    when something holds, `until` when it ends. `to` says which contacts hear of it, where not all
    (OTHERS, TYPED).
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

    def stored(self) -> str:
        """Write it, to be kept."""
        return json.dumps(asdict(self))

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
    """Give the item of a message that no decision led to (`outbox_writes`), for its transaction.

    `number` is the receipt's id, an HMAC (`ClinicKey.outbox_number`), a hash (`_link_writes`) or
    random: nobody can guess it. The contacts are sealed under the person's own key; none means
    those the person is known by.
    """
    blob = key.encrypt(unsent.subject, salt, _what(number), dump_contacts(contacts))
    key_of = queue_of(unsent.kind)
    return Put(key_of(unsent.clinic, number), {"body": unsent.stored(), "blob": blob})


def queue_of(kind: str) -> Queue:
    """Tell in which queue an item of a kind waits."""
    return letter_key if kind in LETTERS else outbox_key


def link_request(
    key: ClinicKey, contacts: Sequence[Contact], lang: str, base: str, now: Instant
) -> Put:
    """Give the item of somebody who asks for their link, whoever that is.

    Whoever carries it out looks for the people under these contacts then. So asking is the same
    work, and the item the same, whether or not anybody is known. The key it is encrypted under is
    its own, and gone with it.
    """
    own = secrets.token_hex(16)
    entry = OutboxEntry(LINK_REQUEST, key.clinic, own, lang, base)
    put = new_item(key, own, own, entry, contacts)
    over = moment(now) + LINK_REQUEST_TTL
    return put._replace(values={**put.values, "ttl": int(over.timestamp())})


def expand_link_request(
    table: Table, key: ClinicKey, item: OutboxItem, people: Mapping[Contact, Sequence[Subject]]
) -> tuple[int, int]:
    """Put an item for each person whose own a contact is in the place of a request for a link.

    Gives how many people get one, and how many do not because too many share the contact. Each
    write is one alone: the request goes last, and expanding it twice gives the same numbers, so
    nobody gets two links. A record beside the person leads to their item, so that erasing them
    finds it. Anybody can make up very many people under one contact: those who are certain come
    first, then those who decided last.
    """
    reached = left_out = 0
    for contact, known in people.items():
        own = [person for person in known if person.owns(key.lookup(contact))]
        own.sort(key=lambda person: (person.certain, person.recorded_at), reverse=True)
        chosen = own[:MAX_SUBJECTS_PER_REQUEST]
        reached += len(chosen)
        left_out += len(own) - len(chosen)
        for person in chosen:
            for write in _link_writes(key, item, person, contact):
                with contextlib.suppress(ConflictError):  # expanded before
                    table.write_one(write)
    remove(table, item)
    return reached, left_out


def _link_writes(
    key: ClinicKey, item: OutboxItem, person: Subject, contact: Contact
) -> list[Write]:
    """Give the record beside a person that leads to the item that sends them their link, and then
    the item.
    """
    entry = replace(item.entry, kind="link", subject=person.id)
    unique = f"{item.number}|{person.id}|{contact.kind}"
    number = hashlib.sha256(unique.encode()).hexdigest()[:32]
    record = reminder_key(key.clinic, person.id, entry.kind, number)
    return [
        Put(record, {"body": json.dumps({"number": number})}),
        new_item(key, person.salt, number, entry, [contact]),
    ]


def link_requests(table: Table, clinic: str) -> Iterator[OutboxItem]:
    """Give the requests for a link at a clinic that nobody has expanded yet."""
    queued = _queued(table, outbox_key, clinic)
    return (item for item in queued if item.entry.kind == LINK_REQUEST)


def items_of(table: Table, clinic: str) -> Iterator[OutboxItem]:
    """Give everything that a clinic has still to tell, due or not, of both queues."""
    for queue in (outbox_key, letter_key):
        yield from _queued(table, queue, clinic)


def _queued(table: Table, queue: Queue, clinic: str) -> Iterator[OutboxItem]:
    for shard in SHARDS:
        for item in table.partition(queue("", shard).pk, f"{clinic}#"):
            yield _read(item)


def due_items(
    table: Table,
    now: Instant,
    queue: Queue = outbox_key,
    *,
    first: int = 0,
    out_of_time: OutOfTime = lambda: False,
) -> Iterator[OutboxItem]:
    """Give everything of a queue that is due, of all clinics, strongly consistently, page by page.

    It begins at the shard of the number `first`, and ends where time is out, be it among items that
    are not due.
    """
    for shard in shards_from(first):
        for stored in table.partition(queue("", shard).pk, ""):
            if out_of_time():
                return
            item = _read(stored)
            if item.entry.due <= now:
                yield item


def still_there(table: Table, keys: Sequence[Key]) -> list[OutboxItem]:
    """Give those of these items that are still in the outbox, as they are now."""
    return [_read(item) for item in table.get(keys).values()]


def remove(table: Table, item: OutboxItem) -> None:
    """Take an item out of the outbox: nothing is left to do for it."""
    table.write_one(Delete(item.key))


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

    A request for a link is removed: nobody waits for it any more.
    """
    if item.entry.kind == LINK_REQUEST:
        remove(table, item)
        return
    dead = dead_letter_key(item.entry.clinic, item.number)
    values = {"body": item.rewritten(tries=tries), "blob": item.encrypted}
    table.write([Delete(item.key), Replace(dead, values)])


def dead_letters(table: Table, clinic: str) -> list[OutboxItem]:
    """Give what was given up of a clinic."""
    return [_read(item) for item in table.partition(dead_letter_key(clinic, "").pk, "")]


def all_items(table: Table, clinic: str) -> Iterator[tuple[Key, OutboxItem]]:
    """Give all items of a clinic with their places: in both queues and set aside."""
    for item in itertools.chain(items_of(table, clinic), dead_letters(table, clinic)):
        yield item.key, item


def requeue(table: Table, item: OutboxItem) -> None:
    """Put what was given up back into its queue, as if for the first time.

    What was sent of it stays sent.
    """
    values = {"body": item.rewritten(tries=0, due=""), "blob": item.encrypted}
    key_of = queue_of(item.entry.kind)
    table.write([Put(key_of(item.entry.clinic, item.number), values), Delete(item.key)])


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


def why_nothing_is_left(
    document: Mapping[str, Any], *, follows: bool, reachable: bool
) -> Reason | None:
    """Tell why a decision leaves nothing in the outbox, by its receipt's document.

    None where it leaves an item. `follows` says that it only follows from another decision,
    `reachable` that a contact was given or is known. What was taken over from another system is no
    news to the patient; a receipt that decides nothing tells of a contact
    (`services.contact_changes`), and has an item of its own kind.
    """
    decisions = document["decisions"]
    if document["channel"] == Channel.IMPORT:
        return Reason.IMPORTED
    if not decisions:
        return Reason.NOTHING_DECIDED
    if follows and all(entry["before"] == entry["after"] for entry in decisions.values()):
        return Reason.NOTHING_CHANGED
    if not reachable:
        return Reason.NOBODY_KNOWN
    return None


def outbox_writes(
    key: ClinicKey,
    subject: Subject,
    receipt: Receipt,
    contacts: Sequence[Contact],
    base: str,
    *,
    to: str = "",
) -> list[Write]:
    """Give the items a receipt leaves: one for its messages, one more where something waits.

    Without contacts (staff gave the clinic's own number) the messages go to those the person is
    known under.
    """
    document = receipt.document
    clinic = document["clinic"]
    blob = key.encrypt(subject.id, subject.salt, _what(receipt.id), dump_contacts(contacts))
    body = {
        "kind": "decided",
        "clinic": clinic,
        "subject": subject.id,
        "receipt": receipt.id,
        "version": document["version"],
        "lang": document["notice"]["lang"],
        "base": base,
        "to": to,
    }
    values = {"body": json.dumps(body), "blob": blob}
    writes: list[Write] = [Put(outbox_key(clinic, receipt.id), values)]
    if until := [
        entry["confirm_by"] for entry in document["decisions"].values() if entry["confirm_by"]
    ]:
        over = int(moment(max(until)).timestamp())
        writes.append(
            Put(open_claims_key(clinic, receipt.id), {**values, "number": 0, "ttl": over})
        )
    return writes


def decrypt_contacts(
    key: ClinicKey, subject: str, salt: str, receipt: str, sealed: bytes
) -> tuple[Contact, ...]:
    """Decrypt the contacts of an item that `outbox_writes` made.

    Raises ValueError where the person was erased since.
    """
    return load_contacts(key.decrypt(subject, salt, _what(receipt), sealed))
