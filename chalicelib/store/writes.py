"""The kinds of writes to the table, as values: what each does to one item, and on what condition.

`Table.write` carries out several of them in one transaction. A condition that does not hold is a
`ConflictError`, and nothing is written.
"""

from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.rate_limits import RateLimit
from chalicelib.store.keys import Key


@dataclass(frozen=True, slots=True)
class Put:
    """Write a new item; a condition of the transaction is that it did not exist."""

    key: Key
    values: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetEntry:
    """Write one of the entries of an item that exists, such as a receipt of a page."""

    key: Key
    name: str
    stored: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemoveEntry:
    """Take one of the entries out of an item that exists; the item stays, be it empty."""

    key: Key
    name: str


@dataclass(frozen=True, slots=True)
class FirstEntry:
    """Write the first entry of an item that exists and has none."""

    key: Key
    name: str
    stored: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetBlob:
    """Replace the blob of an item that still has the one it was read with."""

    key: Key
    blob: bytes = field(repr=False)
    was: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SetBody:
    """Replace the body of an item that still has the one it was read with.

    The blob too, where one is given. `was` is None where it had none, or the item did not exist;
    with a `body` of None it has none afterwards. `due` is for a place in the list of people: since
    when something is due (`SetDue`); None leaves that as it is.
    """

    key: Key
    body: str | None = field(repr=False)
    was: str | None = field(repr=False)
    blob: bytes | None = field(default=None, repr=False)
    due: str | None = None


NOT_DUE = ""
"""The due time of a person for whom nothing will be due: the index does not hold them."""


@dataclass(frozen=True, slots=True)
class SetDue:
    """Move a person in the index of due times, if their place in the list holds what was read.

    `due` is an instant, or NOT_DUE.
    """

    key: Key
    due: str
    was: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NextNumber:
    """Set the number of an item that exists, if it is one less, or absent before the first."""

    key: Key
    number: int


@dataclass(frozen=True, slots=True)
class MoveEntry:
    """Take an entry that holds `was` out of an item, and set its free body or next number."""

    key: Key
    name: str
    was: str = field(repr=False)
    body: str | None = field(default=None, repr=False)
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Add:
    """Add to a counter, which may be new."""

    key: Key
    amount: int


@dataclass(frozen=True, slots=True)
class SetNumber:
    """Set a counter that still has the number it was read with.

    `was` None: it must not be there.
    """

    key: Key
    number: int
    was: int | None


@dataclass(frozen=True, slots=True)
class Try:
    """Add one to the counter of an item that exists, unless it has reached `most`."""

    key: Key
    most: int


@dataclass(frozen=True, slots=True)
class Count:
    """Add one to a counter, which may be new, unless it has reached `most`.

    `body` is kept beside it.
    """

    key: Key
    most: int
    body: str
    ttl: int


@dataclass(frozen=True, slots=True)
class Replace:
    """Write an item, whatever was there."""

    key: Key
    values: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove an item, if it is there.

    With `empty` only one without body and entries whose number is still `number`. `over` says that
    the proof it belongs to is over: nothing else removes a receipt.
    """

    key: Key
    empty: bool = False
    number: int | None = None
    over: bool = False


@dataclass(frozen=True, slots=True)
class Spend:
    """Take so many from a token bucket (`domain.rate_limits`) while there is room in it.

    `fresh` if it was found untouched. Where it was not, others may take from it meanwhile and this
    still holds: only an empty bucket is a conflict.
    """

    key: Key
    rule: RateLimit
    now: int
    fresh: bool
    amount: int = 1


Write = (
    Put
    | SetEntry
    | RemoveEntry
    | FirstEntry
    | SetBlob
    | SetBody
    | SetDue
    | NextNumber
    | MoveEntry
    | Add
    | SetNumber
    | Try
    | Count
    | Replace
    | Delete
    | Spend
)
