"""Packed texts: what was ever packed can be read for ever, and what is damaged is never guessed."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.store import compact

RECEIPT = (
    '{"actor":"patient","answer":"yes","notice":{"lang":"ka","version":"1.0"},"name":"გიორგი"}'
)
FIRST_DICTIONARY = "ff1dc89ae4e4b2f12c39a972d949b1e043da2548adbba3157538919f399692b4"
PACKED = (
    "0178f9c60fbab8abc6560da1162d18f9191c691879185ad93c6c9ef4b079c6c3e6b90f9b1740d84ab500c93725e7"
)
"""RECEIPT, as the first version packed it."""


@given(st.text())
def test_whatever_is_packed_is_read_again(text: str) -> None:
    """No letter of any language is lost."""
    assert compact.unpack(compact.pack(text)) == text


def test_a_text_packed_today_is_read_by_every_later_version() -> None:
    """The dictionary and the form stay: receipts are kept for years, and never packed anew."""
    first, *_ = compact._DICTIONARIES.values()  # noqa: SLF001 - that it never changes is the point
    assert hashlib.sha256(first).hexdigest() == FIRST_DICTIONARY
    assert compact.unpack(bytes.fromhex(PACKED)) == RECEIPT


def test_the_same_text_is_the_same_bytes() -> None:
    """Whoever writes a person anew must find them as they were read."""
    assert compact.pack(RECEIPT) == compact.pack(RECEIPT)


def test_what_most_receipts_say_takes_few_bytes() -> None:
    """A dictionary of their words is worth its place: without it so short a text gains nothing."""
    assert len(compact.pack(RECEIPT)) < len(RECEIPT.encode()) * 0.6


PACKED_RECEIPT = compact.pack(RECEIPT)


@pytest.mark.parametrize("length", range(len(PACKED_RECEIPT)))
def test_a_part_of_it_is_refused(length: int) -> None:
    """A record that was cut off is a fault, and never a shorter text."""
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        compact.unpack(PACKED_RECEIPT[:length])


@pytest.mark.parametrize("place", range(len(PACKED_RECEIPT)))
def test_a_changed_byte_is_refused(place: int) -> None:
    """A damaged record is a fault, and never another text."""
    changed = bytearray(PACKED_RECEIPT)
    changed[place] ^= 0x55
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        compact.unpack(bytes(changed))


@pytest.mark.parametrize("behind", [b"\0", PACKED_RECEIPT])
def test_more_than_it_is_refused(behind: bytes) -> None:
    """Nothing hides behind a record."""
    with pytest.raises(ValueError, match="goes on behind its end"):
        compact.unpack(PACKED_RECEIPT + behind)


def test_a_dictionary_of_a_version_to_come_is_refused() -> None:
    """After an update is taken back nobody reads what the newer version wrote as something else."""
    with pytest.raises(ValueError, match="no dictionary has this number"):
        compact.unpack(b"\xff" + PACKED_RECEIPT[1:])
