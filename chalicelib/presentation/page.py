"""A rendered page, and a page that was rendered once for everybody who opens it.

Nine tenths of the work of showing a page are its template's. What differs between two visits with
nothing typed is the address of the portal, the form's signed state, and what the links keep of the
page's own address: a prepared page is filled in with these. Nothing here loads Jinja, which a
process needs only to render.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import escape

from chalicelib.domain.brand import Brand

BUILD_ID_FILE = Path(__file__).resolve().parents[2] / "templates/compiled/build-id"
"""Holds a hash of what the bundle was built from. The source tree has no such file."""

PLACES = _ROOT, _STATE, _QUERY = "\x01", "\x02", "\x03"
"""What stands where something is filled in: control characters, which no text of a clinic can hold
(`notices.fields.UNWRITABLE`)."""


class Page(str):
    """A rendered page, which knows the brand whose colours it has: its policy has to allow them."""

    __slots__ = ("brand", "policy")
    brand: Brand
    policy: str
    """Its Content-Security-Policy; empty where it is still to be worked out."""

    @classmethod
    def of(cls, brand: Brand, html: str, policy: str = "") -> "Page":
        """Return a page in a brand's colours."""
        page = cls(html)
        page.brand = brand
        page.policy = policy
        return page


class PreparedPage(NamedTuple):
    """A page in parts: its text and, between them, the places of what is filled in."""

    parts: Sequence[str]
    brand: Brand
    policy: str
    """The page's Content-Security-Policy."""

    def fill(self, root: str, state: str, kept_query: str) -> Page:
        """Give the page as its template gives it with these values.

        `kept_query` is empty, or begins with "&".
        """
        values = {_ROOT: escape(root), _STATE: escape(state), _QUERY: escape(kept_query[1:])}
        html = "".join([values.get(part, part) for part in self.parts])
        return Page.of(self.brand, html, self.policy)


def prepare(template: str, lang: str, *, with_query: bool, **context: Any) -> PreparedPage:
    """Render a page; `with_query` for visits whose `kept_query` is not empty."""
    from chalicelib.presentation.templates import content_security_policy, render  # noqa: PLC0415 - loads Jinja

    kept_query = f"&{_QUERY}" if with_query else ""
    rendered = render(template, lang, root=_ROOT, state=_STATE, kept_query=kept_query, **context)
    place = re.compile(f"([{''.join(PLACES)}])")
    policy = content_security_policy(brand=rendered.brand)
    return PreparedPage(place.split(rendered), rendered.brand, policy)


@cache
def build_id() -> str | None:
    """Tell which build of the portal this is: pages of another may have other bytes.

    None where it runs from its sources, which may change at any time.
    """
    try:
        return BUILD_ID_FILE.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
