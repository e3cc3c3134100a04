"""Messages: what the outbox still asks to be told, what became of each message, and whom none reaches.

An item of the outbox goes when everything it asks for has been told. Each message
has a record of its own, once per item, kind of message and kind of contact: who sends takes it for a while first, so
that neither a stream that repeats itself nor two senders at once send anything twice.
"""

import contextlib
import hashlib
import itertools
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.contacts import Contact, dump_contacts, load_contacts
from chalicelib.domain.errors import ConcurrentWriteError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.message_outcomes import FINAL, Outcome, Reason
from chalicelib.domain.subjects import Subject
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import (
    SHARDS,
    Key,
    dead_letter_key,
    earlier_undeliverable_key,
    letter_key,
    reminder_key,
    undeliverable_key,
    undelivered_key,
    unsent_key,
)
from chalicelib.store.table import ConflictError, Delete, Item, Put, Replace, SetBody, Table, Write

MAX_TRIES = 10
LEASE = timedelta(minutes=2)
"""For how long one sender has a message to itself: longer than any function that sends runs on after it took it."""

MARKED = timedelta(days=365)
"""For how long it is kept that a contact bounced or complained: the contact may be of somebody who was erased since."""

UNDELIVERABLE = ("bounce", "complaint")
"""For what a contact is marked."""

LINK_REQUEST_TTL = timedelta(days=1)
"""For how long a wish for a link is kept at most, whatever fails: whoever still wants one asks again."""

MAX_SUBJECTS_PER_REQUEST = 5
"""How many people one wish reaches under one contact: no more messages go there at once (`limits.MESSAGE`)."""

_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)

DECIDED = "decided"
"""The kind of an item that a decision left; which messages follow is told by its receipt."""

LINK_REQUEST = "wanted"
"""The kind of an item that asks for a link, before anybody looked whose it is: its subject is its own key."""

UNREADABLE = "unreadable"
"""What an item is called that holds something nobody can read: it is set aside, and holds up nothing."""

NOTHING = "nothing"
"""The name of the record of an item that led to no message at all."""


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Something to tell: of what kind, to whom, about which receipt (and its version in the chain), led where.

    `kind` is "decided", "link", "erase", "reminder", "expiring", "of_age" or "changed". What the last four need is in
    `addresses` (the decisions they are about), `at` (since when something holds) and `until` (when something ends).
    `to` says which contacts hear of it, where not all (`outbox.OTHERS`, `outbox.TYPED`).
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
    sealed: bytes = field(repr=False)

    @property
    def key(self) -> Key:
        """Where it is kept."""
        return unsent_key(self.entry.clinic, self.number)

    def rewritten(self, **changed: Any) -> str:
        """Write it with some changes; what cannot be read stays as it is."""
        return self.body if self.entry.kind == UNREADABLE else replace(self.entry, **changed).stored()

    @property
    def about(self) -> dict[str, int]:
        """What a record names beside its outcome: the receipt's version, where the item's number does not tell it."""
        version = self.entry.version
        if version is None or self.number == self.entry.receipt:
            return {}
        return {"version": version}

    @property
    def seal_name(self) -> str:
        """What it is sealed as."""
        return _what(self.number)

    def contacts(self, key: ClinicKey, salt: str) -> list[Contact]:
        """Give the contacts it was left with; raise ValueError where the person's key is gone."""
        return list(load_contacts(key.decrypt(self.entry.subject, salt, _what(self.number), self.sealed)))


@dataclass(frozen=True, slots=True)
class DeliveryLease:
    """The right to send one message, for a while."""

    key: Key
    body: str
    about: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnsentMessage:
    """Why one message of an item was not sent."""

    outcome: Outcome
    reason: Reason


class DeliveryBusyError(ConcurrentWriteError):
    """Somebody else is sending this message just now."""


