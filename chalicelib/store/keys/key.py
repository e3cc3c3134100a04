"""A key of the table, and what holds for all of them."""

from typing import NamedTuple

PK_BYTES, SK_BYTES = 2048, 1024
"""How long the parts of a key may be in DynamoDB."""


SHARDS = "0123456789abcdef"
"""Sixteen partitions instead of one busy one, chosen by the first hex digit of an id."""


def shards_from(first: int) -> str:
    """Give the shards in a circle, from the one of this number on.

    A round that begins at another shard each time reaches each of them, however little time it has.
    """
    start = first % len(SHARDS)
    return SHARDS[start:] + SHARDS[:start]


class Key(NamedTuple):
    """The two parts of an item's primary key."""

    pk: str
    sk: str


def is_possible(key: Key) -> bool:
    """Tell whether DynamoDB takes a key of this length.

    With a longer one (an address can hold anything) is nothing.
    """
    return len(key.pk.encode()) <= PK_BYTES and len(key.sk.encode()) <= SK_BYTES
