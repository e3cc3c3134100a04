"""The kinds of writes to the table, as values: what each does to one item, and on what condition.

`Table.write` carries out several of them in one transaction. A condition that does not hold is a
`ConflictError`, and nothing is written.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.store.keys.key import Key

if TYPE_CHECKING:
    from chalicelib.domain.rate_limits import RateLimit


def _kind_and_key(write: "Write") -> str:
    """Say which write to which item: never what is stored, which may be personal."""
    return f"{type(write).__name__}(key={write.key!r})"


class Put(NamedTuple):
    """Write a new item; a condition of the transaction is that it did not exist."""

    key: Key
    values: dict[str, Any]

    def __repr__(self) -> str:
        """Keep what is stored out of tracebacks and logs."""
        return _kind_and_key(self)


class SetEntry(NamedTuple):
    """Write one of the entries of an item that exists, such as a receipt of a page."""

    key: Key
    name: str
    stored: str

    def __repr__(self) -> str:
        """Keep what is stored out of tracebacks and logs."""
        return _kind_and_key(self)


class RemoveEntry(NamedTuple):
    """Take one of the entries out of an item that exists; the item stays, be it empty."""

    key: Key
    name: str


class FirstEntry(NamedTuple):
    """Write the first entry of an item that exists and has none."""

    key: Key
    name: str
    stored: str

    def __repr__(self) -> str:
        """Keep what is stored out of tracebacks and logs."""
        return _kind_and_key(self)


class SetBlob(NamedTuple):
    """Replace the blob of an item that still has the one it was read with."""

    key: Key
    blob: bytes
    was: bytes

    def __repr__(self) -> str:
        """Keep what is stored out of tracebacks and logs."""
        return _kind_and_key(self)


class SetBody(NamedTuple):
    """Replace the body of an item that still has the one it was read with.

    The blob too, where one is given; an empty one removes it. `was` is None where it had none, or
    the item did not exist; with a `body` of None it has none afterwards.
    """

    key: Key
    body: str | None
    was: str | None
    blob: bytes | None = None

    def __repr__(self) -> str:
        """Keep what is stored out of tracebacks and logs."""
        return _kind_and_key(self)


Kept = str | bytes
"""How an item holds a person: the packed `blob`, or the `body` that an earlier version wrote.

A `body` also where the item only points to the person."""

NOT_DUE = ""
"""The due time of a person for whom nothing will be due: the index does not hold them."""


class SetKept(NamedTuple):
    """Replace what an item holds of a person, if it still holds what it was read with.

    `was` is None where it held nobody, or did not exist; with a `kept` of None it holds nobody
    afterwards. `due` is for a place in the list of people: since when something is due (`SetDue`);
    None leaves that as it is.
    """

    key: Key
    kept: Kept | None
    was: Kept | None
    due: str | None = None

    def __repr__(self) -> str:
        """Keep what is stored out of tracebacks and logs."""
        return _kind_and_key(self)


class SetDue(NamedTuple):
    """Move a person in the index of due times, if their place in the list holds what was read.

    `due` is an instant, or NOT_DUE.
    """

    key: Key
    due: str
    was: Kept

    def __repr__(self) -> str:
        """Keep what is stored out of tracebacks and logs."""
        return _kind_and_key(self)


class NextNumber(NamedTuple):
    """Set the number of an item that exists, if it is one less, or absent before the first."""

    key: Key
    number: int


class MoveEntry(NamedTuple):
    """Take an entry that holds `was` out of an item that kept several people.

    Keep the person there, if nobody is, or set its next number.
    """

    key: Key
    name: str
    was: str
    kept: Kept | None = None
    number: int | None = None

    def __repr__(self) -> str:
        """Keep what is stored out of tracebacks and logs."""
        return _kind_and_key(self)


class AddCounts(NamedTuple):
    """Add to the counts of an item, by their names; the item and each of them may be new."""

    key: Key
    amounts: Mapping[str, int]


class SetNumber(NamedTuple):
    """Set a counter that still has the number it was read with.

    `was` None: it must not be there.
    """

    key: Key
    number: int
    was: int | None


class RaiseNumber(NamedTuple):
    """Set the number of an item that exists, if it has none yet or a lower one."""

    key: Key
    number: int


class Try(NamedTuple):
    """Add one to the counter of an item that exists, unless it has reached `most`."""

    key: Key
    most: int


class Count(NamedTuple):
    """Add one to a counter, which may be new, unless it has reached `most`.

    `body` is kept beside it.
    """

    key: Key
    most: int
    body: str
    ttl: int


class Replace(NamedTuple):
    """Write an item, whatever was there."""

    key: Key
    values: dict[str, Any]

    def __repr__(self) -> str:
        """Keep what is stored out of tracebacks and logs."""
        return _kind_and_key(self)


class Delete(NamedTuple):
    """Remove an item, if it is there.

    With `empty` only one without body, blob and entries whose number is still `number`. `over` says
    that the proof it belongs to is over: nothing else removes a receipt.
    """

    key: Key
    empty: bool = False
    number: int | None = None
    over: bool = False


class Spend(NamedTuple):
    """Take so many from a token bucket (`domain.rate_limits`) while there is room in it.

    `fresh` if it was found untouched. Where it was not, others may take from it meanwhile and this
    still holds: only an empty bucket is a conflict.
    """

    key: Key
    rule: "RateLimit"
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
    | SetKept
    | NextNumber
    | MoveEntry
    | AddCounts
    | SetNumber
    | RaiseNumber
    | Try
    | Count
    | Replace
    | Delete
    | Spend
)