def outbox_put(key: ClinicKey, salt: str, number: str, unsent: OutboxEntry, contacts: Sequence[Contact]) -> Put:
    """Give the item that leaves word of something to tell, other than a decision (`outbox.left`), for its transaction.

    `number` is random. The contacts are sealed under the person's own key; none means those the person is known by.
    """
    blob = key.encrypt(unsent.subject, salt, _what(number), dump_contacts(contacts))
    return Put(unsent_key(unsent.clinic, number), {"body": unsent.stored(), "blob": blob})


def link_request(key: ClinicKey, contacts: Sequence[Contact], lang: str, base: str, now: Instant) -> Put:
    """Give the item of somebody who asks for their link, whoever that is.

    Whoever carries it out looks for the people under these contacts then. So asking is the same work, and the item the
    same, whether or not anybody is known. The key it is sealed under is its own, and gone with it.
    """
    own = secrets.token_hex(16)
    put = outbox_put(key, own, own, OutboxEntry(LINK_REQUEST, key.clinic, own, lang, base), contacts)
    return replace(put, values={**put.values, "ttl": int((moment(now) + LINK_REQUEST_TTL).timestamp())})


def expand_link_request(
    table: Table, key: ClinicKey, each: OutboxItem, people: Mapping[Contact, Sequence[Subject]]
) -> tuple[int, int]:
    """Put an item for each person whose own a contact is in the place of a wish for a link; none for nobody.

    Gives for how many people there is one, and for how many there is none because too many share the contact.
    With the person stands that it was left, so that erasing them finds it. The same wish gives the same numbers, so
    that nobody gets two links where it is shared out twice. Anybody can make up very many people under one contact:
    those who are certain come first, then those who decided last.
    """
    writes: list[Write] = [Delete(each.key)]
    reached = left_out = 0
    for contact, known in people.items():
        own = [person for person in known if person.owns(key.lookup(contact))]
        own.sort(key=lambda person: (person.certain, person.recorded_at), reverse=True)
        chosen = own[:MAX_SUBJECTS_PER_REQUEST]
        reached += len(chosen)
        left_out += len(own) - len(chosen)
        for person in chosen:
            word = replace(each.entry, kind="link", subject=person.id)
            number = hashlib.sha256(f"{each.number}|{person.id}|{contact.kind}".encode()).hexdigest()[:32]
            left = reminder_key(key.clinic, person.id, word.kind, number)
            writes += [
                outbox_put(key, person.salt, number, word, [contact]),
                Put(left, {"body": json.dumps({"number": number})}),
            ]
    with contextlib.suppress(ConflictError):  # shared out by another just now
        table.write(writes)
    return reached, left_out


def link_requests(table: Table, clinic: str) -> Iterator[OutboxItem]:
    """Give the wishes for a link at a clinic that nobody has shared out yet."""
    return (each for each in waiting_of(table, clinic) if each.entry.kind == LINK_REQUEST)


def waiting_of(table: Table, clinic: str) -> Iterator[OutboxItem]:
    """Give everything that a clinic has still to tell, due or not."""
    for shard in SHARDS:
        for item in table.partition(unsent_key("", shard).pk, f"{clinic}#"):
            yield _read(item)


def waiting(table: Table, now: Instant) -> Iterator[OutboxItem]:
    """Give everything that is due, of all clinics, strongly consistently, page by page."""
    for shard in SHARDS:
        for item in table.partition(unsent_key("", shard).pk, ""):
            each = _read(item)
            if each.entry.due <= now:
                yield each


def still_waiting(table: Table, keys: Sequence[Key]) -> list[OutboxItem]:
    """Give those of these items that are still in the outbox, as they are now."""
    return [_read(item) for item in table.get(keys).values()]


