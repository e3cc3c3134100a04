from dataclasses import replace

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.links import (
    Link,
    LinkRecipient,
    LinkScope,
    LinkSecret,
    read_token,
    short_code,
)
from tests.cast import ANNA, ANNA_PHONE
from tests.factories import EVENING, MORNING, NOON

SECRET, OTHER = b"s" * 32, b"o" * 32
HANDLE = LinkSecret(bytes(range(16)))
LINK = Link(
    "riga-aesthetics", "1" * 32, "lv", ("newsletter.email",), None, MORNING, EVENING, "portal"
)


@pytest.mark.parametrize("power", LinkScope)
def test_a_token_opens_what_it_was_made_for_and_nothing_else(power: LinkScope) -> None:
    """Who can unsubscribe somebody cannot read that person's decisions."""
    token = HANDLE.token(SECRET, power)
    read = read_token(token)
    assert read
    handle, proof = read
    assert len(token) == 32
    assert [each for each in LinkScope if handle.grants(SECRET, each, proof)] == [power]
    assert not handle.grants(OTHER, power, proof)
    assert handle.link_id == HANDLE.link_id
    assert HANDLE.value.hex() not in handle.link_id


@pytest.mark.parametrize(
    "wrong", ["", "x", "a" * 31, "a" * 33, "ä" * 32, "=" * 32, "a" * 31 + "=", "a+/" * 10 + "aa"]
)
def test_what_is_no_token_opens_nothing(wrong: str) -> None:
    """An address copied in part is no way in, and no fault of ours."""
    assert read_token(wrong) is None


def test_stopping_goes_on_for_years_and_everything_else_ends_when_the_link_says() -> None:
    """A mail of last year still stops the newsletter; it no longer shows decisions.

    Nothing opens for ever.
    """
    assert all(LINK.opens(power, NOON) for power in LinkScope)
    for at in (EVENING, "2029-11-21T08:14:59.999Z"):
        assert [power for power in LinkScope if LINK.opens(power, at)] == [LinkScope.UNSUBSCRIBE]
    assert not [power for power in LinkScope if LINK.opens(power, "2029-11-21T08:15:00.000Z")]
    lasting = replace(LINK, expires_at="2031-01-01T00:00:00.000Z")
    assert all(lasting.opens(power, "2030-12-31T23:59:59.999Z") for power in LinkScope)
    assert not [power for power in LinkScope if lasting.opens(power, lasting.expires_at)]
    revoked = Link.read(LINK.stored().replace('"revoked_at": null', f'"revoked_at": "{NOON}"'))
    assert not [power for power in LinkScope if revoked.opens(power, MORNING)]


def test_a_link_and_its_holder_come_back_as_they_were_kept() -> None:
    """Nothing is lost between making a link and following it."""
    assert Link.read(LINK.stored()) == LINK
    for holder in (LinkRecipient(ANNA, "Anna Ozola"), LinkRecipient(ANNA_PHONE)):
        assert LinkRecipient.read(holder.plain()) == holder
    assert "anna" not in repr(LinkRecipient(ANNA))
    assert "0102" not in repr(HANDLE)


def test_a_short_code_belongs_to_one_receipt_and_one_phone() -> None:
    """Sent twice it is the same; of another receipt, phone or clinic it is another."""
    code = short_code(SECRET, "a" * 32, ANNA_PHONE)
    assert code == short_code(SECRET, "a" * 32, ANNA_PHONE)
    assert len(code) == 6
    assert code.isdigit()
    others = {
        short_code(SECRET, "b" * 32, ANNA_PHONE),
        short_code(OTHER, "a" * 32, ANNA_PHONE),
        short_code(SECRET, "a" * 32, Contact(ContactKind.PHONE, "+37126123457")),
    }
    assert code not in others
