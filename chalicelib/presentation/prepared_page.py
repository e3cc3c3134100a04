"""A page rendered once for everybody who opens it: each visit only fills in what is its own.

Nine tenths of the work of showing a page are its template's. What differs between two visits with
nothing typed is the address of the portal, the form's signed state, and what the links keep of the
page's own address.
"""

import re
from typing import Any

from markupsafe import escape

from chalicelib.presentation.templates import Page, render

PLACES = _ROOT, _STATE, _QUERY = "\x01", "\x02", "\x03"
"""What stands where something is filled in: control characters, which no text of a clinic can hold
(`notices.fields.UNWRITABLE`)."""

_PLACE = re.compile(f"([{''.join(PLACES)}])")


class PreparedPage:
    """The page, in parts: its text and, between them, the places of what is filled in."""

    def __init__(self, template: str, lang: str, *, with_query: bool, **context: Any) -> None:
        """Render the page; `with_query` for visits whose `kept_query` is not empty."""
        kept_query = f"&{_QUERY}" if with_query else ""
        rendered = render(
            template, lang, root=_ROOT, state=_STATE, kept_query=kept_query, **context
        )
        self._brand = rendered.brand
        self._parts = _PLACE.split(rendered)

    def fill(self, root: str, state: str, kept_query: str) -> Page:
        """Give the page as the template gives it with these values.

        `kept_query` is empty, or begins with "&".
        """
        values = {_ROOT: escape(root), _STATE: escape(state), _QUERY: escape(kept_query[1:])}
        return Page.of(self._brand, "".join([values.get(part, part) for part in self._parts]))
