"""A short address says the same to whoever scans it and to whoever types it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.consent import SOURCE
from chalicelib.domain.short_address import LETTERS, SIGN_UP, WITHDRAW, ShortAddress, read


@given(
    clinic=st.from_regex(r"[a-z0-9]{2,4}", fullmatch=True),
    kind=st.sampled_from(sorted(LETTERS)),
    lang=st.none() | st.from_regex(r"[a-z]{2}", fullmatch=True),
    source=st.none()
    | st.from_regex(SOURCE, fullmatch=True)
    | st.sampled_from(["en", "en-desk", "x9", "a", "s-lv", "desk--2"]),
)
def test_whatever_is_printed_is_read_as_it_was_meant(
    clinic: str, kind: str, lang: str | None, source: str | None
) -> None:
    """No place is taken for a language, and no language for a place."""
    meant = ShortAddress(clinic, kind, lang, source)
    assert read(meant.code) == meant
    assert read(meant.code.upper()) == meant


@pytest.mark.parametrize(
    ("address", "code"),
    [
        (ShortAddress("ra", SIGN_UP), "ra-s"),
        (ShortAddress("ra", SIGN_UP, "lv"), "ra-s-lv"),
        (ShortAddress("ra", WITHDRAW, None, "desk"), "ra-w-desk"),
        (ShortAddress("ra", WITHDRAW, "lv", "desk"), "ra-w-lv-desk"),
        (ShortAddress("ra", WITHDRAW, None, "en"), "ra-w--en"),
    ],
)
def test_a_code_is_as_short_as_it_can_be(address: ShortAddress, code: str) -> None:
    """Fewer signs to type, and larger dots to scan."""
    assert address.code == code


def test_a_code_printed_with_two_hyphens_still_leads_on() -> None:
    """Posters that hang already go on to work."""
    assert read("ra-s--desk") == ShortAddress("ra", SIGN_UP, None, "desk")


@pytest.mark.parametrize(
    "code", ["", "ra", "ra-x", "r-s", "ra-s---", "ra-s-lv-" + "x" * 33, "ra-s-é", "ra-s\n"]
)
def test_what_is_no_code_is_none(code: str) -> None:
    """Whoever mistypes gets the page that says so, not another clinic."""
    assert read(code) is None