def claim(  # noqa: PLR0917 - what a message is, and what is written with taking it
    table: Table, each: OutboxItem, letter: str, now: Instant, also: Sequence[Write] = (), once: Sequence[Write] = ()
) -> DeliveryLease | None:
    """Take one message to send it, writing `also` at once, and `once` with the first try; None where it is settled.

    Raises BusyLetterError while somebody else has it.
    """
    key = letter_key(each.entry.clinic, each.entry.subject, f"{each.number}#{letter}")
    until = instant(moment(now) + LEASE)
    leased = {"state": Outcome.SENDING, "until": until, "by": secrets.token_hex(8), **each.about}
    lease = DeliveryLease(key, json.dumps(leased), each.about)
    try:
        table.write([Put(key, {"body": lease.body}), *also, *once])
    except ConflictError:
        found = table.get([key]).get(key)
        body = found.body if found is not None and found.body else ""
        record = json.loads(body or "{}")
        if record.get("state") in FINAL:
            return None
        if not body or record.get("until", "") > now:
            raise DeliveryBusyError from None
        try:
            table.write([SetBody(key, lease.body, was=body), *also])
        except ConflictError:
            raise DeliveryBusyError from None
    return lease


def tried(table: Table, each: OutboxItem, letter: str) -> bool:
    """Tell whether anybody ever took one message to send it."""
    key = letter_key(each.entry.clinic, each.entry.subject, f"{each.number}#{letter}")
    return key in table.get([key])


def record_outcome(table: Table, lease: DeliveryLease, state: Outcome, **more: str) -> None:
    """Write what became of a message; somebody who took it over meanwhile keeps the last word."""
    try:
        body = json.dumps({"state": state, **more, **lease.about})
        table.write([SetBody(lease.key, body, was=lease.body)])
    except ConflictError:
        return


def remove(table: Table, item: OutboxItem) -> None:
    """Take an item out of the outbox: nothing is left to do for it."""
    table.write([Delete(item.key)])


def remove_with_reasons(table: Table, item: OutboxItem, unsent: Mapping[str, UnsentMessage], now: Instant) -> None:
    """Take an item out of the outbox, and record in the same transaction why some of its messages were not sent.

    A record that says that a message was sent stays as it is. One round trip; two more where a message was tried
    before. Raises DeliveryBusyError where somebody is sending one of them just now.
    """
    records = {}
    for name, message in unsent.items():
        key = letter_key(item.entry.clinic, item.entry.subject, f"{item.number}#{name}")
        body = {"state": message.outcome, "reason": message.reason, "at": now, **item.about}
        if name == NOTHING and item.entry.kind != DECIDED:
            body["kind"] = item.entry.kind
        records[key] = json.dumps(body)
    try:
        table.write([Delete(item.key), *(Put(key, {"body": body}) for key, body in records.items())])
    except ConflictError:
        found = table.get(list(records))
        rewritten = [_rewritten(found.get(key), key, body, now) for key, body in records.items()]
        try:
            table.write([Delete(item.key), *(write for write in rewritten if write is not None)])
        except ConflictError:
            raise DeliveryBusyError from None


def _rewritten(found: Item | None, key: Key, body: str, now: Instant) -> Write | None:
    """Give the write that puts a record in the place of an earlier one; None where that is final."""
    if found is None:
        return Put(key, {"body": body})
    record = json.loads(found.body or "{}")
    if record.get("state") in FINAL:
        return None
    if record.get("until", "") > now:
        raise DeliveryBusyError
    return SetBody(key, body, was=found.body)


def retry_later(table: Table, each: OutboxItem, now: Instant) -> bool:
    """Put an item off after a failure, each time twice as long; give it up after the last try and tell True then."""
    tries = each.entry.tries + 1
    if tries >= MAX_TRIES:
        move_to_dead_letters(table, each, tries)
        return True
    wait = min(_FIRST_WAIT * 2 ** (tries - 1), _LONGEST_WAIT)
    postpone(table, each, instant(moment(now) + wait), tries)
    return False


def postpone(table: Table, each: OutboxItem, due: Instant, tries: int) -> None:
    """Let an item wait until it is due; where another sender was quicker, what that one wrote holds."""
    with contextlib.suppress(ConflictError):
        table.write([SetBody(each.key, each.rewritten(tries=tries, due=due), was=each.body)])


