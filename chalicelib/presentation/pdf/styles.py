"""How paragraphs of a printed page look, by their tag or the first known class."""

from dataclasses import dataclass

from chalicelib.presentation.pdf.tagged import Colour

INK: Colour = (0.08, 0.13, 0.13)
SOFT: Colour = (0.3, 0.38, 0.38)
BRAND: Colour = (0.04, 0.35, 0.34)
HAIR: Colour = (0.78, 0.83, 0.82)


@dataclass(frozen=True, slots=True)
class Style:
    """How a paragraph looks; measures in points."""

    size: float = 9.5
    leading: float = 13.6
    """The distance of its lines."""
    before: float = 5
    """The space above it."""
    bold: bool = False
    colour: Colour = INK
    keep: bool = False
    """Whether it stays on the page of what follows."""


STYLES = {
    "h1": Style(19, 24, 6, bold=True, keep=True),
    "h2": Style(12.5, 16, 17, bold=True, colour=BRAND, keep=True),
    "h3": Style(10.5, 14, 12, bold=True, keep=True),
    "h4": Style(9.5, 13, 9, bold=True, keep=True),
    "p": Style(),
    "li": Style(before=3),
    "dt": Style(colour=SOFT),
    "dd": Style(),
    "brand": Style(9.5, 13, 0, bold=True, colour=BRAND),
    "lead": Style(10.5, 15, 5),
    "soft": Style(8.5, 12, 4, colour=SOFT),
    "term": Style(before=7, bold=True, keep=True),
    "facts": Style(8.5, 12, 4, colour=SOFT, keep=True),
    "hash": Style(8.2),
    "told": Style(8.5, 12, 0),
}
