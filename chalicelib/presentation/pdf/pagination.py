"""Strips of content, from the top of a page to its foot, and where a page ends.

A strip is a line, or a row of lines side by side. Strips that belong together stay on one page: a
heading and what follows it, the first two lines of a paragraph, and the last two.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chalicelib.presentation.pdf.tagged import HEIGHT, Document

Draw = Callable[[Document, float], None]
"""Draws a part of a strip, given where its upper edge is."""

TOP = 51.0
BOTTOM = 62.0


@dataclass(slots=True)
class Strip:
    """Something of a height that a page is filled with."""

    height: float
    before: float = 0
    """The space above it, left out at the top of a page."""
    keep: bool = False
    """Whether no page may end after it."""
    drawn: list[Draw] = field(default_factory=list)
    """What is drawn, in the order in which it is read aloud."""


def paginate(document: Document, strips: Sequence[Strip]) -> None:
    """Draw strips on as many pages as they need."""
    document.new_page()
    page_height = HEIGHT - TOP - BOTTOM
    used = 0.0
    for group in _groups(strips):
        height = sum([strip.before + strip.height for strip in group])
        fits_a_page = height - group[0].before <= page_height
        if used and fits_a_page and used + height > page_height:
            document.new_page()
            used = 0
        for strip in group:
            before = strip.before if used else 0
            if used and used + before + strip.height > page_height:
                document.new_page()
                used, before = 0, 0
            for draw in strip.drawn:
                draw(document, TOP + used + before)
            used += before + strip.height


def _groups(strips: Sequence[Strip]) -> list[list[Strip]]:
    """Put strips together that belong on one page."""
    groups: list[list[Strip]] = []
    kept = False
    for strip in strips:
        if kept:
            groups[-1].append(strip)
        else:
            groups.append([strip])
        kept = strip.keep
    return groups
