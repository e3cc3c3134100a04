"""A clinic's face on pages, mails and posters: its colour in readable shades, and its logo (mails
have the colour alone).

`notices.brand` works out the shades when a version is published. They are kept with it, so that no
later rule changes a page that was published.
"""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple, Self
from urllib.parse import quote

TEAL = "#0b5a57"
"""The colour of whoever names none."""

DARK_TEAL = "#10817c"
LIGHT_TEAL = "#19ccc5"


class Logo(NamedTuple):
    """A clinic's logo as it was checked at publishing; it is shown as an image only."""

    media_type: str
    """``image/svg+xml`` or ``image/png``."""
    content: str
    """The file in base64."""
    width: int
    height: int
    """Its proportions: pixels of a PNG, units of an SVG's view box, at least 1 each."""

    @property
    def address(self) -> str:
        """The logo as a `data:` address (RFC 2397), for the `src` of an image.

        Of an SVG the text itself, which packs better than base64 (a page is sent compressed).
        """
        if self.media_type != "image/svg+xml":
            return f"data:{self.media_type};base64,{self.content}"
        drawing = base64.b64decode(self.content).decode()
        return "data:image/svg+xml," + quote(drawing, safe=" =/:,.;()")


class Brand(NamedTuple):
    """A clinic's colour in the shades that stay readable, as ``#rrggbb``, and its logo.

    Contrasts are those of WCAG 2.2. Without a `brand:` in the document it is teal, with no logo.
    """

    colour: str = TEAL
    """As the clinic wrote it."""
    fill: str = TEAL
    """Behind the header and buttons."""
    on_fill: str = "#ffffff"
    """Text on `fill`: 4.5:1 at least (1.4.3, AA)."""
    link: str = TEAL
    """Coloured text on the light theme's surfaces: 7:1 at least (1.4.6, AAA)."""
    dark_fill: str = DARK_TEAL
    """`fill` on the dark theme, 3:1 at least to what is behind it (1.4.11)."""
    dark_on_fill: str = "#ffffff"
    """Text on `dark_fill`: 4.5:1 at least."""
    dark_link: str = LIGHT_TEAL
    """Coloured text on the dark theme's surfaces: 7:1 at least."""
    logo: Logo | None = None

    def stored(self) -> dict[str, Any]:
        """Write it, JSON-ready, without the logo's content, which the document has."""
        stored = self._asdict()
        if self.logo:
            stored["logo"] = self.logo._asdict()
            del stored["logo"]["content"]
        return stored

    @classmethod
    def read(cls, stored: Mapping[str, Any], content: str) -> Self:
        """Rebuild it from its stored form and the logo's content in the document."""
        logo = Logo(content=content, **stored["logo"]) if stored["logo"] else None
        return cls(**{**stored, "logo": logo})


NO_BRAND = Brand()
"""The brand of a page that belongs to no clinic, and of a clinic that names none."""
