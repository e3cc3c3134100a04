"""Batches of paper forms in the table, and which receipt each form led to.

What staff typed (the witness, how the forms are numbered) is encrypted under the clinic's key. A
form stands under the HMAC of its number: the number itself is the receipt's (`evidence.form`),
encrypted under the person's own key, and erased with them. All of it goes by itself after a while
(`ttl`).
"""

import itertools
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from chalicelib.domain.batches import Batch
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.items import Item
from chalicelib.store.keys.jobs import batch_form_key, batch_key
from chalicelib.store.keys.key import Key
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import AddCounts, Put, RaiseNumber, SetBody, Write

PAGE = 25
"""How many batches one page of the list has."""

_SALT_BYTES = 16
_WHAT = "batch"
_FORMS = "forms"


class UnknownBatchError(NotFoundError):
    """The clinic has no batch of this id."""


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """A batch as it was read: how many forms it has, and the last counter used."""

    batch: Batch
    forms: int
    last: int | None
    body: str = field(repr=False)
    """The body as it was read: whoever changes it must find it unchanged."""

    @property
    def next_number(self) -> str:
        """The number of the form that comes next."""
        return self.batch.numbering.after(self.last)


@dataclass(frozen=True, slots=True)
class EnteredForm:
    """One form of a batch: the HMAC of its number, its receipt, by whom and when.

    `nonce` is that of the page it was sent from: the same page sent twice is the same form.
    """

    digest: str
    receipt: str
    by: str
    at: Instant
    nonce: str

    @classmethod
    def read(cls, item: Item) -> Self:
        """Read a form as it is stored."""
        digest = item.sk.removeprefix(batch_form_key("", "", "").sk)
        return cls(digest, **json.loads(item.body or ""))


def create(table: Table, key: ClinicKey, batch: Batch) -> None:
    """Keep a new batch."""
    salt = secrets.token_hex(_SALT_BYTES)
    body = json.dumps({"salt": salt, "closed_at": batch.closed_at})
    blob = key.encrypt(batch.id, salt, _WHAT, batch.stored())
    values = {"body": body, "blob": blob, "ttl": batch.forgotten_at}
    table.put_new(Put(batch_key(key.clinic, batch.id), values))


def find(table: Table, key: ClinicKey, batch: str) -> KeptBatch:
    """Give a batch by its id; raise UnknownBatchError."""
    place = batch_key(key.clinic, batch)
    item = table.get([place]).get(place)
    if item is None or item.body is None:
        raise UnknownBatchError
    return _read(key, item)


def page(table: Table, key: ClinicKey, after: str = "") -> tuple[list[KeptBatch], str | None]:
    """Give up to `PAGE` batches after an id, the newest first, and the last id if more follow."""
    place = batch_key(key.clinic, after)
    items = list(itertools.islice(table.after_key(place.pk, place.sk, PAGE + 1), PAGE + 1))
    last = items[PAGE - 1].sk.removeprefix(batch_key("", "").sk) if len(items) > PAGE else None
    return [_read(key, item) for item in items[:PAGE]], last


def close(table: Table, key: ClinicKey, kept: KeptBatch, closed_at: Instant | None) -> None:
    """Note when a batch was closed, or that it goes on; whoever was first is right."""
    changed = json.dumps({**json.loads(kept.body), "closed_at": closed_at})
    if changed == kept.body:
        return
    try:
        table.write_one(SetBody(batch_key(key.clinic, kept.batch.id), changed, was=kept.body))
    except ConflictError:
        return


def form_place(key: ClinicKey, batch: str, number: str) -> Key:
    """Give where a form of a batch stands, by the HMAC of its number."""
    return batch_form_key(key.clinic, batch, digest_of(key, batch, number))


def digest_of(key: ClinicKey, batch: str, number: str) -> str:
    """Give the HMAC of a form's number; spaces around it make no difference."""
    return key.bucket(f"batch|{batch}|{number.strip()}")[:32]


def find_form(table: Table, place: Key) -> EnteredForm | None:
    """Give the form that stands at a place."""
    item = table.get([place]).get(place)
    return EnteredForm.read(item) if item else None


def form_writes(place: Key, batch: Batch, form: EnteredForm) -> Sequence[Write]:
    """Give what is written with a form's receipt: its place, unless taken, and the count."""
    kept = {"receipt": form.receipt, "by": form.by, "at": form.at, "nonce": form.nonce}
    clinic = place.pk.removeprefix("CLINIC#").partition("#")[0]
    return [
        Put(place, {"body": json.dumps(kept), "ttl": batch.forgotten_at}),
        AddCounts(batch_key(clinic, batch.id), {_FORMS: 1}),
    ]


def raise_counter(table: Table, clinic: str, batch: str, counter: int) -> None:
    """Keep the last counter used, unless a higher one is kept."""
    try:
        table.write_one(RaiseNumber(batch_key(clinic, batch), counter))
    except ConflictError:
        return


def forms(table: Table, clinic: str, batch: str) -> list[EnteredForm]:
    """Give every form of a batch, the last entered first; at most a few hundred."""
    place = batch_form_key(clinic, batch, "")
    found = map(EnteredForm.read, table.partition(place.pk, place.sk))
    return sorted(found, key=lambda form: (form.at, form.digest), reverse=True)


def _read(key: ClinicKey, item: Item) -> KeptBatch:
    body = item.body or ""
    state = json.loads(body)
    batch_id = item.sk.removeprefix(batch_key("", "").sk)
    stored = key.decrypt(batch_id, state["salt"], _WHAT, bytes(item.blob or b""))
    batch = Batch.read(stored)
    closed = batch.close(state["closed_at"]) if state["closed_at"] else batch.reopen()
    return KeptBatch(closed, item.counts.get(_FORMS, 0), item.number, body)
