"""Withdrawal orders: withdrawals for more people than one request serves.

An order is written with the first receipt, in its transaction. It holds, sealed, what the
withdrawal said and by which contacts, and beside that how far it came. Each of those contacts bears
a mark while it is open, by which whoever looks finds what holds already (`stops`). When everybody
has been reached the order and the marks are removed and messages to its contacts are left in the
outbox: all at once or not at all.
"""

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.consent import Answer, Assurance, Channel
from chalicelib.domain.contacts import Contact, dump_contacts, load_contacts
from chalicelib.domain.decisions import Day, Decision, NoticeRef
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.stops import PendingStop
from chalicelib.domain.subjects import Subject
from chalicelib.receipts.sd_jwt import without_free_text
from chalicelib.store.contacts import ContactPeople
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key, shards_from
from chalicelib.store.keys.people import open_orders_key, order_key
from chalicelib.store.table import ConflictError, ContendedError, Table
from chalicelib.store.writes import Delete, Put, RemoveEntry, Replace, SetBody, SetEntry, Write

MANY = 25
"""For more people than these a withdrawal becomes an order."""

MOST_OPEN = 12
"""How many orders may be open for one contact: each is work for everybody who shares it."""

_SEALED = "order"


class TooManyOpenError(ContendedError):
    """Another withdrawal for a contact has to wait until one of many open ones is carried out.

    Nothing was stored.
    """


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order came: through which of its contacts, and the last place it reached there.

    `sure` tells whether that contact turned out to be somebody's without a doubt, `unsure` lists
    those that did not. `receipts` says for each contact which receipt it is told of: the first that
    stopped anything for somebody whose own it is. `failed` counts whom it could not reach this
    time.
    """

    contact: int = 0
    place: int = -1
    sure: bool = False
    unsure: tuple[int, ...] = ()
    receipts: Mapping[str, str] = field(default_factory=dict)
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """A withdrawal to be carried out for everybody who shares one of its contacts.

    `number` is the id of its first receipt, `decision` what all others are given, `fresh` who they
    are if a contact turns out to be nobody's. `left_only` leaves out those for whom nothing is left
    to stop.
    """

    number: str
    decision: Decision
    contacts: tuple[Contact, ...]
    base: str
    fresh: Subject
    asked_only: bool = False
    left_only: bool = False
    progress: Progress = Progress()
    body: str = field(default="", repr=False)

    @property
    def key(self) -> Key:
        """Where it is kept."""
        return order_key(self.decision.clinic, self.number)

    @property
    def stop(self) -> PendingStop:
        """What holds already for those it has not reached yet."""
        return PendingStop.of(self.decision, asked_only=self.asked_only)


def new_order(
    decision: Decision,
    contacts: Sequence[Contact],
    base: str,
    fresh: Subject,
    *,
    asked_only: bool = False,
    left_only: bool = False,
) -> Order:
    """Make an order from a decision; its first receipt records the decision as it is.

    For all others it counts from the same moment and is recorded a moment later, so that nobody who
    has decided since is recorded as having stopped after that.
    """
    recorded_at = decision.recorded_at
    if recorded_at == decision.effective_at:
        recorded_at = instant(moment(recorded_at) + timedelta(milliseconds=1))
    # What staff wrote down is about the person they saw.
    evidence = without_free_text(decision.evidence)
    return Order(
        number=decision.receipt_id,
        decision=replace(decision, evidence=evidence, recorded_at=recorded_at),
        contacts=tuple(contacts),
        base=base,
        fresh=fresh,
        asked_only=asked_only,
        left_only=left_only,
    )


def order_writes(key: ClinicKey, order: Order, known: Mapping[str, ContactPeople]) -> list[Write]:
    """Give the writes that place an order; an open one of the same number begins again.

    `known` is what was read of its contacts. Raises TooManyOpenError.
    """
    body = _progress(order.decision.clinic, order.progress)
    writes: list[Write] = [Replace(order.key, {"body": body, "blob": _encrypt(key, order)})]
    mark = order.stop.stored()
    for contact in order.contacts:
        lookup = key.lookup(contact)
        place = open_orders_key(order.decision.clinic, lookup)
        open_ones = known[lookup].orders
        if open_ones is None:
            writes.append(Put(place, {"entries": {order.number: mark}}))
            continue
        if len(open_ones.keys() - {order.number}) >= MOST_OPEN:
            raise TooManyOpenError
        writes.append(SetEntry(place, order.number, mark))
    return writes


def is_open(table: Table, clinic: str, number: str) -> bool:
    """Tell whether an order is still being carried out."""
    return bool(table.get([order_key(clinic, number)]))


def open_orders(table: Table, first: int = 0) -> Iterator[Key]:
    """Give the keys of all open orders, of all clinics, from the shard of the number `first` on."""
    for shard in shards_from(first):
        for item in table.partition(order_key("", shard).pk, ""):
            yield item.key


def clinic_of(key: Key) -> str:
    """Tell of which clinic an order is."""
    return key.sk.partition("#")[0]


def read_order(table: Table, key: ClinicKey, place: Key) -> Order | None:
    """Read an order as it is now; None for one that is finished."""
    item = table.get([place]).get(place)
    if item is None:
        return None
    number = place.sk.partition("#")[2]
    return _decrypt(key, number, item)


def save_progress(table: Table, order: Order, progress: Progress) -> Order | None:
    """Write how far an order came; None where somebody else is carrying it out."""
    body = _progress(order.decision.clinic, progress)
    try:
        table.write([SetBody(order.key, body, was=order.body)])
    except ConflictError:
        return None
    return replace(order, progress=progress, body=body)


def finish(table: Table, key: ClinicKey, order: Order, messages: Collection[Write]) -> None:
    """Remove an order that reached everybody, with its marks, and leave its messages."""
    clinic = order.decision.clinic
    places = [open_orders_key(clinic, key.lookup(contact)) for contact in order.contacts]
    marked = table.get(places)
    marks = [RemoveEntry(place, order.number) for place in places if place in marked]
    with contextlib.suppress(ConflictError):  # somebody else took it away
        table.write([Delete(order.key), *marks, *messages])


def _progress(clinic: str, progress: Progress) -> str:
    return json.dumps({"clinic": clinic, **asdict(progress)})


def _encrypt(key: ClinicKey, made: Order) -> bytes:
    decision = {**asdict(made.decision), "confirm": sorted(made.decision.confirm)}
    kept: dict[str, Any] = {
        "act": decision,
        "contacts": dump_contacts(made.contacts),
        "base": made.base,
        "fresh": made.fresh.stored(),
        "asked_only": made.asked_only,
        "left_only": made.left_only,
    }
    return key.encrypt(made.number, made.number, _SEALED, json.dumps(kept, ensure_ascii=False))


def _decrypt(key: ClinicKey, number: str, item: Item) -> Order:
    kept = json.loads(key.decrypt(number, number, _SEALED, bytes(item.blob or b"")))
    progress = json.loads(item.body or "")
    del progress["clinic"]
    progress["unsure"] = tuple(progress["unsure"])
    return Order(
        number=number,
        decision=_read_decision(kept["act"]),
        contacts=load_contacts(kept["contacts"]),
        base=kept["base"],
        fresh=Subject.read(kept["fresh"]),
        asked_only=kept["asked_only"],
        left_only=kept["left_only"],
        progress=Progress(**progress),
        body=item.body or "",
    )


def _read_decision(kept: Mapping[str, Any]) -> Decision:
    return Decision(
        **{
            **kept,
            "answers": {address: Answer(answer) for address, answer in kept["answers"].items()},
            "notice": NoticeRef(**kept["notice"]),
            "controllers": tuple(kept["controllers"]),
            "channel": Channel(kept["channel"]),
            "assurance": Assurance(kept["assurance"]),
            "confirm": frozenset(kept["confirm"]),
            "day": Day(**kept["day"]) if kept["day"] else None,
        }
    )
