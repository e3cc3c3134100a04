"""A receipt in each format: what is read for it, and what somebody with its number alone may
have.
"""

from dataclasses import replace

import pytest

from chalicelib.domain.decisions import NoticeRef
from chalicelib.portal import Portal
from chalicelib.receipts.errors import UnknownFormatError, UnsignedError
from chalicelib.receipts.formats.registry import FORMATS, PAPER
from chalicelib.services import decisions
from chalicelib.services.receipt_copies import FullAccess, StoredReceipt, find_receipt, write_copy
from chalicelib.store.clinics import Clinics
from chalicelib.store.receipts import UnknownReceiptError
from tests.cast import ANNA, GIORGI, RIGA, FixedKeys
from tests.factories import EMAIL_NEWS, MORNING, NOON, a_decision
from tests.store.people import signed

BASE = "https://consent.example.org"
NOTHING_MORE = {"json", "jws"}
"""The formats for which nothing is read once the receipt is found."""


def a_stored_receipt(portal: Portal) -> StoredReceipt:
    """Let Anna say Yes to news by e-mail, and give her receipt as it is found."""
    page = NoticeRef("1.0", "lv", portal.clinics.keep_page(RIGA, "<p>Do you want news?</p>"))
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}, notice=page), signed(ANNA))
    return find_receipt(portal, RIGA, receipt.id)


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_copy_costs_one_request_at_most(
    portal: Portal, round_trips: list[str], format_name: str
) -> None:
    """A clinic's program that fetches receipts by the thousand does not wait for what its format
    does not show.
    """
    stored = a_stored_receipt(portal)
    access = FullAccess(portal.directory.look_up(RIGA).published.in_force)
    portal.clinics.key(RIGA)
    round_trips.clear()
    try:
        copy = write_copy(
            portal, stored, format_name, lang="lv", base_url=BASE, now=NOON, access=access
        )
        assert copy.media_type == FORMATS[format_name].media_type
    except UnsignedError:
        assert format_name in {"jws", "sd-jwt"}
    assert round_trips == ([] if format_name in NOTHING_MORE else ["BatchGetItem"])


@pytest.mark.parametrize("format_name", [*FORMATS, "docx", "", None])
def test_the_number_of_a_receipt_is_enough_for_paper_alone(
    portal: Portal, format_name: str | None
) -> None:
    """Whoever finds the address of Anna's receipt does not learn how anything stands, nor her
    id.
    """
    stored = a_stored_receipt(portal)
    if format_name in PAPER:
        copy = write_copy(portal, stored, format_name, lang="lv", base_url=BASE, now=NOON)
        assert stored.receipt.document["subject"].encode() not in copy.content
    else:
        with pytest.raises(UnknownFormatError):
            write_copy(portal, stored, format_name, lang="lv", base_url=BASE, now=MORNING)


def test_a_receipt_of_somebody_else_is_refused_before_its_notice_is_read(
    portal: Portal, round_trips: list[str]
) -> None:
    """By their own pages nobody gets the receipt of another, however they came by its number."""
    theirs = decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA))
    decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(GIORGI))
    lookup = portal.directory.look_up(RIGA, [ANNA, GIORGI])
    [anna], [giorgi] = (lookup.people[each] for each in (ANNA, GIORGI))
    started = replace(portal, clinics=Clinics(portal.table, FixedKeys(), portal.clock))
    round_trips.clear()
    with pytest.raises(UnknownReceiptError):
        find_receipt(started, RIGA, theirs.id, of=giorgi)
    assert round_trips == ["BatchGetItem"] * 2
    assert find_receipt(started, RIGA, theirs.id, of=anna).receipt == theirs
    assert round_trips == ["BatchGetItem"] * (2 + 3)