def move_to_dead_letters(table: Table, each: OutboxItem, tries: int = 0) -> None:
    """Give an item up: it is kept aside, for an operator to see and to send again; a wish nobody waits for goes."""
    if each.entry.kind == LINK_REQUEST:
        remove(table, each)
        return
    buried = dead_letter_key(each.entry.clinic, each.number)
    table.write([Delete(each.key), Replace(buried, {"body": each.rewritten(tries=tries), "blob": each.sealed})])


def dead_letters(table: Table, clinic: str) -> list[OutboxItem]:
    """Give what was given up of a clinic."""
    return [_read(item) for item in table.partition(dead_letter_key(clinic, "").pk, "")]


def kept(table: Table, clinic: str) -> Iterator[tuple[Key, OutboxItem]]:
    """Give everything of a clinic that is sealed on its way, with its place: in the outbox and set aside."""
    outbox = (table.partition(unsent_key("", shard).pk, f"{clinic}#") for shard in SHARDS)
    for item in (*itertools.chain.from_iterable(outbox), *table.partition(dead_letter_key(clinic, "").pk, "")):
        yield item.key, _read(item)


def requeue(table: Table, each: OutboxItem) -> None:
    """Put what was given up back into the outbox, as if for the first time; what was sent of it stays sent."""
    again = Put(each.key, {"body": each.rewritten(tries=0, due=""), "blob": each.sealed})
    table.write([again, Delete(dead_letter_key(each.entry.clinic, each.number))])


def states(table: Table, each: OutboxItem) -> dict[str, str]:
    """Tell what became of each message of an item: "confirm#email" → "sent"; of a refused one also why."""
    start = letter_key(each.entry.clinic, each.entry.subject, f"{each.number}#")
    records = {item.key: json.loads(item.body or "") for item in table.partition(start.pk, start.sk)}
    return {
        key.sk.split("#", 2)[2]: f"{record['state']} {record.get('reason', '')}".strip()
        for key, record in records.items()
    }


def records_of(table: Table, clinic: str, subject: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give the record of every message to a person: the number of its item, its name there, what became of it."""
    start = letter_key(clinic, subject, "")
    for item in table.partition(start.pk, start.sk):
        number, _, name = item.sk.removeprefix(start.sk).partition("#")
        yield number, name, json.loads(item.body or "{}")


def mark_undeliverable(table: Table, clinic: str, lookup: str, reason: str, at: Instant) -> bool:
    """Mark a contact that no message reaches, or that wants none; tell False where it was marked before.

    A new report takes the place of the old one; a year after the last of them nothing is left.
    """
    over = int((moment(at) + MARKED).timestamp())
    values = {"body": json.dumps({"reason": reason, "at": at}), "ttl": over}
    mark = Put(undeliverable_key(clinic, lookup, reason), values)
    table.put(Put(undelivered_key(clinic, lookup, reason), values))
    if table.put_new(mark):
        return True
    table.put(mark)
    return False


def undeliverable(table: Table, clinic: str, lookup: str) -> Mapping[str, Instant]:
    """Give for what reasons a contact is marked, each with when that was last reported."""
    places = (earlier_undeliverable_key, undeliverable_key)
    found = table.get([make(clinic, lookup, reason) for reason in UNDELIVERABLE for make in places])
    marks = [json.loads(item.body or "") for item in found.values()]
    return {mark["reason"]: mark["at"] for mark in sorted(marks, key=lambda mark: str(mark["at"]))}


def _what(number: str) -> str:
    return f"unsent#{number}"


def _read(item: Item) -> OutboxItem:
    body, (clinic, _, number) = item.body or "", item.sk.rpartition("#")
    clinic = clinic or item.pk.partition("#")[2]  # a dead letter's partition names it
    try:
        unsent = OutboxEntry.read(body)
    except (ValueError, TypeError):
        unsent = OutboxEntry(UNREADABLE, clinic, "", "", "")
    return OutboxItem(number, unsent, body, bytes(item.blob or b""))
